"""A smaller pix2pix distilled from a trained one: a look that runs in a fraction of the time.

The teacher is deterministic, one picture for each drawing, so the student needs no adversary: L1 against footage gives
the average of all pictures that fit a drawing, L1 against a teacher has one right answer. The teacher runs on drawings
of its own data, augmented as in its training; the footage itself is not used.

    guise train pix2pix_student DATA --out RUN --set teacher=TEACHER
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from models.datasets.face_data import FaceData
from models.families.pix2pix import Pix2Pix, Pix2PixOptions
from models.prepare.data_error import DataError
from models.prepare.face_facts import FaceFacts, TeacherFacts
from models.training import checkpoint
from models.training.averaging import follow
from models.training.checkpoint import BadRun
from models.training.family import Batch, Family, FamilyOptions, FreezePlan


class Pix2PixStudentOptions(FamilyOptions):
    """Options of `guise train pix2pix_student` (`--set`); size, line style and augmentation are the teacher's."""

    teacher: str = Field("", description="the run of pix2pix to learn from; without one there is no student")
    ngf: int = Field(16, ge=4, le=128, description="channels of the first layer: half as many, a quarter of the work")
    batch: int = Field(2, ge=1, le=64)
    steps: int = Field(8000, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    average: float = Field(
        0.999, ge=0, lt=1, description="decay of the averaged generator that is frozen; 0 freezes the last one"
    )


class Teacher(nn.Module):
    """The generator that the run in `folder` freezes: (N, 3, size, size) lines in -1..1 -> its picture, likewise.

    Its weights are not part of a checkpoint: a student's run is small, and can be frozen without its teacher.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        super().__init__()
        self._folder, self._digest = folder, digest
        # In a list, so that its weights are not registered as this module's.
        self._generators: list[nn.Module] = []

    def fetch(self) -> None:
        """Reads the run; it must be called before forward. Raises BadRun where the run is gone, or its weights do not
        match `digest`."""
        if weights_digest(self._folder) != self._digest:
            raise BadRun(
                f"{self._folder}, the teacher, has learned on since this run began: name another folder for a new run"
            )
        loaded = checkpoint.load_run(self._folder)
        plan = loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts)
        generator: nn.Module = plan.module.get_submodule("generator")
        self._generators = [generator.requires_grad_(False)]

    def forward(self, lines: Tensor) -> Tensor:
        with torch.no_grad():
            picture: Tensor = self._generators[0].to(lines.device)(lines)
        return picture.float()


def weights_digest(run: Path) -> str:
    """The SHA-256 of a run's newest weights; raises BadRun."""
    newest = checkpoint.newest(run)
    if newest is None:
        raise BadRun(f"{run}, the teacher, has no checkpoint: name a run of pix2pix that has learned")
    try:
        with (newest / "networks.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadRun(f"{newest} cannot be read: {error.strerror or error}") from error


class Pix2PixStudent(Family[Pix2PixStudentOptions, FaceFacts]):
    """The family; see models.training.family.Family. The teacher's facts are kept in the run's facts."""

    name = "pix2pix_student"
    kind = "look"
    options = Pix2PixStudentOptions
    facts = FaceFacts

    def data(self, folders: Sequence[Path], options: Pix2PixStudentOptions) -> FaceData:
        if not options.teacher:
            raise DataError("a student needs a teacher: --set teacher=RUN, a run of pix2pix")
        folder = Path(options.teacher)
        run = checkpoint.read_run(folder)
        if not isinstance(run.options, Pix2PixOptions):
            raise DataError(f"{folder} is a run of {run.family.name}: a student learns from one of {Pix2Pix.name}")
        data = Pix2Pix().data(folders, run.options)
        if data.facts.digest != run.facts.digest:
            raise DataError(f"{folders[0]} is not the data that {folder} learned from: name that")
        assert isinstance(run.facts, FaceFacts)
        teacher = TeacherFacts(digest=weights_digest(folder), size=data.size, lines=data.style)
        data.facts = data.facts.model_copy(update={"target": run.facts.target, "teacher": teacher})
        return data

    def networks(self, options: Pix2PixStudentOptions, facts: FaceFacts) -> nn.ModuleDict:
        networks = Pix2Pix().networks(_as_pix2pix(options, facts), facts)
        del networks["discriminator"]
        networks["teacher"] = Teacher(Path(options.teacher), _teacher(facts).digest)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: Pix2PixStudentOptions) -> dict[str, Optimizer]:
        # Here, because only training asks for optimizers; freezing needs no teacher.
        teacher = networks["teacher"]
        assert isinstance(teacher, Teacher)
        teacher.fetch()
        return {"generator": Adam(networks["generator"].parameters(), options.learning_rate, fused=True)}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: Pix2PixStudentOptions,
    ) -> dict[str, Tensor]:
        generator = networks["generator"]
        with fabric.autocast():
            target = networks["teacher"](batch["lines"])
        loss = (batch.get("weight", 1) * (generator(batch["lines"]).float() - target).abs()).mean()
        optimizers["generator"].zero_grad()
        fabric.backward(loss)
        optimizers["generator"].step()
        if options.average:
            follow(networks["average"], generator, step, options.average)
        return {"l1": loss.detach()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        return Pix2Pix().samples(networks, {**batch, "picture": networks["teacher"](batch["lines"])})

    def freeze(
        self,
        networks: nn.ModuleDict,
        options: Pix2PixStudentOptions,
        facts: FaceFacts,
        target: str | None = None,
    ) -> FreezePlan:
        return Pix2Pix().freeze(networks, _as_pix2pix(options, facts), facts, target)


def _as_pix2pix(options: Pix2PixStudentOptions, facts: FaceFacts) -> Pix2PixOptions:
    """The student's options as a pix2pix: without dropout, which would blur where there is one right answer."""
    teacher = _teacher(facts)
    look = {"size": teacher.size, "lines": teacher.lines, "ngf": options.ngf, "average": options.average}
    return Pix2PixOptions.model_validate(look | {"dropout": 0.0})


def _teacher(facts: FaceFacts) -> TeacherFacts:
    assert facts.teacher is not None, "a student's run states its teacher"
    return facts.teacher
