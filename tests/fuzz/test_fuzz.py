"""Ten thousand shows and frozen models, hundreds of media files: refused in one line or taken, in time and in bounds.

make slow
pytest -m slow tests/fuzz -s --fuzz-seed 7 --fuzz-shows 100000      any number, any seed
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import run_campaign


def _check(entry: str, seed: int, count: int, folder: Path, **options: float) -> None:
    result = run_campaign(entry, seed, count, folder, **options)  # type: ignore[arg-type]
    print(f"\n{entry}, seed {seed}: {result}")
    assert result.findings == []


@pytest.mark.slow
def test_shows(fuzz_seed: int, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    _check("tests.fuzz.random_shows:read_one", fuzz_seed, pytestconfig.getoption("fuzz_shows"), tmp_path)


@pytest.mark.slow
def test_frozen_models_are_checked(fuzz_seed: int, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    _check("tests.fuzz.random_models:check_one", fuzz_seed, pytestconfig.getoption("fuzz_models"), tmp_path)


LOAD_S = 15.0
"""A loader gives up after ten seconds; what was told to stop has a moment more."""


@pytest.mark.slow
def test_frozen_models_are_loaded(fuzz_seed: int, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    _check(
        "tests.fuzz.random_loads:load_one", fuzz_seed, pytestconfig.getoption("fuzz_loads"), tmp_path, max_item_s=LOAD_S
    )


VERBS_S = 600.0
"""All verbs on one file; each is watched by itself."""


@pytest.mark.slow
def test_media_through_every_verb(fuzz_seed: int, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    count = pytestconfig.getoption("fuzz_verbs")
    _check("tests.fuzz.random_verbs:run_all", fuzz_seed, count, tmp_path, max_item_s=VERBS_S)


MADE_S = 90.0
"""ffmpeg makes a file in a second, or tries twenty times; the reading alone is held to ten."""


@pytest.mark.slow
def test_media_are_opened(fuzz_seed: int, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    count = pytestconfig.getoption("fuzz_media")
    _check("tests.fuzz.random_openings:open_one", fuzz_seed, count, tmp_path, max_item_s=MADE_S)
