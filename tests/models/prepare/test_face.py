"""Footage -> a data set, on real and on unusable footage."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from models.datasets.face_data import FaceData, repetitions
from models.datasets.face_moves import MoveOptions, draw_move
from models.prepare.data_error import DataError
from models.prepare.face import FaceOptions, prepare_face, report
from models.prepare.face_facts import PreparedFaceFacts, read_face_facts
from tests.models.features.media.films import write_film

FRAMES = 84


@pytest.fixture(scope="module")
def clip(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly more than the fewest that may be learned from."""
    path = tmp_path_factory.mktemp("cut") / "f.mp4"
    _cut(footage / "talkerF_man_glasses_8s.mp4", path, FRAMES)
    return path


@pytest.fixture(scope="module")
def prepared(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "f"
    prepare_face([clip], out, None, FaceOptions(size=128))
    return out


MOVES = MoveOptions(scale=0.12, shift=0.06, turn=6, stretch=0.5)


@pytest.fixture(scope="module")
def moved(prepared: Path) -> FaceData:
    """To find what its copies may ask for, it draws them all."""
    return FaceData(prepared, 128, "smooth", moves=MOVES)


def test_pairs_points_and_report_are_there(prepared: Path) -> None:
    facts = read_face_facts(prepared)
    assert facts.name == "f"
    assert facts.frames_kept >= 60
    assert facts.frames_seen == FRAMES
    assert (prepared / "contact_sheet.jpg").stat().st_size > 1000
    assert "pairs to learn from" in (prepared / "report.txt").read_text()
    assert "warning: this is little" in report(PreparedFaceFacts.model_validate(facts.as_dict()))
    data = FaceData(prepared, 128, "smooth")
    assert len(data) == facts.pairs["train"]
    pair = data[3]
    assert pair["lines"].shape == pair["picture"].shape == (3, 128, 128)
    assert pair["lines"].min() == -1
    assert pair["lines"].max() > 0.5
    assert len(data.held_out()) == facts.pairs["held_out"] > 0


def test_the_held_out_frames_are_other_frames(prepared: Path) -> None:
    train = set(FaceData(prepared, 128, "smooth").names)
    held_out = set(FaceData(prepared, 128, "smooth").held_out().names)
    assert held_out
    assert not train & held_out


@pytest.mark.parametrize("moves", [MoveOptions(), MOVES])
def test_points_lie_on_the_face_of_each_picture_and_copy(prepared: Path, moved: FaceData, moves: MoveOptions) -> None:
    """dlib finds the points again where the data set says they are."""
    from models.features.face_points import FacePoints, eye_distance

    data = moved if moves == MOVES else FaceData(prepared, 128, "smooth", moves=moves)
    finder, errors = FacePoints(), []
    for sample in range(0, len(data), 5):
        picture, expected = data.copy(sample)
        large = cv2.resize(picture, (384, 384), interpolation=cv2.INTER_CUBIC)
        found = finder.detect(large)
        if found:
            points = (finder.points(large, found[0].box) + 0.5) / 3 - 0.5
            errors.append(np.linalg.norm(points - expected, axis=1).mean() / eye_distance(points))
    assert len(errors) > 10
    assert np.median(errors) < 0.04


def test_a_copy_is_the_same_each_time_and_another_in_the_next_round(prepared: Path, moved: FaceData) -> None:
    data, again = moved, FaceData(prepared, 128, "smooth", moves=MOVES)
    assert (data.copy(7)[0] == again.copy(7)[0]).all()
    assert (data.copy(7)[1] == again.copy(7)[1]).all()
    assert np.abs(data.copy(7)[1] - data.copy(7 + len(data))[1]).max() > 0.5


def test_a_copy_that_does_not_move_is_what_was_filmed(prepared: Path) -> None:
    still = FaceData(prepared, 128, "smooth")
    picture = draw_move(still.points[4], 128, MoveOptions(), np.random.default_rng(0)).picture(
        still.stored(4), still.margin, 128
    )
    assert np.abs(picture.astype(int) - still.picture(4)).max() <= 1


def test_copies_widen_what_the_stage_may_ask_for(prepared: Path) -> None:
    filmed = FaceData(prepared, 128, "smooth").facts.target
    moved = FaceData(prepared, 128, "smooth", moves=MoveOptions(turn=6, stretch=0.5)).facts.target
    assert moved["neutral"] == filmed["neutral"] or np.allclose(moved["neutral"], filmed["neutral"], atol=1.5)
    assert moved["roll"][0] < filmed["roll"][0] - 0.03
    assert moved["roll"][1] > filmed["roll"][1] + 0.03
    lower_lip = 66
    assert moved["residual_high"][lower_lip][1] > 1.15 * filmed["residual_high"][lower_lip][1]


def test_rare_openings_come_up_more_often(prepared: Path) -> None:
    awake = FaceData(prepared, 128, "smooth").points[0]
    blink = awake.copy()
    blink[[37, 38, 43, 44]] = blink[[41, 40, 47, 46]]
    points = np.array([awake] * 98 + [blink] * 2)
    assert (repetitions(points, 4)[98:] == 4).all()
    assert (repetitions(points, 4)[:98] == 1).all()
    assert (repetitions(points, 1) == 1).all()
    plain, rare = FaceData(prepared, 128, "smooth"), FaceData(prepared, 128, "smooth", rare=4)
    assert len(plain) < len(rare) == repetitions(plain.points, 4).sum()


def test_eyes_and_mouth_weigh_more(prepared: Path) -> None:
    data = FaceData(prepared, 128, "smooth", details=4)
    weight, points = data[3]["weight"][0].numpy(), data.points[3]
    assert weight.mean() == pytest.approx(1, abs=1e-3)
    mouth, eye = points[48:60].mean(0).astype(int), points[36:42].mean(0).astype(int)
    for x, y in (mouth, eye):
        assert weight[y, x] / weight[2, 2] == pytest.approx(5, rel=0.02)
    assert "weight" not in FaceData(prepared, 128, "smooth")[3]


def test_the_same_footage_gives_the_same_data(clip: Path, tmp_path: Path, prepared: Path) -> None:
    facts = prepare_face([clip], tmp_path / "again", None, FaceOptions(size=128))
    assert facts.digest == read_face_facts(prepared).digest


def _refused(videos: list[Path], out: Path) -> str:
    with pytest.raises(DataError) as refused:
        prepare_face(videos, out, None, FaceOptions())
    assert not out.exists()
    assert not out.with_name(out.name + ".part").exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        ("negative_people_from_behind_25s.mp4", "no face"),
        ("derived_nearblack_6s.mp4", "no face"),
        ("derived_two_people_sidebyside_7s.mp4", "several faces"),
        ("hard_group_walking_small_faces_3s.gif", "usable frames"),
    ],
)
def test_footage_that_cannot_be_used_is_refused_with_the_reason(
    footage: Path, tmp_path: Path, clip: str, reason: str
) -> None:
    if clip.endswith(".mp4"):
        short = tmp_path / clip
        _cut(footage / clip, short, 10)
        assert reason in _refused([short], tmp_path / "out")
    else:
        assert reason in _refused([footage / clip], tmp_path / "out")


def test_what_is_no_video_is_refused(tmp_path: Path, data: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    assert "not a recording or movie" in _refused([text], tmp_path / "out")
    assert "no such file" in _refused([tmp_path / "absent.mp4"], tmp_path / "out")
    assert "no picture" in _refused([data / "speech" / "jfk_11s.flac"], tmp_path / "out")


def test_stray_files_are_left_out_and_named(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.prepare.face.MOST_FRAMES", 21)
    monkeypatch.setattr("models.prepare.face.FEWEST_PAIRS", 10)
    folder = tmp_path / "footage"
    folder.mkdir()
    shutil.copy(clip, folder / "b.mp4")
    shutil.copy(clip, folder / os.fsdecode(b"caf\xe9:2.mp4"))
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "a.mp4").touch()
    cv2.imwrite(str(folder / "c.jpg"), np.zeros((32, 32, 3), np.uint8))
    (folder / "d.mp4").symlink_to("nowhere")
    (folder / "e").mkdir()
    write_film(folder / "f.mkv", [np.zeros((32, 32, 3), np.uint8)]).write_bytes(b"\x1aE\xdf\xa3 damaged")
    facts = prepare_face([folder], tmp_path / "out", None, FaceOptions(size=64))
    assert facts.sources == ("b.mp4", "caf\ufffd:2.mp4")
    assert [name for name, _ in facts.files_left_out] == [".DS_Store", "a.mp4", "c.jpg", "d.mp4", "e", "f.mkv"]
    assert "left out: 6 files: .DS_Store (a hidden file)" in (tmp_path / "out" / "report.txt").read_text("utf-8")
    shutil.copy(folder / "f.mkv", folder / "b.mp4")
    assert "b.mp4" in _refused([folder / "b.mp4", folder / "f.mkv"], tmp_path / "none")


def test_a_face_half_out_of_the_picture_is_refused_with_the_reason(footage: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.mp4"
    _cut(footage / "talkerF_man_glasses_8s.mp4", half, 60, columns=slice(0, 215))
    message = _refused([half], tmp_path / "out")
    assert "the face leaves the picture" in message or "no face" in message


@pytest.mark.slow
def test_dim_footage_is_prepared(footage: Path, tmp_path: Path) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/models/prepare/test_face.py`."""
    dim = tmp_path / "dim.mp4"
    _cut(footage / "derived_dim_30pct_15s.mp4", dim, 120)
    facts = prepare_face([dim], tmp_path / "out", None, FaceOptions(size=64))
    assert facts.frames_kept >= 60


def test_of_long_footage_the_whole_is_sampled(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour takes no longer than a few minutes: frames are sampled evenly."""
    monkeypatch.setattr("models.prepare.face.MOST_FRAMES", 42)
    monkeypatch.setattr("models.prepare.face.FEWEST_PAIRS", 20)
    facts = prepare_face([clip], tmp_path / "out", None, FaceOptions(size=64))
    assert 35 <= facts.frames_seen <= 42
    stored = np.load(tmp_path / "out" / "train" / "points.npz")["names"]
    numbers = [int(name.removesuffix(".png")) for name in stored]
    assert max(numbers) > 0.8 * facts.frames_kept


def test_a_full_disk_is_reported_in_one_line_and_nothing_is_left(clip: Path, tmp_path: Path) -> None:
    """A file that may not grow beyond 20 kB stands for the disk: the kernel's answer is of the same kind."""
    verb = [sys.executable, "guise.py", "prepare", "face", str(clip), "--out", str(tmp_path / "out")]
    ended = subprocess.run(
        ["bash", "-c", f"ulimit -f 20; exec {shlex.join(verb)}"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert "cannot be written: File too large" in ended.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_used_as_far_as_it_goes(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.prepare.face.MOST_FRAMES", 60)
    monkeypatch.setattr("models.prepare.face.FEWEST_PAIRS", 20)
    whole = footage / "talkerF_man_glasses_8s.mp4"
    broken = bytearray(whole.read_bytes())
    middle = len(broken) // 2
    broken[middle : middle + 4000] = bytes(4000)
    path = tmp_path / "broken.mp4"
    path.write_bytes(bytes(broken))
    facts = prepare_face([path], tmp_path / "out", None, FaceOptions(size=64))
    assert 20 < facts.frames_kept < 57


def test_an_existing_folder_is_left_alone(prepared: Path, footage: Path) -> None:
    before = json.loads((prepared / "dataset.json").read_text())
    with pytest.raises(DataError, match="is there already"):
        prepare_face([footage / "talkerF_man_glasses_8s.mp4"], prepared, None, FaceOptions())
    assert json.loads((prepared / "dataset.json").read_text()) == before


def _cut(source: Path, target: Path, frames: int, columns: slice = slice(None)) -> None:
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = reading.streams.video[0]
        out = writing.add_stream("libx264", rate=30, options={"crf": "18", "preset": "ultrafast"})
        wide = len(range(stream.width)[columns]) // 2 * 2
        out.width, out.height, out.pix_fmt = wide, stream.height, "yuv420p"
        for number, frame in enumerate(reading.decode(stream)):
            if number == frames:
                break
            shown = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[:, columns][:, :wide])
            writing.mux(out.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        writing.mux(out.encode())
