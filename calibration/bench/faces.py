"""Whether the tracker keeps a face, gives dlib's own points, and invents none; beside face2face-demo's way."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import dlib
import numpy as np

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import TALKER_A, footage_folder, required_video
from calibration.bench.speed import face2face_points
from calibration.bench.table import Row, ms_text, print_table
from live.picture.sources.movie_frames import FileFrames
from live.picture.tracker import Tracker
from live.process.frames import Frame, now
from models.features.face_points import Box, FacePoints, landmark_file
from models.features.types import Picture

NO_FACE = ("negative_noface_bottles.mp4", "negative_people_from_behind_25s.mp4", "derived_nearblack_6s.mp4")
STILL_FRAMES = 30
STILLS = 10


def run(options: BenchOptions) -> dict[str, Any]:
    """Every frame of talkerA at 400x300, stills of him, dlib's own annotated pictures, and movies without a face."""
    video = required_video(options, TALKER_A)
    folder = footage_folder(options)
    assert folder is not None
    old_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        metrics: dict[str, Any] = {"kept": _kept(video), "still": _still(video)}
        boxes = folder.parent / "faces" / "dlib_landmarks" / "training_with_face_landmarks.xml"
        if boxes.is_file():
            metrics["annotated"] = _annotated(boxes)
        metrics["invented"] = {name: _invented(folder / name) for name in NO_FACE if (folder / name).is_file()}
    finally:
        cv2.setNumThreads(old_threads)
    _print(metrics)
    return metrics


def _kept(video: Path) -> dict[str, Any]:
    tracker = Tracker(FacePoints())
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_file()))
    took, old_took = [], []
    lost, old_lost, old_streak, longest_streak = 0, 0, 0, 0
    for frame in FileFrames(video):
        start = now()
        seen = tracker.update(frame)
        middle = now()
        old = face2face_points(frame.picture, detector, predictor)
        took.append((middle - start) * 1e3)
        old_took.append((now() - middle) * 1e3)
        lost += seen is None
        old_lost += old is None
        old_streak = old_streak + 1 if old is None else 0
        longest_streak = max(longest_streak, old_streak)
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    return {
        "video": video.name,
        "frames": len(took),
        "lost_share": lost / len(took),
        "tracker_ms": {"p50": float(p50), "p95": float(p95), "p99": float(p99)},
        "face2face_lost_share": old_lost / len(took),
        "face2face_longest_loss": longest_streak,
        "face2face_ms": float(np.median(old_took)),
    }


def _still(video: Path) -> dict[str, Any]:
    """A still, shown for some frames: the tracker's points against a direct dlib call on the box it names."""
    every = max((FileFrames(video).frames or 1000) // STILLS, 1)
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_file()))
    equal, farthest, stills = 0, 0.0, 0
    finder = FacePoints()
    for frame in FileFrames(video):
        if frame.index % every or not detector(frame.picture, 0):
            continue
        tracker = Tracker(finder)
        seen = None
        for i in range(STILL_FRAMES):
            seen = tracker.update(Frame(frame.picture, i / 30, i))
        if seen is None:
            continue
        stills += 1
        shape = predictor(frame.picture, dlib.rectangle(*seen.box))
        direct = np.array([(p.x, p.y) for p in shape.parts()], np.float32)
        equal += bool((np.rint(seen.points) == direct).all())
        farthest = max(farthest, float(np.abs(seen.points - direct).max()))
    return {"stills": stills, "equal_when_rounded": equal, "farthest_px": farthest}


def _annotated(boxes: Path) -> dict[str, Any]:
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


def _invented(video: Path) -> dict[str, Any]:
    tracker = Tracker(FacePoints())
    frames = faces = 0
    for frame in FileFrames(video):
        frames += 1
        faces += tracker.update(frame) is not None
    return {"frames": frames, "faces": faces}


def _read(path: Path) -> Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise NotMeasured(f"{path} cannot be read")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _print(metrics: dict[str, Any]) -> None:
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
