"""Opens a cue's voice by its key: a preset's name, or the path of a frozen model. Belongs on a loader thread."""

from __future__ import annotations

from pathlib import Path

from live.sound.mixer import Dry, Silence
from live.sound.presets import open_preset, preset_voices
from live.sound.voice import Voice
from models.features.block_adapter import BlockAdapter


def open_voice(key: str, sample_rate: int, block: int, provider: str = "auto") -> Voice:
    """The voice, opened and warmed up, at the microphone's rate, for blocks of that length.

    Raises ValueError, or export.artifact.bad_model.BadModel, with one line for the operator.
    """
    if key == "bypass":
        return Dry()
    if key == "silence":
        return Silence(key)
    if key in preset_voices():
        return open_preset(key, sample_rate, block)
    if not key.lower().endswith(".onnx"):
        known = ", ".join(("bypass", "silence", *preset_voices()))
        raise ValueError(f'there is no voice "{key}": choose one of {known}, or a frozen model\'s .onnx file')
    from export.runtime.frozen_voice import open_frozen_voice

    return BlockAdapter(open_frozen_voice(Path(key), provider), Path(key).stem, sample_rate, block)


def voice_latency_samples(key: str, sample_rate: int, block: int) -> int:
    """The latency that this voice will have, without opening a session. Raises as open_voice does."""
    if key.lower().endswith(".onnx"):
        from export.runtime.frozen_voice import frozen_voice_outline

        return BlockAdapter(frozen_voice_outline(Path(key)), Path(key).stem, sample_rate, block).latency_samples
    return open_voice(key, sample_rate, block).latency_samples
