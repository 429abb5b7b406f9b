"""docs/troubleshooting.md against the source: every sentence is there, and every refusal of the source is here."""

from __future__ import annotations

import re

from tests.bench.structure import ROOT
from tests.docs.refusals import REFUSING, refusals, texts

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = re.findall(r"^\| (`+)(.+?)\1 \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
SENTENCES = {sentence.strip() for _, sentence, _, _ in ROWS}


def test_every_sentence_is_one_of_the_source() -> None:
    of_source = {refusal.sentence for refusal in refusals()} | texts()
    assert sorted(SENTENCES - of_source) == []


def test_every_refusal_of_the_source_has_its_row() -> None:
    missing = {f"{refusal.file}: {refusal.sentence}" for refusal in refusals() if refusal.sentence not in SENTENCES}
    assert sorted(missing) == []


def test_every_sentence_has_a_cause_and_a_cure() -> None:
    assert [sentence for _, sentence, cause, cure in ROWS if not (cause.strip() and cure.strip())] == []


def test_refusals_are_found() -> None:
    assert len(refusals()) > 200
    assert REFUSING.fullmatch("BadModel")
    assert not REFUSING.fullmatch("ValueError")
