"""The devices of the settings' `none`: a microphone without sound, and a loudspeaker that discards it.

They belong to the engine's loop.
"""

from __future__ import annotations

from live.process.frames import Clock, now
from live.sound.audio_block import AudioBlock
from live.sound.paced_speaker import PacedSpeaker


class NullMicrophone:
    """Never has a block."""

    name = "none"
    latency_s = 0.0
    xruns = 0
    missed = 0
    trouble = ""

    def due_in_s(self) -> float:
        return 3600.0

    def read(self) -> AudioBlock | None:
        return None

    def close(self) -> None:
        return


class NullSpeaker(PacedSpeaker):
    """Discards what is written, at the pace of a loudspeaker."""

    def __init__(
        self, sample_rate: int = 48_000, set_point_s: float = 0.02, clock: Clock = now, drifts: bool = False
    ) -> None:
        """See PacedSpeaker."""
        super().__init__("none", sample_rate, set_point_s, clock, drifts)
