"""FAMILIES: a name -> where it lives, one line each. Imported only when asked for, because families import torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from models.family import Family

FAMILIES = {
    "cyclegan_vc": "models.cyclegan_vc:CycleGanVc",
    "gmm_vc": "models.gmm_vc:GmmVc",
    "pix2pix": "models.pix2pix:Pix2Pix",
    "pix2pix_student": "models.pix2pix_student:Pix2PixStudent",
    "ppg_vc": "models.ppg_vc:PpgVc",
    "recogniser": "models.recogniser:RecogniserFamily",
    "stargan_vc": "models.stargan_vc:StarGanVc",
    "stargan_vc2": "models.stargan_vc2:StarGanVc2",
    "statistics": "models.statistics:Statistics",
    "voice_student": "models.voice_student:VoiceStudent",
}


class UnknownFamily(Exception):
    """No family of that name; the message lists those there are."""


def family(name: str) -> Family:
    """The family called `name`; raises UnknownFamily."""
    if name not in FAMILIES:
        raise UnknownFamily(f"there is no family {name!r}: choose one of {', '.join(FAMILIES)}")
    module, attribute = FAMILIES[name].split(":")
    return cast("Family", getattr(import_module(module), attribute)())
