"""Mixes the voices that are on stage: each delayed to the same latency, and crossfaded.

A voice that comes on has no past: it is first fed what was said just before, some blocks at a time, while the old voice
goes on, and fades in when it has caught up. So nothing is missing at a change, and the latency is the same before,
during and after it.

Belongs to one thread at a time: the voice thread on stage, the caller in `guise render` and in tests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from live.process.error_text import error_text
from live.process.frames import now
from live.sound.delay import Delay
from live.sound.level import MAX_SAMPLE
from live.sound.voice import Voice
from models.features.types import Mono

MIN_FADE_S = 0.02
"""The length of a cut: a shorter fade is heard as a click."""
MAX_CONTEXT_S = 3.0
"""A voice that comes on is fed no more of the past than this."""
_CATCH_UP_SHARE = 0.45
"""The share of a block's time that may be spent on catching up."""
_SETTLE_S = 0.05
"""A voice runs for so long, inaudibly, after it has caught up: its first pitch periods have no past."""


class Dry:
    """The performer's own voice."""

    latency_samples = 0
    context = 0

    def __init__(self, name: str = "bypass") -> None:
        self.name = name

    def process(self, samples: Mono) -> Mono:
        return samples

    def reset(self) -> None:
        return

    def set(self, name: str, value: float) -> bool:
        return name in ("pitch", "formant")  # accepted without effect, so that no note is sent for them


class Silence(Dry):
    """No sound."""

    def process(self, samples: Mono) -> Mono:
        return np.zeros_like(samples)


class VoiceFailure(NamedTuple):
    """A voice that raised, or gave what is no sound: it is off the stage, and the others go on."""

    voice: Voice
    why: str
    """In one line."""


class MixedBlock(NamedTuple):
    """What became of one block."""

    samples: Mono
    """(block,): all voices on stage, aligned and crossfaded."""
    arrived: tuple[int, ...] = ()
    """The cues whose voices began to be audible in it."""
    failures: tuple[VoiceFailure, ...] = ()
    lost: bool = False
    """The voice that should have been heard is one of those that failed: something else should be played."""


class _Request(NamedTuple):
    """A voice that is to come on."""

    voice: Voice
    fade_s: float
    cue: int | None


@dataclass
class _ActiveVoice:
    """A voice on stage, and how far its fade is."""

    voice: Voice
    delay: Delay
    level: float
    """0..1, the position in the fade; the gain is the sine of a quarter turn of it."""
    step: float = 0.0
    """The change of the level with each sample."""
    backlog: deque[Mono] = field(default_factory=deque)
    """The blocks that it is still to be fed before it has caught up."""
    catching_up: bool = False
    """Its fade has not begun."""
    cue: int | None = None
    """Told in MixedBlock.arrived when its fade begins."""

    def process(self, block: Mono) -> Mono:
        """Raises what the voice raises, and ValueError for what is no sound."""
        return self.delay.process(_checked(self.voice.process(block)))


def _checked(samples: Mono) -> Mono:
    """Raises ValueError for what is not finite, or far beyond full scale."""
    if not np.isfinite(samples).all():
        raise ValueError("it gave numbers that are no sound")
    if samples.size and np.abs(samples).max() > MAX_SAMPLE:
        raise ValueError("it gave sound far beyond full scale")
    return samples


class VoiceMixer:
    """`process` returns the aligned, crossfaded sound of all voices on stage."""

    def __init__(self, sample_rate: int, block: int, latency_samples: int, *, real_time: bool = True) -> None:
        """
        Args:
            latency_samples: the delay of every voice; none may have a larger one of its own.
            real_time: catch up over several blocks, within their time (the stage); False: at once (render, tests).
        """
        self._sample_rate = sample_rate
        self._block = block
        self._latency_samples = latency_samples
        self._budget_s = _CATCH_UP_SHARE * block / sample_rate if real_time else float("inf")
        self._past: deque[Mono] = deque(maxlen=round(MAX_CONTEXT_S * sample_rate) // block)
        """The newest blocks, the present one included."""
        self._active: list[_ActiveVoice] = [self._make_active(Silence("silence"), 1.0)]
        self._requested: _Request | None = None
        self._arrived: list[int] = []
        self._failures: list[VoiceFailure] = []
        self._lost = False
        """Since the last block that was returned, as are the two before."""
        self.at_work: Voice | None = None
        """The voice that computes just now; any thread may read it, to tell which one hangs."""
        self.slowest: Voice | None = None
        """The voice that took longest in the newest block; any thread may read it."""

    @property
    def latency_samples(self) -> int:
        return self._latency_samples

    @property
    def fading(self) -> bool:
        return len(self._active) > 1 or self._requested is not None

    def change(self, voice: Voice, fade_s: float, cue: int | None = None) -> None:
        """Let `voice` come on. While another change is under way, the newest request is kept and follows it.

        Args:
            cue: its number, which `process` returns with the block in which the fade begins.

        Raises:
            ValueError: the voice is slower than the mixer.
        """
        if voice.latency_samples > self._latency_samples:
            raise ValueError(f"{voice.name} is slower than the show's sound")
        self._requested = _Request(voice, fade_s, cue)

    def cut(self, voice: Voice) -> None:
        """Let `voice` alone be on stage, now, and drop what the others had still to play: for when they failed."""
        waiting = [self._requested.cue] if self._requested else []
        for cue in [*(active.cue for active in self._active if active.catching_up), *waiting]:
            self._arrive(cue)
        self._requested = None
        self._active = [self._make_active(voice, 1.0)]

    def raise_latency(self, latency_samples: int) -> None:
        """Delay by so many samples from now on; a lower figure than the present one is ignored, since voices on stage,
        coming on or fading out may need all of it."""
        self._latency_samples = max(self._latency_samples, latency_samples)
        for active in self._active:
            active.delay.set(self._latency_samples - active.voice.latency_samples)

    def set(self, name: str, value: float) -> bool:
        """Set a parameter of all voices on stage, or coming on; False when none of them has it."""
        voices = [active.voice for active in self._active] + ([self._requested.voice] if self._requested else [])
        known = [self._set(voice, name, value) for voice in voices]
        return any(known)

    def drop(self, voice: Voice) -> None:
        """Take a voice that fades out off the stage, now: it is too slow for the one that comes on."""
        for active in [active for active in self._active if active.voice is voice and active.step < 0]:
            self._remove(active)

    def process(self, block: Mono) -> MixedBlock:
        """The next block, (block,)."""
        self._past.append(block)
        if self._requested is not None and len(self._active) == 1:
            self._bring_on_or_fail(self._requested)
            self._requested = None
        elif self._requested is not None:
            self._speed_up_fades()
        mixed = np.zeros(len(block), np.float32)
        longest_s = -1.0
        for active in list(self._active):
            self.at_work, began = active.voice, now()
            voiced = self._voiced(active, block)
            if voiced is not None:
                mixed += voiced * self._gains(active, len(block))
            if (took_s := now() - began) > longest_s:
                longest_s, self.slowest = took_s, self.at_work
        self.at_work = None
        self._active = [active for active in self._active if active.level > 0 or active.step >= 0]
        mixed_block = MixedBlock(mixed, tuple(self._arrived), tuple(self._failures), self._lost)
        self._arrived, self._failures, self._lost = [], [], False
        return mixed_block

    def _voiced(self, active: _ActiveVoice, block: Mono) -> Mono | None:
        """The voice's next sound; None while it catches up, and when it fails."""
        try:
            if not active.backlog:
                return active.process(block)
            self._catch_up(active, block)
        except Exception as error:  # what a voice raises must end nothing but that voice
            self._fail(active, error)
        return None

    def _set(self, voice: Voice, name: str, value: float) -> bool:
        try:
            return voice.set(name, value)
        except Exception as error:  # as above
            self._failures.append(VoiceFailure(voice, error_text(error)))
            return True

    # ---- failures

    def _fail(self, active: _ActiveVoice, error: Exception) -> None:
        self._failures.append(VoiceFailure(active.voice, error_text(error)))
        if active.catching_up:
            self._active.remove(active)  # the old one goes on
            self._arrive(active.cue)
        elif active.step < 0:
            self._remove(active)
        else:
            active.voice, active.delay = Silence("silence"), Delay(self._latency_samples, self._latency_samples)
            self._lost = True

    def _remove(self, old: _ActiveVoice) -> None:
        """Of two, the one that fades out."""
        self._active.remove(old)
        self._speed_up_fades()

    def _bring_on_or_fail(self, request: _Request) -> None:
        try:
            self._bring_on(request)
        except Exception as error:  # as above
            self._failures.append(VoiceFailure(request.voice, error_text(error)))
            self._arrive(request.cue)

    # ---- changes

    def _make_active(self, voice: Voice, level: float) -> _ActiveVoice:
        delay_samples = self._latency_samples - voice.latency_samples
        max_samples = round(MAX_CONTEXT_S * self._sample_rate)
        return _ActiveVoice(voice, Delay(delay_samples, max_samples), level)

    def _bring_on(self, request: _Request) -> None:
        (old,) = self._active
        voice = request.voice
        if voice is old.voice:
            self._arrive(request.cue)
            return
        voice.reset()
        new = self._make_active(voice, 0.0)
        new.cue, new.catching_up = request.cue, True
        settle = round(_SETTLE_S * self._sample_rate) if voice.latency_samples else 0
        wanted = voice.context + self._latency_samples - voice.latency_samples + settle
        count = min(-(-wanted // self._block), len(self._past))
        new.backlog.extend(list(self._past)[len(self._past) - count :])
        new.step = 1.0 / max(round(max(request.fade_s, MIN_FADE_S) * self._sample_rate), 1)
        self._active.append(new)
        # The present block is the newest of the past: `process` feeds it again.
        if new.backlog:
            new.backlog.pop()
        if not new.backlog:
            self._start_fade()

    def _catch_up(self, active: _ActiveVoice, block: Mono) -> None:
        """Feed it what it has missed; the present block is the last of its backlog."""
        active.backlog.append(block)
        began = now()
        while active.backlog:
            active.process(active.backlog.popleft())
            if now() - began > self._budget_s and len(active.backlog) > 0:
                break
        if not active.backlog:
            self._start_fade()  # audible from the next block on

    def _start_fade(self) -> None:
        new = self._active[-1]
        new.catching_up = False
        for old in self._active[:-1]:
            old.step = -new.step
        self._arrive(new.cue)

    def _arrive(self, cue: int | None) -> None:
        if cue is not None:
            self._arrived.append(cue)

    def _speed_up_fades(self) -> None:
        """Another change is requested: the fades that run end quickly."""
        quick = 1.0 / round(MIN_FADE_S * self._sample_rate)
        for active in self._active:
            if active.step and not active.backlog:
                active.step = max(abs(active.step), quick) * (1 if active.step > 0 else -1)

    def _gains(self, active: _ActiveVoice, count: int) -> Mono | np.float32:
        """Equal power: the sine of the fade's position, over the next samples."""
        if active.step == 0.0 or (active.step > 0 and active.level >= 1.0):
            active.step = 0.0
            return np.float32(1.0)
        levels = np.clip(active.level + active.step * np.arange(1, count + 1), 0.0, 1.0)
        active.level = float(levels[-1])
        return np.asarray(np.sin(np.pi / 2 * levels), np.float32)
