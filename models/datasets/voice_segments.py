"""Crops of prepared voices for networks that learn without parallel sentences: random places, normalised by speaker.

A sample depends on its number alone. Uses torch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import LOUDEST_PERCENT, Features, SpeakerStatistics, VoiceData, measured_speaker
from models.prepare.voice_facts import MeasuredSpeakerFacts, MeasuredSpeakersFacts
from models.training.family import TrainingData
from models.voices.speaker_stats import relative_level


class VoiceSegments(TrainingData[MeasuredSpeakersFacts]):
    """`frames` frames of a speaker, the speakers in turn; the sentences are kept in memory, 15 minutes of speech are 26
    MB.

    `facts` are the data's, with the statistics that crops are normalised by.
    """

    def __init__(self, folders: Sequence[Path], frames: int) -> None:
        """Raises DataError: folders that are no voices, or a speaker without a sentence of `frames`."""
        self.frames = frames
        data = VoiceData(folders)
        self._sentences = _by_speaker(data, frames)
        for name, sentences in zip(data.speakers, self._sentences, strict=True):
            if not sentences:
                raise DataError(
                    f"{name} has no sentence of {frames * 5 / 1000:g} s to learn from: prepare longer recordings"
                )
        found = [
            measured_speaker(sentences, name) for name, sentences in zip(data.speakers, self._sentences, strict=True)
        ]
        self._normal = [_normal(speaker) for speaker in found]
        speakers = tuple(
            MeasuredSpeakerFacts.model_validate(
                {
                    **facts.as_dict(),
                    "normal": normal.tolist(),
                    # Four digits: they stand in a file that people read.
                    "correlation": speaker.correlation[np.tril_indices(MCEPS - 1, -1)].round(4).tolist(),
                    "levels": speaker.levels.round(4).tolist(),
                    "aperiodicity": speaker.aperiodicity.round(4).tolist(),
                }
            )
            for facts, normal, speaker in zip(data.facts.speakers, self._normal, found, strict=True)
        )
        self.facts = MeasuredSpeakersFacts.model_validate(data.facts.as_dict() | {"speakers": speakers})
        self._held_out = data

    @property
    def speakers(self) -> int:
        return len(self._sentences)

    def __len__(self) -> int:
        return sum(map(len, self._sentences))

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """See `crop`."""
        return self.crop(sample, sample % self.speakers)

    def crop(self, sample: int, speaker: int) -> dict[str, Tensor]:
        """mcep: float32 (MCEPS, frames) as networks read it, c0 relative to the sentence's loudest, see
        models.voices.speaker_stats.relative_level; lf0: (frames,) ln Hz, 0 where unvoiced; aperiodicity: (bands,
        frames), as WORLD codes it; speaker: () int64."""
        rng = np.random.default_rng([sample, speaker])
        sentences = self._sentences[speaker]
        sentence = sentences[rng.integers(len(sentences))]
        begin = int(rng.integers(len(sentence.lf0) - self.frames + 1))
        part = slice(begin, begin + self.frames)
        mean, std = self._normal[speaker]
        values = (sentence.mcep[part] - mean) / std
        loudest = np.asarray(np.percentile(sentence.mcep[:, 0], LOUDEST_PERCENT))
        values[:, 0] = relative_level(sentence.mcep[part, 0], loudest)
        return {
            "mcep": torch.from_numpy(np.ascontiguousarray(values.T, np.float32)),
            "lf0": torch.from_numpy(sentence.lf0[part].copy()),
            "aperiodicity": torch.from_numpy(np.ascontiguousarray(sentence.aperiodicity[part].T, np.float32)),
            "speaker": torch.tensor(speaker),
        }

    def held_out(self) -> VoiceSegments:
        """Of the held-out part, normalised by the training part's statistics; itself where that is too short."""
        sentences = _by_speaker(self._held_out.held_out(), self.frames)
        if not all(sentences):
            return self
        other = copy.copy(self)
        other._sentences = sentences
        return other


def _by_speaker(data: VoiceData, frames: int) -> list[list[Features]]:
    """Each speaker's sentences of `frames` and more."""
    found: list[list[Features]] = [[] for _ in data.speakers]
    for index, (speaker, _) in enumerate(data.sentences):
        if len((sentence := data.features(index)).lf0) >= frames:
            found[speaker].append(sentence)
    return found


def _normal(speaker: SpeakerStatistics) -> NDArray[np.float64]:
    """(2, MCEPS): mean and standard deviation, ln F0's in place of c0's."""
    normal = np.stack([speaker.mcep_mean, np.maximum(speaker.mcep_std, 1e-3)])
    normal[:, 0] = speaker.lf0_mean, speaker.lf0_std
    return normal


def several_speakers(family: str, folders: Sequence[Path], frames: int) -> VoiceSegments:
    """The data of a family that learns any number of voices, in crops of `frames` frames. Raises DataError."""
    if len(folders) < 2:
        raise DataError(f"{family} learns voices from each other: name two prepared folders or more")
    return VoiceSegments(folders, frames)
