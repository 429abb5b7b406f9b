"""CycleGAN-VC and VC2: trained by the loop, frozen, and equal block by block to the network on the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.freeze.freeze import freeze
from export.runtime.frozen_voice import open_frozen_voice
from export.runtime.session import open_session
from models.families.cyclegan_vc import CycleGanVc
from models.features.block_adapter import BlockAdapter, streamed
from models.prepare.data_error import DataError
from models.training.checkpoint import load_run
from models.training.family import FreezePlan, WrongTarget
from models.voices.transport import MAX_CUT_NEPERS
from tests.models.learned_voices import by_statistics, hop_by_hop, learned, spoken, whole, write_voices

torch.set_num_threads(1)
TINY = {"width": 0.03, "critic": 0.03, "frames": 32, "settle": 3, "hop_frames": 16}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_voices(tmp_path_factory.mktemp("voices"), ["anna", "ben"])


@pytest.fixture(scope="module")
def run(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not the identity: without `skip` its weights are random."""
    out = tmp_path_factory.mktemp("run") / "run"
    learned(CycleGanVc(), folders, out, steps=5, skip=False, average=0.5, **TINY)
    return out


def _plan(run: Path, target: str | None) -> FreezePlan:
    loaded = load_run(run)
    return loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, target)


@pytest.mark.parametrize("version", [1, 2])
def test_it_learns_to_leave_the_target_unchanged(folders: list[Path], tmp_path: Path, version: int) -> None:
    options = TINY | {"version": version, "skip": False, "learning_rate": 3e-3, "settle": 100, "batch": 4}
    seen = learned(CycleGanVc(), folders, tmp_path / "run", steps=20, **options)
    assert all(np.isfinite(list(now.losses.values())).all() for now in seen)
    identity = [now.losses["identity"] for now in seen]
    assert np.mean(identity[-3:]) < 0.9 * np.mean(identity[:3])
    loaded = load_run(tmp_path / "run")
    data = loaded.run.family.data(folders, loaded.run.options)
    picture = loaded.run.family.samples(loaded.networks, torch.utils.data.default_collate([data[0], data[1]]))
    assert picture is not None
    assert picture.shape[0] == 3
    assert 0 <= float(picture.min()) < float(picture.max()) <= 1


@pytest.mark.parametrize(("version", "count"), [(1, 2), (2, 4)])
def test_the_second_version_also_discriminates_the_cycle(folders: list[Path], version: int, count: int) -> None:
    kind = CycleGanVc()
    options = kind.options(version=version, **TINY)
    networks = kind.networks(options, kind.data(folders, options).facts)
    assert len(networks["discriminators"].by_crop) == count  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_frozen_voice_hop_by_hop_equals_the_network_at_once(run: Path, tmp_path: Path) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/models/families/test_cyclegan_vc.py`."""
    out = tmp_path / "ben.onnx"
    manifest = freeze(run, out, "anna=self; ben=self", target="ben")
    assert (manifest.hop, manifest.lookahead) == (1280, 320)
    assert (manifest.context or 0) > 80 * 100
    sentence = spoken("anna")
    plan = _plan(run, "ben")
    with open_session(out, "cpu", 1) as session:
        for source in (0, 1):
            got, expected = hop_by_hop(session, sentence, source), whole(plan, sentence, source)
            for actual, reference in zip(got, expected, strict=True):
                np.testing.assert_allclose(actual, reference.numpy(), atol=1e-3)
    # Near the performer's own level, with the performer's voicing, `lookahead` frames late.
    assert np.abs(got[0][4:, 0] - sentence.mcep[:-4, 0]).max() < MAX_CUT_NEPERS + 1e-3
    assert np.array_equal(got[2][4:] > 0.5, sentence.voiced[:-4])
    assert np.array_equal(got[1] > 0, got[2] > 0.5)
    assert np.abs(got[0][4:, 1:] - by_statistics(load_run(run).run.facts, sentence, "anna", "ben")[:-4, 1:]).max() > 0.1

    output = []
    buzz = (0.1 * np.sign(np.sin(2 * np.pi * 120 * np.arange(9600) / 16000))).astype(np.float32)
    for block in (160, 480):
        voice = BlockAdapter(open_frozen_voice(out, "cpu"), "ben", 16000, block)
        assert voice.set("source", 1)
        output.append(streamed(voice, buzz, block))
    np.testing.assert_allclose(output[0], output[1], atol=1e-6)
    assert np.isfinite(output[0]).all()
    assert np.abs(output[0]).max() > 1e-3


def test_before_it_learned_it_is_the_voice_by_statistics(folders: list[Path]) -> None:
    kind = CycleGanVc()
    options = kind.options(**TINY)
    facts = kind.data(folders, options).facts
    plan = kind.freeze(kind.networks(options, facts), options, facts, "ben")
    sentence = spoken("anna")
    expected = by_statistics(facts, sentence, "anna", "ben")
    np.testing.assert_allclose(whole(plan, sentence, 1)[0][4:, 1:], expected[:-4, 1:], atol=2e-3)


def test_the_frames_before_the_first_are_silent(run: Path) -> None:
    """No speech was given for the first frames: a level of 0 nepers there would be a blast."""
    mcep, lf0, _ = whole(_plan(run, "ben"), spoken("anna"), 0)
    assert float(mcep[:4, 0].max()) < -15
    assert not lf0[:4].any()


def test_two_directions_by_target(run: Path) -> None:
    sentence = spoken("anna")
    anna, ben = (whole(_plan(run, target), sentence, 0)[0] for target in ("anna", "ben"))
    assert (anna - ben).abs().max() > 0.1
    with pytest.raises(WrongTarget, match="--target with one of anna, ben"):
        _plan(run, None)


def test_a_run_stopped_and_resumed_is_the_run_not_stopped(folders: list[Path], tmp_path: Path) -> None:
    """Across the step at which the norms freeze."""
    kind = CycleGanVc()
    learned(kind, folders, tmp_path / "whole", steps=4, **TINY)
    learned(kind, folders, tmp_path / "parts", steps=2, **TINY)
    learned(kind, folders, tmp_path / "parts", steps=4, resume=True, **TINY)
    one, other = (load_run(tmp_path / name).networks.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_it_learns_two_voices_no_more_no_less(folders: list[Path], tmp_path: Path) -> None:
    for named in (folders[:1], [*folders, folders[0]]):
        with pytest.raises(DataError, match="name two prepared folders, not") as refused:
            learned(CycleGanVc(), named, tmp_path / "run", steps=1, **TINY)
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_sentences_shorter_than_a_crop_are_refused(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"anna has no sentence of 5\.12 s"):
        learned(CycleGanVc(), folders, tmp_path / "run", steps=1, **TINY | {"frames": 1024})
