"""Statistics of the speaker: MCEPs and ln F0 are normalised by known means and standard deviations, or by running ones.

Every voice that reads features builds on this: a conversion of normalised frames holds for any speaker, and
denormalised by the target's means and standard deviations it is the target's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.features.speech import MCEPS
from models.prepare.voice_data import AUDIBLE_NEPERS, LOUD_NEPERS, MIN_LF0_STD, OUTLIER_STDS
from models.prepare.voice_facts import NormalSpeakerFacts, SpeakersFacts
from models.training.family import WrongTarget

UNKNOWN_SPEAKER = "whoever speaks"
LOWEST_HZ, HIGHEST_HZ = 50.0, 1000.0

PRIOR_LF0 = (5.087, 0.227)
"""Mean and standard deviation of ln F0 of the universal prior: averages over 9 speakers, 7 of LibriSpeech and 2 of
VCTK, measured as models.prepare.voice_data.measure does; likewise the MCEPs at 16 kHz below, c0 first."""
PRIOR_16K_MEAN = (
    -8.439, 2.679, 0.141, 0.672, -0.048, -0.176, -0.128, -0.152, 0.055, -0.001, 0.09, -0.024, 0.0, 0.06, -0.072, 0.024,
    -0.043, 0.04, -0.027, 0.007, 0.006, -0.009, 0.002, 0.024, -0.009, 0.0, -0.019, 0.015, -0.003, 0.0, -0.004, 0.018,
    -0.012, -0.001, 0.001, -0.002,
)  # fmt: skip
PRIOR_16K_STD = (
    1.221, 1.574, 0.829, 0.7, 0.545, 0.485, 0.415, 0.36, 0.326, 0.308, 0.282, 0.275, 0.268, 0.252, 0.232, 0.212, 0.21,
    0.201, 0.184, 0.173, 0.166, 0.163, 0.156, 0.146, 0.139, 0.133, 0.127, 0.122, 0.117, 0.112, 0.109, 0.104, 0.099,
    0.095, 0.092, 0.09,
)  # fmt: skip

PRIOR_MEAN_FRAMES, PRIOR_VARIANCE_FRAMES, PRIOR_CORRELATION_FRAMES = 50.0, 200.0, 600.0
"""The prior's weight in loud frames: a quarter of a second for means, a second for variances, three for correlations. A
second of speech leaves the pitch 150 cents off (median of 9 speakers), 4 s 45, half a minute 25."""
MEMORY_FRAMES = 12000.0
"""A minute of loud frames: older speech is forgotten, as another performer may have taken the microphone."""
OUTLIER_WEIGHT = 0.2
"""Weight of an F0 more than OUTLIER_STDS standard deviations away: not 0, as another speaker may have begun."""
LEVEL_RISE, LEVEL_FALL = 0.1, 0.0005
"""How fast the running loud level follows louder voiced frames (a share of the difference), and falls (nepers) at the
others: it settles near the 95th percentile of a sentence."""


STATES = {"heard": MCEPS, "mean_off": MCEPS, "variance_off": MCEPS, "level": 1}
"""States of the frozen voice, each float32 (1, width), zeros at the start: number of loud frames, differences of mean
and variance from the prior's, and the running loud level. Entry 0 of the first three is ln F0's. The names stand in
frozen models."""


GIVES = ("converted_mcep", "converted_lf0", "converted_voiced", "converted_aperiodicity")
"""Outputs of such a frozen voice, before its states."""


class NormalizedFrames(NamedTuple):
    """Some frames of a speaker. values: (1, F, MCEPS) normalised by the speaker's means and standard deviations, ln F0
    in place of c0; levels: (1, F, 1) the running loud level, c0 in nepers, 0 until the first voiced frame; shares: (1,
    F, 1), the weight of each frame against all before, for other running statistics; 0 where it is not loud."""

    values: Tensor
    levels: Tensor
    shares: Tensor


class RunningSpeaker(nn.Module):
    """Normalises frames by the speaker's statistics and carries the states on.

    It works frame by frame, so the result does not depend on how many frames a call has. Source 0 is the unknown
    speaker, whose means and variances are tracked: each loud frame has the weight 1 / (frames so far + the prior's
    weight), so that they begin at the prior, settle in seconds, and forget after a minute of speech.
    """

    means: Tensor
    stds: Tensor
    prior_mean: Tensor
    prior_variance: Tensor

    def __init__(self, means: Tensor, stds: Tensor, prior: tuple[Tensor, Tensor]) -> None:
        """means, stds: (speakers, MCEPS), ln F0 in place of c0; prior: likewise, each (MCEPS,)."""
        super().__init__()
        self.register_buffer("prior_mean", prior[0][None].float())
        self.register_buffer("prior_variance", prior[1][None].float() ** 2)
        self.register_buffer("means", torch.cat([self.prior_mean, means.float()]))
        self.register_buffer("stds", torch.cat([self.prior_variance.sqrt(), stds.float()]))

    def forward(
        self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, states: Sequence[Tensor]
    ) -> tuple[NormalizedFrames, tuple[Tensor, ...]]:
        """Shapes as in export.artifact.manifest.Manifest; `states` as STATES."""
        count, mean_off, variance_off, level = states
        source_index = source.clamp(0, len(self.means) - 1)
        values = torch.cat([lf0[..., None], mcep[..., 1:]], -1)
        means, stds, levels, shares = [], [], [], []
        for frame in range(mcep.shape[1]):
            weights, level = self._measured_by(mcep[:, frame, :1], voiced[:, frame : frame + 1], count, level)
            off = values[:, frame] - self.prior_mean
            # About the speaker's own mean, without the prior's part: else a voice far from the prior would seem to vary
            # much.
            centred = off - mean_off * ((count + PRIOR_MEAN_FRAMES) / count.clamp(min=1))
            weights = weights * self._inlier_weight(centred, variance_off, count)
            square = centred**2 * (count / (count + 1)) - self.prior_variance
            variance_off = variance_off + weights * (square - variance_off) / (count + (1 + PRIOR_VARIANCE_FRAMES))
            mean_off = mean_off + weights * (off - mean_off) / (count + (1 + PRIOR_MEAN_FRAMES))
            shares.append(weights[:, 1:2] / (count[:, 1:2] + (1 + PRIOR_CORRELATION_FRAMES)))
            count = (count + weights).clamp(max=MEMORY_FRAMES)
            means.append(self.prior_mean + mean_off)
            stds.append((self.prior_variance + variance_off).sqrt())
            levels.append(level)
        unknown = source_index[:, None, None] == 0
        mean = torch.where(unknown, torch.stack(means, 1), self.means[source_index][:, None])
        std = torch.where(unknown, torch.stack(stds, 1), self.stds[source_index][:, None])
        frames = NormalizedFrames((values - mean) / std, torch.stack(levels, 1), torch.stack(shares, 1))
        return frames, (count, mean_off, variance_off, level)

    def _inlier_weight(self, centred: Tensor, variance_off: Tensor, count: Tensor) -> Tensor:
        """Weights (1, MCEPS): 1, but OUTLIER_WEIGHT for an F0 so far from the speaker's that it is an octave error or
        another speaker's."""
        std = (self.prior_variance + variance_off)[:, :1].sqrt().clamp(min=MIN_LF0_STD)
        outlier = (centred[:, :1].abs() > OUTLIER_STDS * std) & (count[:, :1] > PRIOR_VARIANCE_FRAMES)
        return torch.cat(
            [torch.where(outlier, OUTLIER_WEIGHT, 1.0).to(centred.dtype), torch.ones_like(centred[:, 1:])], 1
        )

    def _measured_by(self, c0: Tensor, voiced: Tensor, count: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Which values the frame is measured by, 1 or 0 (1, MCEPS), and the running level (1, 1); none before the first
        voiced frame. See models.prepare.voice_data.measured_frames."""
        started = count[:, :1] > 0
        rise = torch.where(c0 > level, LEVEL_RISE * (c0 - level), torch.full_like(c0, -LEVEL_FALL))
        level = torch.where(voiced > 0, torch.where(started, level + rise, c0), level)
        audible = (c0 > level - AUDIBLE_NEPERS) & (voiced > 0)
        loud = (c0 > level - LOUD_NEPERS) & (started | (voiced > 0))
        return torch.cat([audible, loud.expand(-1, MCEPS - 1)], 1).to(c0.dtype), level


class Denormalizer(nn.Module):
    """Normalised values -> the target's."""

    mean: Tensor
    std: Tensor
    target_aperiodicity: Tensor

    def __init__(self, mean: Tensor, std: Tensor, aperiodicity: Tensor | None = None) -> None:
        """mean, std: (MCEPS,), ln F0 in place of c0; aperiodicity: (bands,) of voiced frames."""
        super().__init__()
        self.register_buffer("mean", mean[None].float())
        self.register_buffer("std", std[None].float())
        self.register_buffer("target_aperiodicity", torch.zeros(0) if aperiodicity is None else aperiodicity.float())

    def forward(self, values: Tensor, voiced: Tensor) -> tuple[Tensor, Tensor]:
        """(1, F, MCEPS) and (1, F) -> the MCEPs without the level (1, F, MCEPS - 1), and ln F0 (1, F)."""
        moved = values * self.std + self.mean
        pitch = moved[..., 0].clamp(float(np.log(LOWEST_HZ)), float(np.log(HIGHEST_HZ))) * voiced
        return moved[..., 1:], pitch

    def aperiodicity(self, voiced: Tensor) -> Tensor:
        """(1, F) -> (1, F, bands): the target's aperiodicity as WORLD codes it; 0 in unvoiced frames."""
        return voiced[..., None] * self.target_aperiodicity


LOUDEST_AT, LEVEL_SCALE = 1.5, 1.2
"""The loud level as networks read it, and the unit of levels, in nepers: loud frames lie about 0."""
QUIETEST = -4.0
"""Levels are clipped here: how silent a pause is depends on the room."""

INPUT_LIMIT = 6.0
"""Standard deviations to which networks clip what they read: no training data lies beyond, and noise must not drive a
network there."""

Level = TypeVar("Level", Tensor, NDArray[np.floating])


def relative_level(c0: Level, loudest: Level, quietest: float = QUIETEST) -> Level:
    """c0 as networks read it: relative to the loud level, independent of the microphone's gain."""
    return ((c0 - loudest) / LEVEL_SCALE + LOUDEST_AT).clip(quietest)


def network_input(mcep: Tensor, frames: NormalizedFrames, quietest: float = QUIETEST) -> Tensor:
    """(1, F, MCEPS): `frames`, made of `mcep`, with the relative level for ln F0; by the prior before any voice."""
    measured = frames.levels != 0
    fallback = PRIOR_16K_MEAN[0] + LOUDEST_AT * PRIOR_16K_STD[0]
    loudest = torch.where(measured, frames.levels, torch.full_like(frames.levels, fallback))
    return torch.cat([relative_level(mcep[..., :1], loudest, quietest), frames.values[..., 1:]], -1)


def floored_stds(stds: Tensor, prior: tuple[Tensor, Tensor]) -> Tensor:
    """At least a hundredth of the prior's standard deviation: a constant value would be divided by zero."""
    return torch.maximum(stds, prior[1] / 100)


def speaker_fields(facts: SpeakersFacts, means: Tensor, stds: Tensor, chosen: int) -> dict[str, object]:
    """The manifest's fields about a run's speakers; means and stds: (speakers, MCEPS), ln F0 in place of c0."""
    return {
        "conditioning": {"source": [UNKNOWN_SPEAKER, *speaker_names(facts)]},
        "speakers": [
            {
                "name": speaker.name,
                "lf0_mean": float(means[number, 0]),
                "lf0_std": float(stds[number, 0]),
                "target": number == chosen,
                "room": list(speaker.room),
            }
            for number, speaker in enumerate(facts.speakers)
        ],
    }


def speaker_names(facts: SpeakersFacts) -> list[str]:
    """The run's speakers, in order."""
    return [speaker.name for speaker in facts.speakers]


def normals(speakers: Sequence[NormalSpeakerFacts]) -> Tensor:
    """float64 (speakers, 2, MCEPS): means and standard deviations, ln F0's in place of c0's."""
    return torch.tensor([speaker.normal for speaker in speakers], dtype=torch.float64)


def target_index(names: Sequence[str], target: str | None) -> int:
    """The number of the target speaker. Raises WrongTarget."""
    if target is None and len(names) > 1:
        raise WrongTarget(f"say whose voice to become: --target with one of {', '.join(names)}")
    if target is not None and target not in names:
        raise WrongTarget(f"--target {target}: this run knows {', '.join(names)}")
    return 0 if target is None else names.index(target)


def prior_statistics(sample_rate: int, means: Tensor, stds: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the universal prior, float64 (MCEPS,) each; at other rates than 16 kHz the average
    of the run's own speakers replaces the MCEPs."""
    if sample_rate == 16000:
        mean = torch.tensor(PRIOR_16K_MEAN, dtype=torch.float64)
        std = torch.tensor(PRIOR_16K_STD, dtype=torch.float64)
    else:
        mean, std = means.mean(0), stds.square().mean(0).sqrt()
    mean[0], std[0] = PRIOR_LF0
    return mean, std
