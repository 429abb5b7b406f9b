"""The student of a voice: it learns its teacher's changes, is frozen without it, and performs what it learned."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from export.artifact.model_file import check_model
from export.freeze.freeze import freeze
from export.runtime.frozen_voice import frozen_voice_outline, open_frozen_voice
from models.datasets.distillation_data import DistillationData
from models.features.block_adapter import BlockAdapter
from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.training import checkpoint
from models.training.checkpoint import BadRun, load_run
from models.training.family import FreezePlan, WrongTarget
from models.training.registry import family
from models.training.train import Plan, train
from models.voices.filter_network import HOP, LOOKAHEAD, LOOKBACK, FilteringVoice, Spectra, sound_windows
from models.voices.speaker_stats import STATES
from tests.models.spoken_folders import ANNAS, RATE, syllables, write_spoken, write_teacher

torch.set_num_threads(1)
SMALL = {"width": 16, "blocks": 1, "frames": 32, "batch": 8}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("spoken")
    return [write_spoken(root / name, name) for name in ("anna", "ben")]


@pytest.fixture(scope="module")
def teacher(folders: list[Path]) -> Path:
    return write_teacher(folders[0].with_name("teacher.onnx"))


@pytest.fixture(scope="module")
def run(folders: list[Path], teacher: Path) -> Path:
    """Of 60 steps."""
    out = folders[0].with_name("run")
    train(_plan(folders, teacher, out, steps=60, learning_rate=1e-2, average=0.8), lambda _: None)
    return out


@pytest.fixture(scope="module")
def frozen(run: Path) -> Path:
    out = run.with_name("ben.onnx")
    freeze(run, out, "anna=fictional; ben=fictional")
    return out


def _plan(folders: list[Path], teacher: Path | str, out: Path, *, resume: bool = False, **options: object) -> Plan:
    kind = family("voice_student")
    chosen = kind.options(**{**SMALL, "teacher": str(teacher), "steps": 3, **options})  # type: ignore[arg-type]
    return Plan(kind, chosen, tuple(folders), out, resume=resume, precision="32-true")


def _frozen_plan(run: Path, target: str | None = None) -> FreezePlan:
    loaded = load_run(run)
    return loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, target)


def test_it_learns_to_hear_and_to_change_as_its_teacher_does(run: Path, folders: list[Path], teacher: Path) -> None:
    example = DistillationData(folders, teacher, 88, (LOOKBACK, LOOKAHEAD)).held_out()[0]  # anna, who becomes ben
    loaded = load_run(run)
    trained = loaded.networks["average"]
    torch.manual_seed(0)
    fresh = loaded.run.family.networks(loaded.run.options, loaded.run.facts)["average"]
    analysis_db, change_db = _errors_db(trained, example)
    analysis_db_before, change_db_before = _errors_db(fresh, example)
    assert analysis_db < 0.9 * analysis_db_before
    assert change_db < 0.8 * change_db_before
    assert change_db < 0.7 * (example["change"] @ Spectra().decibels).abs()[24:].mean()


def _errors_db(network: nn.Module, example: dict[str, Tensor]) -> tuple[float, float]:
    """Errors of the analysed spectrum and of the change, in dB."""
    with torch.no_grad():
        bands, level = Spectra()(sound_windows(example["sound"][None], 88))
        mcep, change = network(bands, level, example["known"][None], example["source"][None])
    off = (mcep[0] - example["mcep"], change[0] - example["change"])
    analysis_db, change_db = (float((one @ Spectra().decibels).abs()[24:].mean()) for one in off)
    return analysis_db, change_db


def test_an_example_pairs_the_sound_with_the_teachers_change(folders: list[Path], teacher: Path) -> None:
    examples = DistillationData(folders, teacher, 64, (LOOKBACK, LOOKAHEAD))
    assert len(examples) == 3 * 4 + 4  # each sentence as recorded, slower, and faster; and once with the source given
    assert [int(examples[number]["source"]) for number in range(16)] == 12 * [0] + [1, 1, 2, 2]
    assert examples.facts.name == "ben"
    one, again, other = examples[3], examples[3], examples[3 + len(examples)]
    assert one["sound"].shape == (63 * HOP + LOOKBACK + LOOKAHEAD,)
    assert one["mcep"].shape == one["change"].shape == (64, MCEPS)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["sound"], other["sound"])
    # The teacher leaves half of that very frame, although its output is a frame late.
    annas = []
    for example in (one, other, examples[0], examples[12]):
        left = example["change"][:, 1:] + 0.5 * example["mcep"][:, 1:]
        np.testing.assert_allclose(left, left[:1].expand_as(left), atol=1e-5)
        annas.append(float(left[0, 0]))
    np.testing.assert_allclose(np.array(annas) - annas[0], [0, 0, 0, ANNAS], atol=1e-5)
    anna = torch.tensor(examples.facts.speakers[0].normal).flatten()
    np.testing.assert_allclose(examples[12]["known"][:, :-1], anna.expand(64, -1), atol=1e-5)
    # Frame n is LOOKBACK after the beginning: there the sound swells and fades as c0 does.
    ways = np.zeros(9)
    for number in range(len(examples)):
        example = examples[number]
        windows = sound_windows(example["sound"][None], 64)[0, :, LOOKBACK - 80 : LOOKBACK + 80]
        swells, rises = (windows.square().mean(-1) + 1e-9).log().diff(), example["mcep"][:, 0].diff()
        ways += [np.corrcoef(swells[4 + by : 59 + by], rises[4:59])[0, 1] for by in range(-4, 5)]
    assert int(ways.argmax()) == 4


def test_hop_by_hop_equals_the_whole(run: Path) -> None:
    """The output for frame n comes with the hop that ends LOOKAHEAD samples after it."""
    plan = _frozen_plan(run)
    module = plan.module
    assert isinstance(module, FilteringVoice)
    frames = 60
    sound = torch.from_numpy(syllables("anna", 9)[: frames * HOP])[None]
    states = [plan.inputs[name] for name in plan.manifest["states"]]
    changes, levels = [], []
    with torch.no_grad():
        for begin in range(0, frames * HOP, HOP):
            lf0, source = torch.full((1, 1), 5.3), torch.tensor([1])
            change, lf0, *states = module(sound[:, begin : begin + HOP], lf0, source, *states)
            changes.append(change[0, 0])
            levels.append(states[list(STATES).index("level")])
        padded = torch.cat([torch.zeros(1, LOOKBACK + LOOKAHEAD - HOP), sound], 1)
        bands, level = Spectra()(sound_windows(padded, frames))
        anna = torch.cat([module.speaker.means[1], module.speaker.stds[1]]).expand(1, frames, -1)
        known = torch.cat([anna, torch.cat(levels)[None]], -1)
        _, whole = module.network(bands, level, known, torch.tensor([1]))
    np.testing.assert_allclose(torch.stack(changes), whole[0], atol=2e-4)
    assert float(torch.stack(changes).std(0).max()) > 0.1


def test_it_is_frozen_without_its_teacher(run: Path, frozen: Path, folders: list[Path]) -> None:
    manifest = check_model(frozen, "voice")
    assert (manifest.reads, manifest.gives) == (("sound", "lf0"), ("mcep_change", "converted_lf0"))
    assert (manifest.sample_rate, manifest.hop, manifest.lookahead) == (16000, HOP, LOOKAHEAD)
    assert [s.name for s in manifest.speakers if s.target] == ["ben"]
    stored = load_file(checkpoint.newest(run) / "networks.safetensors")  # type: ignore[operator]
    assert {name.partition(".")[0] for name in stored} == {"student", "average"}
    assert _frozen_plan(run, "ben").manifest["hop"] == HOP
    with pytest.raises(WrongTarget, match="learned to become ben"):
        _frozen_plan(run, "anna")


def test_on_stage_the_latency_is_as_declared_and_blocks_do_not_matter(frozen: Path) -> None:
    sound = syllables("anna", 11)
    voice = BlockAdapter(open_frozen_voice(frozen, "cpu"), "ben", RATE, 160)
    outline = BlockAdapter(frozen_voice_outline(frozen), "ben", RATE, 160)
    assert voice.latency_samples == outline.latency_samples == LOOKAHEAD
    for block in (80, 240, 800):
        blocks = BlockAdapter(open_frozen_voice(frozen, "cpu"), "ben", RATE, block)
        inside = BlockAdapter(open_frozen_voice(frozen, "cpu"), "ben", RATE, block)
        count = len(sound) // block * block
        parts = [blocks.process(sound[at : at + block]) for at in range(0, count, block)]
        np.testing.assert_array_equal(np.concatenate(parts), inside.process(sound[:count]))
    voiced = open_frozen_voice(frozen, "cpu")
    assert voiced.set("source", 1)
    assert voiced.set("pitch", 2)


def test_a_run_stopped_and_resumed_is_the_run_not_stopped(folders: list[Path], teacher: Path, tmp_path: Path) -> None:
    train(_plan(folders, teacher, tmp_path / "whole"), lambda _: None)
    train(_plan(folders, teacher, tmp_path / "parts", steps=2), lambda _: None)
    train(_plan(folders, "", tmp_path / "parts", resume=True), lambda _: None)
    stored = []
    for name in ("whole", "parts"):
        newest = checkpoint.newest(tmp_path / name)
        assert newest is not None
        stored.append(load_file(newest / "networks.safetensors"))
    assert all(torch.equal(stored[0][key], stored[1][key]) for key in stored[0])


def test_who_cannot_teach(folders: list[Path], teacher: Path, frozen: Path, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"no model")
    for of, why in (
        ("", "a student needs a teacher: --set teacher=VOICE.onnx"),
        (tmp_path / "gone.onnx", "cannot be read"),
        (rubbish, "is no voice that can teach"),
        (frozen, "who teaches must read mcep, lf0, voiced"),
    ):
        with pytest.raises(DataError, match=why) as raised:
            train(_plan(folders, of, tmp_path / "new"), lambda _: None)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "new").exists()


def test_another_teacher_is_another_run(folders: list[Path], teacher: Path, tmp_path: Path) -> None:
    other = tmp_path / "teacher.onnx"
    shutil.copy(teacher, other)
    train(_plan(folders, other, tmp_path / "run", steps=1), lambda _: None)
    write_teacher(other, louder=0.1)
    with pytest.raises(BadRun, match="was begun with other data"):
        train(_plan(folders, other, tmp_path / "run", resume=True), lambda _: None)
