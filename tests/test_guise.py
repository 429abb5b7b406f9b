"""The command line: its verbs, and its exit codes."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import guise


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
