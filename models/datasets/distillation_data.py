"""What a student of a voice learns from: crops of sound, and beside each frame what the teacher would change there.

Everybody is heard several times, faster and slower too, so higher and lower: whoever speaks on a stage was not among
those in the folders. The teacher is asked once, when this is made. A sample is drawn from its number alone. Uses torch.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.datasets.voice_teacher import VoiceTeacher
from models.features.speech import F0_FLOOR_HZ, FRAME_S, MCEPS, encode_envelope, fft_size, frame_samples
from models.prepare.data_error import DataError
from models.prepare.voice_data import Features, VoiceData, measure, measured_frames
from models.voices.speaker_stats import STATES, RunningSpeaker, not_still, prior_statistics

FASTER = (1.0, 0.87, 1.15)
"""How fast everybody speaks again: each makes somebody else of him, two or three semitones away."""
KNOWN_EVERY = 10
"""Frames after which what is known of a speaker is noted anew: it hardly moves in between."""
GAIN_DB = 10.0
NEPERS = float(np.log(10) / 10)
"""Of power, in a decibel."""
NOISE_DB = (-75.0, -45.0)
"""Of full scale; the quietest is that of a good room. Who is heard again is heard in another one, and the teacher hears
it too: what a room adds to a spectrum is filtered with it."""


class Lesson(NamedTuple):
    """A sentence of somebody. sound: (n,) full scale 1; mcep, change: (t, MCEPS), what WORLD finds, and what the
    teacher adds to it; known: (t / KNOWN_EVERY, 2 * MCEPS + 1), his means and spreads as the running measure has them
    by then, ln F0's in place of c0's, and the running loud level; source: 0, or 1 + his number, where the teacher was
    told who speaks, and means and spreads are those of all his sentences."""

    sound: NDArray[np.float32]
    mcep: NDArray[np.float32]
    change: NDArray[np.float32]
    known: NDArray[np.float32]
    source: int


class VoiceLessons(Dataset[dict[str, Tensor]]):
    """Crops of `frames` frames of anybody in the folders.

    `facts` are the data's; each of its `speakers` has `normal`, (mean, spread), MCEPS numbers each, ln F0's in place of
    c0's. The target is among them, `name` is his; `becoming` are mean and spread of what the teacher says.
    """

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
        if data.facts["sample_rate"] != rate:
            raise DataError(f"{teacher} speaks at {rate} Hz, and the data was prepared at {data.facts['sample_rate']}")
        self._frame = frame_samples(rate)
        self._rate = rate
        self._data = data
        nobody = torch.zeros(0, MCEPS, dtype=torch.float64)
        everybody = torch.tensor([normal_of(data, n) for n in range(len(data.speakers))], dtype=torch.float64)
        for number, name in enumerate(data.speakers):
            if name in self._teacher.knows:
                everybody[number, :, 0] = torch.tensor(self._teacher.knows[name], dtype=torch.float64)
        prior = prior_statistics(rate, everybody[:, 0], everybody[:, 1])
        self._whoever = RunningSpeaker(nobody, nobody, prior)
        self._told = torch.cat([everybody[:, 0], not_still(everybody[:, 1], prior)], 1).float().numpy()
        self._lessons = [one for speed in FASTER for one in self._taught(data, speed)]
        self._lessons += self._taught(data, 1.0, told=True)
        if not self._lessons:
            raise DataError(
                f"nobody says a sentence of {frames * FRAME_S:g} s to learn from: prepare longer recordings"
            )
        self.facts = self._facts(everybody)

    def __len__(self) -> int:
        return len(self._lessons)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """sound: float32 (samples,), from `around[0]` before the first frame to `around[1]` after the last; mcep,
        change, known: (frames, ...) as a Lesson has them; source: () int64."""
        rng = np.random.default_rng(sample)
        lesson = self._lessons[sample % len(self)]
        begin = int(rng.integers(len(lesson.mcep) - self.frames + 1))
        part = slice(begin, begin + self.frames)
        known = lesson.known[np.arange(begin, begin + self.frames) // KNOWN_EVERY]
        louder = float(rng.uniform(-GAIN_DB, GAIN_DB))
        sound = self._sound(lesson.sound, begin) * np.float32(10 ** (louder / 20))
        mcep = lesson.mcep[part].copy()
        mcep[:, 0] += louder * NEPERS
        known[:, -1] += louder * NEPERS * (known[:, -1] != 0)
        return {
            "sound": torch.from_numpy(sound),
            "mcep": torch.from_numpy(mcep),
            "change": torch.from_numpy(lesson.change[part].copy()),
            "known": torch.from_numpy(known),
            "source": torch.tensor(lesson.source),
        }

    def held_out(self) -> VoiceLessons:
        """Of the part that training does not see; itself where that is too short."""
        other = copy.copy(self)
        other._lessons = list(self._taught(self._data.held_out(), 1.0))
        return other if other._lessons else self

    def _sound(self, sound: NDArray[np.float32], begin: int) -> NDArray[np.float32]:
        before, after = self._around
        first = begin * self._frame - before
        last = (begin + self.frames - 1) * self._frame + after
        inside = sound[max(first, 0) : last]
        return np.pad(inside, (max(-first, 0), last - max(first, 0) - len(inside)))

    def _taught(self, data: VoiceData, speed: float, *, told: bool = False) -> Iterator[Lesson]:
        """Each person's sentences in turn, so that he comes to be known as he would be on stage; `told`: of those the
        teacher knows, when it is told who speaks."""
        before = -1
        for index, (speaker, _) in enumerate(data.sentences):
            who = data.speakers[speaker] if told else None
            if told and who not in self._teacher.knows:
                continue
            if speaker != before:
                self._teacher.forget(who)
                states = tuple(torch.zeros(1, width) for width in STATES.values())
                before = speaker
            sentence, sound = data.features(index), data.sound(index)
            if speed != 1.0:
                sentence, sound = faster(sentence, sound, speed, self._rate, np.random.default_rng(index))
            known, states = self._known(sentence, states)
            if told:
                known[:, :-1] = self._told[speaker]
            converted = self._teacher.converted(sentence)
            if len(sentence.lf0) >= self.frames:
                yield Lesson(sound, sentence.mcep, converted - sentence.mcep, known, 1 + speaker if told else 0)

    def _known(self, sentence: Features, states: tuple[Tensor, ...]) -> tuple[NDArray[np.float32], tuple[Tensor, ...]]:
        columns = [torch.from_numpy(np.asarray(x, np.float32))[None] for x in sentence[:3]]
        nobody = torch.zeros(1, dtype=torch.int64)
        rows = []
        with torch.no_grad():
            for begin in range(0, len(sentence.lf0), KNOWN_EVERY):
                part = [column[:, begin : begin + KNOWN_EVERY] for column in columns]
                _, states = self._whoever(*part, nobody, states)
                _, mean_off, variance_off, level = states
                mean = self._whoever.prior_mean + mean_off
                spread = (self._whoever.prior_variance + variance_off).sqrt()
                rows.append(torch.cat([mean, spread, level], -1)[0].numpy())
        return np.stack(rows), states

    def _facts(self, everybody: Tensor) -> dict[str, Any]:
        becoming = self._becoming()
        speakers = [
            {**one, "normal": normal}
            for one, normal in zip(self._data.facts["speakers"], everybody.tolist(), strict=True)
        ]
        if self._teacher.name not in self._data.speakers:
            speakers.append({"name": self._teacher.name, "normal": becoming, "room": self._teacher.room})
        # What is learned from is the sentences and what the teacher says of them.
        digest = hashlib.sha256((self._data.facts["digest"] + self._teacher.digest).encode()).hexdigest()
        facts = {"kind": "voice", "sample_rate": self._rate, "digest": digest, "name": self._teacher.name}
        return facts | {"speakers": speakers, "becoming": becoming}

    def _becoming(self) -> list[list[float]]:
        """Mean and spread of whom the teacher becomes, measured on what it says where it was said loudly."""
        said = np.concatenate([_loud(lesson) for lesson in self._lessons]).astype(np.float64)
        normal = np.stack([said.mean(0), said.std(0)])
        normal[:, 0] = self._teacher.lf0
        return [row.tolist() for row in normal]

    def __getstate__(self) -> dict[str, Any]:
        """For the processes that read: no session crosses, and nobody asks the teacher there."""
        return {key: value for key, value in self.__dict__.items() if key != "_teacher"}


def faster(
    sentence: Features, sound: NDArray[np.float32], speed: float, rate: int, rng: np.random.Generator
) -> tuple[Features, NDArray[np.float32]]:
    """The same spoken so much faster, and so much higher, by resampling, in a noisier room: its pitch is known, its
    envelopes are found anew."""
    import pyworld
    import soxr

    played = soxr.resample(sound, speed, 1.0)
    played = (played + _noise(rng, len(played))).astype(np.float32)
    times = np.arange(1 + int(len(played) / rate / FRAME_S)) * FRAME_S
    nearest = np.minimum(np.round(times * speed / FRAME_S).astype(int), len(sentence.lf0) - 1)
    lf0 = np.where(sentence.voiced, sentence.lf0 + np.log(speed), 0.0)[nearest].astype(np.float32)
    voiced = sentence.voiced[nearest]
    f0 = np.where(voiced, np.exp(lf0.astype(np.float64)), 0.0)
    found = pyworld.cheaptrick(
        played.astype(np.float64), f0, times, rate, f0_floor=F0_FLOOR_HZ, fft_size=fft_size(rate)
    )
    return Features(encode_envelope(found, rate), lf0, voiced, sentence.aperiodicity[nearest]), played


def normal_of(data: VoiceData, speaker: int) -> list[list[float]]:
    """Mean and spread of one of the data's speakers, ln F0's in place of c0's. Raises DataError."""
    sentences = (data.features(index) for index, (number, _) in enumerate(data.sentences) if number == speaker)
    try:
        found = measure(sentences)
    except ValueError as error:
        raise DataError(f"{data.speakers[speaker]}: {error}; prepare recordings of somebody who speaks") from error
    mean, spread = found.mcep_mean.tolist(), found.mcep_std.tolist()
    return [[found.lf0_mean, *mean[1:]], [found.lf0_std, *spread[1:]]]


def _loud(lesson: Lesson) -> NDArray[np.float32]:
    """(frames, MCEPS): what the teacher says at the loud ones."""
    frames = Features(lesson.mcep, lesson.mcep[:, 0], np.ones(len(lesson.mcep), np.bool_), lesson.mcep[:, :1])
    loud, _ = measured_frames(frames)
    return (lesson.mcep + lesson.change)[loud]


def _noise(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """A room's: from white to brown."""
    white = rng.standard_normal(samples + 1)
    share = rng.uniform(0.0, 1.0)
    # A pole would run along the samples one by one; a sum of the newest 16 falls nearly as it does.
    brown = np.convolve(white, np.exp(-np.arange(16) / 8.0), "same")
    noise = (1 - share) * white + share * brown / 2.0
    return np.asarray(10 ** (rng.uniform(*NOISE_DB) / 20) * noise[1:])
