"""One channel of sound out of several: the plain mean of an ordinary pair, the better channel where a pair cancels, and
what carries the sound where the other channels are silent.

By running energies, in steps of 10 ms that do not depend on the blocks' length; no latency, and a change is crossfaded.
A constant offset, which some microphones have, is taken away once it is certain: other sound is not touched. Belongs to
one thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.media.mixdown import Channel
from models.features.types import Mono

_STEP_S = 0.01
_FADE_STEPS = 5
_ENERGY_STEPS = 50
"""Steps of sound over which energies are compared: half a second."""
_KNOWN_STEPS = 10
"""Steps of sound before the first decision."""
_SOUND = 1e-7
"""Mean square from which a step is sound, and not noise: -70 dBFS."""
_CANCELS, _CANCELS_NO_MORE = 0.25, 0.5
"""The mean's energy relative to that of a mean of unrelated channels: a correlation of -0.75, and of -0.5."""
_SILENT, _SILENT_NO_MORE = 10**-2.6, 10**-2.0
"""Energy relative to the loudest channel's: -26 dB, and -20 dB."""
_FORGET = 0.9995
"""A channel that had sound counts as sounding for minutes: two people with a microphone each take turns."""
_OFFSET_STEPS = 100
_OFFSET_KNOWN_STEPS = 25
_OFFSET, _OFFSET_GONE = 0.004, 0.001
_OFFSET_CERTAIN = 4.0
"""An offset is one only where it is so many times what the steps' scatter makes of nothing: a deep note is none."""
_OFFSET_SLEW = 0.005
"""Largest change of what is taken away, in a step: a slope that nobody hears."""


class ChannelMix:
    """`process` blocks of any length, in order."""

    def __init__(self, channels: int, sample_rate: int, choice: Channel = "auto") -> None:
        """choice: `auto` as above, `sum` the plain mean, always. Raises ValueError for a channel that is not there."""
        if isinstance(choice, int) and not 1 <= choice <= channels:
            raise ValueError(f"there is no channel {choice}: there are {channels}")
        self._channels, self._choice = channels, choice
        self._step_samples = max(round(_STEP_S * sample_rate), 1)
        self._at = 0
        """Samples of the present step so far."""
        self._weights = self._target = self._weights_of(choice)
        self._weight_steps = 0
        """Steps of the fade that are left."""
        self._sums = np.zeros((3, channels + 1))
        """Of the present step, for each channel and for the mean of those that sound: samples, squares; and the means
        before."""
        self._energies = np.zeros(channels)
        self._recent = np.zeros(channels)
        self._mean_energy = 0.0
        self._sounding_steps = self._steps = 0
        self._sounding = np.ones(channels, np.bool_)
        self._cancels = False
        self._offsets = np.zeros(channels)
        self._offset_scatter = np.zeros(channels)
        self._offset_known = False
        self._taken = self._taken_before = np.zeros(channels)
        """What is taken away from each channel by the end of the present step, and by its begin."""
        self._found: dict[str, str] = {}

    @property
    def note(self) -> str:
        """What was found and done, in one line; "" where the channels are ordinary."""
        return "; ".join(self._found.values())

    def process(self, block: NDArray[np.float32]) -> Mono:
        """(n, channels) -> (n,). Finite in, finite out."""
        parts, at = [], 0
        while at < len(block):
            count = min(self._step_samples - self._at, len(block) - at)
            parts.append(self._mixed(block[at : at + count]))
            self._measure(block[at : at + count])
            self._at += count
            at += count
            if self._at == self._step_samples:
                self._end_step()
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _weights_of(self, choice: Channel) -> NDArray[np.float64]:
        if isinstance(choice, int):
            return np.asarray(np.arange(1, self._channels + 1) == choice, np.float64)
        return np.full(self._channels, 1.0 / self._channels)

    def _mixed(self, part: NDArray[np.float32]) -> Mono:
        """A part of the present step."""
        plain = not self._weight_steps and not self._taken.any() and not self._taken_before.any()
        if plain and np.ptp(self._weights) == 0.0:
            return np.asarray(part.mean(axis=1), np.float32)
        if plain:
            return np.asarray(part @ self._weights.astype(np.float32), np.float32)
        share = ((self._at + np.arange(1, len(part) + 1)) / self._step_samples)[:, None]
        weights = self._weights + (self._next_weights() - self._weights) * share
        taken = self._taken_before + (self._taken - self._taken_before) * share
        return np.asarray(((part - taken) * weights).sum(axis=1), np.float32)

    def _next_weights(self) -> NDArray[np.float64]:
        """At the end of the present step."""
        if not self._weight_steps:
            return self._target
        return self._weights + (self._target - self._weights) / self._weight_steps

    # ---- what decides

    def _measure(self, part: NDArray[np.float32]) -> None:
        exact = part.astype(np.float64)
        mean = (exact - self._offsets)[:, self._sounding].mean(axis=1)
        both = np.column_stack([exact, mean])
        self._sums[0] += both.sum(axis=0)
        self._sums[1] += np.square(both).sum(axis=0)

    def _end_step(self) -> None:
        means, squares = self._sums[0] / self._step_samples, self._sums[1] / self._step_samples
        self._sums[:] = 0.0
        self._at = 0
        self._weights, self._weight_steps = self._next_weights(), max(self._weight_steps - 1, 0)
        self._update_offsets(means[:-1])
        offsets = np.append(self._offsets, 0.0)
        energies = np.maximum(squares - 2 * offsets * means + np.square(offsets), 0.0)
        if self._choice == "auto" and self._channels > 1 and energies[:-1].max() > _SOUND:
            self._update_energies(energies[:-1], float(energies[-1]))
            self._decide()

    def _update_offsets(self, means: NDArray[np.float64]) -> None:
        self._steps += 1
        count = min(self._steps, _OFFSET_STEPS)
        self._offset_scatter += (np.square(means - self._offsets) - self._offset_scatter) / count
        self._offsets = self._offsets + (means - self._offsets) / count
        largest = float(np.abs(self._offsets).max())
        if self._offset_known:
            self._offset_known = largest > _OFFSET_GONE
        elif self._steps >= _OFFSET_KNOWN_STEPS:
            certain = _OFFSET_CERTAIN * np.sqrt(self._offset_scatter / count)
            self._offset_known = bool((np.abs(self._offsets) > np.maximum(certain, _OFFSET)).any())
        if self._offset_known:
            self._found.setdefault("offset", f"it has a constant offset of {largest:.3f}, which is taken away")
        wanted = self._offsets if self._offset_known else np.zeros(self._channels)
        self._taken_before = self._taken
        self._taken = self._taken + np.clip(wanted - self._taken, -_OFFSET_SLEW, _OFFSET_SLEW)

    def _update_energies(self, energies: NDArray[np.float64], mean_energy: float) -> None:
        self._sounding_steps += 1
        share = 1.0 / min(self._sounding_steps, _ENERGY_STEPS)
        self._energies = self._energies + share * (energies - self._energies)
        self._mean_energy += share * (mean_energy - self._mean_energy)
        self._recent = np.maximum(self._energies, _FORGET * self._recent)

    def _decide(self) -> None:
        if self._sounding_steps < _KNOWN_STEPS:
            return
        least = np.where(self._sounding, _SILENT, _SILENT_NO_MORE) * self._recent.max()
        sounding = self._recent > least
        if not np.array_equal(sounding, self._sounding):
            self._sounding = sounding
            self._mean_energy = float(self._energies[sounding].mean())  # of other channels: it is measured anew
            self._cancels = False
        of_unrelated = float(self._energies[sounding].mean()) / int(sounding.sum())
        limit = _CANCELS_NO_MORE if self._cancels else _CANCELS
        cancelled = sounding.sum() > 1 and self._mean_energy < limit * of_unrelated
        if cancelled and not self._cancels:
            self._use(np.eye(self._channels)[int(np.argmax(self._recent))])
        elif not cancelled:
            self._use(sounding / sounding.sum())
        self._cancels = bool(cancelled)

    def _use(self, weights: NDArray[np.float64]) -> None:
        if np.array_equal(weights, self._target):
            return
        self._target, self._weight_steps = weights, _FADE_STEPS
        used = ", ".join(str(channel + 1) for channel in np.flatnonzero(weights))
        if self._sounding.sum() > np.count_nonzero(weights):
            self._found["channels"] = f"its {self._channels} channels cancel each other: channel {used} alone is heard"
        elif np.count_nonzero(weights) < self._channels:
            self._found["channels"] = f"of its {self._channels} channels only {used} has sound, and is heard in full"
        else:
            self._found.pop("channels", None)
