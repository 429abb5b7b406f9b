"""Runs the mixer, in a thread or in the caller: takes blocks in order and returns what came of each, as soon as it can.

The engine's loop only submits blocks and asks for results, so it can still play the dry signal when a voice is late. A
thread that has fallen far behind drops its backlog: results come in order, so a block was dropped when a later one has
its result (`live.sound.playback`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from live.process.bounded_queue import BoundedQueue, WhenFull
from live.process.error_text import error_text
from live.process.frames import now
from live.sound.mixer import VoiceFailure, VoiceMixer
from models.features.types import Mono

MAX_BACKLOG = 20
"""Blocks that may wait. With more they are dropped: they would be late, and so would all that the voice still makes
while it catches up."""
_MAX_CALLS = 10_000
"""More than commands and eased parameters can make until a voice that hangs is given up."""
_MAX_RESULTS = 1000

MixerCall = Callable[[VoiceMixer], str | None]
"""Returns a note for the operator, if there is any."""


@dataclass(frozen=True, slots=True)
class VoiceResult:
    """What came of a block, or of a call between two blocks."""

    index: int | None = None
    """The block's number; None for a call."""
    samples: Mono | None = None
    """The converted block, (block,); None when the voice failed, and for a call."""
    compute_s: float | None = None
    """None for a call."""
    arrived: tuple[int, ...] = ()
    """The cues whose voices began to be audible in it."""
    failures: tuple[VoiceFailure, ...] = ()
    """The voices that failed in it."""
    note: str = ""
    """For the operator."""


class VoiceRunner(Protocol):
    """Its methods belong to the engine's loop, and none of them waits but `close`."""

    def submit(self, index: int, block: Mono) -> None:
        """Convert this block, (block,); blocks come in order."""

    def call_soon(self, call: MixerCall) -> None:
        """Call it with the mixer, between two blocks."""

    def results(self) -> list[VoiceResult]:
        """Those since the last call, in order. A call has a result only when there is something to tell."""

    def abandon(self) -> None:
        """Let go of a thread that hangs: it ends should it ever go on. Never waits."""

    def close(self) -> None: ...


class InlineVoiceRunner:
    """The mixer without a thread: `submit` itself converts. For tests, and where time does not matter."""

    def __init__(self, mixer: VoiceMixer) -> None:
        self._mixer = mixer
        self._results: list[VoiceResult] = []

    def submit(self, index: int, block: Mono) -> None:
        self._results.append(_convert(self._mixer, index, block))

    def call_soon(self, call: MixerCall) -> None:
        result = _call(self._mixer, call)
        if result is not None:
            self._results.append(result)

    def results(self) -> list[VoiceResult]:
        results, self._results = self._results, []
        return results

    def abandon(self) -> None:
        return

    def close(self) -> None:
        return


class ThreadedVoiceRunner:
    """The mixer belongs to a thread of its own. A call overtakes the blocks that wait."""

    def __init__(self, mixer: VoiceMixer, wake: Callable[[], None], begin: Callable[[], object] = lambda: None) -> None:
        """
        Args:
            wake: called in the thread when there is a result.
            begin: called in the thread when it begins.
        """
        self._mixer = mixer
        self._begin = begin
        self._wake = wake
        self._blocks: BoundedQueue[tuple[int, Mono]] = BoundedQueue(MAX_BACKLOG, WhenFull.DROP_ALL)
        self._calls: BoundedQueue[MixerCall] = BoundedQueue(_MAX_CALLS, WhenFull.DROP_OLDEST)
        self._results: BoundedQueue[VoiceResult] = BoundedQueue(_MAX_RESULTS, WhenFull.DROP_OLDEST)
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def submit(self, index: int, block: Mono) -> None:
        self._blocks.put((index, block))

    def call_soon(self, call: MixerCall) -> None:
        self._calls.put(call)
        self._blocks.wake()

    def results(self) -> list[VoiceResult]:
        return self._results.take_all()

    def abandon(self) -> None:
        self._blocks.close()

    def close(self) -> None:
        self._blocks.close()
        self._thread.join(2.0)

    def _run(self) -> None:
        self._begin()
        while not self._blocks.closed:
            next_block = self._blocks.take(timeout_s=None)
            if self._blocks.closed:
                return
            for call in self._calls.take_all():
                self._publish(_call(self._mixer, call))
            if next_block is not None:
                self._publish(_convert(self._mixer, *next_block))

    def _publish(self, result: VoiceResult | None) -> None:
        if result is not None:
            self._results.put(result)
            self._wake()


def _convert(mixer: VoiceMixer, index: int, block: Mono) -> VoiceResult:
    began = now()
    mixed = mixer.process(block)
    samples = None if mixed.lost else mixed.samples
    return VoiceResult(index, samples, now() - began, mixed.arrived, mixed.failures)


def _call(mixer: VoiceMixer, call: MixerCall) -> VoiceResult | None:
    """None when there is nothing to tell."""
    try:
        note = call(mixer)
    except ValueError as error:  # a voice that the mixer refuses
        return VoiceResult(note=error_text(error))
    return VoiceResult(note=note) if note else None
