"""A small network distilled from a frozen voice: it filters the sound instead of using a vocoder, in a third of the
time.

The teacher reads frames that WORLD finds, a tenth of a second late; the student reads the sound itself, up to 15 ms
beyond the frame, and predicts a filter. The teacher's output is the one right answer, so there is no adversary, as in
models.families.pix2pix_student. Its sound is made in models.features.filtered_voice.

    guise train voice_student DATA... --out RUN --set teacher=VOICE.onnx
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from models.datasets.distillation_data import DistillationData, DistillationFacts
from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import LOUD_NEPERS
from models.training.averaging import follow
from models.training.family import Batch, Family, FamilyOptions, FreezePlan, WrongTarget
from models.training.learning_rate import set_learning_rate
from models.voices.filter_network import (
    HOP,
    LOOKAHEAD,
    LOOKBACK,
    SAMPLE_RATE,
    FilteringVoice,
    FilterNetwork,
    Spectra,
    initial_states,
    sound_windows,
)
from models.voices.learned_voice import spectrograms
from models.voices.speaker_stats import (
    PRIOR_16K_MEAN,
    PRIOR_16K_STD,
    RunningSpeaker,
    floored_stds,
    normals,
    prior_statistics,
    speaker_fields,
    speaker_names,
)

WARM_UP_FRAMES = 24
"""First frames of a crop, not in the loss: the network's memory begins empty."""
PAUSE_WEIGHT = 0.1
"""Weight of a frame in a pause, against 1 of a loud one."""


class VoiceStudentOptions(FamilyOptions):
    """Options of `guise train voice_student` (`--set`)."""

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


class VoiceStudent(Family[VoiceStudentOptions, DistillationFacts]):
    """The family; see models.training.family.Family. The teacher's facts are kept in the run's facts."""

    name = "voice_student"
    RENAMED: Mapping[str, str] = {
        f"{network}.{old}.": f"{network}.{new}."
        for network in ("student", "average")
        for old, new in (("ears", "analysis"), ("begin", "entry"), ("ways", "source_affines"))
    }
    kind = "voice"
    options = VoiceStudentOptions
    facts = DistillationFacts

    def data(self, folders: Sequence[Path], options: VoiceStudentOptions) -> DistillationData:
        if not options.teacher:
            raise DataError("a student needs a teacher: --set teacher=VOICE.onnx, a voice that `guise export` wrote")
        lessons = DistillationData(
            folders, Path(options.teacher), options.frames + WARM_UP_FRAMES, (LOOKBACK, LOOKAHEAD)
        )
        if lessons.facts.sample_rate != SAMPLE_RATE:
            raise DataError(
                f"{options.teacher} speaks at {lessons.facts.sample_rate} Hz: a student hears {SAMPLE_RATE}"
            )
        return lessons

    def networks(self, options: VoiceStudentOptions, facts: DistillationFacts) -> nn.ModuleDict:
        target_statistics = torch.tensor(facts.becoming, dtype=torch.float64)
        sources = 1 + len(facts.speakers)
        student = FilterNetwork(options.width, options.blocks, options.kernel, sources, target_statistics)
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
        batch: Batch,
        step: int,
        options: VoiceStudentOptions,
    ) -> dict[str, Tensor]:
        # Linear decay of the learning rate in the second half, to a fiftieth.
        rate = options.learning_rate * min(1.0, max(0.02, 2.0 * (1.0 - step / options.steps)))
        set_learning_rate(optimizers["student"], rate)
        analysis_db, change_db = _errors_db(networks["student"], networks["spectra"], batch)
        optimizers["student"].zero_grad()
        fabric.backward(analysis_db + change_db)
        optimizers["student"].step()
        if options.average:
            follow(networks["average"], networks["student"], step, options.average)
        return {"heard_db": analysis_db.detach(), "change_db": change_db.detach()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        student = networks["average" if "average" in networks else "student"]
        with torch.no_grad():
            mcep, change = _predict(student, networks["spectra"], batch)
        rows = (batch["mcep"], mcep, mcep + change, batch["mcep"] + batch["change"])
        mean, std = mcep.new_tensor(PRIOR_16K_MEAN), mcep.new_tensor(PRIOR_16K_STD)
        shown = [((row - mean) / std).transpose(1, 2) for row in rows]
        return spectrograms(list(zip(*shown, strict=True)))

    def freeze(
        self, networks: nn.ModuleDict, options: VoiceStudentOptions, facts: DistillationFacts, target: str | None = None
    ) -> FreezePlan:
        names = speaker_names(facts)
        if target not in (None, facts.name):
            raise WrongTarget(f"--target {target}: this run learned to become {facts.name}")
        chosen = names.index(facts.name)
        means, stds = normals(facts.speakers).unbind(1)
        prior = prior_statistics(SAMPLE_RATE, means, stds)
        stds = floored_stds(stds, prior)
        # A copy: freezing must not change the run's network.
        network = copy.deepcopy(networks["average" if options.average else "student"])
        assert isinstance(network, FilterNetwork)
        network = network.float().eval().requires_grad_(False)
        module = FilteringVoice(network, RunningSpeaker(means, stds, prior))
        states = initial_states(network)
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
                "form": "filter",
                "reads": ["sound", "lf0"],
                "gives": ["mcep_change", "converted_lf0"],
                "states": {name: f"next_{name}" for name in states},
                "sample_rate": SAMPLE_RATE,
                "hop": HOP,
                "lookahead": LOOKAHEAD,
                "context": LOOKBACK + 2 * (options.blocks + 1) * (options.kernel - 1) * HOP,
                **speaker_fields(facts, means, stds, chosen),
            },
        )


def _predict(student: nn.Module, spectra: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """mcep and change of the crops, (N, frames, MCEPS) each."""
    bands, level = spectra(sound_windows(batch["sound"], batch["mcep"].shape[1]))
    mcep, change = student(bands, level, batch["known"], batch["source"])
    return mcep.float(), change.float()


def _errors_db(student: nn.Module, spectra: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Mean errors in dB over the envelope: of the analysed spectrum, and of the change."""
    mcep, change = (predicted[:, WARM_UP_FRAMES:] for predicted in _predict(student, spectra, batch))
    target_mcep, target_change = batch["mcep"][:, WARM_UP_FRAMES:], batch["change"][:, WARM_UP_FRAMES:]
    loudest = batch["known"][:, WARM_UP_FRAMES:, 2 * MCEPS :]
    weight = (2.0 - (loudest - target_mcep[..., :1]) / LOUD_NEPERS).clamp(PAUSE_WEIGHT, 1.0)
    weight = weight / weight.mean()
    assert isinstance(spectra, Spectra)
    analysis_db, change_db = (
        (weight * ((predicted - expected) @ spectra.decibels).abs()).mean()
        for predicted, expected in ((mcep, target_mcep), (change, target_change))
    )
    return analysis_db, change_db
