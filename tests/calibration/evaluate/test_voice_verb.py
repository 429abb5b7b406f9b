"""`guise evaluate voice` on real speech, its files and metrics; input that is no speech is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
import soxr

import guise
from calibration.bench.statistics_voices import freeze_statistics
from models.prepare.voice import features_of


def speech(data: Path, pattern: str, count: int) -> list[str]:
    return [str(path) for path in sorted((data / "speech" / "vctk16k").glob(pattern))[:count]]


def evaluated(out: Path, voice: str, said: list[str], *more: str) -> dict[str, Any]:
    spoken = [part for path in said for part in ("--speech", path)]
    assert guise.main(["evaluate", "voice", "--voice", voice, *spoken, *more, "--out", str(out)]) == 0
    return strictly((out / "figures.json").read_text())


def strictly(text: str) -> dict[str, Any]:
    """JSON has no NaN."""

    def refuse(what: str) -> None:
        raise AssertionError(f"{what} in figures.json")

    return json.loads(text, parse_constant=refuse)


def cut(path: str, out: Path, seconds: float, rate: int = 16_000, channels: int = 1) -> str:
    """The beginning of a recording, at another rate."""
    sound, own = soundfile.read(path)
    sound = soxr.resample(sound[: int(seconds * own)], own, rate)
    out.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(out, np.stack([sound] * channels, axis=1), rate)
    return str(out)


def targets(paths: list[str]) -> list[str]:
    return [part for path in paths for part in ("--target", path)]


def test_a_preset_on_two_sentences(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calibration.measure.recordings._MIN_POINTS", 40)
    said = [cut(path, tmp_path / Path(path).name, 2) for path in speech(data, "p226_0*.wav", 2)]
    whom = [cut(path, tmp_path / Path(path).name, 3) for path in speech(data, "p225_0*.wav", 4)]
    metrics = evaluated(tmp_path / "heard", "monotone", said, *targets(whom))
    assert metrics["voice"] == "monotone"
    assert 0.7 < metrics["stoi"] <= 1.0
    assert metrics["f0_error_cents"] is None, "a preset has no target"
    assert 30 < metrics["latency_ms"] < 60
    assert metrics["of"] == 2
    if metrics["missing"] is None:
        assert metrics["similarity_target"] < metrics["similarity_source"]
        assert metrics["nearer_target"] == 0
    assert metrics["reconstruction_db"] is None, "a preset has no target of its own"
    for name in ("precision", "recall", "density", "coverage"):
        assert 0 <= metrics[name] < metrics["prdc_of_target"][name] <= 1.2
    first = Path(said[0]).stem
    sound, rate = soundfile.read(tmp_path / "heard" / f"{first}.wav")
    assert rate == 48_000
    source, own = soundfile.read(said[0])
    assert abs(len(sound) / rate - len(source) / own) < 0.02
    picture = cv2.imread(str(tmp_path / "heard" / f"{first}.png"))
    assert picture is not None
    assert picture.shape[1] == pytest.approx(len(sound) / 240, abs=2)
    # The same words by the target: sentence 003 by both.
    assert metrics["clips"]["p226_003.wav"]["mcd_db"] > 3
    assert "STOI" in capsys.readouterr().out


def test_what_cannot_be_evaluated_is_refused_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (good,) = speech(data, "p226_003.wav", 1)
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    short = tmp_path / "한 마디.wav"
    soundfile.write(short, np.zeros(1000), 16_000)
    for voice, path, said in (
        ("octave-sideways", good, "no voice"),
        (str(text.with_suffix(".onnx")), good, "text.onnx"),
        ("monotone", str(text), "text.wav"),
        ("monotone", str(short), "are the least"),
        ("monotone", str(tmp_path / "gone.wav"), "no such file"),
    ):
        code = guise.main(["evaluate", "voice", "--voice", voice, "--speech", path, "--out", str(tmp_path / "x")])
        told = capsys.readouterr().err.strip()
        assert code == 2, told
        assert said in told
        assert len(told.splitlines()) == 1
    code = guise.main(
        ["evaluate", "voice", "--voice", "monotone", "--speech", good, "--source", "2", "--out", str(tmp_path / "x")]
    )
    assert code == 2
    assert "does not ask who speaks" in capsys.readouterr().err


def test_recordings_of_any_kind_are_measured_alike(data: Path, tmp_path: Path) -> None:
    """Stereo, a telephone's rate, a studio's; spaces and Korean letters; music gives valid metrics."""
    (good,) = speech(data, "p226_003.wav", 1)
    where = tmp_path / "우리 녹음"
    said = [
        cut(good, where / "in mono.wav", 1.5),
        cut(good, where / "스테레오.wav", 1.5, channels=2),
        cut(good, where / "8k.wav", 1.5, 8_000),
        cut(good, where / "96k.wav", 1.5, 96_000),
    ]
    tune = where / "music.wav"
    time_s = np.arange(24_000) / 16_000
    soundfile.write(tune, sum(0.1 * np.sin(2 * np.pi * hz * time_s) for hz in (220, 277.2, 329.6, 1760)), 16_000)
    metrics = evaluated(tmp_path / "들은 것", "bypass", [*said, str(tune)], "--target", good)
    clips = metrics["clips"]
    assert metrics["of"] == len(clips) == 5
    assert clips["96k.wav"]["stoi"] == pytest.approx(clips["in mono.wav"]["stoi"], abs=0.01)
    if metrics["missing"] is None:
        stereo, mono = (clips[name]["similarity_source"] for name in ("스테레오.wav", "in mono.wav"))
        assert stereo == pytest.approx(mono, abs=0.02)
    assert all(clip["f0_correlation"] is None or clip["f0_correlation"] > 0.99 for clip in clips.values())
    assert metrics["mcd_db"] is None, "no names that tell the words"


def test_a_silent_voice_is_measured(data: Path, tmp_path: Path) -> None:
    (good,) = speech(data, "p226_003.wav", 1)
    said = cut(good, tmp_path / "a_003.wav", 1.5)
    metrics = evaluated(tmp_path / "heard", "silence", [said], "--target", good)
    for name in ("similarity_target", "nearer_target", "f0_correlation", "mcd_db", "coverage"):
        assert metrics[name] is None, name


@pytest.mark.slow
def test_several_voices_are_measured_and_drawn_together(data: Path, tmp_path: Path) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/calibration/evaluate/test_voice_verb.py`."""
    said = [cut(speech(data, "p226_003.wav", 1)[0], tmp_path / "p226_003.wav", 2)]
    whom = speech(data, "p225_0*.wav", 2)
    out = tmp_path / "both"
    found = evaluated(out, "monotone", said, "--voice", "bypass", *targets(whom))["voices"]
    assert list(found) == ["monotone", "bypass"]
    for name, metrics in found.items():
        assert strictly((out / name / "figures.json").read_text()) == metrics
        assert (out / name / "p226_003.wav").is_file()
    assert found["bypass"]["stoi"] > found["monotone"]["stoi"]
    picture = cv2.imread(str(out / "voices.png"))
    assert picture is not None
    assert picture.std() > 5


def test_checkpoints_are_drawn_by_their_steps(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from calibration.evaluate import compare_voices

    metrics = dict.fromkeys(compare_voices.PANELS, 0.5) | {"prdc_of_target": None}
    for steps in ({"a": 100, "b": 900}, {"a": 100, "b": 100}, {"a": None, "b": 5}):
        compare_voices.plot({name: metrics | {"steps": at} for name, at in steps.items()}, tmp_path / f"{steps}.png")
    pictures = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(set(pictures)) == 2, "by steps where they tell voices apart, else by name"


def test_checkpoints_further_and_further_apart_get_a_logarithmic_scale() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from calibration.evaluate import compare_voices

    for steps, scale in (((100, 500), "linear"), ((100, 500, 2000), "log"), ((0, 500, 2000), "linear")):
        axes = Figure().subplots()
        found = {f"after {at}": {"stoi": 0.5, "steps": at, "prdc_of_target": None} for at in steps}
        compare_voices._panel(axes, found, "stoi")
        assert axes.get_xscale() == scale


@pytest.mark.slow
def test_a_voice_with_a_known_target_is_also_measured_on_the_target(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/calibration/evaluate/test_voice_verb.py`."""
    pytest.importorskip("torch")
    whom = speech(data, "p225_0*.wav", 2)
    said = cut(speech(data, "p226_003.wav", 1)[0], tmp_path / "p226_003.wav", 2)
    learned = [[features_of(soundfile.read(path)[0], 16_000)] for path in (*whom, said, said)]
    frozen, *_ = freeze_statistics(tmp_path, dict(zip(("1688", "1998", "2414", "533"), learned, strict=True)), 16_000)
    metrics = evaluated(tmp_path / "heard", str(frozen), [said], "--source", "3", *targets(whom))
    assert metrics["steps"] == 1
    assert 0 < metrics["reconstruction_db"] < metrics["mcd_db"]
    assert metrics["f0_error_cents"] < 100
    code = guise.main(
        ["evaluate", "voice", "--voice", str(frozen), "--speech", said, "--source", "7", "--out", str(tmp_path / "x")]
    )
    assert code == 2
    assert "knows 4 speakers" in capfd.readouterr().err


def test_nothing_is_overwritten(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (good,) = speech(data, "p226_003.wav", 1)
    mine = cut(good, tmp_path / "mine.wav", 1)
    twin = cut(good, tmp_path / "twin" / "mine.wav", 1)
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(32_000), 16_000)
    constant = tmp_path / "constant.wav"
    soundfile.write(constant, np.full(80_000, 0.3), 16_000)
    before = Path(mine).read_bytes()
    for arguments, told in (
        (["--voice", "bypass", "--speech", mine, "--out", str(tmp_path)], "written over"),
        (["--voice", "bypass", "--speech", mine, "--speech", twin, "--out", str(tmp_path / "x")], "two recordings"),
        (["--voice", "bypass", "--voice", "bypass", "--speech", mine, "--out", str(tmp_path / "x")], "two voices"),
        (["--voice", "bypass", "--speech", str(silent), "--out", str(tmp_path / "x")], "silent.wav is silent"),
        (["--voice", "bypass", "--speech", str(constant), "--out", str(tmp_path / "x")], "nobody speaks in it"),
        (["--voice", "bypass", "--speech", mine, "--channel", "3", "--out", str(tmp_path / "x")], "channel 3 is none"),
        (["--voice", "bypass", "--speech", mine, "--channel", "left", "--out", str(tmp_path / "x")], "auto, sum, or"),
    ):
        assert guise.main(["evaluate", "voice", *arguments]) == 2
        said = capsys.readouterr().err.strip()
        assert told in said
        assert len(said.splitlines()) == 1
    assert Path(mine).read_bytes() == before
