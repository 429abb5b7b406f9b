"""`guise render`: as long as the input, and right from the first frame on. Real footage, real dlib."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import guise
from live.movie.render import LOOKING, PERFORMING, RenderFailed, estimate_neutral, render
from live.movie.render_sound import decode_sound
from live.movie.writer import MovieWriter, SoundTrackSpec
from live.picture.look import Look
from live.picture.settings import PictureSettings
from live.picture.sources.movie_frames import BadSource, FileFrames
from live.process.frames import Samples
from live.show.profile import in_heights, in_pixels
from models.features.face_points import FacePoints
from models.features.media.sound_recording import SoundRecording
from models.features.retarget import pose_and_residual
from models.features.types import Picture, Points

from .sources.conftest import half_copied


class Asked(Look):
    """Keeps what it was asked to perform."""

    size = (64, 64)

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.poses: list[np.ndarray] = []
        self.neutrals: list[Points] = []

    def perform(self, frame: Picture, points: Points | None, neutral: Points | None) -> Picture:
        assert points is not None
        assert neutral is not None
        self.poses.append(np.array(pose_and_residual(points, neutral)[0]))
        self.neutrals.append(neutral)
        return np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def take(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A performer who begins and ends elsewhere, nearer and askew: 6 frames so, 24 as filmed, 6 so again."""
    filmed = [frame.picture for frame in islice(FileFrames(footage / "talkerA_webcam_53s.mp4"), 24)]
    height, width = filmed[0].shape[:2]
    nearer = cv2.getRotationMatrix2D((width / 2, height / 2), 8, 1.2)
    nearer[:, 2] += 20, 10
    askew = np.asarray(cv2.warpAffine(filmed[0], nearer, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    path = tmp_path_factory.mktemp("take") / "take.mp4"
    with MovieWriter(path, None, (width, height), preset="ultrafast", crf=10) as writer:
        for index, picture in enumerate([askew] * 6 + filmed + [askew] * 6):
            writer.write(picture, index / 30, wait=True)
    return path


def test_the_first_frames_are_as_well_retargeted_as_the_last(
    take: Path, tmp_path: Path, face_points: FacePoints
) -> None:
    looks: list[Asked] = []

    def load(key: str) -> Look:
        looks.append(Asked(key))
        return looks[-1]

    reported: list[tuple[str, int, int | None]] = []
    render(
        take,
        tmp_path / "o.mp4",
        "look",
        face_points=face_points,
        load=load,
        progress=lambda *what: reported.append(what),
    )
    (look,) = looks
    assert len(look.poses) == 36
    np.testing.assert_array_equal(look.neutrals[0], look.neutrals[-1])
    first, rest, last = look.poses[3], look.poses[18], look.poses[-1]
    assert first[2] > 1.1, "nearer from the beginning, and not taken for at rest"
    assert np.abs(first - last).max() < 0.1
    assert np.abs(rest - [0, 0, 1, 0]).max() < 0.1, "what was there most is at rest"
    assert [what for what, done, _ in reported if done == 36] == [LOOKING, PERFORMING]
    assert [done for what, done, _ in reported if what == LOOKING] == list(range(1, 37))


def test_what_is_amiss_is_noted(tmp_path: Path, face_points: FacePoints) -> None:
    class OnTheCpu(Look):
        fallback = "CUDA is not available, so it runs on the CPU"

    notes: list[str] = []
    render(
        half_copied(tmp_path),
        tmp_path / "o.mp4",
        "cuda.onnx",
        face_points=face_points,
        load=OnTheCpu,
        note=notes.extend,
    )
    assert "cuda.onnx: CUDA is not available, so it runs on the CPU" in notes
    assert any("the file says 3.0 s, 1." in note for note in notes)


def test_a_profile_spares_the_first_pass(take: Path, tmp_path: Path, face_points: FacePoints) -> None:
    frames = FileFrames(take)
    neutral = estimate_neutral(frames, face_points)
    assert neutral is not None
    wanted = in_pixels(neutral + np.float32(0.01), *frames.size)
    looks: list[Asked] = []

    def load(key: str) -> Look:
        looks.append(Asked(key))
        return looks[-1]

    reported: set[str] = set()
    settings = PictureSettings(neutral=neutral + np.float32(0.01))
    render(
        take,
        tmp_path / "o.mp4",
        "look",
        settings=settings,
        face_points=face_points,
        load=load,
        progress=lambda what, *_: reported.add(what),
    )
    assert reported == {PERFORMING}
    assert looks[0].neutrals[0] == pytest.approx(wanted, abs=1e-3)


def test_the_neutral_is_the_performers_and_no_passers_by(take: Path, face_points: FacePoints, tmp_path: Path) -> None:
    """Now and then a second face beside the first, and pictures without any."""
    filmed = [frame.picture for frame in islice(FileFrames(take), 6, 30)]
    height, width = filmed[0].shape[:2]
    path = tmp_path / "two.mp4"
    with MovieWriter(path, None, (2 * width, height), preset="ultrafast", crf=10) as writer:
        for index, picture in enumerate(filmed):
            beside = picture if index % 3 == 0 else np.zeros_like(picture)
            alone = picture if index % 5 else np.zeros_like(picture)
            writer.write(np.ascontiguousarray(np.hstack([alone, beside])), index / 30, wait=True)
    neutral = estimate_neutral(FileFrames(path), face_points)
    assert neutral is not None
    wanted = estimate_neutral(FileFrames(take), face_points)
    assert wanted is not None
    seen, known = in_pixels(neutral, 2 * width, height), in_pixels(wanted, width, height)
    assert np.abs(seen - known).mean() < 4
    assert in_heights(seen, 2 * width, height) == pytest.approx(neutral, abs=1e-5)


def test_nobody_in_the_movie_is_no_failure(tmp_path: Path, face_points: FacePoints) -> None:
    path = tmp_path / "empty.mp4"
    with MovieWriter(path, None, (160, 120)) as writer:
        for index in range(3):
            writer.write(np.zeros((120, 160, 3), np.uint8), index / 30, wait=True)
    assert estimate_neutral(FileFrames(path), face_points) is None
    report = render(path, tmp_path / "o.mp4", "look", face_points=face_points, load=Asked)
    assert report["video"]["face_lost_frames"] == 3


def test_a_movie_as_long_as_the_input_and_large_enough_to_watch(
    footage: Path, make_look: Callable[..., Path], tmp_path: Path, face_points: FacePoints
) -> None:
    source = tmp_path / "in.mp4"
    given = list(islice(FileFrames(footage / "talkerJ_man_with_speech_6s.mp4"), 24))
    times_in = [f.captured_at + (f.index > 10) * 0.17 for f in given]  # A variable frame rate.
    with MovieWriter(source, None, (700, 700), preset="ultrafast") as writer:
        for frame, at_s in zip(given, times_in, strict=True):
            writer.write(frame.picture, at_s, wait=True)
    out = tmp_path / "out.mp4"
    report = render(source, out, make_look(), face_points=face_points)
    with av.open(str(out)) as container:
        frames = [(frame.time, frame.width, frame.height) for frame in container.decode(video=0)]
    assert [time for time, _, _ in frames] == pytest.approx(times_in, abs=2e-3)
    assert {(width, height) for _, width, height in frames} == {(512, 512)}
    assert report["video"]["frames_presented"] == 24
    assert report["video"]["face_lost_frames"] == 0
    json.dumps(report)


def heard(movie: Path, channels: int = 1) -> Samples:
    """Its sound on its pictures' time line, at 48 kHz."""
    track = SoundTrackSpec(channels=channels)
    first_s = FileFrames(movie).first_s
    whole = np.zeros((round(8 * track.sample_rate), channels), np.float32)
    recording = SoundRecording(movie)
    for samples, at_s in decode_sound(recording, track):
        first = round((at_s + recording.zero_s - first_s) * track.sample_rate)
        samples = samples[max(-first, 0) :]
        whole[max(first, 0) :][: len(samples)] = samples
    return whole


@pytest.mark.parametrize(
    "talker",
    ["talkerJ_man_with_speech_6s.mp4", pytest.param("talkerK_woman_with_speech_6s.mp4", marks=pytest.mark.slow)],
)
def test_speech_stays_where_and_as_it_was(talker: str, footage: Path, tmp_path: Path, face_points: FacePoints) -> None:
    """Two real recordings; the first has a variable frame rate, and its sound begins before its picture.

    The second is slow: `make slow PYTEST_ARGS=tests/live/picture/test_render.py`."""
    report = render(footage / talker, tmp_path / "out.mp4", "safe", face_points=face_points)
    assert "audio" not in report
    before, after = heard(footage / talker)[:, 0], heard(tmp_path / "out.mp4")[:, 0]
    for at_s in (1.0, 3.0, 5.0):
        begin = round(at_s * 48_000)
        said = before[begin : begin + 24_000]
        found = np.correlate(after[begin - 100 : begin + 24_100], said, "valid")
        assert abs(int(np.argmax(found)) - 100) <= 1
        assert found.max() == pytest.approx(float(np.dot(said, said)), rel=0.02)
    shown = [frame.captured_at for frame in FileFrames(tmp_path / "out.mp4")]
    assert shown == pytest.approx([frame.captured_at for frame in FileFrames(footage / talker)], abs=1e-4)


def test_stereo_stays_stereo(tmp_path: Path, face_points: FacePoints) -> None:
    source = tmp_path / "in.mp4"
    along = np.arange(48_000) / 48_000
    sides = np.stack([0.5 * np.sin(2 * np.pi * 300 * along), 0.1 * np.sin(2 * np.pi * 500 * along)], 1, dtype="f4")
    with MovieWriter(source, None, (160, 120), sound=SoundTrackSpec(channels=2)) as writer:
        for index in range(30):
            writer.write(np.zeros((120, 160, 3), np.uint8), index / 30, wait=True)
        writer.write_sound(sides, 0.0, wait=True)
    render(source, tmp_path / "out.mp4", "safe", face_points=face_points)
    rendered = heard(tmp_path / "out.mp4", 2)[4800:43_200]
    assert np.abs(rendered - sides[4800:43_200]).max() < 0.05


def test_it_refuses_what_it_cannot_do(footage: Path, tmp_path: Path, face_points: FacePoints) -> None:
    source = footage / "talkerF_man_glasses_8s.mp4"
    with pytest.raises(BadSource, match="no such file"):
        render(tmp_path / "no.mp4", tmp_path / "o.mp4", "bypass", face_points=face_points)
    with pytest.raises(RuntimeError, match="does not exist"):
        render(source, tmp_path / "o.mp4", tmp_path / "no.onnx", face_points=face_points)
    with pytest.raises(RuntimeError, match="nobody"):
        render(source, tmp_path / "o.mp4", "bypass", "nobody", face_points=face_points)
    with pytest.raises(RenderFailed, match="cannot be written"):
        render(source, tmp_path / "nowhere" / "o.mp4", "bypass", face_points=face_points)


def test_the_verb_renders_and_reports(
    take: Path, make_look: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    given = ["--video", take, "--look", make_look(), "--out", out, "--report", report, "--provider", "cpu"]
    assert guise.main(["render", *map(str, given)]) == 0
    assert "36 frames" in capfd.readouterr().out
    assert json.loads(report.read_text())["video"]["frames_presented"] == 36


def test_the_verb_speaks_with_another_voice(footage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    talker, out, report = footage / "talkerJ_man_with_speech_6s.mp4", tmp_path / "out.mp4", tmp_path / "report.json"
    given = ["--video", talker, "--look", "safe", "--voice", "octave-down", "--out", out, "--report", report]
    assert guise.main(["render", *map(str, given)]) == 0
    audio = json.loads(report.read_text())["audio"]
    assert audio["sample_rate"] == 48_000
    assert audio["latency"] > 0
    assert 0 < audio["rtf"] < 1
    level_before, level_after = (
        np.sqrt(np.convolve(heard(path)[::10, 0] ** 2, np.ones(480) / 480, "same")) for path in (talker, out)
    )
    assert np.corrcoef(level_before, level_after)[0, 1] > 0.8, "it says the same at the same times"
    capfd.readouterr()
    assert guise.main(["render", "--video", str(talker), "--voice", "nobody", "--out", str(out)]) == 2
    said = capfd.readouterr().err
    assert said.startswith('guise: there is no voice "nobody"')
    assert said.count("\n") == 1


def test_ctrl_c_says_what_there_is(
    take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []

    def interrupted(*_: object, progress: Callable[[str, int, int], None], **__: object) -> None:
        for what in begun:
            progress(what, 1, 2)
        raise KeyboardInterrupt

    monkeypatch.setattr("live.movie.render.render", interrupted)
    given = ["render", "--video", str(take), "--out", str(tmp_path / "out.mp4")]
    for passes, message in (([LOOKING], "stopped\n"), ([LOOKING, PERFORMING], "out.mp4 is playable up to here\n")):
        begun[:] = passes
        assert guise.main(given) == 130
        assert capfd.readouterr().err.endswith(message)
