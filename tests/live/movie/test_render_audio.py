"""`guise render --audio`: a recording through a voice, as long as it was and where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

import guise
from live.movie.render_audio import AudioNotRendered, render_audio

RATE = 48_000


class LateVoice:
    """Gives what it was given, 1000 samples late."""

    latency_samples = 1000

    def __init__(self) -> None:
        self._held = np.zeros(self.latency_samples, np.float32)

    def process(self, samples: np.ndarray) -> np.ndarray:
        whole = np.concatenate([self._held, samples])
        self._held = whole[len(samples) :]
        return whole[: len(samples)]

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool:
        return False


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_latency_is_removed_and_the_length_kept(tmp_path: Path, suffix: str) -> None:
    sound = noise(1.7)
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    out = tmp_path / f"out{suffix}"
    _, notes = render_audio(tmp_path / "in.wav", out, "late", load_voice=lambda _: LateVoice())
    heard, rate = soundfile.read(out, dtype="float32")
    assert rate == RATE
    assert soundfile.info(out).format == suffix[1:].upper()
    assert len(heard) == len(sound)
    np.testing.assert_allclose(heard[480:], sound[480:], atol=1e-4)
    assert not notes


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_any_rate_is_as_long_as_before(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "in.wav", noise(1.0)[:rate], rate)
    render_audio(tmp_path / "in.wav", tmp_path / "out.wav", "late", load_voice=lambda _: LateVoice())
    assert soundfile.info(tmp_path / "out.wav").frames == pytest.approx(RATE, abs=1)


def test_the_verb_renders_and_says_what_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole, half = tmp_path / "whole.flac", tmp_path / os.fsdecode(b"h\xe9:alf.flac")
    soundfile.write(whole, np.stack([np.zeros(3 * RATE), noise(3.0)], 1), RATE)
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out, report = tmp_path / "out:2.wav", tmp_path / "r.json"
    words = ["render", "--audio", str(half), "--voice", "bypass", "--out", str(out), "--report", str(report)]
    assert guise.main(words) == 0
    printed = capfd.readouterr().err
    assert "the file says 3.0 s, 1.5 s can be read" in printed
    assert "only channel 2 of 2 carries sound" in printed
    assert soundfile.info(str(out)).duration == pytest.approx(1.5, abs=0.1)
    told = json.loads(report.read_text("utf-8"))
    assert told["audio"]["sample_rate"] == RATE
    assert len(told["warnings"]) == 2


def test_what_cannot_be_rendered_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good, text = tmp_path / "good.wav", tmp_path / "text.wav"
    soundfile.write(good, noise(0.2), RATE)
    text.write_text("no sound")
    out = str(tmp_path / "out.wav")
    for words, said in (
        (["--out", out], "give --video IN"),
        (["--audio", str(good), "--video", str(good), "--out", out], "give --video IN"),
        (["--audio", str(good), "--out", out], "--audio needs --voice"),
        (["--audio", str(good), "--voice", "giant", "--look", "bypass", "--out", out], "--look is for a movie"),
        (["--audio", str(good), "--voice", "giant", "--out", str(good)], "is the file that is read"),
        (["--audio", str(good), "--voice", "giant", "--out", str(tmp_path / "a.mp3")], "ends in .wav or .flac"),
        (["--audio", str(good), "--voice", "giant", "--channel", "2", "--out", out], "channel 2 is none of them"),
        (["--audio", str(good), "--voice", "giant", "--channel", "left", "--out", out], "auto, sum"),
        (["--audio", str(good), "--channel", "1", "--out", out], "give --voice, too"),
        (["--audio", str(text), "--voice", "giant", "--out", out], "not a sound file"),
        (["--audio", str(tmp_path / "gone.wav"), "--voice", "giant", "--out", out], "there is no such file"),
        (["--audio", str(good), "--voice", "gaint", "--out", out], "there is no voice"),
        (["--audio", str(good), "--voice", "giant", "--out", "/dev/full/out.wav"], "folder that is there"),
    ):
        assert guise.main(["render", *words]) == 2, words
        printed = capfd.readouterr().err
        assert said in printed
        assert printed.count("\n") == 1
    assert not Path(out).exists()
    with pytest.raises(AudioNotRendered, match="cannot be written"):
        render_audio(good, tmp_path / "no folder" / "a.wav", "late", load_voice=lambda _: LateVoice())
