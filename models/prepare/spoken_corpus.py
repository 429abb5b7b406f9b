"""`guise prepare phonemes`: speech with a phoneme label at every frame, synthesised by espeak-ng or read from a corpus.

    dataset.json           facts: rate, counts, phonemes, origin, digest
    train/000012.npz       one recording of one speaker, frames every 5 ms: mcep float16 (t, 36); phoneme uint8 (t,),
                           index in models.prepare.phonemes.PHONEMES, or UNLABELLED; `held_out/`: other speakers

F0 is only needed for the envelope, so DIO finds it, ten times as fast as what prepares a voice. Free of torch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyworld
import soxr
from numpy.typing import NDArray

from models.command_line import one_line
from models.features.media.bad_media import BadMedia
from models.features.media.sound_files import read_sound_file
from models.features.speech import F0_CEILING_HZ, F0_FLOOR_HZ, FRAME_S, encode_envelope, fft_size, frame_samples
from models.features.types import Progress
from models.prepare.augmentation import augmented
from models.prepare.data_error import DataError
from models.prepare.data_facts import write_facts
from models.prepare.data_folder import refuse_taken, write_data
from models.prepare.espeak import ACCENTS, RHOTIC, VARIANTS, Espeak, Manner
from models.prepare.phoneme_facts import PreparedPhonemeFacts
from models.prepare.phonemes import ESPEAK, LENGTHENS, PHONEMES, SILENCE, TIMIT, TIMIT_UNLABELLED, UNLABELLED, number_of
from models.prepare.recordings import shown_name
from models.prepare.word_list import drawn_sentence

RATE = 16000
RECORDING_S = 25.0
"""Of one voice in one room: enough for a speaker's means and standard deviations."""
HELD_OUT_EVERY = 12
"""One in this many voices (of a corpus: speakers) is held out."""
CLEAN_SHARE = 0.3
"""Share of the recordings without augmentation, so that every sound is also heard clean."""


class LabelledRecording(NamedTuple):
    """A recording of `speaker` at RATE: (n,) samples full scale 1, and (sample, phoneme) where each begins."""

    speaker: str
    sound: NDArray[np.float32]
    begins: list[tuple[int, int]]


class PhonemeFrames(NamedTuple):
    """See the module."""

    mcep: NDArray[np.float16]
    phoneme: NDArray[np.uint8]


def prepare_phonemes(
    out: Path, minutes: float, corpus: Path | None, seed: int = 0, progress: Progress | None = None
) -> PreparedPhonemeFacts:
    """Writes the data set and returns its facts; `minutes` of synthesised speech, or the whole corpus.

    Raises DataError, with nothing left behind: no espeak-ng, a corpus with no or wrong labels, an `out` that is
    taken.
    """
    notify = progress or (lambda what, done, of: None)
    refuse_taken(out)
    what = "speaking" if corpus is None else "reading"
    if corpus is None:
        count = max(2, round(minutes * 60 / RECORDING_S))
        origin, recordings = _synthesised(count, seed)
    else:
        origin, recordings, count = _from_corpus(corpus)
    return write_data(out, lambda work: _write(work, origin, recordings, lambda done: notify(what, done, count)))


def report(facts: PreparedPhonemeFacts) -> str:
    """A summary for the artist."""
    rarest = sorted((name for name in PHONEMES if name in facts.frames), key=lambda name: facts.frames[name])[:3]
    missing = [name for name in PHONEMES if name not in facts.frames]
    minutes = sum(facts.seconds.values()) / 60
    lines = [
        f"{minutes:.0f} min of speech by {facts.speakers} voices, from {facts.origin}",
        f"recordings to learn from: {facts.recordings['train']}, held out: {facts.recordings['held_out']}",
        "rarest: " + ", ".join(f"{name} {facts.frames[name] * FRAME_S:.0f} s" for name in rarest),
    ]
    if missing:
        lines.append(f"warning: never heard: {', '.join(missing)}")
    return "\n".join(lines) + "\n"


def frames_of(recording: LabelledRecording) -> PhonemeFrames:
    """The frames of a recording, one every 5 ms."""
    x = recording.sound.astype(np.float64)
    f0, times = pyworld.dio(x, RATE, F0_FLOOR_HZ, F0_CEILING_HZ, frame_period=1e3 * FRAME_S)
    f0 = pyworld.stonemask(x, f0, times, RATE)
    envelope = pyworld.cheaptrick(x, f0, times, RATE, f0_floor=F0_FLOOR_HZ, fft_size=fft_size(RATE))
    mcep = encode_envelope(envelope, RATE)
    begins = np.array([begin for begin, _ in recording.begins])
    phonemes = np.array([SILENCE, *(phoneme for _, phoneme in recording.begins)], np.uint8)
    phoneme = phonemes[np.searchsorted(begins, np.arange(len(mcep)) * frame_samples(RATE), "right")]
    return PhonemeFrames(mcep.astype(np.float16), phoneme)


def _synthesised(count: int, seed: int) -> tuple[str, Iterator[LabelledRecording]]:
    espeak = Espeak()
    recordings = (_speaker_recording(espeak, number, np.random.default_rng([seed, number])) for number in range(count))
    return f"espeak-ng {espeak.version}", recordings


def _speaker_recording(espeak: Espeak, number: int, rng: np.random.Generator) -> LabelledRecording:
    """A random voice, saying random sentences, in a random room."""
    accent, variant = str(rng.choice(ACCENTS)), VARIANTS[number % len(VARIANTS)]
    manner = Manner(accent, variant, int(rng.uniform(120, 260)), int(rng.uniform(5, 95)), int(rng.uniform(20, 90)))
    # Resampled to another speed, which also changes the vocal tract length.
    played_rate = espeak.sample_rate * rng.uniform(0.87, 1.18)
    sounds, begins, length = [], [], 0
    while length < RECORDING_S * RATE:
        utterance = espeak.say(drawn_sentence(rng), manner)
        sound = soxr.resample(utterance.sound, played_rate, RATE)
        for begin, name in utterance.begins:
            if name != LENGTHENS:
                begins.append((length + round(begin * RATE / played_rate), _phoneme_number(name, accent)))
        sounds.append(sound)
        length += len(sound)
    sound_of_all = np.concatenate(sounds)
    return LabelledRecording(
        variant, sound_of_all if rng.random() < CLEAN_SHARE else augmented(sound_of_all, RATE, rng), begins
    )


def _phoneme_number(name: str, accent: str) -> int:
    if name == "3" and accent not in RHOTIC:
        return number_of("ah")
    return number_of(ESPEAK[name]) if name in ESPEAK else UNLABELLED


def _from_corpus(folder: Path) -> tuple[str, Iterator[LabelledRecording], int]:
    """Each folder with recordings is one speaker's, as in TIMIT."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name the one that TIMIT's or a like corpus lies in")
    labels: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() == ".phn":
            labels.setdefault(path.parent, []).append(path)
    if not labels:
        raise DataError(f"{folder} has no labels: beside each NAME.wav there must be NAME.PHN, as TIMIT has it")
    return (
        f"the corpus {shown_name(folder)}",
        (_joined(speaker, paths) for speaker, paths in labels.items()),
        len(labels),
    )


def _joined(speaker: Path, paths: list[Path]) -> LabelledRecording:
    """All sentences of a speaker, concatenated."""
    sounds, begins, length = [], [], 0
    for path in paths:
        sound, sentence_begins = read_labelled(path)
        sounds.append(sound)
        begins += [(length + begin, phoneme) for begin, phoneme in sentence_begins]
        length += len(sound)
    return LabelledRecording(one_line(speaker), np.concatenate(sounds), begins)


def read_labelled(path: Path) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    """NAME.PHN and its NAME.wav -> the sound at RATE, and the start of each phoneme. Raises DataError."""
    recording = next((other for other in sorted(path.parent.iterdir()) if _is_sound_of(other, path)), None)
    if recording is None:
        raise DataError(f"{path} has no recording beside it: {path.stem}.wav is missing")
    try:
        sound, rate = read_sound_file(recording)
        rows = [line.split() for line in path.read_text("ascii").splitlines() if line.strip()]
    except (OSError, ValueError, BadMedia) as error:
        raise DataError(f"{path} or its recording cannot be read: {str(error).splitlines()[0]}") from error
    begins: list[tuple[int, int]] = []
    previous_end = 0
    for number, row in enumerate(rows, 1):
        begin, end, name = _row(path, number, row)
        if begin < previous_end or end < begin or begin > len(sound):
            raise DataError(f"{path} line {number}: samples {begin} to {end} do not follow those before them")
        if begin > previous_end:
            begins.append((round(previous_end * RATE / rate), UNLABELLED))
        phoneme = UNLABELLED if name in TIMIT_UNLABELLED else number_of(TIMIT[name])
        begins.append((round(begin * RATE / rate), phoneme))
        previous_end = end
    begins.append((round(previous_end * RATE / rate), UNLABELLED))
    return soxr.resample(sound.mean(1), rate, RATE), begins


def _is_sound_of(path: Path, labels: Path) -> bool:
    return path.stem == labels.stem and path.suffix.lower() in (".wav", ".flac")


def _row(path: Path, number: int, row: list[str]) -> tuple[int, int, str]:
    expected = "begin and end in samples and a phone, as in `0 3050 h#`"
    if len(row) != 3 or not row[0].isdigit() or not row[1].isdigit():
        raise DataError(f"{path} line {number}: {' '.join(row)!r} is not {expected}")
    if row[2] not in TIMIT and row[2] not in TIMIT_UNLABELLED:
        raise DataError(f"{path} line {number}: {row[2]!r} is none of TIMIT's phones")
    return int(row[0]), int(row[1]), row[2]


def _write(
    work: Path, origin: str, recordings: Iterator[LabelledRecording], notify: Callable[[int], None]
) -> PreparedPhonemeFacts:
    digest = hashlib.sha256(origin.encode())
    counts, seconds = {"train": 0, "held_out": 0}, {"train": 0.0, "held_out": 0.0}
    frame_counts: Counter[int] = Counter()
    speakers: dict[str, int] = {}
    for part in counts:
        (work / part).mkdir(parents=True)
    for number, recording in enumerate(recordings):
        notify(number)
        speaker = speakers.setdefault(recording.speaker, len(speakers))
        part = "held_out" if speaker % HELD_OUT_EVERY == 1 else "train"
        frames = frames_of(recording)
        np.savez(work / part / f"{number:06d}.npz", **frames._asdict())
        for array in frames:
            digest.update(array.tobytes())
        frame_counts.update(
            dict(zip(*(x.tolist() for x in np.unique(frames.phoneme, return_counts=True)), strict=True))
        )
        counts[part] += 1
        seconds[part] += len(frames.phoneme) * FRAME_S
    facts = PreparedPhonemeFacts(
        kind="phonemes",
        sample_rate=RATE,
        origin=origin,
        phonemes=PHONEMES,
        speakers=len(speakers),
        recordings=counts,
        seconds={part: round(length, 2) for part, length in seconds.items()},
        frames={name: frame_counts[number] for number, name in enumerate(PHONEMES) if frame_counts[number]},
        digest=digest.hexdigest(),
    )
    write_facts(work, facts)
    return facts
