"""Thumbnails of looks for the library and the cue list: each look renders its own neutral face once.

Runs in a process of its own at the lowest priority, started by the operator's window, and ends by itself:

    python -P -m live.operator.thumbnails CACHE_FOLDER SECONDS +LOOK.onnx -LOOK.onnx ...

A look after + is performed, one after - is only read, and has the thumbnail that the cache has: whoever copies a file
into a show's folder is not to have it run. The system ends the process with a look that computes for longer than
SECONDS, and gives it no more than MAX_MEMORY_BYTES.

It prints one JSON object a line, in the order of the files: file, kind, name, thumbnail (a PNG in the cache, named by
the file's digest, or null), why (it is refused, or has no thumbnail). Imports no Qt, so that it does not slow down the
window's start.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from export.artifact.bad_model import BadModel
from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model, file_digest
from export.runtime.memory_limit import limit_memory_of_runs
from models.command_line import one_line

try:
    import resource
except ModuleNotFoundError:  # Windows has none; whoever started the process ends it when it says nothing
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from models.features.types import Picture

THUMBNAIL_PX = 160
MAX_MEMORY_BYTES = 3 << 30
RUN_S = 50.0
"""By the clock: a busy machine gives the lowest priority little, and what a look computes is limited by the system."""


class Thumbnail(TypedDict):
    """What is known of one file."""

    file: str
    kind: str | None
    name: str
    thumbnail: str | None
    why: str


def make_thumbnail(path: Path, cache: Path, *, perform: bool = True) -> Thumbnail:
    """The look's thumbnail, from the cache or rendered now (about a second on one core), or why there is none. Not
    `perform`: from the cache alone."""
    thumbnail = Thumbnail(file=str(path), kind=None, name=path.stem, thumbnail=None, why="")
    try:
        manifest = check_model(path)
        thumbnail["kind"], thumbnail["name"] = manifest.kind, manifest.name
        if manifest.kind == "look":
            stored = cache / f"{file_digest(path)}.png"
            if perform and not stored.is_file():
                _save(_render_neutral(path, manifest), stored)
            thumbnail["thumbnail"] = str(stored) if stored.is_file() else None
    except BadModel as error:
        thumbnail["why"] = error.what
    except Exception as error:  # No graph, whatever it raises, may keep the other looks from their thumbnails.
        thumbnail["why"] = one_line(f"has no thumbnail: {error}")
    return thumbnail


def _render_neutral(path: Path, manifest: Manifest) -> Picture:
    import numpy as np

    from export.runtime.session import open_session
    from models.features.face_lines import draw_face2face_lines, draw_lines

    if not {"lines", "points"}.issuperset(manifest.reads) or manifest.target is None or manifest.size is None:
        raise ValueError(f"it reads {' and '.join(manifest.reads)}")
    points = np.array(manifest.target.neutral, np.float32)
    size = manifest.size
    session = open_session(path, "cpu", threads=1)
    session.run_limit_s = RUN_S
    feeds = {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
    for name, parameter in manifest.parameters.items():
        if name in feeds:
            feeds[name][...] = parameter.default
    if "points" in feeds:
        feeds["points"][0] = points
    if manifest.lines is not None and "lines" in feeds:
        face2face = manifest.lines.style == "face2face"
        lines = draw_face2face_lines(points, (size, size), size) if face2face else draw_lines(points, size)
        feeds["lines"][0] = lines
    return np.asarray(session.run(**feeds)["picture"][0], np.uint8)


def _save(picture: Picture, path: Path) -> None:
    import cv2
    import numpy as np

    from models.features.media.picture_files import encode_picture

    small = cv2.resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(encode_picture(np.asarray(small, np.uint8), ".png"))
    part.replace(path)


def main(arguments: list[str]) -> int:
    """Prints a line for each file; ends early when the window that started it is gone."""
    if hasattr(os, "nice"):
        os.nice(19)
    limit_memory_of_runs()
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = os.getppid()
    cache, seconds, *looks = arguments
    _limit_memory()
    for look in looks:
        if os.getppid() != parent:
            break
        _limit_time(int(seconds))
        print(json.dumps(make_thumbnail(Path(look[1:]), Path(cache), perform=look[0] == "+")), flush=True)
    return 0


def _limit_memory() -> None:
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def _limit_time(seconds: int) -> None:
    """The process's own computing time from now on, which does not run while others have the machine."""
    if resource is not None:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        end = int(spent.ru_utime + spent.ru_stime) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
