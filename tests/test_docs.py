"""The documentation's paths and code names: whoever follows one finds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bench.structure import ROOT
from tests.docs.code_names import CodeName, code_names, exists

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
OURS = re.compile(r"`((?:models|export|live|calibration|tests|docs)/[\w./-]*|[\w-]+\.(?:py|cfg))`")
PLACES = (ROOT, ROOT / "live")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_backticks_exists(document: Path) -> None:
    named = set(OURS.findall(document.read_text("utf-8")))
    assert [path for path in sorted(named) if not _found(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    told = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", told)
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_code_name_after_its_file_is_defined_there(document: Path) -> None:
    stated = sorted(set(code_names(document.read_text("utf-8"))))
    assert [name for name in stated if not _is_defined(name)] == []


def test_every_answer_of_the_architecture_names_a_function() -> None:
    """A question of "Where is" that lost its notation would be checked by nobody."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    answers = re.findall(r"^\| (.+\?) \| (.+) \|$", page.partition("\n## Where is")[2], re.MULTILINE)
    assert len(answers) >= 15
    assert [question for question, answer in answers if not list(code_names(answer)) and "](" not in answer] == []


def test_code_names_are_found_in_a_page() -> None:
    page = "`a/b.py` `One`, `Two.three`, `c.py`, `not_this`; `d.py`: `nor_this`\n| `e/f.py` `go` | `other` |"
    assert list(code_names(page)) == [("a/b.py", "One"), ("a/b.py", "Two.three"), ("e/f.py", "go")]


@pytest.mark.parametrize("name", ["Transition", "Transition.perform", "Transition._old", "BUDGET_SHARE"])
def test_a_name_is_missed_once_it_is_renamed(name: str, tmp_path: Path) -> None:
    source = (ROOT / "live/picture/transition.py").read_text("utf-8")
    renamed = tmp_path / "transition.py"
    renamed.write_text(re.sub(rf"\b{name.rpartition('.')[2]}\b", "other", source), "utf-8")
    assert exists(ROOT / "live/picture/transition.py", name)
    assert not exists(renamed, name)


def test_hooks_before_a_commit_download_nothing() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"- repo: (.*)", hooks) == ["local"]
    assert set(re.findall(r"language: (.*)", hooks)) == {"system"}
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert recipe is not None
    for command in re.findall(r"entry: \.venv/bin/(.*?)(?: --check)?\n", hooks):
        assert f"$(BIN)/{command}" in recipe[1]


def test_a_public_forge_runs_what_every_machine_runs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "check.yml").read_text("utf-8")
    assert "run: .ci/run\n" in workflow
    assert 'GUISE_DATA_REQUIRED: ""' in workflow


def _found(path: str) -> Path | None:
    for place in PLACES:
        if (place / path).exists():
            return place / path
    return next(iter(sorted(ROOT.glob(f"*/**/{path}"))), None)


def _is_defined(stated: CodeName) -> bool:
    file = _found(stated.file)
    return file is not None and exists(file, stated.name)
