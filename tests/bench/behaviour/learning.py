"""Data sets prepared, every family trained for some steps, stopped runs gone on with.

A run's weights are compared as a bag of tensors; what they are called is a matter of names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from . import digests
from .inputs import SENTENCES
from .program import Found, Program

VOICES = ("data/p225", "data/p226")
CRITICS = ("width=0.1", "critic=0.1", "frames=64", "identity_steps=10")
FACE = ("ngf=8", "size=64", "critic=8", "alone=10")
FAMILIES: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "pix2pix": (("data/face",), 20, FACE),
    "pix2pix_student": (("data/face",), 20, ("teacher=runs/pix2pix", "ngf=4")),
    "statistics": (VOICES, 20, ()),
    "gmm_vc": (VOICES, 110, ("classes=4",)),
    "ppg_vc": (VOICES[1:], 20, ("seconds=20",)),
    "cyclegan_vc": (VOICES, 20, CRITICS),
    "stargan_vc": (VOICES, 20, (*CRITICS, "batch=2")),
    "stargan_vc2": (VOICES, 20, (*CRITICS, "batch=2")),
    "recogniser": (("data/phonemes",), 20, ("width=8", "frames=64", "batch=2")),
    "voice_student": (VOICES, 20, ("teacher=frozen/statistics.onnx", "width=8", "blocks=1", "frames=64", "batch=2")),
}
"""name -> data, steps, settings, in an order in which teachers come first. gmm_vc goes past the first kept step."""
VARIANTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "pix2pix classic": ("pix2pix", ("--recipe", "classic"), ("ngf=8", "size=64", "critic=8", "batch=1")),
    "pix2pix bf16": ("pix2pix", ("--precision", "bf16-mixed"), FACE),
    "stargan_vc wgan": ("stargan_vc", (), (*CRITICS, "batch=2", "adversary=wgan")),
    "pix2pix large": ("pix2pix", (), ("ngf=32", "size=128", "critic=8", "alone=10", "batch=1")),
}
"""name -> family, arguments, settings: other ways through a family; the last is large enough for int8."""
SUBJECTS = ("--subject", "p225=who agreed", "--subject", "p226=who agreed")
TEACHER = "frozen/statistics.onnx"


def data(program: Program) -> Found:
    """One face, two voices, a minute of phonemes, and what is said of them."""
    found = Found()
    face = ("face", "inputs/face.mp4", "--size", "128")
    found.facts["face"] = prepared(program, "data/face", face)
    for person in ("p225", "p226"):
        recordings = (f"inputs/{person}_{sentence}.wav" for sentence in SENTENCES)
        found.facts[person] = prepared(program, f"data/{person}", ("voice", *recordings, "--learn-all"))
    held = ("voice", "inputs/p225_003.wav", "inputs/p225_008.wav", "--denoise", "--minutes", "0.1")
    found.facts["p225 otherwise"] = prepared(program, "data/otherwise", held)
    found.facts["phonemes"] = prepared(program, "data/phonemes", ("phonemes", "--minutes", "1", "--seed", "1"))
    return found


def prepared(program: Program, out: str, arguments: tuple[str, ...]) -> Any:
    """Every file of a data set, but for pictures drawn for people."""
    said = program.run("prepare", *arguments, "--out", program.fresh(out))
    return {"said": said.whole, **digests.of_folder(program.at(out), left_out=("plots",))}


def families(program: Program) -> Found:
    """Each family at its smallest, and some in another way."""
    found = Found()
    for name, (folders, steps, settings) in FAMILIES.items():
        if name == "voice_student":
            teach(program)
        add(found, name, program, *trained(program, name, f"runs/{name}", folders, steps, settings))
    for name, (family, arguments, settings) in VARIANTS.items():
        out = f"runs/{name.replace(' ', '-')}"
        folders = FAMILIES[family][0]
        add(found, name, program, *trained(program, family, out, folders, 10, settings, *arguments))
    return found


def teach(program: Program) -> None:
    """Freezes the run of `statistics` for the student."""
    program.run("export", "runs/statistics", "--target", "p226", *SUBJECTS, "--out", program.fresh(TEACHER))


def trained(
    program: Program,
    family: str,
    out: str,
    folders: tuple[str, ...],
    steps: int,
    settings: tuple[str, ...],
    *arguments: str,
) -> tuple[str, Any]:
    """`guise train`: the run's folder and what was said; with --resume among the arguments, what is there stays."""
    place = out if "--resume" in arguments else program.fresh(out)
    chosen = [word for setting in settings for word in ("--set", setting)]
    precision = () if "--precision" in arguments else ("--precision", "32-true")
    said = program.run(
        *("train", family, *folders, "--out", place, "--steps", steps, "--seed", "1"),
        *(*precision, *chosen, *arguments),
    )
    # The first step is always told, further ones every five seconds.
    told = [re.sub(r"  [^ ]+ [a-z ]*left  ", "  ", line) for line in said.err.splitlines()]
    first = [line for line in told if line.startswith("step ")][:1]
    rest = [line for line in told if not line.startswith("step ") and "Warning" not in line]
    return out, {"code": said.code, "out": said.out.splitlines(), "first": first, "err": rest if said.code else []}


def add(found: Found, name: str, program: Program, out: str, said: Any) -> None:
    """A run's weights, optimizers, state and samples, under `name`."""
    weights, called = run_folder(program.at(out))
    found.facts[name] = {"said": said, **weights}
    found.names[name] = called


def run_folder(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Everything in a run's folder, and the names of its tensors."""
    facts = digests.of_folder(folder, left_out=("log",)) if folder.is_dir() else {"folder": "missing"}
    called = sorted(
        f"{path.relative_to(folder).as_posix()}: {key}"
        for path in folder.rglob("*.safetensors")
        for key in digests.tensors(path)
    )
    return facts | {"samples": samples(folder / "log")}, called


def samples(log: Path) -> list[str]:
    """The pictures and sounds that TensorBoard is shown; losses, told by the clock, are left out."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    shown = []
    for path in sorted(log.glob("events.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name != "scalars":
                    shown.append(f"{event.step} {value.tag} {digests.digest(value.tensor.SerializeToString())}")
    return sorted(shown)


def resumed(program: Program) -> Found:
    """Ten steps and ten more are twenty; one run begins with another's weights."""
    found = Found()
    for family in ("pix2pix", "cyclegan_vc"):
        folders, steps, settings = FAMILIES[family]
        if family == "pix2pix":  # its rate falls over the last steps of how many it is told there are
            settings = (*settings, "decay=0")
        out = f"runs/{family}-resumed"
        trained(program, family, out, folders, steps // 2, settings)
        add(found, family, program, *trained(program, family, out, folders, steps, settings, "--resume"))
        straight = trained(program, family, f"runs/{family}-straight", folders, steps, settings)
        add(found, f"{family} straight", program, *straight)
        of = "checkpoints/00000020/networks.safetensors"
        same = found.facts[family].get(of) == found.facts[f"{family} straight"].get(of)
        found.facts[f"{family} resumed is as straight"] = same
        begun = trained(program, family, f"runs/{family}-begun", folders, 5, settings, "--init", f"runs/{family}")
        add(found, f"{family} --init", program, *begun)
    return found
