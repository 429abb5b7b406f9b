"""statistics: another voice by its F0, and by mean and spread of its mel-cepstra, moved frame by frame; learned in one
pass over the sentences.

F0: ln f0' = (ln f0 - mean_s) / std_s * std_t + mean_t on voiced frames; each MCEP but the level likewise on all frames.
The level, c0, stays the performer's. Frozen, it also measures whoever speaks while he speaks, so that anybody may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from models.family import FreezePlan, Options, WrongTarget
from models.features.speech import MCEPS, frame_samples
from models.prepare.voice_data import AUDIBLE_NEPERS, LOUD_NEPERS, Features, VoiceData, measured_frames

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

PRIOR_MEAN_FRAMES, PRIOR_SPREAD_FRAMES = 50.0, 200.0
"""What the prior is worth in loud frames: a quarter of a second for means, a second for spreads. A second of speech
leaves the pitch 150 cents off (median of 9 speakers), 4 s 45, half a minute 25."""
MEMORY_FRAMES = 12000.0
"""A minute of loud frames: what was said before it is forgotten, as another performer may have taken the microphone."""
LEVEL_RISE, LEVEL_FALL = 0.1, 0.0005
"""How fast the running loud level follows louder voiced frames (a share of the way), and sinks (nepers) at the others:
it then stands about where the 95th percentile of a sentence does."""


class StatisticsOptions(Options):
    """What `guise train statistics --set` takes."""

    batch: int = Field(8, ge=1, le=1024, description="sentences a step")
    steps: int = Field(0, ge=0, description="0: one pass over all sentences")
    hop_frames: int = Field(4, ge=1, le=16, description="frames of 5 ms that the frozen voice takes at once")


class SentenceMoments(Dataset[dict[str, Tensor]]):
    """Each sentence as what it adds to its speaker; those of later passes add nothing, so that each counts once."""

    def __init__(self, data: VoiceData) -> None:
        self.data = data
        self.facts = data.facts

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """speaker () int64; mcep, lf0: see `moments`."""
        mcep, lf0 = moments(self.data.features(sample % len(self)))
        weight = float(sample < len(self))
        speaker = self.data.sentences[sample % len(self)][0]
        return {"speaker": torch.tensor(speaker), "mcep": weight * mcep, "lf0": weight * lf0}

    def held_out(self) -> SentenceMoments:
        return SentenceMoments(self.data.held_out())


def moments(sentence: Features) -> tuple[Tensor, Tensor]:
    """float64 (3, MCEPS) and (3,): count, sum and sum of squares over the frames by which MCEPs and ln F0 are
    measured."""
    loud, sung = measured_frames(sentence)
    mcep, lf0 = sentence.mcep[loud].astype(np.float64), sentence.lf0[sung].astype(np.float64)
    return (
        torch.from_numpy(np.stack([np.full(MCEPS, float(len(mcep))), mcep.sum(0), (mcep**2).sum(0)])),
        torch.tensor([len(lf0), lf0.sum(), (lf0**2).sum()], dtype=torch.float64),
    )


class Speakers(nn.Module):
    """What was heard of each speaker so far, in float64: sums of squares of an hour leave float32."""

    mcep: Tensor
    lf0: Tensor

    def __init__(self, speakers: int) -> None:
        super().__init__()
        self.register_buffer("mcep", torch.zeros(speakers, 3, MCEPS, dtype=torch.float64))
        self.register_buffer("lf0", torch.zeros(speakers, 3, dtype=torch.float64))

    def add(self, mcep: Tensor, lf0: Tensor) -> None:
        self.mcep += mcep
        self.lf0 += lf0

    def means_and_spreads(self) -> tuple[Tensor, Tensor]:
        """Two float64 (speakers, MCEPS): ln F0 stands where c0, which is not moved, would."""
        total = self.mcep.clone()
        total[:, :, 0] = self.lf0
        count = total[:, 0].clamp(min=1)
        mean = total[:, 1] / count
        return mean, (total[:, 2] / count - mean**2).clamp(min=0).sqrt()


class Statistics:
    """The family; see models.family.Family."""

    name = "statistics"
    kind = "voice"
    options = StatisticsOptions
    recipes: Mapping[str, Mapping[str, Any]] = {"default": {}}

    def data(self, folders: Sequence[Path], options: StatisticsOptions) -> SentenceMoments:
        return SentenceMoments(VoiceData(folders))

    def networks(self, options: StatisticsOptions, facts: Mapping[str, Any]) -> nn.ModuleDict:
        return nn.ModuleDict({"speakers": Speakers(len(facts["speakers"]))})

    def optimizers(self, networks: nn.ModuleDict, options: StatisticsOptions) -> dict[str, Optimizer]:
        return {}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Mapping[str, Tensor],
        step: int,
        options: StatisticsOptions,
    ) -> dict[str, Tensor]:
        speakers = networks["speakers"]
        assert isinstance(speakers, Speakers)
        before, _ = speakers.means_and_spreads()
        mcep, lf0 = (
            torch.zeros_like(total).index_add_(0, batch["speaker"], batch[name])
            for name, total in (("mcep", speakers.mcep), ("lf0", speakers.lf0))
        )
        if fabric.world_size > 1:
            mcep, lf0 = (torch.as_tensor(fabric.all_reduce(part, reduce_op="sum")) for part in (mcep, lf0))
        speakers.add(mcep, lf0)
        after, _ = speakers.means_and_spreads()
        return {"means_moved": (after - before).abs().amax()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> None:
        return None

    def freeze(
        self, networks: nn.ModuleDict, options: StatisticsOptions, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        names = [speaker["name"] for speaker in facts["speakers"]]
        chosen = _chosen(names, target)
        speakers = networks["speakers"]
        assert isinstance(speakers, Speakers)
        means, spreads = speakers.means_and_spreads()
        # Somebody who never moved would be divided by nothing: a hundredth of what people do is the least.
        prior = _prior(facts["sample_rate"], means, spreads)
        spreads = torch.maximum(spreads, prior[1] / 100)
        module = StatisticsVoice(chosen, means, spreads, prior)
        frames = options.hop_frames
        rate = facts["sample_rate"]
        inputs = {
            "mcep": torch.zeros(1, frames, MCEPS),
            "lf0": torch.zeros(1, frames),
            "voiced": torch.zeros(1, frames),
            "source": torch.zeros(1, dtype=torch.int64),
            **{name: torch.zeros(1, width) for name, width in STATES.items()},
        }
        gives = ("converted_mcep", "converted_lf0", "converted_voiced")
        return FreezePlan(
            module=module.eval(),
            inputs=inputs,
            outputs=(*gives, *(f"next_{name}" for name in STATES)),
            manifest={
                "reads": ["mcep", "lf0", "voiced"],
                "gives": list(gives),
                "states": {name: f"next_{name}" for name in STATES},
                "sample_rate": rate,
                "hop": frames * frame_samples(rate),
                "lookahead": 0,
                "context": 0,
                "conditioning": {"source": [WHOEVER, *names]},
                "speakers": [
                    {
                        "name": name,
                        "lf0_mean": float(means[number, 0]),
                        "lf0_std": float(spreads[number, 0]),
                        "target": number == chosen,
                    }
                    for number, name in enumerate(names)
                ],
            },
        )


STATES = {"heard": MCEPS, "mean_off": MCEPS, "variance_off": MCEPS, "level": 1}
"""What the frozen voice carries on, each float32 (1, width), zeros at the start: loud frames counted, how far mean and
variance lie from the prior's, and the running loud level. Entry 0 of the first three is ln F0's."""


class StatisticsVoice(nn.Module):
    """Some frames in a row -> the target's, and the states: what the stage runs. See export.artifact.Manifest.

    It takes one frame after the other, so that the same frames in calls of any length give the same. Source 0 is
    whoever speaks: his means and variances are followed, each loud frame with the weight 1 / (what was heard + what the
    prior is worth), so that they begin at the prior, settle in seconds, and forget after a minute of speech.
    """

    target_mean: Tensor
    target_spread: Tensor
    means: Tensor
    spreads: Tensor
    prior_mean: Tensor
    prior_variance: Tensor

    def __init__(self, target: int, means: Tensor, spreads: Tensor, prior: tuple[Tensor, Tensor]) -> None:
        """means, spreads: (speakers, MCEPS), ln F0 in place of c0; prior: likewise, each (MCEPS,)."""
        super().__init__()
        self.register_buffer("target_mean", means[target : target + 1].float())
        self.register_buffer("target_spread", spreads[target : target + 1].float())
        self.register_buffer("prior_mean", prior[0][None].float())
        self.register_buffer("prior_variance", prior[1][None].float() ** 2)
        self.register_buffer("means", torch.cat([self.prior_mean, means.float()]))
        self.register_buffer("spreads", torch.cat([self.prior_variance.sqrt(), spreads.float()]))

    def forward(
        self,
        mcep: Tensor,
        lf0: Tensor,
        voiced: Tensor,
        source: Tensor,
        heard: Tensor,
        mean_off: Tensor,
        variance_off: Tensor,
        level: Tensor,
    ) -> tuple[Tensor, ...]:
        known = source.clamp(0, len(self.means) - 1)
        values = torch.cat([lf0[..., None], mcep[..., 1:]], -1)
        means, spreads = [], []
        for frame in range(mcep.shape[1]):
            counts, level = self._counts(mcep[:, frame, :1], voiced[:, frame : frame + 1], heard, level)
            off = values[:, frame] - self.prior_mean
            # About his own mean, the prior's part undone: else a voice far from the prior seems to move much.
            own = off - mean_off * ((heard + PRIOR_MEAN_FRAMES) / heard.clamp(min=1))
            square = own**2 * (heard / (heard + 1)) - self.prior_variance
            variance_off = variance_off + counts * (square - variance_off) / (heard + (1 + PRIOR_SPREAD_FRAMES))
            mean_off = mean_off + counts * (off - mean_off) / (heard + (1 + PRIOR_MEAN_FRAMES))
            heard = (heard + counts).clamp(max=MEMORY_FRAMES)
            means.append(self.prior_mean + mean_off)
            spreads.append((self.prior_variance + variance_off).sqrt())
        anybody = known[:, None, None] == 0
        mean = torch.where(anybody, torch.stack(means, 1), self.means[known][:, None])
        spread = torch.where(anybody, torch.stack(spreads, 1), self.spreads[known][:, None])
        moved = (values - mean) / spread * self.target_spread + self.target_mean
        pitch = moved[..., 0].clamp(float(np.log(LOWEST_HZ)), float(np.log(HIGHEST_HZ))) * voiced
        return (
            torch.cat([mcep[..., :1], moved[..., 1:]], -1),
            pitch,
            voiced + 0,
            heard,
            mean_off,
            variance_off,
            level,
        )

    def _counts(self, c0: Tensor, voiced: Tensor, heard: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """By which values the frame is measured, 1 or 0 (1, MCEPS), and the running level (1, 1); by none before the
        first voiced frame. See models.prepare.voice_data.measured_frames."""
        begun = heard[:, :1] > 0
        rise = torch.where(c0 > level, LEVEL_RISE * (c0 - level), torch.full_like(c0, -LEVEL_FALL))
        level = torch.where(voiced > 0, torch.where(begun, level + rise, c0), level)
        sung = (c0 > level - AUDIBLE_NEPERS) & (voiced > 0)
        loud = (c0 > level - LOUD_NEPERS) & (begun | (voiced > 0))
        return torch.cat([sung, loud.expand(-1, MCEPS - 1)], 1).to(c0.dtype), level


def _chosen(names: Sequence[str], target: str | None) -> int:
    if target is None and len(names) > 1:
        raise WrongTarget(f"say whose voice to become: --target with one of {', '.join(names)}")
    if target is not None and target not in names:
        raise WrongTarget(f"--target {target}: this run knows {', '.join(names)}")
    return 0 if target is None else names.index(target)


def _prior(sample_rate: int, means: Tensor, spreads: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of nobody in particular, float64 (MCEPS,) each; at other rates than 16 kHz the run's own speakers
    stand for everybody's MCEPs."""
    if sample_rate == 16000:
        mean = torch.tensor(PRIOR_16K_MEAN, dtype=torch.float64)
        spread = torch.tensor(PRIOR_16K_STD, dtype=torch.float64)
    else:
        mean, spread = means.mean(0), spreads.square().mean(0).sqrt()
    mean[0], spread[0] = PRIOR_LF0
    return mean, spread
