"""Blocks in order, late blocks and their substitutes, and the counting of misses; under a clock of the test's own."""

from __future__ import annotations

import numpy as np
import pytest

from live.sound.miss_counter import MissCounter
from live.sound.playback import MAX_PENDING, Playback
from live.sound.substitute import SubstituteSound
from live.sound.voice_runner import MixerCall, VoiceResult
from models.features.types import Mono

RATE, BLOCK = 48_000, 480
LOUD, SOFT = np.full(BLOCK, 0.8, np.float32), np.full(BLOCK, 0.2, np.float32)


class ScriptedRunner:
    """Returns what the test says it has converted."""

    def __init__(self) -> None:
        self.converted: list[VoiceResult] = []

    def submit(self, index: int, block: Mono) -> None:
        return

    def call_soon(self, call: MixerCall) -> None:
        return

    def results(self) -> list[VoiceResult]:
        converted, self.converted = self.converted, []
        return converted

    def abandon(self) -> None:
        return

    def close(self) -> None:
        return


class Bench:
    def __init__(self, sound_miss: str = "dry") -> None:
        self.runner, self.misses, self.buffered_s = ScriptedRunner(), MissCounter(BLOCK / RATE), 0.02
        substitute = SubstituteSound(RATE, sound_miss)
        self.playback = Playback(self.runner, substitute, self.misses, lambda: self.buffered_s)

    def submit(self, *indices: int) -> None:
        for index in indices:
            self.playback.submit(index, LOUD, SOFT, float(index))

    def played(self) -> list[float]:
        """When each of the blocks that are due was captured."""
        times = []
        while (due := self.playback.next_block()) is not None:
            times.append(due.captured_at)
        return times


def test_blocks_are_played_in_order_as_they_are_converted() -> None:
    bench = Bench()
    assert bench.playback.due_in_s() is None
    bench.submit(0, 1, 2)
    assert bench.played() == []
    assert bench.playback.due_in_s() == pytest.approx(0.017)
    bench.runner.converted = [VoiceResult(0, LOUD)]
    assert bench.played() == [0.0]
    assert bench.played() == []
    bench.runner.converted = [VoiceResult(1, LOUD)]
    assert bench.played() == [1.0]
    assert bench.misses.total == 0


def test_a_late_block_is_discarded_and_what_came_with_it_is_not() -> None:
    bench = Bench()
    bench.submit(0, 1)
    bench.buffered_s = 0.001
    assert bench.played() == [0.0, 1.0]
    assert bench.misses.total == 2
    bench.buffered_s = 0.02
    bench.submit(2)
    bench.runner.converted = [VoiceResult(0, LOUD, 0.5, arrived=(3,)), VoiceResult(2, LOUD)]
    due = bench.playback.next_block()
    assert due is not None
    assert due.captured_at == 2.0
    results = bench.playback.take_results()
    assert [(result.index, result.arrived) for result in results] == [(0, (3,)), (2, ())]
    assert bench.playback.take_results() == []
    assert not bench.playback._ready, "late blocks do not pile up"


def test_a_block_that_was_dropped_is_not_waited_for() -> None:
    bench = Bench()
    bench.submit(0, 1, 2)
    bench.runner.converted = [VoiceResult(2, LOUD)]
    assert bench.played() == [0.0, 1.0, 2.0]
    assert bench.misses.total == 2


def test_blocks_that_wait_are_bounded_whatever_the_loudspeaker_says() -> None:
    bench = Bench()
    bench.submit(*range(MAX_PENDING + 5))
    assert len(bench.played()) == 5


def played(misses: MissCounter, late_s: float, in_time_s: float = 0.0) -> None:
    """Blocks of 10 ms that were late, and then some in time."""
    for late, seconds in ((True, late_s), (False, in_time_s)):
        for _ in range(round(100 * seconds)):
            misses.count(late)


def test_another_voice_does_not_pay_for_the_misses_before_it() -> None:
    misses = MissCounter(0.01)
    played(misses, 1.6)
    misses.restart()
    played(misses, 1.0)
    assert not misses.take_too_slow()


@pytest.mark.parametrize(("sound_miss", "level"), [("dry", 0.2), ("silence", 0.0)])
def test_the_substitute_is_joined_without_a_click(sound_miss: str, level: float) -> None:
    substitute = SubstituteSound(RATE, sound_miss)
    blocks = [substitute.voiced(LOUD, SOFT), substitute.fill(SOFT), substitute.fill(SOFT)]
    blocks += [substitute.voiced(LOUD, SOFT), substitute.voiced(LOUD, SOFT)]
    assert np.abs(np.diff(np.concatenate(blocks))).max() < 0.01
    assert np.all(blocks[2] == np.float32(level))
    assert blocks[4] is LOUD, "the voice itself is not touched"


def test_a_voice_that_stays_too_slow_is_found_once() -> None:
    misses = MissCounter(0.01)
    for _ in range(3):
        played(misses, 0.5, 0.3)
        assert not misses.take_too_slow()
    played(misses, 0.5)
    assert misses.take_too_slow()
    assert not misses.take_too_slow(), "told once"


def test_a_late_hop_now_and_then_is_told_and_is_no_slow_voice() -> None:
    misses = MissCounter(0.01)
    for _ in range(10):
        played(misses, 1.5, 4.0)
        assert not misses.take_too_slow()
        assert misses.take_burst_s() == pytest.approx(1.5)
        assert misses.take_burst_s() is None
    played(misses, 0.05, 1.0)
    assert misses.take_burst_s() is None, "nobody has heard it"
    assert misses.total == 1505
