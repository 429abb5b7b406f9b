"""The metrics of a voice, on sound and features with known results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.metrics.voice import (
    MetricUnavailable,
    f0_correlation,
    f0_error_cents,
    f0_errors_cents,
    intelligibility,
    mcd_db,
)
from export.pretrained.speaker_encoder import SpeakerEncoder, mean_embedding, similarity

RATE = 16000


def _speech(data: Path, name: str) -> np.ndarray:
    return soundfile.read(data / "speech" / "librispeech_test-other" / f"{name}.flac", dtype="float32")[0][: 5 * RATE]


def test_f0_errors_are_in_cents_and_of_voiced_frames_alone() -> None:
    wanted = np.array([100.0, 200.0, 0.0, 400.0, 300.0])
    found = np.array([200.0, 200.0, 150.0, 0.0, 300.0 * 2 ** (50 / 1200), 77.0])
    np.testing.assert_allclose(f0_errors_cents(wanted, found), [1200, 0, 50], atol=1e-9)
    assert f0_error_cents(wanted, found) == pytest.approx(50)
    assert f0_error_cents(wanted, np.zeros(5)) is None


def test_f0_correlation_is_of_the_melody() -> None:
    melody = 150 * 2 ** (np.sin(np.arange(50) / 5) / 3)
    assert f0_correlation(melody, 1.7 * melody) == pytest.approx(1)
    assert f0_correlation(melody, 100 / melody) == pytest.approx(-1)
    assert f0_correlation(melody, np.full(50, 100.0)) is None
    assert f0_correlation(melody[:5], melody[:5]) is None


def test_mcd_follows_its_formula_and_warps_time() -> None:
    pytest.importorskip("librosa")
    rng = np.random.default_rng(0)
    one = np.cumsum(rng.standard_normal((60, 36)), 0)
    other = one.copy()
    other[:, 1] += 0.1
    # No warping brings frames of a random walk so near to each other: the path is the diagonal.
    assert mcd_db(one, other) == pytest.approx(10 / np.log(10) * np.sqrt(2) * 0.1, rel=1e-6)
    louder = one + np.eye(36)[0] * 5
    assert mcd_db(one, louder) == pytest.approx(0, abs=1e-5)
    assert mcd_db(one, np.repeat(one, 2, axis=0)) == pytest.approx(0, abs=1e-5)
    assert mcd_db(one, np.roll(other, 7, axis=1)) > 1


def test_lost_words_lower_the_intelligibility(data: Path) -> None:
    pytest.importorskip("pystoi")
    speech = _speech(data, "533-1066-0000")
    noise = np.random.default_rng(0).normal(0, np.std(speech) * 2, len(speech))
    assert intelligibility(speech, speech, RATE) == pytest.approx(1, abs=1e-3)
    assert intelligibility(speech, speech + noise, RATE) < 0.7
    with pytest.raises(ValueError, match="too little speech"):
        intelligibility(speech[:2000], speech[:2000], RATE)


def test_a_speaker_is_nearer_to_their_own_mean(data: Path) -> None:
    try:
        encoder = SpeakerEncoder()
    except MetricUnavailable as why:
        pytest.skip(str(why))
    woman, again, man = (_speech(data, name) for name in ("533-1066-0000", "533-1066-0004", "2414-128291-0001"))
    person = mean_embedding([encoder.embed(woman, RATE)])
    same_speaker, other_speaker = (
        similarity(encoder.embed(again, RATE), person),
        similarity(encoder.embed(man, RATE), person),
    )
    assert same_speaker > 0.75 > 0.65 > other_speaker
    assert np.linalg.norm(person) == pytest.approx(1)
    # Neither level nor sample rate changes the speaker.
    import soxr

    quiet = 0.2 * soxr.resample(woman, RATE, 44100)
    assert similarity(encoder.embed(quiet, 44100), person) > 0.98
    with pytest.raises(ValueError, match="no sound"):
        encoder.embed(np.zeros(RATE), RATE)
    with pytest.raises(ValueError, match="nobody"):
        mean_embedding([])
