"""A movie file: pictures and sound, each at its own time, playable up to where it was cut off.

Whoever hands it pictures and sound never waits: the encoder has a thread of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from live.movie.sound_line import SoundLine
from live.picture.transition import place
from live.process.frames import Samples
from models.features.types import Picture

WATCHABLE_PX = 480
"""A movie is at least so high."""


def movie_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of a movie of such pictures: small looks are enlarged, so that it can be watched."""
    times = max(-(-WATCHABLE_PX // height), 1)
    return width * times, height * times


@dataclass(frozen=True, slots=True)
class SoundTrackSpec:
    """The form of a movie's sound track; AAC takes 44100 and 48000 samples a second, and lower rates."""

    sample_rate: int = 48_000
    channels: int = 1


@dataclass(slots=True)
class _Shot:
    picture: Picture
    at_s: float


@dataclass(slots=True)
class _Heard:
    """`samples` None: silence until `at_s`."""

    samples: Samples | None
    at_s: float


class _SoundTrack:
    """The AAC track of a movie. Belongs to the encoder's thread.

    AAC's first packet holds nothing: the encoder's look back, 1024 samples. It is usually stamped before the start,
    and an edit list tells players to skip it; in a fragmented file some players do not look there, and are 21 ms late.
    So here it takes the track's first 1024 samples instead, and every sample after it lies where its time is in any
    player. What is lost is the sound of the movie's first 21 ms.
    """

    FRAME = 1024
    PRIMING = 1024
    BITS_PER_S = 128_000
    """Of one channel."""

    def __init__(self, container: OutputContainer, sound: SoundTrackSpec) -> None:
        stream = container.add_stream("aac", rate=sound.sample_rate)
        assert isinstance(stream, AudioStream)
        self._layout = "mono" if sound.channels == 1 else "stereo"
        stream.layout = self._layout
        stream.bit_rate = self.BITS_PER_S * sound.channels
        self._container, self._stream = container, stream
        self._rate = sound.sample_rate
        self._line = SoundLine(sound.sample_rate, sound.channels, begin=self.PRIMING)
        self._rest = np.zeros((0, sound.channels), np.float32)
        self._tick = self.PRIMING

    def add(self, heard: _Heard, at_s: float) -> None:
        """`at_s`: its time from the movie's beginning on; what lies before that is cut."""
        pieces = self._line.reach(at_s) if heard.samples is None else self._line.place(heard.samples, at_s)
        for piece in pieces:
            self._rest = np.concatenate([self._rest, piece])
            while len(self._rest) >= self.FRAME:
                self._encode(self._rest[: self.FRAME])
                self._rest = self._rest[self.FRAME :]

    def finish(self) -> None:
        if len(self._rest):
            self._encode(self._rest)
        if self._tick > self.PRIMING:
            self._container.mux(self._stream.encode(None))

    def _encode(self, samples: Samples) -> None:
        planes = np.ascontiguousarray(np.clip(np.nan_to_num(samples), -1, 1).T)
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._tick
        frame.time_base = Fraction(1, self._rate)
        self._tick += len(samples)
        self._container.mux(self._stream.encode(frame))


class MovieWriter:
    """A movie file that is playable up to where it was cut off: fragmented MP4, H.264 and AAC, its own encoder thread.

    With `fps` the movie has a constant frame rate: each frame is the newest picture at its time, a picture that stood
    still is repeated. With fps None each picture keeps its own time. Time begins with the first picture; sound from
    before it is cut. Pictures of another size are fitted into the movie's, enlarged cubically: Lanczos would ring at a
    look's hard edges. A full disk ends the recording and nothing else: `trouble` says why, and writing goes on doing
    nothing.
    """

    TICKS = 90_000
    KEY_EVERY_S = 1.0
    """A fragment begins at every key frame: so much is lost when the power goes."""
    MOST_SOUND_S = 30.0
    """So much sound may wait for the encoder; more than that is left out."""

    def __init__(
        self,
        path: Path | str,
        fps: float | None,
        size: tuple[int, int],
        *,
        sound: SoundTrackSpec | None = None,
        queue_size: int = 60,
        on_trouble: Callable[[str], None] | None = None,
        preset: str = "veryfast",
        crf: int = 20,
    ) -> None:
        """`size` is width and height; H.264 wants them even. `sound` None: a movie without a sound track. Raises
        OSError when the file cannot be made."""
        self.path = Path(path)
        self.size = size[0] + size[0] % 2, size[1] + size[1] % 2
        self.fps = fps
        self.sound = sound
        self.trouble = ""
        self.dropped = 0
        """Pictures left out because the encoder could not keep up."""
        self.dropped_sound_s = 0.0
        self.frames = 0
        self._on_trouble = on_trouble
        self._most_shots = queue_size
        self._shots: deque[_Shot] = deque()
        self._heard: deque[_Heard] = deque()
        self._heard_s = 0.0
        self._news = threading.Condition()
        self._closing = False
        self._abort = False
        self._canvas = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        self._start_s: float | None = None
        self._next = 0
        self._held: Picture | None = None
        self._last_tick = -1
        self._key_tick = 0
        self._container, self._stream, self._track = self._open(preset, crf)
        self._thread = threading.Thread(target=self._run, name=f"movie {self.path.name}", daemon=True)
        self._thread.start()

    def write(self, picture: Picture, at_s: float, wait: bool = False) -> bool:
        """Adds a picture shown from `at_s` on; copies it. False when it was left out.

        Never waits, unless told to (render wants every frame).
        """
        shot = _Shot(picture.copy(), at_s)
        with self._news:
            if wait:
                self._news.wait_for(lambda: len(self._shots) < self._most_shots or bool(self.trouble))
            if self.trouble:
                return False
            if len(self._shots) >= self._most_shots:
                self.dropped += 1
                return False
            self._shots.append(shot)
            self._news.notify_all()
            return True

    def write_sound(self, samples: Samples, at_s: float, wait: bool = False) -> bool:
        """Adds sound, (n, channels), heard from `at_s` on, on the pictures' time line; keeps it. False when it was
        left out. A hole between it and the sound before becomes silence, slow drift is taken back (see SoundLine)."""
        return self._hear(_Heard(samples, at_s), wait)

    def write_silence(self, until_s: float) -> None:
        """Nothing is heard until then that has not been written: the pictures shall not wait for sound in the file."""
        self._hear(_Heard(None, until_s), wait=False)

    def _hear(self, heard: _Heard, wait: bool) -> bool:
        if self.sound is None:
            return False
        length_s = 0.0 if heard.samples is None else len(heard.samples) / self.sound.sample_rate
        with self._news:
            if wait:
                self._news.wait_for(lambda: self._heard_s < self.MOST_SOUND_S or bool(self.trouble))
            if self.trouble:
                return False
            if self._heard_s >= self.MOST_SOUND_S:
                self.dropped_sound_s += length_s
                return False
            self._heard.append(heard)
            self._heard_s += length_s
            self._news.notify_all()
            return True

    def close(self, timeout_s: float = 30.0) -> None:
        """Writes what waits and ends the file. What it could not write is in `trouble`."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join(timeout_s)
        self._abort = True

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, preset: str, crf: int) -> tuple[OutputContainer, VideoStream, _SoundTrack | None]:
        container = av.open(
            str(self.path),
            "w",
            format="mp4",
            options={
                "movflags": "frag_keyframe+empty_moov+default_base_moof",
                "flush_packets": "1",
                # Of two tracks one waits for the other before it is written; not for ever.
                "max_interleave_delta": "2000000",
            },
        )
        stream = container.add_stream("libx264", rate=Fraction(self.fps or 30).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self.size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": preset, "crf": str(crf), "bf": "0"}
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = Fraction(1, self.TICKS)
        context.gop_size = 600  # key frames come by time
        track = None if self.sound is None else _SoundTrack(container, self.sound)
        try:
            container.start_encoding()  # Opens the file: what is wrong with it is said now.
        except BaseException:
            container.close()
            raise
        return container, stream, track

    # ---- in the encoder's thread

    def _run(self) -> None:
        try:
            try:
                while not self._abort and self._step():
                    pass
                self._finish()
            finally:
                self._container.close()
        except (OSError, av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            with self._news:
                self.trouble = f"recording to {self.path} ended: {reason}"
                self._shots.clear()
                self._heard.clear()
                self._news.notify_all()  # Nobody must wait for a place.
            if self._on_trouble is not None:
                self._on_trouble(self.trouble)

    def _step(self) -> bool:
        """All sound that waits, and one picture. False: that was all."""
        with self._news:
            self._news.wait_for(self._has_work)
            shot = self._shots.popleft() if self._shots else None
            if shot is not None and self._start_s is None:
                self._start_s = shot.at_s
            heard = [] if self._start_s is None else list(self._heard)
            if heard or self._closing:
                self._heard.clear()
                self._heard_s = 0.0
            self._news.notify_all()
        if self._track is not None and self._start_s is not None:
            for each in heard:
                self._track.add(each, each.at_s - self._start_s)
        if shot is not None:
            self._take(shot)
        return shot is not None or bool(heard) or not self._closing

    def _has_work(self) -> bool:
        return bool(self._shots) or (bool(self._heard) and self._start_s is not None) or self._closing

    def _take(self, shot: _Shot) -> None:
        assert self._start_s is not None
        at_s = shot.at_s - self._start_s
        if self.fps is None:
            self._encode(shot.picture, round(at_s * self.TICKS))
            return
        # Frame n shows what was newest when its time came: all before this picture's show the last one.
        while self._held is not None and self._next / self.fps < at_s - 0.5 / self.fps:
            self._encode(self._held, round(self._next / self.fps * self.TICKS))
            self._next += 1
        self._held = shot.picture

    def _finish(self) -> None:
        if self._held is not None and self.fps is not None:
            self._encode(self._held, round(self._next / self.fps * self.TICKS))
        if self._last_tick >= 0:
            self._container.mux(self._stream.encode(None))
        if self._track is not None:
            self._track.finish()

    def _encode(self, picture: Picture, tick: int) -> None:
        if (picture.shape[1], picture.shape[0]) != self.size:
            self._canvas[:] = 0
            place(picture, self._canvas, cv2.INTER_CUBIC)
            picture = self._canvas
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = tick = max(tick, self._last_tick + 1)
        frame.time_base = Fraction(1, self.TICKS)
        if tick - self._key_tick >= self.KEY_EVERY_S * self.TICKS:
            frame.pict_type = PictureType.I
            self._key_tick = tick
        self._last_tick = tick
        self._container.mux(self._stream.encode(frame))
        self.frames += 1
