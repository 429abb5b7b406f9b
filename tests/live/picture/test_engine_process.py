"""The engine in its own process, with a bad source, a source that hangs, and real footage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from live.picture.engine import PictureEngine
from live.picture.settings import PictureSettings
from live.picture.sources.movie_frames import FileFrames
from live.picture.sources.registry import open_source
from live.picture.sources.scripted import ScriptedSource
from live.picture.sources.source import MAX_ABANDONED, SourceOptions
from live.process.engine_process import EngineProcess
from live.process.fork_server import stop_forkserver
from live.process.frames import Frame, now
from live.process.messages import Fault, Finished, Go, OnStage, Prepare, Stop
from live.process.shared_frames import SharedFrames
from live.process.stage_picture import FrameKind
from models.features.face_points import FacePoints

from .conftest import SIZE
from .engine_rig import ManualClock, Rig, Shown


def test_the_engine_in_its_own_process(footage: Path, make_look: Callable[..., Path]) -> None:
    path = str(make_look())
    settings = PictureSettings(camera=str(footage / "talkerA_webcam_53s.mp4"), provider="cpu")
    stage, preview = SharedFrames.create(256 * 256 * 3 * 4), SharedFrames.create(640 * 480 * 3)
    process = EngineProcess("picture", "live.picture.engine:main", (settings, stage.handle, preview.handle))
    events: list[Any] = []
    try:
        process.start()
        process.send(Prepare(path))
        process.send(Go(3, path))
        end = now() + 30
        while now() < end and not any(isinstance(e, OnStage) for e in events):
            events += process.events()
            time.sleep(0.01)
        assert [e.cue_index for e in events if isinstance(e, OnStage)] == [3]
        kinds = set()
        end = now() + 1
        while now() < end:
            stage.wait(0.1)
            picture = stage.newest()
            kinds.add(picture.kind if picture else None)
        assert FrameKind.GENERATED in kinds
        seen = preview.newest()
        assert seen is not None
        assert seen.picture.shape == (300, 400, 3)
        assert seen.points is not None
        process.send(Stop())
        assert process.stop()
        events += process.events()
        finished = events[-1]
        assert isinstance(finished, Finished)
        assert finished.why == "stopped"
        assert finished.report["video"]["frames_presented"] > 3
        json.dumps(finished.report)
    finally:
        process.kill()
        for frames in (stage, preview):
            frames.close()
            frames.unlink()
        stop_forkserver()


def test_a_bad_source_is_told_and_the_process_ends() -> None:
    class Link:
        closed = False

        def __init__(self) -> None:
            self.sent: list[Any] = []

        def send(self, event: Any) -> None:
            self.sent.append(event)

    from live.picture.engine import main

    link = Link()
    main(link, PictureSettings(camera="/no/such/file.mp4"), None, None)  # type: ignore[arg-type]
    (finished,) = link.sent
    assert finished.why.startswith("bad source: ")
    assert "no such file" in finished.why


def test_a_hanging_url_stands_in_nobodys_way(make_rig: Callable[..., Rig]) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        rig = make_rig()
        rig.source = rig.engine.source = open_source(  # type: ignore[assignment]
            f"http://127.0.0.1:{server.getsockname()[1]}/x.mp4", SourceOptions(clock=rig.clock)
        )
        rig.engine.source.start()
        began = now()
        for _ in range(40):
            rig.clock.pass_(0.1)
            rig.engine.step(0.001)
        assert now() - began < 2
        assert rig.shown.kinds
        assert set(rig.shown.kinds) == {FrameKind.SAFE}
        assert rig.heard(Fault)[0].where == "camera"
    assert MAX_ABANDONED >= 1


def test_a_look_that_is_too_slow_for_the_stage_is_refused(
    face_points: FacePoints, make_look: Callable[..., Path], shown: Shown
) -> None:
    settings = PictureSettings(first_look=str(make_look()), provider="cpu", slowest_look_s=0.0)
    engine = PictureEngine(settings, ScriptedSource("script"), shown, face_points=face_points)
    with pytest.raises(RuntimeError, match="a picture on CPU, and a look may take"):
        engine.wait_for_look()
    engine.close()


def test_real_footage_runs_through_whole(
    footage: Path, face_points: FacePoints, make_look: Callable[..., Path], shown: Shown, clock: ManualClock
) -> None:
    """Stage cuts, profiles, several faces, dark: nothing raises, nothing but look or safe picture is seen."""
    source = ScriptedSource("script", clock=clock)
    path = str(make_look(tint=0))
    engine = PictureEngine(
        PictureSettings(first_look=path, provider="cpu"), source, shown, None, clock, face_points=face_points
    )
    engine.wait_for_look()
    for name in ("hard_stage_cuts_dark_profile_multi_10s.mp4", "hard_group_walking_small_faces_3s.gif"):
        for frame in islice(FileFrames(footage / name), 0, None, 12):
            clock.pass_(0.1)
            engine.process(source.register(Frame(frame.picture, clock(), frame.index)))
    assert {p.shape for p in shown.pictures} == {(SIZE, SIZE, 3)}
    assert engine.report()["faults"] == []
    engine.close()
