"""The recogniser: it learns, reads no future but its lookahead, block by block equals the whole; one is shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
import torch

from export.freeze.freeze import NotFrozen, freeze
from models.datasets.phoneme_crops import normalised
from models.families.recogniser import (
    REACH,
    SHIPPED,
    STRIDE,
    Recogniser,
    RecogniserFamily,
    accuracy,
    phoneme_cross_entropy,
    recogniser_of,
    ship,
)
from models.families.statistics import StatisticsFamily
from models.prepare.data_error import DataError
from models.prepare.espeak import Manner
from models.prepare.phonemes import UNLABELLED
from models.prepare.spoken_corpus import LabelledRecording, _phoneme_number, frames_of
from models.training.checkpoint import BadRun, load_run
from models.training.train import TrainingProgress
from models.voices.layers import Memory
from tests.models.learned_voices import learned, write_voices
from tests.models.phoneme_folders import espeak_or_skip, write_phonemes

torch.set_num_threads(1)
TINY = {"width": 16, "frames": 64, "batch": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phonemes(tmp_path_factory.mktemp("data") / "phonemes")


@pytest.fixture(scope="module")
def training(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[TrainingProgress]]:
    """The run, and its progress after every step."""
    out = tmp_path_factory.mktemp("run") / "run"
    seen = learned(RecogniserFamily(), [data], out, steps=61, average=0.9, learning_rate=1e-2, **TINY)
    return out, seen


@pytest.fixture(scope="module")
def run(training: tuple[Path, list[TrainingProgress]]) -> Path:
    return training[0]


def test_it_learns_to_tell_phonemes_apart(data: Path, training: tuple[Path, list[TrainingProgress]]) -> None:
    run, seen = training
    assert seen[0].losses["right"] < 0.5
    assert np.mean([now.losses["right"] for now in seen[-5:]]) > 0.55
    # Of unseen voices without augmentation: reported every tenth step.
    assert [("right_of_unseen" in now.losses) for now in seen[:11]] == [True, *[False] * 9, True]
    assert seen[-1].losses["right_of_unseen"] > 0.7
    loaded = load_run(run)
    crops = loaded.run.family.data([data], loaded.run.options)
    picture = loaded.run.family.samples(loaded.networks, torch.utils.data.default_collate([crops[0], crops[1]]))
    assert picture is not None
    assert picture.shape[0] == 3
    assert 0 <= float(picture.min()) < float(picture.max()) <= 1


def test_it_reads_no_future_but_its_lookahead(run: Path) -> None:
    network = recogniser_of(str(run))
    torch.manual_seed(0)
    x = torch.randn(1, 36, 160)
    other = x.clone()
    other[..., 100:] = 0
    with torch.no_grad():
        one, changed = network(x), network(other)
        assert torch.equal(one[..., :100], changed[..., :100])
        assert not torch.equal(one[..., 100:104], changed[..., 100:104])
        other = x.clone()
        other[..., : 100 - REACH] = 0
        assert torch.allclose(network(other)[..., 100:], one[..., 100:], atol=1e-6)


def test_block_by_block_equals_all_at_once(run: Path) -> None:
    network = recogniser_of(str(run))
    torch.manual_seed(0)
    x = torch.randn(1, 36, 96)
    with torch.no_grad():
        whole = network.middle(x, Memory())
        parts, memory = [], Memory()
        for begin in range(0, 96, 8):
            memory = Memory(memory.kept)
            parts.append(network.middle(x[..., begin : begin + 8], memory))
    assert whole.shape == (1, 16, 96 // STRIDE)
    assert torch.allclose(torch.cat(parts, -1), whole, atol=1e-6)


def test_what_is_not_labelled_is_not_learned() -> None:
    logits = torch.zeros(1, 41, 8)
    logits[:, 3] = 9.0
    phoneme = torch.tensor([[3, 3, 7, UNLABELLED, UNLABELLED, UNLABELLED, 1, 1]])
    assert float(accuracy(logits, phoneme, 2)) == pytest.approx(2 / 3)
    labelled = phoneme.clone()
    labelled[:, 2] = UNLABELLED
    assert (
        float(phoneme_cross_entropy(logits, labelled, 2, 0.0))
        < 0.01
        < float(phoneme_cross_entropy(logits, phoneme, 2, 0.0))
    )


def test_it_is_shipped_and_comes_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "recogniser.safetensors"
    ship(str(run), out=out)
    monkeypatch.setattr("models.families.recogniser.SHIPPED", out)
    back, was = recogniser_of(""), recogniser_of(str(run))
    x = torch.randn(1, 36, 64)
    assert torch.allclose(back(x), was(x), atol=0.05)
    assert not any(weights.requires_grad for weights in (*back.parameters(), *was.parameters()))
    out.write_bytes(out.read_bytes()[:1000])
    with pytest.raises(BadRun, match="install Guise again"):
        recogniser_of("")


def test_the_one_that_is_shipped_knows_phonemes() -> None:
    assert SHIPPED.stat().st_size < 3e6
    network, espeak = recogniser_of(""), espeak_or_skip()
    assert isinstance(network, Recogniser)
    utterance = espeak.say(
        "The weather was warm, so we chose to walk along the beach.", Manner("en-us", "m3", 160, 50, 50)
    )
    sound = soxr.resample(utterance.sound, espeak.sample_rate, 16000)
    begins = [
        (round(begin * 16000 / espeak.sample_rate), _phoneme_number(name, "en-us")) for begin, name in utterance.begins
    ]
    frames = frames_of(LabelledRecording("m3", sound, begins))
    mcep = frames.mcep.astype(np.float32)
    x = torch.from_numpy(normalised(mcep, mcep).T.astype(np.float32))[None, :, : len(mcep) // STRIDE * STRIDE]
    phoneme = torch.from_numpy(frames.phoneme.astype(np.int64))[None, : x.shape[-1]]
    assert float(accuracy(network(x), phoneme, network.lookahead)) > 0.5


def test_it_is_no_voice(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFrozen, match="a recogniser is no voice: learn one by") as refused:
        freeze(run, tmp_path / "voice.onnx", "nobody")
    assert "\n" not in str(refused.value)


def test_runs_that_are_no_recogniser_are_refused(tmp_path: Path) -> None:
    folders = write_voices(tmp_path, ["anna"])
    learned(StatisticsFamily(), folders, tmp_path / "run")
    with pytest.raises(BadRun, match="is a run of statistics, not of recogniser"):
        recogniser_of(str(tmp_path / "run"))
    with pytest.raises(BadRun, match="is not a training run"):
        recogniser_of(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no phonemes"):
        learned(RecogniserFamily(), folders, tmp_path / "other", steps=1, **TINY)
