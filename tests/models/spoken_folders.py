"""Prepared voices with synthetic sound: buzzes with gliding formants, of speakers who differ in pitch and formants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from onnx import TensorProto, helper, numpy_helper
from scipy.signal import lfilter

from export.artifact import model_file
from export.artifact.manifest import Manifest
from models.features.speech import MCEPS
from models.prepare.voice import features_of
from tests.export.voice_fields import voice_fields

RATE = 16000
WHO = {"anna": (210.0, 1.15), "ben": (115.0, 0.92)}
"""Pitch in Hz, and a factor of the formants."""
ANNAS = 0.3


def syllables(name: str, seed: int, seconds: float = 0.8) -> np.ndarray:
    """(n,) syllables, three a second, a vowel each."""
    hz, size = WHO[name]
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = hz * 2 ** (0.15 * np.sin(2 * np.pi * (0.9 * time + rng.uniform())))
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
    sound = np.zeros(len(time))
    for begin in range(0, len(time), RATE // 3):
        part = slice(begin, begin + RATE // 3)
        voice = pulses[part] + 0.01 * rng.standard_normal(len(pulses[part]))
        for formant, width in zip(size * rng.uniform((300, 900, 2400), (800, 2000, 3200)), (90, 120, 180), strict=True):
            radius = np.exp(-np.pi * width / RATE)
            voice = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], voice)
        sound[part] = voice * np.hanning(len(voice))
    return np.asarray(0.25 * sound / np.abs(sound).max() + 3e-4 * rng.standard_normal(len(time)), np.float32)


def write_spoken(folder: Path, name: str, sentences: int = 3) -> Path:
    """A folder as `guise prepare voice` writes it, without plots and report; the last sentence is held out."""
    for number in range(sentences):
        part = folder / ("held_out" if number == sentences - 1 else "train")
        part.mkdir(parents=True, exist_ok=True)
        sound = syllables(name, number)
        soundfile.write(part / f"{number:06d}.flac", sound, RATE)
        np.savez(part / f"{number:06d}.npz", **features_of(sound, RATE)._asdict())
    facts = {
        "kind": "voice",
        "name": name,
        "digest": f"digest of {name}",
        "sample_rate": RATE,
        "sentences": {"train": sentences - 1, "held_out": 1},
        "statistics": {},
    }
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder


def write_teacher(out: Path, louder: float = 0.0) -> Path:
    """A frozen voice that converts to ben: half of the input is left in it, and anna is brighter by ANNAS when given as
    the source. Its output is late by a frame, which is a state. `louder`: nepers that it adds."""
    slope, shift = np.full(MCEPS, 0.5, np.float32), np.linspace(0.8, -0.2, MCEPS, dtype=np.float32)
    slope[0], shift[0] = 1.0, louder
    ways = np.zeros((3, MCEPS), np.float32)
    ways[1, 1] = ANNAS
    numbers = {"slope": slope, "shift": shift, "ways": ways, "fall": np.array([np.log(2)], np.float32)}
    numbers |= {name: np.array([value]) for name, value in (("begin", 0), ("two", 2), ("three", 3), ("along", 1))}
    nodes = [
        helper.make_node("Concat", ["late", "mcep"], ["whole"], axis=1),
        helper.make_node("Slice", ["whole", "begin", "two", "along"], ["now"]),
        helper.make_node("Slice", ["whole", "two", "three", "along"], ["next_late"]),
        helper.make_node("Mul", ["now", "slope"], ["half"]),
        helper.make_node("Add", ["half", "shift"], ["anybodys"]),
        helper.make_node("Gather", ["ways", "source"], ["way"]),
        helper.make_node("Add", ["anybodys", "way"], ["converted_mcep"]),
        helper.make_node("Sub", ["lf0", "fall"], ["converted_lf0"]),
        helper.make_node("Identity", ["voiced"], ["converted_voiced"]),
    ]
    fields = voice_fields()
    late = {"shape": [1, 1, MCEPS], "dtype": "float32"}
    fields |= {
        "inputs": {**{name: fields["inputs"][name] for name in ("mcep", "lf0", "voiced", "source")}, "late": late},
        "outputs": {
            **{name: port for name, port in fields["outputs"].items() if name in fields["gives"]},
            "next_late": late,
        },
        "states": {"late": "next_late"},
        "speakers": [fields["speakers"][0] | {"target": False}, fields["speakers"][1] | {"target": True}],
    }

    def described(side: str) -> list[Any]:
        kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
        ports = fields[side].items()
        return [helper.make_tensor_value_info(name, kinds[port["dtype"]], port["shape"]) for name, port in ports]

    constants = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "teacher", described("inputs"), described("outputs"), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model_file.write_model(out, model, Manifest.model_validate_json(json.dumps(fields), strict=True))
    return out
