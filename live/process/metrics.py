"""What the engines measure while they perform: sent with each heartbeat, for the screens and for the sync.

Used in the operator's process and in both engines'. Imports the standard library alone. A field is None, or its
default, where nothing was measured. What is in ms covers the last seconds; counts are those of the engine's process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict


class Percentiles(TypedDict):
    """Of some durations, in ms; None before the first."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


def no_percentiles() -> Percentiles:
    """Those of no duration at all."""
    return {"p50": None, "p95": None, "p99": None, "max": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMetrics:
    """The picture engine's."""

    fps: float | None = None
    """Newly generated pictures a second."""
    latency_ms: Percentiles = field(default_factory=no_percentiles)
    """From a frame's capture to its picture being ready."""
    longest_gap_ms: float | None = None
    frames_dropped: int | None = None
    face_lost_frames: int | None = None
    provider: str = ""
    camera: str = ""
    camera_trouble: str = ""
    """Why no picture comes, while none does."""
    face: bool = False
    face_trouble: str = ""
    """Why there is no face, while there is none and it is known."""
    look: str | None = None
    panic: bool = False
    loaded: tuple[str, ...] = ()
    """The looks that are loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMetrics:
    """The sound engine's. Levels are relative to full scale 1."""

    microphone: str = "none"
    speaker: str = "none"
    voice: str | None = None
    latency_ms: float | None = None
    """From a sample in the air to the same sample heard, without the wait for the picture; None: no microphone."""
    latency_parts_ms: Mapping[str, float] = field(default_factory=dict)
    """What the latency consists of."""
    drift_ppm: float | None = None
    """By how much the blocks come faster than the loudspeaker plays; None where both have one clock."""
    blocks: int = 0
    xruns: int | None = None
    deadline_misses: int | None = None
    rtf: float | None = None
    """Real-time factor: computing time over the duration of the sound."""
    in_peak: float | None = None
    in_rms: float | None = None
    out_peak: float | None = None
    out_rms: float | None = None
    limited: float = 1.0
    """The limiter's smallest gain since the last heartbeat."""
    bad_samples: int = 0
    mute: bool = False
    panic: bool = False
    priority: str = ""
    """The process's scheduling priority."""


Metrics = PictureMetrics | SoundMetrics
