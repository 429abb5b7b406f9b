"""The two engines. Used in every process; imports the standard library alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

RAW = "bypass"
"""The model that performs what the camera and the microphone take: only in a cue that says so."""

ModelKind = Literal["look", "voice"]


class EngineKind(StrEnum):
    """Which engine: it performs one kind of model, and owns the parameters whose names begin with its own."""

    PICTURE = "picture"
    SOUND = "sound"

    @property
    def model_kind(self) -> ModelKind:
        """The kind of frozen model that it performs."""
        return "look" if self is EngineKind.PICTURE else "voice"

    @property
    def safe_model(self) -> str:
        """What it performs when there is nothing right to perform."""
        return "safe" if self is EngineKind.PICTURE else "silence"

    @classmethod
    def of_parameter(cls, name: str) -> EngineKind:
        """The engine that "sound/..." or "picture/..." belongs to."""
        return cls.SOUND if name.startswith("sound/") else cls.PICTURE
