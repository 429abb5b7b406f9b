"""The speech that the benchmarks of sound use: real speech where there is some, else that of the demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr

from calibration.bench.footage import data_folders
from live.sound.audio_io import DEMO_SPEECH
from models.features.media.sound_files import read_sound_file
from models.features.types import Mono

_LIBRISPEECH = "librispeech_test-other"


def speech_by_speaker(rate: int, seconds: float) -> dict[str, Mono]:
    """Some seconds of each speaker of $GUISE_DATA/speech or ../shared/data/speech, at `rate`; else the demo's."""
    for folder in data_folders():
        if (folder / "speech" / _LIBRISPEECH).is_dir():
            return _read_all(folder / "speech" / _LIBRISPEECH, rate, seconds)
    return {"demo": _read([DEMO_SPEECH], rate, seconds)}


def _read_all(folder: Path, rate: int, seconds: float) -> dict[str, Mono]:
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.flac")):
        files.setdefault(path.name.partition("-")[0], []).append(path)
    return {name: _read(paths, rate, seconds) for name, paths in files.items()}


def _read(paths: list[Path], rate: int, seconds: float) -> Mono:
    parts, count = [], 0
    for path in paths:
        samples, own = read_sound_file(path)
        parts.append(soxr.resample(samples.mean(axis=1), own, rate))
        count += len(parts[-1])
        if count >= seconds * rate:
            break
    return np.concatenate(parts).astype(np.float32)[: round(seconds * rate)]
