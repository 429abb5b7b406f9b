"""A prepared voice: the folder `guise prepare voice` writes and training reads.

    dataset.json           sample rate, counts, sources, digest, statistics, see models.prepare.voice_facts
    train/000012.flac      a sentence, mono, levelled; `held_out/` likewise, from other recordings if there are enough
    train/000012.npz       its frames, one every 5 ms: mcep float32 (t, 36); lf0 float32 (t,), ln Hz, 0 where unvoiced;
                           voiced bool (t,); aperiodicity float32 (t, bands), as pyworld codes it
    plots.png              lengths, F0 and level
    report.txt             what was left out and why

Free of torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.media.bad_media import BadMedia
from models.features.media.sound_files import read_sound_file
from models.prepare.arrays import read_arrays
from models.prepare.data_error import DataError
from models.prepare.voice_facts import SpeakerFacts, SpeakersFacts, VoiceFacts, read_voice_facts

LOUD_NEPERS, AUDIBLE_NEPERS = 15.0 * np.log(10) / 10, 40.0 * np.log(10) / 10
"""Below a sentence's loudest: MCEPs are measured within 15 dB, because pauses and breath depend more on the room, F0
within 40, because it also falls where a sentence ends. (c0, the mean of the log power, is in nepers of power.)"""
LOUDEST_PERCENT = 95.0
OUTLIER_STDS, MIN_LF0_STD = 2.5, 0.1
"""F0 further from a sentence's median than so many standard deviations, by its quartiles, is an octave error and not
measured; the standard deviation is taken to be at least the second number (1.7 semitones)."""
LEVELS = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""The quantiles that describe a speaker's levels; the last is taken for loud."""


class Sentence(NamedTuple):
    """A usable sentence, (n,) full scale 1. `recording` is the number of the source; `level_dbfs` is its level before
    levelling."""

    recording: int
    start_s: float
    sound: NDArray[np.float32]
    level_dbfs: float


class Features(NamedTuple):
    """The frames of a sentence; see the module for shapes."""

    mcep: NDArray[np.float32]
    lf0: NDArray[np.float32]
    voiced: NDArray[np.bool_]
    aperiodicity: NDArray[np.float32]


class SpeakerStatistics(NamedTuple):
    """A speaker: mean and standard deviation of ln F0 over voiced audible frames, of the MCEPs over loud ones, and the
    correlations of the MCEPs except c0, (MCEPS - 1, MCEPS - 1); levels: the quantiles LEVELS of c0 over all frames,
    nepers below each sentence's loudest; aperiodicity: (bands,) its mean over the frames that F0 is measured by."""

    lf0_mean: float
    lf0_std: float
    mcep_mean: NDArray[np.float64]
    mcep_std: NDArray[np.float64]
    correlation: NDArray[np.float64]
    levels: NDArray[np.float64]
    aperiodicity: NDArray[np.float64]


def below_loudest(sentence: Features) -> NDArray[np.floating]:
    """(t,) c0 relative to the sentence's loud level, nepers: negative, except for the loudest frames."""
    level = sentence.mcep[:, 0]
    return np.asarray(level - np.percentile(level, LOUDEST_PERCENT))


def measured_frames(sentence: Features) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(t,) each: the frames by which a speaker's MCEPs are measured, and those for F0."""
    level = below_loudest(sentence)
    pitched = sentence.voiced & (level > -AUDIBLE_NEPERS)
    if pitched.any():
        low, middle, high = np.percentile(sentence.lf0[pitched], (25, 50, 75))
        # The quartiles of a Gaussian are 1.35 standard deviations apart.
        pitched &= np.abs(sentence.lf0 - middle) < OUTLIER_STDS * max((high - low) / 1.35, MIN_LF0_STD)
    return level > -LOUD_NEPERS, pitched


def measure(sentences: Iterable[Features]) -> SpeakerStatistics:
    """The speaker of `sentences`. Raises ValueError when nothing in them is voiced."""
    mceps, lf0s, levels, aperiodicities = [], [], [], []
    for sentence in sentences:
        levels.append(below_loudest(sentence))
        loud, pitched = measured_frames(sentence)
        mceps.append(sentence.mcep[loud].astype(np.float64))
        lf0s.append(sentence.lf0[pitched].astype(np.float64))
        aperiodicities.append(sentence.aperiodicity[pitched].astype(np.float64))
    lf0, mcep = np.concatenate(lf0s or [np.zeros(0)]), np.concatenate(mceps or [np.zeros((0, 1))])
    if len(lf0) == 0:
        raise ValueError("nothing is voiced")
    std = mcep.std(0)
    normalized = (mcep - mcep.mean(0))[:, 1:] / np.maximum(std[1:], 1e-6)
    return SpeakerStatistics(
        float(lf0.mean()),
        float(lf0.std()),
        mcep.mean(0),
        std,
        normalized.T @ normalized / len(normalized),
        np.quantile(np.concatenate(levels), LEVELS),
        np.concatenate(aperiodicities).mean(0),
    )


def measured_speaker(sentences: Iterable[Features], name: str) -> SpeakerStatistics:
    """As `measure`, of the speaker called `name`. Raises DataError."""
    try:
        return measure(sentences)
    except ValueError as error:
        raise DataError(f"{name}: {error}; prepare recordings of somebody who speaks") from error


class VoiceData:
    """The sentences of one or several speakers, each prepared into a folder of its own."""

    def __init__(self, folders: Sequence[Path], *, held_out: bool = False) -> None:
        """Raises DataError."""
        self._folders = tuple(folders)
        each = [read_voice_facts(folder) for folder in folders]
        self.facts = _combined(each, self._folders)
        self.speakers: list[str] = [speaker.name for speaker in self.facts.speakers]
        part = "held_out" if held_out else "train"
        self.sentences: list[tuple[int, Path]] = [
            (number, path) for number, folder in enumerate(folders) for path in sorted((folder / part).glob("*.npz"))
        ]
        """(number of the speaker, the file of the frames)"""

    def __len__(self) -> int:
        return len(self.sentences)

    def held_out(self) -> VoiceData:
        """The held-out part of the same data."""
        return VoiceData(self._folders, held_out=True)

    def features(self, index: int) -> Features:
        """Raises DataError for a damaged file."""
        return Features(*read_arrays(self.sentences[index][1], *Features._fields))

    def sound(self, index: int) -> NDArray[np.float32]:
        """(samples,) of the sentence at `facts.sample_rate`. Raises DataError."""
        path = self.sentences[index][1].with_suffix(".flac")
        try:
            samples, _ = read_sound_file(path)
        except BadMedia as error:
            raise DataError(f"{path} cannot be read: prepare the data again") from error
        return samples[:, 0]


def _combined(each: list[VoiceFacts], folders: Sequence[Path]) -> SpeakersFacts:
    """Of one voice, all that its dataset.json says; of several, what they share. The speakers are in their order."""
    names = [facts.name for facts in each]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two of the speakers are called {name}: prepare one of them again with --name")
    rates = {facts.sample_rate for facts in each}
    if len(rates) > 1:
        which = ", ".join(f"{folder} {facts.sample_rate} Hz" for folder, facts in zip(folders, each, strict=True))
        raise DataError(f"the speakers were prepared at different rates ({which}): prepare them with one --rate")
    speakers = tuple(
        SpeakerFacts.model_validate(
            {key: fact for key, fact in facts.as_dict().items() if key in SpeakerFacts.model_fields}
        )
        for facts in each
    )
    if len(each) == 1:
        return SpeakersFacts.model_validate(each[0].as_dict() | {"speakers": speakers})
    digest = hashlib.sha256("".join(facts.digest for facts in each).encode()).hexdigest()
    return SpeakersFacts(kind="voice", sample_rate=rates.pop(), digest=digest, speakers=speakers)
