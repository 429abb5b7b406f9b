"""`guise prepare face`: footage of one person -> pairs of picture and points, with a report of what was left out.

Two passes over the footage. The first finds the face in every sampled frame and measures it; the second cuts the kept
frames. The whole footage is sampled: the first 400 frames, which face2face-demo takes, are 13 to 16 s of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.features.face_lines import draw_lines
from models.features.face_points import Face, FacePoints, eye_distance
from models.features.geometry import to_square
from models.features.media.bad_media import BadMedia, NoStream
from models.features.media.picture_files import write_picture_file
from models.features.media.picture_stream import PictureStream, TimedFrame
from models.features.media.stamps import PictureStamps
from models.features.retarget import target_facts
from models.features.types import Picture, Points, Progress
from models.prepare.data_error import DataError
from models.prepare.data_facts import write_facts
from models.prepare.data_folder import refuse_taken, write_data
from models.prepare.face_facts import PreparedFaceFacts
from models.prepare.recordings import LeftOutFile, recordings_in, shown_name, summary_of_files

MOST_FRAMES = 4000
"""Frames inspected; longer footage is sampled evenly, so that an hour takes no longer than three minutes."""
FEWEST_PAIRS = 60
FEW_PAIRS = 400
SMALLEST_FACE_PX = 48
FACE_SHARE = 2.15
"""Side of the cut square over the face's height (brows to chin): hair, neck and some room to move."""
BLUR_SHARE = 0.3
"""Sharpness below this share of the footage's median counts as motion blur."""
SAME_POINTS = 0.0045
"""Mean movement of the points, in eye distances, below which a frame repeats the one kept before it..."""
SAME_PICTURE = 1.2
"""...if its picture also differs by less than this (mean, of 255)."""
MARGIN_SHARE = 1 / 8
"""Of the square's side, stored around it, so that augmentation can shift the square within the footage."""
HELD_OUT_SHARE = 0.08
BLOCKS = 10
"""The footage is split by time into this many blocks; the end of each is held out, so both parts cover all of it."""


@dataclass(frozen=True)
class FaceOptions:
    """Options of `guise prepare face`."""

    size: int = 256
    pairs: int = 1500
    """Frames kept at most, spread evenly over the footage."""


class FaceFrame(NamedTuple):
    """One usable frame of the first pass."""

    video: int
    frame: int
    time_s: float
    points: Points
    sharpness: float
    thumbnail: NDArray[np.int16]


@dataclass
class _Seen:
    """What was found in the footage."""

    files: list[Path] = field(default_factory=list)
    """Those that are used; a FaceFrame names them by their number."""
    shapes: list[tuple[int, int]] = field(default_factory=list)
    """Height and width of each one's pictures."""
    face_frames: list[FaceFrame] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Numbers of frames, by the reason."""
    files_left_out: list[LeftOutFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare_face(
    videos: Sequence[Path], out: Path, name: str | None, options: FaceOptions, progress: Progress | None = None
) -> PreparedFaceFacts:
    """Writes the data set that models.datasets.face_data describes and returns its facts. A folder stands for the films
    in it; what is no film is left out, and named in the facts.

    Raises DataError, with nothing left behind, when there is none that can be read or too little of it is usable.
    """
    notify = progress or (lambda what, done, of: None)
    refuse_taken(out)
    seen = _look(videos, notify)
    kept = _choose(seen.face_frames, seen.left_out, options)
    if len(kept) < FEWEST_PAIRS:
        raise DataError(_too_little_message(seen, len(kept)))

    shown = name or shown_name(out.resolve())
    return write_data(out, lambda work: _write(seen, work, shown, kept, options, notify))


def _look(videos: Sequence[Path], notify: Progress) -> _Seen:
    """The first pass. Raises DataError when there is no film that can be used."""
    found = recordings_in(videos, "pictures")
    seen = _Seen(files_left_out=list(found.left_out))
    errors: list[DataError] = []
    for video in found.files:
        try:
            _inspect_video(video, seen, notify)
        except DataError as error:
            errors.append(error)
            seen.face_frames = [frame for frame in seen.face_frames if frame.video < len(seen.files)]
            seen.files_left_out.append(LeftOutFile(video, str(error).removeprefix(str(video)).lstrip(": ")))
    if not seen.files:
        raise errors[0]
    return seen


def _inspect_video(video: Path, seen: _Seen, notify: Progress) -> None:
    """The first pass over a video. Raises DataError."""
    finder, number, shape, read_s = FacePoints(), len(seen.files), (0, 0), 0.0
    with _open(video) as stream:
        total = _frame_count(stream)
        stride = max(1, -(-total // MOST_FRAMES))
        for index, time_s, frame in _frames(stream):
            read_s = time_s + 1 / stream.fps
            if index % stride:
                continue
            notify(f"looking at {shown_name(video)}", index, total)
            picture = _picture(frame)
            shape = (picture.shape[0], picture.shape[1])
            found = _usable_face(finder, picture)
            if isinstance(found, str):
                seen.left_out[found] += 1
                continue
            sharpness, thumbnail = _sharpness(picture, found), _thumbnail(picture)
            seen.face_frames.append(FaceFrame(number, index, time_s, found, sharpness, thumbnail))
        seen.left_out.update({"damaged": stream.damaged} if stream.damaged else {})
        seen.notes += [f"{shown_name(video)}: {note}" for note in stream.notes(read_s)]
    if shape == (0, 0):
        raise DataError(f"{video} holds no pictures: is it a video?")
    seen.files.append(video)
    seen.shapes.append(shape)


def _usable_face(finder: FacePoints, picture: Picture) -> Points | str:
    """The points of the only face, or why the frame is unusable."""
    height, width = picture.shape[:2]
    scale = min(1.0, 720 / min(height, width))
    faces = finder.detect(picture, scale) or finder.detect(picture, 2 * scale)
    if not faces:
        return "no face"
    if _second_face(faces):
        return "several faces"
    box = faces[0].box
    if box.width < SMALLEST_FACE_PX:
        return "the face is too small"
    points = finder.steady_points(picture, box)
    if points.min() < 0 or points[:, 0].max() > width - 1 or points[:, 1].max() > height - 1:
        return "the face leaves the picture"
    return points


def _second_face(faces: Sequence[Face]) -> bool:
    """Whether there is another person: a second face at least half as large, detected with certainty."""
    first = faces[0].box
    return any(face.score > 0.3 and face.box.width > first.width / 2 for face in faces[1:])


def _sharpness(picture: Picture, points: Points) -> float:
    """Variance of the Laplacian over the face, at a fixed size."""
    left, top = np.maximum(points.min(0).astype(int), 0)
    right, bottom = points.max(0).astype(int) + 1
    face = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA), cv2.CV_32F).var())


def _thumbnail(picture: Picture) -> NDArray[np.int16]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (32, 24), interpolation=cv2.INTER_AREA).astype(np.int16)


def _choose(face_frames: list[FaceFrame], left_out: Counter[str], options: FaceOptions) -> list[FaceFrame]:
    """The sharp frames that do not repeat the one before, thinned evenly to `options.pairs`."""
    if not face_frames:
        return []
    limit = BLUR_SHARE * float(np.median([s.sharpness for s in face_frames]))
    kept: list[FaceFrame] = []
    for one in face_frames:
        if one.sharpness < limit:
            left_out["blurred"] += 1
        elif kept and _repeats(one, kept[-1]):
            left_out["the same as the one before"] += 1
        else:
            kept.append(one)
    if len(kept) > options.pairs:
        left_out["more than were asked for"] += len(kept) - options.pairs
        kept = [kept[i] for i in np.linspace(0, len(kept) - 1, options.pairs).round().astype(int)]
    return kept


def _repeats(one: FaceFrame, previous: FaceFrame) -> bool:
    if one.video != previous.video:
        return False
    mean_shift = float(np.linalg.norm(one.points - previous.points, axis=1).mean()) / max(
        eye_distance(one.points), 1e-6
    )
    return mean_shift < SAME_POINTS and float(np.abs(one.thumbnail - previous.thumbnail).mean()) < SAME_PICTURE


def _too_little_message(seen: _Seen, kept: int) -> str:
    reasons = seen.left_out.most_common(3)
    why = ", ".join(f"{count} x {reason}" for reason, count in reasons) or "the footage is too short"
    names = ", ".join(shown_name(video) for video in seen.files)
    return (
        f"{names}: only {kept} usable frames, {FEWEST_PAIRS} are needed ({why}). "
        "Film one person alone for about a minute, facing the camera in even light"
    )


def cut_square(points: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The square (left, top, side; pixels) to cut from a video: the face with room to move, inside the frame."""
    height, width = shape
    low, high = points.min(1), points.max(1)
    face = float(np.median((high - low).max(1)))
    extent = np.percentile(high, 98, axis=0) - np.percentile(low, 2, axis=0)
    side = min(max(FACE_SHARE * face, 1.25 * float(extent.max())), height, width)
    centre = (np.percentile(high, 98, axis=0) + np.percentile(low, 2, axis=0)) / 2 - [0, 0.12 * face]
    left = np.clip(centre[0] - side / 2, 0, width - side)
    top = np.clip(centre[1] - side / 2, 0, height - side)
    return np.array([left, top, side], np.float64)


def _write(
    seen: _Seen, work: Path, name: str, kept: list[FaceFrame], options: FaceOptions, notify: Progress
) -> PreparedFaceFacts:
    squares = [
        cut_square(np.array([s.points for s in kept if s.video == number]), seen.shapes[number])
        if any(s.video == number for s in kept)
        else np.zeros(3)
        for number in range(len(seen.files))
    ]
    held_out = _held_out(kept)
    margin = round(MARGIN_SHARE * options.size)
    rows: dict[str, list[tuple[str, Points]]] = {"train": [], "held_out": []}
    for part in rows:
        (work / part).mkdir(parents=True)
    sheet: list[Picture] = []
    done = 0
    for number, video in enumerate(seen.files):
        kept_frames = {s.frame: (i, s) for i, s in enumerate(kept) if s.video == number}
        for index, picture in _pictures(video, kept_frames):
            done += 1
            notify("cutting", done, len(kept))
            order, one = kept_frames[index]
            part = "held_out" if order in held_out else "train"
            square = squares[number]
            points = to_square(one.points, square, options.size)
            cut = cut_picture(picture, square, options.size, margin)
            file = f"{order:06d}.png"
            write_picture_file(work / part / file, cut)
            rows[part].append((file, points))
            if order % max(1, len(kept) // 48) == 0 and len(sheet) < 96:
                sheet.append(_with_lines(cut[margin:-margin, margin:-margin], points))
    for part, pairs in rows.items():
        np.savez(
            work / part / "points.npz",
            names=np.array([file for file, _ in pairs]),
            points=np.array([points for _, points in pairs], np.float32).reshape(-1, 68, 2),
        )
    write_picture_file(work / "contact_sheet.jpg", _tiled(sheet))
    facts = PreparedFaceFacts(
        kind="face",
        name=name,
        size=options.size,
        margin=margin,
        sources=tuple(shown_name(video) for video in seen.files),
        frames_seen=len(kept) + sum(seen.left_out.values()),
        frames_kept=len(kept),
        pairs={part: len(pairs) for part, pairs in rows.items()},
        left_out=dict(seen.left_out.most_common()),
        squares=tuple(tuple(round(float(v), 2) for v in square) for square in squares),
        target=target_facts(np.array([points for pairs in rows.values() for _, points in pairs])),
        digest=_digest(work, rows),
    )
    facts = facts.model_copy(update=_of_files(seen))
    write_facts(work, facts)
    (work / "report.txt").write_text(report(facts), "utf-8")
    return facts


def _of_files(seen: _Seen) -> dict[str, object]:
    """Facts that are written where there are any."""
    files = tuple((shown_name(path), reason) for path, reason in seen.files_left_out)
    return ({"files_left_out": files} if files else {}) | ({"notes": tuple(seen.notes)} if seen.notes else {})


def report(facts: PreparedFaceFacts) -> str:
    """What was kept, what was left out and why; several lines for the artist."""
    sources = ", ".join(facts.sources)
    lines = [
        f"{facts.name}: {facts.frames_kept} of {facts.frames_seen} frames kept from {sources}",
        f"pairs to learn from: {facts.pairs['train']}, held out: {facts.pairs['held_out']}",
    ]
    lines += [f"left out: {count} x {reason}" for reason, count in facts.left_out.items()]
    if facts.files_left_out:
        lines.append(f"left out: {summary_of_files(facts.files_left_out)}")
    lines += facts.notes
    if facts.frames_kept < FEW_PAIRS:
        lines.append(f"warning: this is little; {FEW_PAIRS} frames or more, about a minute, give a better picture")
    return "\n".join(lines) + "\n"


def _held_out(kept: list[FaceFrame]) -> set[int]:
    """Indices of the held-out frames: the end of each block of time."""
    block = len(kept) / BLOCKS
    return {i for i in range(len(kept)) if (i % block) >= block * (1 - HELD_OUT_SHARE)}


def cut_picture(picture: Picture, square: NDArray[np.float64], size: int, margin: int = 0) -> Picture:
    """The square of the picture at `size`, and `margin` pixels around it; beyond the frame's edge it is mirrored."""
    left, top, side = square
    scale = size / side
    left, top, side, size = left - margin / scale, top - margin / scale, side + 2 * margin / scale, size + 2 * margin
    if scale < 1:  # averaged first, as INTER_AREA would: the warp below reads only four pixels
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        left, top, scale = left * scale, top * scale, 1.0
    # Pixel centres: see models.features.geometry.to_square.
    move = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
    return np.asarray(
        cv2.warpAffine(picture, move, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )


def _with_lines(cut: Picture, points: Points) -> Picture:
    size = cut.shape[0]
    both = np.concatenate([cut, draw_lines(points, size)], 1)
    return np.asarray(cv2.resize(both, (256, 128), interpolation=cv2.INTER_AREA), np.uint8)


def _tiled(pictures: list[Picture], columns: int = 6) -> Picture:
    blank = np.zeros_like(pictures[0])
    pictures = pictures + [blank] * (-len(pictures) % columns)
    return np.concatenate([np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)])


def _digest(work: Path, rows: dict[str, list[tuple[str, Points]]]) -> str:
    digest = hashlib.sha256()
    for part, pairs in rows.items():
        for file, points in pairs:
            digest.update((work / part / file).read_bytes())
            digest.update(points.tobytes())
    return digest.hexdigest()


def _open(video: Path) -> PictureStream:
    try:
        return PictureStream(video, many_threads=True)
    except NoStream as error:
        raise DataError(f"{video} has no picture: is it a sound file?") from error
    except (OSError, BadMedia) as error:
        why = "there is no such file" if not video.exists() else "it is not a video that can be read"
        raise DataError(f"{video}: {why}") from error


def _frame_count(stream: PictureStream) -> int:
    return stream.frame_count or max(1, round((stream.duration_s or 0) * stream.fps))


def _frames(stream: PictureStream) -> Iterator[tuple[int, float, TimedFrame]]:
    """(number, seconds since the first, frame)."""
    stamps = PictureStamps(1 / stream.fps, sound_until_s=stream.sound_until_s)
    for index, frame in enumerate(stream.frames()):
        yield index, stamps.mend(frame.time_s), frame


def _pictures(video: Path, chosen: Container[int]) -> Iterator[tuple[int, Picture]]:
    """The pictures of the chosen frames, with their numbers."""
    with _open(video) as stream:
        for index, frame in enumerate(stream.frames()):
            if index in chosen:
                yield index, _picture(frame)


def _picture(frame: TimedFrame) -> Picture:
    try:
        return frame.picture()
    except BadMedia as error:
        raise DataError(str(error)) from error
