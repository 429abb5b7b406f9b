"""The built-in demo: a stand-in performer with its speech, and a show with its looks and voices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live.demo.performer import DemoPerformer


def stand_in_performer() -> DemoPerformer:
    """Creates the performer that the camera `demo` films; given to the picture engine, which calls it in the source's
    reader thread."""
    from live.demo.performer import DemoPerformer

    return DemoPerformer(width=640, height=480)
