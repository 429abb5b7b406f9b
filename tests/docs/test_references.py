"""The references in docs/ against the code that they describe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

import pytest

from live.process import report
from live.process.metrics import Percentiles
from live.show.show_file import VOICE_PRESETS
from live.sound.presets import preset_voices
from tests.bench.structure import ROOT
from tests.docs.make_references import TABLE, made, tables

PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_table_is_stale(page: Path) -> None:
    text = page.read_text("utf-8")
    assert made(text) == text, "run python -m tests.docs.make_references"


def test_every_table_stands_in_a_page() -> None:
    assert {found[2] for page in PAGES for found in TABLE.finditer(page.read_text("utf-8"))} == tables().keys()


def test_a_show_may_name_every_preset() -> None:
    assert set(preset_voices()) == set(VOICE_PRESETS) - {"bypass", "silence"}


REPORT_PAGE = (ROOT / "docs" / "report.md").read_text("utf-8")
PARTS = {
    "version": report.Report,
    "video": report.VideoReport,
    "audio": report.AudioReport,
    "switches": report.SwitchReport,
    "sync": report.SyncReport,
    "faults": report.FaultReport,
    "restarts": report.RestartsReport,
    "start": report.StartReport,
    "percentiles": Percentiles,
}


def _section(part: str) -> set[str]:
    """The keys that the table under this heading names."""
    section = re.search(rf"^## {part}\n(.*?)(?=^## |\Z)", REPORT_PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, part
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section[1], re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("part", PARTS)
def test_every_key_of_the_report_is_told_and_no_other(part: str) -> None:
    heading = "The whole" if part == "version" else f"`{part}`" if part != "percentiles" else "Percentiles"
    assert _section(re.escape(heading)) == get_type_hints(PARTS[part]).keys()


def test_every_part_of_a_report_is_told() -> None:
    told = {form.__name__ for form in PARTS.values()}
    forms = {name for name, form in vars(report).items() if isinstance(form, type) and hasattr(form, "__total__")}
    # What an engine sends and what the audience measures are merged into the others.
    assert forms - {"EngineReport", "PresentedReport"} == told
    assert get_type_hints(report.PresentedReport).keys() <= get_type_hints(report.VideoReport).keys()


def test_the_version_of_the_report_is_told() -> None:
    assert f"version is {report.REPORT_VERSION}." in REPORT_PAGE


def test_stages_are_those_of_the_engine() -> None:
    from live.picture.performance_log import STAGES

    told = re.search(r"^\| `stages` \|.*$", REPORT_PAGE, re.MULTILINE)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[0])) == {"stages", *STAGES}
