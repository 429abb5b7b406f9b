"""What every part is fed: cuts of real footage and speech, and a show; made once, in WORK/inputs."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from .program import Program

SHOW = """[show]
name = "A picture of behaviour"
lost_face = { hold_s = 0.5, fade_s = 0.2 }

[[cue]]
name = "first"
look = "porcelain.onnx"
voice = "giant"
follow_s = 1

[[cue]]
name = "second"
look = "verdigris.onnx"
voice = "linda.onnx"
set = { "sound/pitch" = -3 }
transition_s = 0.3
follow_s = 1

[[cue]]
name = "third"
look = "bypass"
voice = "child-quick"
"""
SETTINGS = "[stage]\nmirror=true\nrotation=90\nfit=cover\nscreen=\n"
SENTENCES = ("003", "008", "011", "016", "019")


def lay_out(program: Program, data: Path) -> None:
    """Fills WORK/inputs, unless that is done."""
    folder = program.at("inputs")
    if (folder / "done").exists():
        return
    if not (data / "video").is_dir():
        raise SystemExit(f"{data}: no footage there; name the folder by --data or $GUISE_DATA")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for model in program.source.rglob("*.onnx"):
        if not any(part.startswith(".") for part in model.relative_to(program.source).parts):
            shutil.copyfile(model, folder / model.name)
    _cut(data / "video" / "talkerA_webcam_53s.mp4", folder / "face.mp4", 12)
    _cut(data / "video" / "talkerA_webcam_second_30s.mp4", folder / "clip.mp4", 3)
    _still(folder / "clip.mp4", folder / "still.mkv")
    _speech(data / "speech" / "vctk16k" / "p225_003.wav", folder)
    for person in ("p225", "p226"):
        for sentence in SENTENCES:
            name = f"{person}_{sentence}.wav"
            shutil.copyfile(data / "speech" / "vctk16k" / name, folder / name)
    (folder / "show.toml").write_text(SHOW, "utf-8")
    (folder / "settings.ini").write_text(SETTINGS, "utf-8")
    (folder / "done").touch()


def _cut(source: Path, out: Path, seconds: float) -> None:
    """The first seconds of a movie's pictures, packet for packet as they are."""
    with av.open(str(source)) as read, av.open(str(out), "w") as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.pts is None or packet.pts * packet.time_base > seconds:
                continue
            packet.stream = copy
            written.mux(packet)


def _still(source: Path, out: Path, frames: int = 150) -> None:
    """A movie of one picture again and again: whoever looks at it in real time sees the same, however often."""
    with av.open(str(source)) as read:
        picture = next(read.decode(video=0)).to_ndarray(format="rgb24")
    _pictures(out, [picture] * frames, 25)


def _speech(source: Path, folder: Path, seconds: float = 4.0) -> None:
    """speech.wav, and speech.mkv: the same under small black pictures, for `guise render`; both without loss."""
    samples, rate = soundfile.read(source, dtype="int16")
    samples = samples[: round(seconds * rate)]
    soundfile.write(folder / "speech.wav", samples, rate)
    black = np.zeros((64, 64, 3), np.uint8)
    _pictures(folder / "speech.mkv", [black] * round(5 * seconds), 5, samples, rate)


def _pictures(
    out: Path, pictures: list[np.ndarray], fps: int, samples: np.ndarray | None = None, rate: int = 0
) -> None:
    height, width = pictures[0].shape[:2]
    with av.open(str(out), "w") as written:
        video = written.add_stream("ffv1", rate=fps, width=width, height=height, pix_fmt="bgr0")
        audio = None if samples is None else written.add_stream("pcm_s16le", rate=rate, layout="mono")
        for at, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, fps)
            written.mux(video.encode(frame))
        written.mux(video.encode(None))
        if audio is not None and samples is not None:
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            written.mux(audio.encode(frame))
            written.mux(audio.encode(None))
