"""Ctrl-C and SIGTERM, while a training runs. In the main thread."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(on_signal: Callable[[int], None]) -> Iterator[None]:
    """Calls `on_signal` with the number of each SIGINT and SIGTERM; afterwards they do what they did before."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, lambda number, frame: on_signal(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
