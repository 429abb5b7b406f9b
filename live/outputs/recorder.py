"""The recorder: what the audience sees and hears, in a movie that is playable even if every process is killed.

    guise live --record OUT.mp4         or, the same: --output recorder=OUT.mp4

Runs in the operator's process. A picture's time is when it is passed to the audience, a sound's when the loudspeaker
plays it. `put_picture` runs in the audience's thread, `put_audio` in the StageManager's; neither waits or touches the
disk, which the encoder's own thread does.
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
TRY_AGAIN_S = 5.0
"""How long after a movie ended the next one is begun."""
GOES_ON_S = 2.0
"""A movie that has been written for so long is said to go on."""
SILENT_DISK_S = 5.0
"""A disk that has not opened the movie for so long is said not to answer."""
MAX_EARLY_CHUNKS = 100
"""At most this many chunks of sound are kept until there is a picture: some of them belong after it."""


class Recorder:
    """Records from `open` until `close`.

    Whatever ends a movie, the recording goes on in the next, OUT-2.mp4, as soon as that can be; each is noted, and a
    recording that had ended for good is raised at the end.
    """

    def __init__(self, target: str | None) -> None:
        """`target`: the movie's path. Raises BadOutput."""
        if not target:
            raise BadOutput("the recorder needs a file to write: recorder=OUT.mp4")
        self._path = Path(target)
        check_writable(self._path)
        if self._path.suffix.lower() != ".mp4":
            raise BadOutput("expected a name that ends in .mp4")
        self._writer: MovieWriter | None = None
        self._begun_at = 0.0
        self._try_again_at = 0.0
        self._trouble = ""
        """Why nothing is recorded; empty while a movie is written."""
        self._silence_noted = False
        self._early_sound: deque[AudioChunk] = deque(maxlen=MAX_EARLY_CHUNKS)
        self._start_lock = threading.Lock()
        """Held while a chunk is queued: sound arrives while the first picture starts the movie."""

    def open(self, sample_rate: int | None, note: Callable[[str], None]) -> None:
        # The encoder's library is imported here, so that the audience's first picture does not wait for it.
        from live.movie.writer import MovieWriter, SoundTrackSpec, movie_size

        sound = None if sample_rate is None else SoundTrackSpec(sample_rate)
        self._note = note
        self._movie_size = movie_size
        self._new_writer = partial(MovieWriter, self._path, None, sound=sound, keep=True)

    def put_picture(self, picture: SharedPicture) -> None:
        at = now()
        if self._writer is not None and self._writer.error:
            self._end_movie(self._writer, at)
        if self._writer is None:
            if picture.kind is not FrameKind.SAFE and at >= self._try_again_at:
                self._begin_movie(picture, at)
            return
        self._watch(self._writer, at)
        self._writer.write(picture.picture, at)
        self._writer.write_silence(at - SOUND_WAIT_S)

    def put_audio(self, chunk: AudioChunk) -> None:
        with self._start_lock:
            if self._writer is None:
                self._early_sound.append(chunk)
            else:
                _write_chunk(self._writer, chunk)

    def _begin_movie(self, picture: SharedPicture, at: float) -> None:
        """The first picture of a look sets the movie's size and its time 0."""
        height, width = picture.picture.shape[:2]
        writer = self._new_writer(self._movie_size(width, height), resumed=bool(self._trouble))
        writer.write(picture.picture, at)
        self._begun_at, self._silence_noted = at, False
        with self._start_lock:
            self._writer = writer
            for chunk in self._early_sound:
                _write_chunk(writer, chunk)
            self._early_sound.clear()

    def _end_movie(self, writer: MovieWriter, at: float) -> None:
        """What was recorded lies in its file; the next movie begins later."""
        if not self._trouble:
            self._trouble = writer.error
            self._note(f"{writer.error}; it goes on as soon as it can")
        self._note_losses(writer)
        with self._start_lock:
            self._writer = None
        self._try_again_at = at + TRY_AGAIN_S

    def _watch(self, writer: MovieWriter, at: float) -> None:
        """Says that the disk does not answer, and that the recording goes on."""
        if not writer.opened and not self._silence_noted and at - self._begun_at > SILENT_DISK_S:
            self._silence_noted = True
            self._note(f"nothing is recorded: the disk of {self._path} does not answer")
        elif writer.frames and at - self._begun_at > GOES_ON_S and (self._trouble or self._silence_noted):
            self._trouble, self._silence_noted = "", False
            self._note(f"the recording goes on in {writer.path}")

    def close(self) -> None:
        """Ends the file and notes what is missing from it. Raises BadOutput where the recording had ended before."""
        writer = self._writer
        if writer is not None:
            writer.close()
            self._note_losses(writer)
            if not writer.opened:
                raise BadOutput(f"nothing is recorded: the disk of {self._path} does not answer")
        if error := self._trouble or (writer.error if writer is not None else ""):
            raise BadOutput(error)
        if writer is None:
            self._note("nothing was recorded: there was no picture of a look")

    def _note_losses(self, writer: MovieWriter) -> None:
        if writer.dropped:
            self._note(f"{writer.dropped} pictures were not recorded: the encoder was too slow")
        if (lost_s := writer.dropped_sound_s) > 0:
            self._note(f"{lost_s:.1f} s of sound were not recorded: the encoder was too slow")


def _write_chunk(writer: MovieWriter, chunk: AudioChunk) -> None:
    writer.write_sound(np.frombuffer(chunk.samples, "<f4").reshape(-1, 1), chunk.at)
