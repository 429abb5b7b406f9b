"""A frozen voice asked offline what it would make of prepared sentences: whatever family it is of, it may teach.

It is read by ONNX Runtime alone: training stands below export, whose business it is to refuse what must not reach the
stage. Here a file that cannot be asked ends in one line.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.features.speech import MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import Features

_FEATURES = ("mcep", "lf0", "voiced")


class VoiceTeacher:
    """Frames in, converted mel-cepstra out; what it has heard of somebody it remembers until `forget`."""

    def __init__(self, path: Path) -> None:
        """Raises DataError: a file that is no frozen voice of features, or does not say whom it becomes."""
        options = ort.SessionOptions()
        # The trainer has the other cores.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            with path.open("rb") as file:
                self.digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            says = json.loads(self._session.get_modelmeta().custom_metadata_map["guise"])
            self.sample_rate = int(says["sample_rate"])
            frame = self.sample_rate // 200
            self._hop, self._late = says["hop"] // frame, says["lookahead"] // frame
            self._states: dict[str, str] = says.get("states", {})
            (target,) = [speaker for speaker in says["speakers"] if speaker.get("target")]
            self.name, self.lf0 = str(target["name"]), (float(target["lf0_mean"]), float(target["lf0_std"]))
            self.room: list[float] = target.get("room", [])
            if set(says["reads"]) != set(_FEATURES):
                raise DataError(f"{path} reads {', '.join(says['reads'])}: who teaches must read mcep, lf0, voiced")
            self._begin = {p.name: _zeros(p.shape, p.type) for p in self._session.get_inputs()}
            self._sources: list[str] = says.get("conditioning", {}).get("source", [])
            self.knows = {
                str(one["name"]): (float(one["lf0_mean"]), float(one["lf0_std"]))
                for one in says["speakers"]
                if one["name"] in self._sources[1:]
            }
            """Mean and spread of ln F0 of those whom it converts in a way of their own, when it is told who speaks."""
        except OSError as error:
            raise DataError(f"{path}, the teacher, cannot be read: {error.strerror or error}") from error
        except DataError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions derive from Exception alone.
            raise DataError(
                f"{path} is no voice that can teach: name a .onnx file that `guise export` wrote of a learned voice"
            ) from error
        self.forget()

    def forget(self, who: str | None = None) -> None:
        """Somebody else speaks; `who`: one of `knows`, or anybody."""
        self._carried = {name: self._begin[name] for name in self._states}
        if self._sources:
            self._carried["source"] = np.array([0 if who is None else self._sources.index(who)])

    def converted(self, sentence: Features) -> NDArray[np.float32]:
        """(t, MCEPS) for the frames of a sentence, frame by frame where they are."""
        frames = len(sentence.lf0)
        beyond = self._late + -(frames + self._late) % self._hop
        rows = [sentence.mcep, sentence.lf0, sentence.voiced.astype(np.float32)]
        rows = [np.concatenate([row, row[-1:].repeat(beyond, 0)]).astype(np.float32)[None] for row in rows]
        said = []
        for begin in range(0, frames + beyond, self._hop):
            part = (row[:, begin : begin + self._hop] for row in rows)
            said.append(self._asked(dict(zip(_FEATURES, part, strict=True))))
        found: NDArray[np.float32] = np.concatenate(said)[self._late : self._late + frames]
        assert found.shape == (frames, MCEPS)
        return found

    def _asked(self, read: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        names = ["converted_mcep", *self._states.values()]
        mcep, *states = self._session.run(names, {**self._begin, **self._carried, **read})
        self._carried |= dict(zip(self._states, states, strict=True))
        return np.asarray(mcep[0], np.float32)


def _zeros(shape: list[int], kind: str) -> NDArray[Any]:
    return np.zeros(shape, np.int64 if "int64" in kind else np.float32)
