"""How the code is cut: function lengths, long files, classes of one name, circles of imports.

    python -m tests.bench.structure

Reads the source as text; imports nothing of it. tests/test_structure.py holds what must not get worse.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("models", "export", "live", "calibration")
LONGEST_FILE = 450


class Function(NamedTuple):
    """One function or method and its length in lines, its decorators left out."""

    file: str
    name: str
    lines: int


def sources(*folders: str) -> Iterator[Path]:
    """The Python files of some of the top level's folders."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    """A path as the project's own files write it."""
    return path.relative_to(ROOT).as_posix()


def functions(*folders: str) -> list[Function]:
    """Every function in these folders, the shortest first."""
    found = [
        Function(relative(path), node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in sources(*folders)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(found, key=lambda function: function.lines)


def classes() -> dict[str, list[str]]:
    """Class name -> the files that define one of that name."""
    found = defaultdict(list)
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(relative(path))
    return dict(found)


def long_files() -> dict[str, int]:
    """File -> lines, for the files above LONGEST_FILE, tests included."""
    lines = {relative(path): len(path.read_text("utf-8").splitlines()) for path in sources(*PACKAGES, "tests")}
    return {file: count for file, count in lines.items() if count > LONGEST_FILE}


def imports() -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports, wherever in the file, but for type checking alone."""
    modules = {_module(path): path for path in sources(*PACKAGES)}
    return {module: set(_imported(ast.parse(path.read_text("utf-8")), modules)) for module, path in modules.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan's strongly connected components of more than one)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(stack[at:])
            del stack[at:]

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


def uses(path: Path) -> set[str]:
    """Dotted names that a file reads or imports, such as `av.open`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def _module(path: Path) -> str:
    return relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(tree: ast.AST, modules: dict[str, Path]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield from [whole] if whole in modules else [node.module] if node.module in modules else []
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in modules)
        else:
            yield from _imported(node, modules)


def main() -> None:
    """Prints it."""
    found = functions(*PACKAGES)
    median, p90 = (found[round(share * (len(found) - 1))].lines for share in (0.5, 0.9))
    print(f"{len(found)} functions: median {median} lines, 90th percentile {p90}")
    for function in found[-5:][::-1]:
        print(f"  {function.lines:4} {function.file} {function.name}")
    print(f"files above {LONGEST_FILE} lines:")
    for file, count in sorted(long_files().items(), key=lambda entry: -entry[1]):
        print(f"  {count:4} {file}")
    twice = {name: files for name, files in classes().items() if len(files) > 1}
    print(f"classes of one name: {twice or 'none'}")
    print(f"circles of imports: {circles(imports()) or 'none'}")


if __name__ == "__main__":
    main()
