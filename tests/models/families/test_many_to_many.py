"""StarGAN-VC and StarGAN-VC2: trained by the loop with three speakers, frozen for each, with and without a given
source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.freeze.freeze import freeze
from export.runtime.session import open_session
from models.families.stargan_vc import StarGanVc
from models.families.stargan_vc2 import StarGanVc2
from models.prepare.data_error import DataError
from models.training.checkpoint import load_run
from models.training.family import Family, FreezePlan, WrongTarget
from models.voices.transport import MAX_CUT_NEPERS
from tests.models.learned_voices import by_statistics, hop_by_hop, learned, on_one_batch, spoken, whole, write_voices

torch.set_num_threads(1)
TINY = {"frames": 64, "batch": 4, "settle": 3, "hop_frames": 4}
WIDTHS = {"stargan_vc": {"width": 0.1, "critic": 0.25}, "stargan_vc2": {"width": 0.03, "critic": 0.03}}


@pytest.fixture(scope="module", params=[StarGanVc(), StarGanVc2()], ids=list(WIDTHS))
def kind(request: pytest.FixtureRequest) -> Family:
    family: Family = request.param
    return family


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_voices(tmp_path_factory.mktemp("voices"), ["anna", "ben", "carl"])


@pytest.fixture(scope="module")
def run(kind: Family, folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not the identity: without `skip` its weights are random."""
    out = tmp_path_factory.mktemp("run") / "run"
    learned(kind, folders, out, steps=8, skip=False, average=0.5, **_tiny(kind))
    return out


def _tiny(kind: Family) -> dict[str, float]:
    return TINY | WIDTHS[kind.name]


def _plan(run: Path, target: str | None) -> FreezePlan:
    loaded = load_run(run)
    return loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, target)


def test_it_learns_to_leave_each_speaker_unchanged(kind: Family, folders: list[Path]) -> None:
    options = _tiny(kind) | {"skip": False, "learning_rate": 3e-3, "settle": 100}
    seen = on_one_batch(kind, folders, 25, **options)
    assert all(np.isfinite(list(losses.values())).all() for losses in seen)
    assert seen[-1]["identity"] < 0.85 * seen[0]["identity"]


def test_it_shows_who_became_whom(folders: list[Path], run: Path) -> None:
    loaded = load_run(run)
    data = loaded.run.family.data(folders, loaded.run.options)
    picture = loaded.run.family.samples(loaded.networks, torch.utils.data.default_collate([data[i] for i in range(3)]))
    assert picture is not None
    assert picture.shape[0] == 3
    assert 0 <= float(picture.min()) < float(picture.max()) <= 1


def test_the_frozen_voice_hop_by_hop_equals_the_network_at_once(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "ben.onnx"
    manifest = freeze(run, out, "anna=self; ben=self; carl=self", target="ben")
    assert manifest.conditioning["source"] == ["whoever speaks", "anna", "ben", "carl"]
    assert (manifest.hop, manifest.lookahead) == (320, 320)
    sentence = spoken("anna")
    plan = _plan(run, "ben")
    with open_session(out, "cpu", 1) as session:
        for source in (0, 1, 3):
            got, expected = hop_by_hop(session, sentence, source), whole(plan, sentence, source)
            for actual, reference in zip(got, expected, strict=True):
                np.testing.assert_allclose(actual, reference.numpy(), atol=1e-3)
    assert np.abs(got[0][4:, 0] - sentence.mcep[:-4, 0]).max() < MAX_CUT_NEPERS + 1e-3
    assert np.array_equal(got[2][4:] > 0.5, sentence.voiced[:-4])


def test_one_network_becomes_each_of_them(run: Path) -> None:
    """Beyond means and standard deviations: the code itself has an effect."""
    sentence = spoken("anna")
    facts = load_run(run).run.facts
    away = []
    for name in ("anna", "ben", "carl"):
        normal = np.array(next(s.normal for s in facts.speakers if s.name == name))
        away.append((whole(_plan(run, name), sentence, 1)[0].numpy()[:, 1:] - normal[0, 1:]) / normal[1, 1:])
    assert np.abs(away[0] - away[1]).max() > 0.02
    assert np.abs(away[1] - away[2]).max() > 0.02
    with pytest.raises(WrongTarget, match="--target with one of anna, ben, carl"):
        _plan(run, None)


def test_before_it_learned_it_is_the_voice_by_statistics(kind: Family, folders: list[Path]) -> None:
    options = kind.options(**_tiny(kind))
    facts = kind.data(folders, options).facts
    plan = kind.freeze(kind.networks(options, facts), options, facts, "carl")
    sentence = spoken("anna")
    expected = by_statistics(facts, sentence, "anna", "carl")
    np.testing.assert_allclose(whole(plan, sentence, 1)[0][4:, 1:], expected[:-4, 1:], atol=2e-3)


def test_one_voice_alone_is_refused(kind: Family, folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{kind.name} learns voices from each other: name two") as refused:
        learned(kind, folders[:1], tmp_path / "run", steps=1, **_tiny(kind))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
