"""The log of a show: its switches, faults and notes, for the screen while it runs and for the report after it.

Used under the StageManager's lock, in any thread. It keeps the newest entries only: a year in a gallery takes no more
memory than a day.
"""

from __future__ import annotations

from dataclasses import dataclass

from live.manage.engine_supervisor import EngineFault, EngineSupervisor
from live.manage.report import build_report
from live.manage.sync import SyncState
from live.process.frames import now
from live.process.metrics import PictureMetrics, SoundMetrics
from live.process.report import PresentedReport, Report

_MAX_NOTES = 100
_MAX_FAULTS = 1000
_MAX_SWITCHES = 10_000


@dataclass(frozen=True)
class FaultState:
    """A fault for the screen. at_s: seconds since the start; recovered_after_s: None while it lasts."""

    at_s: float
    where: str
    what: str
    recovered_after_s: float | None


@dataclass(frozen=True)
class NoteState:
    """A note for the screen. at_s: seconds since the start."""

    at_s: float
    text: str


@dataclass
class Switch:
    """A cue that was fired, and the gaps that the engines measured when it came on stage."""

    cue: str
    index: int
    ready_after_s: float
    frame_gap_s: float | None = None
    audio_gap_samples: int | None = None
    reason: str | None = None
    """Why a gap was not measured."""


class ShowLog:
    """Takes times by now() and returns seconds since `start`."""

    def __init__(self) -> None:
        self._started_at = now()
        self._switches: list[Switch] = []
        self._faults: list[EngineFault] = []
        self._notes: list[tuple[float, str]] = []

    def start(self) -> None:
        self._started_at = now()

    @property
    def uptime_s(self) -> float:
        return now() - self._started_at

    # ---- adding

    def add_switch(self, cue: str, index: int, ready_after_s: float) -> None:
        for measured in ("frame_gap_s", "audio_gap_samples"):
            self.add_reason(measured, "the next cue came before it was on stage")
        self._switches.append(Switch(cue, index, ready_after_s))
        del self._switches[:-_MAX_SWITCHES]

    def add_reason(self, measured: str, why: str) -> None:
        """The newest switch's gap of this name will not be measured, unless it has been."""
        if self._switches and getattr(self._switches[-1], measured) is None and self._switches[-1].reason is None:
            self._switches[-1].reason = why

    def latest_switch_to(self, index: int) -> Switch | None:
        """The newest switch to this cue, or None."""
        return next((switch for switch in reversed(self._switches) if switch.index == index), None)

    def add_fault(self, fault: EngineFault) -> EngineFault:
        self._faults.append(fault)
        del self._faults[:-_MAX_FAULTS]
        return fault

    def mark_recovered(self, where: str, after_s: float | None = None) -> None:
        """The newest lasting fault at `where` is over; None: since now."""
        for fault in reversed(self._faults):
            if fault.where == where and fault.recovered_after_s is None:
                fault.recovered_after_s = now() - fault.at if after_s is None else after_s
                return

    def add_note(self, text: str) -> None:
        """Add a sentence for the operator, unless it repeats the one before."""
        if not self._notes or self._notes[-1][1] != text:
            self._notes.append((now(), text))
            del self._notes[:-_MAX_NOTES]

    # ---- reading

    def faults(self) -> tuple[FaultState, ...]:
        return tuple(
            FaultState(fault.at - self._started_at, fault.where, fault.what, fault.recovered_after_s)
            for fault in self._faults
        )

    def notes(self) -> tuple[NoteState, ...]:
        return tuple(NoteState(at - self._started_at, text) for at, text in self._notes)

    def report(
        self,
        picture: EngineSupervisor[PictureMetrics],
        sound: EngineSupervisor[SoundMetrics],
        presented: PresentedReport,
        sync: SyncState,
    ) -> Report:
        """The report of the performance. presented: the audience's metrics."""
        warnings = [text for _, text in self._notes]
        for engine in (picture, sound):
            if engine.restarts:
                warnings.append(f"the {engine.name} engine was restarted: its figures count from then")
        report = build_report(
            picture.report,
            sound.report,
            switches=[
                {
                    "cue": switch.cue,
                    "ready_after": _ms(switch.ready_after_s),
                    "frame_gap": _ms(switch.frame_gap_s),
                    "audio_gap_samples": switch.audio_gap_samples,
                    "reason": switch.reason,
                }
                for switch in self._switches
            ],
            faults=[
                {
                    "at": _ms(fault.at - self._started_at),
                    "where": fault.where,
                    "what": fault.what,
                    "recovered_after": _ms(fault.recovered_after_s),
                }
                for fault in self._faults
            ],
            warnings=warnings,
            presented=presented,
            sync={
                "skew": sync.skew_ms,
                "picture_delay": sync.picture_delay_ms,
                "sound_delay": sync.sound_delay_ms,
            },
        )
        report["restarts"] = {"picture": picture.restarts, "sound": sound.restarts}
        return report


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 2)
