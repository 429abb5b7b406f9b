"""Training data of a voice student: crops of sound, and for each frame the change that the teacher makes.

Every speaker appears several times, also faster and slower and so higher and lower, because the performer is none of
the speakers in the folders. The teacher runs once, when the data set is made. A sample depends on its number alone.
Uses torch.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.datasets.voice_teacher import VoiceTeacher
from models.features.speech import F0_FLOOR_HZ, FRAME_S, MCEPS, encode_envelope, fft_size, frame_samples
from models.prepare.data_error import DataError
from models.prepare.voice_data import Features, VoiceData, measured_frames, measured_speaker
from models.prepare.voice_facts import NormalSpeakerFacts, SpeakersFacts
from models.training.family import TrainingData
from models.voices.speaker_stats import STATES, RunningSpeaker, floored_stds, prior_statistics

SPEEDS = (1.0, 0.87, 1.15)
"""Playback speeds: each speed other than 1 makes a new speaker, two or three semitones away."""
KNOWN_EVERY = 10
"""Frames after which a speaker's running statistics are recorded again: they hardly change in between."""
GAIN_DB = 10.0
NEPERS = float(np.log(10) / 10)
"""Of power, in a decibel."""
NOISE_DB = (-75.0, -45.0)
"""Of full scale; the quietest is that of a quiet room. Speech at another speed gets another room's noise, which the
teacher hears too: what a room adds to a spectrum is filtered with it."""


class DistillationSentence(NamedTuple):
    """A sentence. sound: (n,) full scale 1; mcep, change: (t, MCEPS), as WORLD finds them, and what the teacher adds;
    known: (t / KNOWN_EVERY, 2 * MCEPS + 1), the speaker's running means and standard deviations so far, ln F0's in
    place of c0's, and the running loud level; source: 0, or 1 + the speaker's number where the teacher was given the
    source; means and standard deviations are then those of all the speaker's sentences."""

    sound: NDArray[np.float32]
    mcep: NDArray[np.float32]
    change: NDArray[np.float32]
    known: NDArray[np.float32]
    source: int


class DistillationFacts(SpeakersFacts):
    """The facts of the folders and the teacher: its target, called `name`, is among the speakers."""

    name: str
    speakers: tuple[NormalSpeakerFacts, ...]
    becoming: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and standard deviation of the teacher's output, as `normal` of a speaker."""


class DistillationData(TrainingData[DistillationFacts]):
    """Crops of `frames` frames of any speaker in the folders."""

    def __init__(self, folders: Sequence[Path], teacher: Path, frames: int, around: tuple[int, int]) -> None:
        """
        Args:
            around: samples before and after a frame that belong to its sound.

        Raises:
            DataError: folders that are no voices or none with `frames`, a teacher that cannot teach.
        """
        self.frames, self._around = frames, around
        self._teacher = VoiceTeacher(teacher)
        data = VoiceData(folders)
        rate = self._teacher.sample_rate
        if data.facts.sample_rate != rate:
            raise DataError(f"{teacher} speaks at {rate} Hz, and the data was prepared at {data.facts.sample_rate}")
        self._frame = frame_samples(rate)
        self._rate = rate
        self._data = data
        no_speaker = torch.zeros(0, MCEPS, dtype=torch.float64)
        normals = torch.tensor([normal_of(data, n) for n in range(len(data.speakers))], dtype=torch.float64)
        for number, name in enumerate(data.speakers):
            if name in self._teacher.known_speakers:
                normals[number, :, 0] = torch.tensor(self._teacher.known_speakers[name], dtype=torch.float64)
        prior = prior_statistics(rate, normals[:, 0], normals[:, 1])
        self._running_speaker = RunningSpeaker(no_speaker, no_speaker, prior)
        self._known_statistics = torch.cat([normals[:, 0], floored_stds(normals[:, 1], prior)], 1).float().numpy()
        self._sentences = [one for speed in SPEEDS for one in self._teach(data, speed)]
        self._sentences += self._teach(data, 1.0, source_known=True)
        if not self._sentences:
            raise DataError(
                f"nobody says a sentence of {frames * FRAME_S:g} s to learn from: prepare longer recordings"
            )
        self.facts = self._facts(normals)

    def __len__(self) -> int:
        return len(self._sentences)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """sound: float32 (samples,), from `around[0]` before the first frame to `around[1]` after the last; mcep,
        change, known: (frames, ...) as in DistillationSentence; source: () int64."""
        rng = np.random.default_rng(sample)
        example = self._sentences[sample % len(self)]
        begin = int(rng.integers(len(example.mcep) - self.frames + 1))
        part = slice(begin, begin + self.frames)
        known = example.known[np.arange(begin, begin + self.frames) // KNOWN_EVERY]
        gain_db = float(rng.uniform(-GAIN_DB, GAIN_DB))
        sound = self._sound(example.sound, begin) * np.float32(10 ** (gain_db / 20))
        mcep = example.mcep[part].copy()
        mcep[:, 0] += gain_db * NEPERS
        known[:, -1] += gain_db * NEPERS * (known[:, -1] != 0)
        return {
            "sound": torch.from_numpy(sound),
            "mcep": torch.from_numpy(mcep),
            "change": torch.from_numpy(example.change[part].copy()),
            "known": torch.from_numpy(known),
            "source": torch.tensor(example.source),
        }

    def held_out(self) -> DistillationData:
        """Of the held-out part; itself where that is too short."""
        other = copy.copy(self)
        other._sentences = list(self._teach(self._data.held_out(), 1.0))
        return other if other._sentences else self

    def _sound(self, sound: NDArray[np.float32], begin: int) -> NDArray[np.float32]:
        before, after = self._around
        first = begin * self._frame - before
        last = (begin + self.frames - 1) * self._frame + after
        inside = sound[max(first, 0) : last]
        return np.pad(inside, (max(-first, 0), last - max(first, 0) - len(inside)))

    def _teach(self, data: VoiceData, speed: float, *, source_known: bool = False) -> Iterator[DistillationSentence]:
        """Each speaker's sentences in order, so that the running statistics develop as on stage; `source_known`: only
        the speakers that the teacher knows, with the source given to it."""
        previous = -1
        for index, (speaker, _) in enumerate(data.sentences):
            source_name = data.speakers[speaker] if source_known else None
            if source_known and source_name not in self._teacher.known_speakers:
                continue
            if speaker != previous:
                self._teacher.reset(source_name)
                states = tuple(torch.zeros(1, width) for width in STATES.values())
                previous = speaker
            sentence, sound = data.features(index), data.sound(index)
            if speed != 1.0:
                sentence, sound = at_speed(sentence, sound, speed, self._rate, np.random.default_rng(index))
            known, states = self._known(sentence, states)
            if source_known:
                known[:, :-1] = self._known_statistics[speaker]
            converted = self._teacher.convert(sentence)
            if len(sentence.lf0) >= self.frames:
                yield DistillationSentence(
                    sound, sentence.mcep, converted - sentence.mcep, known, 1 + speaker if source_known else 0
                )

    def _known(self, sentence: Features, states: tuple[Tensor, ...]) -> tuple[NDArray[np.float32], tuple[Tensor, ...]]:
        columns = [torch.from_numpy(np.asarray(x, np.float32))[None] for x in sentence[:3]]
        no_speaker = torch.zeros(1, dtype=torch.int64)
        rows = []
        with torch.no_grad():
            for begin in range(0, len(sentence.lf0), KNOWN_EVERY):
                part = [column[:, begin : begin + KNOWN_EVERY] for column in columns]
                _, states = self._running_speaker(*part, no_speaker, states)
                _, mean_off, variance_off, level = states
                mean = self._running_speaker.prior_mean + mean_off
                std = (self._running_speaker.prior_variance + variance_off).sqrt()
                rows.append(torch.cat([mean, std, level], -1)[0].numpy())
        return np.stack(rows), states

    def _facts(self, normals: Tensor) -> DistillationFacts:
        mean, std = self._target_statistics()
        name, becoming = self._teacher.name, (tuple(mean), tuple(std))
        speakers = [
            NormalSpeakerFacts.model_validate({**one.as_dict(), "normal": normal})
            for one, normal in zip(self._data.facts.speakers, normals.tolist(), strict=True)
        ]
        if name not in self._data.speakers:
            speakers.append(NormalSpeakerFacts(name=name, normal=becoming, room=tuple(self._teacher.room)))
        # The digest covers the sentences and the teacher.
        digest = hashlib.sha256((self._data.facts.digest + self._teacher.digest).encode()).hexdigest()
        return DistillationFacts(
            kind="voice",
            sample_rate=self._rate,
            digest=digest,
            name=name,
            speakers=tuple(speakers),
            becoming=becoming,
        )

    def _target_statistics(self) -> list[list[float]]:
        """Mean and standard deviation of the teacher's target, measured on its output at loud frames."""
        converted = np.concatenate([_loud_frames(example) for example in self._sentences]).astype(np.float64)
        normal = np.stack([converted.mean(0), converted.std(0)])
        normal[:, 0] = self._teacher.lf0
        return [row.tolist() for row in normal]

    def __getstate__(self) -> dict[str, object]:
        """For data-loader processes: the teacher's session cannot be pickled, and is not used there."""
        return {key: value for key, value in self.__dict__.items() if key != "_teacher"}


def at_speed(
    sentence: Features, sound: NDArray[np.float32], speed: float, rate: int, rng: np.random.Generator
) -> tuple[Features, NDArray[np.float32]]:
    """The sentence resampled to another speed, and so another pitch, in a noisier room: its pitch is known, its
    envelopes are analysed again."""
    import pyworld
    import soxr

    resampled = soxr.resample(sound, speed, 1.0)
    resampled = (resampled + _noise(rng, len(resampled))).astype(np.float32)
    times = np.arange(1 + int(len(resampled) / rate / FRAME_S)) * FRAME_S
    nearest = np.minimum(np.round(times * speed / FRAME_S).astype(int), len(sentence.lf0) - 1)
    lf0 = np.where(sentence.voiced, sentence.lf0 + np.log(speed), 0.0)[nearest].astype(np.float32)
    voiced = sentence.voiced[nearest]
    f0 = np.where(voiced, np.exp(lf0.astype(np.float64)), 0.0)
    envelope = pyworld.cheaptrick(
        resampled.astype(np.float64), f0, times, rate, f0_floor=F0_FLOOR_HZ, fft_size=fft_size(rate)
    )
    return Features(encode_envelope(envelope, rate), lf0, voiced, sentence.aperiodicity[nearest]), resampled


def normal_of(data: VoiceData, speaker: int) -> list[list[float]]:
    """Mean and standard deviation of one of the data's speakers, ln F0's in place of c0's. Raises DataError."""
    sentences = (data.features(index) for index, (number, _) in enumerate(data.sentences) if number == speaker)
    envelope = measured_speaker(sentences, data.speakers[speaker])
    mean, std = envelope.mcep_mean.tolist(), envelope.mcep_std.tolist()
    return [[envelope.lf0_mean, *mean[1:]], [envelope.lf0_std, *std[1:]]]


def _loud_frames(example: DistillationSentence) -> NDArray[np.float32]:
    """(frames, MCEPS): the teacher's output at loud frames."""
    frames = Features(example.mcep, example.mcep[:, 0], np.ones(len(example.mcep), np.bool_), example.mcep[:, :1])
    loud, _ = measured_frames(frames)
    return (example.mcep + example.change)[loud]


def _noise(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Noise of a room, from white to brown."""
    white = rng.standard_normal(samples + 1)
    share = rng.uniform(0.0, 1.0)
    # A recursive filter would run sample by sample; a sum over the newest 16 decays nearly alike.
    brown = np.convolve(white, np.exp(-np.arange(16) / 8.0), "same")
    noise = (1 - share) * white + share * brown / 2.0
    return np.asarray(10 ** (rng.uniform(*NOISE_DB) / 20) * noise[1:])
