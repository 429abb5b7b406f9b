"""The engine's blocks into a loudspeaker's ring, which is held at its set point.

Belongs to the engine's loop, and is guarded by RingPair's lock. How much sound is in flight, from the microphone's ring
to the loudspeaker's, is what the set point and the drift control hold.
"""

from __future__ import annotations

import numpy as np

from live.process.frames import Samples, now
from live.sound.devices.ring_reader import RingReader
from live.sound.devices.stream_end import StreamEnd
from live.sound.drift import DriftControl, Feed


class RingWriter:
    """Of one stream; a stream that is opened anew gets a new one.

    Where callbacks have clocks of their own, the level of a ring differs by half a callback, on average, from where the
    sound is.
    """

    def __init__(
        self,
        end: StreamEnd,
        reader: RingReader | None,
        sample_rate: int,
        set_point_s: float,
        control: DriftControl | None,
    ) -> None:
        """
        Args:
            reader: the microphone's side; None: there is none, or a file's.
            control: of the stream before: the estimated drift belongs to the devices and is kept.
        """
        self.end = end
        self.shared = reader is not None and reader.end.stream is end.stream
        """One stream for both ends."""
        self._sample_rate, self._set_point_s = sample_rate, set_point_s
        input_step_s = reader.end.step_s if reader is not None and not self.shared else 0.0
        tolerance_s = 0.001 if self.shared else 0.001 + end.step_s + input_step_s
        self.feed = Feed(sample_rate, end.rate, max(set_point_s, tolerance_s), not self.shared, tolerance_s)
        if self.feed.control is not None and control is not None:
            self.feed.control = control
        self._target_samples = (set_point_s + end.step_s + input_step_s) * end.rate
        late_s = self._target_samples / end.rate + (0.0 if self.shared else (end.step_s - input_step_s) / 2)
        self.latency_s = late_s + end.latency_s + self.feed.latency_s
        """From a block written in time to the air, the set point included."""
        self._drift_updated_at = 0.0
        self._begun = False

    def buffered_s(self) -> float:
        """How long what was written will last at least; the set point before the first block, and 0 when it has run
        dry."""
        if not self.end.runs:
            return 0.0 if self._begun else self._set_point_s
        # A callback may come at any moment and take a whole step.
        certain = self.end.ring.read_available - self.end.max_step
        return max(certain, 0) / self.end.rate

    def write(self, samples: Samples, reader: RingReader | None) -> None:
        """Play a block, (block, 1)."""
        output = self.feed.process(samples[:, 0], self._excess_s(reader))
        self.end.ring.write(np.ascontiguousarray(np.repeat(output[:, None], self.end.channels, axis=1)))

    def restart(self, reader: RingReader | None, unwritten_samples: float) -> bool:
        """rtmixer drops its action when the ring runs dry: refill it to the set point with silence and start a new
        action. False while more than that is already in flight: a later block starts it.

        Args:
            unwritten_samples: the engine's samples that are in neither ring, apart from the block that is written next.
        """
        self.end.action = None
        self.end.drain()
        unwritten_samples *= self.end.rate / self._sample_rate
        silence_samples = self._target_samples - self._in_flight_samples(reader) - unwritten_samples
        if silence_samples < 0:
            return False
        self.end.play(round(silence_samples))
        self._begun = True
        self.feed.restart()
        self._drift_updated_at = now()
        return True

    def update_drift(self, reader: RingReader | None, between_samples: float) -> None:
        """between_samples: the engine's samples that are in neither ring."""
        if self.feed.control is None or not self.end.runs:
            return
        at = now()
        excess_s = self._excess_s(reader) + between_samples / self._sample_rate
        self.feed.control.update(excess_s, at - self._drift_updated_at)
        self._drift_updated_at = at

    def _excess_s(self, reader: RingReader | None) -> float:
        """How much more than wanted is in flight."""
        return (self._in_flight_samples(reader) - self._target_samples) / self.end.rate

    def _in_flight_samples(self, reader: RingReader | None) -> float:
        """The sound in the rings on both sides of the engine, in samples of the loudspeaker."""
        here = float(self.end.ring.read_available)
        return here if reader is None else here + reader.in_flight_samples(self.end.rate)
