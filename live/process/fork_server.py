"""The fork server that engine processes are forked from: starting it, ending it, what it imports.

Belongs to the operator's process; every function may be called from any thread. On Linux an engine is forked from a
server process that has imported the heavy libraries already; elsewhere engines are spawned and the functions that
start or end the server do nothing. With the last engine the fork server ends, and with it the resource tracker, which
removes the shared memory.

`guise live` imports this module before anything else, so it must stay light: the standard library alone.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from pathlib import Path

PRELOAD = ["live.picture.preload", "live.sound.engine"]
"""Modules that the fork server imports once. They may open no session, device or thread."""

processes_lock = threading.RLock()
"""Held around every call that starts or polls a child: multiprocessing keeps its list of children without a lock, and
several threads use it here."""
killed = threading.Event()
"""Set while the fork server is ended on purpose; a thread that still waits for it raises ForkServerKilled."""


_FIRST_START_S = 30.0
"""How long the first engine of a fork server may take to start: the server imports heavy libraries before."""
_LATER_START_S = 8.0


class ForkServerKilled(EOFError):
    """`kill_forkserver` was called while an engine was being started: the program is ending, nothing has failed."""


def engine_context() -> BaseContext:
    """The multiprocessing context of all engines: forkserver on Linux, spawn elsewhere."""
    if sys.platform == "linux":
        context: BaseContext = multiprocessing.get_context("forkserver")
    else:
        context = multiprocessing.get_context("spawn")
    return context


def start_forkserver(preload: list[str] | None = None) -> None:
    """Start the fork server, which imports `preload` (default: PRELOAD) in its own process; returns within
    milliseconds. Does nothing on other systems than Linux.

    Call it first in a program that performs. A second call does nothing.
    """
    if sys.platform != "linux":
        return
    from multiprocessing import forkserver, resource_tracker

    killed.clear()
    atexit.register(kill_forkserver)  # the program may end before it performs: bad input, --help, Ctrl-C
    with starting_python():
        resource_tracker.ensure_running()  # now: its start lifts the signal mask that the fork server is to inherit
    with starting_python(), sigint_blocked():
        multiprocessing.set_forkserver_preload(PRELOAD if preload is None else preload)
        forkserver.ensure_running()


def kill_forkserver() -> None:
    """Kill the fork server at once, even while it is importing; an EngineProcess.start that waits for it raises
    ForkServerKilled."""
    killed.set()
    replace_forkserver()


def replace_forkserver() -> None:
    """Kill a fork server that hangs: an EngineProcess.start that waits for it raises EOFError, the next starts another.
    The engines that it has forked go on."""
    pid = getattr(_forkserver(), "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_forkserver() -> None:
    """Kill the fork server and wait for its end. Call it last, after the engines have ended; the server starts again
    when it is needed."""
    kill_forkserver()
    stop = getattr(_forkserver(), "_stop", None)
    if stop is not None:
        with processes_lock:
            stop()


def expected_start_s() -> float:
    """How long a process may take to start before the fork server is taken to hang."""
    served = getattr(_forkserver(), "_forkserver_pid", None) in _served
    return _LATER_START_S if served else _FIRST_START_S


def note_served() -> None:
    """The fork server has started a process."""
    _served[:] = [getattr(_forkserver(), "_forkserver_pid", None)]


_served: list[int | None] = []
"""The fork server that has started a process, by its pid."""


def _forkserver() -> object:
    """multiprocessing's private ForkServer object; None on other systems than Linux."""
    if sys.platform != "linux":
        return None
    from multiprocessing import forkserver

    found: object = getattr(forkserver, "_forkserver", None)
    return found


def remove_orphaned_files() -> None:
    """In a child: remove the parent's temporary folder with the fork server's socket, which a killed parent leaves
    behind."""
    parent = multiprocessing.parent_process()
    folder = getattr(multiprocessing.current_process(), "_config", {}).get("tempdir")
    if folder is not None and parent is not None and not parent.is_alive():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT in this thread. A process started inside inherits the mask and never gets Ctrl-C; this process
    gets it when the block is left."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def starting_python() -> Iterator[None]:
    """While multiprocessing may start a Python: hold `processes_lock`; put the project's root on PYTHONPATH, because
    the fork server imports before it receives this process's sys.path; and keep the current folder out of it, else a
    file `av.py` beside the show is run."""
    root, known = str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")
    # A helper of multiprocessing's that somebody killed is started again, and nobody needs to be told.
    warnings.filterwarnings("ignore", message="resource_tracker: process died unexpectedly")
    with (
        processes_lock,
        _environment("PYTHONPATH", os.pathsep.join(filter(None, [root, known]))),
        _environment("PYTHONSAFEPATH", "1"),
    ):
        yield


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def ensure_forkserver() -> None:
    """Start the fork server unless it runs already, perhaps with another choice of modules."""
    if sys.platform != "linux":
        return
    if getattr(_forkserver(), "_forkserver_pid", None) is None:
        start_forkserver()
    else:
        from multiprocessing import forkserver

        with starting_python(), sigint_blocked():
            forkserver.ensure_running()
