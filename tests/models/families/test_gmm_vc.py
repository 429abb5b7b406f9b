"""gmm_vc: classes found, maps between them estimated, and frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.freeze.freeze import freeze
from export.runtime.session import open_session
from models.families.gmm_vc import KEYS, ClassRefiner, ClassSums, GmmVc, Mixtures
from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.training.checkpoint import load_run
from models.training.family import FreezePlan
from tests.models.learned_voices import hop_by_hop, learned, spoken, whole, write_voices

torch.set_num_threads(1)
TINY = {"classes": 4, "frames": 32, "batch": 6}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_voices(tmp_path_factory.mktemp("voices"), ["anna", "ben", "carl"])


@pytest.fixture(scope="module")
def run(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    learned(GmmVc(), folders, out, steps=45, **TINY)
    return out


def _plan(run: Path, target: str) -> FreezePlan:
    loaded = load_run(run)
    return loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, target)


def test_it_finds_the_clouds_there_are() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 4, (3, KEYS + 2))
    mixtures = Mixtures(1, 3)
    for step in range(60):
        frames = centres[rng.integers(3, size=300)] + 0.5 * rng.standard_normal((300, KEYS + 2))
        mixtures.update(0, torch.from_numpy(frames).float(), (step + 2) ** -0.6)
    weight, mean, variance = mixtures.gaussians(0)
    nearest = np.abs(mean.numpy()[:, None] - centres[None]).max(-1)
    assert sorted(nearest.argmin(1)) == [0, 1, 2]
    assert nearest.min(1).max() < 0.2
    np.testing.assert_allclose(weight, 1 / 3, atol=0.08)
    np.testing.assert_allclose(variance, 0.25, atol=0.1)


def test_in_each_class_the_source_goes_where_the_target_lies() -> None:
    """Two sounds far apart; the source's frames of one are too high, of the other too wide."""
    rng = np.random.default_rng(1)
    mixtures, counts = Mixtures(2, 2), ClassSums(2, 2, 1)
    centres = np.zeros((2, MCEPS))
    centres[:, 1] = -4, 4
    key = torch.zeros(2, KEYS + 2)
    key[:, 0] = torch.tensor([-4.0, 4.0])
    mixtures.weight[:] = 0.5
    mixtures.first[:], mixtures.second[:] = 0.5 * key, 0.5 * (key.square() + 1)
    own = centres[:, None] + rng.standard_normal((2, 4000, MCEPS))
    transported = own + rng.standard_normal((2, 4000, MCEPS)) * [[[0.0]], [[1.0]]]
    transported[0, :, 2] += 1.5
    one_hot = torch.eye(2).repeat_interleave(4000, 0)
    for sums, frames in ((counts.own[0], own), (counts.transported[1, 0], transported)):
        values = torch.from_numpy(frames.reshape(-1, MCEPS))
        sums += one_hot.double().T @ torch.cat([torch.ones(8000, 1).double(), values, values.square()], -1)
    output, _ = ClassRefiner(mixtures, counts, 0)(
        torch.from_numpy(transported.reshape(1, -1, MCEPS)).float(), torch.zeros(1, 8000), torch.tensor([1])
    )
    first, second = output[0, :4000].numpy(), output[0, 4000:].numpy()
    assert abs(first[:, 2].mean()) < 0.15
    assert second[:, 3:].std() == pytest.approx(1.0, abs=0.1)
    # The level is left to the transport.
    np.testing.assert_allclose(output[0, :, 0], transported.reshape(-1, MCEPS)[:, 0], atol=1e-5)


def test_the_frozen_voice_hop_by_hop_equals_the_network_at_once(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "ben.onnx"
    manifest = freeze(run, out, "anna=self; ben=self; carl=self", target="ben")
    assert manifest.lookahead == manifest.context == 0
    assert "converted_aperiodicity" in manifest.gives
    sentence, plan = spoken("anna"), _plan(run, "ben")
    with open_session(out, "cpu", 1) as session:
        for source in (0, 1, 3):
            got, expected = hop_by_hop(session, sentence, source), whole(plan, sentence, source)
            for actual, reference in zip(got, expected, strict=True):
                # Which class a frame is in turns on its last digits: 1.2e-3 between torch and ONNX Runtime was seen.
                np.testing.assert_allclose(actual, reference.numpy(), atol=3e-3)


def test_it_learns_voices_from_each_other(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name two prepared folders or more"):
        learned(GmmVc(), folders[:1], tmp_path / "run", steps=2, **TINY)
