"""How far a model is: of an engine, and of a cue in the list. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ModelProgress(StrEnum):
    """How far a model is."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True)
class ModelStatus:
    """How far a model is, and why it was refused."""

    progress: ModelProgress = ModelProgress.UNLOADED
    why: str = ""
