"""A long performance: speech from file to file in real time, the picture engine beside it, cues changing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import webcam_movie
from calibration.bench.speech import speech_by_speaker
from calibration.bench.stage_run import StageProcess, demo_look
from calibration.bench.table import Row, ms_text, print_table
from calibration.bench.unet import write_look
from calibration.measure.estimate import robust_slope
from live.process.report import AudioReport, FaultReport, SyncReport, VideoReport
from models.features.media.sound_files import read_sound_file, sound_file_length, write_sound_file
from models.features.types import Mono

MINUTES = 10.0
RATE = 48_000
SPEECH_S = 60.0
CLICK_EVERY_S = 5.0
SAMPLE_S = 2.0
VOICES = ("octave-down", "whisper", "bypass", "child")
FOLLOW_S = 20.0


class SoakMemory(TypedDict):
    """Bytes of all processes; the slope and its 95 % interval in % an hour."""

    first: int
    last: int
    percent_an_hour: float
    interval: tuple[float, float]


class SoakFigures(TypedDict):
    """`guise bench soak`: parts of the report, and what was measured from outside."""

    minutes: float
    filmed: str
    video: VideoReport
    audio: AudioReport
    sync: SyncReport
    switches: int
    samples_missing_at_switches: int
    faults: list[FaultReport]
    warnings: list[str]
    latency_heard_ms: list[float]
    memory: SoakMemory


def run(options: BenchOptions) -> SoakFigures:
    """`minutes` of it."""
    minutes = options.minutes or MINUTES
    with tempfile.TemporaryDirectory(prefix="guise-soak-") as name:
        folder = Path(name)
        clicks = _speech(folder / "speech.wav")
        who = webcam_movie(options, folder / "webcam.mp4", 20)
        seconds = minutes * 60
        arguments = [str(_show(folder, options.look)), "--headless", "--camera", str(folder / "webcam.mp4")]
        arguments += ["--mic", str(folder / "speech.wav"), "--speaker", str(folder / "heard.wav")]
        with StageProcess([*arguments, "--seconds", f"{seconds:g}"], sample_s=SAMPLE_S) as stage:
            ran = stage.wait_for_report(seconds + 60)
        late = _click_delays_ms(folder / "heard.wav", clicks)
    settled = [(at, used) for at, used in ran.pss if 60 <= at <= seconds - 4] or ran.pss
    at, used = np.array(settled, np.float64).T
    slope = robust_slope(list(at), list(used))
    percent = 3600 / float(np.median(used)) * 100
    metrics: SoakFigures = {
        "minutes": minutes,
        "filmed": who,
        "video": ran.report["video"],
        "audio": ran.report["audio"],
        "sync": ran.report["sync"],
        "switches": len(ran.report["switches"]),
        "samples_missing_at_switches": sum(s["audio_gap_samples"] or 0 for s in ran.report["switches"]),
        "faults": ran.report["faults"],
        "warnings": ran.report["warnings"],
        "latency_heard_ms": late,
        "memory": {
            "first": int(used[:5].mean()),
            "last": int(used[-5:].mean()),
            "percent_an_hour": slope.slope * percent,
            "interval": (slope.low * percent, slope.high * percent),
        },
    }
    _print(metrics)
    return metrics


def _speech(path: Path) -> NDArray[np.int64]:
    """A minute of speech with a click every five seconds, each in a moment of silence; returns the places of the
    clicks, in samples."""
    spoken = speech_by_speaker(RATE, SPEECH_S)
    each = round(SPEECH_S * RATE / len(spoken))
    sound: Mono = np.resize(np.concatenate([part[:each] for part in spoken.values()]), round(SPEECH_S * RATE))
    sound *= 0.1 / max(float(np.std(sound)), 1e-6)
    sound = np.clip(sound, -0.8, 0.8)
    clicks = np.arange(round(CLICK_EVERY_S * RATE), len(sound), round(CLICK_EVERY_S * RATE))
    quiet = round(0.12 * RATE)
    for click in clicks:
        sound[click - quiet : click + quiet] = 0.0
        sound[click] = 0.8
    write_sound_file(path, sound, RATE)
    return clicks


def _show(folder: Path, look: Path | None) -> Path:
    chosen = look or demo_look()
    if chosen is None:
        chosen = folder / "look.onnx"
        write_look(chosen, 32, half=True, colour=(160, 120, 100))
    # Each as fast as it can: the latency of the sound itself is measured, not its waiting for a slow picture.
    lines = ["[show]", 'name = "soak"', "loop = true", "sync = false"]
    for number, voice in enumerate(VOICES):
        lines += ["", "[[cue]]", f'name = "{voice}"', f'look = "{chosen}"', f'voice = "{voice}"']
        lines += [f"follow_s = {FOLLOW_S}", f"transition_s = {0.5 if number % 2 else 0.0}"]
    path = folder / "show.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _click_delays_ms(path: Path, clicks: NDArray[np.int64]) -> list[float]:
    """The delay of each click, ms, through the whole file. Raises NotMeasured when there was none."""
    period = round(SPEECH_S * RATE)
    late = []
    length = sound_file_length(path)
    for turn in range(length // period + 1):
        for click in clicks:
            begin = turn * period + int(click)
            if begin + RATE // 2 > length:
                continue
            sound, _ = read_sound_file(path, begin, round(0.15 * RATE))  # before the speech goes on
            level = np.abs(sound[:, 0])
            if level.max() > 0.1:
                late.append(float(np.argmax(level) / RATE * 1e3))
    if not late:
        raise NotMeasured("no click was heard in what was played")
    return late


def _print(metrics: SoakFigures) -> None:
    audio, video, memory = metrics["audio"], metrics["video"], metrics["memory"]
    late, fps = np.array(metrics["latency_heard_ms"]), video["fps"] or 0.0
    tenth = max(len(late) // 10, 1)
    drift = float(np.median(late[-tenth:]) - np.median(late[:tenth]))
    off = float(np.median(late) - (audio["latency"] or 0.0))
    rows = [
        Row("xruns", str(audio["xruns"]), "0", audio["xruns"] == 0),
        Row("missed deadlines", str(audio["deadline_misses"]), "0", audio["deadline_misses"] == 0),
        Row("latency, as the screen says", ms_text(audio["latency"], 2)),
        Row("latency heard, beyond that", f"{off:+.2f} ms", "within 1 ms", abs(off) <= 1),
        Row("its drift from the first tenth to the last", f"{drift:+.2f} ms", "< 1 ms", abs(drift) < 1),
        Row("its spread over all clicks", f"{late.max() - late.min():.2f} ms ({len(late)} clicks)"),
        Row(
            "a block's computing p50 / p99 / max",
            " / ".join(map(ms_text, (audio["compute"]["p50"], audio["compute"]["p99"], audio["compute"]["max"]))),
        ),
        Row("rtf", f"{audio['rtf'] or 0:.3f}"),
        Row("frames a second", f"{fps:.2f}", "30 held", fps >= 29.5),
        Row("cue changes, samples missing", f"{metrics['switches']}, {metrics['samples_missing_at_switches']}"),
        Row("memory, first / last", f"{memory['first'] / 1e6:.1f} / {memory['last'] / 1e6:.1f} MB"),
        Row("its slope", f"{memory['percent_an_hour']:+.2f} % an hour", "<= 1 %", memory["percent_an_hour"] <= 1),
        Row("faults, warnings", f"{len(metrics['faults'])}, {len(metrics['warnings'])}"),
    ]
    print_table(f"soak: {metrics['minutes']:g} minutes, speech file to file, {metrics['filmed']} beside it", rows)
