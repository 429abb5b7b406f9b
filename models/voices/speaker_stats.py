"""Whoever speaks, as he is heard: MCEPs and ln F0 by his own means and spreads, known ones' or those that run along.

Every voice that reads features stands on this: what a network or a formula says of normalised frames holds for anybody,
and given back with the target's means and spreads it is the target's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.features.speech import MCEPS
from models.prepare.voice_data import AUDIBLE_NEPERS, LOUD_NEPERS, OUTLYING, STILLEST_LF0
from models.training.family import WrongTarget

WHOEVER = "whoever speaks"
LOWEST_HZ, HIGHEST_HZ = 50.0, 1000.0

PRIOR_LF0 = (5.087, 0.227)
"""Mean and spread of ln F0 of nobody in particular: averages over 9 speakers, 7 of LibriSpeech and 2 of VCTK, measured
as models.prepare.voice_data.measure does; likewise the MCEPs at 16 kHz below, c0 first."""
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

PRIOR_MEAN_FRAMES, PRIOR_SPREAD_FRAMES, PRIOR_TOGETHER_FRAMES = 50.0, 200.0, 600.0
"""What the prior is worth in loud frames: a quarter of a second for means, a second for spreads, three for how they
move together. A second of speech
leaves the pitch 150 cents off (median of 9 speakers), 4 s 45, half a minute 25."""
MEMORY_FRAMES = 12000.0
"""A minute of loud frames: what was said before it is forgotten, as another performer may have taken the microphone."""
OUTLIERS_COUNT = 0.2
"""What an F0 counts that lies more than OUTLYING spreads away: not nothing, for another may have begun to speak."""
LEVEL_RISE, LEVEL_FALL = 0.1, 0.0005
"""How fast the running loud level follows louder voiced frames (a share of the way), and sinks (nepers) at the others:
it then stands about where the 95th percentile of a sentence does."""


STATES = {"heard": MCEPS, "mean_off": MCEPS, "variance_off": MCEPS, "level": 1}
"""What the frozen voice carries on, each float32 (1, width), zeros at the start: loud frames counted, how far mean and
variance lie from the prior's, and the running loud level. Entry 0 of the first three is ln F0's."""


GIVES = ("converted_mcep", "converted_lf0", "converted_voiced", "converted_aperiodicity")
"""What such a frozen voice answers, before its states."""


class NormalizedFrames(NamedTuple):
    """Some frames of somebody. values: (1, F, MCEPS) by his own means and spreads, ln F0 in place of c0; levels:
    (1, F, 1) the running loud level, c0 in nepers, 0 until somebody spoke; shares: (1, F, 1), what each is worth beside
    all that was heard, for what else is measured of him; 0 where it is not loud."""

    values: Tensor
    levels: Tensor
    shares: Tensor


class RunningSpeaker(nn.Module):
    """Frames -> the same, normalised by whoever speaks them, and the states carried on.

    It takes one frame after the other, so that the same frames in calls of any length give the same. Source 0 is
    whoever speaks: his means and variances are followed, each loud frame with the weight 1 / (what was heard + what the
    prior is worth), so that they begin at the prior, settle in seconds, and forget after a minute of speech.
    """

    means: Tensor
    spreads: Tensor
    prior_mean: Tensor
    prior_variance: Tensor

    def __init__(self, means: Tensor, spreads: Tensor, prior: tuple[Tensor, Tensor]) -> None:
        """means, spreads: (speakers, MCEPS), ln F0 in place of c0; prior: likewise, each (MCEPS,)."""
        super().__init__()
        self.register_buffer("prior_mean", prior[0][None].float())
        self.register_buffer("prior_variance", prior[1][None].float() ** 2)
        self.register_buffer("means", torch.cat([self.prior_mean, means.float()]))
        self.register_buffer("spreads", torch.cat([self.prior_variance.sqrt(), spreads.float()]))

    def forward(
        self, mcep: Tensor, lf0: Tensor, voiced: Tensor, source: Tensor, states: Sequence[Tensor]
    ) -> tuple[NormalizedFrames, tuple[Tensor, ...]]:
        """Shapes as export.artifact.manifest.Manifest has them; `states` as STATES."""
        heard, mean_off, variance_off, level = states
        known = source.clamp(0, len(self.means) - 1)
        values = torch.cat([lf0[..., None], mcep[..., 1:]], -1)
        means, spreads, levels, shares = [], [], [], []
        for frame in range(mcep.shape[1]):
            counts, level = self._counts(mcep[:, frame, :1], voiced[:, frame : frame + 1], heard, level)
            off = values[:, frame] - self.prior_mean
            # About his own mean, the prior's part undone: else a voice far from the prior seems to move much.
            own = off - mean_off * ((heard + PRIOR_MEAN_FRAMES) / heard.clamp(min=1))
            counts = counts * self._believed(own, variance_off, heard)
            square = own**2 * (heard / (heard + 1)) - self.prior_variance
            variance_off = variance_off + counts * (square - variance_off) / (heard + (1 + PRIOR_SPREAD_FRAMES))
            mean_off = mean_off + counts * (off - mean_off) / (heard + (1 + PRIOR_MEAN_FRAMES))
            shares.append(counts[:, 1:2] / (heard[:, 1:2] + (1 + PRIOR_TOGETHER_FRAMES)))
            heard = (heard + counts).clamp(max=MEMORY_FRAMES)
            means.append(self.prior_mean + mean_off)
            spreads.append((self.prior_variance + variance_off).sqrt())
            levels.append(level)
        anybody = known[:, None, None] == 0
        mean = torch.where(anybody, torch.stack(means, 1), self.means[known][:, None])
        spread = torch.where(anybody, torch.stack(spreads, 1), self.spreads[known][:, None])
        given = NormalizedFrames((values - mean) / spread, torch.stack(levels, 1), torch.stack(shares, 1))
        return given, (heard, mean_off, variance_off, level)

    def _believed(self, own: Tensor, variance_off: Tensor, heard: Tensor) -> Tensor:
        """(1, MCEPS): 1, but for an F0 so far from his that it is an octave's error, or somebody else's: less."""
        spread = (self.prior_variance + variance_off)[:, :1].sqrt().clamp(min=STILLEST_LF0)
        far = (own[:, :1].abs() > OUTLYING * spread) & (heard[:, :1] > PRIOR_SPREAD_FRAMES)
        return torch.cat([torch.where(far, OUTLIERS_COUNT, 1.0).to(own.dtype), torch.ones_like(own[:, 1:])], 1)

    def _counts(self, c0: Tensor, voiced: Tensor, heard: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """By which values the frame is measured, 1 or 0 (1, MCEPS), and the running level (1, 1); by none before the
        first voiced frame. See models.prepare.voice_data.measured_frames."""
        begun = heard[:, :1] > 0
        rise = torch.where(c0 > level, LEVEL_RISE * (c0 - level), torch.full_like(c0, -LEVEL_FALL))
        level = torch.where(voiced > 0, torch.where(begun, level + rise, c0), level)
        sung = (c0 > level - AUDIBLE_NEPERS) & (voiced > 0)
        loud = (c0 > level - LOUD_NEPERS) & (begun | (voiced > 0))
        return torch.cat([sung, loud.expand(-1, MCEPS - 1)], 1).to(c0.dtype), level


class Denormalizer(nn.Module):
    """What is normalised -> the target's."""

    mean: Tensor
    spread: Tensor
    aperiodicity: Tensor

    def __init__(self, mean: Tensor, spread: Tensor, aperiodicity: Tensor | None = None) -> None:
        """mean, spread: (MCEPS,), ln F0 in place of c0; aperiodicity: (bands,) of voiced frames, for `breath`."""
        super().__init__()
        self.register_buffer("mean", mean[None].float())
        self.register_buffer("spread", spread[None].float())
        self.register_buffer("aperiodicity", torch.zeros(0) if aperiodicity is None else aperiodicity.float())

    def forward(self, values: Tensor, voiced: Tensor) -> tuple[Tensor, Tensor]:
        """(1, F, MCEPS) and (1, F) -> the MCEPs without the level (1, F, MCEPS - 1), and ln F0 (1, F)."""
        moved = values * self.spread + self.mean
        pitch = moved[..., 0].clamp(float(np.log(LOWEST_HZ)), float(np.log(HIGHEST_HZ))) * voiced
        return moved[..., 1:], pitch

    def breath(self, voiced: Tensor) -> Tensor:
        """(1, F) -> (1, F, bands): how noisy the target's voice is, as WORLD codes it; 0 where nobody voices."""
        return voiced[..., None] * self.aperiodicity


LOUDEST_AT, LEVEL_SPREAD = 1.5, 1.2
"""Where a network finds the loud level, in spreads of loud frames' c0: so that loud frames lie about 0."""
QUIETEST = -4.0
"""And no frame below that many: how silent a pause is says more of the room."""

Level = TypeVar("Level", Tensor, NDArray[np.floating[Any]])


def levelled(c0: Level, loudest: Level, quietest: float = QUIETEST) -> Level:
    """c0 as networks read it: how far below the loud level, whatever the microphone's gain."""
    return ((c0 - loudest) / LEVEL_SPREAD + LOUDEST_AT).clip(quietest)


def as_networks_read(mcep: Tensor, heard: NormalizedFrames, quietest: float = QUIETEST) -> Tensor:
    """(1, F, MCEPS): the frames `mcep`, of which `heard` was made, with the level in its place. Until somebody spoke
    the loud level is nobody's in particular."""
    spoken = heard.levels != 0
    nobody = PRIOR_16K_MEAN[0] + LOUDEST_AT * PRIOR_16K_STD[0]
    loudest = torch.where(spoken, heard.levels, torch.full_like(heard.levels, nobody))
    return torch.cat([levelled(mcep[..., :1], loudest, quietest), heard.values[..., 1:]], -1)


def not_still(spreads: Tensor, prior: tuple[Tensor, Tensor]) -> Tensor:
    """Somebody who never moved would be divided by nothing: a hundredth of what people do is the least."""
    return torch.maximum(spreads, prior[1] / 100)


def speaker_fields(facts: Mapping[str, Any], means: Tensor, spreads: Tensor, chosen: int) -> dict[str, Any]:
    """The manifest's fields about a run's persons; means and spreads: (speakers, MCEPS), ln F0 in place of c0."""
    return {
        "conditioning": {"source": [WHOEVER, *speaker_names(facts)]},
        "speakers": [
            {
                "name": str(speaker["name"]),
                "lf0_mean": float(means[number, 0]),
                "lf0_std": float(spreads[number, 0]),
                "target": number == chosen,
                "room": speaker.get("room", []),
            }
            for number, speaker in enumerate(facts["speakers"])
        ],
    }


def speaker_names(facts: Mapping[str, Any]) -> list[str]:
    """The run's speakers, in order."""
    return [str(speaker["name"]) for speaker in facts["speakers"]]


def target_index(names: Sequence[str], target: str | None) -> int:
    """The number of the person to become. Raises WrongTarget."""
    if target is None and len(names) > 1:
        raise WrongTarget(f"say whose voice to become: --target with one of {', '.join(names)}")
    if target is not None and target not in names:
        raise WrongTarget(f"--target {target}: this run knows {', '.join(names)}")
    return 0 if target is None else names.index(target)


def prior_statistics(sample_rate: int, means: Tensor, spreads: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of nobody in particular, float64 (MCEPS,) each; at other rates than 16 kHz the run's own speakers
    stand for everybody's MCEPs."""
    if sample_rate == 16000:
        mean = torch.tensor(PRIOR_16K_MEAN, dtype=torch.float64)
        spread = torch.tensor(PRIOR_16K_STD, dtype=torch.float64)
    else:
        mean, spread = means.mean(0), spreads.square().mean(0).sqrt()
    mean[0], spread[0] = PRIOR_LF0
    return mean, spread
