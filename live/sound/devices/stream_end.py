"""One end of a stream: a ring buffer, and the rtmixer action that moves its samples to or from the device."""

from __future__ import annotations

import numpy as np

from live.sound.devices.rtmixer_types import RtAction, RtMixerModule
from live.sound.devices.stream import DeviceStream

_RING_SAMPLES = 1 << 15


class StreamEnd:
    """A microphone's end records, a loudspeaker's plays; both may have one stream. Guarded by RingPair's lock."""

    def __init__(
        self,
        rtmixer: RtMixerModule,
        stream: DeviceStream,
        channels: int,
        rate: float,
        max_step: int,
        latency_s: float,
    ) -> None:
        """
        Args:
            rate: the device's, Hz.
            max_step: the most samples that its callback moves at once; for a loudspeaker that shares its stream with
                the microphone, the most that may be left over from a block.
            latency_s: that of the device alone.
        """
        self.stream = stream
        self.channels = channels
        self.rate = rate
        self.ring = rtmixer.RingBuffer(4 * channels, _RING_SAMPLES)
        self.action: RtAction | None = None
        self.max_step = max_step
        self.latency_s = latency_s

    @property
    def runs(self) -> bool:
        return self.action is not None and self.action in self.stream.stream.actions

    @property
    def step_s(self) -> float:
        return self.max_step / self.rate

    def record(self) -> None:
        self.drain()
        self.action = self.stream.stream.record_ringbuffer(self.ring)

    def play(self, silence_samples: int) -> None:
        """Start with this much silence; what was left in the ring is discarded."""
        self.drain()
        self.ring.write(np.zeros((silence_samples, self.channels), np.float32))
        self.action = self.stream.stream.play_ringbuffer(self.ring)

    def drain(self) -> None:
        self.ring.advance_read_index(self.ring.read_available)
