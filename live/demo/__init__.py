"""The embedded default: a stand-in performer, fictional characters, their looks, a show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live.demo.performer import DemoPerformer


def stand_in_performer() -> DemoPerformer:
    """Who stands before the camera called `demo`: handed to the picture engine, which calls it in the camera's
    thread."""
    from live.demo.performer import DemoPerformer

    return DemoPerformer(width=640, height=480)
