"""The engine's blocks out of a microphone's ring: of one channel, at the engine's rate, stamped.

Belongs to the engine's loop, and is guarded by RingPair's lock.
"""

from __future__ import annotations

import math

import numpy as np

from live.process.frames import now
from live.sound.audio_block import AudioBlock
from live.sound.devices.stream_end import StreamEnd
from live.sound.drift import DriftResampler
from live.sound.level import sanitise
from models.features.channel_mix import ChannelMix
from models.features.media.mixdown import Channel

_DULL_HZ = 32_000
_MAX_JUMP_S = 0.1
"""A time stamp farther off than this is that of sound after a hole."""


class RingReader:
    """Of one stream; a stream that is opened anew gets a new one."""

    def __init__(self, end: StreamEnd, sample_rate: int, block: int, channel: Channel = "auto") -> None:
        """channel: which are heard; where the device has not so many, those that carry sound."""
        self.end = end
        self._sample_rate, self._block = sample_rate, block
        self._resampler = DriftResampler(end.rate / sample_rate) if end.rate != sample_rate else None
        missing = isinstance(channel, int) and channel > end.channels
        self._channels = ChannelMix(end.channels, round(end.rate), "auto" if missing else channel)
        self._found = (
            [f"it has no channel {channel}, only {end.channels}: what carries sound is heard"] if missing else []
        )
        if end.rate < _DULL_HZ:
            self._found.append(f"it gives {end.rate / 1000:g} kHz: the voice sounds dull")
        self._pending = np.zeros(0, np.float32)
        """Samples at the engine's rate that are not a whole block yet."""
        self._next_captured_at: float | None = None
        late_samples = self._resampler.latency_samples if self._resampler else 0
        self.latency_s = end.latency_s + late_samples / end.rate
        """From the air to the ring buffer."""

    @property
    def note(self) -> str:
        """What the operator should know of the device, in one line; "" when all is well."""
        return "; ".join(filter(None, (*self._found, self._channels.note)))

    def due_in_s(self) -> float:
        """How long until a block may be complete."""
        missing = self._samples_needed() - self.end.ring.read_available
        return min(max(missing / self.end.rate, 0.001), 0.05) if missing > 0 else 0.0

    def in_flight_samples(self, rate: float) -> float:
        """The sound that is here, as samples of that rate."""
        in_flight = self.end.ring.read_available * rate / self.end.rate
        return in_flight + len(self._pending) * rate / self._sample_rate

    def read(self) -> AudioBlock | None:
        """The next block, or None."""
        end, needed = self.end, self._samples_needed()
        available = end.ring.read_available
        if available < needed:
            return None
        captured_at = now() - (available - end.max_step) / end.rate - self.latency_s
        captured_at -= len(self._pending) / self._sample_rate
        raw = np.frombuffer(end.ring.read(needed), np.float32).reshape(-1, end.channels)
        good, bad = sanitise(raw)
        # What a driver has spoiled says nothing of its channels, and is counted in the channel strip.
        fresh = np.asarray(raw.mean(axis=1), np.float32) if bad else self._channels.process(good)
        if self._resampler is not None:
            fresh = self._resampler.process(sanitise(fresh)[0], end.rate / self._sample_rate)
        samples = np.concatenate([self._pending, fresh])
        self._pending = samples[self._block :]
        return AudioBlock(samples[: self._block, None], self._smoothed_time(captured_at))

    def _samples_needed(self) -> int:
        """How many of the device's samples the next block needs."""
        if self._resampler is None:
            return self._block
        return math.ceil((self._block - len(self._pending)) * self.end.rate / self._sample_rate) + 1

    def _smoothed_time(self, captured_at: float) -> float:
        """Independent of the moment of the call: callbacks come late, never early, so the earliest time is right."""
        block_s = self._block / self._sample_rate
        if self._next_captured_at is not None and abs(captured_at - self._next_captured_at) < _MAX_JUMP_S:
            captured_at = min(captured_at, self._next_captured_at + 1e-3 * block_s)
        self._next_captured_at = captured_at + block_s
        return captured_at
