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

from models.family import FreezePlan, Options
from models.features.speech import MCEPS, frame_samples
from models.prepare.voice_data import Features, VoiceData, measured_frames
from models.speakers import STATES, Becoming, RunningSpeaker, chosen_of, names_of, not_still, prior_of, speaker_fields


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
        names = names_of(facts)
        chosen = chosen_of(names, target)
        speakers = networks["speakers"]
        assert isinstance(speakers, Speakers)
        means, spreads = speakers.means_and_spreads()
        prior = prior_of(facts["sample_rate"], means, spreads)
        spreads = not_still(spreads, prior)
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
                **speaker_fields(names, means, spreads, chosen),
            },
        )


class StatisticsVoice(nn.Module):
    """Some frames in a row -> the target's, and the states: what the stage runs. See export.artifact.Manifest."""

    def __init__(self, target: int, means: Tensor, spreads: Tensor, prior: tuple[Tensor, Tensor]) -> None:
        """means, spreads: (speakers, MCEPS), ln F0 in place of c0; prior: likewise, each (MCEPS,)."""
        super().__init__()
        self.speaker = RunningSpeaker(means, spreads, prior)
        self.becoming = Becoming(means[target], spreads[target])

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
        states = (heard, mean_off, variance_off, level)
        found, states = self.speaker(mcep, lf0, voiced, source, states)
        moved, pitch = self.becoming(found.values, voiced)
        return torch.cat([mcep[..., :1], moved], -1), pitch, voiced + 0, *states
