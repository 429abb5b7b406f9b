"""The kinds of source, one line each. A new kind is a file beside this one with a subclass of Source, and a line in
SOURCES.

Runs in the thread that opens the source: the picture engine's loop, or a caller's of its own.
"""

from __future__ import annotations

from importlib import import_module

from live.picture.sources.source import Source, SourceOptions

SOURCES = (
    "live.picture.sources.none:NoSource",
    "live.picture.sources.demo:DemoSource",
    "live.picture.sources.url:UrlSource",
    "live.picture.sources.movie_file:MovieFile",
    "live.picture.sources.webcam:Webcam",
)
""""module:class", asked in this order; the first one that accepts a name opens it. Webcam accepts every name, so it is
last."""


def source_class(place: str) -> type[Source]:
    """The class that a line of SOURCES names."""
    module, _, class_name = place.partition(":")
    found: type[Source] = getattr(import_module(module), class_name)
    return found


def open_source(spec: str, options: SourceOptions | None = None) -> Source:
    """The source that `spec` names: a webcam's index or name, a file, a URL, `demo` or `none`; not started yet.

    Raises BadSource for a file that is missing or no video. A device or URL that is not there is not an error: opening
    it is retried.
    """
    kind = next(kind for kind in map(source_class, SOURCES) if kind.accepts(spec))
    return kind.from_spec(spec, options or SourceOptions())
