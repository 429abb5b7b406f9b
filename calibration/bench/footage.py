"""What the benchmarks use as camera picture: real footage where there is some, else the demo performer."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from calibration.bench.benchmark import BenchOptions, NotMeasured
from live.movie.writer import MovieWriter
from live.picture.sources.movie_frames import FileFrames
from models.features.types import Picture

TALKER_A = "talkerA_webcam_53s.mp4"
TALKER_A_AGAIN = "talkerA_webcam_second_30s.mp4"
FPS = 30
SIZE = (640, 480)


def data_folders() -> list[Path]:
    """Where real footage and speech may lie: $GUISE_DATA, where it is set, and shared/data beside the repository."""
    named = os.environ.get("GUISE_DATA")
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return [Path(named), beside] if named else [beside]


def footage_folder(options: BenchOptions) -> Path | None:
    """The folder of real footage, or None. Raises NotMeasured for a --footage that is no folder."""
    asked_for = options.footage
    for folder in [asked_for, *(folder / "video" for folder in data_folders())]:
        if folder is not None and folder.is_dir():
            return folder
    if asked_for is not None:
        raise NotMeasured(f"{asked_for} is no folder of videos")
    return None


def required_video(options: BenchOptions, name: str) -> Path:
    """One video of the real footage. Raises NotMeasured."""
    folder = footage_folder(options)
    if folder is None or not (folder / name).is_file():
        raise NotMeasured(
            f"{name} is not there: name the folder of real footage by --footage, or its parent in GUISE_DATA"
        )
    return folder / name


def webcam_movie(options: BenchOptions, path: Path, seconds: float) -> str:
    """Writes what a webcam would record, 640x480 at 30 frames a second, to `path`; returns a description of its source.

    Every frame of the source once, whatever its own rate: a repeated frame would be less work than a webcam's.
    """
    folder = footage_folder(options)
    source = folder / TALKER_A_AGAIN if folder else None
    frames = round(seconds * FPS)
    with MovieWriter(path, FPS, SIZE, preset="ultrafast") as movie:
        if source is not None and source.is_file():
            for frame in FileFrames(source):
                if frame.index >= frames:
                    break
                movie.write(_fitted(frame.picture), frame.index / FPS, wait=True)
            recorded_from = source.name
        else:
            from live.demo.performer import DemoPerformer

            performer = DemoPerformer(width=SIZE[0], height=SIZE[1])
            for index in count():
                if index >= frames:
                    break
                movie.write(performer.picture(index / FPS), index / FPS, wait=True)
            recorded_from = "the demo performer"
    if movie.error:
        raise NotMeasured(movie.error)
    return recorded_from


def _fitted(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)
