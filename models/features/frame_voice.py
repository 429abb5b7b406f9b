"""A voice that thinks in WORLD's frames: heard, mapped, spoken. See convert.HopVoice.

The mapping is all that differs between a preset and a learned voice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.features.room_tone import RoomTone
from models.features.speech import Analyser, FrameDelay, WorldFrames, frame_samples
from models.features.synthesis import Synthesiser
from models.features.types import Mono, Signal

_PULSES_LATE_S = 0.002
"""A minimum-phase pulse is heard so much after it begins, measured on eleven speakers; what is kept of the speaker's
own sound waits for it."""
_EASE_FRAMES = 4
"""A pitch or formant that is set is reached within so many frames."""


class Mapping(Protocol):
    """The performer's frames -> the target's."""

    lookahead: int
    """Frames by which the answer is late."""
    context: int
    """Frames of the past it must have seen before its answer is right."""

    def convert(self, frames: WorldFrames) -> WorldFrames: ...

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool:
        """A parameter of its own; False when it has none of that name."""


@dataclass(frozen=True)
class VoiceLayer:
    """One of those who speak together; a chorus has several."""

    mapping: Mapping
    level: float = 1.0
    delay_s: float = 0.0
    cents: float = 0.0


class FrameVoice:
    """HopVoice: analysis, a mapping, synthesis; `pitch` and `formant` move what the mapping gives, in semitones;
    `room`, in dB, makes the target's room tone fainter than it was recorded, where there is any."""

    def __init__(
        self, sample_rate: int, singers: tuple[VoiceLayer, ...], hop_frames: int = 4, room: RoomTone | None = None
    ) -> None:
        """All singers' mappings have the same lookahead. room: what is heard under the target's voice."""
        self.sample_rate = sample_rate
        self.hop = hop_frames * frame_samples(sample_rate)
        self._frame = frame_samples(sample_rate)
        self._analyser = Analyser(sample_rate, hop_frames)
        self._singers = tuple(_Singing(singer, sample_rate, seed) for seed, singer in enumerate(singers))
        self._room = room
        late = singers[0].mapping.lookahead
        self._source = FrameDelay(late)
        self.latency = self._analyser.lookahead + late * self._frame + round(_PULSES_LATE_S * sample_rate)
        self.context = self._analyser.context + max(s.mapping.context for s in singers) * self._frame
        self._pitch, self._formant = Eased(0.0), Eased(0.0)
        self.reset()

    def reset(self) -> None:
        self._analyser.reset()
        self._sound = np.zeros(self.latency, np.float32)
        self._source.reset()
        if self._room is not None:
            self._room.reset()
        for singing in self._singers:
            singing.reset()

    def set(self, name: str, value: float) -> bool:
        if name == "room" and self._room is not None:
            self._room.turn_down(value)
            return True
        eased = {"pitch": self._pitch, "formant": self._formant}.get(name)
        if eased is None:
            known = [singing.mapping.set(name, value) for singing in self._singers]
            return any(known)
        eased.aim(value)
        return True

    def hear(self, samples: Mono) -> Mono:
        frames = self._analyser.push(samples)
        source = self._source.process(frames)
        heard = np.concatenate([self._sound, samples])
        sound, self._sound = heard[: self.hop], heard[self.hop :]
        pitch, formant = self._pitch.over(len(frames)), self._formant.over(len(frames))
        said = np.zeros(self.hop, np.float32)
        for singing in self._singers:
            said += singing.speak(frames, source, sound, pitch, formant)
        if self._room is not None:
            said += self._room.push(len(sound), bool((source.f0 > 0).any()))
        return said


class _Singing:
    """A singer at work: a synthesiser of its own, and what it holds back."""

    def __init__(self, singer: VoiceLayer, sample_rate: int, seed: int) -> None:
        self.mapping = singer.mapping
        self._level = singer.level
        self._ratio = 2.0 ** (singer.cents / 1200.0)
        self._held = round(singer.delay_s * sample_rate)
        self._synthesiser = Synthesiser(sample_rate, seed)

    def reset(self) -> None:
        self.mapping.reset()
        self._synthesiser.reset()
        self._late = np.zeros(self._held, np.float32)

    def speak(self, frames: WorldFrames, source: WorldFrames, sound: Mono, pitch: Signal, formant: Signal) -> Mono:
        target = moved(self.mapping.convert(frames), self._ratio * 2.0 ** (pitch / 12.0), 2.0 ** (formant / 12.0))
        said = np.concatenate([self._late, self._synthesiser.push(target, source, sound)])
        self._late = said[len(sound) :]
        return np.float32(self._level) * said[: len(sound)]


class Eased:
    """A value that glides to its newest aim, frame by frame."""

    def __init__(self, value: float) -> None:
        self._now = self._aim = value
        self._step = 0.0

    def aim(self, value: float) -> None:
        self._aim = value
        self._step = abs(value - self._now) / _EASE_FRAMES

    def over(self, count: int) -> Signal:
        """The next `count` values."""
        way = self._aim - self._now
        values = self._now + np.sign(way) * np.minimum(self._step * np.arange(1, count + 1), abs(way))
        self._now = float(values[-1])
        return np.asarray(values)


def moved(frames: WorldFrames, pitch: Signal | float, formant: Signal | float) -> WorldFrames:
    """F0 times `pitch`, the envelope stretched along frequency by `formant`: factors, one for all or one a frame."""
    stretch = np.broadcast_to(np.asarray(formant, np.float64), (len(frames),))
    envelope, aperiodicity = frames.envelope, frames.aperiodicity
    if np.abs(stretch - 1.0).max() > 1e-9:
        bins = np.arange(envelope.shape[1], dtype=np.float64)
        log = np.log(np.maximum(envelope, 1e-20))
        envelope = np.exp(np.array([np.interp(bins / s, bins, row) for s, row in zip(stretch, log, strict=True)]))
        aperiodicity = np.array([np.interp(bins / s, bins, row) for s, row in zip(stretch, aperiodicity, strict=True)])
    return WorldFrames(frames.f0 * pitch, envelope, aperiodicity)
