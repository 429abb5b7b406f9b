"""The voices that are on stage, brought to one latency and crossfaded.

A voice that comes on has heard nothing yet: it is first fed what was said just now, some blocks at a time, while the
old one speaks on, and fades in when it has caught up. So nothing is missing at a change, and the latency is the same
figure before, during and after.

One thread at a time: the voice thread on stage, the caller in `guise render` and in tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from live.process.frames import now
from live.sound.delay import Delay
from live.sound.voice import Voice
from models.features.types import Mono

SHORTEST_FADE_S = 0.02
"""A cut: shorter, and it is heard as one."""
LONGEST_CONTEXT_S = 3.0
"""What a voice is fed at most when it comes on."""
_CATCH_UP_SHARE = 0.45
"""Of a block's time, what may be spent on catching up."""
_SETTLE_S = 0.05
"""A voice plays so long, unheard, after it has caught up: its first pulses have no past."""


class Dry:
    """The performer's own voice."""

    latency = 0
    context = 0

    def __init__(self, name: str = "bypass") -> None:
        self.name = name

    def process(self, samples: Mono) -> Mono:
        return samples

    def reset(self) -> None:
        return

    def set(self, name: str, value: float) -> bool:
        return name in ("pitch", "formant")  # nothing to move, and nothing to complain about


class Silence(Dry):
    """Nobody's voice."""

    def process(self, samples: Mono) -> Mono:
        return np.zeros_like(samples)


@dataclass
class _OnStage:
    voice: Voice
    delay: Delay
    level: float
    """0..1, the fade's share; its gain is the sine of a quarter turn of it."""
    step: float = 0.0
    """What the level changes by with each sample."""
    behind: deque[Mono] = field(default_factory=deque)
    """What it has yet to hear before it has caught up."""

    def hear(self, block: Mono) -> Mono:
        return self.delay.process(self.voice.process(block))


class VoiceMixer:
    """`process` gives the aligned, crossfaded sound of whoever is on stage."""

    def __init__(self, sample_rate: int, block: int, latency: int, *, hurry: bool = True) -> None:
        """
        Args:
            latency: samples by which everything is late; no voice's own may be larger.
            hurry: catch up within the time of some blocks (the stage); False: at once (render, tests).
        """
        self._sample_rate = sample_rate
        self._block = block
        self._latency = latency
        self._budget_s = _CATCH_UP_SHARE * block / sample_rate if hurry else float("inf")
        self._past: deque[Mono] = deque(maxlen=round(LONGEST_CONTEXT_S * sample_rate) // block)
        """The newest blocks, that of now among them."""
        self._on_stage: list[_OnStage] = [self._make(Silence("silence"), 1.0)]
        self._wanted: tuple[Voice, float, Callable[[], None]] | None = None
        self._announce: Callable[[], None] = lambda: None

    @property
    def latency(self) -> int:
        return self._latency

    @property
    def fading(self) -> bool:
        return len(self._on_stage) > 1 or self._wanted is not None

    def change(self, voice: Voice, fade_s: float, announce: Callable[[], None] = lambda: None) -> None:
        """Let `voice` come on; `announce` is called with the first block it is heard in. While one comes on already the
        newest wins. Raises ValueError for a voice slower than the mixer."""
        if voice.latency > self._latency:
            raise ValueError(f"{voice.name} is slower than the show's sound")
        self._wanted = (voice, fade_s, announce)

    def cut(self, voice: Voice) -> None:
        """Let `voice` alone be on stage, now, and drop what the others still had to say: for when they failed."""
        self._wanted = None
        self._on_stage = [self._make(voice, 1.0)]

    def raise_latency(self, latency: int) -> None:
        """Be late by so many samples from now on, or by as many as before where that is more: who is on stage, coming
        on or fading out may need all of them."""
        self._latency = max(self._latency, latency)
        for one in self._on_stage:
            one.delay.set(self._latency - one.voice.latency)

    def set(self, name: str, value: float) -> bool:
        """A parameter of whoever is on stage, or comes on; False when nobody there has it."""
        voices = [one.voice for one in self._on_stage] + ([self._wanted[0]] if self._wanted else [])
        known = [voice.set(name, value) for voice in voices]
        return any(known)

    def process(self, block: Mono) -> Mono:
        """(block,) -> (block,)."""
        self._past.append(block)
        if self._wanted is not None and len(self._on_stage) == 1:
            self._bring_on(*self._wanted)
            self._wanted = None
        elif self._wanted is not None:
            self._hasten()
        played = np.zeros(len(block), np.float32)
        for one in list(self._on_stage):
            if one.behind:
                self._catch_up(one, block)
                continue
            said = one.hear(block)
            played += said * self._gains(one, len(block))
        self._on_stage = [one for one in self._on_stage if one.level > 0 or one.step >= 0]
        return played

    # ---- changes

    def _make(self, voice: Voice, level: float) -> _OnStage:
        late = self._latency - voice.latency
        longest = round(LONGEST_CONTEXT_S * self._sample_rate)
        return _OnStage(voice, Delay(late, longest), level)

    def _bring_on(self, voice: Voice, fade_s: float, announce: Callable[[], None]) -> None:
        (old,) = self._on_stage
        if voice is old.voice:
            announce()
            return
        voice.reset()
        one = self._make(voice, 0.0)
        settle = round(_SETTLE_S * self._sample_rate)
        wanted = voice.context + self._latency - voice.latency + (settle if voice.latency else 0)
        count = min(-(-wanted // self._block), len(self._past))
        one.behind.extend(list(self._past)[len(self._past) - count :])
        one.step = 1.0 / max(round(max(fade_s, SHORTEST_FADE_S) * self._sample_rate), 1)
        self._on_stage.append(one)
        self._announce = announce
        # The block of now is the newest of the past: it is heard again in `process`.
        if one.behind:
            one.behind.pop()
        if not one.behind:
            self._begin_fade()

    def _catch_up(self, one: _OnStage, block: Mono) -> None:
        """Feeds it what it missed; the block of now waits at the end of the line."""
        one.behind.append(block)
        began = now()
        while one.behind:
            one.hear(one.behind.popleft())
            if now() - began > self._budget_s and len(one.behind) > 0:
                break
        if not one.behind:
            self._begin_fade()  # heard from the next block on

    def _begin_fade(self) -> None:
        new = self._on_stage[-1]
        for old in self._on_stage[:-1]:
            old.step = -new.step
        self._announce()

    def _hasten(self) -> None:
        """Somebody waits: those who fade do so quickly."""
        quick = 1.0 / round(SHORTEST_FADE_S * self._sample_rate)
        for one in self._on_stage:
            if one.step and not one.behind:
                one.step = max(abs(one.step), quick) * (1 if one.step > 0 else -1)

    def _gains(self, one: _OnStage, count: int) -> Mono | np.float32:
        """Equal power: the sines of the fades' shares."""
        if one.step == 0.0 or (one.step > 0 and one.level >= 1.0):
            one.step = 0.0
            return np.float32(1.0)
        levels = np.clip(one.level + one.step * np.arange(1, count + 1), 0.0, 1.0)
        one.level = float(levels[-1])
        return np.asarray(np.sin(np.pi / 2 * levels), np.float32)
