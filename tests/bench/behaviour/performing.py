"""Looks and voices, rendered; the performer, measured; the operator's settings, kept; and a live performance."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import soundfile

from . import digests
from .frozen import behaviour
from .program import Found, Program

LOOKS = ("porcelain", "verdigris")
VOICES = ("linda", "reader")
PRESETS = ("octave-down", "octave-up", "giant", "child", "whisper", "robot", "monotone", "chorus")
SETTINGS = "config/guise/guise.ini"
PROFILE = "profile.toml"


def looks(program: Program) -> Found:
    """The demo's looks over real footage, and alone on random input; a profile and settings for a later commit."""
    found = Found()
    for look in LOOKS:
        found.facts[f"render {look}"] = rendered(program, "looks/out.mp4", "clip.mp4", "--look", f"inputs/{look}.onnx")
        found.facts[f"{look} alone"] = behaviour(program.at(f"inputs/{look}.onnx"))
    found.facts["render bypass"] = rendered(program, "looks/out.mp4", "clip.mp4")
    found.facts["calibrate performer"] = calibrated(program)
    profiled = ("--look", "inputs/porcelain.onnx", "--profile", PROFILE)
    found.facts["render with a profile"] = rendered(program, "looks/out.mp4", "clip.mp4", *profiled)
    found.facts["settings"] = settings_kept(program, program.at("inputs/settings.ini"))
    return found


def voices(program: Program) -> Found:
    """Real speech through every voice that is there without training, and as it is."""
    found = Found()
    for voice in VOICES:
        found.facts[f"render {voice}"] = spoken(program, f"inputs/{voice}.onnx")
        found.facts[f"{voice} alone"] = behaviour(program.at(f"inputs/{voice}.onnx"))
    for preset in (*PRESETS, *(f"{preset}-quick" for preset in PRESETS), "bypass"):
        found.facts[f"render {preset}"] = spoken(program, preset)
    found.facts["render without --voice"] = rendered(program, "voices/out.mp4", "speech.mkv")
    return found


def rendered(program: Program, out: str, movie: str, *arguments: str) -> Any:
    """What `guise render` makes of a movie of the inputs; why not, if it fails."""
    report = program.fresh(f"{out}.json")
    said = program.run(
        *("render", "--video", f"inputs/{movie}", "--out", program.fresh(out), "--provider", "cpu"),
        *("--report", report, *arguments),
    )
    if said.code:
        return said.whole
    tree = shape(json.loads(program.at(report).read_text("utf-8")))
    return {**digests.movie(program.at(out)), "said": said.out, "report": digests.digest(json.dumps(tree))}


def spoken(program: Program, voice: str) -> Any:
    """The inputs' speech through a voice."""
    return rendered(program, "voices/out.mp4", "speech.mkv", "--voice", voice)


def calibrated(program: Program) -> Any:
    """The profile of a face that stands still, but for its day and how many pictures were looked at in the time."""
    said = program.run(
        *("calibrate", "performer", "--headless", "--camera", "inputs/still.mkv"),
        *("--seconds", "5", "--out", program.fresh(PROFILE)),
    )
    if said.code:
        return said.whole
    lines = program.at(PROFILE).read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith(("measured", "faces"))]


def settings_kept(program: Program, settings: Path) -> Any:
    """The operator's settings file after a short performance in windows that nobody sees; of the window's own
    geometry only what it is called."""
    place = program.at(program.fresh(SETTINGS))
    place.write_bytes(settings.read_bytes())
    said = program.run(
        *("live", "inputs/show.toml", "--camera", "inputs/clip.mp4", "--mic", "none", "--speaker", "none"),
        *("--seconds", "2", "--provider", "cpu"),
        pinned=False,
        QT_QPA_PLATFORM="offscreen",
    )
    if said.code:
        return said.whole
    read = configparser.ConfigParser(interpolation=None)
    read.read(place)
    return {
        part: dict(read[part]) if part == "stage" else sorted(read[part])
        for part in read.sections()
    }  # fmt: skip


def live(program: Program) -> Found:
    """A performance in real time: no two are alike, so only what happened and how it is reported."""
    found = Found()
    report, heard, movie = (program.fresh(f"live/{name}") for name in ("report.json", "heard.wav", "record.mp4"))
    said = program.run(
        *("live", "inputs/show.toml", "--headless", "--camera", "inputs/clip.mp4", "--mic", "inputs/speech.wav"),
        *("--speaker", heard, "--seconds", "12", "--report", report, "--record", movie, "--provider", "cpu"),
        pinned=False,
    )
    found.facts["code"] = said.code
    if said.code:
        found.facts["said"] = said.whole
        return found
    told = json.loads(program.at(report).read_text("utf-8"))
    found.facts["report"] = shape(told)
    found.facts["cues"] = [switch["cue"] for switch in told["switches"]]
    found.facts["faults"] = told["faults"]
    info = soundfile.info(program.at(heard))
    found.facts["heard"] = f"{info.samplerate} Hz, {info.channels} channels, {info.subtype}"
    found.facts["recorded"] = sorted(key.partition(", ")[0] for key in digests.movie(program.at(movie)))
    return found


def shape(value: Any) -> Any:
    """A report's keys and kinds of value; a figure that was not measured counts as a figure, all of a list as one."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in sorted(value.items())}
    if isinstance(value, list):
        return sorted({json.dumps(shape(part), sort_keys=True) for part in value})
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return "figure"
    return type(value).__name__
