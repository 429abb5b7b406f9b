"""The facts of a prepared face; see models.datasets.face_data for the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from models.features.face_lines import LineStyle
from models.prepare.data_facts import DataFacts, FactsPart, read_facts

_TARGET = ("neutral", "residual_low", "residual_high", "roll", "scale", "shift_x", "shift_y", "openings")


def _checked_target(target: Mapping[str, object]) -> Mapping[str, object]:
    missing = [key for key in _TARGET if key not in target]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    return target


class TeacherFacts(FactsPart):
    """The look that a student learns from: the digest of its weights, the side of its pictures, how it is drawn."""

    digest: str
    size: int
    lines: LineStyle


class FaceFacts(DataFacts):
    """What training reads of a prepared face; in a run also what the run adds."""

    kind: Literal["face"] = "face"
    size: Annotated[int, Field(strict=True, ge=16, le=4096)]
    """Side of the square to learn, in pixels."""
    margin: Annotated[int, Field(strict=True, ge=0, le=4096)] = 0
    """Pixels stored around the square; earlier versions stored none."""
    target: Annotated[Mapping[str, object], AfterValidator(_checked_target)]
    """The manifest's `target`, see models.features.retarget.target_facts, in the square's pixels."""
    teacher: TeacherFacts | None = None
    """Of a run of a student."""


class PreparedFaceFacts(FaceFacts):
    """All that `guise prepare face` writes."""

    name: str
    sources: tuple[str, ...]
    frames_seen: int
    frames_kept: int
    pairs: Mapping[str, int]
    """Numbers of pictures, by the part: train, held_out."""
    left_out: Mapping[str, int]
    """Numbers of frames, by the reason."""
    files_left_out: tuple[tuple[str, str], ...] = ()
    """(file, reason) of what was named, or lay in a folder that was, and is no film that can be used."""
    notes: tuple[str, ...] = ()
    """What was found wrong with films that are used."""
    squares: tuple[tuple[float, ...], ...]
    """left, top, side in each source, pixels."""
    digest: str


def read_face_facts(folder: Path) -> FaceFacts:
    """dataset.json of a prepared face; raises DataError with what to do."""
    wrong_kind = "is not a prepared face: pix2pix learns from `guise prepare face`"
    return read_facts(folder, FaceFacts, "face", "guise prepare face VIDEO", wrong_kind)
