"""A frozen voice run offline on prepared sentences, as the teacher of a student: any family of features will do.

It is read by ONNX Runtime alone: models may not import export, which checks what may reach the stage. Here a file that
cannot be run ends in one line.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import Features

MAX_BYTES = 2_000_000_000
"""No voice of features is a hundredth of it."""
_FEATURES = ("mcep", "lf0", "voiced")


def _check_file(path: Path) -> None:
    """Raises DataError for what would be waited for or take all memory; OSError."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path}, the teacher, is not a file")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}, the teacher, has more than {MAX_BYTES // 1_000_000_000} GB")


class VoiceTeacher:
    """Frames in, converted mel-cepstra out; the speaker's running statistics are kept until `reset`."""

    def __init__(self, path: Path) -> None:
        """Raises DataError: a file that is no frozen voice of features, or does not state its target."""
        options = ort.SessionOptions()
        # The training process has the other cores.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            _check_file(path)
            with path.open("rb") as file:
                self.digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            manifest = json.loads(self._session.get_modelmeta().custom_metadata_map["guise"])
            self.sample_rate = int(manifest["sample_rate"])
            frame = self.sample_rate // 200
            self._hop, self._lookahead = manifest["hop"] // frame, manifest["lookahead"] // frame
            self._states: dict[str, str] = manifest.get("states", {})
            (target,) = [speaker for speaker in manifest["speakers"] if speaker.get("target")]
            self.name, self.lf0 = str(target["name"]), (float(target["lf0_mean"]), float(target["lf0_std"]))
            self.room: list[float] = target.get("room", [])
            if set(manifest["reads"]) != set(_FEATURES):
                raise DataError(f"{path} reads {', '.join(manifest['reads'])}: who teaches must read mcep, lf0, voiced")
            self._initial = {p.name: _zeros(p.shape, p.type) for p in self._session.get_inputs()}
            self._sources: list[str] = manifest.get("conditioning", {}).get("source", [])
            self.known_speakers = {
                str(one["name"]): (float(one["lf0_mean"]), float(one["lf0_std"]))
                for one in manifest["speakers"]
                if one["name"] in self._sources[1:]
            }
            """Mean and standard deviation of ln F0 of the sources that it converts each in its own way, if given the
            source."""
        except OSError as error:
            raise DataError(f"{path}, the teacher, cannot be read: {error.strerror or error}") from error
        except DataError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
            raise DataError(
                f"{path} is no voice that can teach: name a .onnx file that `guise export` wrote of a learned voice"
            ) from error
        self.reset()

    def reset(self, source_name: str | None = None) -> None:
        """Starts with a new speaker; `source_name`: one of `known_speakers`, None for an unknown one."""
        self._state = {name: self._initial[name] for name in self._states}
        if self._sources:
            self._state["source"] = np.array([0 if source_name is None else self._sources.index(source_name)])

    def convert(self, sentence: Features) -> NDArray[np.float32]:
        """(t, MCEPS) for the frames of a sentence, aligned with them."""
        frames = len(sentence.lf0)
        beyond = self._lookahead + -(frames + self._lookahead) % self._hop
        rows = [sentence.mcep, sentence.lf0, sentence.voiced.astype(np.float32)]
        rows = [np.concatenate([row, row[-1:].repeat(beyond, 0)]).astype(np.float32)[None] for row in rows]
        outputs = []
        for begin in range(0, frames + beyond, self._hop):
            part = (row[:, begin : begin + self._hop] for row in rows)
            outputs.append(self._run(dict(zip(_FEATURES, part, strict=True))))
        found: NDArray[np.float32] = np.concatenate(outputs)[self._lookahead : self._lookahead + frames]
        assert found.shape == (frames, MCEPS)
        return found

    def _run(self, read: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        names = ["converted_mcep", *self._states.values()]
        mcep, *states = self._session.run(names, {**self._initial, **self._state, **read})
        self._state |= dict(zip(self._states, states, strict=True))
        return np.asarray(mcep[0], np.float32)


def _zeros(shape: list[int], kind: str) -> NDArray[np.float32] | NDArray[np.int64]:
    return np.zeros(shape, np.int64) if "int64" in kind else np.zeros(shape, np.float32)
