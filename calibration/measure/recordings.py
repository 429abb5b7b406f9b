"""Recordings for `guise evaluate voice`: decoded and analysed once, however many voices are measured. Thread: the
calling one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from export.metrics.prdc import NEIGHBOURS, Prdc, prdc
from live.sound.sound_file import SoundFile
from models.features.media.mixdown import Channel
from models.features.speech import WorldFrames, analyse, encode_envelope
from models.features.types import Mono
from models.prepare.voice_data import LOUD_NEPERS, LOUDEST_PERCENT

RATE = 48_000
"""Hz at which a voice is run."""
FEATURE_RATE = 16_000
"""Hz at which everything that is measured is analysed."""
_MIN_S = 0.5
_MIN_PEAK = 1e-4
"""-80 dBFS: a recording whose peak is below holds nothing."""
_FRAME_STEP = 10
"""One point of the cloud every so many frames (50 ms): nearer frames are so similar that each is the other's nearest
neighbour, the balls shrink, and two halves of one speaker's sentences no longer cover each other."""
_MIN_POINTS, _MAX_POINTS = 20 * NEIGHBOURS, 2000


class BadRecording(Exception):
    """The voice cannot be measured on these recordings; the message is one line."""


class AnalysedSound:
    """Some sound, mono, (n,) at RATE; analysed on first use."""

    def __init__(self, sound: Mono) -> None:
        self.sound = sound

    @cached_property
    def resampled(self) -> Mono:
        """At FEATURE_RATE."""
        return np.asarray(soxr.resample(self.sound, RATE, FEATURE_RATE), np.float32)

    @cached_property
    def frames(self) -> WorldFrames:
        return analyse(self.resampled, FEATURE_RATE)

    @cached_property
    def mcep(self) -> NDArray[np.float32]:
        """(t, MCEPS)."""
        return encode_envelope(self.frames.envelope, FEATURE_RATE)

    @property
    def timbre(self) -> NDArray[np.float32]:
        """(points, MCEPS - 1) mel-cepstra without the level, of some of the loud frames."""
        level = self.mcep[:, 0]
        loud = np.percentile(level, LOUDEST_PERCENT) - level < LOUD_NEPERS
        points: NDArray[np.float32] = self.mcep[loud][::_FRAME_STEP, 1:]
        return points


class Recording(AnalysedSound):
    """A file of speech, of any rate and number of channels."""

    def __init__(self, path: Path, channel: Channel = "auto") -> None:
        """`channel`: which of it is listened to. Raises BadSound; BadRecording when it is too short, or nobody
        speaks."""
        self.path = path
        file = SoundFile(path, RATE, channel)
        super().__init__(np.concatenate([np.zeros(0, np.float32), *file.passages()]))
        self.notes = file.notes
        """What is wrong with it, one line each."""
        if len(self.sound) < _MIN_S * RATE:
            raise BadRecording(f"{path} holds {len(self.sound) / RATE:.1f} s, and {_MIN_S:g} s are the least")
        if float(np.abs(self.sound).max()) < _MIN_PEAK:
            raise BadRecording(f"{path} is silent: nobody speaks in it")

    @property
    def words(self) -> str:
        """The number of the sentence in a corpus: the last part of p225_003; empty where the name has none."""
        return self.path.stem.rpartition("_")[2] if "_" in self.path.stem else ""


def timbre_prdc(real: Sequence[AnalysedSound], converted: Sequence[AnalysedSound]) -> Prdc | None:
    """Whether the frames of `converted` are where those of `real` are, by mel-cepstra: the distance of MCD, without the
    need for the same words. None where either holds too little speech."""
    clouds = [_cloud(real), _cloud(converted)]
    count = min(_MAX_POINTS, *map(len, clouds))
    if count < _MIN_POINTS:
        return None
    # The same number of each, or density and coverage would depend on the lengths of the recordings.
    return prdc(*(cloud[np.linspace(0, len(cloud) - 1, count).astype(int)] for cloud in clouds))


def _cloud(sounds: Sequence[AnalysedSound]) -> NDArray[np.floating]:
    return np.concatenate([sound.timbre for sound in sounds]) if sounds else np.zeros((0, 1))
