"""A new file's name: never one that is there."""

import os
from pathlib import Path

import pytest

from live.process.unused_path import unused_path


def test_a_name_that_is_free_is_kept(tmp_path: Path) -> None:
    assert unused_path(tmp_path / "evening.mp4") == tmp_path / "evening.mp4"


def test_files_that_are_there_are_counted_past(tmp_path: Path) -> None:
    for name in ("evening.mp4", "evening-2.mp4"):
        (tmp_path / name).write_bytes(b"")
    assert unused_path(tmp_path / "evening.mp4") == tmp_path / "evening-3.mp4"


def test_a_link_to_nothing_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "evening.mp4").symlink_to(tmp_path / "elsewhere")
    assert unused_path(tmp_path / "evening.mp4") == tmp_path / "evening-2.mp4"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "evening.mp4")
    with pytest.raises(OSError, match="expected a file's name"):
        unused_path(tmp_path / "evening.mp4")
