"""What a voice is worth on speech: measures over sound and features, for `guise evaluate voice` and the benchmark.

Sound is mono float (n,), full scale 1. Everything here is a function of what it is given; SpeakerMeter alone holds a
network and belongs to one thread. Offline: packages of the extras `train` and `test` are imported where they are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

Sound = NDArray[np.float32] | NDArray[np.float64]
Embedding = NDArray[np.float64]
"""256 numbers of length 1: two sentences of one speaker lie at a cosine of about 0.9, of two speakers at 0.5 to 0.7."""

RATE = 16000
"""Hz that the speaker's network and STOI hear at."""
_WINDOW_FRAMES = 160
_FRAME_SAMPLES = 160
_WINDOWS_A_SECOND = 1.3
_FEWEST_OF_A_WINDOW = 0.75
_LOUDNESS_DBFS = -30.0
CENTS = 1200 / np.log(2)


class CannotJudge(Exception):
    """A measure cannot be had here; the message is one line that says what to install."""


class SpeakerMeter:
    """Whose voice it is: the embedding of Resemblyzer 0.1.4 (Wan et al., "Generalized End-to-End Loss for Speaker
    Verification", arXiv 1710.10467): mel powers, three LSTM layers, a linear one, windows of 1.6 s averaged.

    Its weights are read from the installed package, whose own code is left alone: it imports what Python no longer has.
    """

    def __init__(self) -> None:
        """Raises CannotJudge where torch, librosa or the weights are missing."""
        try:
            import librosa
            import torch
        except ModuleNotFoundError as error:
            raise CannotJudge(f"speaker similarity needs {error.name}: pip install 'guise[train]'") from error
        state = torch.load(_weights(), map_location="cpu", weights_only=True)["model_state"]
        self._lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
        self._linear = torch.nn.Linear(256, 256)
        for layer, prefix in ((self._lstm, "lstm."), (self._linear, "linear.")):
            layer.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self._mel = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=40)

    def embedding(self, sound: Sound, sample_rate: int) -> Embedding:
        """The speaker of a sentence. Raises ValueError for silence."""
        import torch

        heard = _levelled(_resampled(sound, sample_rate))
        mels = self._mels(heard)
        windows = np.stack([mels[start : start + _WINDOW_FRAMES] for start in _starts(len(heard))])
        with torch.no_grad():
            _, (hidden, _) = self._lstm(torch.from_numpy(windows))
            each = torch.relu(self._linear(hidden[-1])).double().numpy()
        each /= np.linalg.norm(each, axis=1, keepdims=True)
        return _of_length_one(each.mean(0))

    def _mels(self, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """(frames, 40) mel powers, a frame every 10 ms, silence behind the end so that the last window is whole."""
        import librosa

        length = (_starts(len(heard))[-1] + _WINDOW_FRAMES) * _FRAME_SAMPLES
        padded = np.pad(heard, (0, max(0, length - len(heard))))
        power = np.abs(librosa.stft(padded, n_fft=400, hop_length=_FRAME_SAMPLES)) ** 2
        return np.ascontiguousarray((self._mel @ power).T, np.float32)


def mean_embedding(embeddings: Iterable[Embedding]) -> Embedding:
    """The middle of a speaker's sentences: what similarities are measured to. Raises ValueError for none."""
    all_of_them = list(embeddings)
    if not all_of_them:
        raise ValueError("no sentence was given, so nobody can be described")
    return _of_length_one(np.mean(all_of_them, axis=0))


def similarity(sentence: Embedding, speaker: Embedding) -> float:
    """Cosine of a sentence's embedding to a speaker's mean: 1 is the same, 0.5 to 0.7 is somebody else."""
    return float(sentence @ speaker)


def intelligibility(source: Sound, converted: Sound, sample_rate: int) -> float:
    """STOI (Taal et al. 2011) of the converted sound against what was said, both aligned: 1 is all words kept.

    Raises CannotJudge without pystoi, ValueError when there are less than 0.4 s of speech.
    """
    try:
        from pystoi import stoi
    except ModuleNotFoundError as error:
        raise CannotJudge("words kept (STOI) need pystoi: pip install pystoi") from error
    length = min(len(source), len(converted))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(stoi(source[:length], converted[:length], sample_rate))
        except RuntimeWarning as error:
            raise ValueError("there is too little speech for STOI") from error


def f0_errors_cents(wanted_hz: NDArray[Any], found_hz: NDArray[Any]) -> NDArray[np.float64]:
    """|error| in cents on the frames (of one grid) where both are voiced; 0 Hz is unvoiced."""
    frames = min(len(wanted_hz), len(found_hz))
    wanted, found = wanted_hz[:frames], found_hz[:frames]
    both = (wanted > 0) & (found > 0)
    errors: NDArray[np.float64] = np.abs(np.log(found[both] / wanted[both])) * CENTS
    return errors


def f0_error_cents(wanted_hz: NDArray[Any], found_hz: NDArray[Any]) -> float | None:
    """The median of `f0_errors_cents`; None where nothing is voiced in both."""
    errors = f0_errors_cents(wanted_hz, found_hz)
    return float(np.median(errors)) if len(errors) else None


def f0_correlation(wanted_hz: NDArray[Any], found_hz: NDArray[Any]) -> float | None:
    """Pearson's correlation of ln F0 on the frames where both are voiced; None where it has no meaning."""
    frames = min(len(wanted_hz), len(found_hz))
    both = (wanted_hz[:frames] > 0) & (found_hz[:frames] > 0)
    wanted, found = np.log(wanted_hz[:frames][both]), np.log(found_hz[:frames][both])
    if len(wanted) < 10 or wanted.std() < 1e-9 or found.std() < 1e-9:
        return None
    return float(np.corrcoef(wanted, found)[0, 1])


def mcd_db(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """Mel-cepstral distortion in dB of two (frames, d) sequences of the same words, after DTW, both without c0:
    mean over the path of 10 / ln 10 * sqrt(2 * sum over d >= 1 of squares).

    pyworld's codes are half-log powers on a mel scale, not SPTK's cepstra: compare figures with ours only. Raises
    CannotJudge without librosa.
    """
    try:
        import librosa
    except ModuleNotFoundError as error:
        raise CannotJudge("MCD needs librosa: pip install 'guise[train]'") from error
    a, b = np.asarray(wanted, np.float64)[:, 1:], np.asarray(found, np.float64)[:, 1:]
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    distances = np.sqrt(np.maximum(squares, 0))
    _, path = librosa.sequence.dtw(C=distances)
    return float(10 / np.log(10) * np.sqrt(2) * distances[path[:, 0], path[:, 1]].mean())


def _weights() -> Path:
    found = find_spec("resemblyzer")
    for folder in (found.submodule_search_locations or []) if found else []:
        if (path := Path(folder) / "pretrained.pt").is_file():
            return path
    raise CannotJudge("speaker similarity needs Resemblyzer's weights: pip install --no-deps resemblyzer")


def _resampled(sound: Sound, sample_rate: int) -> NDArray[np.float32]:
    heard = np.asarray(sound, np.float32)
    return heard if sample_rate == RATE else np.asarray(soxr.resample(heard, sample_rate, RATE), np.float32)


def _levelled(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    rms = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) if len(sound) else 0.0
    if rms < 1e-6:
        raise ValueError("there is no sound in it, so nobody can be described")
    return sound * np.float32(max(1.0, 10 ** (_LOUDNESS_DBFS / 20) / rms))


def _starts(samples: int) -> list[int]:
    """First frames of the windows, as Resemblyzer cuts them."""
    frames = -(-(samples + 1) // _FRAME_SAMPLES)
    step = round(RATE / _WINDOWS_A_SECOND / _FRAME_SAMPLES)
    starts = list(range(0, max(1, frames - _WINDOW_FRAMES + step + 1), step))
    covered = (samples - starts[-1] * _FRAME_SAMPLES) / (_WINDOW_FRAMES * _FRAME_SAMPLES)
    return starts[:-1] if covered < _FEWEST_OF_A_WINDOW and len(starts) > 1 else starts


def _of_length_one(vector: Embedding) -> Embedding:
    unit: Embedding = vector / np.linalg.norm(vector)
    return unit
