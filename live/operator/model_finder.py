"""Finds the models that the window lists, in a thread of its own. Belongs to the Qt thread.

A show may lie on a disk that does not answer: to list its folder, or to ask where a link leads, would hold the window,
and the audience would see the safe picture.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from PyQt5.QtCore import QObject, Qt, pyqtSignal


@dataclass(frozen=True, slots=True)
class FoundModels:
    """What was found, each file by its real path.

    named_looks: those of `looks` that the show names. real: where each path that the show names leads to. folder: the
    show's.
    """

    looks: Sequence[Path] = ()
    named_looks: frozenset[Path] = frozenset()
    voices: Sequence[Path] = ()
    real: Mapping[Path, Path] = field(default_factory=dict)
    folder: Path | None = None


class ModelFinder(QObject):
    """`find` again and again; `found` has the answer to the newest."""

    found = pyqtSignal(object)
    """FoundModels."""
    _searched = pyqtSignal(int, object)

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0
        self._searched.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def find(self, folder: Path | None, others: Sequence[Path], looks: Sequence[Path], voices: Sequence[Path]) -> None:
        """
        Args:
            folder: the show's, None for a show without a file.
            others: more folders with looks or voices.
            looks, voices: those that the show names.
        """
        self._asked += 1
        arguments = (self._asked, folder, others, looks, voices)
        threading.Thread(target=self._search, args=arguments, name="model-finder", daemon=True).start()

    def _search(
        self, asked: int, folder: Path | None, others: Sequence[Path], looks: Sequence[Path], voices: Sequence[Path]
    ) -> None:
        """In the thread."""
        folders = [*([] if folder is None else [folder]), *others]
        real = {path: path.resolve() for path in (*looks, *voices)}
        found = FoundModels(
            find_looks(folders, looks),
            frozenset(real[look] for look in looks),
            find_voices(folders, voices),
            real,
            None if folder is None else folder.resolve(),
        )
        with suppress(RuntimeError):  # the window has been deleted meanwhile
            self._searched.emit(asked, found)

    def _take(self, asked: int, found: FoundModels) -> None:
        if asked == self._asked:
            self.found.emit(found)


def find_looks(folders: Iterable[Path], named: Iterable[Path]) -> list[Path]:
    """The frozen models in these folders and in their `looks`, then those that `named` adds, each once. Not recursive,
    because a show may be in a home directory."""
    return _find([searched for folder in folders for searched in (folder / "looks", folder)], named)


def find_voices(folders: Iterable[Path], named: Iterable[Path]) -> list[Path]:
    """The learned voices in the `voices` of these folders, then those that `named` adds, each once."""
    return _find([folder / "voices" for folder in folders], named)


def _find(folders: Iterable[Path], named: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for folder in folders:
        with suppress(OSError):
            files += sorted(folder.glob("*.onnx"))
    # A pipe has a name, too.
    return list(dict.fromkeys(file.resolve() for file in [*files, *named] if file.is_file()))
