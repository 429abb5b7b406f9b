"""Notices a voice whose thread hangs, and goes on with a new thread and a new mixer.

Belongs to the engine's loop, and never waits. What hangs cannot be ended: its thread is let go of, and what it may
still bring is read by nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from live.process.frames import Clock
from live.process.silent_time import SilentTime
from live.sound.mixer import VoiceMixer
from live.sound.voice import Voice
from live.sound.voice_runner import MixerCall, VoiceResult, VoiceRunner
from models.features.types import Mono

HANGS_S = 1.0
"""A voice thread that has brought nothing for so long hangs."""


class WatchedVoiceRunner:
    """A VoiceRunner whose thread is replaced when it hangs."""

    def __init__(
        self, make_mixer: Callable[[], VoiceMixer], start: Callable[[VoiceMixer], VoiceRunner], clock: Clock
    ) -> None:
        self._make_mixer, self._start = make_mixer, start
        self._mixer = make_mixer()
        self._runner = start(self._mixer)
        self._silent = SilentTime(clock)
        self._submitted = self._answered = -1

    @property
    def at_fault(self) -> Voice | None:
        """The voice that computes just now, else the one that took longest in the newest block."""
        return self._mixer.at_work or self._mixer.slowest

    def submit(self, index: int, block: Mono) -> None:
        if self._submitted == self._answered:
            self._silent.tick()
            self._silent.reset()
        self._submitted = index
        self._runner.submit(index, block)

    def call_soon(self, call: MixerCall) -> None:
        self._runner.call_soon(call)

    def results(self) -> list[VoiceResult]:
        results = self._runner.results()
        self._silent.tick()
        if results:
            self._silent.reset()
        self._answered = max([self._answered, *(result.index for result in results if result.index is not None)])
        return results

    @property
    def hangs(self) -> bool:
        """Blocks wait, and nothing came for a second; a machine that stood still meanwhile does not count."""
        return self._submitted > self._answered and self._silent.seconds >= HANGS_S

    def replace(self) -> None:
        """Go on with a new thread and mixer, silent until a voice comes on: what was asked of the old one must be asked
        again."""
        self._runner.abandon()
        self._mixer = self._make_mixer()
        self._runner = self._start(self._mixer)
        self._answered = self._submitted
        self._silent.reset()

    def abandon(self) -> None:
        self._runner.abandon()

    def close(self) -> None:
        self._runner.close()
