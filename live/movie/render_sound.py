"""The sound of `guise render`: the movie's own, aligned with its pictures, through a voice whose latency is removed.

Runs in the caller's thread, in step with the pictures: no more than a second of sound is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np

from live.movie.sound_timeline import SoundTimeline
from live.movie.writer import SoundTrackSpec
from live.process.frames import Samples
from live.process.percentiles import Durations, in_ms
from live.process.report import EngineReport
from live.sound.voice import Voice
from models.features.media.bad_media import NoStream
from models.features.media.mixdown import Channel
from models.features.media.sound_recording import NoSound, SoundRecording
from models.features.media.sound_resampling import timed_at_rate
from models.features.types import Mono

RATE = 48_000
BLOCK = 480
"""Samples per call of the voice."""
AHEAD_S = 0.5
"""The sound is written this far ahead of the pictures, so that neither waits long for the other in the file."""


class SoundSink(Protocol):
    """What takes the sound: a movie, or a sound file."""

    def write_sound(self, samples: Samples, at_s: float, wait: bool = False) -> bool:
        """(n, channels), one directly after the other."""
        ...


def voice_opener(provider: str) -> Callable[[str], Voice]:
    """Opens a frozen model by its path, or a preset by its name; raises RuntimeError with the reason when it is
    refused."""

    def load(key: str) -> Voice:
        from export.artifact.bad_model import BadModel
        from live.sound.voices import open_voice

        try:
            voice: Voice = open_voice(key, RATE, BLOCK, provider)
        except (BadModel, ValueError) as error:
            raise RuntimeError(str(error)) from error
        return voice

    return load


def sound_of(path: Path | str, channel: Channel = "auto") -> SoundRecording | None:
    """The sound of a movie, listened to once; None when it has none that could be heard. Raises NoSuchChannel."""
    try:
        return SoundRecording(Path(path), channel)
    except (NoStream, NoSound):
        return None


def track_of(recording: SoundRecording, mono: bool) -> SoundTrackSpec:
    """The sound track that a render of it gets."""
    return SoundTrackSpec(RATE, 1 if mono else min(recording.channels, 2))


def decode_sound(
    recording: SoundRecording, spec: SoundTrackSpec, mono: bool = False
) -> Iterator[tuple[Samples, float]]:
    """All the sound in chunks (n, channels), each with its time from the movie's first picture. `mono`: the channels
    that carry sound, mixed and without offset; else they stay as they are. What cannot be decoded is left out."""
    pieces = recording.mono_pieces() if mono else recording.pieces()
    layout = "mono" if spec.channels == 1 else "stereo"
    for part, at_s in timed_at_rate(pieces, spec.sample_rate, layout):
        yield np.ascontiguousarray(part.T), at_s


class RenderedSound:
    """The sound of one movie on its way into another. `voice` None: it is kept as it is."""

    def __init__(self, recording: SoundRecording, voice: Voice | None, first_s: float | None = None) -> None:
        """`first_s`: the file's own time of the first picture; earlier sound is cut. None: of the first sound."""
        self.recording = recording
        spec = self.track = track_of(recording, mono=voice is not None)
        self._chunks = decode_sound(recording, spec, mono=voice is not None)
        self._timeline = SoundTimeline(spec.sample_rate, spec.channels)
        self._first_s = 0.0 if first_s is None else first_s - recording.zero_s
        self._voice = voice
        self._rate = spec.sample_rate
        self._pending = np.zeros(0, np.float32)
        self._latency_left = 0 if voice is None else voice.latency_samples
        """This many samples of the voice's output still belong before the start."""
        self._position = 0
        self.ended = False
        """Whether all of it has been written."""
        self._compute = Durations()
        self._computed_s = 0.0

    def write(self, writer: SoundSink, until_s: float = np.inf) -> None:
        """Writes the sound up to the pictures' time `until_s`, or to its end."""
        while not self.ended and self._position < until_s * self._rate:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.ended = True
                self._finish(writer)
                return
            samples, at_s = chunk
            for part in self._timeline.place(samples, at_s - self._first_s):
                self._write(writer, part if self._voice is None else self._convert(part[:, 0]))

    def report(self) -> EngineReport:
        """The report's "audio" part; empty without a voice. `latency` is the voice's own, which is removed."""
        if self._voice is None:
            return {}
        length_s = self._compute.count * BLOCK / self._rate
        return {
            "audio": {
                "sample_rate": self._rate,
                "block": BLOCK,
                "latency": in_ms(self._voice.latency_samples / self._rate),
                "rtf": round(self._computed_s / length_s, 5) if length_s else None,
                "xruns": None,
                "deadline_misses": None,
                "compute": self._compute.whole(),
            }
        }

    def _finish(self, writer: SoundSink) -> None:
        """Feeds the voice silence to get its delayed output; the sound ends where the original did."""
        if self._voice is None:
            return
        missing = self._timeline.position - self._position
        asked = -(-(missing + self._latency_left + BLOCK) // BLOCK) * BLOCK
        self._write(writer, self._convert(np.zeros(asked, np.float32))[:missing])

    def _write(self, writer: SoundSink, samples: Samples) -> None:
        if len(samples):
            writer.write_sound(samples, self._position / self._rate, wait=True)
            self._position += len(samples)

    def _convert(self, samples: Mono) -> Samples:
        """The voice's output, (n, 1), without its latency. Whole blocks are processed; the rest waits."""
        assert self._voice is not None
        self._pending = np.concatenate([self._pending, samples])
        converted = [np.zeros(0, np.float32)]
        while len(self._pending) >= BLOCK:
            started_at = perf_counter()
            converted.append(self._voice.process(self._pending[:BLOCK]))
            took_s = perf_counter() - started_at
            self._compute.add(took_s)
            self._computed_s += took_s
            self._pending = self._pending[BLOCK:]
        whole = np.concatenate(converted)
        cut = min(self._latency_left, len(whole))
        self._latency_left -= cut
        return whole[cut:].reshape(-1, 1)
