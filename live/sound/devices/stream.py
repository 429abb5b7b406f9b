"""An open stream of rtmixer: whether it lives, what its driver loses, and how late it is.

Belongs to the thread that opens devices.
"""

from __future__ import annotations

import contextlib
import threading
from typing import NamedTuple

import numpy as np

from live.process.frames import Clock, now
from live.sound.devices.portaudio import NoDevice
from live.sound.devices.rtmixer_types import RtAction, RtStream

SILENT_S = 2.5
"""A stream without a callback for this long is gone. Sound servers on a busy machine pause for up to 2 s."""
_SURVEY_S = 1.5
_SURVEYS = 6
_MAX_LATENCY_S = 1.0


class StreamSurvey(NamedTuple):
    """What was measured of a stream. Latencies are the device's, by the driver's own times for one callback."""

    least_samples: int
    """Of a callback."""
    most_samples: int
    input_latency_s: float
    output_latency_s: float


class DeviceStream:
    """A stream, and the statistics of its driver."""

    def __init__(self, stream: RtStream) -> None:
        self.stream = stream
        self.xruns = 0
        """Those that the driver has reported."""
        self._stats_action: RtAction | None = None
        self._asked_at = 0.0

    def start(self, has_in: bool, has_out: bool) -> StreamSurvey:
        """Run the stream and measure it. A stream that fails is closed. Raises NoDevice, PortAudioError."""
        try:
            self.stream.start()
            return self._survey(has_in, has_out, now)
        except Exception:
            self.close()
            raise

    def alive(self, at: float) -> bool:
        """Whether the stream still runs; also counts what the driver has lost since the last call. rtmixer's callback
        collects the figures, and an action delivers them; a callback that delivers nothing for SILENT_S is dead."""
        if self._stats_action is not None and self._stats_action in self.stream.actions:
            return self.stream.active and at - self._asked_at < SILENT_S
        if self._stats_action is not None:
            lost = self._stats_action.stats
            self.xruns += lost.input_overflows + lost.input_underflows
            self.xruns += lost.output_underflows + lost.output_overflows
        self._stats_action, self._asked_at = self.stream.fetch_and_reset_stats(), at
        return self.stream.active

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a lost device cannot be closed properly
            self.stream.abort()
        with contextlib.suppress(Exception):
            self.stream.close()

    def _survey(self, has_in: bool, has_out: bool, clock: Clock) -> StreamSurvey:
        """Takes about 0.2 s. Raises NoDevice: the stream opened but no callback comes."""
        until = clock() + _SURVEY_S
        stated_s = np.broadcast_to(np.atleast_1d(np.asarray(self.stream.latency, float)), 2)
        latencies_s, sizes = [], []
        for _ in range(_SURVEYS):
            called, latency_s = self._measure_callback(has_in, has_out, until, clock)
            sizes.append((called.stats.min_blocksize, called.stats.max_blocksize))
            pairs = zip(latency_s, stated_s, strict=True)
            latencies_s.append([stated if late_s is None else late_s for late_s, stated in pairs])
            threading.Event().wait(0.02)
        input_s, output_s = (
            float(measured if 0 <= measured < _MAX_LATENCY_S else stated)
            for measured, stated in zip(np.median(latencies_s, axis=0), stated_s, strict=True)
        )
        return StreamSurvey(min(size[0] for size in sizes[1:]), max(size[1] for size in sizes[1:]), input_s, output_s)

    def _measure_callback(
        self, has_in: bool, has_out: bool, until: float, clock: Clock
    ) -> tuple[RtAction, tuple[float | None, float | None]]:
        """One callback: its statistics, and the latency of input and output, s; None where there is no such end."""
        recorded = self.stream.record_buffer(bytearray(4), 1) if has_in else None
        played = self.stream.play_buffer(np.zeros(1, np.float32), 1) if has_out else None
        called = self.stream.fetch_and_reset_stats()
        while called in self.stream.actions:
            if clock() > until:
                raise NoDevice("it opened but does not run; choose another device")
            threading.Event().wait(0.005)
        input_s = None if recorded is None else called.actual_time - recorded.actual_time
        output_s = None if played is None else played.actual_time - called.actual_time
        return called, (input_s, output_s)
