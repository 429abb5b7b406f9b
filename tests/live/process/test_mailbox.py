"""The newest-wins mailbox."""

from __future__ import annotations

from live.process.frames import now
from live.process.mailbox import Mailbox


def test_the_newest_wins_and_what_was_not_taken_is_counted() -> None:
    box: Mailbox[int] = Mailbox()
    assert box.take() is None
    for i in range(4):
        box.put(i)
    assert (box.take(), box.take(), box.dropped) == (3, None, 3)


def test_taking_waits_no_longer_than_told() -> None:
    box: Mailbox[int] = Mailbox()
    began = now()
    assert box.take(0.05) is None
    assert 0.04 < now() - began < 0.5
