"""How fast the Qt thread answers while pictures come and models load."""

from __future__ import annotations

import threading
import time

import numpy as np
from PyQt5.QtCore import Qt, QTimer
from pytestqt.qtbot import QtBot

from live.operator.newest_picture import NewestPicture
from live.process.shared_frames import SharedPicture
from live.process.stage_picture import FrameKind
from tests.live.operator.fake_stage_manager import cue, picture
from tests.live.operator.ui import Ui


def latenesses(qtbot: QtBot, seconds: float) -> tuple[list[float], list[float], list[float]]:
    """At each beat of a timer in the Qt thread: how late it was, and how much this thread had worked since the last
    one; and how late a thread was that does nothing else, which is the machine's and no window's doing. Seconds."""
    late: list[float] = []
    worked: list[float] = []
    machine: list[float] = []
    due, work = time.perf_counter() + 0.005, time.thread_time()
    over = threading.Event()

    def beat() -> None:
        nonlocal due, work
        late.append(time.perf_counter() - due)
        worked.append(time.thread_time() - work)
        due, work = time.perf_counter() + 0.005, time.thread_time()

    def idle() -> None:
        while True:
            began = time.perf_counter()
            if over.wait(0.005):
                return
            machine.append(time.perf_counter() - began - 0.005)

    watch = threading.Thread(target=idle)
    watch.start()
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(beat)
    timer.start(5)
    qtbot.wait(round(seconds * 1000))
    timer.stop()
    over.set()
    watch.join()
    return late, worked, machine


def test_the_window_answers_within_50_ms_while_pictures_come_and_a_model_loads(qtbot: QtBot, ui: Ui) -> None:
    newest = NewestPicture()
    newest.arrived.connect(ui.window.show_stage_picture)
    taken: list[SharedPicture] = []
    newest.arrived.connect(taken.append)
    pixels = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    ui.manager.audience.subscribe(newest.offer)
    loaded = threading.Event()

    def load() -> None:  # what a StageManager's thread tells while an engine loads one model after another
        for at in range(1000):
            if loaded.wait(0.03):
                return
            status = ("loading", "ready")[at % 2]
            ui.manager.become(cues=tuple(cue(at, f"cue {at}", status) for at in range(20)))

    def make(index: int) -> SharedPicture:
        ui.manager.preview_frames.last = picture(index, FrameKind.PREVIEW, pixels)
        return picture(index, FrameKind.GENERATED, pixels)

    loader = threading.Thread(target=load)
    ui.manager.audience.perform(make, 60)
    loader.start()
    try:
        late, worked, machine = latenesses(qtbot, 1.5)
    finally:
        loaded.set()
        ui.manager.audience.stop()
        loader.join()
        newest.arrived.disconnect()
    assert len(taken) > 10
    assert max(worked) < 0.05, f"the Qt thread worked {max(worked):.3f} s at a stretch"
    allowed = 0.05 + 3 * float(np.percentile(machine, 95))
    assert np.percentile(late, 95) < allowed, f"{np.percentile(late, 95):.3f} s late, {allowed:.3f} s allowed"


def test_pictures_do_not_pile_up_behind_a_busy_window(qtbot: QtBot) -> None:
    newest = NewestPicture()
    taken = []
    newest.arrived.connect(lambda shown: taken.append(shown.index))

    def offer() -> None:
        for index in range(100):
            newest.offer(picture(index))

    thread = threading.Thread(target=offer)
    thread.start()
    thread.join()
    qtbot.wait(30)
    assert taken == [99]
    newest.offer(picture(100))
    qtbot.wait(30)
    assert taken == [99, 100]
