"""Callbacks that are called with everything new, in the thread that has it. Used in the operator's process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Subscribers(Generic[P]):
    """`add` may be called from any thread, also while the subscribers are being called."""

    def __init__(self, on_error: Callable[[Exception], None] | None = None) -> None:
        """on_error: called with what a subscriber raises; the others are called all the same, and it is called again
        the next time. None: `call` raises it."""
        self._on_error = on_error
        self._lock = threading.Lock()
        self._callbacks: tuple[Callable[P, None], ...] = ()
        self._calling: Callable[P, None] | None = None
        self._calling_thread: threading.Thread | None = None

    def add(self, callback: Callable[P, None]) -> Callable[[], None]:
        """Call `callback` from now on; it must not wait. Returns a function that ends the subscription."""

        def subscription(*args: P.args, **kwargs: P.kwargs) -> None:  # its own object: a callback may be added twice
            callback(*args, **kwargs)

        with self._lock:
            self._callbacks = (*self._callbacks, subscription)
        return lambda: self._remove(subscription)

    def _remove(self, subscription: Callable[P, None]) -> None:
        with self._lock:
            self._callbacks = tuple(other for other in self._callbacks if other is not subscription)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all subscribers, in this thread; ends early when another thread has taken over meanwhile."""
        thread = self._calling_thread = threading.current_thread()
        for callback in self._callbacks:
            if self._calling_thread is not thread:
                return
            self._calling = callback
            try:
                callback(*args, **kwargs)
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(error)
            finally:
                if self._calling_thread is thread:
                    self._calling = None

    def drop_hung(self) -> bool:
        """The thread that calls hangs and is replaced: end the subscription that it hangs in, if that is where."""
        hung, self._calling, self._calling_thread = self._calling, None, None
        if hung is not None:
            self._remove(hung)
        return hung is not None
