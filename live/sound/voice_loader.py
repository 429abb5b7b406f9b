"""Opens and warms the voices of cues, and refuses those that cannot keep up with the show.

`open` belongs to the slot's loader thread, the rest to the engine's loop.
"""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

import numpy as np

from live.process.frames import now
from live.sound.mixer import MAX_CONTEXT_S
from live.sound.settings import SoundSettings
from live.sound.voice import Voice
from live.sound.voices import open_voice, voice_latency_samples

_WARM_UP_S = 0.2
_MAX_TRIES = 3


class VoiceLoader:
    """Knows the show's latency, that of the slowest voice it names: none that is slower is opened."""

    def __init__(
        self, settings: SoundSettings, note: Callable[[str], None], load: Callable[[str], Voice] | None = None
    ) -> None:
        """
        Args:
            note: called with a line for the operator, in the loop.
            load: opens a voice by its key; None: live.sound.voices.open_voice does.
        """
        self._settings = settings
        self._note = note
        self._load = load
        self._latency_samples = self._slowest_latency_samples(settings.voices)

    @property
    def latency_samples(self) -> int:
        return self._latency_samples

    def raise_latency(self, voices: tuple[str, ...]) -> bool:
        """A reloaded show names these voices; whether one of them is slower than all before. With faster voices only,
        the latency stays: a slow voice may still be on stage, fading out or loaded, and lowering the latency would cut
        out some of the sound."""
        latency_samples = self._slowest_latency_samples(voices)
        raised = latency_samples > self._latency_samples
        self._latency_samples = max(latency_samples, self._latency_samples)
        return raised

    def open(self, key: str) -> Voice:
        """Raises ValueError or BadModel with one line for the operator."""
        settings = self._settings
        if self._load is not None:
            voice = self._load(key)
        else:
            voice = open_voice(key, settings.sample_rate, settings.block, settings.provider)
        if voice.latency_samples > self._latency_samples:
            raise ValueError(
                f"{file_name(key)} is {self._ms(voice.latency_samples):.0f} ms late, and this show's sound "
                f"{self._ms(self._latency_samples):.0f} ms: name it in the show's file and reload"
            )
        self._warm_up(voice)
        return voice

    def _warm_up(self, voice: Voice) -> None:
        """Run some noise through it: its first block on stage is then as fast as the others, and a voice that cannot
        keep up is refused before it is heard. It has some tries: a machine that is busy for a moment, as at the start
        of a show, would refuse it for the whole evening. Raises ValueError."""
        shares: list[float] = []
        while not shares or (shares[-1] > 1.0 and len(shares) < _MAX_TRIES):
            shares.append(self._share(voice))
        if min(shares) > 1.0:
            raise ValueError(f"{voice.name} is too slow for this machine: {min(shares):.1f} s for each second of sound")

    def _share(self, voice: Voice) -> float:
        """How much of its time the voice takes for some sound, measured when it is warm."""
        settings = self._settings
        count = max(round(_WARM_UP_S / settings.block_s), 4)
        noise = np.random.default_rng(0).normal(0.0, 0.05, (2 * count, settings.block)).astype(np.float32)
        compute_s = []
        for block in noise:
            began = now()
            voice.process(block)
            compute_s.append(now() - began)
            sleep(compute_s[-1])  # the voice that performs meanwhile needs the machine
        voice.reset()
        return sum(compute_s[count:]) / (count * settings.block_s)

    def _slowest_latency_samples(self, voices: tuple[str, ...]) -> int:
        """A bad file is ignored here, and refused when it is opened."""
        latencies = [0]
        for key in voices:
            try:
                latencies.append(voice_latency_samples(key, self._settings.sample_rate, self._settings.block))
            except (ValueError, OSError, ModuleNotFoundError) as error:
                self._note(f"voice {file_name(key)}: {error}")
        most = round(MAX_CONTEXT_S * self._settings.sample_rate)
        return max(latency for latency in latencies if latency <= most)  # `open` refuses a slower one

    def _ms(self, samples: int) -> float:
        return 1e3 * samples / self._settings.sample_rate


def file_name(key: str) -> str:
    """A voice's key as the operator reads it: a path without its folder, a preset's name as it is."""
    return key.replace("\\", "/").rpartition("/")[2]
