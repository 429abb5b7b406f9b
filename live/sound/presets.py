"""The voices that need no training, as one table: what each of them changes, and by how much.

Two kinds. A WorldPreset or WorldChorus analyses speech with WORLD and synthesises it again, at half the microphone's
rate, with the band above that kept. A WaveformPreset (NAME-quick) shifts and filters the waveform itself, with less
freedom and less than half the latency.

Presets are opened on a loader thread; the voice then belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from live.sound.voice import Voice
from live.sound.waveform_voice import VoiceCopy, WaveformPreset, WaveformVoice
from models.features.block_adapter import BlockAdapter
from models.features.speech import WorldFrames
from models.features.types import Signal
from models.features.vocoded_voice import VocodedVoice, VoiceLayer, moved

HOP_FRAMES = 4
"""20 ms."""
_WORLD_MAX_HZ = 24_000
"""WORLD at a microphone's full rate costs twice as much and finds nothing more that can be changed."""


SUNG_CEILING_HZ = 1150.0
"""A soprano's high C, and a child who shrieks. Learned voices have heard neither, and look for less."""


@dataclass(frozen=True)
class WorldPreset:
    """What a preset does to WORLD's frames."""

    pitch: float = 0.0
    """Semitones."""
    formant: float = 0.0
    """Semitones."""
    monotone: bool = False
    """All voiced frames at one pitch: the mean of what the performer has spoken so far."""
    note_hz: float | None = None
    """All voiced frames at this pitch."""
    whisper: bool = False
    stiff: bool = False
    """No aperiodicity, and the spectral envelope changes in steps: a machine."""
    level_db: float = 0.0
    """Set so that the output is about as loud as the input."""


@dataclass(frozen=True)
class WorldChorus:
    """The performer's voice, and copies of it that speak at the same time."""

    copies: tuple[VoiceCopy, ...]
    level: float
    """Of the performer's own."""


PRESETS: dict[str, WorldPreset | WorldChorus | WaveformPreset] = {
    "octave-down": WorldPreset(pitch=-12.0, formant=-1.5),
    "octave-up": WorldPreset(pitch=12.0, formant=2.0),
    "giant": WorldPreset(pitch=-8.0, formant=-5.0, level_db=1.0),
    "child": WorldPreset(pitch=8.0, formant=4.0, level_db=-1.0),
    "whisper": WorldPreset(whisper=True, level_db=8.0),
    "robot": WorldPreset(note_hz=98.0, stiff=True, level_db=-1.0),
    "monotone": WorldPreset(monotone=True),
    "chorus": WorldChorus(copies=(VoiceCopy(-17.0, -0.5, 11.0, 0.55), VoiceCopy(14.0, 0.6, 19.0, 0.55)), level=0.55),
    "octave-down-quick": WaveformPreset(pitch=-12.0),
    "octave-up-quick": WaveformPreset(pitch=12.0, formant=2.0),
    "giant-quick": WaveformPreset(pitch=-7.0, formant=-4.5),
    "child-quick": WaveformPreset(pitch=6.0, formant=3.5),
    "whisper-quick": WaveformPreset(breath=1.0),
    "robot-quick": WaveformPreset(
        monotone_hz=98.0, copies=(VoiceCopy(0.0, 0.0, 5.1, 0.7), VoiceCopy(0.0, -2.0, 10.2, 0.5))
    ),
    "monotone-quick": WaveformPreset(monotone_hz=130.0),
    "chorus-quick": WaveformPreset(
        copies=(VoiceCopy(-13.0, -0.3, 14.0, 0.8), VoiceCopy(11.0, 0.3, 23.0, 0.7), VoiceCopy(-6.0, 0.15, 31.0, 0.5))
    ),
}


def preset_voices() -> tuple[str, ...]:
    """The names a cue may use, apart from "bypass" and "silence"."""
    return tuple(PRESETS)


def open_preset(name: str, sample_rate: int, block: int) -> Voice:
    """Raises KeyError."""
    preset = PRESETS[name]
    if isinstance(preset, WaveformPreset):
        return WaveformVoice(name, sample_rate, block, preset)
    own_hz = sample_rate if sample_rate <= _WORLD_MAX_HZ else sample_rate // 2
    voice = VocodedVoice(own_hz, _layers(preset, own_hz), HOP_FRAMES, ceiling_hz=SUNG_CEILING_HZ)
    return BlockAdapter(voice, name, sample_rate, block)


def _layers(preset: WorldPreset | WorldChorus, sample_rate: int) -> tuple[VoiceLayer, ...]:
    if isinstance(preset, WorldPreset):
        return (VoiceLayer(PresetMapping(preset, sample_rate), 10 ** (preset.level_db / 20)),)
    first = VoiceLayer(PresetMapping(WorldPreset(), sample_rate), preset.level)
    copies = (
        VoiceLayer(
            PresetMapping(WorldPreset(formant=copy.formant), sample_rate), copy.level, copy.delay_ms / 1e3, copy.cents
        )
        for copy in preset.copies
    )
    return (first, *copies)


class PresetMapping:
    """A preset as a vocoded_voice.Mapping."""

    lookahead = 0
    context = 0

    _MEAN_S = 1.5
    """The mean pitch is taken over so much voiced speech."""
    _FRAMES_A_SECOND = 200

    def __init__(self, preset: WorldPreset, sample_rate: int) -> None:
        self._preset = preset
        self._pitch, self._formant = 2.0 ** (preset.pitch / 12.0), 2.0 ** (preset.formant / 12.0)
        self._sample_rate = sample_rate
        self.reset()

    def reset(self) -> None:
        self._mean_log_f0 = 0.0
        self._voiced_frames = 0

    def set(self, name: str, value: float) -> bool:
        return False

    def convert(self, frames: WorldFrames) -> WorldFrames:
        target = moved(frames, self._pitch, self._formant)
        changes: list[Callable[[WorldFrames], WorldFrames]] = []
        if self._preset.note_hz is not None:
            changes.append(self._on_note)
        if self._preset.monotone:
            changes.append(self._on_mean_pitch)
        if self._preset.stiff:
            changes.append(_stiffened)
        if self._preset.whisper:
            changes.append(self._whispered)
        for change in changes:
            target = change(target)
        return target

    def _on_note(self, frames: WorldFrames) -> WorldFrames:
        note = self._preset.note_hz or 0.0
        return WorldFrames(np.where(frames.f0 > 0, note, 0.0), frames.envelope, frames.aperiodicity)

    def _on_mean_pitch(self, frames: WorldFrames) -> WorldFrames:
        f0 = frames.f0.copy()
        for at in np.flatnonzero(f0 > 0):
            self._voiced_frames = min(self._voiced_frames + 1, round(self._MEAN_S * self._FRAMES_A_SECOND))
            self._mean_log_f0 += (np.log(f0[at]) - self._mean_log_f0) / self._voiced_frames
            f0[at] = np.exp(self._mean_log_f0)
        return WorldFrames(f0, frames.envelope, frames.aperiodicity)

    def _whispered(self, frames: WorldFrames) -> WorldFrames:
        """All frames unvoiced, and the glottis's spectral tilt taken out of those that were voiced: breath noise is
        flat where a voiced spectrum falls."""
        hertz = np.linspace(0.0, self._sample_rate / 2, frames.envelope.shape[1])
        tilt = _whisper_over_voiced(hertz)
        voiced = (frames.f0 > 0)[:, None]
        envelope = np.where(voiced, frames.envelope * tilt, frames.envelope)
        return WorldFrames(np.zeros_like(frames.f0), envelope, np.ones_like(frames.aperiodicity))


def _stiffened(frames: WorldFrames) -> WorldFrames:
    held = frames.envelope[:1].repeat(len(frames), axis=0)
    return WorldFrames(frames.f0, held, np.zeros_like(frames.aperiodicity))


def _whisper_over_voiced(hertz: Signal) -> Signal:
    """Power of a whispered vowel over a spoken one: far less at the first harmonics, little less above 2 kHz."""
    decibels = np.interp(hertz, [0.0, 300.0, 700.0, 2000.0, 4000.0], [-26.0, -22.0, -14.0, -7.0, -4.0])
    return np.asarray(10.0 ** (decibels / 10.0))
