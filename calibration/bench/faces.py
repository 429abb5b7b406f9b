"""Whether the tracker keeps a face, gives dlib's own points, and finds none where there is none; beside
face2face-demo's method."""

from __future__ import annotations

from pathlib import Path
from typing import NotRequired, TypedDict
from xml.etree import ElementTree

import dlib
import numpy as np

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import TALKER_A, footage_folder, required_video
from calibration.bench.speed import face2face_points
from calibration.bench.table import Row, ms_text, print_table
from calibration.evaluate.driven_look import one_opencv_thread
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import Tracker
from live.process.frames import Frame, now
from models.features.face_points import Box, FacePoints, landmark_file
from models.features.media.bad_media import BadMedia
from models.features.media.picture_files import read_picture_file
from models.features.types import Picture

NO_FACE = ("negative_noface_bottles.mp4", "negative_people_from_behind_25s.mp4", "derived_nearblack_6s.mp4")
STILL_FRAMES = 30
STILLS = 10


class TrackerTimes(TypedDict):
    """ms a frame."""

    p50: float
    p95: float
    p99: float


class KeptFigures(TypedDict):
    """How long the face was kept, by the tracker and by face2face-demo's way."""

    video: str
    frames: int
    lost_share: float
    tracker_ms: TrackerTimes
    face2face_lost_share: float
    face2face_longest_loss: int
    face2face_ms: float


class StillFigures(TypedDict):
    """The tracker's points on stills against a direct call of dlib."""

    stills: int
    equal_when_rounded: int
    farthest_px: float


class AnnotatedFigures(TypedDict):
    """The points against those that a person set."""

    faces: int
    mean_px: float
    worst_face_px: float


class InventedFigures(TypedDict):
    """Faces found where there is none."""

    frames: int
    faces: int


class FacesFigures(TypedDict):
    """`guise bench faces`."""

    kept: KeptFigures
    still: StillFigures
    annotated: NotRequired[AnnotatedFigures]
    invented: dict[str, InventedFigures]


def run(options: BenchOptions) -> FacesFigures:
    """Every frame of talkerA at 400x300, stills of the same man, dlib's own annotated pictures, and movies without a
    face."""
    video = required_video(options, TALKER_A)
    folder = footage_folder(options)
    assert folder is not None
    with one_opencv_thread():
        invented = {name: _invented(folder / name) for name in NO_FACE if (folder / name).is_file()}
        metrics: FacesFigures = {"kept": _kept(video), "still": _still(video), "invented": invented}
        boxes = folder.parent / "faces" / "dlib_landmarks" / "training_with_face_landmarks.xml"
        if boxes.is_file():
            metrics["annotated"] = _annotated(boxes)
    _print(metrics)
    return metrics


def _kept(video: Path) -> KeptFigures:
    tracker = Tracker(FacePoints())
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_file()))
    times_ms, face2face_times_ms = [], []
    lost, face2face_lost, streak, longest_streak = 0, 0, 0, 0
    for frame in FileFrames(video):
        started = now()
        tracked = tracker.update(frame)
        tracked_at = now()
        face2face = face2face_points(frame.picture, detector, predictor)
        times_ms.append((tracked_at - started) * 1e3)
        face2face_times_ms.append((now() - tracked_at) * 1e3)
        lost += tracked is None
        face2face_lost += face2face is None
        streak = streak + 1 if face2face is None else 0
        longest_streak = max(longest_streak, streak)
    p50, p95, p99 = np.percentile(times_ms, [50, 95, 99])
    return {
        "video": video.name,
        "frames": len(times_ms),
        "lost_share": lost / len(times_ms),
        "tracker_ms": {"p50": float(p50), "p95": float(p95), "p99": float(p99)},
        "face2face_lost_share": face2face_lost / len(times_ms),
        "face2face_longest_loss": longest_streak,
        "face2face_ms": float(np.median(face2face_times_ms)),
    }


def _still(video: Path) -> StillFigures:
    """A still, shown for some frames: the points of the tracker against a direct call of dlib on the same box."""
    every = max((FileFrames(video).frame_count or 1000) // STILLS, 1)
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_file()))
    equal, farthest, stills = 0, 0.0, 0
    finder = FacePoints()
    for frame in FileFrames(video):
        if frame.index % every or not detector(frame.picture, 0):
            continue
        tracker = Tracker(finder)
        tracked = None
        for i in range(STILL_FRAMES):
            tracked = tracker.update(Frame(frame.picture, i / 30, i))
        if tracked is None:
            continue
        stills += 1
        shape = predictor(frame.picture, dlib.rectangle(*tracked.box))
        direct = np.array([(p.x, p.y) for p in shape.parts()], np.float32)
        equal += bool((np.rint(tracked.points) == direct).all())
        farthest = max(farthest, float(np.abs(tracked.points - direct).max()))
    return {"stills": stills, "equal_when_rounded": equal, "farthest_px": farthest}


def _annotated(boxes: Path) -> AnnotatedFigures:
    """dlib's own annotated faces: its XML counts width and height, so the last pixel is left + width - 1."""
    finder = FacePoints()
    distances: list[float] = []
    for image in ElementTree.parse(boxes).getroot().iter("image"):
        picture = _read(boxes.parent / image.attrib["file"])
        for box in image.iter("box"):
            left, top, width, height = (int(box.attrib[key]) for key in ("left", "top", "width", "height"))
            parts = sorted(box.iter("part"), key=lambda part: part.attrib["name"])
            if len(parts) != 68:
                continue
            wanted = np.array([(float(p.attrib["x"]), float(p.attrib["y"])) for p in parts])
            found = finder.points(picture, Box(left, top, left + width - 1, top + height - 1))
            distances.append(float(np.linalg.norm(found - wanted, axis=1).mean()))
    return {"faces": len(distances), "mean_px": float(np.mean(distances)), "worst_face_px": float(np.max(distances))}


def _invented(video: Path) -> InventedFigures:
    tracker = Tracker(FacePoints())
    frames = faces = 0
    for frame in FileFrames(video):
        frames += 1
        faces += tracker.update(frame) is not None
    return {"frames": frames, "faces": faces}


def _read(path: Path) -> Picture:
    try:
        return read_picture_file(path)
    except BadMedia as error:
        raise NotMeasured(f"{path} cannot be read") from error


def _print(metrics: FacesFigures) -> None:
    kept, still = metrics["kept"], metrics["still"]
    t = kept["tracker_ms"]
    rows = [
        Row("face lost", f"{kept['lost_share']:.2%}", "<= 0.50%", kept["lost_share"] <= 0.005),
        Row("face lost, face2face-demo's way", f"{kept['face2face_lost_share']:.1%}"),
        Row("its longest loss", f"{kept['face2face_longest_loss']} frames in a row"),
        Row("tracker p50 / p95 / p99", f"{ms_text(t['p50'])} / {ms_text(t['p95'])} / {ms_text(t['p99'])}"),
        Row("face2face-demo's way, detection and points", ms_text(kept["face2face_ms"])),
        Row(
            "stills: points of a direct dlib call",
            f"{still['equal_when_rounded']} of {still['stills']}, at most {still['farthest_px']:.2f} px off",
            "all, once rounded",
            still["equal_when_rounded"] == still["stills"] and still["stills"] > 0,
        ),
    ]
    if "annotated" in metrics:
        a = metrics["annotated"]
        text = f"{a['mean_px']:.2f} px over {a['faces']} faces (worst {a['worst_face_px']:.2f})"
        rows.append(Row("dlib's annotated pictures: mean distance", text, "<= 1 px", a["mean_px"] <= 1))
    for name, found in metrics["invented"].items():
        rows.append(
            Row(f"faces invented in {name}", f"{found['faces']} of {found['frames']}", "0", found["faces"] == 0)
        )
    print_table(f"faces: {kept['video']}, {kept['frames']} frames at 400x300; one run", rows)
