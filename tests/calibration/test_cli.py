"""The verbs of the top layer: exit codes and one clear line, and the doctor's JSON."""

from __future__ import annotations

import inspect
import json
import threading
from pathlib import Path

import pytest

import guise
from calibration import doctor
from calibration.bench.registry import BENCHMARKS, load_benchmark
from calibration.doctor import Finding, as_json, examine, healthy


def test_the_doctor_answers_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    code = guise.main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["ok"] else 1)
    names = [finding["name"] for finding in told["findings"]]
    for name in (
        *(
            "python",
            "packages",
            "cores",
            "memory",
            "screen",
            "windows (Qt)",
            "cameras",
            "PortAudio",
            "movies",
            "ffmpeg",
        ),
        *(
            "landmark file",
            "face descriptor",
            "performs on TensorRT",
            "performs on CUDA",
            "performs on CPU",
            "training",
        ),
    ):
        assert name in names
    for finding in told["findings"]:
        assert set(finding) == {"name", "state", "what", "advice", "essential"}
        assert finding["state"] in ("ok", "missing", "note")
        assert finding["what"]
        assert "\n" not in finding["what"]
        if finding["state"] == "missing":
            assert finding["advice"], f"{finding['name']} is missing, and nobody is told what to do"
    assert "could not be examined" not in json.dumps(told)


def test_the_doctor_prints_a_line_each(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding("lungs", "ok", "two"), Finding("heart", "missing", "none", "get one", True)]
    monkeypatch.setattr("calibration.doctor.examine", lambda: findings)
    assert guise.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "MISSING" in lines[1]
    assert "get one" in lines[1]


def test_one_broken_library_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def _eyes() -> list[Finding]:
        raise OSError("libeye.so: cannot open\nshared object")

    monkeypatch.setattr("calibration.doctor.CHECKS", (_eyes, lambda: [Finding("ears", "ok", "two")]))
    findings = examine()
    assert [finding.name for finding in findings] == ["eyes", "ears"]
    assert "\n" not in findings[0].what
    assert healthy(findings)
    assert as_json(findings)["ok"]


def test_a_check_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def _ears() -> list[Finding]:
        over.wait(60)
        return []

    monkeypatch.setattr("calibration.doctor.CHECK_WITHIN_S", 0.1)
    monkeypatch.setattr("calibration.doctor.CHECKS", (_ears, lambda: [Finding("eyes", "ok", "two")]))
    findings = examine()
    over.set()
    assert [(finding.name, finding.state) for finding in findings] == [("ears", "missing"), ("eyes", "ok")]
    assert "does not answer" in findings[0].what


def test_the_doctor_imports_nothing_of_the_folder_it_is_called_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PyQt5", "sip", "site", "enum"):
        (tmp_path / f"{name}.py").write_text("open('caught', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert doctor._qt("offscreen").state == "ok"
    assert not (tmp_path / "caught").exists()


def test_bench_lists_its_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    assert guise.main(["bench", "--help"]) == 0
    told = capsys.readouterr().out
    for name in BENCHMARKS:
        assert name in told


def test_every_measurement_is_where_it_is_said_to_be() -> None:
    for name in BENCHMARKS:
        run = load_benchmark(name).run
        assert list(inspect.signature(run).parameters) == ["options"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bench", "sped"], "no measurement 'sped'"),
        (["bench", "speed", "--look", "nowhere.onnx"], "nowhere.onnx does not exist"),
        (["bench", "speed", "--footage", "nowhere"], "no such folder"),
        (["bench", "speed", "--json", "nowhere/out.json"], "in a folder that is there"),
        (
            ["calibrate", "performer", "--camera", "nowhere.mp4", "--out", "x.toml"],
            "nowhere.mp4: there is no such file",
        ),
        (["calibrate", "performer", "--camera", "demo", "--out", "nowhere/x.toml"], "in a folder that is there"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert guise.main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert complaint in said
    assert "\n" not in said
    assert not list(tmp_path.iterdir())


def test_quick_and_named_measurements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[str] = []
    for name in BENCHMARKS:
        monkeypatch.setattr(load_benchmark(name), "run", lambda _, name=name: ran.append(name) or {"n": name})
    assert guise.main(["bench"]) == 0
    assert ran == ["speed", "cue", "faces", "start"]
    ran.clear()
    assert guise.main(["bench", "all", "--json", str(tmp_path / "out.json")]) == 0
    assert ran == list(BENCHMARKS)
    assert json.loads((tmp_path / "out.json").read_text("utf-8"))["memory"] == {"n": "memory"}
