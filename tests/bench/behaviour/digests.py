"""Short digests of what files hold: by content, not by bytes, wherever bytes may differ and the content be the same."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

VOLATILE_KEYS = {"revision", "measured", "minutes"}
LEFT_OUT = {".jpg"}
"""Contact sheets and plots beside data: drawn for people."""


def digest(*parts: bytes | str) -> str:
    """Sixteen digits for anything."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(struct.pack("<Q", len(data)))
        whole.update(data)
    return whole.hexdigest()[:16]


def of_array(array: np.ndarray) -> str:
    """Of values, shape and type."""
    return digest(str(array.dtype), str(array.shape), np.ascontiguousarray(array).tobytes())


def movie(path: Path) -> dict[str, Any]:
    """Digests of a movie's decoded pictures and sound, each with its time."""
    found: dict[str, Any] = {}
    with av.open(str(path)) as container:
        kinds = [stream.type for stream in container.streams]
    for at, kind in enumerate(kinds):
        frames = list(_frames(path, at))
        rows = [(str(time), of_array(array)) for time, array in frames]
        found[f"{kind}, {len(rows)} frames of {frames[0][1].shape if frames else ()}"] = digest(*map(str, rows))
    return found


def _frames(path: Path, at: int) -> Iterator[tuple[float | None, np.ndarray]]:
    with av.open(str(path)) as container:
        stream = container.streams[at]
        stream.thread_type = "NONE"
        for frame in container.decode(stream):
            yield frame.time, frame.to_ndarray()


def sound(path: Path) -> str:
    """Of a sound file's samples and rate."""
    samples, rate = soundfile.read(path, always_2d=True)
    return digest(str(rate), of_array(samples))


def tensors(path: Path) -> dict[str, str]:
    """A safetensors file: digests of type, shape and values by key. Read as the format says, without its library."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    entries = json.loads(data[8 : 8 + length])
    entries.pop("__metadata__", None)
    body = data[8 + length :]
    return {
        key: digest(entry["dtype"], str(entry["shape"]), body[slice(*entry["data_offsets"])])
        for key, entry in entries.items()
    }


def json_file(path: Path) -> str:
    """Of a JSON file, but for dates, git's revision and what was timed."""
    return digest(json.dumps(steady(json.loads(path.read_text("utf-8"))), sort_keys=True))


def steady(value: Any) -> Any:
    """JSON with * for what differs from run to run. `seconds` is that of a run where it is one number."""
    if isinstance(value, dict):
        return {key: "*" if _volatile(key, part) else steady(part) for key, part in value.items()}
    return [steady(part) for part in value] if isinstance(value, list) else value


def _volatile(key: str, value: Any) -> bool:
    return key in VOLATILE_KEYS or key.endswith(("_ms", "rtf")) or (key == "seconds" and isinstance(value, float))


def _arrays(path: Path) -> str:
    with np.load(path, allow_pickle=False) as arrays:
        return digest(*(f"{key} {of_array(arrays[key])}" for key in sorted(arrays.files)))


def _picture(path: Path) -> str:
    return next(iter(movie(path).values()))


READERS: dict[str, Callable[[Path], Any]] = {
    ".json": json_file,
    ".npz": _arrays,
    ".npy": lambda path: of_array(np.load(path, allow_pickle=False)),
    ".png": _picture,
    ".wav": sound,
    ".flac": sound,
    ".mp4": movie,
    ".safetensors": lambda path: sorted(tensors(path).values()),
}


def of_file(path: Path) -> Any:
    """By what kind of file it is; "missing" if it is not there, and why where it cannot be read."""
    if not path.is_file():
        return "missing"
    try:
        return READERS.get(path.suffix, lambda path: digest(path.read_bytes()))(path)
    except (OSError, ValueError, KeyError, struct.error, av.FFmpegError) as error:
        return f"unreadable: {type(error).__name__}"


def of_folder(folder: Path, left_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every file in a folder by its path there; those that lie deeper, of one kind, are one digest."""
    found: dict[str, Any] = {}
    many: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.suffix in LEFT_OUT or name.startswith(left_out):
            continue
        if path.parent != folder and path.suffix in (".png", ".npz", ".npy", ".wav", ".flac"):
            many.setdefault(f"{path.parent.relative_to(folder).as_posix()}/*{path.suffix}", []).append(
                f"{path.name} {of_file(path)}"
            )
        else:
            found[name] = of_file(path)
    return found | {f"{name}, {len(rows)} files": digest(*rows) for name, rows in many.items()}
