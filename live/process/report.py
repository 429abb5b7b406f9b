"""The report of a performance: the form of its JSON. Times in ms; None (null) stands for what was not measured.

Used in every process: each engine sends its part when it ends, and live.manage.report merges them. docs/report.md says
what each key means.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from live.process.metrics import Percentiles

REPORT_VERSION = 1


class VideoReport(TypedDict):
    """What the audience saw."""

    frames_captured: int | None
    frames_presented: int | None
    frames_dropped: int | None
    fps: float | None
    provider: str | None
    latency: Percentiles
    stages: dict[str, Percentiles]
    longest_gap: float | None
    face_lost_frames: int | None
    presented_latency: NotRequired[Percentiles]
    presented_longest_gap: NotRequired[float | None]


class AudioReport(TypedDict):
    """What the audience heard."""

    sample_rate: int | None
    block: int | None
    latency: float | None
    rtf: float | None
    xruns: int | None
    deadline_misses: int | None
    compute: Percentiles
    drift_ppm: NotRequired[float | None]
    blocks: NotRequired[int]


class SwitchReport(TypedDict):
    """A cue that was fired. cue: its name, or in an engine's own part its index."""

    cue: str | int
    ready_after: float | None
    frame_gap: float | None
    audio_gap_samples: int | None
    reason: NotRequired[str | None]


class FaultReport(TypedDict):
    """Something that failed; recovered_after: None where it did not recover."""

    at: float | None
    where: str
    what: str
    recovered_after: float | None


class SyncReport(TypedDict):
    """How lips and voice were kept together."""

    skew: float | None
    picture_delay: float | None
    sound_delay: float | None


class StartReport(TypedDict):
    """first_frame: from the command to the first generated picture on stage."""

    first_frame: float | None


class RestartsReport(TypedDict):
    """How often each engine was started again."""

    picture: int
    sound: int


class EngineReport(TypedDict, total=False):
    """The part of one engine, or of `guise render`, which has both."""

    video: VideoReport
    audio: AudioReport
    switches: list[SwitchReport]
    faults: list[FaultReport]
    warnings: list[str]


class PresentedReport(TypedDict):
    """The keys of "video" that are measured where pictures reach the audience."""

    frames_presented: int
    presented_latency: Percentiles
    presented_longest_gap: float | None


class Report(TypedDict):
    """The whole."""

    version: int
    video: VideoReport
    audio: AudioReport
    switches: list[SwitchReport]
    sync: SyncReport
    faults: list[FaultReport]
    warnings: list[str]
    start: NotRequired[StartReport]
    restarts: NotRequired[RestartsReport]
