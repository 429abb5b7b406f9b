"""The sound's desk: what happens to a block before the voice and after it, and the levels the operator sees.

Belongs to the engine's loop.
"""

from __future__ import annotations

import numpy as np

from live.sound.delay import Delay
from live.sound.level import Gate, Limiter, Meter, Ramp, amplitude, sanitise
from models.features.types import Mono

GLIDE_S = 0.02
"""A level that is set is reached in this time: no click."""
LONGEST_WAIT_S = 1.0
MOST_GAIN_DB = 24.0
_GATE_OFF_DB = -120.0
_SILENT_DB = -60.0
"""A monitor at this level or below is off."""


class ChannelStrip:
    """`hear` what comes from the microphone, `play` what goes to the loudspeaker."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._gate = Gate(sample_rate)
        self._limiter = Limiter(sample_rate)
        self._in_gain, self._out_gain = Ramp(sample_rate), Ramp(sample_rate, 0.0)
        self._monitor = Ramp(sample_rate, 0.0)
        self._wait = Delay(0, round(LONGEST_WAIT_S * sample_rate))
        self._gain = 1.0
        self.mute = False
        self.panic = False
        self.heard, self.played = Meter(sample_rate), Meter(sample_rate)
        self.bad_samples = 0
        self.limited = 1.0
        """The smallest gain of the limiter since it was last asked for."""
        self._opened = False

    @property
    def latency(self) -> int:
        """Samples by which what is played is late, apart from the voice and from `wait_s`."""
        return self._limiter.latency

    @property
    def wait_s(self) -> float:
        return self._wait.samples / self._sample_rate

    def set(self, name: str, value: float, over_s: float = 0.0) -> bool:
        """A parameter, by what stands after "sound/"; False when there is none of that name. Levels in dB."""
        glide_s = max(over_s, GLIDE_S)
        if name == "gain":
            self._gain = amplitude(min(value, MOST_GAIN_DB))
            self._balance(glide_s)
        elif name == "input_gain":
            self._in_gain.to(amplitude(min(value, MOST_GAIN_DB)), glide_s)
        elif name == "gate":
            self._gate.threshold_db = value if value > _GATE_OFF_DB else None
        elif name == "monitor":
            self._monitor.to(amplitude(min(value, 0.0)) if value > _SILENT_DB else 0.0, glide_s)
        elif name == "mute":
            self.mute = value != 0
            self._balance(glide_s)
        elif name == "wait_s":
            self._wait.set(round(value * self._sample_rate))
        else:
            return False
        return True

    def set_panic(self, on: bool) -> None:
        self.panic = on
        self._balance(GLIDE_S)

    def begin(self) -> None:
        """The first cue is on: from now on there is something to be heard."""
        self._opened = True
        self._balance(GLIDE_S)

    def hear(self, samples: Mono) -> Mono:
        """From the microphone to the voice."""
        good, bad = sanitise(samples)
        self.bad_samples += bad
        heard = self._gate.process(self._in_gain.process(good))
        self.heard.add(heard)
        return heard

    def play(self, voiced: Mono, dry: Mono) -> Mono:
        """From the voice to the loudspeaker; dry: the performer's own voice at the same time, for the monitor."""
        if self._monitor.gain > 0 or self._monitor.gliding:
            voiced = voiced + self._monitor.process(dry)
        played = self._limiter.process(self._out_gain.process(self._wait.process(np.asarray(voiced, np.float32))))
        self.limited = min(self.limited, self._limiter.gain)
        self.played.add(played)
        return played

    def _balance(self, glide_s: float) -> None:
        silent = self.mute or self.panic or not self._opened
        self._out_gain.to(0.0 if silent else self._gain, glide_s)
