"""The fields of a manifest, without the rules that hold between them: types, limits, and the parts that are objects of
their own.

Thread: any. Free of torch, onnx, onnxruntime and numpy.
"""

from __future__ import annotations

import datetime
import math
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from models.command_line import is_one_line

MAX_PORT_BYTES = 2**26
"""A port is allocated at its declared size: 64 MiB holds a picture of 4096 x 4096, and no manifest may declare more."""
MAX_PORTS_BYTES = 2**28
"""All ports of a model together."""
MAX_PICTURE_SIDE = 4096


Kind = Literal["look", "voice", "reading"]
Form = Literal["features", "sound", "filter"]
"""What a voice computes: mel-cepstra and F0 from both, sound from sound, or a filter for the performer's own sound."""
Precision = Literal["fp32", "fp16", "int8"]
Reads = Literal["lines", "points", "face", "frame", "mcep", "lf0", "voiced", "sound", "text"]
Gives = Literal[
    "picture",
    "mask",
    "occluded",
    "converted_mcep",
    "converted_lf0",
    "converted_voiced",
    "converted_aperiodicity",
    "converted_sound",
    "mcep_change",
    "spoken_sound",
]
DType = Literal["uint8", "bool", "int32", "int64", "float16", "float32"]

FEATURES: tuple[Reads, ...] = ("mcep", "lf0", "voiced")
CONVERTED_FEATURES: tuple[Gives, ...] = ("converted_mcep", "converted_lf0", "converted_voiced")
OPTIONAL_FEATURES: tuple[Gives, ...] = ("converted_aperiodicity",)
FILTER_RATE = 16000
"""Hz: the sample rate of a voice that gives a filter for the sound; models.features.filtered_voice plays it."""
FILTER_LOOKAHEAD_MS = (10, 40)
MCEPS = 36
"""Mel-cepstral coefficients a frame; the same as in models.features.speech, which this module cannot import because it
is free of numpy."""
FRAMES_PER_S = 200

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_ITEM_BYTES: dict[DType, int] = {"uint8": 1, "bool": 1, "int32": 4, "int64": 8, "float16": 2, "float32": 4}


def _checked_printable(text: str) -> str:
    if not is_one_line(text):
        raise ValueError("must not hold control characters or line breaks")
    return text


def _checked_line(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return _checked_printable(text)


def _checked_date(text: str) -> str:
    try:
        # Python reads other spellings of ISO 8601, too, whose texts do not compare as their days do.
        if datetime.date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ValueError("must be a day of the calendar, as 2026-05-03")


def _checked_order(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(values):
        raise ValueError("must not decrease")
    return values


def _checked_notes(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _checked_printable(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must hold finite numbers")
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        _checked_notes(key)
        _checked_notes(part)
    return value


Notes = Annotated[JsonValue, AfterValidator(_checked_notes)]
"""Any JSON whose texts can be printed and whose numbers are numbers."""
OneLine = Annotated[str, Field(max_length=200), AfterValidator(_checked_line)]
Statement = Annotated[str, Field(max_length=4000), AfterValidator(_checked_line)]
IsoDate = Annotated[str, Field(max_length=10), AfterValidator(_checked_date)]
"""A day as ISO 8601 writes it, 2026-05-03: days compare as their texts do."""
Point = tuple[FiniteFloat, FiniteFloat]
Points68 = Annotated[tuple[Point, ...], Field(min_length=68, max_length=68)]
Range = Annotated[tuple[FiniteFloat, FiniteFloat], AfterValidator(_checked_order)]
PercentileTriple = Annotated[tuple[FiniteFloat, FiniteFloat, FiniteFloat], AfterValidator(_checked_order)]


class ManifestPart(BaseModel):
    """A part of a manifest: unknown keys are refused, and an instance never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(ManifestPart):
    """Whose likeness a model is, and on what consent. A text alone stands for a record of its `statement` alone.

    `statement` is `fictional`, `self`, or what was agreed; for several persons it holds the consent of each. `date` is
    the day it was given; `purpose`, `place` and `until` (the last day) are what it is limited to.
    """

    statement: Statement
    who: OneLine | None = None
    date: IsoDate | None = None
    purpose: Statement | None = None
    place: OneLine | None = None
    until: IsoDate | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: object) -> object:
        return {"statement": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _until_not_before_date(self) -> Subject:
        if self.date is not None and self.until is not None and self.until < self.date:
            raise ValueError(f"until {self.until} is before date {self.date}")
        return self


class SetMember(ManifestPart):
    """Of which set of looks a file is one: the same face in several sizes and precisions.

    `id` is random, and the same in all files of the set; `ngf` is the width of the network, where it has one.
    """

    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{8,64}$")]
    ngf: Annotated[int, Field(ge=1, le=4096)] | None = None
    size: Annotated[int, Field(ge=16, le=MAX_PICTURE_SIDE)]
    precision: Precision


class Port(ManifestPart):
    """One input or output of the graph: its fixed shape and element type."""

    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=8)]
    dtype: DType

    @model_validator(mode="after")
    def _within_largest_size(self) -> Port:
        if self.bytes > MAX_PORT_BYTES:
            raise ValueError(f"would take {self.bytes} bytes, and {MAX_PORT_BYTES} are the most")
        return self

    @property
    def bytes(self) -> int:
        """What its array takes."""
        return _ITEM_BYTES[self.dtype] * math.prod(self.shape)


class LandmarkLines(ManifestPart):
    """How the landmark drawings were drawn that the generator was trained on; see models.features.face_lines."""

    style: Literal["smooth", "face2face"]


class Openings(ManifestPart):
    """How far mouth and eyes opened in training: 5th, 50th and 95th percentile, in eye distances."""

    mouth: PercentileTriple
    left_eye: PercentileTriple
    right_eye: PercentileTriple


class Target(ManifestPart):
    """The target's face in the training data, in pixels of the generator's picture; retargeting maps a performer onto
    it.

    `neutral` are its 68 points at rest; `residual_low` and `residual_high` how far each moved about them once the pose
    was taken out. Pose is relative to neutral: `roll` in radians, `scale` a factor, shifts in eye distances.
    """

    neutral: Points68
    residual_low: Points68
    residual_high: Points68
    roll: Range
    scale: Range
    shift_x: Range
    shift_y: Range
    openings: Openings


class Parameter(ManifestPart):
    """Something that a cue may set while the model performs; `name/parameter` is its OSC name."""

    low: FiniteFloat
    high: FiniteFloat
    default: FiniteFloat
    unit: Annotated[str, Field(max_length=40), AfterValidator(_checked_printable)] = ""

    @model_validator(mode="after")
    def _default_within(self) -> Parameter:
        if not self.low <= self.default <= self.high:
            raise ValueError("its default must lie between low and high")
        return self


class SpeakerEntry(ManifestPart):
    """A speaker of a voice's training data: mean and standard deviation of ln F0 (Hz). `target` marks the one the voice
    converts to. `room` is the noise of the room in the recordings, see models.features.room_tone: its densities in
    dBFS, or nothing."""

    name: OneLine
    lf0_mean: FiniteFloat
    lf0_std: Annotated[FiniteFloat, Field(gt=0)]
    target: bool = False
    room: tuple[()] | tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] = ()


class Training(ManifestPart):
    """Where the weights come from. `data_digest` is that of the data set; `minutes` the duration of the training."""

    data_digest: OneLine
    steps: NonNegativeInt
    samples_seen: NonNegativeInt
    minutes: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)]
    revision: OneLine | None = None
    metrics: dict[OneLine, Notes] = {}
    options: dict[OneLine, Notes] = {}


class ManifestFields(ManifestPart):
    """The fields of a manifest. Manifest says what they mean, and export.artifact.rules which of them belong
    together."""

    version: Literal[2] = 2
    kind: Kind
    family: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    name: OneLine
    subject: Subject
    licence: Statement
    inputs: Annotated[dict[OneLine, Port], Field(min_length=1, max_length=64)]
    outputs: Annotated[dict[OneLine, Port], Field(min_length=1, max_length=64)]
    precision: Precision
    training: Training
    conditioning: dict[OneLine, Notes] = {}
    parameters: dict[OneLine, Parameter] = {}

    reads: tuple[Reads, ...] = ()
    gives: tuple[Gives, ...] = ()
    size: Annotated[int, Field(ge=16, le=MAX_PICTURE_SIDE)] | None = None
    lines: LandmarkLines | None = None
    target: Target | None = None
    set: SetMember | None = None

    form: Form | None = None
    sample_rate: Annotated[int, Field(ge=8000, le=192_000)] | None = None
    hop: PositiveInt | None = None
    lookahead: NonNegativeInt | None = None
    context: NonNegativeInt | None = None
    states: dict[OneLine, OneLine] = {}
    speakers: Annotated[tuple[SpeakerEntry, ...], Field(max_length=1000)] = ()
