"""Samples that no microphone gives: a lone one far from its neighbours, infinity, what is no number. Computes only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.types import Mono

LOUDEST = 4.0
"""12 dB above full scale: nothing recorded goes beyond it, whatever the file can hold."""
LONGEST_S = 0.001
"""Wild samples in a row that are bridged; a longer run is a hole in the sound."""
_LONE, _LONE_SHARE = 16, 0.02
"""More wild samples among those of one channel, which are a fiftieth of a second or so, are a recording that is too
loud."""
_LEAP, _NEAR_S, _TIMES, _HUSH = 0.4, 0.002, 10, 1e-4
"""A sample also is wild when it leaps by so much and back, and is so many times louder than all others within so long,
unless they are utter silence: speech does not, for its loudest moments have neighbours that are loud, too."""


class Mended(NamedTuple):
    """Sound with finite samples alone; how many were bridged, and how many became silence or the loudest there is."""

    samples: NDArray[np.float32]
    bridged: int
    silenced: int


def mend(samples: NDArray[np.float32], sample_rate: int) -> Mended:
    """(channels, n). Lone wild samples are interpolated from their neighbours, long runs of them are silence, or their
    limit where they are numbers; good sound is returned as it is, not copied."""
    wild = ~(np.abs(samples) <= LOUDEST)  # a comparison with NaN is false, and so counts as wild
    sound = np.where(wild, 0, samples) if wild.any() else samples
    leaps = np.abs(np.diff(sound, axis=1)) > _LEAP if sound.shape[1] > 2 else np.zeros((len(sound), 0), np.bool_)
    suspects = leaps[:, 1:] & leaps[:, :-1]
    if not wild.any() and not suspects.any():
        return Mended(samples, 0, 0)
    output = samples.copy()
    bridged = silenced = 0
    for channel, bad, suspect in zip(output, wild, suspects, strict=True):
        _mark_clicks(channel, bad, np.flatnonzero(suspect) + 1, round(_NEAR_S * sample_rate))
        is_lone = bad.sum() <= max(_LONE_SHARE * len(bad), _LONE)
        holes = bad & ~(_short_runs(bad, max(round(LONGEST_S * sample_rate), 2)) & is_lone)
        clicks = bad & ~holes
        channel[holes] = np.clip(np.nan_to_num(channel[holes], nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST)
        _bridge(channel, clicks)
        bridged += int(clicks.sum())
        silenced += int(holes.sum())
    return Mended(output if bridged or silenced else samples, bridged, silenced)


def _mark_clicks(channel: Mono, bad: NDArray[np.bool_], suspects: NDArray[np.intp], near: int) -> None:
    for place in suspects[:100]:
        if not bad[place]:
            around = channel[max(place - near, 0) : place + near + 1].copy()
            around[min(place, near)] = 0
            others = np.abs(around[np.isfinite(around)])
            loudest = float(others[others <= LOUDEST].max(initial=0.0))
            bad[place] = loudest > _HUSH and abs(channel[place]) > _TIMES * loudest


def _short_runs(bad: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Those of `bad` that stand in runs of at most `longest`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(np.int8), [0]])))
    short = np.zeros(len(bad), np.bool_)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        short[begin:end] = end - begin <= longest
    return short


def _bridge(channel: Mono, clicks: NDArray[np.bool_]) -> None:
    good = ~clicks
    if clicks.any() and good.any():
        channel[clicks] = np.interp(np.flatnonzero(clicks), np.flatnonzero(good), channel[good])
    elif clicks.any():
        channel[:] = 0
