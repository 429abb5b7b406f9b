"""Writes a movie file: pictures and sound, each with its own time, playable up to where it was cut off.

Writing never waits unless asked to: the encoder has its own thread.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from live.movie.fragmented_file import FragmentedFile, check_room
from live.movie.sound_timeline import SoundTimeline
from live.process.frames import Samples
from models.features.geometry import letterbox
from models.features.media.containers import create_movie
from models.features.types import Picture

WATCHABLE_PX = 480
"""Smaller looks are enlarged to at least this height."""
MIN_PX, MAX_PX = 64, 4096
"""The least and the greatest width and height of a movie: what encoders and players take."""


def movie_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of a movie of such pictures.

    Small looks are enlarged to a watchable size, as far as the greatest size allows; larger ones are reduced to it.
    What is narrower than the least size gets borders.
    """
    times = max(min(-(-WATCHABLE_PX // height), MAX_PX // max(width, height)), 1)
    scale = times * min(1.0, MAX_PX / max(width, height))
    return max(round(width * scale), MIN_PX), max(round(height * scale), MIN_PX)


@dataclass(frozen=True, slots=True)
class SoundTrackSpec:
    """The format of a movie's sound track. AAC takes 44100 and 48000 samples a second, and lower rates."""

    sample_rate: int = 48_000
    channels: int = 1


@dataclass(slots=True)
class _QueuedPicture:
    picture: Picture
    at_s: float


@dataclass(slots=True)
class _QueuedSound:
    """`samples` None: silence until `at_s`."""

    samples: Samples | None
    at_s: float


class _SoundTrack:
    """The AAC track of a movie. Belongs to the encoder's thread.

    AAC's first packet contains nothing: it is the encoder's look-back, 1024 samples. Usually it is stamped before the
    start, and an edit list tells players to skip it; in a fragmented file some players ignore that list and are 21 ms
    late. Here it takes the track's first 1024 samples instead, so that every sample after it is at its time in any
    player. The sound of the movie's first 21 ms is lost.
    """

    FRAME = 1024
    PRIMING = 1024
    BITS_PER_S = 128_000
    """Per channel."""

    def __init__(self, container: OutputContainer, sound: SoundTrackSpec) -> None:
        stream = container.add_stream("aac", rate=sound.sample_rate)
        assert isinstance(stream, AudioStream)
        self._layout = "mono" if sound.channels == 1 else "stereo"
        stream.layout = self._layout
        stream.bit_rate = self.BITS_PER_S * sound.channels
        self._container, self._stream = container, stream
        self._rate = sound.sample_rate
        self._timeline = SoundTimeline(sound.sample_rate, sound.channels, begin=self.PRIMING)
        self._pending = np.zeros((0, sound.channels), np.float32)
        self._next_pts = self.PRIMING

    def add(self, queued: _QueuedSound, at_s: float) -> None:
        """Adds sound at `at_s` seconds after the movie's start; what comes before the start is cut."""
        pieces = self._timeline.pad_to(at_s) if queued.samples is None else self._timeline.place(queued.samples, at_s)
        for piece in pieces:
            self._pending = np.concatenate([self._pending, piece])
            while len(self._pending) >= self.FRAME:
                self._encode(self._pending[: self.FRAME])
                self._pending = self._pending[self.FRAME :]

    def finish(self) -> None:
        if len(self._pending):
            self._encode(self._pending)
        if self._next_pts > self.PRIMING:
            self._container.mux(self._stream.encode(None))

    def _encode(self, samples: Samples) -> None:
        planes = np.ascontiguousarray(np.clip(np.nan_to_num(samples), -1, 1).T)
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._next_pts
        frame.time_base = Fraction(1, self._rate)
        self._next_pts += len(samples)
        self._container.mux(self._stream.encode(frame))


class MovieWriter:
    """A movie file that is playable up to where it was cut off: fragmented MP4, H.264 and AAC, with its own encoder
    thread.

    With `fps` the movie has a constant frame rate: each frame is the newest picture at its time, and a picture that
    stays is repeated. With fps None each picture keeps its own time. Time starts with the first picture; earlier sound
    is cut. Pictures of another size are fitted into the movie's, enlarged cubically: Lanczos would ring at a look's
    hard edges.

    The encoder's thread opens the file, too: a disk that does not answer holds up nobody. Whatever fails ends the
    recording only: `error` gives the reason, and further writes do nothing.

    Colours are those of BT.709, as screens and players take them, and the file says so.
    """

    TICKS = 90_000
    KEY_INTERVAL_S = 1.0
    """A fragment begins at every key frame: this much is lost at a power failure."""
    OPEN_S = 2.0
    """How long `close` waits for a disk that has not opened the file."""
    MAX_QUEUED_SOUND_S = 30.0
    """At most this much sound waits for the encoder; further sound is dropped."""

    def __init__(
        self,
        path: Path | str,
        fps: float | None,
        size: tuple[int, int],
        *,
        sound: SoundTrackSpec | None = None,
        queue_size: int = 60,
        preset: str = "veryfast",
        crf: int = 20,
        keep: bool = False,
        resumed: bool = False,
    ) -> None:
        """`size` is width and height; H.264 needs them even, so odd ones grow by one. `sound` None: no sound track.
        `keep`: a file that is there already is kept, and another name taken. `resumed`: only where the disk has room
        again."""
        self.path = Path(path)
        """The name that is written, once the file is open."""
        self.size = size[0] + size[0] % 2, size[1] + size[1] % 2
        self.fps = fps
        self.sound = sound
        self.error = ""
        self.dropped = 0
        """Pictures dropped because the encoder could not keep up."""
        self.dropped_sound_s = 0.0
        self.frames = 0
        """Frames encoded so far."""
        self._max_pictures = queue_size
        self._pictures: deque[_QueuedPicture] = deque()
        self._sounds: deque[_QueuedSound] = deque()
        self._queued_sound_s = 0.0
        self._changed = threading.Condition()
        self._closing = False
        self._aborting = False
        self._canvas = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        self._start_s: float | None = None
        self._next_frame = 0
        self._newest: Picture | None = None
        self._last_pts = -1
        self._key_pts = 0
        self._encoder = {"preset": preset, "crf": str(crf), "bf": "0"}
        self._keep, self._resumed = keep, resumed
        self._reformatter = VideoReformatter()
        self._opened = threading.Event()
        """Set once the file is open, or cannot be opened."""
        self._open_error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=f"movie {self.path.name}", daemon=True)
        self._thread.start()

    @property
    def opened(self) -> bool:
        """The disk has answered: the file is open, or cannot be opened, which `error` says then."""
        return self._opened.is_set()

    def wait_until_open(self) -> None:
        """Waits for the disk. Raises OSError when the file cannot be created."""
        self._opened.wait()
        if self._open_error is not None:
            raise self._open_error

    def write(self, picture: Picture, at_s: float, wait: bool = False) -> bool:
        """Adds a picture shown from `at_s` on; copies it. Returns False when it was dropped.

        Waits for the encoder only with `wait` (render keeps every frame).
        """
        queued = _QueuedPicture(picture.copy(), at_s)
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: len(self._pictures) < self._max_pictures or bool(self.error))
            if self.error:
                return False
            if len(self._pictures) >= self._max_pictures:
                self.dropped += 1
                return False
            self._pictures.append(queued)
            self._changed.notify_all()
            return True

    def write_sound(self, samples: Samples, at_s: float, wait: bool = False) -> bool:
        """Adds sound (n, channels) heard from `at_s` on, on the pictures' time line; keeps the array. Returns False
        when it was dropped. A gap after the previous sound becomes silence, and slow drift is corrected (see
        SoundTimeline)."""
        return self._queue_sound(_QueuedSound(samples, at_s), wait)

    def write_silence(self, until_s: float) -> None:
        """Declares that no more sound comes for the time until then, so that pictures do not wait for it in the
        file."""
        self._queue_sound(_QueuedSound(None, until_s), wait=False)

    def _queue_sound(self, queued: _QueuedSound, wait: bool) -> bool:
        if self.sound is None:
            return False
        length_s = 0.0 if queued.samples is None else len(queued.samples) / self.sound.sample_rate
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._queued_sound_s < self.MAX_QUEUED_SOUND_S or bool(self.error))
            if self.error:
                return False
            if self._queued_sound_s >= self.MAX_QUEUED_SOUND_S:
                self.dropped_sound_s += length_s
                return False
            self._sounds.append(queued)
            self._queued_sound_s += length_s
            self._changed.notify_all()
            return True

    def close(self, timeout_s: float = 30.0) -> None:
        """Writes what is queued and ends the file. An error is in `error`. A disk that has not answered yet is waited
        for OPEN_S at most."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._opened.wait(min(self.OPEN_S, timeout_s))
        if self.opened:
            self._thread.join(timeout_s)
        self._aborting = True

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- in the encoder's thread

    def _run(self) -> None:
        try:
            file = self._open_file()
            try:
                self._write_movie(file)
            except Exception as error:
                raise file.error or error from None
            finally:
                file.close(remove=self.frames == 0)
        except Exception as error:  # Whatever it is, it ends the recording and nothing else, and is said.
            self._fail(error)
        finally:
            self._opened.set()

    def _open_file(self) -> FragmentedFile:
        try:
            if self._resumed:
                check_room(self.path)
            file = FragmentedFile(self.path, keep=self._keep)
        except OSError as error:
            self._open_error = error
            raise
        self.path = file.path
        self._opened.set()
        return file

    def _write_movie(self, file: FragmentedFile) -> None:
        container, self._stream = self._begin(file)
        self._container = container
        try:
            self._track = None if self.sound is None else _SoundTrack(container, self.sound)
            container.start_encoding()
            while not self._aborting and self._step():
                pass
            self._finish()
        finally:
            container.close()

    def _begin(self, file: FragmentedFile) -> tuple[OutputContainer, VideoStream]:
        container, stream = create_movie(
            file,
            self.size,
            Fraction(self.fps or 30).limit_denominator(1001),
            self._encoder,
            {
                "movflags": "frag_keyframe+empty_moov+default_base_moof",
                "flush_packets": "1",
                # Limits how long one track waits for the other before it is written.
                "max_interleave_delta": "2000000",
            },
        )
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = Fraction(1, self.TICKS)
        context.gop_size = 600  # key frames are set by time
        context.sample_aspect_ratio = Fraction(1, 1)
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        return container, stream

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        with self._changed:
            self.error = f"recording to {self.path} ended: {' '.join(reason.split())}"
            self._pictures.clear()
            self._sounds.clear()
            self._changed.notify_all()  # No writer must go on waiting for a place in the queue.

    def _step(self) -> bool:
        """Writes all queued sound and one picture. Returns False when closing and nothing is left."""
        with self._changed:
            self._changed.wait_for(self._has_work)
            queued = self._pictures.popleft() if self._pictures else None
            if queued is not None and self._start_s is None:
                self._start_s = queued.at_s
            sounds = [] if self._start_s is None else list(self._sounds)
            if sounds or self._closing:
                self._sounds.clear()
                self._queued_sound_s = 0.0
            self._changed.notify_all()
        if self._track is not None and self._start_s is not None:
            for each in sounds:
                self._track.add(each, each.at_s - self._start_s)
        if queued is not None:
            self._encode_picture(queued)
        return queued is not None or bool(sounds) or not self._closing

    def _has_work(self) -> bool:
        return bool(self._pictures) or (bool(self._sounds) and self._start_s is not None) or self._closing

    def _encode_picture(self, queued: _QueuedPicture) -> None:
        assert self._start_s is not None
        at_s = queued.at_s - self._start_s
        if self.fps is None:
            self._encode(queued.picture, round(at_s * self.TICKS))
            return
        # Frame n shows the newest picture at its time: all frames before this picture's repeat the last one.
        while self._newest is not None and self._next_frame / self.fps < at_s - 0.5 / self.fps:
            self._encode(self._newest, round(self._next_frame / self.fps * self.TICKS))
            self._next_frame += 1
        self._newest = queued.picture

    def _finish(self) -> None:
        if self._newest is not None and self.fps is not None:
            self._encode(self._newest, round(self._next_frame / self.fps * self.TICKS))
        if self._last_pts >= 0:
            self._container.mux(self._stream.encode(None))
        if self._track is not None:
            self._track.finish()

    def _encode(self, picture: Picture, tick: int) -> None:
        if (picture.shape[1], picture.shape[0]) != self.size:
            self._canvas[:] = 0
            letterbox(picture, self._canvas, cv2.INTER_CUBIC)
            picture = self._canvas
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(picture, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            dst_color_primaries=ColorPrimaries.BT709,
            dst_color_trc=ColorTrc.BT709,
            threads=1,
        )
        frame.pts = tick = max(tick, self._last_pts + 1)
        frame.time_base = Fraction(1, self.TICKS)
        if tick - self._key_pts >= self.KEY_INTERVAL_S * self.TICKS:
            frame.pict_type = PictureType.I
            self._key_pts = tick
        self._last_pts = tick
        self._container.mux(self._stream.encode(frame))
        self.frames += 1
