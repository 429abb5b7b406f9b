"""`guise evaluate face` on real footage: metrics, movie and sheet; bad input is refused."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import pytest

import guise
from live.movie.writer import MovieWriter
from live.picture.sources.movie_frames import FileFrames

LOOK = Path(__file__).resolve().parents[3] / "live" / "demo" / "looks" / "porcelain.onnx"
KEYS = ("identity", "expression", "ssim", "l1", "sharpness", "flicker")


def part(source: Path, out: Path, begin: int, frames: int) -> Path:
    """Some frames of a clip, as a clip."""
    movie: MovieWriter | None = None
    for frame in FileFrames(source):
        if frame.index >= begin + frames:
            break
        if frame.index >= begin:
            height, width = frame.picture.shape[:2]
            movie = movie or MovieWriter(out, 30, (width, height), preset="ultrafast")
            movie.write(frame.picture, frame.index / 30, wait=True)
    assert movie is not None
    movie.close()
    return out


def evaluated(out: Path, *arguments: str) -> tuple[int, dict]:
    code = guise.main(["evaluate", "face", "--look", str(LOOK), "--out", str(out), *arguments])
    return code, json.loads((out / "figures.json").read_text()) if code == 0 else {}


def test_a_look_is_measured_on_footage(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The fictional character is none of the people filmed; the man's own footage, as target, is recognised as his
    own."""
    he = part(footage / "talkerA_webcam_second_30s.mp4", tmp_path / "he.mp4", 0, 12)
    again = part(footage / "talkerA_webcam_second_30s.mp4", tmp_path / "again.mp4", 60, 12)
    other = part(footage / "talkerF_man_glasses_8s.mp4", tmp_path / "other.mp4", 0, 12)
    out = tmp_path / "seen"
    code, metrics = evaluated(out, "--footage", str(again), "--footage", str(other), "--target", str(he))
    assert code == 0
    assert set(KEYS) < set(metrics)
    assert metrics["clips"]["again.mp4"]["own"]
    assert not metrics["clips"]["other.mp4"]["own"]
    assert metrics["clips"]["other.mp4"]["ssim"] is None
    assert 0 < metrics["ssim"] < 1
    assert metrics["identity"] > 0.6, "porcelain is not the man"
    assert metrics["target"]["own_identity_median"] < 0.3
    assert 0 < metrics["expression"] < 0.1
    assert metrics["frames"] == metrics["clips"]["again.mp4"]["frames"] + metrics["clips"]["other.mp4"]["frames"]
    for part_of_face, found in metrics["openings"].items():
        gains = [clip["openings"][part_of_face]["gain"] for clip in metrics["clips"].values()]
        assert found["gain"] == pytest.approx(sum(gains) / 2), "of two clips the median is the mean"
    with av.open(str(out / "other.mp4")) as movie:
        assert (movie.streams.video[0].width, movie.streams.video[0].height) == (512, 256)
    sheet = cv2.imread(str(out / "other.jpg"))
    assert sheet is not None
    assert sheet.shape[0] == 512
    assert "porcelain" in capsys.readouterr().out


def test_without_a_target_nobody_is_compared(footage: Path, tmp_path: Path) -> None:
    clip = part(footage / "talkerG_man_dim_outdoor_7s.mp4", tmp_path / "g.mp4", 0, 12)
    code, metrics = evaluated(tmp_path / "seen", "--footage", str(clip))
    assert code == 0
    assert metrics["identity"] is None
    assert metrics["sharpness"] is None
    assert metrics["ssim"] is None
    assert metrics["flicker"] > 0
    assert metrics["openings"]["mouth"].keys() == {"correlation", "gain"}


def test_what_cannot_be_evaluated_is_refused_in_one_line(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = part(footage / "negative_noface_bottles.mp4", tmp_path / "nobody.mp4", 0, 3)
    text = tmp_path / "text.mp4"
    text.write_text("no movie")
    twice = tmp_path / "b" / "nobody.mp4"
    twice.parent.mkdir()
    twice.write_bytes(nobody.read_bytes())
    for arguments, said in (
        (["--footage", str(nobody)], "shows a face in"),
        (["--footage", str(text)], "text.mp4"),
        (["--footage", str(tmp_path / "gone.mp4")], "no such file"),
        (["--footage", str(nobody), "--footage", str(twice)], "two clips are called nobody"),
    ):
        code, _ = evaluated(tmp_path / "seen", *arguments)
        told = capsys.readouterr().err.strip()
        assert code == 2, told
        assert said in told
        assert len(told.splitlines()) == 1
    before = nobody.read_bytes()
    code, _ = evaluated(nobody.parent, "--footage", str(nobody))
    assert code == 2
    assert "nobody.mp4 would be written over" in capsys.readouterr().err
    assert nobody.read_bytes() == before
    code = guise.main(["evaluate", "face", "--look", str(text), "--footage", str(nobody), "--out", str(tmp_path / "x")])
    assert code == 2
    assert "text.mp4" in capsys.readouterr().err
