"""The channel strip: what happens to a block before and after the voice, and the levels the operator sees.

    input:  sanitise, input gain, gate, meter
    output: monitor mixed in, delay for the picture, gain, limiter, meter

Belongs to the engine's loop.
"""

from __future__ import annotations

import numpy as np

from live.sound.delay import Delay
from live.sound.level import Gate, Limiter, Meter, Ramp, amplitude, sanitise
from models.features.types import Mono

GLIDE_S = 0.02
"""A new level is reached in this time, so that it does not click."""
MAX_WAIT_S = 1.0
MAX_GAIN_DB = 24.0
_GATE_OFF_DB = -120.0
_SILENT_DB = -60.0
"""A monitor at this level or below is off."""


class ChannelStrip:
    """`process_input` takes what comes from the microphone, `process_output` what goes to the loudspeaker."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._gate = Gate(sample_rate)
        self._limiter = Limiter(sample_rate)
        self._in_gain, self._out_gain = Ramp(sample_rate), Ramp(sample_rate, 0.0)
        self._monitor = Ramp(sample_rate, 0.0)
        self._wait = Delay(0, round(MAX_WAIT_S * sample_rate))
        self._gain = 1.0
        self.mute = False
        self.panic = False
        self.input_meter, self.output_meter = Meter(sample_rate), Meter(sample_rate)
        self.bad_samples = 0
        self.limited = 1.0
        """The limiter's smallest gain since the reader last set this back to 1."""
        self._started = False

    @property
    def latency_samples(self) -> int:
        """By how many samples the output is late, apart from the voice and from `wait_s`."""
        return self._limiter.latency_samples

    @property
    def wait_s(self) -> float:
        """For how long the sound is delayed to stay in sync with the picture."""
        return self._wait.samples / self._sample_rate

    def set(self, name: str, value: float, over_s: float = 0.0) -> bool:
        """Set a parameter; False when there is none of that name.

        Args:
            name: without "sound/".
            value: in dB where it is a level.
            over_s: the time in which it is reached, at least GLIDE_S.
        """
        glide_s = max(over_s, GLIDE_S)
        if name == "gain":
            self._gain = amplitude(min(value, MAX_GAIN_DB))
            self._update_out_gain(glide_s)
        elif name == "input_gain":
            self._in_gain.to(amplitude(min(value, MAX_GAIN_DB)), glide_s)
        elif name == "gate":
            self._gate.threshold_db = value if value > _GATE_OFF_DB else None
        elif name == "monitor":
            self._monitor.to(amplitude(min(value, 0.0)) if value > _SILENT_DB else 0.0, glide_s)
        elif name == "mute":
            self.mute = value != 0
            self._update_out_gain(glide_s)
        elif name == "wait_s":
            self._wait.set(round(value * self._sample_rate))
        else:
            return False
        return True

    def set_panic(self, on: bool) -> None:
        self.panic = on
        self._update_out_gain(GLIDE_S)

    def start(self) -> None:
        """The first cue is on: the output is silent before it."""
        self._started = True
        self._update_out_gain(GLIDE_S)

    def process_input(self, samples: Mono) -> Mono:
        """From the microphone to the voice; (n,) in and out."""
        good, bad = sanitise(samples)
        self.bad_samples += bad
        gated = self._gate.process(self._in_gain.process(good))
        self.input_meter.measure(gated)
        return gated

    def process_output(self, voiced: Mono, dry: Mono) -> Mono:
        """From the voice to the loudspeaker, (n,) in and out. dry: the performer's own voice of the same time, for the
        monitor."""
        if self._monitor.gain > 0 or self._monitor.gliding:
            voiced = voiced + self._monitor.process(dry)
        voiced = sanitise(np.asarray(voiced, np.float32))[0]
        output = self._limiter.process(self._out_gain.process(self._wait.process(voiced)))
        self.limited = min(self.limited, self._limiter.gain)
        self.output_meter.measure(output)
        return output

    def _update_out_gain(self, glide_s: float) -> None:
        silent = self.mute or self.panic or not self._started
        self._out_gain.to(0.0 if silent else self._gain, glide_s)
