"""The two engines. Used in every process; imports the standard library alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

ModelKind = Literal["look", "voice"]


class EngineKind(StrEnum):
    """Which engine: it performs one kind of model, and owns the parameters whose names begin with its own."""

    PICTURE = "picture"
    SOUND = "sound"

    @property
    def model_kind(self) -> ModelKind:
        """The kind of frozen model that it performs."""
        return "look" if self is EngineKind.PICTURE else "voice"

    @classmethod
    def of_parameter(cls, name: str) -> EngineKind:
        """The engine that "sound/..." or "picture/..." belongs to."""
        return cls.SOUND if name.startswith("sound/") else cls.PICTURE
