"""What a parameter's name says: whose it is, and whether it lasts."""

from __future__ import annotations

from live.sound.desk import Desk
from live.sound.settings import CUES_OWN, DESKS_OWN


def test_the_desk_knows_its_own_and_no_voice_s() -> None:
    desk = Desk(48_000)
    assert [desk.set(name.removeprefix("sound/"), 0.0) for name in DESKS_OWN] == [True] * len(DESKS_OWN)
    assert [desk.set(name.removeprefix("sound/"), 0.0) for name in CUES_OWN] == [False] * len(CUES_OWN)
