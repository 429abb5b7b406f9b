"""What the sound engine is started with. Picklable: it crosses into the engine's process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live.show import Show


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """All of it is fixed for one run of the engine, but for what commands change."""

    mic: str = "none"
    """A device's index or name, `default`, a sound or movie file, `demo` or `none`."""
    speaker: str = "none"
    """A device's index or name, `default`, a .wav file to be written, or `none`."""
    sample_rate: int = 48_000
    block: int = 480
    """Samples that are handled together: 10 ms."""
    sound_miss: str = "dry"
    """What is played when a voice is late: "dry" or "silence"."""
    demo_speech: str | None = None
    """The file that `demo` plays; None: the one that comes with the house, silence if there is none."""

    @property
    def block_s(self) -> float:
        return self.block / self.sample_rate

    @staticmethod
    def of_show(show: Show, mic: str, speaker: str) -> SoundSettings:
        """The settings that a show asks for."""
        return SoundSettings(mic=mic, speaker=speaker, sound_miss=show.sound_miss)
