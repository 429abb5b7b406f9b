"""`guise render`: the picture engine offline, every frame of a movie through the very loop that performs.

Runs in the caller's thread, with a clock that stands at each frame's own time: what comes out is what a
machine that is fast enough would have shown, frame for frame as long as the input. No sound yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from live.picture.camera import ScriptedSource
from live.picture.engine import PictureEngine
from live.picture.look import Look
from live.picture.movie_frames import FileFrames
from live.picture.outputs import MovieWriter
from live.picture.settings import PictureSettings
from live.shared_frames import FrameKind
from models.features.face_points import FacePoints, Picture, Points

Progress = Callable[[int, int | None], None]
"""Frames done, and how many there are (None where the file does not say)."""


class RenderFailed(Exception):
    """The movie could not be written; the message is one line. What was written is playable up to there."""


class _Sink:
    """Takes what the engine shows and waits for the encoder: every frame counts."""

    writer: MovieWriter | None = None

    def write(
        self,
        picture: Picture,
        *,
        captured_at: float,
        ready_at: float,
        index: int,
        kind: FrameKind,
        points: Points | None = None,
    ) -> None:
        if self.writer is not None:
            self.writer.write(picture, captured_at, wait=True)


def render(
    video: Path | str,
    out: Path | str,
    look: str | Path = "bypass",
    *,
    settings: PictureSettings | None = None,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
    face_points: FacePoints | None = None,
    load: Callable[[str], Look] | None = None,
) -> dict[str, Any]:
    """Renders `video` through `look` (a frozen model's path, `bypass` or `safe`) into `out`; gives the
    report.

    `size` is the movie's width and height, else the look's own. Raises BadSource, LandmarkFileMissing,
    RenderFailed, and RuntimeError with the reason when the look is refused.
    """
    frames = FileFrames(video)
    t_s = 0.0
    settings = replace(settings or PictureSettings(), camera=str(video), first_look=str(look), delay_s=0.0)
    source = ScriptedSource(Path(video).name, frames.size, lambda: t_s)
    sink = _Sink()
    engine = PictureEngine(settings, source, sink, None, lambda: t_s, face_points=face_points, load=load)
    try:
        engine.wait_for_look()
        shown = size or engine.look_size or frames.size
        try:
            writer = MovieWriter(out, None, shown, preset="fast", crf=17)
        except OSError as error:
            raise RenderFailed(f"{out} cannot be written: {error.strerror or error}") from error
        with writer:
            sink.writer = writer
            for done, frame in enumerate(frames, 1):
                t_s = frame.captured_at
                engine.process(source.hand(frame))
                if writer.trouble:
                    break
                if progress is not None:
                    progress(done, frames.frames)
        if writer.trouble:
            raise RenderFailed(writer.trouble)
        return engine.report()
    finally:
        engine.close()
