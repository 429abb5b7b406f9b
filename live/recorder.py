"""`guise live --record`: what the audience sees, into a movie that is playable even if everything is killed.

Lives in the operator's process. `offer` runs in the audience's thread and never waits; the encoder has its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live.picture.outputs import MovieWriter
    from live.shared_frames import SharedPicture
    from live.stage_manager import StageManager

RECORDED_FPS = 30.0


class Recorder:
    """Records from now on until `close`; what goes wrong becomes a note, and the show goes on."""

    def __init__(self, path: Path, manager: StageManager) -> None:
        # The encoder's library is imported here, so that the audience's first picture does not wait for it.
        from live.picture.outputs import MovieWriter, movie_size
        from live.shared_frames import FrameKind

        self._make, self._size, self._safe = MovieWriter, movie_size, FrameKind.SAFE
        self._path = path
        self._manager = manager
        self._writer: MovieWriter | None = None
        self._failed = False
        self._leave = manager.audience.subscribe(self.offer)

    def offer(self, picture: SharedPicture) -> None:
        if self._writer is None and not self._failed and picture.kind is not self._safe:
            self._begin(*picture.picture.shape[:2])
        if self._writer is not None:
            self._writer.write(picture.picture, picture.ready_at)

    def _begin(self, height: int, width: int) -> None:
        """The first picture of a look decides the size."""
        try:
            self._writer = self._make(
                self._path, RECORDED_FPS, self._size(width, height), on_trouble=self._manager.note
            )
        except OSError as error:
            self._failed = True
            self._manager.note(f"nothing is recorded: {self._path}: {error}")

    def close(self) -> None:
        """End the file and say what is not in it."""
        self._leave()
        if self._writer is None:
            self._manager.note("nothing was recorded: there was no picture of a look")
            return
        self._writer.close()
        if self._writer.dropped:
            self._manager.note(f"{self._writer.dropped} pictures were not recorded: the encoder was too slow")
