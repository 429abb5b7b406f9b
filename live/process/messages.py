"""What the StageManager and the engines say to each other: plain frozen dataclasses that cross by one pipe.

The standard library alone: the fork server and `guise live` import this first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# ---- commands (to an engine)


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load this model off the loop; the engine answers Ready or Refused.

    key: the path of a frozen model, or a name: "bypass", "safe", "silence", a preset. It is what Go, Forget,
    Ready and
        Refused call the model, and all that a loader needs.
    look_or_voice: "look" or "voice".
    preload: True when it is wanted later; the StageManager asks for one of those at a time.
    """

    key: str
    look_or_voice: str
    preload: bool = False


@dataclass(frozen=True, slots=True)
class Go:
    """Perform with this model from the next step on. The StageManager sends it only after the model's Ready.

    set: parameters ("picture/..." or "sound/...", each engine gets its own), eased over the transition.
    """

    cue_index: int
    model: str
    transition_s: float = 0.0
    set: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panic:
    """Show the safe picture, or be silent, at once; False takes it back."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetParameter:
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Lock:
    """Follow the face nearest to this place of the preview, in fractions of its width and height, 0 to 1."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Forget:
    """Give the model's memory back, as soon as it does not perform."""

    model: str


@dataclass(frozen=True, slots=True)
class Reload:
    """The settings of a show that was read again."""

    hold_s: float
    fade_s: float
    safe_picture: str | None
    sound_miss: str
    sync: bool
    voices: tuple[str, ...] = ()
    """Those the show names: a slower one than before raises the sound's latency; nothing lowers it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the loop, send Finished."""


Command = Prepare | Go | Panic | SetParameter | Lock | Forget | Reload | Stop

# ---- events (from an engine)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Four times a second, from the loop: `metrics` for the screen."""

    at: float
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """`why` is one line for the operator."""

    model: str
    why: str


@dataclass(frozen=True, slots=True)
class OnStage:
    """The cue's first picture or block went out. frame_gap_s: between it and the one before; gap_samples:
    sound missing."""

    cue_index: int
    at: float
    frame_gap_s: float = 0.0
    gap_samples: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something broke and is being mended; `where` ("camera", "microphone") is what Recovered repeats."""

    at: float
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Recovered:
    at: float
    where: str
    after_s: float


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the operator: a provider, a fallback."""

    text: str


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """What went to the loudspeaker, for whoever records; some blocks at a time.

    samples: little-endian float32, one channel, full scale 1, at `sample_rate`. at: when the first of them is heard, by
    now(); the next Played goes on where this one ends, unless the sound was interrupted.
    """

    at: float
    samples: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event. `why`: "stopped", "parent gone", "bad source: ..."; `report` is the engine's part of
    the report."""

    why: str
    report: dict[str, Any]


Event = Heartbeat | Ready | Refused | OnStage | Fault | Recovered | Note | AudioChunk | Finished
