"""The Look or Voice that performs now, changed between two steps and never within one.

Runs in an engine's process. `current`, `go` and `answers` belong to the engine's loop and never wait; a loader thread
opens, checks, builds and warms the models. Success is one assignment; after a failure the old model keeps playing and
the answer says why.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.error_text import error_text
from live.process.messages import Ready, Refused

T = TypeVar("T")

_MAX_REQUESTS = 10_000
"""More than any show names."""

_TRIM_AFTER_S = 1.0
"""Freed memory is returned so long after `forget`, because a dissolve may hold the model for a moment."""


class NotReady(Exception):
    """`go` was called with a model that is not loaded; the old one keeps playing."""


class Slot(Generic[T]):
    """Loaded models by key, one of them performing. Call `close` to end its thread."""

    def __init__(self, load: Callable[[str], T], name: str = "slot") -> None:
        """
        Args:
            load: from a key to a model that performs its first step at full speed. Called in the loader thread; an
                exception becomes Refused with its text.
            name: for the thread.
        """
        self._load = load
        self._models: dict[str, T] = {}
        self._requested: set[str] = set()
        self._lock = threading.Lock()
        self._queue: BoundedQueue[str] = BoundedQueue(_MAX_REQUESTS, WhenFull.REFUSE)
        self._answers: list[Ready | Refused] = []
        self._trim_at: float | None = None
        self.current: T | None = None
        self.current_key: str | None = None
        self._thread = threading.Thread(target=self._loader, name=f"{name}-loader", daemon=True)
        self._thread.start()

    def prepare(self, key: str) -> None:
        """Queue a model for the loader. `answers` returns one answer, also when the model is ready already; a second
        call before that is ignored."""
        with self._lock:
            if key in self._models:
                self._answers.append(Ready(key, 0.0))
                return
            if key in self._requested:
                return
            self._requested.add(key)
        self._queue.put(key)

    def put(self, key: str, model: T) -> None:
        """Add a model that is loaded already."""
        with self._lock:
            self._models[key] = model

    def is_ready(self, key: str) -> bool:
        return key in self._models

    def model(self, key: str) -> T | None:
        """The loaded model, or None."""
        return self._models.get(key)

    def go(self, key: str) -> None:
        """Perform with this model from the next step on. Raises NotReady."""
        with self._lock:
            model = self._models.get(key)
        if model is None:
            raise NotReady(f"{key} is not loaded")
        self.current, self.current_key = model, key

    def forget(self, key: str) -> None:
        """Free a model's memory; a model that performs does so until the next `go`. An unknown key is no error."""
        with self._lock:
            self._requested.discard(key)
            self._models.pop(key, None)
            self._trim_at = time.monotonic() + _TRIM_AFTER_S
        self._queue.wake()

    def answers(self) -> list[Ready | Refused]:
        """The loader's answers since the last call."""
        with self._lock:
            answers, self._answers = self._answers, []
        return answers

    @property
    def busy(self) -> bool:
        """The loader is working, or `answers` has something to return."""
        return bool(self._requested or self._answers)

    @property
    def loaded(self) -> list[str]:
        with self._lock:
            return list(self._models)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the loader thread, after a model that it is loading."""
        self._queue.close()
        self._thread.join(timeout_s)

    def _loader(self) -> None:
        while True:
            trim_at = self._trim_at
            key = self._queue.take(None if trim_at is None else max(trim_at - time.monotonic(), 0.0))
            if self._queue.closed:
                return
            if key is not None:
                self._load_one(key)
            elif trim_at is not None and time.monotonic() >= trim_at:
                self._trim_at = None
                _return_memory()

    def _load_one(self, key: str) -> None:
        with self._lock:
            if key not in self._requested:  # forgotten while it was queued
                return
        started_at = time.perf_counter()
        model: T | None = None
        answer: Ready | Refused
        try:
            model = self._load(key)
            answer = Ready(key, time.perf_counter() - started_at)
        except Exception as error:
            answer = Refused(key, error_text(error))
        with self._lock:
            if key not in self._requested:  # forgotten while it loaded
                return
            self._requested.discard(key)
            if model is not None:
                self._models[key] = model
            self._answers.append(answer)


def _return_memory() -> None:
    """Return freed memory to the system: glibc keeps it until malloc_trim; elsewhere nothing needs to be done."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
