"""The Look or Voice that performs now, changed between two steps and never within one.

Lives in an engine's process. `current`, `go` and `news` belong to the engine's loop and never wait; a loader
thread opens, checks, builds and warms the models. Success is one assignment; failure leaves the old model
playing and says why.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from live.process.messages import Ready, Refused

T = TypeVar("T")

_TRIM_AFTER_S = 1.0
"""A dissolve may hold the model for a moment after it was forgotten."""


class NotReady(Exception):
    """`go` was asked for a model that is not loaded; the old one keeps playing."""


class Slot(Generic[T]):
    """Models by key, one of them performing. Close it, else its thread stays."""

    def __init__(self, load: Callable[[str], T], name: str = "slot") -> None:
        """
        Args:
            load: makes a model ready to perform its first step at full speed, from its key; runs in the
            loader thread;
                what it raises becomes Refused with the exception's text.
            name: for the thread.
        """
        self._load = load
        self._models: dict[str, T] = {}
        self._asked: set[str] = set()
        self._guard = threading.Lock()
        self._work: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._news: list[Ready | Refused] = []
        self._trim_at: float | None = None
        self.current: T | None = None
        self.current_key: str | None = None
        self._thread = threading.Thread(target=self._loader, name=f"{name}-loader", daemon=True)
        self._thread.start()

    def prepare(self, key: str) -> None:
        """Queue it for the loader. `news` will answer once, also when it is ready already. Asked twice,
        loaded once."""
        with self._guard:
            if key in self._models:
                self._news.append(Ready(key, 0.0))
                return
            if key in self._asked:
                return
            self._asked.add(key)
        self._work.put(key)

    def put(self, key: str, model: T) -> None:
        """Hold a model that exists already under this key: it is ready."""
        with self._guard:
            self._models[key] = model

    def ready(self, key: str) -> bool:
        return key in self._models

    def model(self, key: str) -> T | None:
        """The loaded model, or None."""
        return self._models.get(key)

    def go(self, key: str) -> None:
        """Perform with it from the next step on. Raises NotReady."""
        with self._guard:
            model = self._models.get(key)
        if model is None:
            raise NotReady(f"{key} is not loaded")
        self.current, self.current_key = model, key

    def forget(self, key: str) -> None:
        """Give its memory back; the one that performs goes on until the next `go`. Unknown keys are no
        error."""
        with self._guard:
            self._asked.discard(key)
            self._models.pop(key, None)
            self._trim_at = time.monotonic() + _TRIM_AFTER_S
        self._work.put("")

    def news(self) -> list[Ready | Refused]:
        """What the loader has finished since the last call."""
        with self._guard:
            news, self._news = self._news, []
        return news

    @property
    def busy(self) -> bool:
        """The loader is at work, or has answers that nobody has taken."""
        return bool(self._asked or self._news)

    @property
    def loaded(self) -> list[str]:
        with self._guard:
            return list(self._models)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the loader thread, after the model it may be busy with."""
        self._work.put(None)
        self._thread.join(timeout_s)

    def _loader(self) -> None:
        while True:
            due = self._trim_at
            try:
                key = self._work.get(timeout=None if due is None else max(due - time.monotonic(), 0.0))
            except queue.Empty:
                self._trim_at = None
                _give_memory_back()
                continue
            if key is None:
                return
            if key:
                self._load_one(key)

    def _load_one(self, key: str) -> None:
        with self._guard:
            if key not in self._asked:  # forgotten while it waited
                return
        began = time.perf_counter()
        model: T | None = None
        answer: Ready | Refused
        try:
            model = self._load(key)
            answer = Ready(key, time.perf_counter() - began)
        except Exception as error:
            answer = Refused(key, " ".join(str(error).split()) or type(error).__name__)
        with self._guard:
            if key not in self._asked:  # forgotten while it loaded
                return
            self._asked.discard(key)
            if model is not None:
                self._models[key] = model
            self._news.append(answer)


def _give_memory_back() -> None:
    """glibc keeps freed memory for itself until it is told; elsewhere nothing is to be done."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
