"""A voice whose sound goes through the vocoder: WORLD's analysis, a mapping of frames, synthesis. See
models.features.block_adapter.HopVoice; its sister is models.features.filtered_voice.

Presets and learned voices differ in the mapping alone. Belongs to one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.features.room_tone import RoomTone
from models.features.speech import F0_CEILING_HZ, Analyser, FrameDelay, WorldFrames, frame_samples
from models.features.synthesis import Synthesiser
from models.features.types import Mono, Signal

_PULSES_LATE_S = 0.002
"""Delay of a minimum-phase pulse, measured on eleven speakers; the speaker's own unvoiced sound is delayed by it."""
_EASE_FRAMES = 4
"""Frames in which a new pitch or formant is reached."""


class Mapping(Protocol):
    """The performer's frames -> the target's."""

    lookahead: int
    """Delay of the output, in frames."""
    context: int
    """Frames of the past that the output may depend on."""

    def convert(self, frames: WorldFrames) -> WorldFrames: ...

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool:
        """Sets a parameter of the mapping; False if it has none of that name."""


@dataclass(frozen=True)
class VoiceLayer:
    """One of the voices that sound together; a chorus has several."""

    mapping: Mapping
    level: float = 1.0
    delay_s: float = 0.0
    cents: float = 0.0


class VocodedVoice:
    """HopVoice: analysis, a mapping, synthesis; `pitch` and `formant` shift the mapping's result, in semitones; `room`,
    in dB, makes the target's room tone fainter than it was recorded, if there is one."""

    def __init__(
        self,
        sample_rate: int,
        layers: tuple[VoiceLayer, ...],
        hop_frames: int = 4,
        room: RoomTone | None = None,
        ceiling_hz: float = F0_CEILING_HZ,
    ) -> None:
        """
        Args:
            layers: their mappings have the same lookahead.
            room: the room tone of the target.
            ceiling_hz: the highest pitch that is found.
        """
        self.sample_rate = sample_rate
        self.hop = hop_frames * frame_samples(sample_rate)
        self._frame = frame_samples(sample_rate)
        self._analyser = Analyser(sample_rate, hop_frames, ceiling_hz)
        self._layers = tuple(_LayerState(layer, sample_rate, seed) for seed, layer in enumerate(layers))
        self._room = room
        lookahead = layers[0].mapping.lookahead
        self._source = FrameDelay(lookahead)
        self.latency_samples = self._analyser.lookahead + lookahead * self._frame + round(_PULSES_LATE_S * sample_rate)
        self.context = self._analyser.context + max(s.mapping.context for s in layers) * self._frame
        self._pitch, self._formant = Eased(0.0), Eased(0.0)
        self.reset()

    def reset(self) -> None:
        self._analyser.reset()
        self._sound = np.zeros(self.latency_samples, np.float32)
        self._source.reset()
        if self._room is not None:
            self._room.reset()
        for state in self._layers:
            state.reset()

    def set(self, name: str, value: float) -> bool:
        if name == "room" and self._room is not None:
            self._room.set_level_db(value)
            return True
        eased = {"pitch": self._pitch, "formant": self._formant}.get(name)
        if eased is None:
            known = [state.mapping.set(name, value) for state in self._layers]
            return any(known)
        eased.set_target(value)
        return True

    def process_hop(self, samples: Mono) -> Mono:
        frames = self._analyser.push(samples)
        source = self._source.process(frames)
        joined = np.concatenate([self._sound, samples])
        sound, self._sound = joined[: self.hop], joined[self.hop :]
        pitch, formant = self._pitch.next_values(len(frames)), self._formant.next_values(len(frames))
        output = np.zeros(self.hop, np.float32)
        for state in self._layers:
            output += state.render(frames, source, sound, pitch, formant)
        if self._room is not None:
            output += self._room.push(len(sound), bool((source.f0 > 0).any()))
        return output


class _LayerState:
    """A layer's state: its synthesiser and its delayed output."""

    def __init__(self, layer: VoiceLayer, sample_rate: int, seed: int) -> None:
        self.mapping = layer.mapping
        self._level = layer.level
        self._ratio = 2.0 ** (layer.cents / 1200.0)
        self._delay = round(layer.delay_s * sample_rate)
        self._synthesiser = Synthesiser(sample_rate, seed)

    def reset(self) -> None:
        self.mapping.reset()
        self._synthesiser.reset()
        self._delayed = np.zeros(self._delay, np.float32)

    def render(self, frames: WorldFrames, source: WorldFrames, sound: Mono, pitch: Signal, formant: Signal) -> Mono:
        target = moved(self.mapping.convert(frames), self._ratio * 2.0 ** (pitch / 12.0), 2.0 ** (formant / 12.0))
        output = np.concatenate([self._delayed, self._synthesiser.push(target, source, sound)])
        self._delayed = output[len(sound) :]
        return np.float32(self._level) * output[: len(sound)]


class Eased:
    """A value that moves linearly to its newest target, frame by frame."""

    def __init__(self, value: float) -> None:
        self._now = self._target = value
        self._step = 0.0

    def set_target(self, value: float) -> None:
        self._target = value
        self._step = abs(value - self._now) / _EASE_FRAMES

    def next_values(self, count: int) -> Signal:
        """The next `count` values."""
        distance = self._target - self._now
        values = self._now + np.sign(distance) * np.minimum(self._step * np.arange(1, count + 1), abs(distance))
        self._now = float(values[-1])
        return np.asarray(values)


def moved(frames: WorldFrames, pitch: Signal | float, formant: Signal | float) -> WorldFrames:
    """F0 times `pitch`, the envelope stretched along frequency by `formant`: factors, one for all or one for each
    frame."""
    stretch = np.broadcast_to(np.asarray(formant, np.float64), (len(frames),))
    envelope, aperiodicity = frames.envelope, frames.aperiodicity
    if np.abs(stretch - 1.0).max() > 1e-9:
        bins = np.arange(envelope.shape[1], dtype=np.float64)
        log = np.log(np.maximum(envelope, 1e-20))
        envelope = np.exp(np.array([np.interp(bins / s, bins, row) for s, row in zip(stretch, log, strict=True)]))
        aperiodicity = np.array([np.interp(bins / s, bins, row) for s, row in zip(stretch, aperiodicity, strict=True)])
    return WorldFrames(frames.f0 * pitch, envelope, aperiodicity)
