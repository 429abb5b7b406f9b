"""How much memory the models of a show take when they are loaded: read ahead, because a file may be slow to answer."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from live.show.show_file import Cue

_BYTES_IN_MEMORY = 4.6
"""For each byte of a look's file, on the CPU: fp16 weights of 27 MB (ngf 32) take about 125 MB."""


class ModelSizes:
    """`read` takes time; `of` never waits. Any thread."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def read(self, cues: Iterable[Cue]) -> None:
        """Ask the files of these cues' models. Takes as long as the slowest disk."""
        for cue in cues:
            for model in (cue.look, cue.voice):
                if isinstance(model, Path):
                    self._sizes[str(model)] = loaded_size(str(model))

    def read_soon(self, cue: Cue) -> None:
        """The same in a thread of its own."""
        threading.Thread(target=self.read, args=((cue,),), name="model-sizes", daemon=True).start()

    def of(self, model: str) -> int:
        """A rough estimate in bytes; 0 for what is no file, or was not read."""
        return self._sizes.get(model, 0)


def loaded_size(model: str) -> int:
    """The estimate for one model, from its file; waits for the disk."""
    try:
        return int(Path(model).stat().st_size * _BYTES_IN_MEMORY) if model.endswith(".onnx") else 0
    except OSError:
        return 0
