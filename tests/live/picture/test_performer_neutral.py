"""The performer's neutral face: the profile's until it is measured anew."""

from __future__ import annotations

import numpy as np

from live.picture.performer_neutral import PerformerNeutral
from live.process.frames import Frame
from tests.live.picture.conftest import drawn_points


def test_measured_anew_it_is_the_face_that_is_there() -> None:
    points = drawn_points((320.0, 240.0), 200.0)
    neutral = PerformerNeutral(np.zeros((68, 2), np.float32))
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 1.0, 0)
    assert not np.allclose(neutral.update(frame, points, 1), points)
    neutral.forget()
    assert np.allclose(neutral.update(frame, points, 1), points, atol=1.0)
