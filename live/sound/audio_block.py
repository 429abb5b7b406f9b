"""What the performer said: a block of samples, stamped once, at capture."""

from __future__ import annotations

from typing import NamedTuple

from live.process.frames import Samples


class AudioBlock(NamedTuple):
    """One block of a microphone."""

    samples: Samples
    """(block, 1)."""
    captured_at: float
    """When the first sample was in the air, by now()."""
