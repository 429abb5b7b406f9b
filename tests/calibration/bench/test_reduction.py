"""The reduction benchmark: every size and precision is there, compared with the classic one of the same run."""

from __future__ import annotations

import pytest

from calibration.bench import reduction
from calibration.bench.benchmark import BenchOptions


def test_every_look_is_measured_against_the_classic_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduction, "SIZE", 16)
    monkeypatch.setattr(reduction, "ROUNDS", 3)
    metrics = reduction.run(BenchOptions(runs=2))
    said = capsys.readouterr().out
    assert metrics["rounds"] == 6
    looks = metrics["looks"]
    assert looks[reduction.CLASSIC]["of_classic_p95"] == 1
    for ngf in (32, 16):
        kinds = {kind: looks[f"ngf {ngf}, {kind}"] for kind in ("fp32", "fp16 stored", "int8")}
        assert kinds["fp16 stored"]["megabytes"] < 0.6 * kinds["fp32"]["megabytes"]
        assert kinds["int8"]["megabytes"] < 0.6 * kinds["fp32"]["megabytes"]
    for what, look in looks.items():
        assert 0 < look["p50_ms"] <= look["p95_ms"]
        assert what in said
