"""The manifest of a frozen model: what one .onnx file that performs says of itself.

Thread: any. Free of torch, onnx, onnxruntime and numpy, because live reads manifests while it performs.
"""

from __future__ import annotations

from pydantic import model_validator

from export.artifact.fields import ManifestFields
from export.artifact.rules import check_look, check_voice

MANIFEST_VERSION = 1


class Manifest(ManifestFields):
    """What a frozen model is. Pictures are RGB, uint8 (1, size, size, 3); a mask is uint8 (1, size, size, 1).

    `inputs` hold what the look `reads` and what `conditioning` and `parameters` name; `outputs` what it `gives`.
    `subject` says whose likeness it is and on what consent: `fictional`, `self`, or a statement.

    A voice is run once a hop; `hop`, `lookahead` and `context` are in samples at `sample_rate` Hz. One of features
    reads and gives F frames of 5 ms: float32 `mcep` (1, F, 36), `lf0` (1, F), ln Hz and 0 where unvoiced, `voiced` (1,
    F), 1 or 0; it may give `converted_aperiodicity` (1, F, bands), as WORLD codes it, too. What it says at a frame
    belongs to the frame `lookahead` before. One of sound reads `sound` and gives `converted_sound`, float32 (1, hop).
    One of a filter is run every 5 ms on `sound`, (1, 80), and `lf0`, (1, 1), of the place `lookahead` before that
    sound's end, and gives what is to be added there to the mel-cepstra, `mcep_change` (1, 1, 36), and `converted_lf0`.
    `states` names each input that carries on an output of the run before; all begin with zeros. The conditioning
    `source`, int64 (1,), says who speaks: an index into its list, 0 for whoever it may be, then the `speakers` in their
    order.
    """

    @model_validator(mode="after")
    def _is_a_whole_look_or_voice(self) -> Manifest:
        if self.kind == "look":
            check_look(self)
        else:
            check_voice(self)
        return self
