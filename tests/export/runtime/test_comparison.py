"""Two sessions that give the same outputs, and two that do not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from export.freeze.verify import BOUNDS
from export.runtime import comparison
from export.runtime.frozen_session import FrozenSession
from export.runtime.session import open_session


class WrongSession(FrozenSession):
    """Inverts as tiny_look does, with an error of `levels` where a pixel is bright."""

    levels = 0

    def _perform(self, limit_s: float) -> None:
        self._outputs["picture"][...] = 255 - self._inputs["lines"] + self.levels * (self._inputs["lines"] > 100)

    def _free(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("levels", [0, 1, 7])
def test_the_largest_difference_is_found(look: Path, levels: int) -> None:
    with open_session(look, "cpu") as reference:
        other = WrongSession(look, reference.manifest, "CUDA")
        other.levels = levels
        assert comparison.largest_difference(reference, other) == levels


def test_numbers_are_compared_by_their_largest() -> None:
    wanted = {"converted_lf0": np.array([0.0, 5.0])}
    assert comparison.difference(wanted, {"converted_lf0": np.array([0.0, 5.1])}) == pytest.approx(0.1 * 255 / 5)
    assert math.isnan(comparison.difference(wanted, {"converted_lf0": np.array([0.0, np.nan])}))
    none = {"converted_lf0": np.array([np.nan, 5.0])}
    assert comparison.difference(none, none) == 0


def test_a_gpu_may_differ_from_the_model_as_the_model_from_the_network() -> None:
    assert {
        precision: bound.maximum for precision, bound in BOUNDS.items()
    }.items() <= comparison.MAX_DIFFERENCE.items()
