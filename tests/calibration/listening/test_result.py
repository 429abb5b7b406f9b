"""The result of a listening test: means, valid intervals, a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import guise
from calibration.listening import result as module
from calibration.listening.result import read_result
from calibration.listening.trials import COLUMNS, RANKS


def written(out: Path, said: dict[str, list[tuple[int, ...]]], systems: tuple[str, ...]) -> Path:
    """said: listener -> for each trial the ranks of `systems`."""
    out.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS)]
    for listener, trials in said.items():
        for number, ranks in enumerate(trials):
            for place, (system, rank) in enumerate(zip(systems, ranks, strict=True), 1):
                lines.append(f"2026-01-01T00:00:00+00:00,{listener},t{number},{system},{rank},{place}")
    (out / RANKS).write_text("\n".join(lines) + "\n", "utf-8")
    return out


def test_mean_ranks_are_of_listeners_and_the_best_comes_first(tmp_path: Path) -> None:
    said = {"x": [(1, 2, 3)] * 9, "y": [(2, 1, 3)]}
    found = read_result(written(tmp_path, said, ("b", "a", "c")))
    assert (found.listeners, found.trials) == (2, 10)
    assert list(found.ranks) == ["a", "b", "c"]
    assert found.ranks["a"] == (1.5, 1, 2), "two who disagree are no certainty, however often one of them said it"
    assert found.ranks["c"] == (3, 3, 3)


def test_an_interval_holds_the_truth_about_19_times_in_20(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESAMPLES", 300)
    chance = np.random.default_rng(1)
    held = 0
    for number in range(40):
        said = {str(i): [(1, 2) if chance.random() < 0.7 else (2, 1) for _ in range(6)] for i in range(16)}
        mean, low, high = read_result(written(tmp_path / str(number), said, ("a", "b"))).ranks["a"]
        assert low <= mean <= high
        held += low <= 1.3 <= high
    assert 34 <= held <= 40


def test_the_verb_says_how_many_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = written(tmp_path / "들어 보기", {"x": [(1, 2), (2, 1), (1, 2)]}, ("목소리", "theirs"))
    assert guise.main(["listen", "--result", str(out)]) == 0
    told = capsys.readouterr().out
    assert "1 listener, 3 trials" in told
    assert "목소리: mean rank 1.33" in told
    assert "not of other people" in told
    picture = cv2.imdecode(np.fromfile(out / "result.png", np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.std() > 5
    written(out, {}, ("a", "b"))
    assert guise.main(["listen", "--result", str(out)]) == 2
    assert "nobody has ranked" in capsys.readouterr().err
