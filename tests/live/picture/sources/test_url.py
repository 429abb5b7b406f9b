"""A URL as camera: one that hangs, one that refuses."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from live.picture.sources.registry import open_source
from live.picture.sources.source import Source
from live.process.frames import now

from .conftest import until


def test_a_url_that_hangs_hangs_nobody() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        source = open_source(f"http://127.0.0.1:{server.getsockname()[1]}/never.mp4")
        source.start()
        time.sleep(0.1)
        assert source.mailbox.take() is None
        assert source.gone
        began = now()
        source.close(0.2)
        assert now() - began < 1.5, "it gives up after three seconds"


def test_a_url_that_refuses_is_tried_again(started: Callable[[Source], Source]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/cam"
    source = started(open_source(url))
    assert until(lambda: bool(source.error))
    assert source.gone
    assert source.frames_captured == 0
