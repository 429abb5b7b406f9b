"""Whose voice a sentence is: Resemblyzer's speaker encoder, its weights read from the installed package. Needs torch.

Sound is mono float (n,), full scale 1. SpeakerEncoder holds a network and belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from export.metrics.voice import MetricUnavailable, Sound

Embedding = NDArray[np.float64]
"""256 numbers of length 1: two sentences of one speaker have a cosine of about 0.9, of two speakers 0.5 to 0.7."""

RATE = 16000
"""Hz: the sample rate of the network and of STOI."""
_WINDOW_FRAMES = 160
_FRAME_SAMPLES = 160
_WINDOWS_PER_S = 1.3
_MIN_WINDOW_SHARE = 0.75
_LOUDNESS_DBFS = -30.0


class SpeakerEncoder:
    """The embedding of Resemblyzer 0.1.4 (Wan et al., "Generalized End-to-End Loss for Speaker Verification", arXiv
    1710.10467): mel powers, three LSTM layers, a linear one, averaged over windows of 1.6 s.

    Its weights are read from the installed package, whose own code is not imported: it needs modules that Python no
    longer has.
    """

    def __init__(self) -> None:
        """Raises MetricUnavailable where torch, librosa or the weights are missing."""
        try:
            import librosa
            import torch
        except ModuleNotFoundError as error:
            raise MetricUnavailable(f"speaker similarity needs {error.name}: pip install 'guise[train]'") from error
        state = torch.load(_weights_file(), map_location="cpu", weights_only=True)["model_state"]
        self._lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
        self._linear = torch.nn.Linear(256, 256)
        for layer, prefix in ((self._lstm, "lstm."), (self._linear, "linear.")):
            layer.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self._mel = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=40)

    def embed(self, sound: Sound, sample_rate: int) -> Embedding:
        """The embedding of a sentence. Raises ValueError for silence."""
        import torch

        sound_16k = _at_least_as_loud(_at_network_rate(sound, sample_rate))
        mels = self._mels(sound_16k)
        windows = np.stack([mels[start : start + _WINDOW_FRAMES] for start in _window_starts(len(sound_16k))])
        with torch.no_grad():
            _, (hidden, _) = self._lstm(torch.from_numpy(windows))
            each = torch.relu(self._linear(hidden[-1])).double().numpy()
        each /= np.linalg.norm(each, axis=1, keepdims=True)
        return _unit_vector(each.mean(0))

    def _mels(self, sound_16k: NDArray[np.float32]) -> NDArray[np.float32]:
        """(frames, 40) mel powers, a frame every 10 ms, padded with silence so that the last window is whole."""
        import librosa

        length = (_window_starts(len(sound_16k))[-1] + _WINDOW_FRAMES) * _FRAME_SAMPLES
        padded = np.pad(sound_16k, (0, max(0, length - len(sound_16k))))
        power = np.abs(librosa.stft(padded, n_fft=400, hop_length=_FRAME_SAMPLES)) ** 2
        return np.ascontiguousarray((self._mel @ power).T, np.float32)


def mean_embedding(embeddings: Iterable[Embedding]) -> Embedding:
    """The mean of a speaker's sentences, to which similarities are measured. Raises ValueError for none."""
    vectors = list(embeddings)
    if not vectors:
        raise ValueError("no sentence was given, so nobody can be described")
    return _unit_vector(np.mean(vectors, axis=0))


def similarity(sentence: Embedding, speaker: Embedding) -> float:
    """Cosine of a sentence's embedding to a speaker's mean: 1 is the same, 0.5 to 0.7 another speaker."""
    return float(sentence @ speaker)


def _weights_file() -> Path:
    found = find_spec("resemblyzer")
    for folder in (found.submodule_search_locations or []) if found else []:
        if (path := Path(folder) / "pretrained.pt").is_file():
            return path
    raise MetricUnavailable("speaker similarity needs Resemblyzer's weights: pip install --no-deps resemblyzer")


def _at_network_rate(sound: Sound, sample_rate: int) -> NDArray[np.float32]:
    sound_16k = np.asarray(sound, np.float32)
    return sound_16k if sample_rate == RATE else np.asarray(soxr.resample(sound_16k, sample_rate, RATE), np.float32)


def _at_least_as_loud(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    rms = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) if len(sound) else 0.0
    if rms < 1e-6:
        raise ValueError("there is no sound in it, so nobody can be described")
    return sound * np.float32(max(1.0, 10 ** (_LOUDNESS_DBFS / 20) / rms))


def _window_starts(samples: int) -> list[int]:
    """First frames of the windows, as Resemblyzer cuts them."""
    frames = -(-(samples + 1) // _FRAME_SAMPLES)
    step = round(RATE / _WINDOWS_PER_S / _FRAME_SAMPLES)
    starts = list(range(0, max(1, frames - _WINDOW_FRAMES + step + 1), step))
    covered = (samples - starts[-1] * _FRAME_SAMPLES) / (_WINDOW_FRAMES * _FRAME_SAMPLES)
    return starts[:-1] if covered < _MIN_WINDOW_SHARE and len(starts) > 1 else starts


def _unit_vector(vector: Embedding) -> Embedding:
    unit: Embedding = vector / np.linalg.norm(vector)
    return unit
