"""Shared by the tests of the learned voices: synthetic speakers, tiny runs, and frozen voices hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from export.artifact.fields import CONVERTED_FEATURES
from export.runtime.frozen_session import FrozenSession
from models.features.speech import MCEPS
from models.prepare.voice_data import Features
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.family import AnyFamily, FreezePlan
from models.training.train import Plan, TrainingProgress, train
from models.voices.learned_voice import LearnedOptions, start_transport
from tests.models.voice_folders import drawn_sentence, write_voice

WHO = {"anna": (5.3, 0.2, 2.0), "ben": (4.7, 0.15, -1.0), "carl": (4.9, 0.1, 0.5)}


def write_voices(root: Path, names: Sequence[str]) -> list[Path]:
    """A prepared folder for each of `names`, as in WHO."""
    return [write_voice(root / n, n, [spoken(n, 160 + 20 * i, i) for i in range(4)]) for n in names]


def learned(
    kind: AnyFamily, folders: Sequence[Path], out: Path, *, resume: bool = False, **options: Any
) -> list[TrainingProgress]:
    """Trains by the training loop; returns its progress after every step."""
    seen: list[TrainingProgress] = []
    plan = Plan(kind, kind.options(**options), tuple(folders), out, resume=resume, precision="32-true")
    train(replace(plan, log_every_s=0.0), seen.append)
    return seen


def on_one_batch(kind: AnyFamily, folders: Sequence[Path], steps: int, **options: Any) -> list[dict[str, float]]:
    """The losses of so many steps on one fixed batch, which any working network can learn."""
    chosen = kind.options(**options)
    data = kind.data(folders, chosen)
    torch.manual_seed(0)
    networks = kind.networks(chosen, data.facts)
    optimizers = kind.optimizers(networks, chosen)
    fabric = Fabric(accelerator="cpu", devices=1)
    for name, optimizer in optimizers.items():
        fabric.setup(networks[name], optimizer)
    batch = torch.utils.data.default_collate([data[i] for i in range(chosen.batch)])
    modules = dict(networks.items())
    seen = [kind.step(fabric, modules, optimizers, batch, step, chosen) for step in range(steps)]
    return [{name: float(loss) for name, loss in losses.items()} for losses in seen]


def spoken(name: str, frames: int = 160, seed: int = 7) -> Features:
    """A sentence that a small network can follow: cepstra moved by three slow waves, each in its own way."""
    rng = np.random.default_rng(seed)
    sentence = drawn_sentence(rng, *WHO[name], frames)
    waves = np.sin(2 * np.pi * (np.arange(frames)[:, None] * 0.005 * (1.5, 2.3, 3.1) + rng.uniform(0, 1, 3)))
    ways = np.random.default_rng(len(name)).standard_normal((3, MCEPS))
    mcep = 0.5 * waves @ ways + 0.05 * rng.standard_normal((frames, MCEPS))
    mcep[:, 0] = sentence.mcep[:, 0]
    mcep[:, 1] += WHO[name][2]
    return sentence._replace(mcep=mcep.astype(np.float32))


def whole(plan: FreezePlan, sentence: Features, source: int) -> list[Tensor]:
    """mcep (t, MCEPS), lf0 (t,) and voiced (t,) of the network, run once for all frames."""
    columns = [torch.from_numpy(np.asarray(x, np.float32))[None] for x in sentence[:3]]
    states = [plan.inputs[name] for name in plan.manifest["states"]]
    with torch.no_grad():
        answer = plan.module(*columns, torch.tensor([source]), *states)
    return [part[0] for part in answer[:3]]


def hop_by_hop(session: FrozenSession, sentence: Features, source: int) -> list[np.ndarray]:
    """The same of the frozen model, with its states carried on."""
    manifest = session.manifest
    states: dict[str, Any] = {
        name: np.zeros(manifest.inputs[name].shape, manifest.inputs[name].dtype) for name in manifest.states
    }
    hop = manifest.inputs["lf0"].shape[1]
    given: list[list[np.ndarray]] = [[], [], []]
    for begin in range(0, len(sentence.lf0), hop):
        part = [np.asarray(x[begin : begin + hop], np.float32)[None] for x in sentence[:3]]
        read = dict(zip(("mcep", "lf0", "voiced"), part, strict=True))
        answer = session.run(**read, **states, source=np.array([source]))
        for row, name in zip(given, CONVERTED_FEATURES, strict=True):
            row.append(answer[name][0].copy())
        states = {name: answer[after].copy() for name, after in manifest.states.items()}
    return [np.concatenate(row) for row in given]


def by_statistics(facts: MeasuredSpeakersFacts, sentence: Features, source: str, target: str) -> np.ndarray:
    """(t, MCEPS): the conversion of the family `statistics` with the source given, except for the level, which is
    unchanged."""
    names = [s.name for s in facts.speakers]
    (mean, std), (to_mean, to_std) = (np.array(facts.speakers[names.index(n)].normal) for n in (source, target))
    transport = start_transport(LearnedOptions(), facts)
    assert transport is not None
    x = torch.from_numpy((sentence.mcep - mean) / std).float().T[None]
    output = transport(x, torch.tensor([1 + names.index(source)]), torch.tensor([names.index(target)]))[0].T.numpy()
    moved = output * to_std + to_mean
    moved[:, 0] = sentence.mcep[:, 0]
    assert moved.shape[1] == MCEPS
    return moved
