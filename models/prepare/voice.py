"""`guise prepare voice`: recordings of one speaker -> sentences with their features, and a report of what was left out.

Recordings are decoded one after the other, cut into sentences, and only what is kept is analysed, because the analysis
takes a sixth of the time that was spoken.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.features.room_tone import room_tone
from models.features.speech import FRAME_S, analyse, encode_aperiodicity, encode_envelope
from models.features.types import Mono, Progress
from models.prepare.data_error import DataError
from models.prepare.segmentation import (
    DecodedRecording,
    decode,
    denoised,
    sentences,
    speech_level_dbfs,
)
from models.prepare.speaker_check import another_person
from models.prepare.voice_data import Features, Sentence, measure, measured_frames

FEWEST_S = 2.0
LITTLE_S = 45.0
LEVEL_DBFS = -26.0
"""Sentences are brought to this, so that how far the microphone stood is not learned."""
PEAK = 0.99
HELD_OUT_SHARE = 0.1
RECORDINGS_ENOUGH = 5
"""So many recordings, and whole ones are held out; of fewer, the end of each is."""
LEAST_VOICED = 0.15
STEADIEST_CENTS = 12.0
"""F0 that moves less than this in 50 ms (median) is notes: speech glides, by 30 cents and more."""
TOLD = 30


@dataclass(frozen=True)
class VoiceOptions:
    """What `guise prepare voice` can be told."""

    sample_rate: int = 16000
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


def prepare_voice(
    recordings: Sequence[Path], out: Path, name: str | None, options: VoiceOptions, progress: Progress | None = None
) -> dict[str, Any]:
    """Writes the data set that models.prepare.voice_data describes and returns its facts.

    Raises DataError, with nothing left behind, when a recording cannot be read or too little of it is speech.
    """
    say = progress or (lambda what, done, of: None)
    _needs()
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise DataError(f"{out} is there already: name an empty folder, or remove it first")
    left_out: list[LeftOut] = []
    found: list[Sentence] = []
    seconds: list[float] = []
    for number, path in enumerate(recordings):
        say(f"listening to {path.name}", number, len(recordings))
        seconds.append(_listen(number, path, options, found, left_out))
    kept = _thinned(found, options, left_out)
    learned: list[tuple[Sentence, Features]] = []
    for count, sentence in enumerate(kept):
        say("analysing", count, len(kept))
        features = features_of(sentence.sound, options.sample_rate)
        if why_not := _unlike_speech(features):
            left_out.append(_gone(sentence, options.sample_rate, why_not))
        else:
            learned.append((sentence, features))
    spoken_s = sum(len(s.sound) for s, _ in learned) / options.sample_rate
    if spoken_s < FEWEST_S:
        raise DataError(_too_little(recordings, spoken_s, left_out))

    work = out.with_name(out.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        facts = _write(recordings, seconds, work, name or out.resolve().name, learned, left_out, options)
        if out.is_dir():
            out.rmdir()
        work.rename(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return facts


def features_of(sound: Mono, sample_rate: int) -> Features:
    """The frames of a whole sentence, as training keeps them."""
    frames = analyse(sound, sample_rate)
    voiced = frames.f0 > 0
    lf0 = np.log(np.where(voiced, frames.f0, 1.0)).astype(np.float32)
    aperiodicity = encode_aperiodicity(frames.aperiodicity, sample_rate)
    return Features(encode_envelope(frames.envelope, sample_rate), lf0, voiced, aperiodicity)


def report(facts: dict[str, Any]) -> str:
    """What was kept, what was left out and why; several lines for the artist."""
    kept_s = sum(facts["seconds"].values())
    whole_s = sum(source["seconds"] for source in facts["sources"])
    speaker = facts["statistics"]
    files = f"{len(facts['sources'])} recording{'s' if len(facts['sources']) > 1 else ''}"
    lines = [
        f"{facts['name']}: {_time(kept_s)} of speech kept, of {_time(whole_s)} in {files}",
        f"sentences to learn from: {facts['sentences']['train']}, held out: {facts['sentences']['held_out']}",
        f"F0 {np.exp(speaker['lf0_mean']):.0f} Hz, spread {speaker['lf0_std'] * 12 / np.log(2):.1f} semitones; "
        f"level {facts['level_dbfs']:.0f} dBFS before it was evened out",
    ]
    counts = Counter(reason for _, _, _, reason in facts["left_out"])
    for reason, count in counts.most_common():
        seconds = sum(length for _, _, length, why in facts["left_out"] if why == reason)
        lines.append(f"left out: {count} x {reason} ({seconds:.1f} s)")
    if kept_s < LITTLE_S:
        lines.append("warning: this is little; a minute or more of clear speech gives a better voice")
    if unlike := facts["unlike_the_others"]:
        theirs = sorted({file for file, _, _ in unlike})
        where = ", ".join(theirs[:3]) + (", ..." if len(theirs) > 3 else "")
        lines.append(
            f"warning: perhaps two people speak: {len(unlike)} of {sum(facts['sentences'].values())} sentences sound "
            f"unlike the others (in {where}; all in report.txt); prepare each person from recordings of his own"
        )
    if facts["level_dbfs"] < -45:
        lines.append("warning: the recording is quiet; come closer to the microphone or raise its gain")
    return "\n".join(lines) + "\n"


def _needs() -> None:
    try:
        import matplotlib  # noqa: F401
        import webrtcvad  # noqa: F401
    except ModuleNotFoundError as error:
        what = "install the extra by `pip install guise[train]`"
        raise DataError(f"preparing a voice needs {error.name}: {what}") from error


def _listen(number: int, path: Path, options: VoiceOptions, found: list[Sentence], left_out: list[LeftOut]) -> float:
    """Cuts one recording; its length in seconds."""
    recording = decode(path, options.sample_rate)
    if options.denoise and _seconds(recording) > FEWEST_S:
        recording = recording._replace(sound=denoised(recording.sound, options.sample_rate))
    rate = options.sample_rate
    for piece in sentences(recording):
        start_s, seconds = piece.start / rate, (piece.stop - piece.start) / rate
        if piece.why_not:
            left_out.append(LeftOut(number, start_s, seconds, piece.why_not))
            continue
        sound = recording.sound[piece.start : piece.stop]
        found.append(Sentence(number, start_s, *_levelled(sound, rate)))
    if recording.damaged:
        left_out.append(LeftOut(number, 0.0, 0.0, f"damaged in {recording.damaged} places"))
    return _seconds(recording)


def _seconds(recording: DecodedRecording) -> float:
    return len(recording.sound) / recording.sample_rate


def _levelled(sound: Mono, sample_rate: int) -> tuple[Mono, float]:
    level = speech_level_dbfs(sound, sample_rate)
    gain = min(10 ** ((LEVEL_DBFS - level) / 20), PEAK / max(float(np.abs(sound).max()), 1e-9))
    return (sound * np.float32(gain)).astype(np.float32), level


def _thinned(found: list[Sentence], options: VoiceOptions, left_out: list[LeftOut]) -> list[Sentence]:
    """As many as were asked for, spread evenly over all there is."""
    wanted = options.minutes * 60 * options.sample_rate
    length = sum(len(s.sound) for s in found)
    if length <= wanted:
        return found
    kept, taken, passed = [], 0, 0
    for sentence in found:
        # Whatever its length, once fewer were kept than should be by here: asking that it fits would keep the short.
        due = taken <= wanted * passed / length
        passed += len(sentence.sound)
        if due:
            taken += len(sentence.sound)
            kept.append(sentence)
        else:
            left_out.append(_gone(sentence, options.sample_rate, "more than was asked for"))
    return kept


def _unlike_speech(features: Features) -> str:
    """Why these frames are nobody speaking; "" when somebody is."""
    loud, _ = measured_frames(features)
    voiced = features.voiced & loud
    if voiced.sum() < LEAST_VOICED * loud.sum():
        return "hardly any voice in it"
    span = round(0.05 / FRAME_S)
    both = voiced[span:] & voiced[:-span]
    moved = np.abs(features.lf0[span:] - features.lf0[:-span])[both] * 1200 / np.log(2)
    if len(moved) and np.median(moved) < STEADIEST_CENTS:
        return "like music: its notes stand still"
    return ""


def _gone(sentence: Sentence, sample_rate: int, reason: str) -> LeftOut:
    return LeftOut(sentence.recording, sentence.start_s, len(sentence.sound) / sample_rate, reason)


def _too_little(recordings: Sequence[Path], spoken_s: float, left_out: list[LeftOut]) -> str:
    counts = Counter(reason for *_, reason in left_out)
    why = ", ".join(f"{count} x {reason}" for reason, count in counts.most_common(3)) or "nobody speaks"
    names = ", ".join(path.name for path in recordings[:3]) + (", ..." if len(recordings) > 3 else "")
    return (
        f"{names}: only {spoken_s:.1f} s of usable speech, {FEWEST_S:g} are needed ({why}). "
        "Record one person alone for about a minute, near the microphone, in a quiet room"
    )


def _write(
    recordings: Sequence[Path],
    seconds: list[float],
    work: Path,
    name: str,
    learned: list[tuple[Sentence, Features]],
    left_out: list[LeftOut],
    options: VoiceOptions,
) -> dict[str, Any]:
    import soundfile

    from models.prepare.voice_plots import draw

    held_out = set() if options.learn_all else _held_out([s for s, _ in learned], len(recordings))
    digest = hashlib.sha256(str(options.sample_rate).encode())
    counts, lengths = {"train": 0, "held_out": 0}, {"train": 0.0, "held_out": 0.0}
    for part in counts:
        (work / part).mkdir(parents=True)
    for number, (sentence, features) in enumerate(learned):
        part = "held_out" if number in held_out else "train"
        place = work / part / f"{number:06d}"
        np.savez(place.with_suffix(".npz"), **features._asdict())
        soundfile.write(place.with_suffix(".flac"), sentence.sound, options.sample_rate, subtype="PCM_16")
        digest.update(part.encode())
        for array in (sentence.sound, *features):
            digest.update(array.tobytes())
        counts[part] += 1
        lengths[part] += len(sentence.sound) / options.sample_rate
    taught = [pair for number, pair in enumerate(learned) if number not in held_out]
    speaker = measure(features for _, features in taught)
    facts: dict[str, Any] = {
        "kind": "voice",
        "name": name,
        "sample_rate": options.sample_rate,
        "sources": [
            {"file": path.name, "seconds": round(whole_s, 2), "sentences": sum(s.recording == i for s, _ in learned)}
            for i, (path, whole_s) in enumerate(zip(recordings, seconds, strict=True))
        ],
        "sentences": counts,
        "seconds": {part: round(length, 2) for part, length in lengths.items()},
        "left_out": [
            [recordings[part.recording].name, round(part.start_s, 2), round(part.seconds, 2), part.reason]
            for part in left_out
        ],
        "unlike_the_others": [
            [recordings[s.recording].name, round(s.start_s, 2), round(len(s.sound) / options.sample_rate, 2)]
            for s in (learned[number][0] for number in another_person([features for _, features in learned]))
        ],
        "level_dbfs": round(float(np.median([s.level_dbfs for s, _ in learned])), 1),
        "denoised": options.denoise,
        "statistics": {
            "lf0_mean": speaker.lf0_mean,
            "lf0_std": speaker.lf0_std,
            "mcep_mean": speaker.mcep_mean.tolist(),
            "mcep_std": speaker.mcep_std.tolist(),
        },
        "room": room_tone((_as_recorded(s, options.sample_rate) for s, _ in taught), options.sample_rate),
        "digest": digest.hexdigest(),
    }
    (work / "dataset.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), "utf-8")
    (work / "report.txt").write_text(report(facts) + _told(facts), "utf-8")
    draw(work / "plots.png", facts, learned)
    return facts


def _told(facts: dict[str, Any]) -> str:
    """Where to listen for what was left out, or may be somebody else's."""
    pieces = [[*piece, "unlike the others"] for piece in facts["unlike_the_others"]] + facts["left_out"]
    rows = [f"  {file} at {_time(start)}, {length:.1f} s: {reason}" for file, start, length, reason in pieces[:TOLD]]
    more = [f"  and {len(pieces) - TOLD} more"] if len(pieces) > TOLD else []
    return "\n".join(["", *rows, *more]) + "\n" if rows else ""


def _as_recorded(sentence: Sentence, sample_rate: int) -> Mono:
    """As loud as it was before levelling."""
    gain_db = sentence.level_dbfs - speech_level_dbfs(sentence.sound, sample_rate)
    return np.asarray(sentence.sound * np.float32(10 ** (gain_db / 20)))


def _held_out(kept: list[Sentence], recordings: int) -> set[int]:
    """Which sentences are held out: those of every so many recordings, or the last ones of each."""
    if len(kept) < 4:
        return set()
    used = sorted({s.recording for s in kept})
    if len(used) >= RECORDINGS_ENOUGH:
        count = max(1, round(HELD_OUT_SHARE * len(used)))
        # From the middle of as many equal parts, so that neither the beginning nor the end of a session is all of them.
        chosen = {used[int((part + 0.5) * len(used) / count)] for part in range(count)}
        return {i for i, s in enumerate(kept) if s.recording in chosen}
    held: set[int] = set()
    for recording in used:
        own = [i for i, s in enumerate(kept) if s.recording == recording]
        held |= set(own[len(own) - int(HELD_OUT_SHARE * len(own)) :])
    return held or {len(kept) - 1}


def _time(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min" if seconds >= 60 else f"{seconds:.1f} s"
