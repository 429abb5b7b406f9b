"""The running order: a show's cues; which is on stage, on standby or waiting; and when the next follows automatically.

Has no engine, thread or clock; the StageManager uses it under its lock. Times are by now().
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from live.show.show_file import Cue, Show


@dataclass
class WaitingCue:
    """A cue that was requested and is not on stage yet.

    automatic: it follows another cue by that cue's `follow_s`. skipped: the cues skipped on the way to this one.
    """

    index: int
    requested_at: float
    automatic: bool = False
    skipped: set[int] = field(default_factory=set)


class RunningOrder:
    """Indices of cues count from 0. Changes only by calls of its methods."""

    def __init__(self, show: Show, first_cue: int) -> None:
        self.show = show
        self.on_stage: int | None = None
        self.standby: int | None = first_cue
        self.waiting: WaitingCue | None = None
        self.follow_at: float | None = None

    def has(self, index: int) -> bool:
        return 0 <= index < len(self.show.cues)

    def cue(self, index: int) -> Cue:
        return self.show.cues[index]

    def index_of(self, name: str | None) -> int | None:
        """The index of the cue of this name, or None."""
        return next((index for index, cue in enumerate(self.show.cues) if cue.name == name), None)

    def name_of(self, index: int | None) -> str | None:
        return None if index is None else self.show.cues[index].name

    def index_after(self, index: int) -> int | None:
        """The index of the cue after this one; after the last, the first in a show that loops, else None."""
        if self.has(index + 1):
            return index + 1
        return 0 if self.show.loop else None

    def from_standby(self) -> list[Cue]:
        """The cues from the standby cue on, then those before it."""
        at = self.standby or 0
        return [*self.show.cues[at:], *self.show.cues[:at]]

    def request(self, index: int, at: float, *, automatic: bool = False) -> bool:
        """Make this cue the waiting one. False when it is already."""
        if self.waiting is not None and self.waiting.index == index:
            return False
        self.waiting = WaitingCue(index, at, automatic)
        return True

    def mark_fired(self, index: int, at: float) -> None:
        """The cue is on stage; the next one becomes the standby cue."""
        follow_s = self.cue(index).follow_s
        self.on_stage = index
        self.standby = self.index_after(index)
        self.follow_at = None if follow_s is None else at + follow_s

    def skip(self, waiting: WaitingCue) -> None:
        """All models of the cue are refused. The old cue stays; after an automatic one the next unskipped cue waits."""
        following = self.index_after(waiting.index)
        skipped = waiting.skipped | {waiting.index}
        if waiting.automatic and following is not None and following not in skipped:
            self.waiting = WaitingCue(following, waiting.requested_at, True, skipped)

    def take_due_follow(self, at: float) -> bool:
        """True once when the time has come for the cue that follows automatically."""
        if self.follow_at is None or at < self.follow_at:
            return False
        self.follow_at = None
        return True

    def postpone_follow(self, by_s: float) -> None:
        """Postpone the cue that follows automatically: a panic does not count as part of a cue's time."""
        if self.follow_at is not None:
            self.follow_at += by_s

    def replace_show(self, show: Show) -> None:
        """Use another show, or this one reloaded. The cues on stage, on standby and waiting are found again by name."""
        playing, next_name = self.name_of(self.on_stage), self.name_of(self.standby)
        waiting, awaited = self.waiting, None if self.waiting is None else self.name_of(self.waiting.index)
        self.show = show
        index = self.index_of(awaited)
        self.waiting = None if waiting is None or index is None else WaitingCue(index, waiting.requested_at)
        self.on_stage = self.index_of(playing)
        standby = self.index_of(next_name)
        if standby is None:
            standby = 0 if self.on_stage is None else self.index_after(self.on_stage)
        self.standby = standby

    def add(self, cue: Cue) -> int:
        """Append a cue, in memory alone; a name that is taken gets a number. Returns its index."""
        name, number = cue.name, 2
        while self.index_of(name) is not None:
            name, number = f"{cue.name} {number}", number + 1
        self.show = replace(self.show, cues=(*self.show.cues, replace(cue, name=name)))
        return len(self.show.cues) - 1
