"""A small network that learns from a frozen voice how to change a spectrum, and performs it without a vocoder: voice to
voice in a third of the time.

The teacher hears frames that WORLD finds, a tenth of a second late; the student hears the sound itself, 15 ms beyond
what it judges, and says by what filter it goes. Against the teacher's answers there is one right answer, so it needs no
adversary, as in models.families.pix2pix_student. Its sound is in models.features.filtered_voice.

    guise train voice_student DATA... --out RUN --set teacher=VOICE.onnx
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from models.datasets.distillation_data import VoiceLessons
from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import LOUD_NEPERS
from models.training.averaging import follow
from models.training.family import FamilyOptions, FreezePlan, WrongTarget
from models.voices.filter_network import (
    AHEAD,
    BEHIND,
    HOP,
    SAMPLE_RATE,
    FilteringVoice,
    FilterNetwork,
    Spectra,
    states_of,
    windows_of,
)
from models.voices.learned_voice import pictures
from models.voices.speaker_stats import (
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
    RunningSpeaker,
    not_still,
    prior_statistics,
    speaker_fields,
    speaker_names,
)

UNCOUNTED = 24
"""Frames of a crop that are heard but not judged: its memory begins empty."""
QUIET_COUNTS = 0.1
"""What a frame in a pause weighs; a loud one weighs 1."""


class VoiceStudentOptions(FamilyOptions):
    """What `guise train voice_student --set` takes."""

    teacher: str = Field(
        "", description="the frozen voice, a .onnx file, to learn from; without one there is no student"
    )
    width: int = Field(64, ge=8, le=512, multiple_of=4, description="channels of its layers")
    blocks: int = Field(3, ge=1, le=12, description="layers of its ears, and as many of its mouth")
    kernel: int = Field(5, ge=2, le=15, description="frames of 5 ms that a layer hears")
    frames: int = Field(128, ge=32, le=1024, description="frames of a crop that are judged")
    batch: int = Field(16, ge=1, le=1024)
    steps: int = Field(6000, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    average: float = Field(
        0.999, ge=0, lt=1, description="decay of the averaged network that is frozen; 0 freezes the last one"
    )


class VoiceStudent:
    """The family; see models.training.family.Family. What it must know of its teacher lies in the run's facts."""

    name = "voice_student"
    kind = "voice"
    options = VoiceStudentOptions
    recipes: Mapping[str, Mapping[str, Any]] = {"default": {}}

    def data(self, folders: Sequence[Path], options: VoiceStudentOptions) -> VoiceLessons:
        if not options.teacher:
            raise DataError("a student needs a teacher: --set teacher=VOICE.onnx, a voice that `guise export` wrote")
        lessons = VoiceLessons(folders, Path(options.teacher), options.frames + UNCOUNTED, (BEHIND, AHEAD))
        if lessons.facts["sample_rate"] != SAMPLE_RATE:
            raise DataError(
                f"{options.teacher} speaks at {lessons.facts['sample_rate']} Hz: a student hears {SAMPLE_RATE}"
            )
        return lessons

    def networks(self, options: VoiceStudentOptions, facts: Mapping[str, Any]) -> nn.ModuleDict:
        becoming = torch.tensor(facts["becoming"], dtype=torch.float64)
        sources = 1 + len(facts["speakers"])
        student = FilterNetwork(options.width, options.blocks, options.kernel, sources, becoming)
        networks = nn.ModuleDict({"student": student, "spectra": Spectra()})
        if options.average:
            networks["average"] = copy.deepcopy(student).requires_grad_(False)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: VoiceStudentOptions) -> dict[str, Optimizer]:
        return {"student": Adam(networks["student"].parameters(), options.learning_rate, fused=True)}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Mapping[str, Tensor],
        step: int,
        options: VoiceStudentOptions,
    ) -> dict[str, Tensor]:
        # The last part of training goes ever more slowly: what is left to learn is small.
        for group in optimizers["student"].param_groups:
            group["lr"] = options.learning_rate * min(1.0, max(0.02, 2.0 * (1.0 - step / options.steps)))
        heard, changed = _missed(networks["student"], networks["spectra"], batch)
        optimizers["student"].zero_grad()
        fabric.backward(heard + changed)
        optimizers["student"].step()
        if options.average:
            follow(networks["average"], networks["student"], step, options.average)
        return {"heard_db": heard.detach(), "change_db": changed.detach()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> Tensor:
        student = networks["average" if "average" in networks else "student"]
        with torch.no_grad():
            mcep, change = _said(student, networks["spectra"], batch)
        rows = (batch["mcep"], mcep, mcep + change, batch["mcep"] + batch["change"])
        mean, spread = mcep.new_tensor(PRIOR_16K_MEAN), mcep.new_tensor(PRIOR_16K_STD)
        shown = [((row - mean) / spread).transpose(1, 2) for row in rows]
        return pictures(list(zip(*shown, strict=True)))

    def freeze(
        self, networks: nn.ModuleDict, options: VoiceStudentOptions, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        names = speaker_names(facts)
        if target not in (None, facts["name"]):
            raise WrongTarget(f"--target {target}: this run learned to become {facts['name']}")
        chosen = names.index(facts["name"])
        means, spreads = torch.tensor([one["normal"] for one in facts["speakers"]], dtype=torch.float64).unbind(1)
        prior = prior_statistics(SAMPLE_RATE, means, spreads)
        spreads = not_still(spreads, prior)
        # A copy: freezing must leave the run's network as it was.
        network = copy.deepcopy(networks["average" if options.average else "student"])
        assert isinstance(network, FilterNetwork)
        network = network.float().eval().requires_grad_(False)
        module = FilteringVoice(network, RunningSpeaker(means, spreads, prior))
        states = states_of(network)
        return FreezePlan(
            module=module.eval(),
            inputs={
                "sound": torch.zeros(1, HOP),
                "lf0": torch.zeros(1, 1),
                "source": torch.zeros(1, dtype=torch.int64),
                **states,
            },
            outputs=("mcep_change", "converted_lf0", *(f"next_{name}" for name in states)),
            manifest={
                "reads": ["sound", "lf0"],
                "gives": ["mcep_change", "converted_lf0"],
                "states": {name: f"next_{name}" for name in states},
                "sample_rate": SAMPLE_RATE,
                "hop": HOP,
                "lookahead": AHEAD,
                "context": BEHIND + 2 * (options.blocks + 1) * (options.kernel - 1) * HOP,
                **speaker_fields(facts, means, spreads, chosen),
            },
        )


def _said(student: nn.Module, spectra: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """mcep and change of the crops, (N, frames, MCEPS) each."""
    bands, level = spectra(windows_of(batch["sound"], batch["mcep"].shape[1]))
    mcep, change = student(bands, level, batch["known"], batch["source"])
    return mcep.float(), change.float()


def _missed(student: nn.Module, spectra: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """By how many dB, on average over the envelope, it misses what was said and what is to be changed."""
    mcep, change = (said[:, UNCOUNTED:] for said in _said(student, spectra, batch))
    wanted, to_be = batch["mcep"][:, UNCOUNTED:], batch["change"][:, UNCOUNTED:]
    loudest = batch["known"][:, UNCOUNTED:, 2 * MCEPS :]
    weight = (2.0 - (loudest - wanted[..., :1]) / LOUD_NEPERS).clamp(QUIET_COUNTS, 1.0)
    weight = weight / weight.mean()
    assert isinstance(spectra, Spectra)
    heard, changed = (
        (weight * ((said - right) @ spectra.decibels).abs()).mean() for said, right in ((mcep, wanted), (change, to_be))
    )
    return heard, changed
