"""`guise evaluate voice`, one voice: whose it sounds like, whether the words stay, and what is lost on the way.

The voice is played as on stage, block by block, its latency taken out. Writes figures.json and, for each recording,
what the voice made of it and a picture of both spectrograms. Runs in the caller's thread; offline.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from calibration.measure.recordings import FEATURE_RATE, RATE, AnalysedSound, BadRecording, Recording, timbre_prdc
from export.metrics.prdc import Prdc
from export.metrics.voice import MetricUnavailable, f0_correlation, f0_error_cents, intelligibility, mcd_db
from export.pretrained.speaker_encoder import Embedding, SpeakerEncoder, mean_embedding, similarity
from live.process.frames import now
from live.sound.settings import BLOCK
from live.sound.voice import Voice
from live.sound.voices import open_voice
from models.features.block_adapter import streamed
from models.features.types import Mono, Progress

CLIP_METRICS = ("similarity_target", "similarity_source", "stoi", "f0_error_cents", "f0_correlation", "mcd_db", "rtf")


@dataclass(frozen=True)
class EvaluationData:
    """What voices are measured on: read and analysed once, for all of them."""

    speech: Sequence[Recording]
    targets: Sequence[Recording]
    encoder: SpeakerEncoder | None
    missing: str | None
    """Why there is no meter."""
    speaker: Embedding | None
    """Who speaks."""
    person: Embedding | None
    """Whom it is to sound like."""
    best: Prdc | None
    """Every other of the target's recordings against the rest: nothing can be more like the target."""


@dataclass(frozen=True)
class VoiceDescription:
    """What a voice says of itself. A preset knows nobody."""

    name: str
    steps: int | None = None
    speakers: int = 0
    target: int = 0
    """Which of the speakers it becomes, from 1 on."""
    lf0: tuple[float, float] | None = None
    """Mean and spread of the target's ln F0."""


def read_evaluation_data(speech: Sequence[Path], targets: Sequence[Path]) -> EvaluationData:
    """Raises BadSound, BadRecording."""
    spoken, theirs = [Recording(path) for path in speech], [Recording(path) for path in targets]
    best = timbre_prdc(theirs[::2], theirs[1::2])
    try:
        encoder = SpeakerEncoder()
    except MetricUnavailable as error:
        return EvaluationData(spoken, theirs, None, str(error), None, None, best)
    speaker, person = (
        mean_embedding(encoder.embed(heard.low, FEATURE_RATE) for heard in sounds) if sounds else None
        for sounds in (spoken, theirs)
    )
    return EvaluationData(spoken, theirs, encoder, None, speaker, person, best)


def describe_voice(voice: str) -> VoiceDescription:
    """Raises BadModel."""
    if not voice.lower().endswith(".onnx"):
        return VoiceDescription(voice)
    from export.artifact.model_file import check_model

    manifest = check_model(voice, "voice")
    for number, speaker in enumerate(manifest.speakers, 1):
        if speaker.target:
            lf0 = (speaker.lf0_mean, speaker.lf0_std)
            return VoiceDescription(manifest.name, manifest.training.steps, len(manifest.speakers), number, lf0)
    return VoiceDescription(manifest.name, manifest.training.steps)


def evaluate_one_voice(
    voice: str, material: EvaluationData, out: Path, source: int, progress: Progress
) -> dict[str, Any]:
    """The figures, also written to OUT/figures.json: medians over the recordings, and `clips` one by one.

    voice: a frozen model's path or a preset. source: who speaks, for voices that know several. None stands for what
    cannot be had:

    similarity_target, nearer_target, precision, recall, density, coverage, mcd_db: without recordings of the target;
    mcd_db (what generation loses): also where none of them says the same words, told by the end of its name (p225_003,
    p226_003). prdc_of_target: the same four of every other of the target's recordings against the rest, the best there
    is to be had. reconstruction_db (what the voice loses though there is nothing to change): MCD of the target's own
    recordings played through it, as many as there is speech, for voices that know their target. f0_error_cents: against
    F0 moved to the target's mean and spread, for voices that say theirs; f0_correlation: of the melody with what was
    spoken. Raises BadModel, ValueError, BadRecording, OSError.
    """
    mine = describe_voice(voice)
    opened = open_voice(voice, RATE, BLOCK)
    _set_source(opened, voice, mine, source)
    wanted_hz = _wanted_f0(material.speech, mine.lf0)
    out.mkdir(parents=True, exist_ok=True)
    again = material.targets[: len(material.speech)] if mine.target else ()
    steps = len(material.speech) + len(again)
    clips: dict[str, Any] = {}
    made: list[AnalysedSound] = []
    for done, spoken in enumerate(material.speech):
        progress(f"{mine.name}: {spoken.path.name}", done, steps)
        began = now()
        said = _convert(opened, spoken)
        took_s = now() - began
        made.append(said)
        soundfile.write(out / f"{spoken.path.stem}.wav", said.sound, RATE, "PCM_16")
        _draw_spectrograms(out / f"{spoken.path.stem}.png", spoken.sound, said.sound)
        clips[spoken.path.name] = _similarities(material, said) | {
            "stoi": _intelligibility(spoken, said),
            "f0_error_cents": None if wanted_hz is None else f0_error_cents(wanted_hz[done], said.frames.f0),
            "f0_correlation": f0_correlation(spoken.frames.f0, said.frames.f0),
            "mcd_db": _distortion(_same_sentence(spoken, material.targets), said),
            "rtf": took_s / (len(spoken.sound) / RATE),
        }
    if again and source:
        opened.set("source", mine.target)
    lost: list[float | None] = []
    for done, theirs in enumerate(again, len(material.speech)):
        progress(f"{mine.name}: the target's own {theirs.path.name}", done, steps)
        lost.append(_distortion(theirs, _convert(opened, theirs)))
    metrics: dict[str, Any] = {key: _median([clip[key] for clip in clips.values()]) for key in CLIP_METRICS}
    nearer = [clip["nearer_target"] for clip in clips.values() if clip["nearer_target"] is not None]
    metrics |= {
        "nearer_target": sum(nearer) if nearer else None,
        "of": len(clips),
        "reconstruction_db": _median(lost),
        **_prdc_fields(timbre_prdc(material.targets, [said for said in made if said.sound.any()])),
        "prdc_of_target": None if material.best is None else _prdc_fields(material.best),
        "voice": mine.name,
        "steps": mine.steps,
        "latency_ms": 1e3 * opened.latency / RATE,
        "missing": material.missing,
        "clips": clips,
    }
    (out / "figures.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    return metrics


def _prdc_fields(found: Prdc | None) -> dict[str, float | None]:
    return dict.fromkeys(Prdc._fields) if found is None else found._asdict()


def _set_source(opened: Voice, voice: str, mine: VoiceDescription, source: int) -> None:
    if source and not opened.set("source", source):
        raise BadRecording(f"{voice} does not ask who speaks: leave --source out")
    if source > mine.speakers:
        raise BadRecording(f"{voice} knows {mine.speakers} speakers: --source {source} is none of them")


def _convert(opened: Voice, spoken: AnalysedSound) -> AnalysedSound:
    opened.reset()
    return AnalysedSound(streamed(opened, spoken.sound, BLOCK))


def _wanted_f0(speech: Sequence[AnalysedSound], whom: tuple[float, float] | None) -> list[NDArray[np.float64]] | None:
    """F0 as it should come out of each recording, Hz, 0 where unvoiced."""
    if whom is None:
        return None
    spoken = np.concatenate([np.log(heard.frames.f0[heard.frames.f0 > 0]) for heard in speech])
    if len(spoken) < 2:
        return None
    mean, spread = float(spoken.mean()), max(float(spoken.std()), 1e-3)

    def moved(f0: NDArray[np.float64]) -> NDArray[np.float64]:
        lf0 = (np.log(np.maximum(f0, 1.0)) - mean) / spread * whom[1] + whom[0]
        return np.where(f0 > 0, np.exp(lf0), 0.0)

    return [moved(heard.frames.f0) for heard in speech]


def _similarities(material: EvaluationData, said: AnalysedSound) -> dict[str, Any]:
    nothing = {"similarity_target": None, "similarity_source": None, "nearer_target": None}
    if material.encoder is None or material.speaker is None:
        return nothing
    try:
        whose = material.encoder.embed(said.low, FEATURE_RATE)
    except ValueError:  # the voice said nothing
        return nothing
    to_source = similarity(whose, material.speaker)
    to_target = None if material.person is None else similarity(whose, material.person)
    nearer = None if to_target is None else to_target > to_source
    return {"similarity_target": to_target, "similarity_source": to_source, "nearer_target": nearer}


def _intelligibility(spoken: AnalysedSound, said: AnalysedSound) -> float | None:
    try:
        return intelligibility(spoken.sound, said.sound, RATE)
    except (MetricUnavailable, ValueError):
        return None


def _same_sentence(spoken: Recording, targets: Sequence[Recording]) -> Recording | None:
    same = [target for target in targets if target.words and target.words == spoken.words]
    return same[0] if len(same) == 1 else None


def _distortion(wanted: AnalysedSound | None, said: AnalysedSound) -> float | None:
    if wanted is None or not said.sound.any():
        return None
    try:
        return mcd_db(wanted.mcep, said.mcep)
    except MetricUnavailable:
        return None


def _median(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.median(present)) if present else None


def _draw_spectrograms(path: Path, *sounds: Mono) -> None:
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
