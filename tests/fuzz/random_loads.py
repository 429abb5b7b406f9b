"""Frozen models that pass the check, or mean harm, opened and performed as an engine's loader and loop do.

Whatever a model raises there is refused or a fault, in one line: what must not be is a hang, a crash, or memory without
bounds. One in six is of `tests/export/bad_models.py`.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
from onnx import NodeProto, helper

from export.runtime.memory_limit import limit_memory_of_runs
from live.picture.look import open_look
from live.process.error_text import error_text
from live.sound.voices import open_voice
from tests.export.bad_models import BAD_LOOKS, BAD_VOICES, write_look, write_voice

RATE, BLOCK = 48_000, 480
UNARY = (
    "Relu",
    "Abs",
    "Neg",
    "Sqrt",
    "Log",
    "Exp",
    "Reciprocal",
    "Floor",
    "Sigmoid",
    "Tanh",
    "Erf",
    "Identity",
    "Sign",
)
BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mod")


def load_one(random: Random, folder: Path) -> str:
    """Opens one model, and performs with it."""
    limit_memory_of_runs()  # as an engine's process does
    path = folder / "model.onnx"
    is_look = random.random() < 0.6
    if random.random() < 1 / 6:
        bad = BAD_LOOKS if is_look else BAD_VOICES
        bad[random.choice(sorted(bad))](path)
    elif is_look:
        write_look(path, _random_nodes(random, "numbers", "result"), _constants(random))
    else:
        write_voice(path, _random_nodes(random, "sound", "converted_sound"), _constants(random))
    try:
        _perform_look(path) if is_look else _perform_voice(path)
    except Exception as error:  # as the loader's and the loop's own handlers
        text = error_text(error)
        assert text.isprintable(), text
        return f"refused ({type(error).__name__})"
    return "performed"


def _perform_look(path: Path) -> None:
    look = open_look(path, "cpu")
    points = np.random.default_rng(0).uniform(50, 200, (68, 2)).astype(np.float32)
    try:
        for brightness in (0, 60, 255):
            frame = np.full((240, 320, 3), brightness, np.uint8)
            picture = look.perform(frame, points, points)
            assert picture.dtype == np.uint8
    finally:
        look.close()


def _perform_voice(path: Path) -> None:
    voice = open_voice(str(path), RATE, BLOCK, "cpu")
    noise = np.random.default_rng(0).normal(0, 0.1, (20, BLOCK)).astype(np.float32)
    for block in noise:
        voice.process(block)


def _random_nodes(random: Random, source: str, result: str) -> list[NodeProto]:
    """A chain of operators from `source` to `result`, some of which do not fit."""
    nodes, last = [], source
    for number in range(random.choice((1, 2, 5, 40))):
        name = f"step{number}"
        match random.randrange(5):
            case 0 | 1:
                nodes.append(helper.make_node(random.choice(UNARY), [last], [name]))
            case 2:
                other = random.choice((source, last, "number", "numbers_of_three"))
                nodes.append(helper.make_node(random.choice(BINARY), [last, other], [name]))
            case 3:
                nodes.append(helper.make_node("Transpose", [last], [name]))
            case 4:
                nodes.append(helper.make_node("Expand", [last, "shape"], [name]))
        last = name
    return [*nodes, helper.make_node("Identity", [last], [result])]


def _constants(random: Random) -> dict[str, np.ndarray]:
    return {
        "number": np.float32([random.choice((0, 1, -1, 1e30, np.nan, np.inf))]),
        "numbers_of_three": np.float32([1, 2, 3]),
        "shape": np.array([1] * random.choice((1, 4)) + [random.choice((1, 16, 160, 3, 2**20, 2**40))]),
    }
