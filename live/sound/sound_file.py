"""Reads the sound of a sound or movie file, mono, at a rate asked for.

For the thread that reads ahead, or offline; it waits for the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from math import inf
from pathlib import Path

import av
import numpy as np

from models.features.media.bad_media import BadMedia
from models.features.media.mixdown import Channel, NoSuchChannel
from models.features.media.sound_recording import NoSound, SoundRecording
from models.features.media.sound_resampling import joined_at_rate, placed_at_rate
from models.features.types import Mono


class BadSound(Exception):
    """The file cannot be a microphone or a loudspeaker; the message is one line."""


class SoundFile:
    """The sound of a file, mono. Times count from the movie's first picture; without one, from the first sample."""

    def __init__(self, path: Path, sample_rate: int, channel: Channel = "auto", listen_s: float = inf) -> None:
        """`listen_s`: after so much of it is decided which channels carry sound.

        Raises BadSound when there is no sound in it.
        """
        self._path = path
        self._sample_rate = sample_rate
        with self._refusing():
            self._recording = SoundRecording(path, channel, listen_s)

    @property
    def notes(self) -> list[str]:
        """What is to be told of the file, as far as it has been read; one line each."""
        return self._recording.notes

    @property
    def trouble(self) -> str:
        """The same in one line; "" when there is nothing to tell."""
        return "; ".join(self.notes)

    def length_s(self, wanted_s: float | None) -> float:
        """The length of one round: `wanted_s`, or for None the sound's own; at least a hundredth of a second."""
        if wanted_s is None:
            wanted_s = sum(len(passage) for passage in self.passages(0)) / self._sample_rate
        return max(wanted_s, 0.01)

    def passages(self, begin: int | None = None) -> Generator[Mono, None, None]:
        """The sound in pieces.

        Args:
            begin: the first sample; pieces are placed by their time stamps, and gaps are silence. None: all pieces, one
                directly after the other.

        Raises:
            BadSound: while it is read.
        """
        with self._refusing():
            passages = self._joined() if begin is None else self._by_time(begin)
            yield from (passage for passage in passages if len(passage))

    def _joined(self) -> Iterator[Mono]:
        return (part[0] for part in joined_at_rate(self._recording.mono_pieces(), self._sample_rate))

    def _by_time(self, begin: int) -> Iterator[Mono]:
        position = begin
        pieces = self._recording.mono_pieces(begin / self._sample_rate)
        for part, at in placed_at_rate(pieces, self._sample_rate):
            while at > position:
                silence = min(at - position, self._sample_rate)
                yield np.zeros(silence, np.float32)
                position += silence
            yield part[0, position - at :]
            position = max(position, at + part.shape[1])

    @contextlib.contextmanager
    def _refusing(self) -> Generator[None, None, None]:
        try:
            yield
        except FileNotFoundError:
            raise BadSound(f"{self._path}: there is no such file") from None
        except NoSound:
            raise BadSound(f"{self._path}: there is no sound in it") from None
        except (BadMedia, NoSuchChannel) as error:
            raise BadSound(str(error)) from None
        except (OSError, av.FFmpegError, ValueError) as error:
            raise BadSound(f"{self._path}: not a sound file that can be read ({error})") from None
