"""Recordings as careless people make them: offset, with an inverted, a dead or a wild channel. All is learned from that
is learned from the plain ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import guise
from models.prepare.recordings import recordings_in
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


def test_a_folder_means_the_recordings_in_it(
    plain: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"d\xe9p:t")
    folder.mkdir()
    for path, name in zip(plain[1:4], ("b.wav", "take:2.wav", os.fsdecode(b"caf\xe9.wav")), strict=True):
        shutil.copy(path, folder / name)
    whole = (folder / "b.wav").read_bytes()
    (folder / "c.wav").write_bytes(whole[: len(whole) // 3])
    cv2.imwrite(str(tmp_path / "p.jpg"), np.zeros((16, 16, 3), np.uint8))
    shutil.copy(tmp_path / "p.jpg", folder / "p.jpg")
    (folder / "zero.wav").touch()
    (folder / ".DS_Store").write_text("x")
    (folder / "gone.wav").symlink_to("nowhere.wav")
    (folder / "notes.txt").write_text("no recording of anything")
    soundfile.write(os.fsencode(folder / "telephone.wav"), np.zeros(8000), 8000)
    (folder / "deeper").mkdir()
    os.mkfifo(folder / "pipe.wav")
    out = tmp_path / os.fsdecode(b"\xe9")
    assert guise.main(["prepare", "voice", str(folder), "--out", str(out)]) == 0
    facts = json.loads((out / "dataset.json").read_text("utf-8"))
    assert [source["file"] for source in facts["sources"]] == ["b.wav", "c.wav", "caf\ufffd.wav", "take:2.wav"]
    left_out = dict(facts["files_left_out"])
    assert left_out == {
        ".DS_Store": "a hidden file",
        "deeper": "a folder in a folder: name it itself",
        "gone.wav": "a link to nothing",
        "notes.txt": "it is not a recording or movie that can be read",
        "p.jpg": "it has no sound: is it a silent movie, or a picture?",
        "pipe.wav": "no file, but a device or a pipe",
        "telephone.wav": left_out["telephone.wav"],
        "zero.wav": "empty",
    }
    assert "record at 16000 Hz" in left_out["telephone.wav"]
    printed = capfd.readouterr().out
    for said in (printed, (out / "report.txt").read_text("utf-8")):
        assert "left out: 8 files: .DS_Store (a hidden file)" in said
        assert "c.wav: the file says 1.9 s, 0.6 s can be read" in said


def test_where_nothing_is_left_it_is_refused_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zero.wav").touch()
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "bare").mkdir()
    for paths, said in (
        ([tmp_path], "no recording in it (3 files: "),
        ([tmp_path / "bare"], "bare: nothing lies in it"),
        ([tmp_path / "zero.wav"], "zero.wav: empty"),
        ([tmp_path / "nowhere"], "nowhere: there is no such file or folder"),
    ):
        assert guise.main(["prepare", "voice", *map(str, paths), "--out", str(tmp_path / "out")]) == 2
        printed = capfd.readouterr().err
        assert said in printed
        assert printed.count("\n") == 1


def test_films_are_told_from_pictures_and_texts(footage: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.jpg"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "t.txt").write_text("a text, which FFmpeg would draw")
    film = footage / "talkerK_woman_with_speech_6s.mp4"
    found = recordings_in([film, tmp_path], "pictures")
    assert found.files == (film,)
    assert {path.name for path, _ in found.left_out} == {"p.jpg", "t.txt"}
    assert found.report().startswith("left out: 2 files: ")


def _made_odd(path: Path, out: Path, oddity: Callable[[Sound], Sound]) -> Path:
    sound, rate = soundfile.read(path, dtype="float32")
    soundfile.write(out, oddity(sound), rate, "FLOAT")
    return out


def _kept_s(path: Path) -> float:
    return sum((piece.stop - piece.start) / 16_000 for piece in sentences(decode(path, 16_000)) if not piece.why_not)
