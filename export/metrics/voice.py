"""Metrics of a voice on speech, over sound and features: for `guise evaluate voice` and the benchmark.

Sound is mono float (n,), full scale 1. Everything here is a pure function. Offline: packages of the extras `train` and
`test` are imported where they are used.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32] | NDArray[np.float64]
Frames = NDArray[np.float32] | NDArray[np.float64]
"""Numbers of a grid of frames, (frames,) or (frames, d)."""
CENTS_PER_NEPER = 1200 / np.log(2)


class MetricUnavailable(Exception):
    """A metric cannot be computed on this machine; the message is one line that says what to install."""


def intelligibility(source: Sound, converted: Sound, sample_rate: int) -> float:
    """STOI (Taal et al. 2011) of the converted sound against the source, both aligned: 1 is all words kept.

    Raises MetricUnavailable without pystoi, ValueError when there are less than 0.4 s of speech.
    """
    try:
        from pystoi import stoi
    except ModuleNotFoundError as error:
        raise MetricUnavailable("words kept (STOI) need pystoi: pip install pystoi") from error
    length = min(len(source), len(converted))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(stoi(source[:length], converted[:length], sample_rate))
        except RuntimeWarning as error:
            raise ValueError("there is too little speech for STOI") from error


def f0_errors_cents(wanted_hz: Frames, found_hz: Frames) -> NDArray[np.float64]:
    """|error| in cents on the frames (of one grid) where both are voiced; 0 Hz is unvoiced."""
    frames = min(len(wanted_hz), len(found_hz))
    wanted, found = wanted_hz[:frames], found_hz[:frames]
    both = (wanted > 0) & (found > 0)
    errors: NDArray[np.float64] = np.abs(np.log(found[both] / wanted[both])) * CENTS_PER_NEPER
    return errors


def f0_error_cents(wanted_hz: Frames, found_hz: Frames) -> float | None:
    """The median of `f0_errors_cents`; None where no frame is voiced in both."""
    errors = f0_errors_cents(wanted_hz, found_hz)
    return float(np.median(errors)) if len(errors) else None


def f0_correlation(wanted_hz: Frames, found_hz: Frames) -> float | None:
    """Pearson's correlation of ln F0 on the frames where both are voiced; None where it is undefined."""
    frames = min(len(wanted_hz), len(found_hz))
    both = (wanted_hz[:frames] > 0) & (found_hz[:frames] > 0)
    wanted, found = np.log(wanted_hz[:frames][both]), np.log(found_hz[:frames][both])
    if len(wanted) < 10 or wanted.std() < 1e-9 or found.std() < 1e-9:
        return None
    return float(np.corrcoef(wanted, found)[0, 1])


def mcd_db(wanted: Frames, found: Frames) -> float:
    """Mel-cepstral distortion in dB of two (frames, d) sequences of the same words, after DTW, both without c0: mean
    over the path of 10 / ln 10 * sqrt(2 * sum over d >= 1 of squares).

    pyworld's codes are half-log powers on a mel scale, not SPTK's cepstra: the values compare only with others of this
    function. Raises MetricUnavailable without librosa.
    """
    try:
        import librosa
    except ModuleNotFoundError as error:
        raise MetricUnavailable("MCD needs librosa: pip install 'guise[train]'") from error
    a, b = np.asarray(wanted, np.float64)[:, 1:], np.asarray(found, np.float64)[:, 1:]
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    distances = np.sqrt(np.maximum(squares, 0))
    _, path = librosa.sequence.dtw(C=distances)
    return float(10 / np.log(10) * np.sqrt(2) * distances[path[:, 0], path[:, 1]].mean())
