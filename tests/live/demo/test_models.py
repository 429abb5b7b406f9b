"""The demo's frozen models: of manifest version 2, and still the graphs and weights that were trained."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from export.artifact.model_file import MANIFEST_KEY, check_model
from export.artifact.outline import read_outline

DEMO = Path(__file__).parents[3] / "live" / "demo"
DIGESTS = {
    "looks/porcelain.onnx": "dcdd478ca372c50b0874eb9f5bd0fa70acfa0c907c977e2febcd89dc618d03d3",
    "looks/verdigris.onnx": "a8d9040ae67fbb02c616b0ddabe441124323c8eecf982ce12f7bf64ddd0cfd08",
    "voices/linda.onnx": "18dfad0c92b9094b16c6f907793eccf47a385d182f8bb2223383419ffffa92c4",
    "voices/reader.onnx": "f17269133c918739e8c8ea688e6dd9d036cfcd41a86dfc695fb1f0538d53a265",
}
"""SHA-256 of each file without its manifest; computed from the files as they were with manifests of version 1."""


def _digest_without_manifest(path: Path) -> str:
    whole, kept, end = path.read_bytes(), hashlib.sha256(), 0
    for entry in read_outline(path).metadata:
        if entry.key == MANIFEST_KEY:
            kept.update(whole[end : entry.start])
            end = entry.end
    kept.update(whole[end:])
    return kept.hexdigest()


@pytest.mark.parametrize("name", DIGESTS)
def test_graph_and_weights_are_those_that_were_trained(name: str) -> None:
    assert _digest_without_manifest(DEMO / name) == DIGESTS[name]


@pytest.mark.parametrize("name", DIGESTS)
def test_the_manifest_in_the_file_is_of_version_2(name: str) -> None:
    (entry,) = [entry for entry in read_outline(DEMO / name).metadata if entry.key == MANIFEST_KEY]
    assert entry.value.startswith('{"version": 2, ')
    assert '"subject": {' in entry.value


def test_each_look_is_of_a_set_of_its_own_and_each_voice_of_features() -> None:
    looks = [check_model(DEMO / name, "look") for name in DIGESTS if name.startswith("looks/")]
    sets = [look.set for look in looks if look.set is not None]
    assert len({one.id for one in sets}) == len(looks) == 2
    assert [(one.ngf, one.size, one.precision) for one in sets] == [(32, 256, "fp16")] * 2
    for look in looks:
        assert "live/demo_training/characters" in look.subject.statement
    voices = [check_model(DEMO / name, "voice") for name in DIGESTS if name.startswith("voices/")]
    assert [voice.form for voice in voices] == ["features"] * 2
