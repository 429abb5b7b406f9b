"""The Look or Voice that performs now, changed between two steps and never within one.

Runs in an engine's process. `current`, `go` and `answers` belong to the engine's loop and never wait; a loader thread
opens, checks, builds and warms the models. Success is one assignment; after a failure the old model keeps playing and
the answer says why. A model that does not finish is refused and its thread left behind: another loads the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.error_text import error_text
from live.process.messages import Ready, Refused
from live.process.silent_time import SilentTime

T = TypeVar("T")

LOAD_LIMIT_S = 10.0
"""A model has this long to be loaded and warmed, counted from when it is begun."""

_MAX_REQUESTS = 10_000
"""More than any show names."""

_TRIM_AFTER_S = 1.0
"""Freed memory is returned so long after `forget`, because a dissolve may hold the model for a moment."""


class NotReady(Exception):
    """`go` was called with a model that is not loaded; the old one keeps playing."""


@dataclass(slots=True, eq=False)
class _Load:
    """One model that a loader thread is loading."""

    key: str
    time: SilentTime = field(default_factory=SilentTime)
    """Counted by the loop's calls of `answers`: while the machine stood still, no model was late."""


class Slot(Generic[T]):
    """Loaded models by key, one of them performing. Call `close` to end its thread."""

    def __init__(
        self,
        load: Callable[[str], T],
        name: str = "slot",
        *,
        close: Callable[[T], None] = lambda model: None,
        load_limit_s: float = LOAD_LIMIT_S,
    ) -> None:
        """
        Args:
            load: from a key to a model that performs its first step at full speed. Called in a loader thread; an
                exception becomes Refused with its text.
            name: for the threads.
            close: frees a model that nobody waits for any more when it is loaded. Called in a loader thread.
            load_limit_s: a model that takes longer is refused.
        """
        self._load, self._close = load, close
        self._name, self._load_limit_s = name, load_limit_s
        self._models: dict[str, T] = {}
        self._requested: set[str] = set()
        self._hanging: set[str] = set()
        """Keys whose thread was left behind and has not ended."""
        self._loading: _Load | None = None
        self._lock = threading.Lock()
        self._queue: BoundedQueue[str] = BoundedQueue(_MAX_REQUESTS, WhenFull.REFUSE)
        self._answers: list[Ready | Refused] = []
        self._trim_at: float | None = None
        self.current: T | None = None
        self.current_key: str | None = None
        self._thread = self._start_loader()

    def prepare(self, key: str) -> None:
        """Queue a model for the loader. `answers` returns one answer, also when the model is ready already; a second
        call before that is ignored. A model whose loading still hangs is refused at once."""
        with self._lock:
            if key in self._models:
                self._answers.append(Ready(key, 0.0))
                return
            if key in self._hanging:
                self._answers.append(self._too_slow(key))
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
        """The loaders' answers since the last call. Call it at least four times a second: it also ends what takes too
        long."""
        with self._lock:
            self._give_up_slow_load()
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

    def close(self, timeout_s: float = 1.0) -> None:
        """End the loader thread, after a model that it is loading; it is not waited for longer."""
        self._queue.close()
        self._thread.join(timeout_s)

    # ---------------------------------------------------------------- too slow; the loop's thread, locked

    def _give_up_slow_load(self) -> None:
        """Refuse a model that takes too long, leave its thread behind, and have another go on."""
        load = self._loading
        if load is None:
            return
        load.time.tick()
        if load.time.seconds <= self._load_limit_s:
            return
        self._loading = None
        self._hanging.add(load.key)
        if load.key in self._requested:
            self._requested.discard(load.key)
            self._answers.append(self._too_slow(load.key))
        self._thread = self._start_loader()

    def _too_slow(self, key: str) -> Refused:
        return Refused(key, f"not loaded and warmed within {self._load_limit_s:.0f} s")

    def _start_loader(self) -> threading.Thread:
        thread = threading.Thread(target=self._loader, name=f"{self._name}-loader", daemon=True)
        thread.start()
        return thread

    # ---------------------------------------------------------------- the loader threads

    def _loader(self) -> None:
        while True:
            trim_at = self._trim_at
            key = self._queue.take(None if trim_at is None else max(trim_at - time.monotonic(), 0.0))
            if self._queue.closed:
                return
            if key is not None:
                if not self._load_one(key):
                    return
            elif trim_at is not None and time.monotonic() >= trim_at:
                self._trim_at = None
                _return_memory()

    def _load_one(self, key: str) -> bool:
        """False when this thread was left behind meanwhile, and must end."""
        with self._lock:
            if key not in self._requested:  # forgotten while it was queued
                return True
            load = self._loading = _Load(key)
        started_at = time.perf_counter()
        model: T | None = None
        answer: Ready | Refused
        try:
            model = self._load(key)
            answer = Ready(key, time.perf_counter() - started_at)
        except Exception as error:
            answer = Refused(key, error_text(error))
        with self._lock:
            in_time = self._finish(load)
            wanted = in_time and key in self._requested
            if wanted:
                self._requested.discard(key)
                if model is not None:
                    self._models[key] = model
                self._answers.append(answer)
        if model is not None and not wanted:  # forgotten while it loaded, or too late
            with contextlib.suppress(Exception):
                self._close(model)
        _trim()  # what loading took besides: glibc keeps it for the thread that loaded, which has ended
        return in_time

    def _finish(self, load: _Load) -> bool:
        """The load has ended; whether that was in time."""
        if self._loading is load:
            self._loading = None
            return True
        self._hanging.discard(load.key)
        return False


def _return_memory() -> None:
    """Return freed memory to the system."""
    gc.collect()
    _trim()


def _trim() -> None:
    """glibc keeps freed memory until malloc_trim; elsewhere nothing is to be done. Python's lock is free meanwhile."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
