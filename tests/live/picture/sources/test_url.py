"""A URL as camera: one that hangs, one that refuses."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from live.picture.sources import source as source_module
from live.picture.sources import url as url_module
from live.picture.sources.registry import open_source
from live.picture.sources.source import Source
from live.picture.sources.url import public_url, without_secrets
from live.process.frames import now

from .conftest import make_movie, until


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


@contextmanager
def slow_server(film: bytes, first_byte_after_s: float) -> Iterator[str]:
    """An HTTP server that keeps whoever asks waiting; the URL carries a password."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(first_byte_after_s)
            with suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Length", str(len(film)))
                self.end_headers()
                self.wfile.write(film)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://admin:s3cret@127.0.0.1:{server.server_address[1]}/cam.mp4?token=t0ken"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_patience_grows_until_a_slow_url_answers(
    tmp_path: Path, started: Callable[[Source], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_module, "FIRST_PATIENCE_S", 0.2)
    monkeypatch.setattr(source_module, "RETRY_S", 0.01)
    film = make_movie(tmp_path / "m.mp4", [number / 30 for number in range(30)]).read_bytes()
    with slow_server(film, 0.7) as url:
        source = started(open_source(url))
        assert until(lambda: source.frames_captured > 0, 20)
        source.close(5)


def test_a_password_is_nowhere(started: Callable[[Source], Source]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"rtsp://admin:s3cret@127.0.0.1:{free.getsockname()[1]}/x?token=t0ken"
    source = started(open_source(url))
    assert until(lambda: bool(source.error))
    shown = f"{source.name} {source.error}"
    assert "127.0.0.1" in shown
    assert not any(secret in shown for secret in ("admin", "s3cret", "t0ken"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:s3cret@cam.local:554/live?user=a", "rtsp://cam.local:554/live"),
        ("http://cam.local/a@b.mp4", "http://cam.local/a@b.mp4"),
        ("rtsp://admin:a/b?c#d@cam.local/x", "rtsp://cam.local/x"),
        ("http://me@[::1]:80/x#y", "http://[::1]:80/x"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("srt://cam:9", "srt://cam:9"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert public_url(url) == shown
    assert without_secrets(f"[Errno 5] I/O error: {url!r}", url) == f"[Errno 5] I/O error: {shown!r}"
