"""What is played where a voice is late or has failed: the performer's own voice of the same time, or silence.

Belongs to the engine's loop.
"""

from __future__ import annotations

import numpy as np

from models.features.types import Mono

_DECLICK_S = 0.004


class SubstituteSound:
    """Each block that is played passes through it once, by `voiced` or by `fill`: so it knows what came before, and
    joins one to the other without a click."""

    def __init__(self, sample_rate: int, sound_miss: str) -> None:
        self.sound_miss = sound_miss
        """ "dry" or "silence": what the show asks for."""
        self.silent_cue = False
        """The cue itself is silence: whatever fails, nobody is heard."""
        self._declick_samples = round(_DECLICK_S * sample_rate)
        self._last_sample = 0.0
        self._substituted_last = False

    def fill(self, dry: Mono) -> Mono:
        """Instead of a block that is late. dry: the performer's own voice of the same time, (block,)."""
        substitute = dry if self._is_dry else np.zeros_like(dry)
        if not self._substituted_last:
            substitute = self._declicked(substitute)
        self._substituted_last = True
        return self._kept(substitute)

    def voiced(self, voiced: Mono, dry: Mono) -> Mono:
        """A block that is there: unchanged, but after a substitute crossfaded from it, over the block."""
        if not self._substituted_last:
            return self._kept(voiced)
        self._substituted_last = False
        share = np.linspace(0.0, 1.0, len(voiced), dtype=np.float32)
        rest = dry * (1.0 - share) if self._is_dry else np.float32(0.0)
        return self._kept(voiced * share + rest)

    def change_source(self) -> None:
        """The next block comes from another source: it is faded in."""
        self._substituted_last = True

    @property
    def _is_dry(self) -> bool:
        return self.sound_miss == "dry" and not self.silent_cue

    def _declicked(self, block: Mono) -> Mono:
        """Faded in, while the last sample played is held and faded out: what would have followed it is unknown."""
        count = min(self._declick_samples, len(block))
        share = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, count + 1, dtype=np.float32)[1:])
        block = block.copy()
        block[:count] = block[:count] * share + self._last_sample * (1.0 - share)
        return block

    def _kept(self, block: Mono) -> Mono:
        self._last_sample = float(block[-1])
        return block
