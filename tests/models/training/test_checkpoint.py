"""Checkpoints with the keys of earlier versions: read as if they had today's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.training import checkpoint
from models.training.checkpoint import BadRun, Run, load_networks, load_run, read_run
from models.training.registry import family
from tests.models.learned_voices import learned, write_voices
from tests.models.spoken_folders import write_spoken, write_teacher

torch.set_num_threads(1)
EARLIER_KEYS = {
    "cyclegan_vc": {"discriminators.by_crop.": "judges.judges.", "discriminators.": "judges."},
    "gmm_vc": {"counts.transported": "counts.brought", "counts.aperiodicity": "counts.breath"},
    "ppg_vc": {
        "converter.key_values.filled": "converter.remembered.told",
        "converter.key_values.": "converter.remembered.",
    },
    "voice_student": {
        f"{network}.{now}.": f"{network}.{before}."
        for network in ("student", "average")
        for now, before in (("analysis", "ears"), ("entry", "begin"), ("source_affines", "ways"))
    },
}
"""{family: {prefix of a key: what it was}}; the first that fits."""
TINY = {"width": 0.03, "critic": 0.03, "frames": 32, "settle": 1}
OPTIONS = {"cyclegan_vc": TINY, "gmm_vc": {"classes": 3, "frames": 32}, "ppg_vc": {}}


def _written_earlier(path: Path, name: str) -> None:
    """Gives a file of tensors the keys of an earlier version."""

    def earlier(key: str) -> str:
        now = next((prefix for prefix in EARLIER_KEYS[name] if key.startswith(prefix)), "")
        return EARLIER_KEYS[name].get(now, "") + key.removeprefix(now)

    stored: dict[str, Tensor] = load_file(path)
    renamed = {earlier(key): value for key, value in stored.items()}
    assert renamed.keys() != stored.keys()
    save_file(renamed, path)


@pytest.mark.parametrize("name", EARLIER_KEYS)
def test_weights_under_earlier_keys_are_read(tmp_path: Path, name: str) -> None:
    kind, options = family(name), OPTIONS.get(name)
    if options is None:
        folders = [write_spoken(tmp_path / speaker, speaker) for speaker in ("anna", "ben")]
        teacher = write_teacher(tmp_path / "teacher.onnx")
        options = {"width": 16, "blocks": 1, "frames": 32, "teacher": str(teacher)}
    else:
        folders = write_voices(tmp_path, ["anna", "ben"])[: 1 if name == "ppg_vc" else 2]
    chosen = kind.options(**options)  # type: ignore[arg-type]
    facts = kind.data(folders, chosen).facts
    networks = kind.networks(chosen, facts)
    for value in networks.state_dict().values():
        if value.is_floating_point():
            value.normal_()
    run = tmp_path / "run"
    checkpoint.write_run(run, Run(kind, chosen, facts, 0, "32-true", "default", None))
    saved = checkpoint.save(run, dict(networks.items()), {}, {"step": 1, "samples_seen": 1, "seconds": 0.0})
    _written_earlier(saved / "networks.safetensors", name)
    found = load_run(run).networks.state_dict()
    assert found.keys() == networks.state_dict().keys()
    assert all(torch.equal(found[key], value) for key, value in networks.state_dict().items())


def test_a_run_begun_under_earlier_keys_is_resumed(tmp_path: Path) -> None:
    kind, folders = family("cyclegan_vc"), write_voices(tmp_path, ["anna", "ben"])
    learned(kind, folders, tmp_path / "today", steps=2, **TINY)
    shutil.copytree(tmp_path / "today", tmp_path / "earlier")
    saved = checkpoint.newest(tmp_path / "earlier")
    assert saved is not None
    for file in ("networks", "optimizers"):
        _written_earlier(saved / f"{file}.safetensors", "cyclegan_vc")
    for run in ("today", "earlier"):
        learned(kind, folders, tmp_path / run, steps=4, resume=True, **TINY)
    for file in ("networks", "optimizers"):
        one, other = (
            load_file(checkpoint.newest(tmp_path / run) / f"{file}.safetensors")  # type: ignore[operator]
            for run in ("today", "earlier")
        )
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_what_is_no_file_or_far_too_large_is_refused_unread(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    os.mkfifo(run / "run.json")
    with pytest.raises(BadRun, match="is not a training run"):
        read_run(run)
    (run / "run.json").unlink()
    with (run / "run.json").open("wb") as file:
        file.truncate(200 * 10**9)
    with pytest.raises(BadRun, match="is not a training run"):
        read_run(run)
    weights = run / "checkpoints" / "00000001"
    weights.mkdir(parents=True)
    with (weights / "networks.safetensors").open("wb") as file:
        file.truncate(200 * 10**9)
    networks = nn.ModuleDict({"one": nn.Linear(2, 2)})
    with pytest.raises(BadRun, match=r"cannot be read: .*is no file of at most"):
        load_networks(weights, networks, family("pix2pix"))
