"""The protocol of an output: something that takes the show's pictures and sound out of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from live.process.messages import AudioChunk
    from live.process.shared_frames import SharedPicture


class BadOutput(Exception):
    """An output cannot do what it was asked for; the message is one line that follows what was asked for."""


@runtime_checkable
class Output(Protocol):
    """What an output implements. It lives in the operator's process; RunningOutput connects it to the show.

    What `open` and those after it raise becomes a fault, and the output gets nothing more; the show goes on.
    """

    def __init__(self, target: str | None) -> None:
        """Checks where to, in the output's own terms (a file, a device, an address); opens nothing yet, because nothing
        of the show has started. Raises BadOutput when the target is missing or cannot be used."""

    def open(self, sample_rate: int | None, note: Callable[[str], None]) -> None:
        """Opens it, in the main thread, while the engines start; may wait. `sample_rate` is the sound engine's; None:
        there is no microphone. `note` tells the operator a sentence; any thread."""

    def put_picture(self, picture: SharedPicture) -> None:
        """Takes a picture the audience sees, in the audience's thread. Must not wait. The picture stays as it is, and
        is not to be changed."""

    def put_audio(self, chunk: AudioChunk) -> None:
        """Takes sound the loudspeaker plays, in the StageManager's thread and under its lock. Must not wait."""

    def close(self) -> None:
        """Ends the output, in the main thread; may wait. Called once, when nothing more is put; not when `open`
        failed."""


def check_writable(path: Path) -> None:
    """Raises BadOutput where no file can be written to."""
    if path.is_dir():
        raise BadOutput("is a folder; expected a file's name")
    if path.exists() and not path.is_file():
        raise BadOutput("is a pipe or a device; expected a file's name")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise BadOutput(f"there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise BadOutput(f"the folder {folder} cannot be written to")
