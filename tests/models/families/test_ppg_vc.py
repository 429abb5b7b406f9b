"""PPG voices: one pass over the one target, frozen, hop by hop equal to the whole; any speaker can be converted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from export.freeze.freeze import freeze
from export.runtime.frozen_voice import open_frozen_voice
from export.runtime.session import open_session
from models.families.ppg_vc import WINDOW, KeyValueMemory, PpgConverter, PpgVc
from models.families.recogniser import RecogniserFamily
from models.features.block_adapter import BlockAdapter, streamed
from models.prepare.data_error import DataError
from models.training.checkpoint import load_run
from models.training.family import FreezePlan, WrongTarget
from models.voices.layers import Memory
from tests.models.learned_voices import hop_by_hop, learned, spoken, whole, write_voices
from tests.models.phoneme_folders import write_phonemes

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_voices(tmp_path_factory.mktemp("voices"), ["anna", "ben"])


@pytest.fixture(scope="module")
def run(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    learned(PpgVc(), folders[:1], out, batch=2)
    return out


def _plan(run: Path) -> FreezePlan:
    loaded = load_run(run)
    return loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, None)


def _converter(run: Path) -> PpgConverter:
    found = load_run(run).networks["converter"]
    assert isinstance(found, PpgConverter)
    return found.eval()


def test_one_pass_stores_all_windows(folders: list[Path], tmp_path: Path) -> None:
    seen = learned(PpgVc(), folders[:1], tmp_path / "run", batch=2)
    output = [now.losses["remembered"] for now in seen]
    assert output == sorted(output)
    assert output[-1] == 1.0
    loaded = load_run(tmp_path / "run")
    data = loaded.run.family.data(folders[:1], loaded.run.options)
    assert loaded.run.facts.windows == len(data) == sum((160 + 20 * n) // WINDOW for n in range(3))
    picture = loaded.run.family.samples(loaded.networks, torch.utils.data.default_collate([data[0], data[1]]))
    assert picture is not None
    assert picture.shape[0] == 3


def test_the_targets_own_speech_is_unchanged(folders: list[Path], run: Path) -> None:
    """Each frame's nearest key is its own; with no fast part kept and the nearest alone counting."""
    kind = PpgVc()
    loaded = load_run(run)
    data = kind.data(folders[:1], kind.options())
    options = loaded.run.options.model_copy(update={"sharpness": 1000.0, "fast_frames": 0.0})
    networks = kind.networks(options, loaded.run.facts)
    crossover = networks["converter"].crossover.clone()
    networks.load_state_dict(loaded.networks.state_dict() | {"converter.crossover": crossover})
    mcep = data[1]["mcep"][None]
    converter = networks["converter"].eval()
    assert isinstance(converter, PpgConverter)
    with torch.no_grad():
        output = converter.predict(mcep, torch.ones(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), Memory())
    # The output at a frame is of `lookahead` frames before.
    expected = mcep[..., -WINDOW - 4 : -4]
    assert torch.allclose(output[..., -WINDOW:], expected, atol=1e-3)


def test_the_output_lies_within_the_stored_frames(run: Path) -> None:
    """All values are the target's: no output is outside their range."""
    memory = _converter(run).key_values
    output = memory.attend(torch.randn(1, memory.keys.shape[1], 40))
    values = memory.values.reshape(-1, 36)
    lowest, highest = values.amin(0) - 1e-4, values.amax(0) + 1e-4
    assert torch.equal(output[0].T.clamp(lowest, highest), output[0].T)


def test_empty_entries_have_no_weight() -> None:
    memory = KeyValueMemory(2, 30, 1.0)
    keys = torch.randn(1, 30, WINDOW // 2)
    memory.store(torch.tensor([1]), keys, torch.full((1, 36, WINDOW), 3.0))
    assert torch.allclose(memory.attend(torch.zeros(1, 30, 4)), torch.tensor(3.0))


def test_hop_by_hop_equals_all_at_once(run: Path) -> None:
    sentence, plan = spoken("ben"), _plan(run)
    assert (plan.manifest["hop"], plan.manifest["lookahead"]) == (320, 320)
    assert plan.manifest["conditioning"]["source"] == ["whoever speaks", "anna"]
    for source in (0, 1):
        states = [plan.inputs[name] for name in plan.manifest["states"]]
        given = []
        for begin in range(0, 160, 4):
            hop = [torch.from_numpy(np.asarray(x[begin : begin + 4], np.float32))[None] for x in sentence[:3]]
            with torch.no_grad():
                answer = plan.module(*hop, torch.tensor([source]), *states)
            given.append(answer[:3])
            states = answer[len(plan.manifest["gives"]) :]
        for actual, reference in zip(zip(*given, strict=True), whole(plan, sentence, source), strict=True):
            assert torch.allclose(torch.cat(actual, 1)[0], reference, atol=1e-3)
    # The performer's own voicing, `lookahead` frames late.
    voiced = torch.cat([answer[2] for answer in given], 1)[0]
    assert np.array_equal(voiced[4:] > 0.5, sentence.voiced[:-4])


@pytest.mark.slow
def test_the_frozen_voice_equals_the_network(run: Path, tmp_path: Path) -> None:
    """Slow: `make slow PYTEST_ARGS=tests/models/families/test_ppg_vc.py`."""
    out = tmp_path / "anna.onnx"
    assert freeze(run, out, "self").family == "ppg_vc"
    sentence, plan = spoken("ben"), _plan(run)
    with open_session(out, "cpu", 1) as session:
        for source in (0, 1):
            got, expected = hop_by_hop(session, sentence, source), whole(plan, sentence, source)
            for actual, reference in zip(got, expected, strict=False):
                np.testing.assert_allclose(actual, reference.numpy(), atol=1e-3)

    output = []
    buzz = (0.1 * np.sign(np.sin(2 * np.pi * 120 * np.arange(9600) / 16000))).astype(np.float32)
    for block in (160, 480):
        output.append(streamed(BlockAdapter(open_frozen_voice(out, "cpu"), "anna", 16000, block), buzz, block))
    np.testing.assert_allclose(output[0], output[1], atol=1e-6)
    assert np.isfinite(output[0]).all()
    assert np.abs(output[0]).max() > 1e-3


def test_what_moves_fast_is_the_performers_brought_near(folders: list[Path], run: Path) -> None:
    loaded = load_run(run)
    x = torch.randn(1, 36, 128, generator=torch.Generator().manual_seed(0))
    one = torch.zeros(1, dtype=torch.int64)
    similarity = []
    for fast in (0.0, 8.0):
        networks = PpgVc().networks(
            loaded.run.options.model_copy(update={"fast_frames": fast, "share": 1.0}), loaded.run.facts
        )
        crossover = networks["converter"].crossover.clone()
        networks.load_state_dict(loaded.networks.state_dict() | {"converter.crossover": crossover})
        with torch.no_grad():
            output = networks["converter"].eval()(x, one, one)
            transported = networks["converter"].transport(x, one, one)
        moved, own = np.diff(output[0, 1:].numpy()), np.diff(transported[0, 1:].numpy())
        similarity.append(np.corrcoef(moved.ravel(), own.ravel())[0, 1])
    assert similarity[0] < 0.5 < 0.8 < similarity[1]


def test_of_no_share_it_is_the_voice_by_statistics(run: Path) -> None:
    """Late by the lookahead: the input, transported."""
    loaded = load_run(run)
    networks = PpgVc().networks(loaded.run.options.model_copy(update={"share": 0.0}), loaded.run.facts)
    networks.load_state_dict(loaded.networks.state_dict())
    converter = networks["converter"].eval()
    x = torch.randn(1, 36, 128, generator=torch.Generator().manual_seed(0))
    one = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        torch.testing.assert_close(converter(x, one, one)[:, 1:], converter.transport(x, one, one)[:, 1:])


def test_long_speech_is_thinned_evenly(folders: list[Path]) -> None:
    kind = PpgVc()
    all_of_it = kind.data(folders[:1], kind.options())
    some = kind.data(folders[:1], kind.options(seconds=1.0))
    assert some.facts.windows == len(some) == 3 < len(all_of_it)
    assert torch.equal(some[0]["mcep"], all_of_it[0]["mcep"])
    assert torch.equal(some[2]["mcep"], all_of_it[len(all_of_it) - 1]["mcep"])


def test_a_recogniser_of_ones_own(folders: list[Path], tmp_path: Path) -> None:
    """A run that has begun no longer needs the recogniser."""
    own = tmp_path / "recogniser"
    phonemes = write_phonemes(tmp_path / "phonemes")
    learned(RecogniserFamily(), [phonemes], own, steps=2, width=16, frames=64, batch=2)
    learned(PpgVc(), folders[:1], tmp_path / "run", recogniser=str(own))
    before = whole(_plan(tmp_path / "run"), spoken("ben"), 0)[0]
    shutil.rmtree(own)
    assert torch.equal(whole(_plan(tmp_path / "run"), spoken("ben"), 0)[0], before)
    with pytest.raises(DataError, match="recogniser is not a training run"):
        learned(PpgVc(), folders[:1], tmp_path / "again", recogniser=str(own))


def test_what_it_cannot_learn_from_is_refused_in_one_line(folders: list[Path], run: Path, tmp_path: Path) -> None:
    at_24k = tmp_path / "at 24k"
    shutil.copytree(folders[0], at_24k)
    facts = json.loads((at_24k / "dataset.json").read_text()) | {"sample_rate": 24000}
    (at_24k / "dataset.json").write_text(json.dumps(facts))
    for named, why in (
        (folders, "name one prepared folder, not 2"),
        ([at_24k], "has 24000 Hz, the recogniser hears 16000: prepare it so"),
    ):
        with pytest.raises(DataError, match=why) as refused:
            learned(PpgVc(), named, tmp_path / "run")
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
    loaded = load_run(run)
    with pytest.raises(WrongTarget, match="this run knows anna"):
        loaded.run.family.freeze(loaded.networks, loaded.run.options, loaded.run.facts, "ben")
