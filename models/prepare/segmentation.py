"""A recording -> its sentences: decoding, removal of silence, and reasons for what cannot be used.

Levels are dBFS of 10 ms of sound, full scale 1. Any file that FFmpeg reads will do, also movies; it is decoded in
chunks, so that an hour at 96 kHz takes no more memory than an hour at 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from models.features.media.bad_media import BadMedia, NoStream
from models.features.media.mixdown import Channel, NoSuchChannel
from models.features.media.sound_recording import NoSound, SoundRecording
from models.features.types import Mono
from models.prepare.data_error import DataError

SHORTEST_S, LONGEST_S = 0.5, 12.0
PAUSE_S = 0.35
"""A silence of this length separates two sentences."""
MARGIN_S = 0.15
"""Kept before and after a sentence: consonants begin before a detector responds."""
QUIETEST_DBFS = -50.0
LEAST_RANGE_DB = 18.0
"""Least difference between a sentence's loudest and quietest moments: speech has gaps between its sounds (30 dB and
more), and noise, reverberation or music in them reduce it."""
LEAST_RATE_SHARE = 0.9
"""Of the voice's rate that a recording must have: a missing top of the band would be learned as silence."""
CLIPPED = 0.985
CLIPPED_SHARE = 1e-3
_VAD_RATE = 16000
_TICK_S = 0.01


class DecodedRecording(NamedTuple):
    """A decoded file. `clipped`: the samples where the microphone or the converter was at full scale; `notes`: what was
    found wrong with it, one line each."""

    sound: Mono
    sample_rate: int
    clipped: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


class Piece(NamedTuple):
    """Samples start..stop of a recording, and why they cannot be used ("": they can)."""

    start: int
    stop: int
    why_not: str


def decode(path: Path, sample_rate: int, channel: Channel = "auto") -> DecodedRecording:
    """The sound of a file, mixed to mono: of the channels that carry sound, without offset, one piece directly after
    the other. Raises DataError with what is wrong with it."""
    try:
        recording = SoundRecording(path, channel)
        if recording.sample_rate < LEAST_RATE_SHARE * sample_rate:
            raise DataError(
                f"{path} has {recording.sample_rate} Hz, and a voice at {sample_rate} Hz needs what lies above: record "
                f"at {sample_rate} Hz or more"
            )
        sound, marks = _resampled(recording, sample_rate)
    except NoStream as error:
        raise DataError(f"{path} has no sound: is it a silent movie, or a picture?") from error
    except (NoSound, NoSuchChannel) as error:
        raise DataError(str(error)) from error
    except (OSError, BadMedia) as error:
        why = "there is no such file" if not path.exists() else "it is not a recording or movie that can be read"
        raise DataError(f"{path}: {why}") from error
    return DecodedRecording(sound, sample_rate, marks, tuple(recording.notes))


def _resampled(recording: SoundRecording, sample_rate: int) -> tuple[Mono, NDArray[np.bool_]]:
    """The sound, and where it is clipped."""
    mix = recording.mixer()
    sound: list[Mono] = []
    marks: list[NDArray[np.floating]] = []
    resampler: soxr.ResampleStream | None = None
    source_rate, passed_s, read_s = 0, 0.0, 0.0
    for piece in recording.pieces():
        if resampler is None or piece.sample_rate != source_rate:
            if resampler is not None:
                sound.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
            source_rate = piece.sample_rate
            resampler = soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32")
            passed_s, count = read_s, 0
        sound.append(resampler.resample_chunk(mix(piece)))
        flat = _clipped(piece.samples[recording.heard_channels(piece)])
        marks.append(passed_s * sample_rate + (np.flatnonzero(flat) + count) * (sample_rate / source_rate))
        count += len(flat)
        read_s = passed_s + count / source_rate
    if resampler is not None:
        sound.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    whole = np.concatenate([np.zeros(0, np.float32), *sound])
    sound.clear()
    clipped = np.zeros(len(whole), np.bool_)
    if len(whole):
        clipped[np.minimum(np.concatenate(marks).astype(int), len(whole) - 1)] = True
    return whole, clipped


def denoised(sound: Mono, sample_rate: int) -> Mono:
    """Steady noise (hum, fans, hiss) reduced by FFmpeg's afftdn to the level of the quietest tenth; length and timing
    are unchanged."""
    floor_dbfs = float(np.clip(np.percentile(levels_dbfs(sound, sample_rate), 10), -80, -20))
    graph = Graph()
    time_base = Fraction(1, sample_rate)
    source = graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono", time_base=time_base)
    clean, sink = graph.add("afftdn", f"nr=18:nf={floor_dbfs:.1f}"), graph.add("abuffersink")
    graph.link_nodes(source, clean, sink).configure()
    delay = sample_rate // 40  # Two of its hops, a delay that it does not report.
    padded = np.pad(sound, (0, delay))
    parts: list[Mono] = []
    for start in range(0, len(padded), sample_rate):
        frame = AudioFrame.from_ndarray(padded[None, start : start + sample_rate], "flt", "mono")
        frame.sample_rate, frame.pts = sample_rate, start
        graph.push(frame)
        parts += _pull_all(graph)
    graph.push(None)
    parts += _pull_all(graph)
    return np.concatenate(parts)[delay : delay + len(sound)]


def sentences(recording: DecodedRecording) -> list[Piece]:
    """The sentences of a recording in order, unusable ones with the reason."""
    speech = _is_speech(recording)
    levels = levels_dbfs(recording.sound, recording.sample_rate)
    pieces = []
    for start, stop in _runs(speech, round(PAUSE_S / _TICK_S)):
        for first, last in _cut(levels, start, stop):
            margin = round(MARGIN_S / _TICK_S)
            a, b = max(0, first - margin), min(len(levels), last + margin)
            pieces.append(_classified(recording, levels[a:b], a, b, last - first))
    return pieces


def levels_dbfs(sound: Mono, sample_rate: int) -> NDArray[np.float64]:
    """One level for every 10 ms; -120 for silence."""
    tick = round(sample_rate * _TICK_S)
    ticks = len(sound) // tick
    parts = sound[: ticks * tick].reshape(ticks, tick)
    power = np.einsum("ij,ij->i", parts, parts, dtype=np.float64) / tick
    output: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1e-12))
    return output


def speech_level_dbfs(sound: Mono, sample_rate: int) -> float:
    """The speech level: the power within 20 dB of the loudest moments, without pauses as in ITU-T P.56."""
    levels = levels_dbfs(sound, sample_rate)
    loud = levels[levels > np.percentile(levels, 95) - 20]
    return float(10 * np.log10(np.mean(10 ** (loud / 10))))


def _classified(
    recording: DecodedRecording, levels: NDArray[np.float64], first: int, last: int, speech_ticks: int
) -> Piece:
    tick = round(recording.sample_rate * _TICK_S)
    start, stop = first * tick, last * tick
    why_not = ""
    loud, quiet = np.percentile(levels, [95, 5])
    if speech_ticks * _TICK_S < SHORTEST_S:
        why_not = f"shorter than {SHORTEST_S:g} s"
    elif loud < QUIETEST_DBFS:
        why_not = "too quiet"
    elif recording.clipped[start:stop].mean() > CLIPPED_SHARE:
        why_not = "clipped"
    elif loud - quiet < LEAST_RANGE_DB:
        why_not = "noise or music in the pauses"
    return Piece(start, stop, why_not)


def _is_speech(recording: DecodedRecording) -> NDArray[np.bool_]:
    """Whether there is speech, for every 10 ms: WebRTC's detector (its strictest mode), and not far below the rest."""
    import webrtcvad

    detector = webrtcvad.Vad(3)
    sound, rate = recording.sound, recording.sample_rate
    levels = levels_dbfs(sound, rate)
    if len(levels) == 0:
        return np.zeros(0, np.bool_)
    loud = float(np.percentile(levels, 98))
    vad_sound = sound if rate == _VAD_RATE else np.asarray(soxr.resample(sound, rate, _VAD_RATE), np.float32)
    gain = 10 ** ((-20 - loud) / 20) if loud > -100 else 1.0
    tick = round(_VAD_RATE * _TICK_S)
    speech = []
    for start in range(0, len(levels) * tick, tick):
        part = np.clip(vad_sound[start : start + tick] * gain, -1, 1)
        pcm = np.asarray(np.pad(part, (0, tick - len(part))) * 32767, np.int16).tobytes()
        speech.append(detector.is_speech(pcm, _VAD_RATE))
    return np.array(speech, np.bool_) & (levels > loud - 45)


def _runs(speech: NDArray[np.bool_], pause: int) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of runs of speech without a silence of `pause` ticks."""
    places = np.flatnonzero(speech)
    if len(places) == 0:
        return
    breaks = np.flatnonzero(np.diff(places) > pause)
    for first, last in zip(np.r_[0, breaks + 1], np.r_[breaks, len(places) - 1], strict=True):
        yield int(places[first]), int(places[last]) + 1


def _cut(levels: NDArray[np.float64], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The run in parts of at most LONGEST_S, cut at the quietest 50 ms of the last two thirds that fit."""
    longest = round(LONGEST_S / _TICK_S)
    while stop - start > longest:
        low, high = start + longest // 3, start + longest
        smooth = np.convolve(levels[low:high], np.full(5, 0.2), "same")
        cut = low + 2 + int(np.argmin(smooth[2:-2]))
        yield start, cut
        start = cut
    yield start, stop


def _clipped(channels: Mono) -> NDArray[np.bool_]:
    """Three samples in a row at full scale: one alone may be a peak that just fits."""
    full = np.asarray((np.abs(channels) >= CLIPPED).any(0))
    output = full.copy()
    output[1:] &= full[:-1]
    output[:-1] &= full[1:]
    return output


def _pull_all(graph: Graph) -> list[Mono]:
    parts = []
    while True:
        try:
            parts.append(np.asarray(graph.pull().to_ndarray(), np.float32).reshape(-1))
        except (BlockingIOError, EOFError):
            return parts
