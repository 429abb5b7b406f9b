"""Plays a voice in blocks: used alike by the stage, `guise render` and evaluation.

A voice processes hops of fixed length at its own rate. `BlockAdapter` takes blocks at the microphone's rate, cuts them
into such hops, and keeps the band above the voice's own rate unprocessed, so that the result is not band-limited like a
telephone. Its latency is constant and known at construction, and the output does not depend on how the sound was cut
into blocks. Belongs to one thread.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features.resample import Resampler, lowpass
from models.features.types import Mono

_BLOCKS_TRIED = 4096
"""Enough blocks for every alignment of blocks and hops: their least common multiple is shorter."""


class BlockVoice(Protocol):
    """A voice as it is played: blocks in, as many samples out."""

    @property
    def latency_samples(self) -> int:
        """Delay of the output, in samples."""

    def process(self, samples: Mono) -> Mono: ...


class HopVoice(Protocol):
    """A voice as it is implemented: hops of its own length, at its own rate."""

    sample_rate: int
    hop: int
    """Samples per hop."""

    @property
    def latency_samples(self) -> int:
        """Delay of a hop's output in samples at the voice's rate, not counting the hop itself."""

    @property
    def context(self) -> int:
        """Samples of the past, at the voice's rate, that the output may depend on."""

    def process_hop(self, samples: Mono) -> Mono:
        """The next (hop,) samples in, (hop,) out."""

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool: ...


class BlockAdapter:
    """Presents a HopVoice as blocks of any length that is a multiple of `block`; see live.sound.voice.Voice."""

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
        self._prefill = _prefill_samples(voice, sample_rate, block)
        ratio = sample_rate / voice.sample_rate
        resampling_s = self._down.latency_s + self._up.latency_s
        self.latency_samples = self._prefill + round(voice.latency_samples * ratio + resampling_s * sample_rate)
        self.context = self.latency_samples + round(voice.context * ratio)
        self._above = _BandAbove(voice.sample_rate, sample_rate, self.latency_samples)
        self.reset()

    def reset(self) -> None:
        self._voice.reset()
        self._down.reset()
        self._up.reset()
        self._above.reset()
        self._waiting = np.zeros(0)
        self._output = np.zeros(self._prefill)

    def set(self, name: str, value: float) -> bool:
        return self._voice.set(name, value)

    def process(self, samples: Mono) -> Mono:
        """(n,) -> (n,). Raises ValueError when n is no multiple of the block."""
        if len(samples) % self._block:
            raise ValueError(f"{len(samples)} samples are no multiple of the block of {self._block}")
        waiting = np.concatenate([self._waiting, self._down.push(samples)])
        hop = self._voice.hop
        complete = len(waiting) // hop * hop
        outputs = [self._output]
        for begin in range(0, complete, hop):
            outputs.append(self._up.push(self._voice.process_hop(waiting[begin : begin + hop].astype(np.float32))))
        self._waiting = waiting[complete:]
        ready = np.concatenate(outputs)
        self._output = ready[len(samples) :]
        return (ready[: len(samples)] + self._above.push(samples)).astype(np.float32)


class _BandAbove:
    """The band above the voice's own rate, `latency_samples` late; nothing if the voice's rate is not lower."""

    def __init__(self, voice_hz: int, sample_rate: int, latency_samples: int) -> None:
        self._kernel = lowpass(sample_rate, voice_hz) if voice_hz < sample_rate else None
        self._delay = latency_samples
        self.reset()

    def reset(self) -> None:
        self._history = np.zeros(self._delay + (0 if self._kernel is None else len(self._kernel) // 2 + 1))

    def push(self, samples: Mono) -> NDArray[np.float64] | float:
        if self._kernel is None:
            return 0.0
        joined = np.concatenate([self._history, samples])
        self._history = joined[len(samples) :]
        half = len(self._kernel) // 2
        # `half` samples on either side of those of `latency_samples` ago are there: the latency is longer than that.
        begin = len(joined) - len(samples) - self._delay
        around = joined[begin - half : begin + len(samples) + half]
        return joined[begin : begin + len(samples)] - np.convolve(around, self._kernel, "valid")


def _prefill_samples(voice: HopVoice, sample_rate: int, block: int) -> int:
    """Samples of silence to begin with, so that every block in can be followed by a block out."""
    taken = block * np.arange(1, _BLOCKS_TRIED + 1, dtype=np.int64)
    processed = taken * voice.sample_rate // sample_rate // voice.hop * voice.hop
    output = processed * sample_rate // voice.sample_rate
    return int((taken - output).max())


def streamed(voice: BlockVoice, samples: Mono, block: int) -> Mono:
    """A whole recording through a voice, with the latency removed: same length, same timing."""
    latency_samples = voice.latency_samples
    complete = latency_samples + len(samples)
    padded = np.concatenate([samples, np.zeros(latency_samples + -complete % block, np.float32)])
    outputs = [voice.process(padded[begin : begin + block]) for begin in range(0, len(padded), block)]
    return np.concatenate([np.zeros(0, np.float32), *outputs])[latency_samples:complete]
