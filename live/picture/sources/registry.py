"""The kinds of source, one line each. A new kind is a file beside this one with a subclass of Source, and a line in
SOURCES.

Runs in the thread that opens the source: the picture engine's loop, or a caller's of its own.
"""

from __future__ import annotations

from live.picture.sources.demo import DemoSource
from live.picture.sources.movie_file import MovieFile
from live.picture.sources.none import NoSource
from live.picture.sources.source import Source, SourceOptions
from live.picture.sources.url import UrlSource
from live.picture.sources.webcam import Webcam

SOURCES: tuple[type[Source], ...] = (
    NoSource,
    DemoSource,
    UrlSource,
    MovieFile,
    Webcam,
)
"""Asked in this order; the first one that accepts a name opens it. Webcam accepts every name, so it is last."""


def open_source(spec: str, options: SourceOptions | None = None) -> Source:
    """The source that `spec` names: a webcam's index or name, a file, a URL, `demo` or `none`; not started yet.

    Raises BadSource for a file that is missing or no video. A device or URL that is not there is not an error: opening
    it is retried.
    """
    kind = next(kind for kind in SOURCES if kind.accepts(spec))
    return kind.from_spec(spec, options or SourceOptions())
