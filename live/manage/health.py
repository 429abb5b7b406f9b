"""How an engine is. Any thread."""

from __future__ import annotations

from enum import StrEnum


class Health(StrEnum):
    """How an engine is, as screens show it."""

    STARTING = "starting"
    PERFORMING = "performing"
    RESTARTING = "restarting"
    ENDED = "ended"
