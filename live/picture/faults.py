"""The picture engine's faults: each is sent once until it is resolved, and recorded for the report.

Runs on the picture engine's loop.
"""

from __future__ import annotations

from collections.abc import Callable

from live.process.error_text import typed_error_text
from live.process.messages import Event, Fault, Recovered
from live.process.percentiles import in_ms
from live.process.report import FaultReport


class Faults:
    """Open faults, by where they occur: "camera", "tracker", "look porcelain.onnx"."""

    def __init__(self, send: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._started_at = clock()
        self._open: dict[str, tuple[float, int]] = {}
        self._entries: list[FaultReport] = []

    def fail(self, where: str, what: Exception | str, t_s: float) -> None:
        """Reports a fault, once while it lasts; returns normally."""
        if where in self._open:
            return
        message = what if isinstance(what, str) else typed_error_text(what)
        self._open[where] = t_s, len(self._entries)
        at = in_ms(t_s - self._started_at)
        self._entries.append({"at": at, "where": where, "what": message, "recovered_after": None})
        self._send(Fault(t_s, where, message))

    def resolve(self, where: str) -> None:
        """Reports that `where` works again, if it had failed."""
        if where in self._open:
            since, index = self._open.pop(where)
            t_s = self._clock()
            self._entries[index]["recovered_after"] = in_ms(t_s - since)
            self._send(Recovered(t_s, where, t_s - since))

    def report(self) -> list[FaultReport]:
        """The "faults" part of the report, for the whole run."""
        return list(self._entries)
