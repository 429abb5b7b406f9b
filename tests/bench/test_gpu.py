"""The GPU benchmark as far as no GPU is needed: its refusal, and its count of multiplications."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.training.family import FreezePlan
from tests.bench import gpu


def test_without_a_gpu_it_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "unavailable_reason", lambda _: "there is no NVIDIA driver (libcuda.so.1)")
    assert gpu.main([]) == 2
    assert capsys.readouterr() == ("no GPU to measure: there is no NVIDIA driver (libcuda.so.1)\n", "")


def test_multiplications_are_counted_where_the_kernel_is_spent() -> None:
    down, up = nn.Conv2d(3, 8, 4, 2, 1), nn.ConvTranspose2d(8, 3, 4, 2, 1)
    plan = FreezePlan(nn.Sequential(down, up), {"x": torch.zeros(1, 3, 32, 32)}, ("y",))
    # 16 x 16 pixels lie between the two; each is written from 3 x 4 x 4 values, and spread over as many.
    assert gpu.multiplications(plan) == 2 * (16 * 16 * 8 * 3 * 4 * 4)
