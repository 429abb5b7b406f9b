"""The blocks' way through the voice and back: submitted in order, played in order, each once and none too late.

Belongs to the engine's loop, and never waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from live.sound.miss_counter import MissCounter
from live.sound.substitute import SubstituteSound
from live.sound.voice_runner import VoiceResult, VoiceRunner
from models.features.types import Mono

LAST_MOMENT_S = 0.003
"""A block that is not ready is late when the loudspeaker has less than this buffered."""
MAX_PENDING = 100
"""A block that so many others follow is late, whatever the loudspeaker says of itself."""


class DueBlock(NamedTuple):
    """A block that is to be played now."""

    samples: Mono
    """(block,): from the voice, or its substitute."""
    dry: Mono
    """The performer's own voice of the same time."""
    captured_at: float


@dataclass(frozen=True, slots=True)
class _Pending:
    """A block that the voice is converting."""

    index: int
    dry: Mono
    captured_at: float


class Playback:
    """Waits for each block's voice up to the last moment; then its substitute is played and a miss is counted."""

    def __init__(
        self,
        runner: VoiceRunner,
        substitute: SubstituteSound,
        misses: MissCounter,
        buffered_s: Callable[[], float],
    ) -> None:
        """
        Args:
            buffered_s: how long what the loudspeaker has will last.
        """
        self._runner, self._substitute, self._misses = runner, substitute, misses
        self._buffered_s = buffered_s
        self._pending: deque[_Pending] = deque()
        self._ready: dict[int, Mono] = {}
        self._next_index = 0
        self._answered_index = -1
        """Of the newest block that came back: they come in order, so one before it that did not was dropped."""
        self._results: list[VoiceResult] = []

    def submit(self, index: int, block: Mono, dry: Mono, captured_at: float) -> None:
        """A block for the voice, (block,), numbered from 0; dry: the performer's own voice, late as the voice is."""
        self._pending.append(_Pending(index, dry, captured_at))
        self._runner.submit(index, block)

    def next_block(self) -> DueBlock | None:
        """The next block in order, if its voice is there or it can wait no longer."""
        if not self._pending:
            return None
        pending = self._pending[0]
        voiced = self._take(pending.index)
        if voiced is None and not self._is_late(pending.index):
            return None
        self._misses.count(late=voiced is None)
        if voiced is not None:
            samples = self._substitute.voiced(voiced, pending.dry)
        else:
            samples = self._substitute.fill(pending.dry)
        self._pending.popleft()
        self._next_index = pending.index + 1
        return DueBlock(samples, pending.dry, pending.captured_at)

    def give_up(self) -> None:
        """What the voice's thread still has will never come."""
        if self._pending:
            self._answered_index = self._pending[-1].index

    def due_in_s(self) -> float | None:
        """How long until the last moment to play a block; None while none waits."""
        return max(self._buffered_s() - LAST_MOMENT_S, 0.0005) if self._pending else None

    def take_results(self) -> list[VoiceResult]:
        """The voice's results since the last call, those of late blocks included."""
        self._collect()
        results, self._results = self._results, []
        return results

    def _is_late(self, index: int) -> bool:
        dropped = index <= self._answered_index
        return dropped or len(self._pending) > MAX_PENDING or self._buffered_s() <= LAST_MOMENT_S

    def _take(self, index: int) -> Mono | None:
        self._collect()
        return self._ready.pop(index, None)

    def _collect(self) -> None:
        for result in self._runner.results():
            self._results.append(result)
            if result.index is not None:
                self._answered_index = max(self._answered_index, result.index)
            # A block whose substitute was played is discarded.
            if result.samples is not None and result.index is not None and result.index >= self._next_index:
                self._ready[result.index] = result.samples
