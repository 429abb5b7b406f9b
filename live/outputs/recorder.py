"""The recorder: what the audience sees and hears, in a movie that is playable even if every process is killed.

    guise live --record OUT.mp4         or, the same: --output recorder=OUT.mp4

Runs in the operator's process. A picture's time is when it is passed to the audience, a sound's when the loudspeaker
plays it. `put_picture` runs in the audience's thread, `put_audio` in the StageManager's; neither waits. The encoder has
its own thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from live.outputs.output import BadOutput, check_writable
from live.process.frames import now
from live.process.messages import AudioChunk
from live.process.stage_picture import FrameKind

if TYPE_CHECKING:
    from live.movie.writer import MovieWriter
    from live.process.shared_frames import SharedPicture

SOUND_WAIT_S = 1.0
"""Sound that has not arrived this long after its picture is replaced by silence."""
MAX_EARLY_CHUNKS = 100
"""At most this many chunks of sound are kept until there is a picture: some of them belong after it."""


class Recorder:
    """Records from `open` until `close`. What the disk refuses is raised once, in one line."""

    def __init__(self, target: str | None) -> None:
        """`target`: the movie's path. Raises BadOutput."""
        if not target:
            raise BadOutput("the recorder needs a file to write: recorder=OUT.mp4")
        self._path = Path(target)
        check_writable(self._path)
        if self._path.suffix.lower() != ".mp4":
            raise BadOutput("expected a name that ends in .mp4")
        self._writer: MovieWriter | None = None
        self._failed = False
        self._early_sound: deque[AudioChunk] = deque(maxlen=MAX_EARLY_CHUNKS)
        self._start_lock = threading.Lock()
        """Held while a chunk is written or queued: sound arrives while the first picture starts the movie."""

    def open(self, sample_rate: int | None, note: Callable[[str], None]) -> None:
        # The encoder's library is imported here, so that the audience's first picture does not wait for it.
        from live.movie.writer import MovieWriter, SoundTrackSpec, movie_size

        sound = None if sample_rate is None else SoundTrackSpec(sample_rate)
        self._note = note
        self._movie_size = movie_size
        self._start_writer = partial(MovieWriter, self._path, None, sound=sound)

    def put_picture(self, picture: SharedPicture) -> None:
        at = now()
        self._raise_error()
        if self._writer is None and not self._failed and picture.kind is not FrameKind.SAFE:
            self._start(picture, at)
        elif self._writer is not None:
            self._writer.write(picture.picture, at)
            self._writer.write_silence(at - SOUND_WAIT_S)

    def put_audio(self, chunk: AudioChunk) -> None:
        with self._start_lock:
            if self._writer is None:
                self._early_sound.append(chunk)
            else:
                _write_chunk(self._writer, chunk)

    def _start(self, picture: SharedPicture, at: float) -> None:
        """Starts the movie: the first picture of a look sets its size and its time 0."""
        height, width = picture.picture.shape[:2]
        try:
            writer = self._start_writer(self._movie_size(width, height))
        except OSError as error:
            self._failed = True
            raise BadOutput(f"nothing is recorded: {self._path}: {error}") from error
        writer.write(picture.picture, at)
        with self._start_lock:
            self._writer = writer
            for chunk in self._early_sound:
                _write_chunk(writer, chunk)
            self._early_sound.clear()

    def close(self) -> None:
        """Ends the file and notes what is missing from it."""
        if self._writer is None:
            if not self._failed:
                self._note("nothing was recorded: there was no picture of a look")
            return
        self._writer.close()
        if self._writer.dropped:
            self._note(f"{self._writer.dropped} pictures were not recorded: the encoder was too slow")
        if (lost_s := self._writer.dropped_sound_s) > 0:
            self._note(f"{lost_s:.1f} s of sound were not recorded: the encoder was too slow")
        self._raise_error()

    def _raise_error(self) -> None:
        """Raises what the encoder's thread has met, once: the recording has ended there."""
        if self._writer is not None and self._writer.error and not self._failed:
            self._failed = True
            raise BadOutput(self._writer.error)


def _write_chunk(writer: MovieWriter, chunk: AudioChunk) -> None:
    writer.write_sound(np.frombuffer(chunk.samples, "<f4").reshape(-1, 1), chunk.at)
