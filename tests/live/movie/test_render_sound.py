"""The sound of a render, from movies that are joined, cut off or stamped wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live.movie.render_sound import RATE, RenderedSound, sound_of
from live.process.frames import Samples
from tests.models.features.media.sound_movies import YEAR_S, encoded_sound, tone


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.parts: list[Samples] = []

    def write_sound(self, samples: Samples, at_s: float, wait: bool = False) -> bool:
        assert at_s == pytest.approx(sum(map(len, self.parts)) / RATE)
        self.parts.append(samples)
        return True


def _rendered(path: Path) -> Samples:
    recording = sound_of(path)
    assert recording is not None
    sink = Sink()
    RenderedSound(recording, None).write(sink)
    return np.concatenate(sink.parts)


@pytest.mark.parametrize("leaps", [{20: YEAR_S}, {0: YEAR_S}], ids=["midway", "from the first"])
def test_a_stamp_a_year_ahead_does_not_fill_the_disk(tmp_path: Path, leaps: dict[int, float]) -> None:
    path = encoded_sound(tmp_path / "a.mkv", tone(1.0), RATE, "pcm_s16le", leaps=leaps)
    assert len(_rendered(path)) == pytest.approx(RATE, abs=0.01 * RATE)


def test_a_movie_of_two_parts_is_rendered_whole(tmp_path: Path) -> None:
    """Of other rates and channels: the second has one channel, the first two."""
    one = encoded_sound(tmp_path / "1.ts", tone(1.0), 48_000, layout="stereo")
    two = encoded_sound(tmp_path / "2.ts", tone(1.0, 32_000), 32_000)
    (tmp_path / "both.ts").write_bytes(one.read_bytes() + two.read_bytes())
    sound = _rendered(tmp_path / "both.ts")
    assert sound.shape[1] == 2
    assert len(sound) == pytest.approx(2 * RATE, abs=0.1 * RATE)
    for begin_s in (0.2, 1.3):
        part = sound[round(begin_s * RATE) :][: RATE // 2, 1]
        assert np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))) * 2 == pytest.approx(440, abs=4)
