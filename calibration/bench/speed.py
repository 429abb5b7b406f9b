"""Frames a second and latency of `guise live` on a webcam's movie; and, in the same run, face2face-demo's method on the
same frames, so that the ratio is meaningful on any machine."""

from __future__ import annotations

import shutil
import tempfile
from itertools import cycle
from pathlib import Path
from typing import TypedDict, TypeVar

import cv2
import dlib
import numpy as np
import onnxruntime as ort

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import webcam_movie
from calibration.bench.stage_run import demo_look, run_stage
from calibration.bench.table import Row, at_most, ms_text, print_table
from calibration.bench.unet import write_look
from export.artifact.model_file import read_manifest
from live.picture.sources.movie_frames import FileFrames
from live.process.frames import now
from live.process.metrics import Percentiles
from live.process.report import AudioReport, VideoReport
from models.features.face_lines import draw_face2face_lines
from models.features.face_points import landmark_file
from models.features.types import Picture, Points

SECONDS = 20.0
FACE2FACE_S = 10.0
FACE2FACE_FRAMES = 150
SHOW = """[show]
name = "bench"

[[cue]]
name = "bench"
look = "{look}"
"""


class FrameTimes(TypedDict):
    """ms a frame."""

    p50: float
    p95: float


class Face2FaceFigures(TypedDict):
    """face2face-demo's way on the same frames."""

    frames: int
    fps: float
    frame_ms: FrameTimes
    generator_ms: float
    lost_share: float


class SpeedRatio(TypedDict):
    """Guise over face2face-demo's way; look_alone: their generator's time over the look's."""

    fps: float
    look_alone: float | None


class SpeedFigures(TypedDict):
    """`guise bench speed`; guise and audio are parts of the report, medians over the runs."""

    filmed: str
    look: str
    runs: int
    guise: VideoReport
    face2face: Face2FaceFigures
    ratio: SpeedRatio
    audio: AudioReport


def run(options: BenchOptions) -> SpeedFigures:
    """`runs` performances of 20 s; medians of their metrics."""
    runs = options.runs or 1
    with tempfile.TemporaryDirectory(prefix="guise-speed-") as name:
        folder = Path(name)
        movie = folder / "webcam.mp4"
        recorded_from = webcam_movie(options, movie, SECONDS)
        performed = _write_show(folder, options.look or demo_look())
        arguments = [str(folder / "show.toml"), "--headless", "--camera", str(movie)]
        reports = [run_stage(arguments, SECONDS).report for _ in range(runs)]
        face2face = measure_face2face(movie)
    video = _medians([report["video"] for report in reports])
    if video["fps"] is None:
        why = "; ".join(reports[0]["warnings"]) or "no picture was generated"
        raise NotMeasured(f"nothing was performed: {why}")
    metrics: SpeedFigures = {
        "filmed": recorded_from,
        "look": performed,
        "runs": runs,
        "guise": video,
        "face2face": face2face,
        "ratio": {"fps": video["fps"] / face2face["fps"], "look_alone": _ratio(face2face["generator_ms"], video)},
        "audio": _medians([report["audio"] for report in reports]),
    }
    _print(metrics)
    return metrics


def _write_show(folder: Path, look: Path | None) -> str:
    """A show of `look`, or of one with random weights; returns what it is called in the table."""
    if look is None:
        write_look(folder / "look.onnx", 32, half=True, colour=(160, 120, 100))
    else:
        shutil.copyfile(look, folder / "look.onnx")
    (folder / "show.toml").write_text(SHOW.format(look="look.onnx"), "utf-8")
    weights = "random weights, ngf 32" if look is None else "trained"
    return f"{read_manifest(folder / 'look.onnx').name} ({weights})"


def measure_face2face(movie: Path) -> Face2FaceFigures:
    """face2face-demo's loop on the movie's frames for 10 s: grey, a quarter of the size, `detector(grey, 1)`, points
    times 4, lines 3 pixels wide, and an ngf 64 generator in fp32 with ONNX Runtime's own settings; one after the other.

    The frames are decoded into memory beforehand, which those of its camera were not.
    """
    frames: list[Picture] = []
    for frame in FileFrames(movie):
        frames.append(frame.picture)
        if len(frames) == FACE2FACE_FRAMES:
            break
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_file()))
    with tempfile.TemporaryDirectory(prefix="guise-speed-") as name:
        path = Path(name) / "old.onnx"
        write_look(path, 64)
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        session.run(None, {"lines": np.zeros((1, 256, 256, 3), np.uint8)})
    frame_ms, generator_ms, lost = [], [], 0
    started = now()
    for picture in cycle(frames):
        frame_started = now()
        points = face2face_points(picture, detector, predictor)
        if points is None:
            lost += 1
            lines = np.zeros((256, 256, 3), np.uint8)
        else:
            lines = draw_face2face_lines(points, picture.shape[:2], 256)
        drawn_at = now()
        session.run(None, {"lines": lines[None]})
        done_at = now()
        frame_ms.append((done_at - frame_started) * 1e3)
        generator_ms.append((done_at - drawn_at) * 1e3)
        if done_at - started > FACE2FACE_S:
            break
    p50, p95 = np.percentile(frame_ms, [50, 95])
    return {
        "frames": len(frame_ms),
        "fps": len(frame_ms) / (done_at - started),
        "frame_ms": {"p50": float(p50), "p95": float(p95)},
        "generator_ms": float(np.median(generator_ms)),
        "lost_share": lost / len(frame_ms),
    }


def face2face_points(
    picture: Picture, detector: dlib.fhog_object_detector, predictor: dlib.shape_predictor
) -> Points | None:
    """face2face-demo's 68 points, float32 (68, 2), in steps of 4 pixels; None where it finds no face."""
    grey = cv2.cvtColor(cv2.resize(picture, None, fx=0.25, fy=0.25), cv2.COLOR_RGB2GRAY)
    faces = detector(grey, 1)
    if not faces:
        return None
    return np.array([(p.x * 4, p.y * 4) for p in predictor(grey, faces[-1]).parts()], np.float32)


def _ratio(old_generator_ms: float, video: VideoReport) -> float | None:
    generate = video["stages"].get("generate")
    return old_generator_ms / generate["p50"] if generate and generate["p50"] else None


_Part = TypeVar("_Part")


def _medians(parts: list[_Part]) -> _Part:
    """The same structure, each number the median over the runs; for other values, that of the first run."""
    first = parts[0]
    if isinstance(first, dict):
        mappings = [part for part in parts if isinstance(part, dict)]
        return type(first)({key: _medians([part[key] for part in mappings if key in part]) for key in first})
    numbers = [part for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    return float(np.median(numbers)) if numbers else first  # type: ignore[return-value]


def _percentiles_text(percentiles: Percentiles) -> str:
    return " / ".join(map(ms_text, (percentiles["p50"], percentiles["p95"], percentiles["p99"])))


def _print(metrics: SpeedFigures) -> None:
    video, face2face, audio = metrics["guise"], metrics["face2face"], metrics["audio"]
    latency, presented, fps = video["latency"], video.get("presented_latency"), video["fps"] or 0.0
    stages = {name: part["p50"] for name, part in video["stages"].items()}
    rows = [
        Row("newly generated frames a second", f"{fps:.2f}", "30 held", fps >= 29.5),
        Row("capture to ready p50 / p95 / p99", _percentiles_text(latency)),
    ]
    if presented:
        held = at_most(presented["p95"], 40.0)
        text = _percentiles_text(presented)
        rows.append(Row("capture to presented p50 / p95 / p99", text, "p95 <= 40 ms", held))
    rows += [
        Row("longest gap", ms_text(video["longest_gap"])),
        Row("captured / dropped", f"{video['frames_captured']:.0f} / {video['frames_dropped']:.0f}"),
        Row("stages, median", ", ".join(f"{name} {ms_text(value)}" for name, value in stages.items())),
        Row("provider", str(video["provider"])),
        Row("sound engine: xruns, misses", f"{audio['xruns']}, {audio['deadline_misses']}"),
        Row("face2face-demo's way: frames a second", f"{face2face['fps']:.2f}"),
        Row(
            "face2face-demo's way: a frame p50 / p95",
            f"{ms_text(face2face['frame_ms']['p50'])} / {ms_text(face2face['frame_ms']['p95'])}",
        ),
        Row("face2face-demo's way: its generator (ngf 64, fp32)", ms_text(face2face["generator_ms"])),
        Row("frames a second, Guise / face2face-demo's way", f"{metrics['ratio']['fps']:.1f} x (the camera gives 30)"),
    ]
    print_table(
        f"speed: {metrics['filmed']} at 640x480, 30 fps; {metrics['look']}; {metrics['runs']} run(s) of {SECONDS:g} s",
        rows,
    )
