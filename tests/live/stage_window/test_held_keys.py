"""One press is one press, whatever the platform says of its repeats."""

from __future__ import annotations

from live.stage_window.held_keys import HeldKeys

SPACE, ESC = 32, 27


def test_releases_and_presses_back_to_back_are_one_press() -> None:
    keys = HeldKeys()
    assert keys.is_press(SPACE, 1000)
    for at_ms in range(1500, 4000, 33):
        keys.release(SPACE, at_ms)
        assert not keys.is_press(SPACE, at_ms + 1)
    keys.release(SPACE, 4000)
    assert keys.is_press(SPACE, 4100)


def test_presses_without_releases_are_one_press_until_a_release_was_lost() -> None:
    keys = HeldKeys()
    assert keys.is_press(SPACE, 0)
    assert not any(keys.is_press(SPACE, at_ms) for at_ms in range(500, 5000, 40))
    assert keys.is_press(SPACE, 6100), "the key would be dead for the rest of the show"


def test_keys_are_told_apart_and_what_is_marked_is_believed() -> None:
    keys = HeldKeys()
    assert keys.is_press(SPACE, 0)
    assert keys.is_press(ESC, 10)
    keys.release(SPACE, 20)
    assert keys.is_press(SPACE, 200)
    keys.release(SPACE, 210)
    assert not keys.is_press(SPACE, 900, marked=True)
