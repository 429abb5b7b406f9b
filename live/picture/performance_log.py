"""Timing statistics of a performance: time per stage, latency, gaps, frame rate, switches.

Runs on the picture engine's loop, which reports to it. Adding a value allocates nothing large and writes nothing. Times
go in in seconds and come out in ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from live.process.messages import Event, OnStage
from live.process.metrics import Percentiles
from live.process.percentiles import Durations, in_ms
from live.process.report import SwitchReport
from live.process.stage_picture import FrameKind

STAGES = ("wait", "track", "draw", "generate", "compose")
FPS_WINDOW_S = 2.0
"""The frame rate on screen is averaged over this time."""
NEW_KINDS = (FrameKind.GENERATED, FrameKind.BYPASS)
"""The kinds of picture that are newly generated; held and safe pictures are not."""


@dataclass(slots=True)
class _Switch:
    cue_index: int
    ready_after_s: float
    until_s: float
    gap_s: float = 0.0
    writes: int = 0

    def as_report(self) -> SwitchReport:
        return {
            "cue": self.cue_index,
            "ready_after": in_ms(self.ready_after_s),
            "frame_gap": in_ms(self.gap_s),
            "audio_gap_samples": None,
        }


class PerformanceLog:
    """The statistics of one run of the engine."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        """`send` takes OnStage, when a cue's first picture was written."""
        self._send = send
        self._latency = Durations()
        self._stages = {name: Durations() for name in STAGES}
        self._frame_times_s = dict.fromkeys(STAGES, 0.0)
        self._new_ready_at: deque[float] = deque(maxlen=240)
        self._new_count = 0
        self._first_new_at = 0.0
        self._presented = 0
        self._written_at: float | None = None
        self._last_was_frame = False
        """Whether the last picture belonged to a frame: a gap counts only between two such pictures."""
        self._longest_gap_s: float | None = None
        self._switch: _Switch | None = None
        self._switches: list[_Switch] = []

    # ---- within a frame

    def begin_frame(self, waited_s: float) -> None:
        """`waited_s`: from the frame's capture until now."""
        self._frame_times_s = dict.fromkeys(STAGES, 0.0)
        self._frame_times_s["wait"] = max(waited_s, 0.0)

    def add_time(self, stage: str, seconds: float) -> None:
        """Adds to the time this frame has spent in `stage`."""
        self._frame_times_s[stage] += seconds

    def end_frame(self, composed_s: float) -> None:
        """`composed_s`: the picture's total time after tracking; drawing and generating are subtracted from it."""
        look_s = self._frame_times_s["draw"] + self._frame_times_s["generate"]
        self._frame_times_s["compose"] = max(composed_s - look_s, 0.0)
        for name, times in self._stages.items():
            times.add(self._frame_times_s[name])

    def present(self, kind: FrameKind, captured_at: float, ready_at: float, index: int) -> None:
        """Records that a picture was written. `index` -1: the engine showed it without a frame."""
        gap_s = 0.0 if self._written_at is None else ready_at - self._written_at
        if self._last_was_frame and index >= 0:
            self._longest_gap_s = max(self._longest_gap_s or 0.0, gap_s)
        self._last_was_frame = index >= 0
        self._written_at = ready_at
        self._presented += index >= 0
        if kind in NEW_KINDS:
            self._latency.add(ready_at - captured_at)
            self._first_new_at = self._first_new_at if self._new_count else ready_at
            self._new_count += 1
            self._new_ready_at.append(ready_at)
        self._update_switch(gap_s, ready_at)

    @property
    def written_at(self) -> float | None:
        """When the last picture was written; None: none was, or the source has been interrupted since."""
        return self._written_at

    def interrupt(self) -> None:
        """The source is gone: the time until the next picture does not count as a gap."""
        self._written_at = None

    # ---- switches

    def begin_switch(self, cue_index: int, ready_after_s: float, t_s: float, transition_s: float) -> None:
        """A cue's look is on stage from now on; the record of the previous switch ends."""
        self.end_switch()
        self._switch = _Switch(cue_index, ready_after_s, t_s + transition_s)

    def end_switch(self) -> None:
        switch, self._switch = self._switch, None
        if switch is not None and switch.writes:
            self._switches.append(switch)

    def _update_switch(self, gap_s: float, ready_at: float) -> None:
        switch = self._switch
        if switch is None:
            return
        switch.writes += 1
        switch.gap_s = max(switch.gap_s, gap_s)
        if switch.writes == 1:
            self._send(OnStage(switch.cue_index, ready_at, switch.gap_s))
        if switch.writes >= 3 and ready_at >= switch.until_s:
            self.end_switch()

    # ---- results

    def recent_fps(self, t_s: float) -> float | None:
        """New pictures a second, in the last FPS_WINDOW_S; None before the first."""
        if not self._new_count:
            return None
        recent = [at for at in self._new_ready_at if at > t_s - FPS_WINDOW_S]
        fps = (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0
        return round(fps, 1)

    def recent_latency(self) -> Percentiles:
        """Capture to ready, of the last seconds."""
        return self._latency.recent()

    @property
    def longest_gap_ms(self) -> float | None:
        """Between two pictures of frames; None before the second."""
        return None if self._longest_gap_s is None else in_ms(self._longest_gap_s)

    @property
    def presented(self) -> int:
        """How many pictures were written."""
        return self._presented

    def fps(self) -> float | None:
        """New pictures a second, in the whole run; None before the second."""
        length_s = self._new_ready_at[-1] - self._first_new_at if self._new_ready_at else 0.0
        return round((self._new_count - 1) / length_s, 2) if length_s > 0 else None

    def latency(self) -> Percentiles:
        """Capture to ready, of the whole run."""
        return self._latency.whole()

    def stages(self) -> dict[str, Percentiles]:
        """The time in each stage, of the whole run."""
        return {name: times.whole() for name, times in self._stages.items()}

    def switches(self) -> list[SwitchReport]:
        """The "switches" part of the report; a switch in progress is included as far as it has come."""
        under_way = [self._switch] if self._switch is not None and self._switch.writes else []
        return [switch.as_report() for switch in [*self._switches, *under_way]]
