"""Checks the frozen models that a show names, and what its cues ask of them. Any thread; reads the files' outlines.

A show is refused for a bad model when it is read, at the start and again: not on stage.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from live.show.parameter_table import PARAMETERS, Lasts
from live.show.show_file import BadShow, Cue, Show

if TYPE_CHECKING:
    from typing import Literal

    from export.artifact.manifest import Manifest

    Kind = Literal["look", "voice"]


def check_models(show: Show) -> None:
    """Raises BadShow for the first cue that cannot be performed as it stands."""
    manifests: dict[tuple[Path, Kind], Manifest] = {}
    for cue in show.cues:
        try:
            models = _checked_models(cue, manifests)
        except ValueError as error:
            raise BadShow(f'cue "{cue.name}": {error}') from None
        if "picture" in models and not cue.frame and shows_frame(models["picture"]):
            raise BadShow(
                f'cue "{cue.name}": {Path(cue.look).name} shows what the camera sees round the face: write '
                "frame = true in the cue, or name another look"
            )
        _check_parameters(cue, models)


def shows_frame(look: Manifest) -> bool:
    """Whether the audience may see what the camera sees besides the performer's face."""
    return "mask" in look.gives or "frame" in look.reads


def _checked_models(cue: Cue, known: dict[tuple[Path, Kind], Manifest]) -> dict[str, Manifest]:
    """The manifests of a cue's frozen models, by the part that their parameters' names begin with: "picture", "sound".
    Raises ValueError."""
    from export.artifact.bad_model import BadModel
    from export.artifact.model_file import check_model

    models = {}
    asked: tuple[tuple[str, str | Path, Kind], ...] = (("picture", cue.look, "look"), ("sound", cue.voice, "voice"))
    for part, model, kind in asked:
        if isinstance(model, Path):
            try:
                if (model, kind) not in known:
                    known[model, kind] = check_model(model, kind)
            except (BadModel, OSError) as error:
                raise ValueError(error) from None
            models[part] = known[model, kind]
    return models


def _check_parameters(cue: Cue, models: Mapping[str, Manifest]) -> None:
    """A parameter that neither Guise nor the cue's models have is a misspelt one. Raises BadShow."""
    names = {entry.name for entry in PARAMETERS if entry.lasts is not Lasts.SYNC}
    names.update(f"{part}/{name}" for part, manifest in models.items() for name in manifest.parameters)
    for name in cue.set:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, 0.6)
            hint = f'did you mean "{near[0]}"?' if near else "neither Guise nor the cue's models have it"
            raise BadShow(f'cue "{cue.name}": no parameter "{name}": {hint}')
