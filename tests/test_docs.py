"""The documentation's paths: whoever follows one finds a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bench.structure import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = re.compile(r"`((?:models|export|live|calibration|tests|docs)/[\w./-]*|[\w-]+\.(?:py|cfg))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_backticks_exists(document: Path) -> None:
    places = (ROOT, ROOT / "live")
    named = set(OURS.findall(document.read_text("utf-8")))
    missing = [
        path
        for path in sorted(named)
        if not any((place / path).exists() for place in places) and not list(ROOT.glob(f"*/**/{path}"))
    ]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []
