"""What paints one picture for every drawing, or says the same to everything, is not frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from export.freeze import verify
from export.freeze.freeze import NotFrozen, freeze_from_plan
from export.freeze.verify import NotFaithful
from export.runtime.session import open_session
from models.families.pix2pix import Pix2Pix
from models.prepare.face_facts import FaceFacts
from models.training.family import FreezePlan
from tests.export import bad_models
from tests.export.tiny_look import look_fields, target_facts

FACTS = FaceFacts(kind="face", name="anna", size=32, target=target_facts(32), digest="d" * 64)
FIELDS: dict[str, Any] = {
    key: look_fields()[key] for key in ("kind", "family", "name", "subject", "licence", "training")
}


@pytest.fixture
def plan() -> FreezePlan:
    torch.manual_seed(0)
    family = Pix2Pix()
    options = family.options(ngf=4, size=32)
    return family.freeze(family.networks(options, FACTS), options, FACTS)


def _last_layer(plan: FreezePlan) -> nn.Module:
    return next(module for module in reversed(list(plan.module.modules())) if isinstance(module, nn.ConvTranspose2d))


def test_a_look_that_paints_one_picture(plan: FreezePlan, tmp_path: Path) -> None:
    with torch.no_grad():
        _last_layer(plan).weight.zero_()  # type: ignore[operator,union-attr]
    with pytest.raises(NotFaithful, match="paints the same picture for every drawing"):
        freeze_from_plan(plan, tmp_path / "flat.onnx", FIELDS)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers(plan: FreezePlan, tmp_path: Path) -> None:
    with torch.no_grad():
        _last_layer(plan).weight[0, 0, 0, 0] = torch.inf  # type: ignore[index,operator]
    with pytest.raises(NotFrozen, match=r"holds what is no number in generator\..*: its training diverged"):
        freeze_from_plan(plan, tmp_path / "nan.onnx", FIELDS)


class _Constant(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return sound * self.factor


@pytest.mark.parametrize(
    ("write", "factor", "said"),
    [
        (bad_models.silent_voice, 0.0, "gives the same, whatever is said"),
        (bad_models.nan_voice, float("nan"), "gives what is no number as converted_sound"),
    ],
)
def test_a_voice_that_says_nothing(write: Callable[[Path], None], factor: float, said: str, tmp_path: Path) -> None:
    path = tmp_path / "voice.onnx"
    write(path)
    plan = FreezePlan(_Constant(factor), {"sound": torch.zeros(1, bad_models.HOP)}, ("converted_sound",))
    with open_session(path, "cpu", 1) as session, pytest.raises(NotFaithful, match=said):
        verify.parity(plan, session)


def test_fp32_is_not_advised_to_whom_has_it(plan: FreezePlan, tmp_path: Path) -> None:
    path = tmp_path / "look.onnx"
    bad_models.flat_look(path)
    with open_session(path, "cpu", 1) as session:
        other = FreezePlan(_Inverted(), {"lines": torch.zeros(session.inputs["lines"].shape)}, ("picture",))
        with pytest.raises(NotFaithful, match="report it") as refused:
            verify.parity(other, session)
    assert "--precision" not in str(refused.value)


class _Inverted(nn.Module):
    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        return 255 - lines
