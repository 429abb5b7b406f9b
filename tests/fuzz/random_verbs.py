"""Random media files through every verb that takes media, each in processes of its own.

A verb takes the file (0) or refuses it in one line (2). What a look gives is compared with what the camera saw: the
performer's face is in none of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import cv2
import numpy as np
import psutil

from tests.bench.structure import ROOT
from tests.fuzz.campaign import MAX_RSS_MB
from tests.fuzz.random_media import Media, make_media

LOOK = ROOT / "live" / "demo" / "looks" / "porcelain.onnx"
VOICE = ROOT / "live" / "demo" / "voices" / "reader.onnx"
SHOW = f"[[cue]]\nname = 'a'\nlook = '{LOOK}'\nvoice = 'octave-down-quick'\n"
MAX_SILENT_S = 10.0
"""A verb that neither computes nor ends for this long hangs."""
MAX_VERB_S = 90.0
LIVE_S = 3


def verbs(media: Path, folder: Path) -> dict[str, list[str]]:
    """The command lines, by a name for the message."""
    file, show = str(media), str(folder / "show.toml")
    return {
        "prepare face": ["prepare", "face", file, "--out", str(folder / "face")],
        "prepare voice": ["prepare", "voice", file, "--out", str(folder / "voice")],
        "render look": ["render", "--video", file, "--out", str(folder / "look.mp4"), "--look", str(LOOK)],
        "render voice": ["render", "--video", file, "--out", str(folder / "voice.mp4"), "--voice", "giant"],
        "render audio": ["render", "--audio", file, "--out", str(folder / "voice.wav"), "--voice", str(VOICE)],
        "evaluate face": ["evaluate", "face", "--look", str(LOOK), "--footage", file, "--out", str(folder / "ef")],
        "evaluate voice": ["evaluate", "voice", "--voice", "giant", "--speech", file, "--out", str(folder / "ev")],
        "calibrate": ["calibrate", "performer", "--camera", file, "--headless", "--out", str(folder / "p.toml")],
        "live": [
            *("live", show, "--camera", file, "--mic", file, "--speaker", str(folder / "live.wav"), "--headless"),
            *("--seconds", str(LIVE_S), "--record", str(folder / "live.mp4"), "--report", str(folder / "live.json")),
        ],
    }


def run_all(random: Random, folder: Path) -> str:
    """Makes one file and hands it to each verb."""
    made = make_media(random, folder)
    (folder / "show.toml").write_text(SHOW)
    taken = 0
    for name, arguments in verbs(made.path, folder).items():
        code, errors = run_verb(arguments, folder)
        where = f"{name}: {made.command}\n{errors[-2000:]}"
        assert code in (0, 2), f"exit code {code} from {where}"
        assert "Traceback" not in errors, where
        if code == 2:
            _assert_refused_in_a_line(errors, where)
        taken += code == 0
    for movie in ("look.mp4", "live.mp4"):
        if (folder / movie).is_file():
            _assert_not_raw(made, folder / movie)
    return f"taken by {taken} verbs"


def _assert_refused_in_a_line(errors: str, where: str) -> None:
    """The last line says why; notes about the file may stand before it."""
    lines = errors.strip().splitlines()
    assert 1 <= len(lines) <= 5, where
    assert all(line.startswith("guise") for line in lines), where


def run_verb(arguments: list[str], folder: Path) -> tuple[int, str]:
    """The exit code and what was said on standard error. Raises AssertionError for a hang and for too much memory."""
    command = [sys.executable, "-P", "-m", "guise", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    errors = folder / "errors.txt"
    with errors.open("wb") as out:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=out)
        try:
            _watch(process, arguments)
        finally:
            for each in [*_children(process), process]:
                with suppress(psutil.Error):
                    each.kill()
            process.wait()
    return int(process.returncode), errors.read_text(errors="replace")


def _watch(process: psutil.Popen, arguments: list[str]) -> None:
    began = computed_at = time.monotonic()
    computed_s = 0.0
    while process.poll() is None:
        time.sleep(0.1)
        family = [process, *_children(process)]
        now_s = sum(_cpu_s(each) for each in family)
        if now_s > computed_s + 0.05:
            computed_s, computed_at = now_s, time.monotonic()
        at = time.monotonic()
        assert at - computed_at < MAX_SILENT_S, f"{arguments} hangs"
        assert at - began < MAX_VERB_S, f"{arguments} takes more than {MAX_VERB_S:.0f} s"
        largest_mb = max((_rss_mb(each) for each in family), default=0)
        assert largest_mb < MAX_RSS_MB, f"{arguments} takes {largest_mb} MB"


def _children(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _cpu_s(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:2]))
    except psutil.Error:
        return 0.0


def _rss_mb(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss // 2**20)
    except psutil.Error:
        return 0


def _assert_not_raw(made: Media, movie: Path) -> None:
    """No picture of `movie` is one of the camera's: the demo's look has another ground, other hair and other eyes."""
    cameras = _thumbnails(made.path)
    for shown in _thumbnails(movie):
        if shown.std() < 2:
            continue  # the safe picture
        for camera in cameras:
            likeness = float(np.corrcoef(shown.ravel(), camera.ravel())[0, 1]) if camera.std() > 2 else 0.0
            assert likeness < 0.97, f"a raw picture in {movie.name} (correlation {likeness:.3f}): {made.command}"


def _thumbnails(movie: Path) -> list[np.ndarray]:
    """At most fifty pictures, grey, 32 by 24."""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-i", f"file:{movie}", "-frames:v", "50", "-an"]
    command += ["-vf", "scale=32:24,format=gray", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, timeout=30).stdout
    count = len(raw) // (32 * 24)
    pictures = np.frombuffer(raw[: count * 32 * 24], np.uint8).reshape(count, 24, 32)
    return [cv2.GaussianBlur(picture.astype(np.float32), (3, 3), 0) for picture in pictures]
