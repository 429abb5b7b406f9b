"""A hung window ends itself, and one whose machine stood still does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from live.stage_window.hang_watchdog import HUNG_S, HangWatchdog

ended: list[int] = []
time_s = [0.0]


@pytest.fixture
def watchdog(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangWatchdog]:
    monkeypatch.setattr("live.stage_window.hang_watchdog.MAX_TICK_S", 3600.0)  # its own thread does not tick
    ended.clear()
    time_s[0] = 0.0
    made = HangWatchdog(ended.append, lambda: time_s[0])
    yield made
    made.stop()


def pass_time(watchdog: HangWatchdog, seconds: float, every_s: float = 0.2) -> None:
    for _ in range(round(seconds / every_s)):
        time_s[0] += every_s
        watchdog.tick()


def test_a_thread_that_hangs_ends_the_process(watchdog: HangWatchdog) -> None:
    watchdog.feed()
    pass_time(watchdog, HUNG_S - 1)
    assert not ended
    pass_time(watchdog, 2)
    assert ended


def test_a_machine_that_stood_still_ends_nothing(watchdog: HangWatchdog) -> None:
    watchdog.feed()
    pass_time(watchdog, 430, every_s=43.0)
    assert not ended
    watchdog.feed()
    pass_time(watchdog, HUNG_S - 1)
    assert not ended
