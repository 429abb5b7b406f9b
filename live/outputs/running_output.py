"""An output in a show: subscribed to the audience's pictures and the loudspeaker's sound.

`open` and `close` run in the main thread, the rest in the threads of Output. Whatever the output raises becomes a note
and a fault here: the audience's thread and the StageManager's, which call it, do not end by it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from live.outputs.output import BadOutput, Output
from live.process.error_text import error_text, typed_error_text

if TYPE_CHECKING:
    from live.manage.stage_manager import StageManager

ItemT = TypeVar("ItemT")


class RunningOutput:
    """Create it, `open` it, `close` it."""

    def __init__(self, name: str, output: Output, manager: StageManager) -> None:
        self._name = name
        self._output = output
        self._manager = manager
        self._opened = self._failed = False
        self._unsubscribe: list[Callable[[], None]] = []
        self._feeds = (_Feed(self, output.put_picture), _Feed(self, output.put_audio))

    def open(self, sample_rate: int | None) -> None:
        """Opens the output, and has it take pictures and sound if that succeeds. sample_rate: as in Output.open."""
        self._opened = self.attempt(lambda: self._output.open(sample_rate, self._manager.note))
        if self._opened:
            pictures, sound = self._feeds
            self._unsubscribe = [self._manager.audience.subscribe(pictures), self._manager.subscribe_audio(sound)]

    def close(self) -> None:
        """Ends the output, when nothing more is being put into it. Nothing where it was not opened."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for feed in self._feeds:
            feed.end()
        if self._opened:
            self._opened = False
            self.attempt(self._output.close)

    @property
    def failed(self) -> bool:
        return self._failed

    def attempt(self, call: Callable[[], None]) -> bool:
        """Whether it succeeds; else it is a fault, and the output has failed."""
        try:
            call()
        except Exception as error:
            self._failed = True
            text = error_text(error) if isinstance(error, BadOutput) else typed_error_text(error)
            self._manager.add_fault(f"output {self._name}", text)
            return False
        return True


class _Feed(Generic[ItemT]):
    """Puts what it is called with into the output, until that fails or the feed ends."""

    def __init__(self, running: RunningOutput, put: Callable[[ItemT], None]) -> None:
        self._running = running
        self._put = put
        self._ended = False
        self._lock = threading.Lock()
        """Held while something is put: nothing is, once `end` has returned."""

    def __call__(self, item: ItemT) -> None:
        with self._lock:
            if not self._ended and not self._running.failed:
                self._running.attempt(lambda: self._put(item))

    def end(self) -> None:
        with self._lock:
            self._ended = True
