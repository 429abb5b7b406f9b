"""`guise doctor`: what this machine has for performing and training, and what to install where something is missing.

Each check runs in a try of its own: one broken library hides none of the others. Qt is checked in a process of its own,
because it ends the process when it finds no screen plugin. Runs in the calling thread.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal, NamedTuple

from live.operator.display import XCB_PACKAGES
from live.process.error_text import error_text

State = Literal["ok", "missing", "note"]
QT_WITHIN_S = 20.0
LEAST_PYTHON = (3, 11)
LEAST_MEMORY = 2e9
ESSENTIAL_PACKAGES = (
    "numpy",
    "cv2",
    "av",
    "dlib",
    "onnxruntime",
    "onnx",
    "pydantic",
    "psutil",
    "pyworld",
    "soundfile",
    "typer",
    "rich",
)


class Finding(NamedTuple):
    """One line of the result. `advice` says what to install; `essential`: without it Guise cannot perform at all."""

    name: str
    state: State
    what: str
    advice: str = ""
    essential: bool = False


def examine() -> list[Finding]:
    """All findings, in the order in which they are printed."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check()
        except Exception as error:  # A broken library must not hide the rest.
            name = check.__name__.lstrip("_").replace("_", " ")
            what = f"could not be examined: {error_text(error)}"
            findings.append(Finding(name, "missing", what, "reinstall the package it names"))
    return findings


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing essential is missing."""
    return not any(finding.state == "missing" and finding.essential for finding in findings)


def as_json(findings: list[Finding]) -> dict[str, object]:
    """{"ok": bool, "findings": [{"name", "state", "what", "advice", "essential"}, ...]}"""
    return {"ok": healthy(findings), "findings": [finding._asdict() for finding in findings]}


# --------------------------------------------------------------------------------------------------- the machine


def _python() -> list[Finding]:
    version_and_system = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < LEAST_PYTHON:
        return [Finding("python", "missing", version_and_system, "install Python 3.11 or newer", True)]
    return [Finding("python", "ok", version_and_system, "", True)]


def _packages() -> list[Finding]:
    broken = []
    for name in ESSENTIAL_PACKAGES:
        try:
            importlib.import_module(name)
        except Exception as error:  # An ImportError, or what a broken binary raises.
            broken.append(f"{name} ({' '.join(str(error).split())})")
    if broken:
        return [Finding("packages", "missing", ", ".join(broken), "install Guise again: pip install guise", True)]
    return [
        Finding(
            "packages", "ok", f"guise {_version('guise')}, onnxruntime {_ort_version()}, dlib {_version('dlib-bin')}"
        )
    ]


def _cores() -> list[Finding]:
    import psutil

    from export.runtime.session_options import physical_cores

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = physical_cores()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    memory = psutil.virtual_memory()
    text = f"{cores} cores ({usable} threads), load {load:.1f}"
    found = [
        Finding("cores", "ok", text)
        if cores >= 2
        else Finding("cores", "note", text, "a 256 look at 30 frames a second wants 2 cores, or a GPU")
    ]
    free = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    if memory.available < LEAST_MEMORY:
        found.append(Finding("memory", "note", free, "a show takes up to 1 GB and training 3 GB: close other programs"))
    else:
        found.append(Finding("memory", "ok", free))
    return found


# --------------------------------------------------------------------------------------------------- the screen


def _screen() -> list[Finding]:
    chosen = os.environ.get("QT_QPA_PLATFORM", "")
    session = ", ".join(f"{key}={os.environ[key]}" for key in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(key))
    if sys.platform.startswith("linux") and not session:
        screen = Finding(
            "screen", "missing", "neither DISPLAY nor WAYLAND_DISPLAY is set", "connect one, or use --headless"
        )
    else:
        screen = Finding("screen", "ok", session or platform.system())
    if find_spec("PyQt5") is None:
        return [
            screen,
            Finding("windows (Qt)", "missing", "PyQt5 is not installed", "pip install PyQt5; or use --headless"),
        ]
    # Without a screen only the libraries of Qt are checked, on its offscreen platform.
    platform_name = chosen or ("offscreen" if screen.state == "missing" else "")
    return [screen, _qt(platform_name)]


def _qt(platform_name: str) -> Finding:
    program = (
        "from PyQt5.QtWidgets import QApplication; a = QApplication(['guise']);"
        "screens = (f'{s.name()} {s.size().width()}x{s.size().height()}'.strip() for s in a.screens());"
        "print(a.platformName(), *screens, sep=', ')"
    )
    environment = os.environ | ({"QT_QPA_PLATFORM": platform_name} if platform_name else {})
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", program],
            capture_output=True,
            text=True,
            timeout=QT_WITHIN_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("windows (Qt)", "missing", f"Qt does not answer: {type(error).__name__}", "use --headless")
    if ended.returncode == 0:
        return Finding("windows (Qt)", "ok", ended.stdout.strip())
    first_error = next((line for line in ended.stderr.splitlines() if line.strip()), "it said nothing")
    advice = f"apt-get install {XCB_PACKAGES} libgl1"
    return Finding("windows (Qt)", "missing", first_error.strip(), f"{advice}; or use --headless")


# ---------------------------------------------------------------------------------------------- picture and sound


def _cameras() -> list[Finding]:
    from live.picture.sources.webcam import cameras

    if not sys.platform.startswith("linux"):
        return [Finding("cameras", "note", "not listed on this system", "name one by its number: --camera 0")]
    found = cameras()
    if not found:
        return [
            Finding("cameras", "missing", "no camera is connected", "connect one, or use --camera FILE, URL or demo")
        ]
    return [Finding("cameras", "ok", ", ".join(f"{number}: {name}" for number, name in found.items()))]


def _sound() -> list[Finding]:
    try:
        import sounddevice
    except ImportError as error:
        return [Finding("PortAudio", "missing", str(error), "pip install sounddevice")]
    except OSError as error:
        advice = (
            "apt-get install libportaudio2"
            if sys.platform.startswith("linux")
            else "pip install --force-reinstall sounddevice"
        )
        return [Finding("PortAudio", "missing", error_text(error), f"{advice}; until then files and `none` work")]
    return [Finding("PortAudio", "ok", sounddevice.get_portaudio_version()[1]), *_sound_devices()]


def _sound_devices() -> list[Finding]:
    import sounddevice

    devices = sounddevice.query_devices()
    microphones = [d["name"] for d in devices if d["max_input_channels"] > 0]
    speakers = [d["name"] for d in devices if d["max_output_channels"] > 0]
    found = []
    for name, option, devices_found in (("microphones", "--mic", microphones), ("speakers", "--speaker", speakers)):
        if devices_found:
            found.append(Finding(name, "ok", ", ".join(dict.fromkeys(devices_found))))
        else:
            found.append(Finding(name, "missing", "none is connected", f"connect one, or use {option} none"))
    return found


def _real_time() -> list[Finding]:
    """Whether the sound engine may use real-time priority; it works without, but on a busy machine the sound may be
    late."""
    if not sys.platform.startswith("linux"):
        return []
    import resource

    from live.sound.priority import ROUND_ROBIN

    allowed, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if os.geteuid() == 0 or allowed == resource.RLIM_INFINITY or allowed >= ROUND_ROBIN:
        return [Finding("real-time sound", "ok", "allowed")]
    advice = "write `@audio - rtprio 20` to /etc/security/limits.d/audio.conf, join the group audio, log in again"
    return [Finding("real-time sound", "note", "not allowed: a busy machine may be late with the sound", advice)]


def _movies() -> list[Finding]:
    import av

    wanted = {"libx264": "w", "h264": "r", "aac": "r"}
    missing = []
    for codec, mode in wanted.items():
        try:
            av.codec.Codec(codec, mode)  # type: ignore[arg-type]
        except Exception:  # PyAV raises a class of its own for an unknown codec.
            missing.append(codec)
    text = f"PyAV {av.__version__}"
    if missing:
        library = Finding(
            "movies", "missing", f"{text} lacks {', '.join(missing)}", "pip install --force-reinstall av", True
        )
    else:
        library = Finding("movies", "ok", f"{text}, records H.264", "", True)
    program = shutil.which("ffmpeg")
    tool = "the program is there" if program else "the program is not there; Guise needs it for nothing"
    return [library, Finding("ffmpeg", "ok" if program else "note", tool)]


# --------------------------------------------------------------------------------------------------------- models


def _landmarks() -> list[Finding]:
    from models.features.face_points import LandmarkFileMissing, descriptor_file, landmark_file

    found = []
    for name, file, essential in (("landmark file", landmark_file, True), ("face descriptor", descriptor_file, False)):
        try:
            path = file()
        except LandmarkFileMissing as error:
            found.append(Finding(name, "missing", str(error), "pip install face_recognition_models", essential))
            continue
        own = os.environ.get("GUISE_LANDMARKS" if essential else "GUISE_DESCRIPTOR")
        licence = (
            ""
            if own or not essential
            else ": trained on iBUG 300-W, not for commercial use; GUISE_LANDMARKS names another"
        )
        found.append(Finding(name, "ok", f"{path.name}{licence}", "", essential))
    return found


def _providers() -> list[Finding]:
    # Imported here: checking for CUDA loads its libraries into this process.
    from export.runtime.providers import PROVIDERS, unavailable_reason

    found = []
    for name in PROVIDERS:
        reason = unavailable_reason(name)
        if reason is None:
            found.append(Finding(f"performs on {name}", "ok", "ready"))
        else:
            advice = reason.partition("(install ")[2].rstrip(")")
            found.append(Finding(f"performs on {name}", "missing", reason.partition(" (install ")[0], _extra(advice)))
    return found


def _extra(package: str) -> str:
    return (
        f"pip install {package!r} (or the extra: pip install 'guise[gpu]')"
        if package
        else "only for machines with an NVIDIA GPU"
    )


def _training() -> list[Finding]:
    missing = [
        name
        for name in ("torch", "lightning_fabric", "safetensors", "tensorboard", "onnxscript")
        if find_spec(name) is None
    ]
    if missing:
        return [
            Finding(
                "training",
                "missing",
                f"{', '.join(missing)} not installed",
                "pip install 'guise[train]'; performing needs none of it",
            )
        ]
    return [Finding("training", "ok", f"torch {_version('torch')}")]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"


def _ort_version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    _python,
    _packages,
    _cores,
    _screen,
    _cameras,
    _sound,
    _real_time,
    _movies,
    _landmarks,
    _providers,
    _training,
)
