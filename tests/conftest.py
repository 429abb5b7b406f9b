"""What every test shares: the real footage, and a watch over threads and processes left behind."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import dlib
import psutil
import pytest

from export.runtime import time_limit

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Stage windows that tests leave alone are found by these tests and no others.
os.environ["GUISE_RUNTIME_DIR"] = str(Path(tempfile.gettempdir(), f"guise-tests-{os.getpid()}"))
cv2.setNumThreads(1)

DATA = Path(os.environ.get("GUISE_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real footage and speech ($GUISE_DATA or ../shared/data)."""
    if not (DATA / "video").is_dir():
        reason = "no real footage: set GUISE_DATA to a folder with video/, speech/ and faces/"
        if os.environ.get("GUISE_DATA_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return DATA


@pytest.fixture(scope="session")
def footage(data: Path) -> Path:
    """The videos of the real footage."""
    return data / "video"


@pytest.fixture(scope="session", autouse=True)
def dlib_is_read_once() -> Iterator[None]:
    """Its predictor and detector take most of a second each time; whoever asks gets the same. The predictor never
    changes; the detector works in what it holds, so each thread has its own."""
    read, made = dlib.shape_predictor, dlib.get_frontal_face_detector
    predictor = cache(lambda path, written_ns: read(path))
    detector = cache(lambda thread: made())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dlib, "shape_predictor", lambda path: predictor(path, os.stat(path).st_mtime_ns))
        patch.setattr(dlib, "get_frontal_face_detector", lambda: detector(threading.get_ident()))
        yield


STAGE_RUN_S = dict(time_limit.RUN_S)


def _ours(thread: threading.Thread) -> bool:
    # tqdm's and TensorBoard's own writers end by themselves; everything else that outlives a test is a leak. One
    # watchdog over models serves the process as long as it lives.
    return thread is not threading.main_thread() and thread.name not in {"pydevd", "tqdm_monitor", "model-watchdog"}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test that leaves a thread or a process running."""
    before = set(threading.enumerate())
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    deadline = time.monotonic() + 3
    while True:
        threads = [t for t in threading.enumerate() if t not in before and _ours(t) and t.is_alive()]
        processes = [p for p in psutil.Process().children(recursive=True) if p.pid not in children and _runs(p)]
        if not threads and not processes:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: threads {threads}, processes {processes}")
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def models_are_held_to_the_stage_s_time() -> None:
    """A verb that a test before this one called may have allowed its process more, for good."""
    time_limit.RUN_S.update(STAGE_RUN_S)


def _runs(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    # Python's own helpers live as long as the interpreter that started them.
    return "resource_tracker" not in command and "forkserver" not in command


FUZZED = {"shows": 10_000, "models": 10_000, "loads": 300, "media": 400, "verbs": 40}
"""Of what tests/fuzz draws, and how many."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seed", type=int, default=None, help="what random items are drawn by; else by the clock")
    for what, count in FUZZED.items():
        parser.addoption(f"--fuzz-{what}", type=int, default=count, help=f"how many {what} (default: {count})")


@pytest.fixture(scope="session")
def fuzz_seed(pytestconfig: pytest.Config) -> int:
    """Printed, so that what was found can be found again."""
    given = pytestconfig.getoption("fuzz_seed")
    seed = int(time.time()) if given is None else int(given)
    print(f"\n--fuzz-seed {seed}")
    return seed
