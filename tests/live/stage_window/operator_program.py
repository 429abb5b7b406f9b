"""An operator's process that performs and misbehaves on command: both windows, a StageManager, a marked camera.

    python -m tests.live.stage_window.operator_program FOLDER RUNTIME_FOLDER END_AFTER_S

FOLDER/state.json says how it is; a word in FOLDER/command is what it does: "block" (its Qt thread sleeps), "hold" (it
sleeps while it holds Python's lock), "panic", "end".
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path

HELD_S = 5


def main(folder: Path, runtime: Path, end_after_s: float) -> None:
    from live.process.fork_server import start_forkserver, stop_forkserver

    start_forkserver(["numpy", "cv2"])
    from PyQt5.QtCore import QTimer

    from live.manage.stage_manager import StageManager
    from live.operator.application import WindowOptions, run_windows
    from live.show.show_file import Cue, Show
    from live.stage_window.qt_application import open_application
    from live.stage_window.stage_process import StageWindowProcess

    show = Show("marked", (Cue("raw", "bypass"),), safe_picture=folder / "safe.png")
    manager = StageManager(
        show,
        "",
        "",
        picture_engine="tests.live.stage_window.marked_engine:main",
        sound_engine="tests.live.process.fake_engine:main",
        stage_bytes=160 * 120 * 3,
        preview_bytes=160 * 120 * 3,
    )
    stage = StageWindowProcess(
        manager.stage_frames,
        entry="tests.live.stage_window.watched_window:main",
        end_after_s=end_after_s,
        folder=runtime,
    )
    manager.start()
    stage.start()
    application = open_application()
    timer = QTimer()

    def look() -> None:
        state = manager.state
        said = {
            "pid": os.getpid(),
            "window": stage.pid,
            "lost": stage.lost,
            "taken_over": stage.taken_over,
            "memory": manager.stage_frames.layout.name,
            "faults": [[fault.where, fault.what, fault.recovered_after_s] for fault in state.faults],
            "drawn": manager.audience.latency_s is not None,
        }
        (folder / "state.part").write_text(json.dumps(said))
        (folder / "state.part").rename(folder / "state.json")
        command = folder / "command"
        if command.exists():
            word = command.read_text()
            command.unlink()
            obey(word)

    def obey(word: str) -> None:
        if word == "block":
            time.sleep(HELD_S)
        elif word == "hold":
            ctypes.PyDLL(None).sleep(HELD_S)
        elif word == "panic":
            manager.toggle_panic()
        elif word == "end":
            timer.stop()
            os.kill(os.getpid(), 15)

    timer.timeout.connect(look)
    timer.start(50)
    options = WindowOptions(settings_file=folder / "settings.ini", thumbnail_cache=folder / "thumbnails")
    try:
        run_windows(manager, stage, options)
        application.processEvents()
    finally:
        stage.stop()
        manager.stop()
        stop_forkserver()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
