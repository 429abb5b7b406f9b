"""What is specific to StarGAN-VC2; see test_many_to_many.py for the rest."""

from __future__ import annotations

from pathlib import Path

import torch

from models.families.stargan_vc2 import StarGanVc2
from models.training.checkpoint import load_run
from tests.models.learned_voices import learned, write_voices

torch.set_num_threads(1)


def test_the_output_depends_on_the_source(tmp_path: Path) -> None:
    """Source and target: the same normalised frames with another source, or none given, give another output."""
    tiny = {"width": 0.03, "critic": 0.03, "frames": 64, "batch": 4, "settle": 3, "hop_frames": 16}
    folders = write_voices(tmp_path, ["anna", "ben"])
    learned(StarGanVc2(), folders, tmp_path / "run", steps=8, skip=False, average=0.5, **tiny)
    generator = load_run(tmp_path / "run").networks["generator"].eval()
    torch.manual_seed(0)
    x, one = torch.randn(1, 36, 64), torch.ones(1, dtype=torch.int64)
    with torch.no_grad():
        nobody, anna, ben = (generator(x, source * one, one) for source in range(3))
    assert (anna - ben).abs().max() > 1e-3
    assert (nobody - anna).abs().max() > 1e-3
