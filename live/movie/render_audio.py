"""`guise render --audio`: a recording through a voice into a sound file, as `guise render` does with a movie's sound.

Runs in the caller's thread; no more than a second of sound is held.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from live.movie.render_sound import RATE, RenderedSound, sound_of, voice_opener
from live.process.frames import Samples
from live.process.report import EngineReport
from live.sound.voice import Voice
from models.features.media.bad_media import BadMedia
from models.features.media.mixdown import Channel, NoSuchChannel
from models.features.media.sound_files import growing_sound_file

SUFFIXES = (".wav", ".flac")
"""Of the files that can be written."""


class AudioNotRendered(Exception):
    """The message is one line."""


class _FileSink:
    def __init__(self, write: Callable[[NDArray[np.float32]], None]) -> None:
        self._write = write

    def write_sound(self, samples: Samples, at_s: float, wait: bool = False) -> bool:
        self._write(samples[:, 0])
        return True


def render_audio(
    audio: Path,
    out: Path,
    voice: str,
    *,
    provider: str = "auto",
    channel: Channel = "auto",
    progress: Callable[[float, float], None] | None = None,
    load_voice: Callable[[str], Voice] | None = None,
) -> tuple[EngineReport, list[str]]:
    """Converts `audio` by `voice` (a frozen model's path or a preset) into `out`, mono at 48 kHz, as long as it was.

    `progress` is called with the seconds done, and those in all. Returns the report's part, and what is wrong with the
    recording, one line each. Raises AudioNotRendered, and RuntimeError with the reason when the voice is refused.
    """
    converter = (load_voice or voice_opener(provider))(voice)
    try:
        recording = sound_of(audio, channel)
    except (BadMedia, NoSuchChannel) as error:
        raise AudioNotRendered(str(error)) from error
    except (OSError, av.FFmpegError, ValueError) as error:
        raise AudioNotRendered(f"{audio} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if recording is None:
        raise AudioNotRendered(f"{audio}: there is no sound in it")
    sound = RenderedSound(recording, converter)
    try:
        with growing_sound_file(out, RATE) as write:
            sink, done_s = _FileSink(write), 0.0
            while not sound.ended:
                done_s += 1.0
                sound.write(sink, done_s)
                if progress is not None:
                    progress(min(done_s, recording.length_s), recording.length_s)
    except OSError as error:
        raise AudioNotRendered(f"{out} cannot be written: {error.strerror or error}") from error
    return sound.report(), recording.notes
