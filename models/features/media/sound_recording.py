"""THE way to the sound of a file, for every verb and source: a sound file or a movie, of any format that FFmpeg reads.

It is listened to once before it is used, to know which channels carry sound and whether the sound is offset. How pieces
are joined and brought to a rate is the reader's: a microphone keeps to their times, a data set needs none. Runs in the
calling thread and waits for the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

import av
import numpy as np
from av.audio.layout import AudioLayout

from models.command_line import one_line
from models.features.media.containers import open_sound
from models.features.media.mixdown import Channel, ChannelStatistics, Mixdown, NoSuchChannel, choose_mixdown
from models.features.media.sound_pieces import SoundFaults, SoundPiece, sound_begin_s, sound_pieces
from models.features.types import Mono, Signal

_OFFSET, _OFFSET_OF_RMS, _LEAST_OFFSET = 0.004, 0.1, 1e-4
"""A mean beyond the first, or beyond such a share of the sound's effective value and beyond the last, is an offset: it
fills the pauses. What lies below is left as it is, and every figure with it."""
_CORNER_HZ = 10.0
"""An offset is taken away with all that lies below; no voice does."""


class NoSound(Exception):
    """There is nothing in the file that could be listened to; the message is one line."""


@dataclass(frozen=True)
class _Listening:
    """What is done with pieces of one layout."""

    mixdown: Mixdown
    offset: float
    """Of the mix, to be taken away; else 0."""

    def notes(self) -> list[str]:
        """What is to be told of it."""
        offset = f"it has a constant offset of {self.offset:.3f}, which is taken away" if self.offset else ""
        return [note for note in (self.mixdown.note, offset) if note]


class SoundRecording:
    """A file with sound. May be read several times."""

    def __init__(self, path: Path, channel: Channel = "auto", listen_s: float = inf) -> None:
        """`listen_s`: after so much of it channels and offset are decided; what comes after is not looked at.

        Raises BadMedia, OSError, NoSuchChannel, NoSound when not one sample of it can be decoded.
        """
        self.path = path
        self.faults = SoundFaults()
        """What was found in any reading so far."""
        self.zero_s = 0.0
        """The file's own time of its first picture, else of its first sound: where the pieces' times begin."""
        self._channel = channel
        statistics: dict[str, ChannelStatistics] = {}
        self.channels = 0
        """Of its first piece."""
        self.sample_rate = 0
        """The lowest of its pieces."""
        self.length_s = 0.0
        """Of what was listened to."""
        for piece in self.pieces():
            self.channels = self.channels or len(piece.samples)
            self.sample_rate = min(self.sample_rate or piece.sample_rate, piece.sample_rate)
            statistics.setdefault(piece.layout, ChannelStatistics(len(piece.samples))).add(piece.samples)
            self.length_s += piece.samples.shape[1] / piece.sample_rate
            if self.length_s >= listen_s:
                break
        if not statistics:
            raise NoSound(f"{path} holds no sound: it is empty, or damaged from its beginning")
        self._heard = {layout: self._decided(layout, found) for layout, found in statistics.items()}

    @property
    def notes(self) -> list[str]:
        """What is to be told: which channels are listened to, and what is wrong with the file as far as it is read."""
        listening = [note for each in self._heard.values() for note in each.notes()]
        return [f"{one_line(self.path.name)}: {note}" for note in listening] + self.faults.sentences(self.path)

    def pieces(self, from_s: float = 0.0) -> Iterator[SoundPiece]:
        """As it is stored, wild samples mended. `from_s` seconds after the movie's first picture, or a little before;
        times are in those seconds. Raises BadMedia, OSError."""
        before, faults = self.faults, SoundFaults()
        container, stream = open_sound(self.path)
        with container:
            zero_s = self.zero_s = sound_begin_s(container, stream)
            sought = False
            if from_s > 2 and stream.time_base:
                with contextlib.suppress(av.FFmpegError):  # a file that cannot seek is read from its beginning
                    container.seek(int((from_s + zero_s - 1.0) / stream.time_base), stream=stream)
                    sought = True
            for piece in sound_pieces(container, stream, None if sought else zero_s, faults):
                self.faults = before.or_worse(faults)
                yield piece._replace(time_s=piece.time_s - zero_s)
            self.faults = before.or_worse(faults)

    def mixer(self) -> Callable[[SoundPiece], Mono]:
        """What turns the pieces of one reading, in order, into one channel without offset."""
        high_passes: dict[tuple[str, int], _HighPass] = {}

        def mix(piece: SoundPiece) -> Mono:
            heard = self._heard.get(piece.layout) or self._decide_late(piece)
            mono = heard.mixdown.mix(piece.samples)
            if not heard.offset:
                return mono
            key = piece.layout, piece.sample_rate
            if key not in high_passes:
                high_passes[key] = _HighPass(piece.sample_rate, heard.offset)
            return high_passes[key].process(mono)

        return mix

    def mono_pieces(self, from_s: float = 0.0) -> Iterator[SoundPiece]:
        """The pieces as (1, n): those channels that are listened to, without offset. Raises BadMedia, OSError."""
        mix = self.mixer()
        for piece in self.pieces(from_s):
            yield piece._replace(samples=mix(piece)[None], layout="mono")

    def heard_channels(self, piece: SoundPiece) -> list[int]:
        """Those of the piece that are in the mix, from 0."""
        heard = self._heard.get(piece.layout) or self._decide_late(piece)
        return [number for number, weight in enumerate(heard.mixdown.weights) if weight]

    def _decide_late(self, piece: SoundPiece) -> _Listening:
        """Of a layout that begins later than what was listened to."""
        statistics = ChannelStatistics(len(piece.samples))
        statistics.add(piece.samples)
        heard = self._heard[piece.layout] = self._decided(piece.layout, statistics)
        return heard

    def _decided(self, layout: str, statistics: ChannelStatistics) -> _Listening:
        try:
            names = [channel.name for channel in AudioLayout(layout).channels]
        except ValueError:
            names = []  # a number of channels, and nothing known of them
        try:
            mixdown = choose_mixdown(statistics, names, self._channel)
        except NoSuchChannel as error:
            raise NoSuchChannel(f"{self.path}: {error}") from None
        weights = np.array(mixdown.weights)
        offset = float(weights @ statistics.means)
        rms = float(np.sqrt(max(weights @ statistics.covariance @ weights, 0)))
        is_offset = abs(offset) > max(min(_OFFSET, _OFFSET_OF_RMS * rms), _LEAST_OFFSET)
        return _Listening(mixdown, offset if is_offset else 0.0)


class _HighPass:
    """Begins as if the offset had been there for ever: without a thump."""

    def __init__(self, sample_rate: int, offset: float) -> None:
        from scipy.signal import butter, sosfilt, sosfilt_zi

        self._sections: Signal = butter(2, _CORNER_HZ, "highpass", fs=sample_rate, output="sos")
        self._state: Signal = sosfilt_zi(self._sections) * offset
        self._filter = sosfilt

    def process(self, samples: Mono) -> Mono:
        output, self._state = self._filter(self._sections, samples, zi=self._state)
        return np.asarray(output, np.float32)
