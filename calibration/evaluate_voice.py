"""`guise evaluate voice`: what a voice is worth on speech: whose it sounds like, and whether the words stay.

The voice is played as on stage, block by block, its latency taken out. Writes figures.json and, for each recording,
what the voice made of it and a picture of both spectrograms. Runs in the caller's thread; offline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from export.evaluate_voice import (
    CannotJudge,
    Embedding,
    SpeakerMeter,
    f0_correlation,
    f0_error_cents,
    intelligibility,
    mcd_db,
    mean_embedding,
    similarity,
)
from live.frames import now
from live.sound.files import SoundFile
from live.sound.settings import BLOCK
from live.sound.voice import Mono
from live.sound.voices import open_voice
from models.features.convert import streamed
from models.features.speech import Frames, analyse, encode_envelope

RATE = 48_000
FEATURE_RATE = 16_000
EACH = ("similarity_target", "similarity_source", "nearer_target", "stoi", "f0_error_cents", "f0_correlation", "mcd_db")
_FEWEST_S = 0.5

Progress = Callable[[str, int, int], None]
"""(what is being done, done, of how many)"""


class NotEvaluated(Exception):
    """The voice cannot be measured on this; the message is one line."""


def evaluate_voice(
    voice: str, speech: Sequence[Path], targets: Sequence[Path], out: Path, source: int, progress: Progress
) -> dict[str, Any]:
    """The figures, also written to OUT/figures.json: medians over the recordings, and `clips` one by one.

    voice: a frozen model's path or a preset. targets: recordings of whom it is to sound like; without them
    similarity_target, nearer_target and mcd_db are None. mcd_db also wants a target's recording of the same words: one
    whose name ends as the speech's does (p225_003, p226_003). source: who speaks, for voices that know several.
    f0_error_cents is against F0 moved to the target's mean and spread, for voices that say theirs. Raises BadModel,
    ValueError, BadSound, NotEvaluated, OSError.
    """
    meter, missing = _meter()
    mine, whom = _people(voice)
    person = None if meter is None or not targets else mean_embedding(_embedding(meter, path) for path in targets)
    heard = [(path, _sound(path)) for path in speech]
    speaker = None if meter is None else mean_embedding(meter.embedding(sound, RATE) for _, sound in heard)
    analysed = {path: analyse(_down(sound), FEATURE_RATE) for path, sound in heard}
    wanted_hz = _wanted(analysed, whom)
    out.mkdir(parents=True, exist_ok=True)
    clips: dict[str, Any] = {}
    opened = open_voice(voice, RATE, BLOCK)
    if source and not opened.set("source", source):
        raise NotEvaluated(f"{voice} does not ask who speaks: leave --source out")
    for done, (path, sound) in enumerate(heard):
        progress(path.name, done, len(heard))
        opened.reset()
        began = now()
        said = streamed(opened, sound, BLOCK)
        took_s = now() - began
        soundfile.write(out / f"{path.stem}.wav", said, RATE, "PCM_16")
        _draw(out / f"{path.stem}.png", sound, said)
        low = _down(said)
        made = analyse(low, FEATURE_RATE)
        clip = _judged(meter, low, person, speaker) | {
            "stoi": _words(sound, said),
            "f0_error_cents": None if wanted_hz is None else f0_error_cents(wanted_hz[path], made.f0),
            "f0_correlation": f0_correlation(analysed[path].f0, made.f0),
            "mcd_db": _distortion(path, targets, made),
            "rtf": took_s / (len(sound) / RATE),
        }
        clips[path.name] = clip
    figures: dict[str, Any] = {
        key: _median([clip[key] for clip in clips.values()]) for key in (*EACH, "rtf") if key != "nearer_target"
    }
    nearer = [clip["nearer_target"] for clip in clips.values() if clip["nearer_target"] is not None]
    figures |= {
        "nearer_target": sum(nearer) if nearer else None,
        "of": len(clips),
        "voice": mine,
        "latency_ms": 1e3 * opened.latency / RATE,
        "missing": missing,
        "clips": clips,
    }
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return figures


def _meter() -> tuple[SpeakerMeter | None, str | None]:
    try:
        return SpeakerMeter(), None
    except CannotJudge as error:
        return None, str(error)


def _people(voice: str) -> tuple[str, tuple[float, float] | None]:
    """The voice's name, and mean and spread of its target's ln F0 where it says them. Raises BadModel."""
    if not voice.lower().endswith(".onnx"):
        return voice, None
    from export.artifact import check

    manifest = check(voice, "voice")
    target = next((speaker for speaker in manifest.speakers if speaker.target), None)
    return manifest.name, None if target is None else (target.lf0_mean, target.lf0_std)


def _sound(path: Path) -> Mono:
    """(n,) at RATE. Raises BadSound, NotEvaluated."""
    sound = np.concatenate([np.zeros(0, np.float32), *SoundFile(path, RATE).passages()])
    if len(sound) < _FEWEST_S * RATE:
        raise NotEvaluated(f"{path} holds {len(sound) / RATE:.1f} s, and {_FEWEST_S:g} s are the least")
    return np.asarray(sound, np.float32)


def _embedding(meter: SpeakerMeter, path: Path) -> Embedding:
    return meter.embedding(_sound(path), RATE)


def _wanted(analysed: dict[Path, Frames], whom: tuple[float, float] | None) -> dict[Path, NDArray[np.float64]] | None:
    """F0 as it should come out of each recording, Hz, 0 where unvoiced."""
    if whom is None:
        return None
    spoken = np.concatenate([np.log(frames.f0[frames.f0 > 0]) for frames in analysed.values()])
    if len(spoken) < 2:
        return None
    mean, spread = float(spoken.mean()), max(float(spoken.std()), 1e-3)

    def moved(f0: NDArray[np.float64]) -> NDArray[np.float64]:
        lf0 = (np.log(np.maximum(f0, 1.0)) - mean) / spread * whom[1] + whom[0]
        return np.where(f0 > 0, np.exp(lf0), 0.0)

    return {path: moved(frames.f0) for path, frames in analysed.items()}


def _down(sound: Mono) -> Mono:
    import soxr

    return np.asarray(soxr.resample(sound, RATE, FEATURE_RATE), np.float32)


def _judged(
    meter: SpeakerMeter | None, said: Mono, person: Embedding | None, speaker: Embedding | None
) -> dict[str, Any]:
    if meter is None or speaker is None:
        return {"similarity_target": None, "similarity_source": None, "nearer_target": None}
    whose = meter.embedding(said, FEATURE_RATE)
    to_source = similarity(whose, speaker)
    to_target = None if person is None else similarity(whose, person)
    nearer = None if to_target is None else to_target > to_source
    return {"similarity_target": to_target, "similarity_source": to_source, "nearer_target": nearer}


def _words(sound: Mono, said: Mono) -> float | None:
    try:
        return intelligibility(sound, said, RATE)
    except (CannotJudge, ValueError):
        return None


def _distortion(path: Path, targets: Sequence[Path], made: Frames) -> float | None:
    same = [target for target in targets if _words_of(target) and _words_of(target) == _words_of(path)]
    if len(same) != 1:
        return None
    theirs = analyse(_down(_sound(same[0])), FEATURE_RATE)
    try:
        return mcd_db(encode_envelope(theirs.envelope, FEATURE_RATE), encode_envelope(made.envelope, FEATURE_RATE))
    except CannotJudge:
        return None


def _words_of(path: Path) -> str:
    """What a corpus calls the sentence: the last part of p225_003."""
    return path.stem.rpartition("_")[2] if "_" in path.stem else ""


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _draw(path: Path, *sounds: Mono) -> None:
    """Spectrograms up to 10 kHz, one below the other: what was said, what came out."""
    pictures = []
    for sound in sounds:
        hop, size = RATE // 200, 2048
        padded = np.pad(sound, (size // 2, size))
        at = np.arange(0, len(sound), hop)
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[at] * np.hanning(size)
        level = 20 * np.log10(np.abs(np.fft.rfft(frames))[:, : round(10_000 * size / RATE)].T + 1e-4)
        grey = np.clip((level + 50) / 80 * 255, 0, 255).astype(np.uint8)[::-1]
        pictures.append(cv2.applyColorMap(np.ascontiguousarray(grey), cv2.COLORMAP_MAGMA))
        pictures.append(np.full((6, grey.shape[1], 3), 255, np.uint8))
    written = cv2.imwrite(str(path), np.concatenate(pictures[:-1]))
    if not written:
        raise OSError(f"{path} cannot be written")
