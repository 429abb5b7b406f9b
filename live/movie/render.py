"""`guise render`: every frame of a movie through the picture engine's own loop, offline.

Two passes. The first finds faces throughout the movie, so that the performer's neutral is known from the first frame
on; with a profile it is skipped. The second performs, with a clock set to each frame's own time: the output is what a
machine that is fast enough would have shown, with as many frames as the input. The sound is written beside it, through
the voice; the voice's latency is removed, so the sound keeps its place.

Runs in the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil, sqrt
from pathlib import Path

import numpy as np

from live.movie.render_sound import AHEAD_S, RenderedSound, sound_of, voice_opener
from live.movie.writer import MovieWriter, movie_size
from live.picture.engine import PictureEngine
from live.picture.look import Look
from live.picture.preload import take_face_points
from live.picture.settings import PictureSettings
from live.picture.sources.movie_frames import BadSource, FileFrames
from live.picture.sources.scripted import ScriptedSource
from live.picture.tracker import SEARCH_AREA_PX, shape_is_sane
from live.process.messages import Note
from live.process.report import EngineReport
from live.process.stage_picture import StagePicture
from live.show.profile import in_heights
from live.sound.voice import Voice
from models.features.face_points import Box, Face, FacePoints
from models.features.media.mixdown import Channel, NoSuchChannel
from models.features.retarget import neutral_of
from models.features.types import Points

LOOKING = "looking at the face"
PERFORMING = "performing"
NEUTRAL_FACES = 150
"""The neutral is estimated from this many faces, as many as the running estimate keeps; at most twice as many are
examined."""

RenderProgress = Callable[[str, int, int | None], None]
"""Called with LOOKING or PERFORMING, the frames done, and the number of frames (None if the file does not say)."""


class RenderFailed(Exception):
    """The movie could not be written; the message is one line. The file is playable up to the error."""


class _MovieSink:
    """Writes the engine's pictures to the movie and waits for the encoder, so that no frame is lost."""

    writer: MovieWriter | None = None

    def write(self, shown: StagePicture) -> None:
        if self.writer is not None:
            self.writer.write(shown.picture, shown.captured_at, wait=True)


def render(
    video: Path | str,
    out: Path | str,
    look: str | Path = "bypass",
    voice: str | Path | None = None,
    *,
    settings: PictureSettings | None = None,
    size: tuple[int, int] | None = None,
    progress: RenderProgress | None = None,
    face_points: FacePoints | None = None,
    load: Callable[[str], Look] | None = None,
    load_voice: Callable[[str], Voice] | None = None,
    channel: Channel = "auto",
    note: Callable[[Sequence[str]], None] | None = None,
) -> EngineReport:
    """Renders `video` through `look` (a frozen model's path, `bypass` or `safe`) into `out`; returns the report.

    Its sound is converted by `voice` (a frozen model's path or a preset); None: it is kept. `size` is the movie's width
    and height; by default the look's own, enlarged to a watchable size. `channel` is which of its sound's the voice
    hears; `note` is told what is wrong with pictures and sound, and of a provider that is not the one asked for. Raises
    BadSource, LandmarkFileMissing, RenderFailed, and
    RuntimeError with the reason when the look or the voice is refused.
    """
    frames = FileFrames(video)
    sound = _sound(
        frames, voice, load_voice or voice_opener("auto" if settings is None else settings.provider), channel
    )
    t_s = 0.0
    tell = note or (lambda sentences: None)
    report_progress = progress or (lambda what, done, total: None)
    settings = replace(
        settings or PictureSettings(),
        camera=str(video),
        first_look=str(look),
        first_look_may_show_frame=True,  # it is the user's own film, and no audience sees it by accident
        latency_s=0.0,
    )
    source = ScriptedSource(Path(video).name, frames.size, lambda: t_s)
    sink = _MovieSink()
    face_points = face_points or take_face_points(settings.landmarks)
    engine = PictureEngine(settings, source, sink, None, lambda: t_s, face_points=face_points, load=load)
    try:
        engine.wait_for_look()
        tell([event.text for event in engine.events() if isinstance(event, Note)])
        if settings.neutral is None and look not in ("bypass", "safe"):
            neutral = estimate_neutral(
                frames, face_points, lambda done: report_progress(LOOKING, done, frames.frame_count)
            )
            if neutral is not None:
                engine.set_neutral(neutral)
        shown = size or movie_size(*(engine.look_size or frames.size))
        try:
            track = None if sound is None else sound.track
            writer = MovieWriter(out, None, shown, sound=track, preset="fast", crf=17)
            writer.wait_until_open()
        except OSError as error:
            raise RenderFailed(f"{out} cannot be written: {error.strerror or error}") from error
        with writer:
            sink.writer = writer
            for done, frame in enumerate(frames, 1):
                t_s = frame.captured_at
                engine.process(source.register(frame))
                if sound is not None:
                    sound.write(writer, t_s + AHEAD_S)
                if writer.error:
                    break
                report_progress(PERFORMING, done, frames.frame_count)
            tell(frames.notes)
            if sound is not None:
                sound.write(writer)
                tell(sound.recording.notes)
        if writer.error:
            raise RenderFailed(writer.error)
        report = engine.report()
        return report if sound is None else {**report, **sound.report()}
    finally:
        engine.close()


def _sound(
    frames: FileFrames, voice: str | Path | None, load: Callable[[str], Voice], channel: Channel
) -> RenderedSound | None:
    """None when the movie has no sound."""
    converter = None if voice is None else load(str(voice))
    try:
        recording = sound_of(frames.path, channel)
    except NoSuchChannel as error:
        raise BadSource(str(error)) from error
    return None if recording is None else RenderedSound(recording, converter, frames.first_s)


def estimate_neutral(
    frames: FileFrames, face_points: FacePoints, progress: Callable[[int], None] | None = None
) -> Points | None:
    """The neutral face of the person in the movie, in the form of PictureSettings.neutral; None when no face is found.

    One face is taken from every k-th frame: the previous one if it is there, else the largest. The median belongs to
    the face that appears most. `progress` is called with the number of frames read.
    """
    expected = frames.frame_count or round((frames.duration_s or 0) * frames.fps)
    every = max(ceil(expected / NEUTRAL_FACES), 1)
    seen: list[Points] = []
    last: Box | None = None
    for done, frame in enumerate(frames, 1):
        if progress is not None:
            progress(done)
        if frame.index % every:
            continue
        height, width = frame.picture.shape[:2]
        faces = face_points.detect(frame.picture, min(sqrt(SEARCH_AREA_PX / (width * height)), 2.0))
        for face in _by_likelihood(faces, last):
            points = face_points.fine_points(frame.picture, face.box)
            if shape_is_sane(points, face.box):
                last = face.box
                seen.append(in_heights(points, width, height))
                break
        if len(seen) >= 2 * NEUTRAL_FACES:  # the file does not state its length
            seen, every = seen[::2], 2 * every
    return neutral_of(np.array(seen, np.float32)) if seen else None


def _by_likelihood(faces: list[Face], last: Box | None) -> Iterator[Face]:
    """The face at the performer's last place first, then the largest."""
    yield from sorted(faces, key=lambda face: (last is None or not _contains_centre(last, face.box), -face.box.width))


def _contains_centre(last: Box, box: Box) -> bool:
    x, y = box.centre
    return last.left <= x <= last.right and last.top <= y <= last.bottom
