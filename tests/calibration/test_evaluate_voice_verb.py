"""`guise evaluate voice`: a preset on real speech, its files and figures; bad input is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile

import guise


def speech(data: Path, pattern: str, count: int) -> list[str]:
    return [str(path) for path in sorted((data / "speech" / "vctk16k").glob(pattern))[:count]]


def evaluated(out: Path, voice: str, said: list[str], *more: str) -> dict[str, Any]:
    spoken = [part for path in said for part in ("--speech", path)]
    assert guise.main(["evaluate", "voice", "--voice", voice, *spoken, *more, "--out", str(out)]) == 0
    return json.loads((out / "figures.json").read_text())


def test_a_preset_on_two_sentences(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = speech(data, "p226_0*.wav", 2)
    whom = speech(data, "p225_0*.wav", 3)
    figures = evaluated(tmp_path / "heard", "monotone", said, *[p for path in whom for p in ("--target", path)])
    assert figures["voice"] == "monotone"
    assert 0.7 < figures["stoi"] <= 1.0
    assert figures["f0_error_cents"] is None, "a preset has no target"
    assert 30 < figures["latency_ms"] < 60
    assert figures["of"] == 2
    if figures["missing"] is None:
        assert figures["similarity_target"] < figures["similarity_source"]
        assert figures["nearer_target"] == 0
    first = Path(said[0]).stem
    sound, rate = soundfile.read(tmp_path / "heard" / f"{first}.wav")
    assert rate == 48_000
    source, own = soundfile.read(said[0])
    assert abs(len(sound) / rate - len(source) / own) < 0.02
    picture = cv2.imread(str(tmp_path / "heard" / f"{first}.png"))
    assert picture is not None
    assert picture.shape[1] == pytest.approx(len(sound) / 240, abs=2)
    # The same words by the target: sentence 003 by both.
    assert figures["clips"]["p226_003.wav"]["mcd_db"] > 3
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
