"""What comes back from the voice, converted in a thread or in the caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from live.sound.mixer import Dry, VoiceMixer
from live.sound.voice_runner import (
    MAX_BACKLOG,
    InlineVoiceRunner,
    ThreadedVoiceRunner,
    VoiceResult,
    VoiceRunner,
)
from models.features.types import Mono
from tests.live.sound.engine_rig import ScriptedVoice

RATE, BLOCK = 48_000, 480
ONES = np.ones(BLOCK, np.float32)

Start = Callable[[VoiceMixer], VoiceRunner]


@contextmanager
def inline(mixer: VoiceMixer) -> Iterator[VoiceRunner]:
    yield InlineVoiceRunner(mixer)


@contextmanager
def threaded(mixer: VoiceMixer) -> Iterator[VoiceRunner]:
    runner = ThreadedVoiceRunner(mixer, lambda: None)
    yield runner
    runner.close()


def mixer_with(function: Callable[[Mono], Mono]) -> VoiceMixer:
    """A mixer with this voice requested as cue 4."""
    mixer = VoiceMixer(RATE, BLOCK, 0, real_time=False)
    mixer.change(ScriptedVoice(function), 0.0, 4)
    return mixer


def results(runner: VoiceRunner, count: int) -> list[VoiceResult]:
    """So many results, in the order in which they came."""
    found: list[VoiceResult] = []
    until = time.monotonic() + 10
    while len(found) < count and time.monotonic() < until:
        found += runner.results()
        time.sleep(0.001)
    assert len(found) == count
    return found


both = pytest.mark.parametrize("start", [inline, threaded])


@both
def test_a_block_comes_back_with_the_cue_that_arrived_in_it(start: Start) -> None:
    with start(mixer_with(lambda samples: samples)) as runner:
        for index in range(3):
            runner.submit(index, ONES)
        blocks = results(runner, 3)
    assert [block.index for block in blocks] == [0, 1, 2]
    assert [block.arrived for block in blocks] == [(4,), (), ()]
    assert all(block.samples is not None and block.samples.shape == (BLOCK,) for block in blocks)
    assert all(block.compute_s is not None and block.compute_s > 0 and not block.failures for block in blocks)


@both
def test_a_voice_that_fails_is_told_with_the_block_it_failed_in(start: Start) -> None:
    def fail(samples: Mono) -> Mono:
        raise RuntimeError("the network\nis gone")

    for function, error in ((fail, "the network is gone"), (lambda s: s * np.float32(np.nan), "no sound")):
        with start(mixer_with(function)) as runner:
            runner.submit(8, ONES)
            (block,) = results(runner, 1)
        assert (block.index, block.samples) == (8, None)
        assert error in block.failures[0].why


@both
def test_a_call_tells_only_what_is_to_be_told(start: Start) -> None:
    with start(VoiceMixer(RATE, BLOCK, 0)) as runner:
        runner.call_soon(lambda mixer: None)
        runner.call_soon(lambda mixer: "" if mixer.set("colour", 1.0) else "no such parameter")
        runner.call_soon(lambda mixer: mixer.change(slow, 0.0))
        note, error = results(runner, 2)
    assert (note.note, note.index) == ("no such parameter", None)
    assert "slower" in error.note


slow = Dry("slow")
slow.latency_samples = 1


def test_a_thread_far_behind_drops_its_backlog_and_goes_on_with_the_newest() -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait(samples: Mono) -> Mono:
        began.set()
        assert go_on.wait(10)
        return samples

    with threaded(mixer_with(wait)) as runner:
        runner.submit(0, ONES)
        assert began.wait(10)
        for index in range(1, MAX_BACKLOG + 3):
            runner.submit(index, ONES)
        go_on.set()
        assert [block.index for block in results(runner, 3)] == [0, MAX_BACKLOG + 1, MAX_BACKLOG + 2]
        assert runner.results() == []


def test_a_call_overtakes_the_blocks_that_wait() -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait(samples: Mono) -> Mono:
        began.set()
        assert go_on.wait(10)
        return samples

    with threaded(mixer_with(wait)) as runner:
        runner.submit(0, ONES)
        assert began.wait(10)
        runner.submit(1, ONES)
        runner.call_soon(lambda mixer: mixer.cut(Dry()))
        runner.call_soon(lambda mixer: "done")
        go_on.set()
        assert [(result.index, result.note) for result in results(runner, 3)] == [(0, ""), (None, "done"), (1, "")]
