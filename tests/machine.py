"""What a busy machine takes from a test, so that the test may judge the rest."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import numpy as np

EVERY_S = 0.002


class Machine:
    """While it is entered, a thread that does nothing asks to be woken again and again: what it is late by was lost by
    everybody."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._late: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._watch, name="machine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        asked = time.perf_counter()
        while not self._over.wait(EVERY_S):
            woken = time.perf_counter()
            self._late.append((asked, woken - asked - EVERY_S))
            asked = woken

    def worst_s(self, begin: float = float("-inf"), end: float = float("inf")) -> float:
        """The longest standstill that touches this stretch of perf_counter's time."""
        return max((late for at, late in self._late if at + EVERY_S + late >= begin and at <= end), default=0.0)

    def late_s(self, percent: float = 95) -> float:
        """So many percent of all wakings were not later."""
        return float(np.percentile([late for _, late in self._late], percent)) if self._late else 0.0

    @property
    def lost_s(self) -> float:
        """All in all."""
        return sum(late for _, late in self._late)
