"""The manifest of a frozen model: what the one .onnx file says about itself.

Thread: any. Free of torch, onnx, onnxruntime and numpy, because live reads manifests while it performs.
"""

from __future__ import annotations

from pydantic import model_validator

from export.artifact.fields import ManifestFields
from export.artifact.rules import check_look, check_reading, check_voice

MANIFEST_VERSION = 2


class Manifest(ManifestFields):
    """What a frozen model is; docs/frozen-model.md describes it for those who write such a file.

    `inputs` are what the model `reads` and what `states`, `conditioning` and `parameters` name; `outputs` are what it
    `gives`, and what `states` carry on. `subject` says whose likeness it is and on what consent.

    Pictures of a look are RGB, uint8 (1, size, size, 3). `points`, float32 (1, 68, 2), are those that `lines` are drawn
    from, retargeted, in pixels of its picture. `mask`, uint8 (1, size, size, 1), is how much of the picture is laid
    into the frame; `occluded`, as the mask, what lies over the face and stays. `set` tells the sizes of one look.

    A voice is run once a hop; `hop`, `lookahead` and `context` are in samples at `sample_rate` Hz. Its `form` is one of
    three:

    A voice of features reads and gives F frames of 5 ms: float32 `mcep` (1, F, 36), `lf0` (1, F), ln Hz and 0 where
    unvoiced, `voiced` (1, F), 1 or 0; it may also give `converted_aperiodicity` (1, F, bands), as WORLD codes it. What
    it gives at a frame belongs to the frame `lookahead` before.

    A voice of sound reads `sound` and gives `converted_sound`, float32 (1, hop).

    A voice of a filter is run every 5 ms on `sound`, (1, 80), and on `lf0`, (1, 1), at the place `lookahead` before the
    end of that sound; it gives what is to be added to the mel-cepstra there, `mcep_change` (1, 1, 36), and
    `converted_lf0`.

    `states` maps each input that carries on an output of the previous run to that output; all are zeros at first. The
    conditioning `source`, int64 (1,), says who speaks: an index into its list, where 0 is an unknown speaker and the
    `speakers` follow in their order.

    A reading reads `text`, int64 (1, n), the numbers of its signs, and gives `spoken_sound`, float32 (1, samples) at
    `sample_rate`.
    """

    @model_validator(mode="after")
    def _follows_the_rules(self) -> Manifest:
        check = {"look": check_look, "voice": check_voice, "reading": check_reading}[self.kind]
        check(self)
        return self
