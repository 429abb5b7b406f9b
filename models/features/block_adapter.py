"""A voice block by block: what the stage, `guise render` and evaluation play a voice through, alike.

A voice thinks in hops at a rate of its own. `BlockAdapter` takes blocks at the microphone's rate, cuts them into such
hops, and keeps the band above the voice's own rate as it was said, so that nothing sounds like a telephone. Its latency
is one number, known when it is made, and what comes out does not depend on how the blocks were cut.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features.resample import Resampler, lowpass
from models.features.types import Mono

_BLOCKS_TRIED = 4096
"""So many blocks show every way in which blocks and hops can lie: their least common multiple is shorter."""


class BlockVoice(Protocol):
    """A voice as it is played: blocks in, as many samples out."""

    @property
    def latency_samples(self) -> int:
        """Samples by which what comes out is late."""

    def process(self, samples: Mono) -> Mono: ...


class HopVoice(Protocol):
    """A voice as it thinks: hops of its own length, at its own rate."""

    sample_rate: int
    hop: int
    """Samples it takes at a time."""

    @property
    def latency(self) -> int:
        """Samples at its own rate by which a hop's answer is late, apart from the hop itself."""

    @property
    def context(self) -> int:
        """Samples of the past, at its own rate, that it must have heard before what it says is right."""

    def hear(self, samples: Mono) -> Mono:
        """The next (hop,) samples in, (hop,) out."""

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool: ...


class BlockAdapter:
    """A HopVoice behind blocks of any length that is a multiple of `block`; see live.sound.voice.Voice."""

    def __init__(self, voice: HopVoice, name: str, sample_rate: int, block: int) -> None:
        """
        Args:
            sample_rate, block: the microphone's. A rate lower than the voice's own is raised for it.
        """
        self.name = name
        self._voice = voice
        self._block = block
        self._down = Resampler(sample_rate, voice.sample_rate)
        self._up = Resampler(voice.sample_rate, sample_rate)
        self._in_hand = _most_awaited(voice, sample_rate, block)
        per_own = sample_rate / voice.sample_rate
        inside_s = self._down.latency_s + self._up.latency_s
        self.latency_samples = self._in_hand + round(voice.latency * per_own + inside_s * sample_rate)
        self.context = self.latency_samples + round(voice.context * per_own)
        self._above = _BandAbove(voice.sample_rate, sample_rate, self.latency_samples)
        self.reset()

    def reset(self) -> None:
        self._voice.reset()
        self._down.reset()
        self._up.reset()
        self._above.reset()
        self._waiting = np.zeros(0)
        self._said = np.zeros(self._in_hand)

    def set(self, name: str, value: float) -> bool:
        return self._voice.set(name, value)

    def process(self, samples: Mono) -> Mono:
        """(n,) -> (n,). Raises ValueError when n is no multiple of the block."""
        if len(samples) % self._block:
            raise ValueError(f"{len(samples)} samples are no multiple of the block of {self._block}")
        waiting = np.concatenate([self._waiting, self._down.push(samples)])
        hop = self._voice.hop
        whole = len(waiting) // hop * hop
        said = [self._said]
        for begin in range(0, whole, hop):
            said.append(self._up.push(self._voice.hear(waiting[begin : begin + hop].astype(np.float32))))
        self._waiting = waiting[whole:]
        ready = np.concatenate(said)
        self._said = ready[len(samples) :]
        return (ready[: len(samples)] + self._above.push(samples)).astype(np.float32)


class _BandAbove:
    """What lies above the voice's own rate, `latency` samples late; nothing where there is nothing above."""

    def __init__(self, own_hz: int, sample_rate: int, latency: int) -> None:
        self._kernel = lowpass(sample_rate, own_hz) if own_hz < sample_rate else None
        self._late = latency
        self.reset()

    def reset(self) -> None:
        self._heard = np.zeros(self._late + (0 if self._kernel is None else len(self._kernel) // 2 + 1))

    def push(self, samples: Mono) -> NDArray[np.float64] | float:
        if self._kernel is None:
            return 0.0
        heard = np.concatenate([self._heard, samples])
        self._heard = heard[len(samples) :]
        half = len(self._kernel) // 2
        # Around the samples of `latency` ago there are `half` on either side: the latency is longer than that.
        begin = len(heard) - len(samples) - self._late
        around = heard[begin - half : begin + len(samples) + half]
        return heard[begin : begin + len(samples)] - np.convolve(around, self._kernel, "valid")


def _most_awaited(voice: HopVoice, sample_rate: int, block: int) -> int:
    """The samples that must be in hand at the start, so that after each block a block can be given."""
    taken = block * np.arange(1, _BLOCKS_TRIED + 1, dtype=np.int64)
    own = taken * voice.sample_rate // sample_rate // voice.hop * voice.hop
    given = own * sample_rate // voice.sample_rate
    return int((taken - given).max())


def streamed(voice: BlockVoice, samples: Mono, block: int) -> Mono:
    """A whole recording through a voice, its latency taken out: as long as it was, and where it was."""
    late = voice.latency_samples
    whole = late + len(samples)
    padded = np.concatenate([samples, np.zeros(late + -whole % block, np.float32)])
    said = [voice.process(padded[begin : begin + block]) for begin in range(0, len(padded), block)]
    return np.concatenate([np.zeros(0, np.float32), *said])[late:whole]
