"""The front door: verbs, and how it closes."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import guise


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Modules in the order they were asked for; none is imported. Every verb ends by Ctrl-C."""
    asked: list[str] = []

    def live() -> None:
        raise KeyboardInterrupt

    def take(name: str) -> Any:
        asked.append(name)
        return SimpleNamespace(live=live, start_forkserver=lambda: asked.append("started"))

    monkeypatch.setattr(guise, "import_module", take)
    return asked


def test_the_engines_begin_before_anything_else_of_live(opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)  # importing it now would fail
    with pytest.raises(ImportError):
        guise.main(["live"])
    assert opened == ["live.process.fork_server", "started", "live.cli"]
    opened.clear()
    with pytest.raises(ImportError):
        guise.main(["live", "--help"])
    assert opened == ["live.cli"]


def test_ctrl_c_while_performing_is_130(opened: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert guise.main(["live"]) == 130
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("where", ["live.process.fork_server", "live.cli"])
def test_ctrl_c_while_importing_is_130(
    where: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def take(name: str) -> Any:
        if name == where:
            raise KeyboardInterrupt
        return SimpleNamespace(start_forkserver=lambda: None)

    monkeypatch.setattr(guise, "import_module", take)
    assert guise.main(["live"]) == 130
    assert capfd.readouterr().err == ""


def test_a_verb_that_is_none_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert guise.main(["lvie"]) == 2
    assert "did you mean `guise live`?" in capfd.readouterr().err
