"""When the operator's thread counts as alive."""

from __future__ import annotations

from live.stage_window.signs_of_life import SIGN_EVERY_S, SILENT_S, Steadiness


def test_a_thread_that_begins_or_wakes_up_is_alive_with_its_second_tick() -> None:
    at = 100.0
    steadiness = Steadiness(lambda: at)
    alive = []
    for pause_s in (0.0, 0.0, SILENT_S + 2.0, 0.0, SIGN_EVERY_S, SIGN_EVERY_S, SILENT_S + 0.1, SIGN_EVERY_S):
        at += pause_s
        alive.append(steadiness.tick())
    # Built its windows for three seconds after the first tick; stood still once more, later.
    assert alive == [False, False, False, False, True, True, False, True]
