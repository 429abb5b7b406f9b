"""The sound of `guise render`: a movie's own, on its pictures' time line, through a voice whose latency is taken out.

Runs in the caller's thread, in step with the pictures: no more than a second of sound is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame

from live.movie.sound_line import SoundLine
from live.movie.writer import MovieWriter, SoundTrackSpec
from live.process.frames import Samples
from live.process.percentiles import Durations, in_ms
from live.sound.voice import Voice

RATE = 48_000
BLOCK = 480
"""What a voice is given at a time."""
AHEAD_S = 0.5
"""The sound is written so far ahead of the pictures: neither waits long for the other in the file."""


def sound_of(path: Path | str, mono: bool) -> SoundTrackSpec | None:
    """The track that a render of this movie gets; None: there is no sound in it."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        return SoundTrackSpec(RATE, 1 if mono else min(container.streams.audio[0].codec_context.channels or 1, 2))


def heard_in(path: Path | str, sound: SoundTrackSpec) -> Iterator[tuple[Samples, float]]:
    """All the sound of a movie, (n, channels), each piece with its time in the file's own seconds. What cannot be
    decoded is left out."""
    resampler = av.AudioResampler("fltp", "mono" if sound.channels == 1 else "stereo", sound.sample_rate)
    with av.open(str(path)) as container:
        for frame in _decoded(container):
            for part in resampler.resample(frame):
                if part.time is not None:
                    yield np.ascontiguousarray(part.to_ndarray().T, np.float32), part.time


def _decoded(container: av.container.InputContainer) -> Iterator[AudioFrame | None]:
    try:
        for packet in container.demux(container.streams.audio[0]):
            try:
                yield from packet.decode()
            except av.InvalidDataError:
                continue
    except (av.FFmpegError, OSError):
        pass  # A file cut off within a packet: what came before is all there is.
    yield None  # What the resampler still holds.


class RenderedSound:
    """One movie's sound on its way into another. `voice` None: it stays as it is."""

    def __init__(self, path: Path | str, sound: SoundTrackSpec, first_s: float, voice: Voice | None) -> None:
        """`first_s`: the file's own time of the first picture; what is heard before it is cut."""
        self.track = sound
        self._pieces = heard_in(path, sound)
        self._line = SoundLine(sound.sample_rate, sound.channels)
        self._first_s = first_s
        self._voice = voice
        self._rate = sound.sample_rate
        self._unsaid = np.zeros(0, np.float32)
        self._early = 0 if voice is None else voice.latency_samples
        """So many samples of what the voice says belong to before the beginning."""
        self._position = 0
        self._ended = False
        self._compute = Durations()
        self._computed_s = 0.0

    def write(self, writer: MovieWriter, until_s: float = np.inf) -> None:
        """Writes it as far as the pictures' time `until_s`, or to its end."""
        while not self._ended and self._position < until_s * self._rate:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
                self._finish(writer)
                return
            samples, at_s = piece
            for part in self._line.place(samples, at_s - self._first_s):
                self._write(writer, part if self._voice is None else self._said(part[:, 0]))

    def report(self) -> dict[str, Any]:
        """The report's "audio"; nothing where no voice spoke. `latency` is the voice's own, which is taken out."""
        if self._voice is None:
            return {}
        length_s = self._compute.count * BLOCK / self._rate
        return {
            "audio": {
                "sample_rate": self._rate,
                "block": BLOCK,
                "latency": in_ms(self._voice.latency_samples / self._rate),
                "rtf": round(self._computed_s / length_s, 5) if length_s else None,
                "compute": self._compute.whole(),
            }
        }

    def _finish(self, writer: MovieWriter) -> None:
        """A voice is late: what it has still to say is fetched by silence, and ends where the sound did."""
        if self._voice is None:
            return
        missing = self._line.position - self._position
        asked = -(-(missing + self._early + BLOCK) // BLOCK) * BLOCK
        self._write(writer, self._said(np.zeros(asked, np.float32))[:missing])

    def _write(self, writer: MovieWriter, samples: Samples) -> None:
        if len(samples):
            writer.write_sound(samples, self._position / self._rate, wait=True)
            self._position += len(samples)

    def _said(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> Samples:
        """What the voice makes of it, (n, 1), without its latency; whole blocks, the rest waits."""
        assert self._voice is not None
        self._unsaid = np.concatenate([self._unsaid, samples])
        said = [np.zeros(0, np.float32)]
        while len(self._unsaid) >= BLOCK:
            began = perf_counter()
            said.append(self._voice.process(self._unsaid[:BLOCK]))
            took_s = perf_counter() - began
            self._compute.add(took_s)
            self._computed_s += took_s
            self._unsaid = self._unsaid[BLOCK:]
        whole = np.concatenate(said)
        cut = min(self._early, len(whole))
        self._early -= cut
        return whole[cut:].reshape(-1, 1)
