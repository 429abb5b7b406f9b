"""Models are held to a time: what takes longer is stopped, and what cannot be stopped is left behind.

One thread of the process looks ten times a second at whatever runs; it sleeps while nothing does, and a run costs a
microsecond. Seconds are counted by its own looks, so that a machine that stood still (suspended, paused) is not taken
for a model that hangs. Free of torch and of ONNX Runtime.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from export.artifact.fields import Kind

PREPARE_S = 8.0
"""A model loads and warms within this, all in all."""
OFFLINE_S = 60.0
"""A run where nobody waits for the picture or the sound."""
GRACE_S = 1.0
"""What was told to stop has this long to do so, before it is left behind."""

_TICK_S = 0.1
_IDLE_TICKS = 30
RUN_S: dict[Kind, float] = {"look": 0.5, "voice": 1.0, "reading": OFFLINE_S}

_Result = TypeVar("_Result")


class RunTooLong(RuntimeError):
    """A model did not answer in time; the message is one line."""


def run_limit_s(kind: Kind) -> float:
    """How long one run of a model of this kind may take in this process: on stage, unless `allow_slow_runs`."""
    return RUN_S[kind]


def allow_slow_runs() -> None:
    """From now on no model of this process performs live: each run may take OFFLINE_S."""
    for kind in RUN_S:
        RUN_S[kind] = OFFLINE_S


class Watched:
    """Something that runs again and again and may be stopped. One run at a time; `begin` and `end` in its thread."""

    def __init__(self, stop: Callable[[], None]) -> None:
        """`stop` is called once in a run that takes too long, by the watchdog's thread; it must return at once."""
        self.stop = stop
        self.left_s = 0.0
        self.stopped = False

    def begin(self, limit_s: float) -> None:
        self.left_s = limit_s
        self.stopped = False
        _WATCHDOG.add(self)

    def end(self) -> bool:
        """Whether this run was told to stop."""
        _WATCHDOG.remove(self)
        return self.stopped


class _Watchdog:
    """The thread that looks at whatever runs. It begins with the first run and never ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Watched] = set()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, watched: Watched) -> None:
        with self._lock:
            self._running.add(watched)
            asleep = not self._wanted.is_set()
        if asleep:
            self._wake()

    def remove(self, watched: Watched) -> None:
        with self._lock:
            self._running.discard(watched)

    def _wake(self) -> None:
        with self._lock:
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="model-watchdog", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        idle_ticks = 0
        while True:
            self._wanted.wait()
            looked_at = time.monotonic()
            time.sleep(_TICK_S)
            passed_s = min(time.monotonic() - looked_at, 2 * _TICK_S)
            with self._lock:
                idle_ticks = 0 if self._running else idle_ticks + 1
                for watched in self._running:
                    _spend(watched, passed_s)
                if idle_ticks >= _IDLE_TICKS:
                    self._wanted.clear()


def _spend(watched: Watched, passed_s: float) -> None:
    watched.left_s -= passed_s
    if watched.left_s < 0 and not watched.stopped:
        watched.stopped = True
        watched.stop()


_WATCHDOG = _Watchdog()


class _Raised(NamedTuple):
    """A task's exception in place of its result."""

    error: BaseException


Answers = SimpleQueue[_Result | _Raised]
"""Where a thread puts what its tasks return or raise."""


def finish_within(limit_s: float, task: Callable[[], _Result]) -> _Result:
    """What `task` returns or raises, from a thread of its own.

    Raises TimeoutError when it takes longer; its thread, which nobody can end, is then left behind.
    """
    answers: Answers[_Result] = SimpleQueue()
    thread = threading.Thread(target=answer, args=(task, answers), name="model-trial", daemon=True)
    thread.start()
    try:
        return wait_for_answer(answers, limit_s)
    finally:
        thread.join(0.0)


def answer(task: Callable[[], _Result], answers: Answers[_Result]) -> None:
    """Runs `task` and puts what it returns or raises."""
    try:
        answers.put(task())
    except BaseException as error:
        answers.put(_Raised(error))
        del task  # The error knows this frame, and must not keep the task alive.


def wait_for_answer(answers: Answers[_Result], limit_s: float) -> _Result:
    """What the next of `answers` says: its result, or its exception raised. Raises TimeoutError after `limit_s`, of
    which time that the machine stood still is no part."""
    while limit_s > 0:
        looked_at = time.monotonic()
        try:
            found = answers.get(timeout=min(_TICK_S, limit_s))
        except Empty:
            limit_s -= min(time.monotonic() - looked_at, 2 * _TICK_S)
            continue
        if isinstance(found, _Raised):
            raise found.error
        return found
    raise TimeoutError
