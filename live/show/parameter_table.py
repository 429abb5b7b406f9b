"""Every parameter that a show, the operator or the sync may set, by its full name, as in show files. Any process.

docs/show-file.md's table is made from this one. A frozen model may have parameters of its own beside, which its
manifest names: "picture/NAME" of a look, "sound/NAME" of a voice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lasts(StrEnum):
    """How long a value lasts."""

    SHOW = "through all cues and restarts of the engine"
    CUE = "until the next cue"
    SYNC = "set by the sync of lips and voice"


@dataclass(frozen=True, slots=True)
class ParameterEntry:
    """One parameter. low, high: a value beyond them is refused in a show, and clipped where it comes from a hand.
    eased: over the transition of the cue that sets it."""

    name: str
    unit: str
    low: float
    high: float
    default: float
    lasts: Lasts
    meaning: str
    eased: bool = False


MUTE = "sound/mute"

PARAMETERS = (
    ParameterEntry("sound/input_gain", "dB", -120.0, 24.0, 0.0, Lasts.SHOW, "gain of the microphone"),
    ParameterEntry("sound/gate", "dB", -120.0, 0.0, -120.0, Lasts.SHOW, "what is softer is silence; -120: off"),
    ParameterEntry("sound/gain", "dB", -120.0, 24.0, 0.0, Lasts.SHOW, "gain of the loudspeaker"),
    ParameterEntry(
        "sound/monitor", "dB", -60.0, 0.0, -60.0, Lasts.SHOW, "the performer's own voice mixed in; -60: off"
    ),
    ParameterEntry(MUTE, "", 0.0, 1.0, 0.0, Lasts.SHOW, "anything but 0 mutes the loudspeaker"),
    ParameterEntry("sound/pitch", "semitones", -24.0, 24.0, 0.0, Lasts.CUE, "shifts the voice's pitch", eased=True),
    ParameterEntry(
        "sound/formant", "semitones", -12.0, 12.0, 0.0, Lasts.CUE, "the size of the mouth and throat", eased=True
    ),
    ParameterEntry(
        "sound/source", "", 0.0, 255.0, 0.0, Lasts.CUE, "who speaks: a speaker's number in the voice; 0: unknown"
    ),
    ParameterEntry("sound/room", "dB", -60.0, 0.0, 0.0, Lasts.CUE, "the room tone a voice was learned with; -60: off"),
    ParameterEntry("sound/wait_s", "s", 0.0, 1.0, 0.0, Lasts.SYNC, "how long the sound waits for the picture"),
    ParameterEntry("picture/latency_s", "s", 0.0, 2.0, 0.0, Lasts.SYNC, "from a frame's capture to the stage"),
)

STRIP_PARAMETERS = tuple(entry.name for entry in PARAMETERS if entry.lasts is Lasts.SHOW)
"""Parameters of the channel strip, set by the operator."""

EASED_PARAMETERS = tuple(entry.name for entry in PARAMETERS if entry.eased)
"""Parameters of a voice that are eased over a cue's transition. `sound/source` is the number of a speaker, so it is not
eased; `sound/room` is smoothed where it is used."""

CUE_PARAMETERS = tuple(entry.name for entry in PARAMETERS if entry.lasts is Lasts.CUE)
"""Parameters of a voice: set by the cue, and back at their defaults with a cue that does not name them."""
