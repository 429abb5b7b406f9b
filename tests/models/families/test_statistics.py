"""The family `statistics`: learned in one pass by the loop, frozen, and exact frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.families.statistics import StatisticsFamily, moments
from models.features.speech import MCEPS
from models.prepare.voice_data import Features, VoiceData, measure
from models.training.checkpoint import load_run
from models.training.family import WrongTarget
from models.training.train import Plan, train
from models.voices.framewise_voice import FramewiseVoice
from models.voices.speaker_stats import PRIOR_16K_MEAN, PRIOR_16K_STD, PRIOR_LF0
from tests.models.voice_folders import drawn_sentence, write_voice

torch.set_num_threads(1)
ANNA, BEN = (5.3, 0.2, 2.0), (4.7, 0.15, -1.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("voices")
    return [
        write_voice(root / name, name, [drawn_sentence(rng, *who, 200 + 40 * i) for i in range(6)])
        for name, who in (("anna", ANNA), ("ben", BEN))
    ]


def _plan(folders: list[Path], out: Path, *, resume: bool = False, **options: int) -> Plan:
    kind = StatisticsFamily()
    chosen = kind.options(**{"batch": 3, **options})  # type: ignore[arg-type]
    return Plan(kind, chosen, tuple(folders), out, resume=resume, precision="32-true")


def test_one_pass_learns_what_numpy_measures(folders: list[Path], tmp_path: Path) -> None:
    train(_plan(folders, tmp_path / "run"), lambda _: None)
    loaded = load_run(tmp_path / "run")
    # 10 sentences of two speakers, 3 a step: the fourth step begins a second pass, which adds nothing.
    assert loaded.state["step"] == 4
    means, stds, correlations, levels = loaded.networks["speakers"].people()  # type: ignore[operator]
    data = VoiceData(folders)
    for number in range(2):
        found = measure(data.features(i) for i, (speaker, _) in enumerate(data.sentences) if speaker == number)
        np.testing.assert_allclose(means[number, 1:], found.mcep_mean[1:], rtol=1e-9)
        np.testing.assert_allclose(stds[number, 1:], found.mcep_std[1:], rtol=1e-6)
        np.testing.assert_allclose(correlations[number], found.correlation, atol=1e-6)
        np.testing.assert_allclose(levels[number], found.levels, atol=0.05)
        assert float(means[number, 0]) == pytest.approx(found.lf0_mean)
        assert float(stds[number, 0]) == pytest.approx(found.lf0_std, rel=1e-6)


def test_a_pass_stopped_and_resumed_is_the_pass_not_stopped(folders: list[Path], tmp_path: Path) -> None:
    train(_plan(folders, tmp_path / "whole"), lambda _: None)
    train(_plan(folders, tmp_path / "parts", steps=2), lambda _: None)
    half = load_run(tmp_path / "parts").networks["speakers"].mcep  # type: ignore[union-attr]
    train(_plan(folders, tmp_path / "parts", resume=True), lambda _: None)
    whole, parts = (load_run(tmp_path / name).networks["speakers"] for name in ("whole", "parts"))
    assert torch.equal(whole.mcep, parts.mcep)  # type: ignore[arg-type]
    assert torch.equal(whole.lf0, parts.lf0)  # type: ignore[arg-type]
    assert not torch.equal(half, parts.mcep)  # type: ignore[arg-type]


def _voice(folders: list[Path], target: str | None, recipe: str = "default") -> tuple[FramewiseVoice, list[Features]]:
    data = VoiceData(folders)
    kind = StatisticsFamily()
    options = kind.options(batch=1, steps=0, **kind.recipes[recipe])
    networks = kind.networks(options, data.facts)
    for index, (speaker, _) in enumerate(data.sentences):
        for name, part in moments(data.features(index)).items():
            getattr(networks["speakers"], name)[speaker] += part
    module = kind.freeze(networks, options, data.facts, target).module
    assert isinstance(module, FramewiseVoice)
    return module, [data.features(i) for i, (speaker, _) in enumerate(data.sentences) if speaker == 0]


def _run(
    voice: FramewiseVoice, sentence: Features, source: int, hop: int, states: list[Tensor] | None = None
) -> tuple[np.ndarray, np.ndarray, list[Tensor]]:
    """(t, MCEPS) and (t,) of a sentence in hops, and the states after it."""
    carried = states or [torch.zeros(1, width) for width in voice.states.values()]
    columns = [torch.from_numpy(np.asarray(x, np.float32))[None] for x in sentence[:3]]
    mceps, lf0s = [], []
    with torch.no_grad():
        for begin in range(0, len(sentence.lf0), hop):
            part = [column[:, begin : begin + hop] for column in columns]
            mcep, lf0, voiced, _, *carried = voice(*part, torch.tensor([source]), *carried)
            assert torch.equal(voiced, part[2])
            mceps.append(mcep[0].numpy())
            lf0s.append(lf0[0].numpy())
    return np.concatenate(mceps), np.concatenate(lf0s), carried


def test_with_the_source_given_it_moves_f0_and_cepstra_by_the_formula(folders: list[Path]) -> None:
    voice, sentences = _voice(folders, "ben", "spread")
    data = VoiceData(folders)
    anna, ben = (
        measure(data.features(i) for i, (speaker, _) in enumerate(data.sentences) if speaker == number)
        for number in range(2)
    )
    one = sentences[0]
    mcep, lf0, _ = _run(voice, one, 1, 4)
    expected = (one.lf0 - anna.lf0_mean) / anna.lf0_std * ben.lf0_std + ben.lf0_mean
    np.testing.assert_allclose(lf0[one.voiced], expected[one.voiced], atol=1e-4)
    # Unvoiced stays 0: the masked-array way of others writes 1 Hz there.
    assert not lf0[~one.voiced].any()
    moved = (one.mcep - anna.mcep_mean) / anna.mcep_std * ben.mcep_std + ben.mcep_mean
    np.testing.assert_allclose(mcep[:, 1:], moved[:, 1:], atol=1e-3)
    assert np.array_equal(mcep[:, 0], one.mcep[:, 0])


@pytest.mark.parametrize("source", [0, 1])
def test_the_same_frames_in_any_hops_are_the_same(folders: list[Path], source: int) -> None:
    voice, sentences = _voice(folders, "ben")
    expected = _run(voice, sentences[1], source, 1)
    for hop in (2, 3, 4, 8, 1000):
        got = _run(voice, sentences[1], source, hop)
        np.testing.assert_allclose(got[0], expected[0], atol=1e-5)
        np.testing.assert_allclose(got[1], expected[1], atol=1e-6)


def test_an_unknown_speaker_is_known_after_some_seconds(folders: list[Path]) -> None:
    """A speaker far from the prior in pitch and tilt is converted to the target's."""
    voice, _ = _voice(folders, "anna")
    stranger = drawn_sentence(np.random.default_rng(5), 4.5, 0.12, -0.5, 6000)
    mcep, lf0, _ = _run(voice, stranger, 0, 40)
    late = slice(4000, None)
    sung = lf0[late][stranger.voiced[late]]
    assert sung.mean() == pytest.approx(ANNA[0], abs=0.03)
    assert sung.std() == pytest.approx(ANNA[1], rel=0.2)
    first = lf0[:200][stranger.voiced[:200]]
    assert abs(first.mean() - ANNA[0]) > 0.1
    loud = stranger.mcep[late, 0] > -8
    assert mcep[late, 1][loud].mean() == pytest.approx(ANNA[2], abs=0.15)


def test_silence_and_noise_teach_it_nothing(folders: list[Path]) -> None:
    voice, sentences = _voice(folders, "ben")
    _, _, states = _run(voice, sentences[2], 0, 4)
    rng = np.random.default_rng(0)
    hum = rng.standard_normal((400, MCEPS)).astype(np.float32)
    hum[:, 0] -= 20
    pause = Features(hum, np.zeros(400, np.float32), np.zeros(400, bool), np.zeros((400, 1), np.float32))
    _, _, after = _run(voice, pause, 0, 4, states)
    for before, now in zip(states, after, strict=True):
        assert torch.equal(before, now)
    # Before any speech, hiss is not taken for a speaker.
    _, _, from_start = _run(voice, pause, 0, 4)
    assert not any(bool(state.any()) for state in from_start)


def test_an_hour_stays_finite_and_forgets(folders: list[Path]) -> None:
    voice, sentences = _voice(folders, "ben")
    counts = torch.full((1, MCEPS), 12000.0)
    states = [counts, *(torch.zeros(1, width) for width in list(voice.states.values())[1:])]
    states[list(voice.states).index("level")] += -5
    _, _, after = _run(voice, sentences[0], 0, 4, states)
    assert float(after[0].max()) == 12000
    assert all(bool(torch.isfinite(state).all()) for state in after)
    assert after[1].abs().max() > 0


def test_a_monotonous_speaker_is_not_divided_by_zero(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    robot = [drawn_sentence(rng, 5.0, 0.0, 0.0, 300) for _ in range(3)]
    folder = write_voice(tmp_path / "robot", "robot", robot)
    voice, _ = _voice([folder], "robot")
    mcep, lf0, _ = _run(voice, drawn_sentence(rng, 5.4, 0.3, 0.0, 300), 1, 4)
    assert np.isfinite(mcep).all()
    assert np.exp(lf0).max() <= 1000.1


def test_the_target_is_one_of_the_run(folders: list[Path]) -> None:
    with pytest.raises(WrongTarget, match="--target with one of anna, ben"):
        _voice(folders, None)
    with pytest.raises(WrongTarget, match="this run knows anna, ben"):
        _voice(folders, "carl")


def test_the_prior_is_a_whole_speaker() -> None:
    assert len(PRIOR_16K_MEAN) == len(PRIOR_16K_STD) == MCEPS
    assert min(PRIOR_16K_STD) > 0
    assert 120 < np.exp(PRIOR_LF0[0]) < 220
