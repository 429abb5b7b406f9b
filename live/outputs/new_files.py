"""The files that a show is to write: each its own, and none that is there already. For the main thread, before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import overload

from live.outputs.output import BadOutput
from live.process.unused_path import unused_path


class NewFiles:
    """Gives each file its name, one after another."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` is told a sentence for each file that gets another name."""
        self._say = say
        self._asked: set[Path] = set()

    @overload
    def add(self, option: str, path: Path, *, numbered: bool = True) -> Path: ...
    @overload
    def add(self, option: str, path: Path | None, *, numbered: bool = True) -> Path | None: ...
    def add(self, option: str, path: Path | None, *, numbered: bool = True) -> Path | None:
        """The name for what is to be written to `path`: the same, or unless `numbered` is False the next number.

        `option` is what stands before it on the command line, with its blank. Raises BadOutput where it is no file, or
        was asked for before.
        """
        if path is None:
            return None
        if path.absolute() in self._asked:
            asked = f"{option}{path}"
            raise BadOutput(f"{asked}: is asked for twice")
        self._asked.add(path.absolute())
        if not numbered:
            return path
        try:
            unused = unused_path(path)
        except OSError as error:
            raise BadOutput(f"{option}{error}") from None
        if unused != path:
            self._say(f"{option}{path}: is there already; this goes to {unused}")
        return unused
