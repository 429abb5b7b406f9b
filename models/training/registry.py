"""FAMILIES: each family's name and class. Imported on demand, because families import torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.training.family import AnyFamily

FAMILIES = {
    "cyclegan_vc": "models.families.cyclegan_vc:CycleGanVc",
    "gmm_vc": "models.families.gmm_vc:GmmVc",
    "pix2pix": "models.families.pix2pix:Pix2Pix",
    "pix2pix_student": "models.families.pix2pix_student:Pix2PixStudent",
    "ppg_vc": "models.families.ppg_vc:PpgVc",
    "recogniser": "models.families.recogniser:RecogniserFamily",
    "stargan_vc": "models.families.stargan_vc:StarGanVc",
    "stargan_vc2": "models.families.stargan_vc2:StarGanVc2",
    "statistics": "models.families.statistics:StatisticsFamily",
    "voice_student": "models.families.voice_student:VoiceStudent",
}


class UnknownFamily(Exception):
    """No family has this name; the message lists those there are."""


def family(name: str) -> AnyFamily:
    """The family called `name`; raises UnknownFamily."""
    if name not in FAMILIES:
        raise UnknownFamily(f"there is no family {name!r}: choose one of {', '.join(FAMILIES)}")
    module, attribute = FAMILIES[name].split(":")
    found: AnyFamily = getattr(import_module(module), attribute)()
    return found
