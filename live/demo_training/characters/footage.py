"""A character's minute as a film, to prepare and train from like anybody's.

python -m live.demo_training.characters.footage porcelain porcelain.mp4
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from live.demo_training.characters import CHARACTERS, character
from live.demo_training.characters.motion import Performance
from models.features.media.containers import create_movie

FRAMES_PER_SECOND = 25


def frames(name: str, seconds: float = 60.0, size: int = 512) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a character's performance, uint8 RGB [size, size, 3], one by one."""
    figure = character(name)
    performance = Performance(CHARACTERS[name].seed, seconds)
    for i in range(round(seconds * FRAMES_PER_SECOND)):
        yield figure.picture(*performance.at(i / FRAMES_PER_SECOND), size)


def write_footage(
    name: str, path: Path, seconds: float = 60.0, size: int = 512, progress: Callable[[int, int], None] | None = None
) -> None:
    """Films a character to `path` (.mp4, H.264). `progress` is called with (frames done, frames in all).

    The movie is written under another name and renamed when complete, so an unfinished file never stays.
    """
    total = round(seconds * FRAMES_PER_SECOND)
    unfinished = path.with_name(path.stem + ".unfinished" + path.suffix)
    try:
        encoder = {"crf": "12", "preset": "veryfast"}
        container, stream = create_movie(unfinished, (size, size), Fraction(FRAMES_PER_SECOND), encoder)
        with container:
            for i, picture in enumerate(frames(name, seconds, size)):
                container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
                if progress:
                    progress(i + 1, total)
            container.mux(stream.encode(None))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=sorted(CHARACTERS))
    parser.add_argument("path", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=512)
    arguments = parser.parse_args()

    def show(done: int, total: int) -> None:
        if done % FRAMES_PER_SECOND == 0 or done == total:
            print(f"\r{done} of {total} frames", end="", flush=True)

    write_footage(arguments.name, arguments.path, arguments.seconds, arguments.size, show)
    print()


if __name__ == "__main__":
    main()
