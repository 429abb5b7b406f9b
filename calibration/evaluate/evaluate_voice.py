"""`guise evaluate voice`, one voice: whose voice it sounds like, whether the words are kept, and what is lost.

The voice is run as on stage, block by block, its latency compensated. Writes figures.json and, for each recording, the
converted sound and a picture of both spectrograms. Runs in the calling thread; offline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.evaluate.figures import ConversionKey, PrdcFigures, VoiceClipFigures, VoiceFigures, median_of_known
from calibration.measure.recordings import FEATURE_RATE, RATE, AnalysedSound, BadRecording, Recording, timbre_prdc
from export.metrics.prdc import Prdc
from export.metrics.voice import MetricUnavailable, f0_correlation, f0_error_cents, intelligibility, mcd_db
from export.pretrained.speaker_encoder import Embedding, SpeakerEncoder, mean_embedding, similarity
from live.process.frames import now
from live.sound.settings import BLOCK
from live.sound.voice import Voice
from live.sound.voices import open_voice
from models.features.block_adapter import streamed
from models.features.media.mixdown import Channel
from models.features.media.picture_files import write_picture_file
from models.features.media.sound_files import write_sound_file
from models.features.types import Mono, Progress
from models.prepare.recordings import shown_name


@dataclass(frozen=True)
class EvaluationData:
    """What voices are measured on: read and analysed once, for all of them."""

    speech: Sequence[Recording]
    targets: Sequence[Recording]
    encoder: SpeakerEncoder | None
    missing: str | None
    """Why there is no encoder."""
    source: Embedding | None
    """The speaker of `speech`."""
    target: Embedding | None
    """The speaker whom the voice is to sound like."""
    target_prdc: Prdc | None
    """Every other of the target's recordings against the rest: the best value that can be reached."""

    @property
    def notes(self) -> list[str]:
        """What is wrong with the recordings, and which of their channels are listened to; one line each."""
        return [note for recording in (*self.speech, *self.targets) for note in recording.notes]


class _Similarities(TypedDict):
    """Whom one converted recording sounds like."""

    similarity_target: float | None
    similarity_source: float | None
    nearer_target: bool | None


@dataclass(frozen=True)
class VoiceDescription:
    """What a voice says of itself. A preset has no speakers."""

    name: str
    steps: int | None = None
    speakers: int = 0
    target: int = 0
    """The index of the speaker it converts to, from 1 on."""
    lf0: tuple[float, float] | None = None
    """Mean and standard deviation of the target's ln F0."""


def read_evaluation_data(speech: Sequence[Path], targets: Sequence[Path], channel: Channel = "auto") -> EvaluationData:
    """Decodes and analyses the recordings, of which `channel` is listened to. Raises BadSound, BadRecording."""
    speech_recordings, target_recordings = ([Recording(path, channel) for path in paths] for paths in (speech, targets))
    best = timbre_prdc(target_recordings[::2], target_recordings[1::2])
    try:
        encoder = SpeakerEncoder()
    except MetricUnavailable as error:
        return EvaluationData(speech_recordings, target_recordings, None, str(error), None, None, best)
    speaker, person = (
        mean_embedding(encoder.embed(recording.resampled, FEATURE_RATE) for recording in sounds) if sounds else None
        for sounds in (speech_recordings, target_recordings)
    )
    return EvaluationData(speech_recordings, target_recordings, encoder, None, speaker, person, best)


def describe_voice(voice: str) -> VoiceDescription:
    """Of a frozen model by its path, or of a preset by its name. Raises BadModel."""
    if not voice.lower().endswith(".onnx"):
        return VoiceDescription(voice)
    from export.artifact.model_file import check_model

    manifest = check_model(voice, "voice")
    for number, speaker in enumerate(manifest.speakers, 1):
        if speaker.target:
            lf0 = (speaker.lf0_mean, speaker.lf0_std)
            return VoiceDescription(manifest.name, manifest.training.steps, len(manifest.speakers), number, lf0)
    return VoiceDescription(manifest.name, manifest.training.steps)


def evaluate_one_voice(voice: str, data: EvaluationData, out: Path, source: int, progress: Progress) -> VoiceFigures:
    """The metrics, also written to OUT/figures.json: medians over the recordings, and `clips` one by one.

    voice: the path of a frozen model, or a preset. source: who speaks, for voices of several known speakers. None
    stands for what cannot be measured:

    similarity_target, nearer_target, precision, recall, density, coverage, mcd_db: without recordings of the target;
    mcd_db (the generation loss) also where none of them says the same words, which the end of its name tells (p225_003,
    p226_003). prdc_of_target: the same four of every other of the target's recordings against the rest, the best values
    that can be reached. reconstruction_db (what the voice loses where nothing is to be changed): MCD of the target's
    own recordings run through it, as many as there is speech, for voices that know their target. f0_error_cents:
    relative to F0 moved to the target's mean and standard deviation, for voices that state theirs; f0_correlation: of
    the melody with that of the source. Raises BadModel, ValueError, BadRecording, OSError.
    """
    description = describe_voice(voice)
    player = open_voice(voice, RATE, BLOCK)
    _set_source(player, voice, description, source)
    out.mkdir(parents=True, exist_ok=True)
    own_recordings = data.targets[: len(data.speech)] if description.target else ()
    steps = len(data.speech) + len(own_recordings)
    clips, all_converted = _measure_clips(
        player, data, description, out, lambda name, done: progress(f"{description.name}: {name}", done, steps)
    )
    if own_recordings and source:
        player.set("source", description.target)
    reconstruction: list[float | None] = []
    for done, recording in enumerate(own_recordings, len(data.speech)):
        progress(f"{description.name}: the target's own {shown_name(recording.path)}", done, steps)
        reconstruction.append(_distortion(recording, _convert(player, recording)))

    def over_clips(key: ConversionKey) -> float | None:
        return median_of_known(clip[key] for clip in clips.values())

    nearer = [clip["nearer_target"] for clip in clips.values() if clip["nearer_target"] is not None]
    metrics: VoiceFigures = {
        "similarity_target": over_clips("similarity_target"),
        "similarity_source": over_clips("similarity_source"),
        "stoi": over_clips("stoi"),
        "f0_error_cents": over_clips("f0_error_cents"),
        "f0_correlation": over_clips("f0_correlation"),
        "mcd_db": over_clips("mcd_db"),
        "rtf": over_clips("rtf"),
        "nearer_target": sum(nearer) if nearer else None,
        "of": len(clips),
        "reconstruction_db": median_of_known(reconstruction),
        **_prdc_figures(timbre_prdc(data.targets, [converted for converted in all_converted if converted.sound.any()])),
        "prdc_of_target": None if data.target_prdc is None else _prdc_figures(data.target_prdc),
        "voice": description.name,
        "steps": description.steps,
        "latency_ms": 1e3 * player.latency_samples / RATE,
        "missing": data.missing,
        "clips": clips,
    }
    (out / "figures.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    return metrics


def _measure_clips(
    player: Voice,
    data: EvaluationData,
    description: VoiceDescription,
    out: Path,
    progress: Callable[[str, int], None],
) -> tuple[dict[str, VoiceClipFigures], list[AnalysedSound]]:
    """Converts every recording and writes sound and spectrograms; returns the metrics by file name, and the converted
    sounds."""
    wanted_hz = _wanted_f0(data.speech, description.lf0)
    clips: dict[str, VoiceClipFigures] = {}
    all_converted: list[AnalysedSound] = []
    for done, recording in enumerate(data.speech):
        progress(shown_name(recording.path), done)
        started = now()
        converted = _convert(player, recording)
        took_s = now() - started
        all_converted.append(converted)
        write_sound_file(out / f"{recording.path.stem}.wav", converted.sound, RATE)
        _draw_spectrograms(out / f"{recording.path.stem}.png", recording.sound, converted.sound)
        clips[shown_name(recording.path)] = {
            **_similarities(data, converted),
            "stoi": _intelligibility(recording, converted),
            "f0_error_cents": None if wanted_hz is None else f0_error_cents(wanted_hz[done], converted.frames.f0),
            "f0_correlation": f0_correlation(recording.frames.f0, converted.frames.f0),
            "mcd_db": _distortion(_same_sentence(recording, data.targets), converted),
            "rtf": took_s / (len(recording.sound) / RATE),
        }
    return clips, all_converted


def _prdc_figures(prdc: Prdc | None) -> PrdcFigures:
    precision, recall, density, coverage = (None,) * 4 if prdc is None else prdc
    return {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


def _set_source(player: Voice, voice: str, description: VoiceDescription, source: int) -> None:
    if source and not player.set("source", source):
        raise BadRecording(f"{voice} does not ask who speaks: leave --source out")
    if source > description.speakers:
        raise BadRecording(f"{voice} knows {description.speakers} speakers: --source {source} is none of them")


def _convert(player: Voice, sound: AnalysedSound) -> AnalysedSound:
    player.reset()
    return AnalysedSound(streamed(player, sound.sound, BLOCK))


def _wanted_f0(
    speech: Sequence[AnalysedSound], target_lf0: tuple[float, float] | None
) -> list[NDArray[np.float64]] | None:
    """F0 as it should be after conversion, for each recording, Hz, 0 where unvoiced."""
    if target_lf0 is None:
        return None
    source_lf0 = np.concatenate([np.log(sound.frames.f0[sound.frames.f0 > 0]) for sound in speech])
    if len(source_lf0) < 2:
        return None
    mean, std = float(source_lf0.mean()), max(float(source_lf0.std()), 1e-3)

    def moved(f0: NDArray[np.float64]) -> NDArray[np.float64]:
        lf0 = (np.log(np.maximum(f0, 1.0)) - mean) / std * target_lf0[1] + target_lf0[0]
        return np.where(f0 > 0, np.exp(lf0), 0.0)

    return [moved(sound.frames.f0) for sound in speech]


def _similarities(data: EvaluationData, converted: AnalysedSound) -> _Similarities:
    unmeasured: _Similarities = {"similarity_target": None, "similarity_source": None, "nearer_target": None}
    if data.encoder is None or data.source is None:
        return unmeasured
    try:
        embedding = data.encoder.embed(converted.resampled, FEATURE_RATE)
    except ValueError:  # the voice gave silence
        return unmeasured
    to_source = similarity(embedding, data.source)
    to_target = None if data.target is None else similarity(embedding, data.target)
    nearer = None if to_target is None else to_target > to_source
    return {"similarity_target": to_target, "similarity_source": to_source, "nearer_target": nearer}


def _intelligibility(source: AnalysedSound, converted: AnalysedSound) -> float | None:
    try:
        return intelligibility(source.sound, converted.sound, RATE)
    except (MetricUnavailable, ValueError):
        return None


def _same_sentence(recording: Recording, targets: Sequence[Recording]) -> Recording | None:
    matches = [target for target in targets if target.words and target.words == recording.words]
    return matches[0] if len(matches) == 1 else None


def _distortion(wanted: AnalysedSound | None, converted: AnalysedSound) -> float | None:
    if wanted is None or not converted.sound.any():
        return None
    try:
        return mcd_db(wanted.mcep, converted.mcep)
    except MetricUnavailable:
        return None


def _draw_spectrograms(path: Path, *sounds: Mono) -> None:
    """Spectrograms up to 10 kHz, one below the other: source and converted sound."""
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
    whole = cv2.cvtColor(np.concatenate(pictures[:-1]), cv2.COLOR_BGR2RGB)
    write_picture_file(path, np.asarray(whole, np.uint8))
