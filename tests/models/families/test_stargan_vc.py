"""What is specific to StarGAN-VC; see test_many_to_many.py for the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.families.stargan_vc import StarGanVc
from tests.models.learned_voices import learned, write_voices

torch.set_num_threads(1)


def test_the_critic_takes_steps_of_its_own(tmp_path: Path) -> None:
    folders = write_voices(tmp_path, ["anna", "ben"])
    tiny = {"width": 0.1, "critic": 0.25, "frames": 64, "batch": 2, "settle": 3, "critic_steps": 3, "steps": 6}
    seen = learned(StarGanVc(), folders, tmp_path / "run", **StarGanVc.recipes["wgan"] | tiny)
    assert all(np.isfinite(list(now.losses.values())).all() for now in seen)
    assert ["adversarial" in now.losses for now in seen] == [False, False, True] * 2
