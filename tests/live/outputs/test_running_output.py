"""An output in a show: what it is handed, and what becomes of its failures."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from live.manage.stage_manager import StageManager
from live.outputs.running_output import RunningOutput
from live.process.frames import now
from live.process.messages import AudioChunk
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from tests.live.manage.conditions import until


class Collector:
    """Keeps what it gets, and fails where it is told to."""

    def __init__(self, fails_in: str = "") -> None:
        self.fails_in = fails_in
        self.calls: list[str] = []
        self.opened_with: tuple[object, ...] = ()

    def _do(self, what: str) -> None:
        self.calls.append(what)
        if what == self.fails_in:
            raise OSError("the cable is out")

    def open(self, sample_rate: int | None, note: Callable[[str], None]) -> None:
        self.opened_with = sample_rate, note
        self._do("open")

    def put_picture(self, picture: SharedPicture) -> None:
        self._do("picture")

    def put_audio(self, chunk: AudioChunk) -> None:
        self._do("audio")

    def close(self) -> None:
        self._do("close")


def picture() -> SharedPicture:
    return SharedPicture(np.zeros((4, 6, 3), np.uint8), FrameKind.GENERATED, now(), now(), 1)


def perform(manager: StageManager, output: Collector) -> list[str]:
    """Opens it, hands it two pictures and two chunks, closes it; its calls."""
    running = RunningOutput("collector", output, manager)  # type: ignore[arg-type]
    running.open(48_000)
    for _ in range(2):
        manager.audience._publish(picture(), made_here=False)
        manager._events.audio.call(AudioChunk(0.0, b"", 48_000))
    running.close()
    manager.audience._publish(picture(), made_here=False)
    manager._events.audio.call(AudioChunk(0.0, b"", 48_000))
    return output.calls


def test_it_takes_pictures_and_sound_from_open_to_close(manager: StageManager) -> None:
    output = Collector()
    assert perform(manager, output) == ["open", "picture", "audio", "picture", "audio", "close"]
    assert output.opened_with == (48_000, manager.note)
    assert manager.state.faults == ()


@pytest.mark.parametrize(
    ("fails_in", "calls"),
    [
        ("open", ["open"]),
        ("picture", ["open", "picture", "close"]),
        ("audio", ["open", "picture", "audio", "close"]),
        ("close", ["open", "picture", "audio", "picture", "audio", "close"]),
    ],
)
def test_a_failure_is_a_note_and_a_fault_and_it_gets_nothing_more(
    manager: StageManager, fails_in: str, calls: list[str]
) -> None:
    assert perform(manager, Collector(fails_in)) == calls
    assert [(fault.where, fault.what) for fault in manager.state.faults] == [
        ("output collector", "OSError: the cable is out")
    ]
    assert manager.state.notes[-1].text == "output collector: OSError: the cable is out"


def test_the_audience_goes_on_when_an_output_fails(manager: StageManager) -> None:
    failing, healthy = Collector("picture"), Collector()
    outputs = [RunningOutput("x", output, manager) for output in (failing, healthy)]  # type: ignore[arg-type]
    for output in outputs:
        output.open(None)
    manager.audience.start()  # no engine: it makes safe pictures
    assert until(lambda: healthy.calls.count("picture") > 2)
    for output in reversed(outputs):
        output.close()
    assert failing.calls == ["open", "picture", "close"]


def test_close_waits_for_the_picture_that_is_being_put(manager: StageManager) -> None:
    putting, go_on = threading.Event(), threading.Event()

    class Slow(Collector):
        def put_picture(self, picture: SharedPicture) -> None:
            putting.set()
            go_on.wait(5)
            super().put_picture(picture)

    output = Slow()
    running = RunningOutput("slow", output, manager)  # type: ignore[arg-type]
    running.open(None)
    thread = threading.Thread(target=manager.audience._publish, args=(picture(),), kwargs={"made_here": False})
    thread.start()
    assert putting.wait(5)
    closing = threading.Thread(target=running.close)
    closing.start()
    go_on.set()
    closing.join()
    thread.join()
    assert output.calls == ["open", "picture", "close"]
