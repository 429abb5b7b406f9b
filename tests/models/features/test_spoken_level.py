"""A voice of sound is held to what was spoken; an ordinary one passes as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.runtime.frozen_voice import open_frozen_voice
from models.features.spoken_level import SpokenLevel
from tests.export.bad_models import constant_voice, infinite_voice

RATE, HOP = 16_000, 160
SILENT_ROOM = np.random.default_rng(0).normal(0.0, 1e-4, HOP).astype(np.float32)


def test_an_ordinary_voice_is_not_touched() -> None:
    rng = np.random.default_rng(0)
    level = SpokenLevel(RATE, HOP, 2 * HOP)
    for number in range(300):
        spoken = rng.normal(0.0, 0.1 * (number % 50 < 30) + 1e-4, HOP).astype(np.float32)
        converted = 2.5 * spoken[::-1]
        assert level.hold(spoken, converted) is converted


def test_a_word_sounds_on_and_a_room_tone_is_let_through() -> None:
    level = SpokenLevel(RATE, HOP, 0)
    word, tail, tone = (np.full(HOP, value, np.float32) for value in (0.2, 0.1, 0.002))
    level.hold(word, word)
    for _ in range(99):
        assert level.hold(SILENT_ROOM, tail) is tail
    for _ in range(200):
        assert level.hold(np.zeros(HOP, np.float32), tone) is tone


def test_a_voice_that_diverges_in_a_silent_room_is_not_heard() -> None:
    level = SpokenLevel(RATE, HOP, 0)
    heard: list[float] = []

    def diverge() -> None:
        for number in range(2000):
            diverging = np.full(HOP, min(1e-4 * 1.05**number, 1.0), np.float32)
            heard.append(float(np.abs(level.hold(SILENT_ROOM, diverging)).max()))

    with pytest.raises(ValueError, match="far more sound than was spoken"):
        diverge()
    assert 20 * np.log10(max(heard)) <= -50.0 + 0.1
    level.reset()
    diverge_again = np.full(HOP, 0.5, np.float32)
    assert level.hold(SILENT_ROOM, diverge_again) is not diverge_again, "begins anew"


def test_it_is_eased_up_again() -> None:
    level = SpokenLevel(RATE, HOP, 0)
    loud = np.full(HOP, 0.5, np.float32)
    level.hold(SILENT_ROOM, loud)
    up = level.hold(loud, loud)
    assert up[0] < 0.01 < up[-1] == 0.5
    assert level.hold(loud, loud) is loud


def test_a_frozen_voice_at_the_ceiling_for_ever_is_given_up(tmp_path: Path) -> None:
    constant_voice(tmp_path / "constant.onnx")
    voice = open_frozen_voice(tmp_path / "constant.onnx", "cpu")
    assert np.abs(voice.process_hop(SILENT_ROOM)).max() < 0.004

    def go_on() -> None:
        for _ in range(110):
            voice.process_hop(SILENT_ROOM)

    with pytest.raises(ValueError, match="far more sound than was spoken"):
        go_on()


def test_what_is_no_sound_is_left_to_who_plays_it(tmp_path: Path) -> None:
    infinite_voice(tmp_path / "infinite.onnx")
    voice = open_frozen_voice(tmp_path / "infinite.onnx", "cpu")
    assert not np.isfinite(voice.process_hop(np.full(HOP, 0.1, np.float32))).all()
