"""What the sources' tests share: small movies, sources that are closed at the end, a performer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live.picture.sources.source import Source
from live.process.frames import now
from models.features.media.containers import create_movie
from models.features.types import Picture


def make_movie(
    path: Path,
    times_s: list[float],
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
) -> Path:
    """A movie whose n-th picture is grey 8 n, shown from `times_s[n]` on."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, at_s in enumerate(times_s):
            picture = np.full((size[1], size[0], 3), 8 * i % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def half_copied(tmp_path: Path, with_sound: bool = False) -> Path:
    """Three seconds by its own word, of which half is there."""
    path = tmp_path / "half.mp4"
    container, stream = create_movie(path, (96, 64), Fraction(25), {"qp": "0", "g": "5"}, {"movflags": "faststart"})
    random = np.random.default_rng(0)
    with container:
        sound = container.add_stream("aac", rate=48_000) if with_sound else None
        for number in range(75):
            picture = random.integers(0, 255, (64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if sound is not None:
                hum = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "fltp", "mono")
                hum.rate, hum.pts = 48_000, 1920 * number
                container.mux(sound.encode(hum))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def until(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    end = now() + within_s
    while now() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@pytest.fixture
def started() -> Iterator[Callable[[Source], Source]]:
    sources: list[Source] = []

    def start(source: Source) -> Source:
        sources.append(source)
        source.start()
        return source

    yield start
    for source in sources:
        source.close()


class Performer:
    """The stand-in performer that `demo` films."""

    def picture(self, t_s: float) -> Picture:
        return np.full((48, 64, 3), round(t_s * 30) % 256, np.uint8)
