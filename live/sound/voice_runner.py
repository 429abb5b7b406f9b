"""The thread that speaks: it takes blocks in their order and gives them back converted, as soon as it can.

The engine's loop only hands over and takes back, so it can still write the dry signal when a voice is late. What cannot
be had in time is thrown away; a thread that has fallen far behind drops what waits, and says so.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from live.process.frames import now
from live.sound.mixer import VoiceMixer
from models.features.types import Mono

MOST_BEHIND = 40
"""Blocks that may wait. Beyond, the machine cannot keep up with the voice, and catching up would take for ever."""

Trouble = Callable[[str], None]


class InlineVoiceRunner:
    """The mixer without a thread: `submit` itself converts. For tests and whoever has all the time there is."""

    def __init__(self, mixer: VoiceMixer, trouble: Trouble) -> None:
        """
        Args:
            trouble: told what a voice died of, in the thread that converts.
        """
        self._mixer = mixer
        self._trouble = trouble
        self._ready: dict[int, Mono] = {}
        self.compute_s: deque[float] = deque(maxlen=1000)
        """What each of the newest blocks took, for the loop to empty."""
        self.dropped = 0
        """Blocks that were not converted at all."""

    def submit(self, index: int, block: Mono) -> None:
        said = self._convert(block)
        if said is not None:
            self._ready[index] = said

    def take(self, index: int) -> Mono | None:
        """The converted block, or None when it is not there (yet)."""
        return self._ready.pop(index, None)

    def skip(self, index: int) -> None:
        """Nobody wants the blocks up to this one any more."""
        self._ready.pop(index, None)

    def ask(self, what: Callable[[VoiceMixer], object]) -> None:
        """Have this done between two blocks."""
        try:
            what(self._mixer)
        except Exception as error:  # what a voice raises must end nothing but that voice
            self._trouble(_one_line(error))

    def close(self) -> None:
        return

    def _convert(self, block: Mono) -> Mono | None:
        began = now()
        try:
            said = self._mixer.process(block)
        except Exception as error:
            self._trouble(_one_line(error))
            return None
        self.compute_s.append(now() - began)
        if not np.isfinite(said).all():
            self._trouble("it gave numbers that are no sound")
            return None
        return said


class ThreadedVoiceRunner(InlineVoiceRunner):
    """`submit`, `take`, `skip` and `ask` belong to the loop and never wait; the mixer belongs to the thread."""

    def __init__(self, mixer: VoiceMixer, trouble: Trouble, wake: Callable[[], None]) -> None:
        """
        Args:
            wake: called in the thread when a block is ready.
        """
        super().__init__(mixer, trouble)
        self._wake = wake
        self._work: deque[tuple[int, Mono]] = deque()
        self._asked: deque[Callable[[VoiceMixer], object]] = deque()
        self._wanted_from = 0
        self._mail = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def submit(self, index: int, block: Mono) -> None:
        with self._mail:
            self._work.append((index, block))
            self._mail.notify_all()

    def take(self, index: int) -> Mono | None:
        with self._mail:
            return self._ready.pop(index, None)

    def skip(self, index: int) -> None:
        with self._mail:
            self._wanted_from = index + 1
            for late in [at for at in self._ready if at <= index]:
                del self._ready[late]

    def ask(self, what: Callable[[VoiceMixer], object]) -> None:
        with self._mail:
            self._asked.append(what)
            self._mail.notify_all()

    def close(self) -> None:
        with self._mail:
            self._closing = True
            self._mail.notify_all()
        self._thread.join(2.0)

    def _run(self) -> None:
        while True:
            with self._mail:
                self._mail.wait_for(lambda: self._work or self._asked or self._closing)
                if self._closing:
                    return
                asked = list(self._asked)
                self._asked.clear()
                if len(self._work) > MOST_BEHIND:
                    self.dropped += len(self._work)
                    self._work.clear()
                work = self._work.popleft() if self._work else None
            for what in asked:
                super().ask(what)
            if work is not None:
                self._speak(*work)

    def _speak(self, index: int, block: Mono) -> None:
        said = self._convert(block)
        if said is None:
            return
        with self._mail:
            if index >= self._wanted_from:
                self._ready[index] = said
        self._wake()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
