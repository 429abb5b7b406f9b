"""`guise prepare voice`: recordings of one speaker -> sentences with their features, and a report of what was left out.

Recordings are decoded one after the other and cut into sentences, and only what is kept is analysed, because the
analysis takes a sixth of the sound's length.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.command_line import one_line
from models.features.media.mixdown import Channel
from models.features.media.sound_files import write_sound_file
from models.features.room_tone import room_tone
from models.features.speech import FRAME_S, analyse, encode_aperiodicity, encode_envelope
from models.features.types import Mono, Progress
from models.prepare.data_error import DataError
from models.prepare.data_facts import write_facts
from models.prepare.data_folder import refuse_taken, write_data
from models.prepare.recordings import LeftOutFile, recordings_in, shown_name, summary_of_files
from models.prepare.segmentation import (
    DecodedRecording,
    decode,
    denoised,
    sentences,
    speech_level_dbfs,
)
from models.prepare.speaker_check import other_speaker_sentences
from models.prepare.voice_data import Features, Sentence, measure, measured_frames
from models.prepare.voice_facts import PreparedVoiceFacts, SourceFacts, VoiceStatistics

FEWEST_S = 2.0
LITTLE_S = 45.0
LEVEL_DBFS = -26.0
"""Sentences are brought to this level, so that the distance to the microphone is not learned."""
PEAK = 0.99
HELD_OUT_SHARE = 0.1
RECORDINGS_ENOUGH = 5
"""From this many recordings on, whole ones are held out; of fewer, the end of each."""
LEAST_VOICED = 0.15
STEADIEST_CENTS = 12.0
"""F0 that moves less than this in 50 ms (median) is music: speech glides, by 30 cents and more."""
MAX_LISTED = 30


@dataclass(frozen=True)
class VoiceOptions:
    """Options of `guise prepare voice`."""

    sample_rate: int = 16000
    channel: Channel = "auto"
    """Which of the recordings' channels are listened to."""
    minutes: float = 15.0
    """Of speech kept at most, spread evenly over the recordings."""
    denoise: bool = False
    learn_all: bool = False
    """Nothing is held out."""


class LeftOut(NamedTuple):
    recording: int
    start_s: float
    seconds: float
    reason: str


@dataclass
class _Heard:
    """What was found in the recordings."""

    files: list[Path] = field(default_factory=list)
    """Those that are used; sentences and what is left out name them by their number."""
    seconds: list[float] = field(default_factory=list)
    """How long each of them is."""
    sentences: list[Sentence] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    files_left_out: list[LeftOutFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare_voice(
    recordings: Sequence[Path], out: Path, name: str | None, options: VoiceOptions, progress: Progress | None = None
) -> PreparedVoiceFacts:
    """Writes the data set that models.prepare.voice_data describes and returns its facts. A folder stands for the
    recordings in it; what is no recording is left out, and named in the facts.

    Raises DataError, with nothing left behind, when there is none that can be read or too little of it is speech.
    """
    notify = progress or (lambda what, done, of: None)
    _require_packages()
    refuse_taken(out)
    heard = _listen(recordings, options, notify)
    left_out = heard.left_out
    kept = _thinned(heard.sentences, options, left_out)
    analysed: list[tuple[Sentence, Features]] = []
    for count, sentence in enumerate(kept):
        notify("analysing", count, len(kept))
        features = features_of(sentence.sound, options.sample_rate)
        if why_not := _unlike_speech(features):
            left_out.append(_as_left_out(sentence, options.sample_rate, why_not))
        else:
            analysed.append((sentence, features))
    spoken_s = sum(len(s.sound) for s, _ in analysed) / options.sample_rate
    if spoken_s < FEWEST_S:
        raise DataError(_too_little_message(heard.files, spoken_s, left_out))

    shown = one_line(name) if name else shown_name(out.resolve())
    return write_data(out, lambda work: _write(heard, work, shown, analysed, options))


def features_of(sound: Mono, sample_rate: int) -> Features:
    """The frames of a whole sentence, as training keeps them."""
    frames = analyse(sound, sample_rate)
    voiced = frames.f0 > 0
    lf0 = np.log(np.where(voiced, frames.f0, 1.0)).astype(np.float32)
    aperiodicity = encode_aperiodicity(frames.aperiodicity, sample_rate)
    return Features(encode_envelope(frames.envelope, sample_rate), lf0, voiced, aperiodicity)


def report(facts: PreparedVoiceFacts) -> str:
    """What was kept, what was left out and why; several lines for the artist."""
    kept_s = sum(facts.seconds.values())
    whole_s = sum(source.seconds for source in facts.sources)
    speaker = facts.statistics
    files = f"{len(facts.sources)} recording{'s' if len(facts.sources) > 1 else ''}"
    lines = [
        f"{facts.name}: {_time(kept_s)} of speech kept, of {_time(whole_s)} in {files}",
        f"sentences to learn from: {facts.sentences['train']}, held out: {facts.sentences['held_out']}",
        f"F0 {np.exp(speaker.lf0_mean):.0f} Hz, spread {speaker.lf0_std * 12 / np.log(2):.1f} semitones; "
        f"level {facts.level_dbfs:.0f} dBFS before it was evened out",
    ]
    counts = Counter(reason for _, _, _, reason in facts.left_out)
    for reason, count in counts.most_common():
        seconds = sum(length for _, _, length, why in facts.left_out if why == reason)
        lines.append(f"left out: {count} x {reason} ({seconds:.1f} s)")
    if facts.files_left_out:
        lines.append(f"left out: {summary_of_files(facts.files_left_out)}")
    lines += facts.notes[:MAX_LISTED]
    if kept_s < LITTLE_S:
        lines.append("warning: this is little; a minute or more of clear speech gives a better voice")
    if unlike := facts.unlike_the_others:
        theirs = sorted({file for file, _, _ in unlike})
        where = ", ".join(theirs[:3]) + (", ..." if len(theirs) > 3 else "")
        lines.append(
            f"warning: perhaps two people speak: {len(unlike)} of {sum(facts.sentences.values())} sentences sound "
            f"unlike the others (in {where}; all in report.txt); prepare each person from recordings of his own"
        )
    if facts.level_dbfs < -45:
        lines.append("warning: the recording is quiet; come closer to the microphone or raise its gain")
    return "\n".join(lines) + "\n"


def _require_packages() -> None:
    try:
        import matplotlib  # noqa: F401
        import webrtcvad  # noqa: F401
    except ModuleNotFoundError as error:
        what = "install the extra by `pip install guise[train]`"
        raise DataError(f"preparing a voice needs {error.name}: {what}") from error


def _listen(paths: Sequence[Path], options: VoiceOptions, notify: Progress) -> _Heard:
    """Cuts all recordings into sentences. Raises DataError when there is none that can be used."""
    found = recordings_in(paths, "sound")
    heard = _Heard(files_left_out=list(found.left_out))
    errors: list[DataError] = []
    for done, path in enumerate(found.files):
        notify(f"listening to {shown_name(path)}", done, len(found.files))
        try:
            recording = decode(path, options.sample_rate, options.channel)
        except DataError as error:
            errors.append(error)
            heard.files_left_out.append(LeftOutFile(path, str(error).removeprefix(str(path)).lstrip(": ")))
        else:
            _segment(path, recording, options, heard)
    if not heard.files:
        raise errors[0]
    return heard


def _segment(path: Path, recording: DecodedRecording, options: VoiceOptions, heard: _Heard) -> None:
    """Cuts one recording."""
    number, rate = len(heard.files), options.sample_rate
    if options.denoise and _seconds(recording) > FEWEST_S:
        recording = recording._replace(sound=denoised(recording.sound, rate))
    for piece in sentences(recording):
        start_s, seconds = piece.start / rate, (piece.stop - piece.start) / rate
        if piece.why_not:
            heard.left_out.append(LeftOut(number, start_s, seconds, piece.why_not))
            continue
        sound = recording.sound[piece.start : piece.stop]
        heard.sentences.append(Sentence(number, start_s, *_levelled(sound, rate)))
    heard.files.append(path)
    heard.seconds.append(_seconds(recording))
    heard.notes += recording.notes


def _seconds(recording: DecodedRecording) -> float:
    return len(recording.sound) / recording.sample_rate


def _levelled(sound: Mono, sample_rate: int) -> tuple[Mono, float]:
    level = speech_level_dbfs(sound, sample_rate)
    gain = min(10 ** ((LEVEL_DBFS - level) / 20), PEAK / max(float(np.abs(sound).max()), 1e-9))
    return (sound * np.float32(gain)).astype(np.float32), level


def _thinned(all_sentences: list[Sentence], options: VoiceOptions, left_out: list[LeftOut]) -> list[Sentence]:
    """The part that the options ask for, spread evenly over all sentences."""
    wanted = options.minutes * 60 * options.sample_rate
    length = sum(len(s.sound) for s in all_sentences)
    if length <= wanted:
        return all_sentences
    kept, samples_kept, samples_before = [], 0, 0
    for sentence in all_sentences:
        # Whatever its length, once fewer were kept than the quota up to here: asking that it fits would prefer short
        # ones.
        below_quota = samples_kept <= wanted * samples_before / length
        samples_before += len(sentence.sound)
        if below_quota:
            samples_kept += len(sentence.sound)
            kept.append(sentence)
        else:
            left_out.append(_as_left_out(sentence, options.sample_rate, "more than was asked for"))
    return kept


def _unlike_speech(features: Features) -> str:
    """Why these frames are not speech; "" when they are."""
    loud, _ = measured_frames(features)
    voiced = features.voiced & loud
    if voiced.sum() < LEAST_VOICED * loud.sum():
        return "hardly any voice in it"
    span = round(0.05 / FRAME_S)
    voiced_pairs = voiced[span:] & voiced[:-span]
    steps_cents = np.abs(features.lf0[span:] - features.lf0[:-span])[voiced_pairs] * 1200 / np.log(2)
    if len(steps_cents) and np.median(steps_cents) < STEADIEST_CENTS:
        return "like music: its notes stand still"
    return ""


def _as_left_out(sentence: Sentence, sample_rate: int, reason: str) -> LeftOut:
    return LeftOut(sentence.recording, sentence.start_s, len(sentence.sound) / sample_rate, reason)


def _too_little_message(recordings: Sequence[Path], spoken_s: float, left_out: list[LeftOut]) -> str:
    counts = Counter(reason for *_, reason in left_out)
    why = ", ".join(f"{count} x {reason}" for reason, count in counts.most_common(3)) or "nobody speaks"
    names = ", ".join(shown_name(path) for path in recordings[:3]) + (", ..." if len(recordings) > 3 else "")
    return (
        f"{names}: only {spoken_s:.1f} s of usable speech, {FEWEST_S:g} are needed ({why}). "
        "Record one person alone for about a minute, near the microphone, in a quiet room"
    )


def _write(
    heard: _Heard, work: Path, name: str, analysed: list[tuple[Sentence, Features]], options: VoiceOptions
) -> PreparedVoiceFacts:
    from models.prepare.voice_plots import draw

    names = [shown_name(path) for path in heard.files]

    held_out = set() if options.learn_all else _held_out([s for s, _ in analysed])
    digest = hashlib.sha256(str(options.sample_rate).encode())
    counts, lengths = {"train": 0, "held_out": 0}, {"train": 0.0, "held_out": 0.0}
    for part in counts:
        (work / part).mkdir(parents=True)
    for number, (sentence, features) in enumerate(analysed):
        part = "held_out" if number in held_out else "train"
        place = work / part / f"{number:06d}"
        np.savez(place.with_suffix(".npz"), **features._asdict())
        write_sound_file(place.with_suffix(".flac"), sentence.sound, options.sample_rate)
        digest.update(part.encode())
        for array in (sentence.sound, *features):
            digest.update(array.tobytes())
        counts[part] += 1
        lengths[part] += len(sentence.sound) / options.sample_rate
    training = [pair for number, pair in enumerate(analysed) if number not in held_out]
    speaker = measure(features for _, features in training)
    facts = PreparedVoiceFacts(
        kind="voice",
        name=name,
        sample_rate=options.sample_rate,
        sources=tuple(
            SourceFacts(file=file, seconds=round(whole_s, 2), sentences=sum(s.recording == i for s, _ in analysed))
            for i, (file, whole_s) in enumerate(zip(names, heard.seconds, strict=True))
        ),
        sentences=counts,
        seconds={part: round(length, 2) for part, length in lengths.items()},
        left_out=tuple(
            (names[part.recording], round(part.start_s, 2), round(part.seconds, 2), part.reason)
            for part in heard.left_out
        ),
        unlike_the_others=tuple(
            (names[s.recording], round(s.start_s, 2), round(len(s.sound) / options.sample_rate, 2))
            for s in (analysed[number][0] for number in other_speaker_sentences([features for _, features in analysed]))
        ),
        level_dbfs=round(float(np.median([s.level_dbfs for s, _ in analysed])), 1),
        denoised=options.denoise,
        statistics=VoiceStatistics(
            lf0_mean=speaker.lf0_mean,
            lf0_std=speaker.lf0_std,
            mcep_mean=tuple(speaker.mcep_mean.tolist()),
            mcep_std=tuple(speaker.mcep_std.tolist()),
        ),
        room=tuple(room_tone((_as_recorded(s, options.sample_rate) for s, _ in training), options.sample_rate)),
        digest=digest.hexdigest(),
    )
    facts = facts.model_copy(update=_of_files(heard))
    write_facts(work, facts)
    (work / "report.txt").write_text(report(facts) + _listing(facts), "utf-8")
    draw(work / "plots.png", facts, analysed)
    return facts


def _of_files(heard: _Heard) -> dict[str, object]:
    """Facts that are written where there are any."""
    files = tuple((shown_name(path), reason) for path, reason in heard.files_left_out)
    notes = tuple(heard.notes)
    return ({"files_left_out": files} if files else {}) | ({"notes": notes} if notes else {})


def _listing(facts: PreparedVoiceFacts) -> str:
    """The places in the recordings of what was left out, or may be another speaker's."""
    pieces = [*((*piece, "unlike the others") for piece in facts.unlike_the_others), *facts.left_out]
    rows = [
        f"  {file} at {_time(start)}, {length:.1f} s: {reason}" for file, start, length, reason in pieces[:MAX_LISTED]
    ]
    more = [f"  and {len(pieces) - MAX_LISTED} more"] if len(pieces) > MAX_LISTED else []
    return "\n".join(["", *rows, *more]) + "\n" if rows else ""


def _as_recorded(sentence: Sentence, sample_rate: int) -> Mono:
    """The sentence at its level before levelling."""
    gain_db = sentence.level_dbfs - speech_level_dbfs(sentence.sound, sample_rate)
    return np.asarray(sentence.sound * np.float32(10 ** (gain_db / 20)))


def _held_out(kept: list[Sentence]) -> set[int]:
    """Indices of the held-out sentences: those of some recordings, or the last ones of each."""
    if len(kept) < 4:
        return set()
    used = sorted({s.recording for s in kept})
    if len(used) >= RECORDINGS_ENOUGH:
        count = max(1, round(HELD_OUT_SHARE * len(used)))
        # From the middle of equal parts, so that not only the beginning or the end of a session is held out.
        chosen = {used[int((part + 0.5) * len(used) / count)] for part in range(count)}
        return {i for i, s in enumerate(kept) if s.recording in chosen}
    held: set[int] = set()
    for recording in used:
        of_recording = [i for i, s in enumerate(kept) if s.recording == recording]
        held |= set(of_recording[len(of_recording) - int(HELD_OUT_SHARE * len(of_recording)) :])
    return held or {len(kept) - 1}


def _time(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min" if seconds >= 60 else f"{seconds:.1f} s"
