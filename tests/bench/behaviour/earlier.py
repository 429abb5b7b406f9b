"""What an earlier commit made, in the hands of this one: runs gone on with, begun from and frozen, data learned from,
frozen models, a show, a profile and settings used.

All of it is copied first, so that the earlier work folder stays as it is; and works in a folder of its own, where the
relative paths in it mean the copies.
"""

from __future__ import annotations

import shutil

from . import frozen, learning, performing
from .learning import FAMILIES
from .program import Found, Program

COPIED = ("inputs", "data", "runs", "frozen", "config", performing.PROFILE)


def earlier(program: Program) -> Found:
    """See the module."""
    here = _copied(program)
    found = Found()
    _go_on(here, found)
    _begin_anew(here, found)
    for model in sorted(here.at("frozen").glob("*.onnx")):
        found.facts[f"inspect {model.name}"] = frozen.seen(here, f"frozen/{model.name}")
    _freeze(here, found)
    _perform(here, found)
    return found


def _copied(program: Program) -> Program:
    here = program.within("earlier")
    for name in COPIED:
        source, place = program.earlier / name, here.at(here.fresh(name))
        if source.is_dir():
            shutil.copytree(source, place)
        elif source.exists():
            shutil.copyfile(source, place)
    if not here.at("runs").is_dir():
        raise SystemExit(f"{program.earlier}: nothing there to go on with; run the parts before `earlier` first")
    return here


def _go_on(here: Program, found: Found) -> None:
    """Every family's run, five steps further; on the old data, of course. Students before their teachers: no student
    goes on when its teacher has."""
    for name, (folders, steps, settings) in reversed(FAMILIES.items()):
        further = learning.trained(here, name, f"runs/{name}", folders, steps + 5, settings, "--resume")
        learning.add(found, f"resume {name}", here, *further)


def _begin_anew(here: Program, found: Found) -> None:
    """Runs that begin with old weights."""
    for name in ("pix2pix", "cyclegan_vc", "stargan_vc", "recogniser"):
        folders, _, settings = FAMILIES[name]
        begun = learning.trained(here, name, f"anew/{name}", folders, 5, settings, "--init", f"runs/{name}")
        learning.add(found, f"init {name}", here, *begun)


def _freeze(here: Program, found: Found) -> None:
    """Old checkpoints by their step: one kept on the way, and those that were gone on from."""
    for name, step in (("gmm_vc", 100), ("pix2pix", 20), ("cyclegan_vc", 20), ("ppg_vc", 20)):
        chosen = (*frozen.subjects(name), "--step", str(step))
        frozen.add(found, f"step of {name}", here, f"runs/{name}", chosen)


def _perform(here: Program, found: Found) -> None:
    """Old frozen models, the old profile, the old show and settings."""
    for voice in ("statistics", "ppg_vc", "cyclegan_vc", "voice_student"):
        found.facts[f"render {voice}"] = performing.spoken(here, f"frozen/{voice}.onnx")
    profiled = ("--look", "frozen/pix2pix.onnx", "--profile", performing.PROFILE)
    found.facts["render pix2pix"] = performing.rendered(here, "looks/out.mp4", "clip.mp4", *profiled)
    settings = here.at("settings.ini")
    shutil.copyfile(here.at(performing.SETTINGS), settings)
    found.facts["show and settings"] = performing.settings_kept(here, settings)
