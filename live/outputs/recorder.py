"""`guise live --record`: what the audience sees and hears, into a movie that is playable even if everything is killed.

Lives in the operator's process. A picture's time is when it is handed to the audience, a sound's when the loudspeaker
gives it. `offer` runs in the audience's thread, `hear` in the StageManager's; neither waits; the encoder has its own.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from live.process.frames import now
from live.process.messages import AudioChunk

if TYPE_CHECKING:
    from live.manage.stage_manager import StageManager
    from live.movie.writer import MovieWriter
    from live.process.shared_frames import SharedPicture

PATIENCE_S = 1.0
"""Sound that has not come so long after its picture is taken for silence."""
_EARLY = 100
"""So many events of sound are kept until there is a picture: some are heard after it."""


class Recorder:
    """Records from now on until `close`; what goes wrong becomes a note, and the show goes on."""

    def __init__(self, path: Path, manager: StageManager, sample_rate: int | None = None) -> None:
        """`sample_rate`: the sound engine's; None: there is no microphone, and the movie gets no sound track."""
        # The encoder's library is imported here, so that the audience's first picture does not wait for it.
        from live.movie.writer import MovieWriter, SoundTrackSpec, movie_size
        from live.process.shared_frames import FrameKind

        self._make, self._size, self._safe = MovieWriter, movie_size, FrameKind.SAFE
        self._sound = None if sample_rate is None else SoundTrackSpec(sample_rate)
        self._path = path
        self._manager = manager
        self._writer: MovieWriter | None = None
        self._failed = False
        self._early: deque[AudioChunk] = deque(maxlen=_EARLY)
        self._beginning = threading.Lock()
        """Sound comes while the first picture begins the movie."""
        self._leave = manager.audience.subscribe(self.offer), manager.subscribe_audio(self.hear)

    def offer(self, picture: SharedPicture) -> None:
        at = now()
        if self._writer is None and not self._failed and picture.kind is not self._safe:
            self._begin(picture, at)
        elif self._writer is not None:
            self._writer.write(picture.picture, at)
            self._writer.write_silence(at - PATIENCE_S)

    def hear(self, played: AudioChunk) -> None:
        with self._beginning:
            if self._writer is None:
                self._early.append(played)
            else:
                _write(self._writer, played)

    def _begin(self, picture: SharedPicture, at: float) -> None:
        """The first picture of a look decides the size, and is the movie's beginning."""
        height, width = picture.picture.shape[:2]
        try:
            writer = self._make(
                self._path, None, self._size(width, height), sound=self._sound, on_trouble=self._manager.note
            )
        except OSError as error:
            self._failed = True
            self._manager.note(f"nothing is recorded: {self._path}: {error}")
            return
        writer.write(picture.picture, at)
        with self._beginning:
            self._writer = writer
            for played in self._early:
                _write(writer, played)
            self._early.clear()

    def close(self) -> None:
        """End the file and say what is not in it."""
        for leave in self._leave:
            leave()
        if self._writer is None:
            self._manager.note("nothing was recorded: there was no picture of a look")
            return
        self._writer.close()
        if self._writer.dropped:
            self._manager.note(f"{self._writer.dropped} pictures were not recorded: the encoder was too slow")
        if (lost_s := self._writer.dropped_sound_s) > 0:
            self._manager.note(f"{lost_s:.1f} s of sound were not recorded: the encoder was too slow")


def _write(writer: MovieWriter, played: AudioChunk) -> None:
    writer.write_sound(np.frombuffer(played.samples, "<f4").reshape(-1, 1), played.at)
