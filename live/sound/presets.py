"""Voices that need no training: what they move, and by how much.

Two kinds. Those by WORLD take speech apart and make it anew, at half the microphone's rate with the band above kept;
those called NAME-quick shift and filter the waveform itself, with less freedom and less than half the latency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from live.sound.voice import Voice
from live.sound.waveform_voice import Copy, WaveformPreset, WaveformVoice
from models.features.block_adapter import BlockAdapter
from models.features.frame_voice import FrameVoice, VoiceLayer, moved
from models.features.speech import WorldFrames
from models.features.types import Signal

HOP_FRAMES = 4
"""20 ms."""
_WORLD_MOST_HZ = 24_000
"""WORLD at a microphone's full rate costs twice as much and hears nothing more that can be moved."""


@dataclass(frozen=True)
class Shape:
    """What a preset does to WORLD's frames; pitch and formant in semitones."""

    pitch: float = 0.0
    formant: float = 0.0
    flat: bool = False
    """Speaks on one note: the middle of what the performer has spoken so far."""
    note_hz: float | None = None
    """Speaks on this note."""
    whisper: bool = False
    stiff: bool = False
    """No breath in the voice, and the mouth moves in steps: a machine."""
    level_db: float = 0.0
    """So that it is about as loud as who speaks."""


@dataclass(frozen=True)
class Chorus:
    """Several who speak together: cents, formant in semitones, delay in ms, level."""

    others: tuple[tuple[float, float, float, float], ...]
    level: float


WORLD_PRESETS: dict[str, Shape | Chorus] = {
    "octave-down": Shape(pitch=-12.0, formant=-1.5),
    "octave-up": Shape(pitch=12.0, formant=2.0),
    "giant": Shape(pitch=-8.0, formant=-5.0, level_db=1.0),
    "child": Shape(pitch=8.0, formant=4.0, level_db=-1.0),
    "whisper": Shape(whisper=True, level_db=8.0),
    "robot": Shape(note_hz=98.0, stiff=True, level_db=-1.0),
    "monotone": Shape(flat=True),
    "chorus": Chorus(others=((-17.0, -0.5, 11.0, 0.55), (14.0, 0.6, 19.0, 0.55)), level=0.55),
}

QUICK_PRESETS: dict[str, WaveformPreset] = {
    "octave-down-quick": WaveformPreset(pitch=-12.0),
    "octave-up-quick": WaveformPreset(pitch=12.0, formant=2.0),
    "giant-quick": WaveformPreset(pitch=-7.0, formant=-4.5),
    "child-quick": WaveformPreset(pitch=6.0, formant=3.5),
    "whisper-quick": WaveformPreset(breath=1.0),
    "robot-quick": WaveformPreset(monotone_hz=98.0, copies=(Copy(0.0, 0.0, 5.1, 0.7), Copy(0.0, -2.0, 10.2, 0.5))),
    "monotone-quick": WaveformPreset(monotone_hz=130.0),
    "chorus-quick": WaveformPreset(
        copies=(Copy(-13.0, -0.3, 14.0, 0.8), Copy(11.0, 0.3, 23.0, 0.7), Copy(-6.0, 0.15, 31.0, 0.5))
    ),
}


def preset_voices() -> tuple[str, ...]:
    """The names a cue may call, apart from "bypass" and "silence"."""
    return (*WORLD_PRESETS, *QUICK_PRESETS)


def open_preset(name: str, sample_rate: int, block: int) -> Voice:
    """Raises KeyError."""
    if name in QUICK_PRESETS:
        return WaveformVoice(name, sample_rate, block, QUICK_PRESETS[name])
    own_hz = sample_rate if sample_rate <= _WORLD_MOST_HZ else sample_rate // 2
    voice = FrameVoice(own_hz, _singers(WORLD_PRESETS[name], own_hz), HOP_FRAMES)
    return BlockAdapter(voice, name, sample_rate, block)


def _singers(preset: Shape | Chorus, sample_rate: int) -> tuple[VoiceLayer, ...]:
    if isinstance(preset, Shape):
        return (VoiceLayer(PresetMapping(preset, sample_rate), 10 ** (preset.level_db / 20)),)
    first = VoiceLayer(PresetMapping(Shape(), sample_rate), preset.level)
    others = (
        VoiceLayer(PresetMapping(Shape(formant=formant), sample_rate), level, delay_ms / 1e3, cents)
        for cents, formant, delay_ms, level in preset.others
    )
    return (first, *others)


class PresetMapping:
    """A preset as a frame_voice.Mapping."""

    lookahead = 0
    context = 0

    _MIDDLE_S = 1.5
    """Over how much voiced speech the middle of a voice is taken."""
    _FRAMES_A_SECOND = 200

    def __init__(self, shape: Shape, sample_rate: int) -> None:
        self._shape = shape
        self._pitch, self._formant = 2.0 ** (shape.pitch / 12.0), 2.0 ** (shape.formant / 12.0)
        self._sample_rate = sample_rate
        self.reset()

    def reset(self) -> None:
        self._middle = 0.0
        self._voiced = 0

    def set(self, name: str, value: float) -> bool:
        return False

    def convert(self, frames: WorldFrames) -> WorldFrames:
        target = moved(frames, self._pitch, self._formant)
        changes: list[Callable[[WorldFrames], WorldFrames]] = []
        if self._shape.note_hz is not None:
            changes.append(self._on_a_note)
        if self._shape.flat:
            changes.append(self._flattened)
        if self._shape.stiff:
            changes.append(_stiffened)
        if self._shape.whisper:
            changes.append(self._whispered)
        for change in changes:
            target = change(target)
        return target

    def _on_a_note(self, frames: WorldFrames) -> WorldFrames:
        note = self._shape.note_hz or 0.0
        return WorldFrames(np.where(frames.f0 > 0, note, 0.0), frames.envelope, frames.aperiodicity)

    def _flattened(self, frames: WorldFrames) -> WorldFrames:
        f0 = frames.f0.copy()
        for at in np.flatnonzero(f0 > 0):
            self._voiced = min(self._voiced + 1, round(self._MIDDLE_S * self._FRAMES_A_SECOND))
            self._middle += (np.log(f0[at]) - self._middle) / self._voiced
            f0[at] = np.exp(self._middle)
        return WorldFrames(f0, frames.envelope, frames.aperiodicity)

    def _whispered(self, frames: WorldFrames) -> WorldFrames:
        """No voice; and the tilt of a glottis taken out of what was voiced, as breath is flat where a voice falls."""
        hertz = np.linspace(0.0, self._sample_rate / 2, frames.envelope.shape[1])
        tilt = _breath_over_voice(hertz)
        voiced = (frames.f0 > 0)[:, None]
        envelope = np.where(voiced, frames.envelope * tilt, frames.envelope)
        return WorldFrames(np.zeros_like(frames.f0), envelope, np.ones_like(frames.aperiodicity))


def _stiffened(frames: WorldFrames) -> WorldFrames:
    held = frames.envelope[:1].repeat(len(frames), axis=0)
    return WorldFrames(frames.f0, held, np.zeros_like(frames.aperiodicity))


def _breath_over_voice(hertz: Signal) -> Signal:
    """Power of a whispered vowel over a spoken one: far less at the first harmonics, little less above 2 kHz."""
    decibels = np.interp(hertz, [0.0, 300.0, 700.0, 2000.0, 4000.0], [-26.0, -22.0, -14.0, -7.0, -4.0])
    return np.asarray(10.0 ** (decibels / 10.0))
