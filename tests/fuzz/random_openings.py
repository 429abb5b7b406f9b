"""Random media files through the one place that opens pictures and the one that opens sound, from end to end."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import numpy as np

from live.picture.sources.movie_frames import BadSource, FileFrames
from live.sound.sound_file import BadSound, SoundFile
from models.features.media.bad_media import BadMedia
from tests.fuzz.campaign import MAX_ITEM_S
from tests.fuzz.random_media import Media, make_media

RATE = 48_000
MOST_SOUND_S = 600.0
"""The files are of a second or two, some of them twice: what is longer was filled up with silence."""


def open_one(random: Random, folder: Path) -> str:
    """Makes one file, and reads its pictures and its sound. What takes too long is a finding; making it is not."""
    made = make_media(random, folder)
    began = time.process_time()  # its own: a busy machine is no fault, and a wait is the campaign's to find
    pictures, sound = _pictures(made), _sound(made)
    took_s = time.process_time() - began
    assert took_s < MAX_ITEM_S, f"{took_s:.1f} s for {made.command}"
    return f"{pictures}, {sound}"


def _pictures(made: Media) -> str:
    try:
        frames = FileFrames(made.path)
        last_s = -1.0
        for frame in frames:
            height, width = frames.size[1], frames.size[0]
            assert frame.picture.shape == (height, width, 3), f"{frame.picture.shape}: {made.command}"
            assert frame.captured_at > last_s, f"{frame.captured_at} after {last_s}: {made.command}"
            last_s = frame.captured_at
    except (BadSource, BadMedia, OSError) as error:
        _assert_one_line(error, made)
        return "pictures refused"
    return "pictures read"


def _sound(made: Media) -> str:
    try:
        file, seconds = SoundFile(made.path, RATE), 0.0
        for begin in (None, 0):
            seconds = 0.0
            for piece in file.passages(begin):
                assert np.isfinite(piece).all(), made.command
                seconds += len(piece) / RATE
                assert seconds < MOST_SOUND_S, f"{seconds:.0f} s of sound: {made.command}"
    except (BadSound, BadMedia, OSError) as error:
        _assert_one_line(error, made)
        return "sound refused"
    return "sound read"


def _assert_one_line(error: Exception, made: Media) -> None:
    assert "\n" not in str(error), f"{error}: {made.command}"
