"""What a page about an addition tells to do: a new file, and a line more in a registry.

```python live/outputs/stills.py        the file, complete
```diff live/outputs/registry.py        lines that are there, and with "+" the line to add
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.bench.structure import PACKAGES, ROOT

_BLOCK = re.compile(r"^```(python|diff) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINKED = {".onnx", ".safetensors", ".npz", ".flac"}
"""Files too large to copy; nobody changes them."""


class Page:
    """A page in docs/."""

    def __init__(self, name: str) -> None:
        blocks = _BLOCK.findall((ROOT / "docs" / name).read_text("utf-8"))
        self.files = {path: text for kind, path, text in blocks if kind == "python"}
        self.diffs = [(path, text.splitlines()) for kind, path, text in blocks if kind == "diff"]

    @property
    def added_lines(self) -> list[str]:
        """What it adds to files that are there."""
        return [line[1:] for _, lines in self.diffs for line in lines if line.startswith("+")]

    def carry_out(self, tree: Path) -> None:
        """Does in a copy of the project what the page says."""
        for path, text in self.files.items():
            assert not (tree / path).exists(), f"{path} is there already"
            (tree / path).write_text(text, "utf-8")
        for path, lines in self.diffs:
            before = "".join(f"{line[1:]}\n" for line in lines if line.startswith(" "))
            after = "".join(f"{line[1:]}\n" for line in lines)
            text = (tree / path).read_text("utf-8")
            assert text.count(before) == 1, f"{path} does not have once what the page shows of it"
            (tree / path).write_text(text.replace(before, after), "utf-8")


def copy_project(tree: Path) -> Path:
    """The project without its tests and documentation, in `tree`."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, copy_function=_copy)
    for file in ("guise.py", "ruff.toml"):
        shutil.copy2(ROOT / file, tree / file)
    return tree


def _copy(source: str, target: str) -> None:
    if Path(source).suffix in _LINKED:
        Path(target).symlink_to(source)
    else:
        shutil.copy2(source, target)
