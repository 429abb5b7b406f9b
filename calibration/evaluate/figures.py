"""The form of `figures.json` of `guise evaluate`: its keys are promises.

None (null) stands for what was not measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

import numpy as np

Openings = dict[str, dict[str, float | None]]
"""mouth, left_eye, right_eye -> correlation and gain; see export.metrics.face.openings_fit."""


class LookFigures(TypedDict):
    """Medians over the frames measured."""

    frames: int
    face_found: float
    identity: float | None
    identity_p95: float | None
    expression: float | None
    openings: Openings
    openings_real: Openings
    ssim: float | None
    ssim_mean: float | None
    l1: float | None
    l1_mean: float | None
    sharpness: float | None
    flicker: float | None
    flicker_points: float | None
    change_generated: float | None
    change_real: float | None


class FaceClipFigures(LookFigures):
    """One clip. own: it shows the target."""

    own: bool


class TargetFigures(TypedDict):
    """How near the target's own footage is to its mean."""

    own_identity_median: float
    own_identity_p95: float


class FaceFigures(LookFigures):
    """`guise evaluate face`."""

    look: str
    clips: dict[str, FaceClipFigures]


class TargetedFaceFigures(FaceFigures):
    """The same, with footage of the target."""

    target: TargetFigures


class PrdcFigures(TypedDict):
    """See export.metrics.prdc."""

    precision: float | None
    recall: float | None
    density: float | None
    coverage: float | None


class ConversionFigures(TypedDict):
    """What is measured of one recording, or its median over all."""

    similarity_target: float | None
    similarity_source: float | None
    stoi: float | None
    f0_error_cents: float | None
    f0_correlation: float | None
    mcd_db: float | None
    rtf: float | None


class VoiceClipFigures(ConversionFigures):
    """One recording."""

    nearer_target: bool | None


class VoiceFigures(ConversionFigures, PrdcFigures):
    """`guise evaluate voice`, one voice; see evaluate_one_voice. nearer_target: of how many recordings, of `of`."""

    nearer_target: int | None
    of: int
    reconstruction_db: float | None
    prdc_of_target: PrdcFigures | None
    voice: str
    steps: int | None
    latency_ms: float
    missing: str | None
    clips: dict[str, VoiceClipFigures]


PrdcKey = Literal["precision", "recall", "density", "coverage"]
ConversionKey = Literal[
    "similarity_target", "similarity_source", "stoi", "f0_error_cents", "f0_correlation", "mcd_db", "rtf"
]


def median_of_known(values: Iterable[float | None]) -> float | None:
    """The median of what was measured; None where nothing was."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def figure_text(value: float | None, digits: int = 3) -> str:
    """A figure as tables print it; "-" for what was not measured."""
    return "-" if value is None else f"{value:.{digits}f}"
