"""Two speakers in recordings prepared as one speaker's: detected, and reported once, with the places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.prepare.speaker_check import other_speaker_sentences
from models.prepare.voice import VoiceOptions, features_of, prepare_voice, report
from models.prepare.voice_data import Features

RATE = 16_000


def sounds(data: Path, speaker: str, count: int, seconds: float = 2.6) -> list[np.ndarray]:
    """The beginnings of so many recordings, or what follows them where there are not enough."""
    paths = sorted((data / "speech" / "librispeech_test-other").glob(f"{speaker}-*.flac"))
    cut = round(seconds * RATE)
    places = [(path, begin) for begin in (0, cut) for path in paths if soundfile.info(path).frames >= begin + cut]
    return [soundfile.read(path, start=begin, frames=cut, dtype="float32")[0] for path, begin in places[:count]]


@pytest.fixture(scope="module")
def one(data: Path) -> list[Features]:
    return [features_of(sound, RATE) for sound in sounds(data, "533", 14)]


@pytest.fixture(scope="module")
def other(data: Path) -> list[Features]:
    return [features_of(sound, RATE) for sound in sounds(data, "1998", 4)]


def test_one_person_is_one(one: list[Features]) -> None:
    assert other_speaker_sentences(one) == []


def test_a_second_woman_is_found_by_her_sentences(one: list[Features], other: list[Features]) -> None:
    mixed = one[:5] + other[:2] + one[5:12] + other[2:]
    assert other_speaker_sentences(mixed) == [5, 6, 14, 15]


def test_few_sentences_give_no_warning(one: list[Features], other: list[Features]) -> None:
    assert other_speaker_sentences(one[:5] + other) == []
    assert other_speaker_sentences([]) == []


def test_preparing_tells_it_in_one_line(data: Path, tmp_path: Path) -> None:
    """Two speakers who take turns in one recording."""
    pause = np.random.default_rng(0).normal(0, 1e-4, round(0.8 * RATE)).astype(np.float32)
    turns = zip(sounds(data, "533", 7), sounds(data, "2414", 7), strict=True)
    soundfile.write(
        tmp_path / "talk.wav", np.concatenate([part for a, b in turns for part in (a, pause, b, pause)]), RATE
    )
    facts = prepare_voice([tmp_path / "talk.wav"], tmp_path / "talk", None, VoiceOptions(learn_all=True))
    warnings = [line for line in report(facts).splitlines() if line.startswith("warning: perhaps two people")]
    assert len(warnings) == 1
    assert "talk.wav" in warnings[0]
    assert (tmp_path / "talk" / "report.txt").read_text().count("unlike the others") >= len(facts.unlike_the_others)
