"""The command line: its verbs, and its exit codes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.main import get_command

import guise
from models.verb_arguments import several_values
from tests.bench.structure import ROOT


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the modules a verb imports, in order; none is really imported. Every verb ends by Ctrl-C."""
    names: list[str] = []

    def live() -> None:
        raise KeyboardInterrupt

    def fake_import(name: str) -> Any:
        names.append(name)
        return SimpleNamespace(live=live, start_forkserver=lambda: names.append("started"))

    monkeypatch.setattr(guise, "import_module", fake_import)
    return names


def test_the_engines_begin_before_anything_else_of_live(imported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)  # importing it now would fail
    with pytest.raises(ImportError):
        guise.main(["live"])
    assert imported == ["live.process.fork_server", "started", "live.cli"]
    imported.clear()
    with pytest.raises(ImportError):
        guise.main(["live", "--help"])
    assert imported == ["live.cli"]


def test_ctrl_c_while_performing_is_130(imported: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert guise.main(["live"]) == 130
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("where", ["live.process.fork_server", "live.cli"])
def test_ctrl_c_while_importing_is_130(
    where: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fake_import(name: str) -> Any:
        if name == where:
            raise KeyboardInterrupt
        return SimpleNamespace(start_forkserver=lambda: None)

    monkeypatch.setattr(guise, "import_module", fake_import)
    assert guise.main(["live"]) == 130
    assert capfd.readouterr().err == ""


def test_an_unknown_verb_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert guise.main(["lvie"]) == 2
    assert "did you mean `guise live`?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evaluate voice --foo", "guise evaluate voice: no such option: --foo"),
        ("evaluate voice --voice", "option '--voice' requires an argument"),
        ("evaluate voice --voice bypass", "missing option '--speech'"),
        ("evaluate vioce", "no such command 'vioce'"),
        ("live --secnds 3", "--seconds"),
        ("live --seconds abc", "invalid value for '--seconds'"),
        ("prepare voice", "missing argument 'AUDIO...'"),
        ("doctor x", "unexpected extra argument"),
    ],
)
def test_words_that_a_verb_does_not_know_are_one_line(
    words: str, said: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guise, "FIRST", {})  # no fork server for a misspelt word
    assert guise.main(words.split()) == 2
    printed = capfd.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert "--help)" in printed


def test_an_option_takes_several_values() -> None:
    evaluate = get_command(importlib.import_module("calibration.cli").evaluate)
    words = ["voice", "--speech", "a", "b", "--out", "o", "--target=c", "d", "--voice", "v"]
    assert several_values(evaluate, words) == [
        *["voice", "--speech", "a", "--speech", "b", "--out", "o"],
        *["--target=c", "--target", "d", "--voice", "v"],
    ]
    assert several_values(evaluate, ["voice", "--speech"]) == ["voice", "--speech"]


def test_words_without_a_name_are_no_further_values() -> None:
    app = typer.Typer()
    app.command()(importlib.import_module("models.cli").train)
    words = ["--set", "ngf=32", "pix2pix", "data/me", "--out", "runs/me"]
    assert several_values(get_command(app), words) == words


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
def test_an_output_that_takes_nothing_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "guise", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("guise: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a shell closes them here")
def test_a_verb_needs_no_standard_streams(tmp_path: Path) -> None:
    look = ROOT / "live" / "demo" / "looks" / "porcelain.onnx"
    command = f'exec "{sys.executable}" -P -m guise inspect "{look}" 0<&- 1>&- 2>&-'
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(["sh", "-c", command], env=where).returncode == 0
