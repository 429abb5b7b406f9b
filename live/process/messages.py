"""The messages between the StageManager and the engines: plain frozen dataclasses, pickled through one pipe.

Used in the operator's process and in both engines'. Imports the standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from live.process.metrics import Metrics
from live.process.report import EngineReport

# ---- commands (to an engine)


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load this model in the loader thread; the engine answers Ready or Refused.

    model: the path of a frozen model, or a name: "bypass", "safe", "silence", a preset. Go, Forget, Ready and Refused
        name the model by the same text, and a loader needs nothing else.
    """

    model: str


@dataclass(frozen=True, slots=True)
class Go:
    """Perform with this model from the next step on. The StageManager sends it only after the model's Ready.

    set: parameters ("picture/..." or "sound/..."; each engine gets its own), eased over the transition.
    frame: the look may show what the camera sees round the face.
    """

    cue_index: int
    model: str
    transition_s: float = 0.0
    set: dict[str, float] = field(default_factory=dict)
    frame: bool = False


@dataclass(frozen=True, slots=True)
class Panic:
    """Show the safe picture, or play silence, at once; False ends it."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetParameter:
    """Set a parameter ("picture/..." or "sound/...")."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Lock:
    """Follow the face nearest to this point of the preview, in fractions of its width and height, 0 to 1."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class MeasureNeutral:
    """Forget the performer's neutral face, the profile's, too, and measure it anew from the next frame on."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Free the model's memory as soon as it does not perform."""

    model: str


@dataclass(frozen=True, slots=True)
class Reload:
    """The settings of a show that was reloaded."""

    hold_s: float
    fade_s: float
    safe_picture: str | None
    sound_miss: str
    sync: bool
    voices: tuple[str, ...] = ()
    """The voices the show names. A voice slower than those before raises the sound's latency; nothing lowers it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the loop and send Finished."""


Command = Prepare | Go | Panic | SetParameter | Lock | MeasureNeutral | Forget | Reload | Stop

# ---- events (from an engine)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent four times a second by the loop; `metrics` is shown on the screen."""

    at: float
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded; loading took `seconds`."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The model cannot be used; `why` is one line for the operator."""

    model: str
    why: str


@dataclass(frozen=True, slots=True)
class OnStage:
    """The cue's first picture or block was sent to the outputs. frame_gap_s: the time between this picture and the one
    before; gap_samples: how many samples of sound are missing."""

    cue_index: int
    at: float
    frame_gap_s: float = 0.0
    gap_samples: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something failed and is being recovered; `where` ("camera", "microphone") is repeated by Recovered."""

    at: float
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """The fault of the same `where` is over."""

    at: float
    where: str
    after_s: float


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the operator, such as a provider or a fallback."""

    text: str


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Some blocks of what the loudspeaker plays, for a recording.

    at: when the first sample is heard, by now(); the next chunk begins where this one ends, unless the sound was
        interrupted.
    samples: little-endian float32, one channel, full scale 1, at `sample_rate`.
    """

    at: float
    samples: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event. `why`: "stopped", "parent gone" or "bad source: ..."; `report`: the engine's part of the
    report."""

    why: str
    report: EngineReport


Event = Heartbeat | Ready | Refused | OnStage | Fault | Recovered | Note | AudioChunk | Finished
