"""Runs the mixer, in a thread or in the caller: takes blocks in order and returns each converted, as soon as it can.

The engine's loop only submits and takes, so it can still write the dry signal when a voice is late. A block that comes
too late is discarded; a thread that has fallen far behind drops its backlog, which the loop counts as missed blocks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from live.process.frames import now
from live.sound.mixer import VoiceMixer
from models.features.types import Mono

MAX_BACKLOG = 40
"""Blocks that may wait. With more the machine cannot keep up with the voice, and would not catch up."""

ErrorCallback = Callable[[str], None]


class InlineVoiceRunner:
    """The mixer without a thread: `submit` itself converts. For tests, and where time does not matter."""

    def __init__(self, mixer: VoiceMixer, on_error: ErrorCallback) -> None:
        """
        Args:
            on_error: called with what made a voice fail, in the thread that converts.
        """
        self._mixer = mixer
        self._on_error = on_error
        self._ready: dict[int, Mono] = {}
        self.compute_s: deque[float] = deque(maxlen=1000)
        """The computing time of each of the newest blocks, for the loop to empty."""

    def submit(self, index: int, block: Mono) -> None:
        """Convert this block, (block,); blocks come in order."""
        converted = self._convert(block)
        if converted is not None:
            self._ready[index] = converted

    def take(self, index: int) -> Mono | None:
        """The converted block, or None when it is not there (yet)."""
        return self._ready.pop(index, None)

    def skip(self, index: int) -> None:
        """Discard the blocks up to this one, those that are still to be converted included."""
        self._ready.pop(index, None)

    def call_soon(self, function: Callable[[VoiceMixer], object]) -> None:
        """Call the function with the mixer between two blocks."""
        try:
            function(self._mixer)
        except Exception as error:  # what a voice raises must end nothing but that voice
            self._on_error(_one_line(error))

    def close(self) -> None:
        return

    def _convert(self, block: Mono) -> Mono | None:
        began = now()
        try:
            converted = self._mixer.process(block)
        except Exception as error:
            self._on_error(_one_line(error))
            return None
        self.compute_s.append(now() - began)
        if not np.isfinite(converted).all():
            self._on_error("it gave numbers that are no sound")
            return None
        return converted


class ThreadedVoiceRunner(InlineVoiceRunner):
    """`submit`, `take`, `skip` and `call_soon` belong to the loop and never wait; the mixer belongs to the thread."""

    def __init__(self, mixer: VoiceMixer, on_error: ErrorCallback, wake: Callable[[], None]) -> None:
        """
        Args:
            wake: called in the thread when a block is ready.
        """
        super().__init__(mixer, on_error)
        self._wake = wake
        self._blocks: deque[tuple[int, Mono]] = deque()
        self._calls: deque[Callable[[VoiceMixer], object]] = deque()
        self._wanted_from = 0
        self._condition = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def submit(self, index: int, block: Mono) -> None:
        with self._condition:
            self._blocks.append((index, block))
            self._condition.notify_all()

    def take(self, index: int) -> Mono | None:
        with self._condition:
            return self._ready.pop(index, None)

    def skip(self, index: int) -> None:
        with self._condition:
            self._wanted_from = index + 1
            for late in [at for at in self._ready if at <= index]:
                del self._ready[late]

    def call_soon(self, function: Callable[[VoiceMixer], object]) -> None:
        with self._condition:
            self._calls.append(function)
            self._condition.notify_all()

    def close(self) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(2.0)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._blocks or self._calls or self._closing)
                if self._closing:
                    return
                calls = list(self._calls)
                self._calls.clear()
                if len(self._blocks) > MAX_BACKLOG:
                    self._blocks.clear()
                next_block = self._blocks.popleft() if self._blocks else None
            for function in calls:
                super().call_soon(function)
            if next_block is not None:
                self._convert_and_publish(*next_block)

    def _convert_and_publish(self, index: int, block: Mono) -> None:
        converted = self._convert(block)
        if converted is None:
            return
        with self._condition:
            if index >= self._wanted_from:
                self._ready[index] = converted
        self._wake()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
