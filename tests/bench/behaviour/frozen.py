"""Frozen models: what `guise export` writes, how it behaves, and what `inspect`, `reduce` and `evaluate` say of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from . import digests
from .learning import FAMILIES, SUBJECTS, TEACHER
from .program import Found, Program

ONE = ("--subject", "self, who agreed")
FACES = ("pix2pix", "pix2pix_student")
NO_MODEL = ("recogniser",)
HALF = {"pix2pix fp16": ("pix2pix", "fp16"), "pix2pix int8": ("pix2pix-large", "int8")}
ROUNDS = 3


def exported(program: Program) -> Found:
    """Every family's run frozen, faces also in half and quarter the size."""
    found = Found()
    for run in FAMILIES:
        if run not in NO_MODEL:
            add(found, run, program, f"runs/{run}", subjects(run))
    for name, (run, precision) in HALF.items():
        add(found, name, program, f"runs/{run}", (*ONE, "--precision", precision, "--licence", "none"))
    found.facts["reduce"] = reduced(program)
    found.facts["evaluate voice"] = evaluated(program)
    return found


def subjects(run: str) -> tuple[str, ...]:
    """What `guise export` wants to be told of a run's persons."""
    if run in (*FACES, "ppg_vc"):
        return ONE
    return SUBJECTS if run == "voice_student" else ("--target", "p226", *SUBJECTS)


def add(found: Found, name: str, program: Program, run: str, arguments: tuple[str, ...]) -> None:
    """One model: what was said, its manifest, what it does."""
    model = f"frozen/{name.replace(' ', '')}.onnx"
    said = program.run("export", run, "--out", program.fresh(model), *arguments)
    found.facts[name] = {"said": said.whole, **({} if said.code else seen(program, model))}
    if not said.code:
        found.names[name] = ports(program.at(model))


def seen(program: Program, model: str) -> dict[str, Any]:
    """A frozen model as `inspect` shows it, and what it does."""
    manifest = program.run("inspect", model, "--json")
    kept = digests.steady(json.loads(manifest.out)) if manifest.code == 0 else manifest.whole
    shown = program.run("inspect", model).out.splitlines()
    return {"manifest": kept, "inspect": shown, "does": behaviour(program.at(model))}


def behaviour(model: Path) -> dict[str, str]:
    """What a model gives for random input of its own shapes, by place and not by name."""
    if not model.is_file():
        return {"model": "missing"}
    session = _session(model)
    given: dict[str, str] = {}
    for number in range(ROUNDS):
        rng = np.random.default_rng(number)
        fed = {port.name: _random(rng, port) for port in session.get_inputs()}
        try:
            made = session.run(None, fed)
        except Exception as error:  # ONNX Runtime raises classes of its own that have no common base
            return given | {str(number): type(error).__name__}
        given[str(number)] = digests.digest(*map(digests.of_array, made))
    return given


def ports(model: Path) -> list[str]:
    """What the model's inputs and outputs are called."""
    session = _session(model)
    return [port.name for port in (*session.get_inputs(), *session.get_outputs())]


def _session(model: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _random(rng: np.random.Generator, port: Any) -> np.ndarray:
    shape = [size if isinstance(size, int) else 1 for size in port.shape]
    if port.type == "tensor(uint8)":
        return rng.integers(0, 256, shape, np.uint8)
    if port.type == "tensor(bool)":
        return rng.random(shape) < 0.5
    if port.type in ("tensor(int64)", "tensor(int32)"):
        return rng.integers(0, 2, shape).astype(port.type[7:-1])
    kind = np.float16 if port.type == "tensor(float16)" else np.float32
    return rng.random(shape).astype(kind)


def reduced(program: Program) -> Any:
    """`guise reduce`: the files that do not depend on what is faster here, and the words around the figures."""
    said = program.run(
        *("reduce", "runs/pix2pix", "--out", program.fresh("frozen/reduced"), *ONE),
        *("--data", "data/face", "--student", "runs/pix2pix_student"),
    )
    files = sorted(path for path in program.at("frozen/reduced").glob("*.onnx") if "int8" not in path.name)
    heads = [line for line in said.out.splitlines() if not re.search(r"\d\.\d|int8|─|━", line)]
    return {"code": said.code, "out": heads, "err": said.err, **{path.name: behaviour(path) for path in files}}


def evaluated(program: Program) -> Any:
    """`guise evaluate voice`: all figures but those of speed."""
    said = program.run(
        *("evaluate", "voice", "--voice", TEACHER, "--speech", "inputs/p225_003.wav"),
        *("--target", "inputs/p226_003.wav", "--out", program.fresh("evaluated")),
    )
    path = program.at("evaluated/figures.json")
    figures = digests.steady(json.loads(path.read_text("utf-8"))) if path.is_file() else "missing"
    return {
        "code": said.code,
        "err": said.err,
        "figures": figures,
        **digests.of_folder(path.parent, ("figures", "spec")),
    }
