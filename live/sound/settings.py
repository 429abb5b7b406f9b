"""What the sound engine is started with. Picklable: it crosses into the engine's process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.features.media.mixdown import Channel

if TYPE_CHECKING:
    from live.show.show_file import Show

BLOCK = 480
QUICK_BLOCK = 240
QUICK_SUFFIX = "-quick"
"""How the names of the low-latency presets end."""


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """Fixed for one run of the engine, apart from what commands change."""

    mic: str = "none"
    """A device's index or name, `default`, a sound or movie file, `demo` or `none`."""
    speaker: str = "none"
    """A device's index or name, `default`, a .wav file to be written, or `none`."""
    sample_rate: int = 48_000
    block: int = BLOCK
    """Samples that are processed at a time: 10 ms, or 5 in a show of low-latency voices alone."""
    set_point_blocks: int = 2
    """What the loudspeaker has buffered when a block arrives in time: a voice may be late by so much."""
    voices: tuple[str, ...] = ("bypass",)
    """Those the show names: the slowest of them decides the sound's latency."""
    sound_miss: str = "dry"
    """What is played when a voice is late: "dry" or "silence"."""
    provider: str = "auto"
    """Which ONNX Runtime provider runs learned voices."""
    demo_speech: str | None = None
    """The file that `demo` plays; None: the one that comes with the program, silence if there is none."""
    channel: Channel = "auto"
    """Which of the microphone's channels are heard."""
    recorded: bool = False
    """Whether a recorder runs: then what is played is sent in AudioChunk events."""
    epoch: float | None = None
    period_s: float | None = None
    """When a file as microphone began, by now(), and after what time it begins again: those of the camera where both
    are one movie. None: with its first block, and its own length."""

    @property
    def block_s(self) -> float:
        return self.block / self.sample_rate

    @property
    def set_point_s(self) -> float:
        return self.set_point_blocks * self.block_s

    @staticmethod
    def of_show(show: Show, mic: str, speaker: str, provider: str = "auto") -> SoundSettings:
        """The settings that a show asks for."""
        voices = show.voices
        return SoundSettings(
            mic=mic,
            speaker=speaker,
            block=QUICK_BLOCK if is_quick(voices) else BLOCK,
            voices=voices,
            sound_miss=show.sound_miss,
            provider=provider,
        )


def is_quick(voices: tuple[str, ...]) -> bool:
    """Whether all of them are low-latency voices."""
    return all(
        voice in ("bypass", "silence") or voice.endswith(QUICK_SUFFIX) or _is_filter_voice(voice) for voice in voices
    )


def _is_filter_voice(voice: str) -> bool:
    """Whether it is a frozen model whose output is a filter for the performer's own sound. False for a bad file, which
    is refused later."""
    if not voice.lower().endswith(".onnx"):
        return False
    from export.artifact.bad_model import BadModel
    from export.artifact.model_file import read_manifest

    try:
        return read_manifest(voice).form == "filter"
    except BadModel:
        return False
