"""What a verb was given to read -> the recordings in it: a folder stands for those that lie in it.

What is none is left out with the reason, whoever named it, so that one stray file does not cost the work on all others.
A file is judged by opening it, not by its name; nothing is decoded here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from models.command_line import one_line
from models.features.media.bad_media import BadMedia, NoStream
from models.features.media.containers import open_pictures, open_sound
from models.prepare.data_error import DataError

MediaKind = Literal["pictures", "sound"]

_NO_FILM = ("image2", "tty", "bin", "xbin", "adf", "idf")
"""FFmpeg's formats that give a stream of pictures without being a film: single pictures, and any text. So do all whose
names end with `_pipe`."""
_MOST_NAMED = 3


class LeftOutFile(NamedTuple):
    """A file that is no recording, and why: a part of a sentence."""

    path: Path
    reason: str


class Recordings(NamedTuple):
    """Those that were found, in order, and what was left out."""

    files: tuple[Path, ...]
    left_out: tuple[LeftOutFile, ...] = ()

    def report(self) -> str:
        """One line of what was left out: how many, which, and why; "" when nothing was."""
        return f"left out: {_summary(self.left_out)}" if self.left_out else ""


def recordings_in(paths: Sequence[Path], kind: MediaKind) -> Recordings:
    """The recordings of `paths`, in this order; those of a folder by their names, one level deep.

    Raises DataError with one line: a path that is not there at all, which is a slip of the pen, or nothing that can be
    used.
    """
    files: list[Path] = []
    left_out: list[LeftOutFile] = []
    for path in _files_of(paths):
        reason = why_no_recording(path, kind)
        if reason:
            left_out.append(LeftOutFile(path, reason))
        else:
            files.append(path)
    if not files:
        raise DataError(nothing_left(paths, left_out))
    return Recordings(tuple(files), tuple(left_out))


def nothing_left(paths: Sequence[Path], left_out: Sequence[LeftOutFile]) -> str:
    """The sentence for paths of which nothing can be used."""
    if len(left_out) == 1 and len(paths) == 1 and left_out[0].path == paths[0]:
        return f"{paths[0]}: {left_out[0].reason}"
    names = _listed([str(path) for path in paths])
    return f"{names}: no recording in it ({_summary(left_out)})" if left_out else f"{names}: nothing lies in it"


def shown_name(path: Path) -> str:
    """The file's name for texts and JSON, which hold no name that is not UTF-8."""
    return one_line(path.name)


def why_no_recording(path: Path, kind: MediaKind) -> str:
    """The reason, "" for a recording. Opens the file."""
    try:
        if path.name.startswith("."):
            return "a hidden file"
        if path.is_dir():
            return "a folder in a folder: name it itself"
        if not path.exists():
            return "a link to nothing"
        if not path.is_file():
            return "no file, but a device or a pipe"
        if path.stat().st_size == 0:
            return "empty"
        return _why_not_opened(path, kind)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _why_not_opened(path: Path, kind: MediaKind) -> str:
    try:
        container, _ = open_pictures(path) if kind == "pictures" else open_sound(path)
    except NoStream:
        missing = "picture in it" if kind == "pictures" else "sound: is it a silent movie, or a picture?"
        return f"it has no {missing}"
    except BadMedia:
        return "it is not a recording or movie that can be read"
    with container:
        formats = container.format.name.split(",")
    is_film = kind == "sound" or not any(name in _NO_FILM or name.endswith("_pipe") for name in formats)
    return "" if is_film else "a single picture or a text, and no film"


def _files_of(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not os.path.lexists(path):
            raise DataError(f"{path}: there is no such file or folder")
        if path.is_dir():
            try:
                yield from sorted(path.iterdir())
            except OSError as error:
                raise DataError(f"{path}: the folder cannot be read ({error.strerror or error})") from error
        else:
            yield path


def summary_of_files(left_out: Sequence[tuple[str, str]]) -> str:
    """Of (name, reason): `4 files: a.jpg, b.jpg, c.jpg and 1 more (it has no picture in it); d.mp4 (empty)`."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out:
        by_reason.setdefault(reason, []).append(name)
    parts = [f"{_listed(names)} ({reason})" for reason, names in by_reason.items()]
    return f"{len(left_out)} file{'s' if len(left_out) > 1 else ''}: {'; '.join(parts)}"


def _summary(left_out: Sequence[LeftOutFile]) -> str:
    return summary_of_files([(shown_name(path), reason) for path, reason in left_out])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (
        f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    )
