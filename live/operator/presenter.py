"""The StageManager's state as the texts and values that the window shows. Pure functions; any thread.

What the window asks of a StageManager is a protocol here, so that a scripted one can drive it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from PyQt5.QtGui import QColor

from live.control.actions import ShowControls
from live.manage.audience import Subscriber
from live.manage.health import Health
from live.manage.snapshot import StageState
from live.operator import theme
from live.operator.cue_list import CueRow
from live.operator.fault_log import LogEntry
from live.operator.meters import MeterReading
from live.operator.sound_strip import SoundReading
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from live.show.show_file import Cue, Show
from live.show.toml_file import quoted

_DISSOLVE_S = 0.5


class FramesLike(Protocol):
    """Shared frames as a reader sees them."""

    def newest(self, after: int = 0) -> SharedPicture | None: ...


class AudienceLike(Protocol):
    """Hands the stage's pictures to subscribers, in a thread of its own, and keeps statistics of what was presented."""

    def subscribe(self, subscriber: Subscriber, *, safe_too: bool = True) -> Callable[[], None]: ...
    def on_drawn(self, latencies_s: Sequence[float]) -> None: ...


class ManagerLike(ShowControls, Protocol):
    """What the windows ask of a StageManager, besides what actions do. No method waits."""

    @property
    def state(self) -> StageState: ...
    @property
    def show(self) -> Show: ...
    @property
    def preview_frames(self) -> FramesLike: ...
    @property
    def audience(self) -> AudienceLike: ...
    def add_cue(self, cue: Cue) -> int: ...
    def add_fault(self, where: str, what: str) -> None: ...
    def end_fault(self, where: str) -> None: ...
    def begin_reload(self, path: str | Path | None = None) -> bool: ...
    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]: ...


def model_name(model: str | Path) -> str:
    """The name of a look or voice in the list."""
    return model.stem if isinstance(model, Path) else model


def voice_name(voice: str | Path) -> str:
    """The name of a voice in the window; a preset has its own name."""
    if isinstance(voice, str) and voice.endswith(".onnx"):
        voice = Path(voice)
    return "own voice" if voice == "bypass" else model_name(voice)


def seconds_text(seconds: float) -> str:
    """Seconds without trailing zeros."""
    return f"{seconds:g} s"


def cue_rows(state: StageState) -> list[CueRow]:
    """The lines of the cue list."""
    rows = []
    for cue in state.cues:
        parts = [model_name(cue.look), voice_name(cue.voice)]
        parts.append(f"dissolve {seconds_text(cue.transition_s)}" if cue.transition_s > 0 else "cut")
        if cue.follow_s is not None:
            parts.append(f"follows after {seconds_text(cue.follow_s)}")
        rows.append(
            CueRow(
                number=cue.index + 1,
                name=cue.name,
                summary=" · ".join(parts),
                look=str(cue.look),
                status=cue.status,
                why=cue.why,
                on_stage=cue.index == state.on_stage,
                standby=cue.index == state.standby,
                waiting=cue.index == state.waiting and cue.index != state.on_stage,
            )
        )
    return rows


def find_cue(state: StageState, look: Path, voice: str | Path | None, real: Mapping[Path, Path]) -> int | None:
    """The first cue of this look, and of this voice where one is given. real: where the paths of cues lead to."""
    for cue in state.cues:
        files = [real.get(model, model) if isinstance(model, Path) else model for model in (cue.look, cue.voice)]
        if files[0] == look and voice in (None, files[1]):
            return cue.index
    return None


def cue_for_look(file: Path, state: StageState, voice: str | Path | None = None) -> Cue:
    """A new cue of this look: `follow_s` is that of the cue on stage, and so is the voice unless one is given."""
    name = file.stem if voice is None else f"{file.stem}, {voice_name(voice)}"
    if state.on_stage is None:
        return Cue(name, file, voice or "bypass", _DISSOLVE_S)
    before = state.cues[state.on_stage]
    return Cue(name, file, voice or before.voice, _DISSOLVE_S, follow_s=before.follow_s)


def cue_toml(cue: Cue, folder: Path | None) -> str:
    """A cue as text of the show's file; models below the show's folder, a real path, by their relative paths."""
    lines = [f"name = {quoted(cue.name)}"]
    for key, model in (("look", cue.look), ("voice", cue.voice)):
        if isinstance(model, Path):
            model = model.relative_to(folder) if folder and model.is_relative_to(folder) else model
            model = model.as_posix()
        lines.append(f"{key} = {quoted(model)}")
    lines.append(f"transition_s = {cue.transition_s:g}")
    if cue.follow_s is not None:
        lines.append(f"follow_s = {cue.follow_s:g}")
    return "\n".join(["[[cue]]", *lines, ""])


def log_entries(state: StageState, started_at: float) -> Iterable[LogEntry]:
    """Faults and notes as lines of the log; `started_at` is the show's start by now()."""
    texts = set()
    for fault in state.faults:
        recovered = fault.recovered_after_s is not None
        tail = f"  (mended after {fault.recovered_after_s:.1f} s)" if fault.recovered_after_s is not None else ""
        text = f"{fault.where}: {fault.what}"
        texts.add(text)
        yield LogEntry(started_at + fault.at_s, _capitalized(text) + tail, fault=True, recovered=recovered)
    for note in state.notes:
        if note.text not in texts:  # each fault is a note, too, for the report
            yield LogEntry(started_at + note.at_s, _capitalized(note.text))


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def output_status(state: StageState, kind: FrameKind | None) -> tuple[str, QColor]:
    """What the audience sees, and its colour. kind: of the picture on stage; None when no pictures come."""
    if state.panic:
        return "SAFE PICTURE", theme.FAULT
    if kind is None and state.picture.health is Health.STARTING:
        return "STARTING", theme.LOADING
    if kind is None:
        return "NO PICTURES: SAFE", theme.FAULT
    if kind is FrameKind.SAFE:
        return "SAFE PICTURE", theme.STANDBY
    if kind is FrameKind.HELD:
        return "FACE LOST", theme.STANDBY
    if kind is FrameKind.BYPASS:
        return "BYPASS: THE CAMERA", theme.LOADING
    return "ON STAGE", theme.ON_STAGE


def meter_reading(state: StageState) -> MeterReading:
    """What the meters show of the engines' metrics."""
    video, audio = state.picture.metrics, state.sound.metrics
    return MeterReading(
        fps=video.fps,
        p50_ms=video.latency_ms["p50"],
        p95_ms=video.latency_ms["p95"],
        p99_ms=video.latency_ms["p99"],
        longest_gap_ms=video.longest_gap_ms,
        dropped=video.frames_dropped,
        face_lost=video.face_lost_frames,
        provider=video.provider,
        sound_latency_ms=audio.latency_ms,
        latency_parts_ms=audio.latency_parts_ms,
        skew_ms=state.sync.skew_ms,
        picture_waits_ms=state.sync.picture_delay_ms,
        sound_waits_ms=state.sync.sound_delay_ms,
        drift_ppm=audio.drift_ppm,
        xruns=audio.xruns,
        misses=audio.deadline_misses,
        rtf=audio.rtf,
        priority=audio.priority,
    )


def sound_reading(state: StageState) -> SoundReading:
    """What the sound strip shows of the sound engine's metrics."""
    metrics = state.sound.metrics
    return SoundReading(
        performing=state.sound.health is Health.PERFORMING and metrics.microphone != "none",
        microphone="no microphone" if metrics.microphone == "none" else metrics.microphone,
        speaker="no loudspeaker" if metrics.speaker == "none" else metrics.speaker,
        voice="" if metrics.voice is None else voice_name(metrics.voice),
        in_peak=metrics.in_peak,
        in_rms=metrics.in_rms,
        out_peak=metrics.out_peak,
        out_rms=metrics.out_rms,
        limited=metrics.limited,
        mute=metrics.mute,
    )
