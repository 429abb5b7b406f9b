"""What both engines share: their processes, the link that commands and events cross by, and how they end.

An engine is a multiprocessing child: forked from a server that has imported the heavy libraries on Linux,
spawned elsewhere. Commands and events are plain frozen dataclasses and cross by one pipe. On both sides a
thread reads and a thread writes, so that neither the StageManager nor an engine's loop ever waits for the
other.

An engine ends itself when its pipe does: its loop sees `EngineLink.closed`; should the loop hang, the reading
thread ends the process; should the loop hang holding Python's lock, a watchdog outside of Python does. So
nothing outlives a parent that was killed. With the last engine the fork server goes, and with it the resource
tracker, which removes the shared memory.

This module is imported first by `guise live` and must stay light: the standard library and live.process.messages alone.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from live.process.messages import Command, Event, Fault, Heartbeat, Stop

# ---- fork server

PRELOAD = ["live.picture.preload", "live.sound.engine"]
"""Imported once by the fork server. They may open no session, device or thread."""

_TIDY_S = 1.0
"""What a loop gets to end by itself when the pipe has closed."""
_HANG_S = 20.0
"""Longest time Python's lock may be held in an engine; the StageManager has given up on it long before."""
_OUTBOX = 512

_processes = threading.RLock()
"""multiprocessing keeps its list of children without a lock; here several threads start and ask."""
_killed = threading.Event()
"""The fork server was ended on purpose: whoever still waits for it is told so."""


class ForkServerKilled(EOFError):
    """`kill_forkserver` was called while an engine waited to be started: the program ends, and nothing has failed."""


def engine_context() -> BaseContext:
    """forkserver on Linux, spawn elsewhere."""
    if sys.platform == "linux":
        context: BaseContext = multiprocessing.get_context("forkserver")
    else:
        context = multiprocessing.get_context("spawn")
    return context


def start_forkserver(preload: list[str] | None = None) -> None:
    """Begin importing what engines need, in a process of its own; returns within milliseconds. Linux; else
    nothing.

    Call it first thing in a program that performs. A second call does nothing.
    """
    if sys.platform != "linux":
        return
    from multiprocessing import forkserver, resource_tracker

    _killed.clear()
    atexit.register(kill_forkserver)  # a program may end before it performs: bad input, --help, Ctrl-C
    with _processes:
        resource_tracker.ensure_running()  # now: while it starts it lifts the mask that the fork server is to inherit
    with _processes, sigint_blocked(), _importable():
        multiprocessing.set_forkserver_preload(PRELOAD if preload is None else preload)
        forkserver.ensure_running()


def kill_forkserver() -> None:
    """End the fork server at once, also while it still imports; whoever waits for it in `start` gets
    ForkServerKilled."""
    _killed.set()
    server = _forkserver()
    pid = getattr(server, "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_forkserver() -> None:
    """End the fork server and wait for it. Last thing in a program, after its engines; it starts again when needed."""
    kill_forkserver()
    stop = getattr(_forkserver(), "_stop", None)
    if stop is not None:
        with _processes:
            stop()


def _forkserver() -> Any:
    """multiprocessing's own object for it, which is private; None where there is none."""
    if sys.platform != "linux":
        return None
    from multiprocessing import forkserver

    return getattr(forkserver, "_forkserver", None)


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """What is started here never gets Ctrl-C: the mask is inherited. Here it arrives a moment later."""
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
    """The fork server imports before it is told our path, so the house is named in its environment."""
    house = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = house if not before else os.pathsep.join([house, before])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


# ---- both ends


class Channel:
    """One end of the pipe: a thread that reads and a thread that writes. Sending never waits."""

    def __init__(
        self,
        connection: Connection[Any, Any],
        name: str,
        on_arrival: Callable[[Any], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._connection = connection
        self._on_arrival = on_arrival
        self._on_end = on_end
        self._inbox: deque[Any] = deque()
        self._outbox: deque[Any] = deque()
        self._mail = threading.Condition()
        self._closing = False
        self._idle = True
        self._woken = False
        self.ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"{name}-reads", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"{name}-writes", daemon=True)

    def start(self) -> None:
        self._reader.start()
        self._writer.start()

    def take(self) -> list[Any]:
        with self._mail:
            taken = list(self._inbox)
            self._inbox.clear()
        return taken

    def wait(self, timeout_s: float) -> bool:
        """Wait for something to take, or for `wake`; True when there is something."""
        with self._mail:
            self._mail.wait_for(lambda: bool(self._inbox) or self._woken or self.ended.is_set(), timeout_s)
            self._woken = False
            return bool(self._inbox)

    def wake(self) -> None:
        """End the other thread's `wait`, or the next one."""
        with self._mail:
            self._woken = True
            self._mail.notify_all()

    def send(self, message: Any) -> None:
        with self._mail:
            if self._closing or self.ended.is_set():
                return
            if len(self._outbox) >= _OUTBOX:
                self._make_room()
            self._outbox.append(message)
            self._mail.notify_all()

    def _make_room(self) -> None:
        """The other side has not read for a long time: the oldest heartbeat is worth least."""
        for at, message in enumerate(self._outbox):
            if isinstance(message, Heartbeat):
                del self._outbox[at]
                return
        self._outbox.popleft()

    def flush(self, timeout_s: float) -> None:
        with self._mail:
            self._mail.wait_for(lambda: self.ended.is_set() or (not self._outbox and self._idle), timeout_s)

    def close(self) -> None:
        """End the writing thread; the reading one ends when the other side closes."""
        with self._mail:
            self._closing = True
            self._mail.notify_all()

    def join(self, timeout_s: float) -> bool:
        """After the other side has gone: wait for both threads and close the pipe. False when they still
        stand."""
        self.close()
        until = time.monotonic() + timeout_s
        for thread in (self._reader, self._writer):
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(until - time.monotonic(), 0.0))
        if self._reader.is_alive() or self._writer.is_alive():
            return False
        self._connection.close()
        return True

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                break
            except Exception:  # a message cut off by a death unpickles to anything
                break
            if self._on_arrival is not None:
                self._on_arrival(message)
            with self._mail:
                self._inbox.append(message)
                self._mail.notify_all()
        self.ended.set()
        with self._mail:
            self._mail.notify_all()
        if self._on_end is not None:
            self._on_end()

    def _write(self) -> None:
        while True:
            with self._mail:
                self._idle = True
                self._mail.notify_all()
                self._mail.wait_for(lambda: bool(self._outbox) or self._closing or self.ended.is_set())
                if self.ended.is_set() or not self._outbox:
                    return
                message = self._outbox.popleft()
                self._idle = False
            try:
                self._connection.send(message)
            except (OSError, ValueError):
                # The other side is gone; the reader says so. ValueError: a message no pipe takes is lost
                # alone.
                continue


# ---- child side


class EngineLink:
    """The engine's end of the pipe. `poll` and `send` belong to its loop and never wait."""

    def __init__(self, connection: Connection[Any, Any], *, guarded: bool = False) -> None:
        """guarded: end the whole process soon after the pipe has closed (in an engine's own process only)."""
        self._post = Channel(connection, "link", on_end=_end_this_process if guarded else None)
        self._post.start()

    def poll(self) -> list[Command]:
        """The commands that have come since the last call, oldest first."""
        return self._post.take()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a command comes; True when one has. Also wakes when the link closes."""
        return self._post.wait(timeout_s)

    def wake(self) -> None:
        """End the loop's `wait`: another thread of the engine's has something for it."""
        self._post.wake()

    def send(self, event: Event) -> None:
        self._post.send(event)

    @property
    def closed(self) -> bool:
        """The parent is gone: end."""
        return self._post.ended.is_set()

    def flush(self, timeout_s: float) -> None:
        """Wait until all events are in the pipe."""
        self._post.flush(timeout_s)

    def close(self, timeout_s: float = 1.0) -> None:
        """For a link within one process (tests): the other end must have been closed."""
        self._post.flush(timeout_s)
        self._post.join(timeout_s)


def _end_this_process() -> None:
    """In the reading thread: let the loop end by itself, else end the process."""
    time.sleep(_TIDY_S)
    _remove_orphaned_files()
    os._exit(3)


def _remove_orphaned_files() -> None:
    """The fork server's socket lies in a temporary folder of the parent's, which a killed parent leaves behind."""
    parent = multiprocessing.parent_process()
    folder = getattr(multiprocessing.current_process(), "_config", {}).get("tempdir")
    if folder is not None and parent is not None and not parent.is_alive():
        shutil.rmtree(folder, ignore_errors=True)


def _guard_against_held_lock(link: EngineLink) -> None:
    """A thread that winds up a watchdog outside of Python again and again: should a library hold Python's
    lock for ever, no thread runs any more, and the watchdog ends the process."""
    with open(os.devnull, "w") as nowhere:
        while not link.closed:
            faulthandler.dump_traceback_later(_HANG_S, exit=True, file=nowhere)
            link._post.ended.wait(2.0)
        faulthandler.dump_traceback_later(_TIDY_S * 2, exit=True, file=nowhere)
        time.sleep(_TIDY_S * 3)


def _engine_main(entry: str, connection: Connection[Any, Any], arguments: tuple[Any, ...]) -> None:
    """Where an engine's process begins. `entry` is "module:function"."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    link = EngineLink(connection, guarded=True)
    threading.Thread(target=_guard_against_held_lock, args=(link,), name="link-guard", daemon=True).start()
    code = 0
    try:
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(link, *arguments)
    except Exception as error:
        code = 1
        link.send(Fault(time.perf_counter(), "engine", _one_line(error)))
        if os.environ.get("GUISE_TRACEBACKS"):
            traceback.print_exc()
    link.flush(1.0)
    _remove_orphaned_files()
    faulthandler.cancel_dump_traceback_later()
    # Graphics drivers and sound servers may hang or crash while a process is taken down; all that matters is
    # sent.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _one_line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


# ---- parent side


class EngineProcess:
    """The StageManager's end: one engine's process. Every method may be called from any thread; only `start`
    (until the fork server has imported), `stop` and `kill` take time."""

    def __init__(
        self,
        name: str,
        entry: str,
        arguments: tuple[Any, ...] = (),
        on_news: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            name: "picture" or "sound".
            entry: "module:function", imported in the child, called as function(link, *arguments).
            arguments: pickled into the child.
            on_news: called in a thread of this object's whenever events() or alive changed; must be short.
        """
        self.name = name
        self._entry = entry
        self._arguments = arguments
        self._on_news = on_news
        self._process: Any = None
        self._post: Channel | None = None
        self._last_heartbeat: float | None = None

    def start(self) -> None:
        """Raises OSError or EOFError when there can be no process (now), ForkServerKilled when there is to be none."""
        context: Any = engine_context()
        start_forkserver_once()
        ours, theirs = context.Pipe(duplex=True)
        process = context.Process(
            target=_engine_main,
            args=(self._entry, theirs, self._arguments),
            name=f"guise-{self.name}",
            daemon=True,
        )
        try:
            with _processes, sigint_blocked():
                process.start()
        except (OSError, EOFError) as error:
            ours.close()
            if _killed.is_set():
                raise ForkServerKilled("the fork server was killed") from error
            raise
        finally:
            theirs.close()
        self._process = process
        self._post = Channel(ours, self.name, on_arrival=self._arrived, on_end=self._on_news)
        self._post.start()

    def _arrived(self, event: Any) -> None:
        if isinstance(event, Heartbeat):
            self._last_heartbeat = time.perf_counter()
        if self._on_news is not None:
            self._on_news()

    def send(self, command: Command) -> None:
        """Never waits; to an engine that is gone it does nothing."""
        if self._post is not None:
            self._post.send(command)

    def events(self) -> list[Event]:
        """What has come since the last call, oldest first."""
        return [] if self._post is None else self._post.take()

    @property
    def alive(self) -> bool:
        """False from the moment its pipe has closed. Take `events()` once more afterwards."""
        return self._post is not None and not self._post.ended.is_set()

    @property
    def last_heartbeat(self) -> float | None:
        """When the newest one came in, by now(); None before the first."""
        return self._last_heartbeat

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Ask it to end and wait; kill it when it does not. True when it ended by itself. Events stay to be
        read."""
        if self._process is None or self._post is None:
            return True
        self.send(Stop())
        ended = self._post.ended.wait(timeout_s)
        if not ended:
            self.kill()
        else:
            self._reap()
        return ended

    def kill(self) -> None:
        """End it at once and wait until it has gone."""
        if self._process is None:
            return
        with _processes:
            if self._process.is_alive():
                self._process.kill()
        self._reap()

    def _reap(self) -> None:
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            with _processes:
                if not self._process.is_alive():
                    break
            time.sleep(0.005)
        else:
            with _processes:
                self._process.kill()
        with _processes:
            self._process.join(1.0)
        if self._post is not None:
            self._post.join(2.0)


def start_forkserver_once() -> None:
    """As start_forkserver, unless a program has already chosen what is preloaded."""
    if getattr(_forkserver(), "_forkserver_pid", None) is None:
        start_forkserver()
