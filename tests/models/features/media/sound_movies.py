"""Sound files and movies for tests, encoded with whatever stamps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
RATE = 48_000
YEAR_S = 365 * 86_400.0


def tone(seconds: float, rate: int = RATE) -> Sound:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded_sound(
    path: Path, sound: Sound, rate: int, codec: str = "aac", layout: str = "mono", leaps: dict[int, float] | None = None
) -> Path:
    """`sound` is (n,); `leaps`: seconds added to the stamp of the frames from this number on."""
    shift_s = 0.0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        channels = stream.codec_context.channels
        for number, begin in enumerate(range(0, len(sound), 1024)):
            shift_s += (leaps or {}).get(number, 0.0)
            samples = np.repeat(sound[begin : begin + 1024, None], channels, 1).reshape(1, -1)
            if codec == "pcm_s16le":
                frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16), "s16", layout)
            else:
                frame = av.AudioFrame.from_ndarray(samples, "flt", layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = begin + round(shift_s * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
