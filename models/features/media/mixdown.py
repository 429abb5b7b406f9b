"""Which channels of a recording are listened to, decided once from all of it, and their mix. Computes only.

While performing, nobody knows what is still to come: there `models/features/channel_mix.py` decides as it hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.features.types import Mono, Signal

Channel = Literal["auto", "sum"] | int
"""What is listened to: the channels that carry sound; all of them; or one, counted from 1."""

_SILENT = 1e-2
"""Of the loudest channel's power: one with less carries only what leaks from the others."""
_CANCELS = 0.25
"""Of the power that the mix would have, were the channels unlike: with less, they are each other's inverse."""
_SHARES = {
    "FC": 1.0,
    "FL": 0.7071,
    "FR": 0.7071,
    "FLC": 0.7071,
    "FRC": 0.7071,
    "LFE": 0.0,
    "LFE2": 0.0,
} | dict.fromkeys(("BL", "BR", "BC", "SL", "SR", "TFL", "TFR", "TFC", "TBL", "TBR", "TBC", "TC", "WL", "WR"), 0.5)
"""Of each channel of a known layout in the mix, as in ITU-R BS.775; the bass channel is a copy."""


def channel_of(text: str) -> Channel | None:
    """What `--channel` asks for: auto, sum, or a number from 1 on; None where it is none of them."""
    if text == "auto":
        return "auto"
    if text == "sum":
        return "sum"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 and int(text) > 0 else None


class NoSuchChannel(ValueError):
    """The one that was asked for is not in the recording; the message is one line."""


class ChannelStatistics:
    """Mean and covariance of a recording's channels. Belongs to one thread."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sums: Signal = np.zeros(channels)
        self._products: NDArray[np.float64] = np.zeros((channels, channels))

    def add(self, samples: NDArray[np.float32]) -> None:
        """(channels, n)."""
        values = samples.astype(np.float64)
        self._count += samples.shape[1]
        self._sums += values.sum(1)
        self._products += values @ values.T

    @property
    def means(self) -> Signal:
        """(channels,)"""
        return self._sums / max(self._count, 1)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(channels, channels)"""
        covariance: NDArray[np.float64] = self._products / max(self._count, 1) - np.outer(self.means, self.means)
        return covariance


@dataclass(frozen=True)
class Mixdown:
    """Weights of the channels, and what is to be said of them ("": nothing)."""

    weights: tuple[float, ...]
    note: str = ""

    def mix(self, samples: NDArray[np.float32]) -> Mono:
        """(channels, n) -> (n,)."""
        heard = [number for number, weight in enumerate(self.weights) if weight]
        if len({self.weights[number] for number in heard}) == 1:
            return np.asarray(samples.mean(0) if len(heard) == len(samples) else samples[heard].mean(0), np.float32)
        return np.asarray(np.asarray(self.weights, np.float32) @ samples, np.float32)


def choose_mixdown(statistics: ChannelStatistics, channel_names: Sequence[str], choice: Channel = "auto") -> Mixdown:
    """`channel_names`: FFmpeg's, of the layout. Raises NoSuchChannel."""
    covariance = statistics.covariance
    count = len(covariance)
    if isinstance(choice, int):
        if not 1 <= choice <= count:
            raise NoSuchChannel(
                f"it has {count} channel{'s' if count > 1 else ''}, and channel {choice} is none of them"
            )
        return _alone(choice - 1, count)
    if choice == "sum" or count == 1:
        return Mixdown((1 / count,) * count)
    powers = np.maximum(np.diag(covariance), 0)
    loudest = int(np.argmax(powers))
    carry = powers > _SILENT * powers[loudest] if powers[loudest] > 1e-12 else np.ones(count, np.bool_)
    if carry.sum() == 1:
        return _alone(loudest, count, f"only channel {loudest + 1} of {count} carries sound, and is taken alone")
    weights = _shares(channel_names, count) * carry
    weights = weights / weights.sum() if weights.any() else carry / carry.sum()
    if weights @ covariance @ weights < _CANCELS * (weights**2 @ powers):
        note = (
            f"its channels are each other's inverse and would cancel: channel {loudest + 1} of {count} is taken alone"
        )
        return _alone(loudest, count, note)
    return Mixdown(tuple(weights.tolist()))


def _alone(number: int, count: int, note: str = "") -> Mixdown:
    return Mixdown(tuple(float(other == number) for other in range(count)), note)


def _shares(channel_names: Sequence[str], count: int) -> Signal:
    if count > 2 and all(name in _SHARES for name in channel_names):
        return np.array([_SHARES[name] for name in channel_names])
    return np.ones(count)
