"""Recordings as careless people make them: offset, with an inverted, a dead or a wild channel. All is learned from that
is learned from the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from models.prepare.segmentation import decode, sentences
from models.prepare.voice import VoiceOptions, prepare_voice, report

Sound = NDArray[np.float32]


def offset(sound: Sound) -> Sound:
    return sound + np.float32(0.06)


def inverted(sound: Sound) -> Sound:
    return np.stack([sound, -sound], 1)


def one_sided(sound: Sound) -> Sound:
    return np.stack([np.zeros_like(sound), sound], 1)


def one_of_eight(sound: Sound) -> Sound:
    return np.stack([np.zeros_like(sound)] * 4 + [sound] + [np.zeros_like(sound)] * 3, 1)


def wild(sound: Sound) -> Sound:
    output = sound.copy()
    output[len(sound) // 2] = 1e5
    return output


def pop(sound: Sound) -> Sound:
    """One sample at full scale, as a file of integers can hold it."""
    output = sound.copy()
    output[int(np.argmin(np.convolve(np.abs(sound), np.ones(800), "valid"))) + 400] = 1.0
    return output


ODDITIES = (offset, inverted, one_sided, one_of_eight, wild)


@pytest.fixture(scope="module")
def plain(data: Path) -> list[Path]:
    """Ten sentences of LJ."""
    return sorted((data / "speech" / "ljspeech").glob("*.wav"))[:10]


@pytest.mark.parametrize("oddity", ODDITIES)
def test_three_sentences_are_cut_as_the_plain_ones(
    plain: list[Path], tmp_path: Path, oddity: Callable[[Sound], Sound]
) -> None:
    odd = [_made_odd(path, tmp_path / path.name, oddity) for path in plain[:3]]
    assert sum(map(_kept_s, odd)) == pytest.approx(sum(map(_kept_s, plain[:3])), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("oddity", ODDITIES)
def test_ten_sentences_are_kept_as_the_plain_ones(
    plain: list[Path], tmp_path: Path, oddity: Callable[[Sound], Sound]
) -> None:
    odd = [_made_odd(path, tmp_path / path.name, oddity) for path in plain]
    kept_s = [
        sum(prepare_voice(paths, tmp_path / name, None, VoiceOptions()).seconds.values())
        for name, paths in (("plain", plain), ("odd", odd))
    ]
    assert kept_s[1] == pytest.approx(kept_s[0], rel=0.05)


@pytest.mark.parametrize("oddity", [wild, pop])
def test_a_lone_wild_sample_is_taken_out_and_said(
    plain: list[Path], tmp_path: Path, oddity: Callable[[Sound], Sound]
) -> None:
    path = _made_odd(plain[4], tmp_path / "odd.wav", oddity)
    recording, without = decode(path, 16_000), decode(plain[4], 16_000)
    assert np.abs(recording.sound - without.sound).max() < 0.05
    assert "odd.wav: 1 wild samples were taken out" in recording.notes


@pytest.mark.parametrize(
    ("oddity", "said"),
    [(inverted, "channel 1 of 2 is taken alone"), (one_sided, "only channel 2 of 2 carries sound")],
)
def test_which_channel_is_heard_is_said(
    plain: list[Path], tmp_path: Path, oddity: Callable[[Sound], Sound], said: str
) -> None:
    path = _made_odd(plain[4], tmp_path / "odd.wav", oddity)
    facts = prepare_voice([path], tmp_path / "out", None, VoiceOptions())
    assert said in report(facts)
    assert said in (tmp_path / "out" / "report.txt").read_text("utf-8")
    np.testing.assert_allclose(decode(path, 16_000).sound, decode(plain[4], 16_000).sound, atol=1e-6)


def _made_odd(path: Path, out: Path, oddity: Callable[[Sound], Sound]) -> Path:
    sound, rate = soundfile.read(path, dtype="float32")
    soundfile.write(out, oddity(sound), rate, "FLOAT")
    return out


def _kept_s(path: Path) -> float:
    return sum((piece.stop - piece.start) / 16_000 for piece in sentences(decode(path, 16_000)) if not piece.why_not)
