"""The status line of `guise live --headless`, and the summary it prints at the end.

Runs in the main thread of the operator's process. Reads the StageManager's snapshots and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from live.manage.health import Health
from models.command_line import give_up_output, one_line

if TYPE_CHECKING:
    from live.manage.snapshot import StageState
    from live.process.metrics import SoundMetrics
    from live.process.report import Report

_FILE_EVERY_S = 5.0


class StatusLine:
    """Writes the state as one line: on a terminal in place, into a file every 5 s. Each note gets a line of its own."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._last_note_s = 0.0
        self._width = 0
        self._written_at = -_FILE_EVERY_S
        self._nobody_reads = False

    def show(self, state: StageState) -> None:
        """Whatever becomes of the output, the show goes on: a pipe whose reader has ended, a disk that is full."""
        if not self._nobody_reads:
            try:
                self._show(state)
            except (OSError, ValueError):
                self._nobody_reads = True
                give_up_output()

    def _show(self, state: StageState) -> None:
        for note in state.notes:
            if note.at_s > self._last_note_s:
                self._last_note_s = note.at_s
                self._write_line(f"{note.at_s:7.1f} s  {one_line(note.text)}")
        text = status_text(state)
        if self._terminal:
            self._out.write("\r" + text.ljust(self._width))
            self._width = len(text)
        elif state.uptime_s - self._written_at >= _FILE_EVERY_S:
            self._written_at = state.uptime_s
            self._out.write(text + "\n")
        self._out.flush()

    def _write_line(self, text: str) -> None:
        self._out.write(("\r" + text.ljust(self._width) if self._terminal else text) + "\n")
        self._width = 0

    def end(self) -> None:
        if self._nobody_reads:
            return
        if self._terminal and self._width:
            self._out.write("\n")
        self._out.flush()


def status_text(state: StageState) -> str:
    """The state in one line."""
    cue = "-" if state.on_stage is None else one_line(state.cues[state.on_stage].name)
    parts = [f"{state.uptime_s:7.1f} s", "PANIC" if state.panic else cue]
    if state.waiting is not None and state.waiting != state.on_stage:
        parts.append(f"loading {one_line(state.cues[state.waiting].name)}")
    metrics = state.picture.metrics
    if metrics.fps is not None:
        parts.append(f"{metrics.fps:.1f} fps")
    p50_ms, p95_ms = metrics.latency_ms["p50"], metrics.latency_ms["p95"]
    if p50_ms is not None and p95_ms is not None:
        parts.append(f"{p50_ms:.0f} ms (p95 {p95_ms:.0f})")
    if metrics.provider:
        parts.append(metrics.provider)
    if sound := _sound_text(state.sound.metrics):
        parts.append(sound)
    for engine in (state.picture, state.sound):
        if engine.health is not Health.PERFORMING:
            parts.append(f"{engine.kind} {engine.health}")
    if state.faults:
        parts.append(f"{len(state.faults)} faults")
    return "  ".join(parts)


def _sound_text(metrics: SoundMetrics) -> str:
    """The voice, its latency and the counts of lost sound; empty where there is no microphone."""
    if metrics.latency_ms is None:
        return ""
    voice = one_line(metrics.voice or "no voice").replace("\\", "/").rpartition("/")[2].removesuffix(".onnx")
    parts = [f"{voice} {metrics.latency_ms:.0f} ms"]
    parts += ["muted"] if metrics.mute else []
    counts = ((metrics.xruns, "xruns"), (metrics.deadline_misses, "missed"))
    parts += [f"{count} {name}" for count, name in counts if count]
    return ", ".join(parts)


def summary(report: Report) -> str:
    """The report in a few lines; what was not measured is left out."""
    video = report["video"]
    latency, audio = video["latency"], report["audio"]
    first_frame = report["start"]["first_frame"] if "start" in report else None
    missed = f"{audio['xruns'] or 0} xruns, {audio['deadline_misses'] or 0} blocks missed"
    parts = [
        f"{video['frames_presented'] or 0} pictures presented",
        f"{video['fps']} fps" if video["fps"] is not None else "no new picture",
        f"capture to ready p50 {latency['p50']}, p95 {latency['p95']}, p99 {latency['p99']} ms",
        f"longest gap {video['longest_gap']} ms",
        f"{video['face_lost_frames']} without a face",
        f"provider {video['provider'] or None}",
        f"sound {audio['latency']} ms late, {missed}",
        f"first picture after {first_frame} ms",
        f"{len(report['switches'])} cues, {len(report['faults'])} faults",
    ]
    return "\n".join("  " + part for part in parts if "None" not in part)
