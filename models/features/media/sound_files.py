"""WAV and FLAC files as arrays, and arrays as such files; what else holds sound is read by `containers.py`.

Runs in the calling thread and waits for the disk. Names go to soundfile as bytes: it refuses those that are not UTF-8.
soundfile is loaded by the functions: it costs every start a moment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.features.media.bad_media import BadMedia

_FULL_BYTES = 1_000_000
"""A disk with less room than this is taken to be full."""


def read_sound_file(path: Path, first: int = 0, count: int = -1) -> tuple[NDArray[np.float32], int]:
    """(samples, channels), full scale 1, and the rate in Hz; `count` samples from `first` on, all for -1.

    Raises BadMedia.
    """
    import soundfile

    _refuse_pipes(path)
    try:
        samples, sample_rate = soundfile.read(os.fsencode(path), count, first, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise BadMedia(str(error).splitlines()[0]) from error
    return samples, int(sample_rate)


def sound_file_length(path: Path) -> int:
    """Samples of each channel. Raises BadMedia."""
    import soundfile

    _refuse_pipes(path)
    try:
        return int(soundfile.info(os.fsencode(path)).frames)
    except (OSError, soundfile.SoundFileError) as error:
        raise BadMedia(str(error).splitlines()[0]) from error


def _refuse_pipes(path: Path) -> None:
    """They would be waited for for ever."""
    if path.exists() and not path.is_file():
        raise BadMedia(f"{path} is not a file")


def write_sound_file(path: Path | BinaryIO, samples: NDArray[np.floating], sample_rate: int) -> None:
    """Writes (samples,) or (samples, channels), full scale 1, in 16 bits: as FLAC where the name says so, else as WAV.

    Raises OSError.
    """
    import soundfile

    form = _form_of(path) if isinstance(path, Path) else "WAV"
    try:
        soundfile.write(
            os.fsencode(path) if isinstance(path, Path) else path, samples, sample_rate, "PCM_16", format=form
        )
    except soundfile.SoundFileError as error:
        raise OSError(str(error)) from error


@contextmanager
def growing_sound_file(path: Path, sample_rate: int) -> Iterator[Callable[[NDArray[np.float32]], None]]:
    """A FLAC or WAV file, as above, of one channel in 16 bits, written piece by piece: yields what takes the next
    samples, (n,).

    Raises OSError, also from within.
    """
    import soundfile

    try:
        with soundfile.SoundFile(os.fsencode(path), "w", sample_rate, 1, "PCM_16", format=_form_of(path)) as file:
            yield file.write
    except soundfile.SoundFileError as error:
        raise _disk_error(path, error) from error


def _disk_error(path: Path, error: Exception) -> OSError:
    """libsndfile says "System error" of a full disk."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(path.parent).free < _FULL_BYTES:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return OSError(str(error))


def _form_of(path: Path) -> str:
    return "FLAC" if path.suffix.lower() == ".flac" else "WAV"
