"""A camera whose pictures stand still, or show nothing, is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from live.picture.sources.picture_watcher import STUCK_S, PictureWatcher
from live.picture.sources.source import GONE_S, Grabbed, ReaderThread, Source
from models.features.types import Picture


class Handed(Source):
    """A camera whose pictures the test hands over, by the test's clock."""

    def __init__(self) -> None:
        self.t_s = 100.0
        super().__init__("handed", clock=lambda: self.t_s)
        self.reader = ReaderThread(self)  # never started: the test is its thread

    def grab(self, reader: Any) -> Grabbed:
        yield from ()

    def film(self, pictures: Iterator[Picture], seconds: float) -> None:
        for _ in range(round(seconds * 30)):
            self.t_s += 1 / 30
            self.deliver(self.reader, next(pictures), self.t_s)


def noisy(level: float = 100, deviation: float = 20) -> Iterator[Picture]:
    random = np.random.default_rng(0)
    while True:
        yield np.clip(random.normal(level, deviation, (48, 64, 3)), 0, 255).astype(np.uint8)


def same() -> Iterator[Picture]:
    picture = next(noisy())
    while True:
        yield picture.copy()


def test_a_camera_that_gives_one_picture_for_ever_is_gone_until_it_gives_another() -> None:
    camera = Handed()
    camera.film(noisy(), 1)
    camera.film(same(), STUCK_S - 0.2)
    assert not camera.gone
    camera.film(same(), 0.4)
    assert camera.gone
    assert "the same picture" in camera.error
    captured = camera.frames_captured
    camera.film(same(), 10)
    assert camera.gone
    assert camera.frames_captured == captured
    assert camera.t_s < camera.reader.deadline_s, "its thread works and is not abandoned"
    camera.film(noisy(120), 1 / 30)
    assert not camera.gone
    assert camera.frames_captured == captured + 1


def test_one_pixel_is_enough_to_be_another_picture() -> None:
    camera = Handed()
    pictures = same()

    def with_a_spot() -> Iterator[Picture]:
        for number in range(1000):
            picture = next(pictures)
            picture[7, 9 + number % 2] ^= 1
            yield picture

    camera.film(with_a_spot(), 2 * STUCK_S)
    assert not camera.gone


@pytest.mark.parametrize(("level", "word"), [(4, "black"), (140, "one colour")])
def test_a_covered_camera_is_noted_once(level: float, word: str) -> None:
    camera = Handed()
    camera.film(noisy(), 1)
    assert camera.take_notes() == []
    camera.film(noisy(level, 1.5), 5)
    (note,) = camera.take_notes()
    assert f"handed gives {word} only" in note
    assert not camera.gone
    camera.film(noisy(), 1)
    camera.film(noisy(level, 1.5), 5)
    assert camera.take_notes() == []


def test_a_slow_film_is_no_hanging_camera() -> None:
    watcher = PictureWatcher()
    pictures = noisy()
    for number in range(10):
        watcher.look_at(next(pictures), 3.0 * number)
        assert not watcher.stuck
    assert GONE_S < 3.0
