"""A picture engine whose camera's every pixel carries a mark, and that shows it as it is, as in a cue with `bypass`."""

from __future__ import annotations

import os

import numpy as np

from live.process.engine_link import EngineLink
from live.process.frames import now
from live.process.messages import Finished, Go, Heartbeat, OnStage, Prepare, Ready, Stop
from live.process.shared_frames import SharedFrames, SharedFramesHandle
from live.process.stage_picture import FrameKind, StagePicture
from tests.live.process.fake_engine import FakePictureMetrics
from tests.live.stage_window.watched_window import MARK


def main(link: EngineLink, settings: object, stage: SharedFramesHandle, preview: SharedFramesHandle) -> None:
    frames = SharedFrames.attach(stage)
    picture = np.full((120, 160, 3), MARK, np.uint8)
    index, heartbeat_at, cue = 0, 0.0, -1
    while not link.closed:
        for command in link.poll():
            if isinstance(command, Stop):
                link.send(Finished("stopped", {}))
                return
            if isinstance(command, Prepare):
                link.send(Ready(command.model, 0.0))
            elif isinstance(command, Go):
                cue = command.cue_index
                link.send(OnStage(cue, now()))
        if now() - heartbeat_at > 0.25:
            heartbeat_at = now()
            link.send(Heartbeat(heartbeat_at, FakePictureMetrics(cue=cue, pid=os.getpid())))
        index += 1
        frames.write(StagePicture(picture, FrameKind.BYPASS, now(), now(), index))
        link.wait(1 / 30)
