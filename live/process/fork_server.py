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
    with processes_lock:
        resource_tracker.ensure_running()  # now: its start lifts the signal mask that the fork server is to inherit
    with processes_lock, sigint_blocked(), _importable():
        multiprocessing.set_forkserver_preload(PRELOAD if preload is None else preload)
        forkserver.ensure_running()


def kill_forkserver() -> None:
    """Kill the fork server at once, even while it is importing; an EngineProcess.start that waits for it raises
    ForkServerKilled."""
    killed.set()
    server = _forkserver()
    pid = getattr(server, "_forkserver_pid", None)
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
def _importable() -> Iterator[None]:
    """Put the project's root on PYTHONPATH: the fork server imports before it receives this process's sys.path."""
    root = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = root if not before else os.pathsep.join([root, before])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def ensure_forkserver() -> None:
    """Start the fork server unless it runs already, perhaps with another choice of modules."""
    if getattr(_forkserver(), "_forkserver_pid", None) is None:
        start_forkserver()
