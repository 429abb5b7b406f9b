"""The sound's parameters: which belong to the channel strip, which to the voice, and which are eased.

Belongs to the engine's loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from live.process.frames import Clock
from live.show.parameter_table import CUE_PARAMETERS, EASED_PARAMETERS, PARAMETERS
from live.show.parameters import Parameters
from live.sound.channel_strip import ChannelStrip
from live.sound.mixer import VoiceMixer
from live.sound.voice_runner import VoiceRunner


class SoundParameters:
    """Parameters by their full names, such as "sound/pitch"."""

    def __init__(self, strip: ChannelStrip, runner: VoiceRunner, clock: Clock) -> None:
        self._strip, self._runner, self._clock = strip, runner, clock
        self._eased = Parameters()
        self._voice_values: dict[str, float] = {}
        """What was last asked of the voices."""

    def start_cue(self, values: Mapping[str, float], over_s: float) -> None:
        """Set a cue's parameters, and put back those that it does not name."""
        for name in CUE_PARAMETERS:
            if name not in values:
                self._reset(name, over_s)
        for name, value in values.items():
            self.set(name, value, over_s)

    def set(self, name: str, value: float, over_s: float = 0.0) -> None:
        """Set a parameter, in this time if it can be eased. A note is sent where neither the strip nor a voice on stage
        has it, and where the value is no number; one beyond the parameter's range is clipped."""
        if not isfinite(value):
            self._note_soon(f"{name}: {value} is no value for it")
            return
        value = _clipped(name, value)
        if name in EASED_PARAMETERS:
            self._eased.ease(name, value, 0.0, self._clock(), over_s)
        elif not self._strip.set(_short(name), value, over_s):
            self._set_voice(name, value, f'neither the sound nor its voice has a parameter "{name}"')

    def move(self) -> None:
        """Bring the eased parameters to their values of now; once a block."""
        for name, value in self._eased.move(self._clock()).items():
            self._set_voice(name, value)

    def set_again(self) -> None:
        """Ask a new mixer for all that was asked of the old one."""
        for name, value in self._voice_values.items():
            self._set_voice(name, value)

    def _note_soon(self, text: str) -> None:
        self._runner.call_soon(lambda mixer: text)

    def _reset(self, name: str, over_s: float) -> None:
        """Back to 0. No note where the voice has no such parameter: the cue does not name it."""
        if name in EASED_PARAMETERS:
            self.set(name, 0.0, over_s)
        else:
            self._set_voice(name, 0.0)

    def _set_voice(self, name: str, value: float, note_if_unknown: str = "") -> None:
        self._voice_values[name] = value

        def set_or_note(mixer: VoiceMixer) -> str:
            return "" if mixer.set(_short(name), value) else note_if_unknown

        self._runner.call_soon(set_or_note)


def _clipped(name: str, value: float) -> float:
    """A voice's own parameters have their bounds in its manifest, and are clipped there."""
    entry = next((entry for entry in PARAMETERS if entry.name == name), None)
    return value if entry is None else min(max(value, entry.low), entry.high)


def _short(name: str) -> str:
    return name.removeprefix("sound/")
