"""The operator's end of the stage window: its process, and the messages to and from it. Without Qt.

Runs in the operator's process. A window that another operator's process left behind on this display is taken over; else
one is started, and started anew when it dies or hangs. It is a program of its own and no child of the fork server: it
is there before the fork server has imported what the engines need, and outlives a killed operator, with the safe
picture, until it is taken over or ends itself.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

import psutil

from live.process.frames import now
from live.process.restart_pause import SHORT_LIFE_S, RestartPause
from live.process.shared_frames import SharedFrames
from live.process.silent_time import SilentTime
from live.stage_window.link import MessageLink
from live.stage_window.messages import (
    BecomeWindow,
    CloseStage,
    Drawn,
    FillScreen,
    ShowFrames,
    SignOfLife,
    StageCommand,
    StageMessage,
    TakenOver,
)
from live.stage_window.signs_of_life import END_AFTER_S, Steadiness
from live.stage_window.waiting import find_waiting, runtime_folder

ENTRY = "live.stage_window.process:main"
HUNG_S = 1.0
"""A window that says nothing for so long is taken to hang."""
BUSY_HUNG_S = 3.0
"""One that has just started, which fills its screen and reads the safe picture, or that is running: it may wait for a
processor, and to kill it and start another makes a busy machine only busier."""
STARTING_S = 20.0
"""How long a window has until it first says something: a display may be slow."""
_ROOT = Path(__file__).resolve().parents[2]


class StageWindowProcess:
    """`start` it, call `tick` a few times a second, read `events`, `stop` it. Belongs to one thread, the one whose life
    the window watches; only `stop` waits."""

    def __init__(
        self,
        frames: SharedFrames,
        reader: int = 1,
        *,
        entry: str | None = None,
        end_after_s: float = END_AFTER_S,
        folder: Path | None = None,
    ) -> None:
        """
        Args:
            frames: what the window shows; it is their reader of this number.
            entry: "module:function" of the window's process; None: ENTRY.
            end_after_s: how long the window outlives its operator.
            folder: where windows wait that were left alone; None: the user's own.
        """
        self._frames = frames
        self._reader = reader
        self._entry = entry or ENTRY
        self._end_after_s = end_after_s
        self._folder = folder or runtime_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._link: MessageLink | None = None
        self._steadiness = Steadiness()
        self._silent = SilentTime()
        self._answered = False
        self._began_at = now()
        self._pause = RestartPause()
        self._restart_at: float | None = None
        self._last: dict[str, StageCommand] = {}
        """The newest command of each kind, for a window that is started anew."""
        self._inbox: list[StageMessage] = []
        self._stopped = False
        self.found_on_screen: str | None = None
        """The screen that a window fills which was taken over."""
        self.taken_over = False
        """The window is one that another operator's process has left behind."""
        self.lost = False
        """Another operator's process has taken the window over: this one has none any more."""
        self.trouble: str | None = None
        """Why the window is being started anew; None while it is there."""

    # ---- the process

    def start(self) -> None:
        """Takes a waiting window over, or starts one; commands may be sent at once."""
        waiting = find_waiting(self._folder)
        if waiting is None:
            self._begin()
            return
        self.taken_over = True
        self.found_on_screen = waiting.on_screen
        self._pid = waiting.pid
        self._introduce(waiting.link)

    def _begin(self) -> None:
        """Starts the process. When it fails, the link ends, as when the process dies."""
        _reap(self._process)
        ours, theirs = socket.socketpair()
        with theirs, suppress(OSError):
            self._process = subprocess.Popen(
                # -P: modules of the folder that the program is started in are none of its own.
                [sys.executable, "-P", "-m", "live.stage_window", self._entry, str(theirs.fileno()),
                 str(self._end_after_s), str(self._folder)],
                env=_environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            self._pid = self._process.pid
        self._introduce(MessageLink(ours))

    def _introduce(self, link: MessageLink) -> None:
        """Sends a new window what it needs to be as the one before."""
        self._link = link
        self._silent, self._answered, self._began_at = SilentTime(), False, now()
        link.send(ShowFrames(*astuple(self._frames.layout)), [self._frames.wake_fd(self._reader)])
        for command in self._last.values():
            link.send(command)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Ends the window, or kills it; `events` then returns what it still said. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        if self._link is not None and not self.lost:
            self._end(self._link, timeout_s)
        if not self.lost:
            _reap(self._process)

    def _end(self, link: MessageLink, timeout_s: float) -> None:
        link.send(CloseStage())
        until = now() + timeout_s
        while not link.closed and now() < until:
            link.flush()
            select.select([link], [], [], 0.02)
            self._inbox += link.receive()
        if not link.closed:
            self._kill()
        link.close()

    def _kill(self) -> None:
        """Kills the window's process, which need not be a child of this one."""
        if self._pid is not None:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
        self._pid = None

    @property
    def pid(self) -> int | None:
        """The window's process; None before it has started."""
        return self._pid

    # ---- messages

    def fileno(self) -> int:
        """Readable when there are events; changes with every start. -1 while there is no window."""
        return -1 if self._link is None or self._link.closed else self._link.fileno()

    def send(self, command: StageCommand) -> None:
        """Sends a command; one of a kind is kept for a window that is started anew."""
        kind = "place" if isinstance(command, FillScreen | BecomeWindow) else type(command).__name__
        self._last.pop(kind, None)
        self._last[kind] = command
        if self._link is not None:
            self._link.send(command)

    def events(self) -> list[StageMessage]:
        """The events that have arrived since the last call, oldest first."""
        events, self._inbox = self._inbox, []
        if self._link is not None and not self._stopped:
            events += self._link.receive()
        if events:
            self._silent.reset()
            self._answered = True
        if any(isinstance(event, TakenOver) for event in events):
            self._lose()
        if any(isinstance(event, Drawn) for event in events):
            self.trouble = None
        return events

    def _lose(self) -> None:
        self.lost = True

    def tick(self) -> None:
        """Shows the window that this thread lives, and has it started anew when it has died or hangs. Call it every
        SIGN_EVERY_S, after `events`."""
        link = self._link
        if link is None or self.lost or self._stopped:
            return
        self._silent.tick()
        if self._steadiness.tick() and not link.closed and link.clear:
            link.send(SignOfLife())
        if link.closed and self._restart_at is None:
            self._fail("died")
        elif self._silent.seconds > self._patience_s and not link.closed:
            self._kill()
            self._fail(f"gives no sign of life for {self._silent.seconds:.1f} s")
        if self._restart_at is not None and now() >= self._restart_at:
            self._restart_at = None
            self._begin()

    @property
    def _patience_s(self) -> float:
        if not self._answered:
            return STARTING_S
        young = now() - self._began_at < SHORT_LIFE_S
        return BUSY_HUNG_S if young or (self._silent.seconds > HUNG_S and _is_running(self._pid)) else HUNG_S

    def _fail(self, what: str) -> None:
        self.trouble = self.trouble or what
        self._restart_at = now() + self._pause.after(now() - self._began_at)
        if self._link is not None:
            self._link.close()


def _environment() -> dict[str, str]:
    """This process's own, in which the program's modules are found."""
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _is_running(pid: int | None) -> bool:
    """It runs, or would if it had a processor; it neither sleeps nor is it stopped."""
    if pid is None:
        return False
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_RUNNING)
    return False


def _reap(process: subprocess.Popen[bytes] | None) -> None:
    """Kills a process that still runs, and waits for its end."""
    if process is None:
        return
    if process.poll() is None:
        process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(2.0)
