"""The structure of the code: what docs/architecture.md promises and no linter checks."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from tests.bench.structure import (
    LONGEST_FILE,
    PACKAGES,
    ROOT,
    circles,
    classes,
    functions,
    imports,
    long_files,
    relative,
    sources,
    uses,
)

TO_BE_CUT: set[str] = set()
"""Files of more than one concern that are still to be taken apart."""
DRAWINGS = ("live/demo/portrait.py", "live/demo_training/characters/")
"""A drawing is one long description of one thing."""

AT_THE_TOP = {"__init__", "app", "cli", "command_line", "doctor", "verb_arguments"}
"""Modules that may lie in a top-level package itself: its verbs, what they share, and what wires its packages
together."""


def _contracts() -> dict[str, set[str]]:
    """Top-level package -> the packages within it that a layer contract names."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    layered = {}
    for section in config.sections():
        if section.startswith("importlinter:contract:") and config[section]["type"] == "layers":
            layers = config[section]["layers"].replace("|", "\n").split()
            for container in config[section].get("containers", "").split():
                layered[container] = set(layers)
    return layered


ONLY_HERE = {
    "av.open": "models/features/media/containers.py",
    "av.container.open": "models/features/media/containers.py",
    "cv2.imdecode": "models/features/media/picture_files.py",
    "cv2.imencode": "models/features/media/picture_files.py",
    "cv2.imread": "models/features/media/picture_files.py",
    "cv2.imwrite": "models/features/media/picture_files.py",
    "cv2.VideoCapture": "live/picture/sources/webcam.py",
    "soundfile": "models/features/media/sound_files.py",
    "wave": "models/features/media/sound_files.py",
}
"""What one module alone may use, so that a file is opened, read and written in one place; of cameras, devices alone."""


def test_every_module_lies_in_a_package_that_a_contract_names() -> None:
    layered = _contracts()
    assert set(layered) == set(PACKAGES)
    outside = []
    for path in sources(*PACKAGES):
        top, *within = path.relative_to(ROOT).with_suffix("").parts
        named = within[0] in layered[top] if len(within) > 1 else within[0] in AT_THE_TOP
        if not named:
            outside.append(relative(path))
    assert not outside


def test_contracts_name_packages_that_are_there() -> None:
    for top, layers in _contracts().items():
        for layer in layers:
            assert (ROOT / top / layer / "__init__.py").is_file(), f"{top}.{layer}"


def test_no_two_classes_have_one_name() -> None:
    assert {name: files for name, files in classes().items() if len(files) > 1} == {}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    assert circles(imports()) == []


def test_circles_are_found() -> None:
    graph: dict[str, set[str]] = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert [sorted(circle) for circle in circles(graph)] == [["b", "c"]]


def test_media_are_opened_in_one_place() -> None:
    elsewhere = {
        (name, relative(path))
        for path in (*sources(*PACKAGES), ROOT / "guise.py")
        for name in uses(path) & ONLY_HERE.keys()
        if relative(path) != ONLY_HERE[name]
    }
    assert elsewhere == set()


def test_what_a_module_uses_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "from av.container import open\ndef f():\n    import soundfile\n    return cv2.imread('x')\n", "utf-8"
    )
    assert {"av.container.open", "soundfile", "cv2.imread"} <= uses(module)


def test_files_can_be_read_in_one_sitting() -> None:
    long = {file: count for file, count in long_files().items() if not file.startswith(DRAWINGS)}
    assert set(long) <= TO_BE_CUT, f"more than {LONGEST_FILE} lines: {long}"


def test_functions_are_short() -> None:
    lines = [function.lines for function in functions(*PACKAGES)]
    assert lines[len(lines) // 2] <= 6
    assert lines[len(lines) * 9 // 10] <= 20
