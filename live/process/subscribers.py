"""Callbacks that are called with everything new, in the thread that has it. Used in the operator's process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Subscribers(Generic[P]):
    """`add` may be called from any thread, also while the subscribers are being called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: tuple[Callable[P, None], ...] = ()

    def add(self, callback: Callable[P, None]) -> Callable[[], None]:
        """Call `callback` from now on; it must not wait. Returns a function that ends the subscription."""

        def subscription(*args: P.args, **kwargs: P.kwargs) -> None:  # its own object: a callback may be added twice
            callback(*args, **kwargs)

        with self._lock:
            self._callbacks = (*self._callbacks, subscription)

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks = tuple(other for other in self._callbacks if other is not subscription)

        return unsubscribe

    def call(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all subscribers, in this thread."""
        for callback in self._callbacks:
            callback(*args, **kwargs)
