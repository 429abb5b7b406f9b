"""The stand-in performer does what a performer before a camera does, and a tracker follows it."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from live.demo.performer import LOOP_S, SPEECH, SPEECH_S, DemoPerformer
from live.sound.sound_file import SoundFile

dlib = pytest.importorskip("dlib")

Points = NDArray[np.float64]
Find = Callable[[NDArray[np.uint8]], list[Points]]


@pytest.fixture(scope="module")
def performer() -> DemoPerformer:
    return DemoPerformer()


@pytest.fixture(scope="module")
def find() -> Find:
    """All faces' 68 points in a picture, as the stage's tracker finds them."""
    models = importlib.util.find_spec("face_recognition_models")
    if models is None or models.origin is None:
        pytest.skip("needs face_recognition_models")
    detector = dlib.get_frontal_face_detector()
    path = Path(models.origin).parent / "models" / "shape_predictor_68_face_landmarks.dat"
    predictor = dlib.shape_predictor(str(path))

    def found(picture: NDArray[np.uint8]) -> list[Points]:
        shapes = (predictor(picture, box) for box in detector(picture, 0))
        return [np.array([(p.x, p.y) for p in shape.parts()], np.float64) for shape in shapes]

    return found


def _mouth(points: Points) -> float:
    eyes = points[36:42].mean(0) - points[42:48].mean(0)
    return float(np.linalg.norm(points[62] - points[66]) / np.linalg.norm(eyes))


def _jaws(performer: DemoPerformer, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([performer.state_at(float(t_s))[0].jaw for t_s in times_s])


@pytest.fixture(scope="module")
def loudness() -> NDArray[np.float64]:
    """The speech's level (dB) in each hundredth of a second."""
    speech = np.concatenate(list(SoundFile(SPEECH, 16_000).passages(0)))
    return np.asarray(10 * np.log10((speech.reshape(-1, 160).astype(np.float64) ** 2).mean(axis=1) + 1e-9))


def _eyes(points: Points) -> float:
    return float(points[[40, 41, 46, 47], 1].mean() - points[[37, 38, 43, 44], 1].mean()) / float(
        np.linalg.norm(points[36] - points[39])
    )


@pytest.mark.parametrize(("width", "height"), [(640, 480), (320, 240), (1280, 720), (641, 363)])
def test_a_picture_is_rgb_of_the_size_asked_for(width: int, height: int) -> None:
    picture = DemoPerformer(width, height).picture(1.0)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    red, _, blue = picture[height // 2, width // 2].astype(int)
    assert red > blue, "skin is red before it is blue: the channels are swapped"


def test_any_moment_gives_the_same_picture_in_any_order(performer: DemoPerformer) -> None:
    first = performer.picture(17.6).copy()
    again = performer.picture(17.6)
    performer.picture(30.2)
    assert np.array_equal(first, performer.picture(17.6))
    assert np.array_equal(first, again), "a picture handed out was drawn over"
    assert np.array_equal(first, DemoPerformer().picture(17.6))


def test_the_loop_has_no_seam(performer: DemoPerformer) -> None:
    def step(t_s: float) -> float:
        return float(cv2.absdiff(performer.picture(t_s), performer.picture(t_s + 1 / 30)).mean())

    usual = [step(t_s) for t_s in np.arange(0.0, LOOP_S, 2.9)]
    assert step(LOOP_S - 1 / 60) <= max(usual)
    assert np.array_equal(performer.picture(2.0), performer.picture(2.0 + LOOP_S))


def test_the_pictures_edges_are_whole(performer: DemoPerformer) -> None:
    for t_s in (17.5, 19.4, 24.2, 28.7, 31.0, 37.2):
        assert int(performer.picture(t_s)[:12].min()) > 90, "above the head there is backdrop, nothing torn"


def test_one_face_is_found_all_along(performer: DemoPerformer, find: Find) -> None:
    for t_s in (0.0, 1.9, 7.0, 10.4, 12.7, 17.6, 19.4, 24.3, 28.7, 31.0, 34.0, 37.5):
        faces = find(performer.picture(t_s))
        assert len(faces) == 1, t_s
        face_height = float(np.ptp(faces[0][:, 1]))
        assert 0.25 < face_height / 480 < 0.55


def test_the_tracker_follows_mouth_and_lids(performer: DemoPerformer, find: Find) -> None:
    jaws, mouths, lids, eyes = [], [], [], []
    for t_s in np.arange(16.5, 20.3, 0.12):  # speech, astonishment, laughter and three blinks
        expression, _ = performer.state_at(float(t_s))
        (points,) = find(performer.picture(float(t_s)))
        jaws.append(expression.jaw)
        lids.append(expression.lids)
        mouths.append(_mouth(points))
        eyes.append(_eyes(points))
    assert np.corrcoef(jaws, mouths)[0, 1] >= 0.95
    assert -np.corrcoef(lids, eyes)[0, 1] >= 0.85
    assert max(mouths) >= 0.35
    assert min(eyes) < 0.5 * float(np.median(eyes)), "a blink is seen"


def test_the_speech_is_one_round_at_a_speaking_level(loudness: NDArray[np.float64]) -> None:
    assert len(loudness) == round(100 * SPEECH_S)
    assert 10 * np.log10((10 ** (loudness / 10)).mean()) == pytest.approx(-20.0, abs=0.5)
    assert max(loudness[0], loudness[-1]) < -50, "the seam is heard"


def test_the_lips_speak_when_the_speech_does(performer: DemoPerformer, loudness: NDArray[np.float64]) -> None:
    times_s = np.arange(0.5, 17.0, 0.01)  # what follows is acting
    power = 10 ** (loudness[50:1700] / 20)
    for round_s in (0.0, SPEECH_S):
        jaws = _jaws(performer, times_s + round_s)
        agreements = {
            lag: float(np.corrcoef(jaws[50:-50], power[50 + lag : len(power) - 50 + lag])[0, 1])
            for lag in range(-30, 31, 2)
        }
        best = max(agreements, key=lambda lag: agreements[lag])
        assert agreements[best] > 0.75
        assert abs(best) <= 2, f"the lips are {10 * best} ms beside the voice"


def test_silence_closes_the_mouth(performer: DemoPerformer, loudness: NDArray[np.float64]) -> None:
    quiet = np.convolve(loudness > -45, np.ones(31), "same") == 0  # 150 ms of silence on either side
    times_s = np.flatnonzero(quiet[:1700]) / 100
    assert len(times_s) > 20
    jaws = np.concatenate([_jaws(performer, times_s), _jaws(performer, times_s + SPEECH_S)])
    assert jaws.max() < 0.06
    assert _jaws(performer, np.arange(37.2, 39.9, 0.05)).max() < 0.06, "and so until the next round"
