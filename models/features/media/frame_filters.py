"""FFmpeg's filters for frames that are not ordinary: interlaced ones, and those whose colours need a table.

A filter belongs to the thread that uses it. Frames keep their times.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from models.features.media.colour import WideColour, cube_text

WIDE_FORMAT = "gbrp10le"
"""The pixel format of a ColourTable: deep enough for high dynamic range."""


class ColourTable:
    """Frames in WIDE_FORMAT with wide colours -> the same in BT.709."""

    def __init__(self, size: tuple[int, int], wide: WideColour) -> None:
        with TemporaryDirectory() as folder:  # FFmpeg takes a table only as a file; it is read at once
            file = Path(folder) / "table.cube"
            file.write_text(cube_text(wide), "ascii")
            self._graph = _graph(size, WIDE_FORMAT, Fraction(1, 1000), "lut3d", file=str(file))

    def apply(self, frame: VideoFrame) -> VideoFrame:
        self._graph.vpush(frame)
        return self._graph.vpull()


class Deinterlacer:
    """Frames in order -> the same frames with full lines, one for each, one frame late; progressive ones untouched."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None

    def through(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """What is ready. Until the first interlaced frame that is the frame itself, at once."""
        form = frame.width, frame.height, frame.format.name
        if self._form not in (None, form):
            yield from self.rest()
        if self._graph is None:
            if not frame.interlaced_frame:
                yield frame
                return
            options = {"mode": "send_frame", "deint": "interlaced"}
            self._graph = _graph(form[:2], form[2], frame.time_base or Fraction(1, 1000), "bwdif", **options)
            self._form = form
        self._graph.vpush(frame)
        yield from _pulled(self._graph)

    def rest(self) -> Iterator[VideoFrame]:
        """The frames that wait for a next one; afterwards it begins anew."""
        graph, self._graph, self._form = self._graph, None, None
        if graph is not None:
            graph.vpush(None)
            yield from _pulled(graph)


def _graph(size: tuple[int, int], pixel_format: str, time_base: Fraction, name: str, **options: str) -> Graph:
    """A graph of one filter."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=size[0], height=size[1], format=av.VideoFormat(pixel_format), time_base=time_base)
    graph.link_nodes(source, graph.add(name, **options), graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, EOFError):
            return
