"""Whoever does what a page docs/adding-a-*.md says has a family, an output, a control or a source that works."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from export.runtime.session import open_session
from models.features.media.bad_media import BadMedia
from models.features.media.picture_files import read_picture_file
from tests.additions.page import Page, copy_project
from tests.models.face_folders import write_face

PAGES = ("adding-a-family.md", "adding-an-output.md", "adding-a-control.md", "adding-a-source.md")
LIMIT_S = 120
"""After so long something hangs, however busy the machine is."""
SHOW = '[[cue]]\nname = "first"\nlook = "bypass"\n[[cue]]\nname = "second"\nlook = "bypass"\n'
SILENT = ("live", "show.toml", "--headless", "--mic", "none", "--speaker", "none", "--provider", "cpu")
LIVE = (*SILENT, "--seconds", "100")
"""It ends by itself where what is waited for never comes."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = copy_project(tmp_path / "project")
    (made / "show.toml").write_text(SHOW)
    return made


VERBS = "import sys, guise; [guise.main(verb.split()) and sys.exit(verb) for verb in sys.argv[1:]]"
"""One process for several verbs: torch is imported once."""


@contextmanager
def started(tree: Path, *words: str, program: tuple[str, ...] = ("-m", "guise")) -> Iterator[subprocess.Popen[str]]:
    """`guise` of this copy of the project and of no other."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        [sys.executable, *program, *words],
        cwd=tree,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # nothing where it has ended, as it has unless the test fails


def run(tree: Path, *words: str, program: tuple[str, ...] = ("-m", "guise")) -> str:
    """What it says; it must succeed."""
    with started(tree, *words, program=program) as process:
        said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    return said


def end(process: subprocess.Popen[str]) -> str:
    """Ends a show as Ctrl-C does; what it said since it was read last."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    return said


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < limit
        time.sleep(0.02)


def shows_the_performer(still: Path) -> bool:
    """And not the safe picture, which is black; False for a file that is not whole yet."""
    try:
        picture = read_picture_file(still)
    except BadMedia:
        return False
    return picture.shape == (480, 640, 3) and picture.std() > 10


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_one_file_that_fits_the_house_and_one_line(name: str, tree: Path) -> None:
    page = Page(name)
    assert len(page.files) == len(page.added_lines) == 1
    page.carry_out(tree)
    changed = [*page.files, *(path for path, _ in page.diffs)]
    for check in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, *changed], cwd=tree, check=True)


def test_what_the_page_shows_of_a_registry_must_be_there(tree: Path) -> None:
    registry = tree / "live" / "outputs" / "registry.py"
    registry.write_text(registry.read_text().replace('"recorder"', '"tape"'))
    with pytest.raises(AssertionError, match="does not have once"):
        Page("adding-an-output.md").carry_out(tree)


def test_a_family_is_trained_exported_inspected_and_performs(tree: Path) -> None:
    Page("adding-a-family.md").carry_out(tree)
    write_face(tree / "data", 64)
    said = run(
        tree,
        "train two_layers data --out run --steps 5 --set size=64 --set batch=2",
        "export run --out look.onnx --subject fictional",
        "inspect look.onnx",
        program=("-c", VERBS),
    )
    assert re.search(r"family +two_layers", said)
    lines = np.zeros((1, 64, 64, 3), np.uint8)
    lines[:, 20:40] = 255
    with open_session(tree / "look.onnx", "cpu") as session:
        picture = session.run(lines=lines)["picture"]
    assert (picture.shape, picture.dtype) == (lines.shape, np.uint8)
    assert len(np.unique(picture)) > 1


def test_an_output_gets_what_the_audience_sees(tree: Path) -> None:
    Page("adding-an-output.md").carry_out(tree)
    (tree / "stills").mkdir()
    with started(tree, *LIVE, "--camera", "demo", "--output", "stills=stills", "--report", "report.json") as show:
        until(lambda: any(shows_the_performer(still) for still in (tree / "stills").glob("*.png")), show)
        end(show)
    assert json.loads((tree / "report.json").read_text())["faults"] == []


def test_an_output_is_refused_before_anything_starts(tree: Path) -> None:
    Page("adding-an-output.md").carry_out(tree)
    with started(tree, *LIVE, "--output", "stills=nowhere") as process:
        said, _ = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (
        2,
        "guise: --output stills=nowhere: expected a folder that is there: stills=FOLDER\n",
    )


def test_an_output_that_fails_is_a_fault_and_the_show_goes_on(tree: Path) -> None:
    Page("adding-an-output.md").carry_out(tree)
    (tree / "stills").mkdir()
    with started(tree, *LIVE, "--camera", "none", "--output", "stills=stills", "--report", "report.json") as show:
        until(lambda: list((tree / "stills").glob("*.png")), show)
        (tree / "stills").rename(tree / "elsewhere")
        assert show.stdout is not None
        assert any("output stills: FileNotFoundError" in line for line in show.stdout)
        end(show)
    (fault,) = json.loads((tree / "report.json").read_text())["faults"]
    assert fault["where"] == "output stills"


def test_a_control_fires_go_without_windows(tree: Path) -> None:
    Page("adding-a-control.md").carry_out(tree)
    with started(tree, *LIVE, "--camera", "none", "--report", "report.json") as show:
        assert show.stdin is not None
        assert show.stdout is not None
        assert any("  first" in line for line in show.stdout)
        show.stdin.write("go mute stage_mirror dance\n")
        show.stdin.flush()
        said = [next(show.stdout).strip() for _ in range(4)]
        assert any("  second" in line for line in show.stdout)
        end(show)
    assert said == [
        "go: done",
        "mute: done",
        "stage_mirror: stage_mirror needs the operator's window",
        "dance: there is no action dance",
    ]
    report = json.loads((tree / "report.json").read_text())
    assert [switch["cue"] for switch in report["switches"]] == ["first", "second"]
    assert report["faults"] == []


def test_a_sources_pictures_reach_the_stage(tree: Path) -> None:
    Page("adding-a-source.md").carry_out(tree)
    run(tree, *SILENT, "--camera", "bars", "--seconds", "1", "--record", "out.mp4")
    with av.open(str(tree / "out.mp4")) as movie:
        picture = next(movie.decode(video=0)).to_ndarray(format="rgb24")
    row = picture[240].astype(int)
    seen = {tuple(bool(part) for part in pixel > 127) for pixel in row[(abs(row - 127) > 100).all(axis=1)]}
    assert len(seen) == 8, "white, yellow, cyan, green, magenta, red, blue and black"
