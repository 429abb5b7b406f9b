"""A look with a mask that leaves the face bare, evaluated: one line, as everything that cannot be measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import guise
from tests.calibration.evaluate.test_face_verb import part

from .conftest import SIZE


def test_a_bare_face_ends_an_evaluation_in_one_line(
    make_look: Callable[..., Path], footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look = make_look(mask=True, edge=SIZE // 2 - 1)
    clip = part(footage / "talkerF_man_glasses_8s.mp4", tmp_path / "f.mp4", 0, 12)
    code = guise.main(
        ["evaluate", "face", "--look", str(look), "--footage", str(clip), "--out", str(tmp_path / "seen")]
    )
    told = capsys.readouterr().err.strip()
    assert code == 2, told
    assert "of the face bare" in told
    assert len(told.splitlines()) == 1
