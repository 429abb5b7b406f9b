"""The web server of a listening test, on this machine only: the standard library's server, and nothing from elsewhere.

It serves a page, the sounds of the test by ids that it issued itself, and takes rankings; no path of a request is ever
a path on the disk. `serve` runs in the calling thread until Ctrl-C; each connection has a thread, joined at the end.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from calibration.listening.page import PAGE
from calibration.listening.trials import ListeningTest

_MAX_BODY_BYTES = 10_000
_IDLE_S = 2
"""A browser opens connections ahead and sends nothing on them: they must not delay the end."""


class ListeningServer(ThreadingHTTPServer):
    """On a free port of 127.0.0.1. Close it with server_close()."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, test: ListeningTest, question: str) -> None:
        """Raises OSError."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.test, self.question = test, question
        self.hosts = {f"{name}:{self.server_address[1]}" for name in ("127.0.0.1", "localhost")}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A listener who closes the page while it is sent is no error."""


def serve(test: ListeningTest, question: str, opened: Callable[[str], None]) -> None:
    """Until Ctrl-C; `opened` is called with the page's address. Raises OSError."""
    with ListeningServer(test, question) as server:
        opened(server.url)
        try:
            server.serve_forever(0.2)
        except KeyboardInterrupt:
            return


class _Handler(BaseHTTPRequestHandler):
    server: ListeningServer
    timeout = _IDLE_S

    def do_GET(self) -> None:
        kind, _, identity = self.path.lstrip("/").partition("/")
        if not self._is_same_origin():
            self._respond(HTTPStatus.FORBIDDEN)
        elif self.path == "/":
            self._respond(HTTPStatus.SEE_OTHER, location=f"/listener/{self.server.test.add_listener()}")
        elif kind == "listener" and self.server.test.listener(identity) is None:
            self._respond(HTTPStatus.SEE_OTHER, location="/")  # of a test that ended: a new listener
        elif kind == "listener":
            self._send_page(identity)
        elif kind == "sound" and (sound := self.server.test.wav(identity)) is not None:
            self._respond(HTTPStatus.OK, sound, "audio/wav")
        else:
            self._respond(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """The ranking of a trial. A page of another site can neither know a listener nor send this type without being
        asked."""
        kind, _, identity = self.path.lstrip("/").partition("/")
        length = self.headers.get("Content-Length", "")
        if not self._is_same_origin() or self.headers.get("Content-Type") != "application/json":
            self._respond(HTTPStatus.FORBIDDEN)
        elif kind != "rank" or not re.fullmatch("[0-9]{1,6}", length) or int(length) > _MAX_BODY_BYTES:
            self._respond(HTTPStatus.BAD_REQUEST)
        else:
            self._save_ranking(identity, self.rfile.read(int(length)))

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""

    def _is_same_origin(self) -> bool:
        """Requested at this address, by a page of ours: not by a foreign name that was made to point here."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        return (
            self.headers.get("Host") in self.server.hosts
            and (origin is None or origin.removeprefix("http://") in self.server.hosts)
            # A picture or a link in a foreign page sends no Origin; every browser of today says whose page asks.
            and site in (None, "same-origin", "none")
        )

    def _send_page(self, identity: str) -> None:
        listener = self.server.test.listener(identity)
        assert listener is not None
        page_data = {
            "listener": identity,
            "question": self.server.question,
            "trials": [trial.sounds for trial in listener.trials],
            "ranked": listener.ranked,
        }
        # "</script>" in a question would end the script.
        page_json = json.dumps(page_data).replace("<", "\\u003c")
        nonce = secrets.token_hex(16)
        page = PAGE.replace("NONCE", nonce).replace("DATA", page_json)
        self._respond(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8", nonce=nonce)

    def _save_ranking(self, identity: str, body: bytes) -> None:
        try:
            ranking = json.loads(body)
            number, order = ranking["trial"], ranking["best_first"]
            if type(number) is not int or not all(isinstance(sound, str) for sound in order):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._respond(HTTPStatus.BAD_REQUEST)
        try:
            saved = self.server.test.save_ranking(identity, number, list(order))
        except OSError:
            return self._respond(HTTPStatus.INSUFFICIENT_STORAGE)
        return self._respond(HTTPStatus.NO_CONTENT if saved else HTTPStatus.CONFLICT)

    def _respond(
        self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain", *, location: str = "", nonce: str = ""
    ) -> None:
        self.send_response(status)
        script = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; " if nonce else ""
        policy = (
            f"default-src 'none'; {script}img-src data:; connect-src 'self'; media-src blob:; frame-ancestors 'none'"
        )
        for name, value in (
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)
