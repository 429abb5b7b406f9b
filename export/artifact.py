"""The frozen model: ONE .onnx file that performs. Its manifest, reading, writing, and refusing what is not ours.

The manifest is JSON under one metadata key of the ONNX file. Nothing in a file is believed before it is held against
what the file is: see onnx_outline for how it is read. What a graph computes is not judged here: a graph of standard
operators may still be slow or ask for much memory.

    read_manifest   what it says it is, for a list of looks: well under a millisecond
    check           every refusal, before a session is built on it: some milliseconds
    write           atomic: the file is there whole, or not at all

Thread: any. Free of torch, onnx, onnxruntime and numpy, because live reads manifests while it performs.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

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
    ValidationError,
    model_validator,
)

from export.onnx_outline import Malformed, Outline, TensorPort, outline

if TYPE_CHECKING:
    from onnx import ModelProto

MANIFEST_KEY = "guise"
MANIFEST_VERSION = 1
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})

LARGEST_PORT_BYTES = 2**26
"""A port is allocated at its declared size: 64 MiB is a picture of 4096 x 4096, and no claim goes beyond."""
LARGEST_PICTURE = 4096

Kind = Literal["look", "voice"]
Precision = Literal["fp32", "fp16", "int8"]
Reads = Literal["lines", "face", "frame", "mcep", "lf0", "voiced", "sound"]
Gives = Literal[
    "picture",
    "mask",
    "converted_mcep",
    "converted_lf0",
    "converted_voiced",
    "converted_aperiodicity",
    "converted_sound",
    "mcep_change",
]
DType = Literal["uint8", "bool", "int32", "int64", "float16", "float32"]

FEATURES: tuple[Reads, ...] = ("mcep", "lf0", "voiced")
CONVERTED_FEATURES: tuple[Gives, ...] = ("converted_mcep", "converted_lf0", "converted_voiced")
FILTER_RATE = 16000
"""Hz: of a voice that says by what filter a sound is to go, as models.features.filtered_voice plays it."""
FILTER_LOOKAHEAD_MS = (10, 40)
MCEPS = 36
"""As models.features.speech has it, which this file, free of numpy, may not ask."""
FRAMES_A_SECOND = 200

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_ITEM_BYTES: dict[DType, int] = {"uint8": 1, "bool": 1, "int32": 4, "int64": 8, "float16": 2, "float32": 4}
_LARGEST_MANIFEST = 1 << 20


class BadModel(Exception):
    """A file that is no frozen model we can perform; the message is one line: which file, what is wrong, what to do."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self.what = what
        super().__init__(one_line(f"{os.fspath(path)!s} {what}"))


def one_line(text: str) -> str:
    """`text` without control characters and line breaks, so that a hostile name cannot draw on a terminal."""
    return "".join(" " if c in "\n\r\t" else c if _printable(c) else "?" for c in text)


def _printable(character: str) -> bool:
    # Cf are the invisible ones that turn the direction of writing; Cs the halves of surrogate pairs.
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _is_line(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if not all(map(_printable, text)):
        raise ValueError("must not hold control characters or line breaks")
    return text


def _in_order(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(values):
        raise ValueError("must not decrease")
    return values


Line = Annotated[str, Field(max_length=200), AfterValidator(_is_line)]
Statement = Annotated[str, Field(max_length=4000), AfterValidator(_is_line)]
Point = tuple[FiniteFloat, FiniteFloat]
Points68 = Annotated[tuple[Point, ...], Field(min_length=68, max_length=68)]
Range = Annotated[tuple[FiniteFloat, FiniteFloat], AfterValidator(_in_order)]
Percentiles = Annotated[tuple[FiniteFloat, FiniteFloat, FiniteFloat], AfterValidator(_in_order)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Port(_Part):
    """One input or output of the graph: its fixed shape and element type."""

    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=8)]
    dtype: DType

    @model_validator(mode="after")
    def _of_a_sane_size(self) -> Port:
        size = _ITEM_BYTES[self.dtype]
        for dimension in self.shape:
            size *= dimension
        if size > LARGEST_PORT_BYTES:
            raise ValueError(f"would take {size} bytes, and {LARGEST_PORT_BYTES} are the most")
        return self


class Lines(_Part):
    """How the landmark drawing is drawn that the generator learned from; see models.features.face_lines."""

    style: Literal["smooth", "face2face"]


class Openings(_Part):
    """How far mouth and eyes opened in training: 5th, 50th and 95th percentile, in eye distances."""

    mouth: Percentiles
    left_eye: Percentiles
    right_eye: Percentiles


class Target(_Part):
    """The target's face as training saw it, in pixels of the generator's picture; retargeting aims at it.

    `neutral` are its 68 points at rest; `residual_low` and `residual_high` how far each moved about them once the pose
    was taken out. Pose is against neutral: `roll` in radians, `scale` a factor, shifts in eye distances.
    """

    neutral: Points68
    residual_low: Points68
    residual_high: Points68
    roll: Range
    scale: Range
    shift_x: Range
    shift_y: Range
    openings: Openings


class Parameter(_Part):
    """Something a cue may set while the model performs; `name/parameter` is its OSC name."""

    low: FiniteFloat
    high: FiniteFloat
    default: FiniteFloat
    unit: str = ""

    @model_validator(mode="after")
    def _default_within(self) -> Parameter:
        if not self.low <= self.default <= self.high:
            raise ValueError("its default must lie between low and high")
        return self


class Speaker(_Part):
    """One whom a voice knows: mean and standard deviation of ln F0 (Hz); `target` marks the one it becomes; `room` is
    what was heard under the voice, see models.features.room_tone: its densities, dBFS, or nothing."""

    name: Line
    lf0_mean: FiniteFloat
    lf0_std: Annotated[FiniteFloat, Field(gt=0)]
    target: bool = False
    room: tuple[()] | tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] = ()


class Training(_Part):
    """Where the weights come from. `data_digest` is the data set's; `minutes` the time training took."""

    data_digest: Line
    steps: NonNegativeInt
    samples_seen: NonNegativeInt
    minutes: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)]
    revision: Line | None = None
    metrics: dict[Line, JsonValue] = {}
    options: dict[Line, JsonValue] = {}


class Manifest(_Part):
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

    version: Literal[1] = 1
    kind: Kind
    family: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    name: Line
    subject: Statement
    licence: Statement
    inputs: Annotated[dict[Line, Port], Field(min_length=1, max_length=64)]
    outputs: Annotated[dict[Line, Port], Field(min_length=1, max_length=64)]
    precision: Precision
    training: Training
    conditioning: dict[Line, JsonValue] = {}
    parameters: dict[Line, Parameter] = {}

    reads: tuple[Reads, ...] = ()
    gives: tuple[Gives, ...] = ()
    size: Annotated[int, Field(ge=16, le=LARGEST_PICTURE)] | None = None
    lines: Lines | None = None
    target: Target | None = None

    sample_rate: Annotated[int, Field(ge=8000, le=192_000)] | None = None
    hop: PositiveInt | None = None
    lookahead: NonNegativeInt | None = None
    context: NonNegativeInt | None = None
    states: dict[Line, Line] = {}
    speakers: tuple[Speaker, ...] = ()

    @model_validator(mode="after")
    def _is_a_whole_look_or_voice(self) -> Manifest:
        if self.kind == "look":
            _check_look(self)
        else:
            _check_voice(self)
        return self


def _check_look(m: Manifest) -> None:
    if m.size is None or not m.reads or not m.gives:
        raise ValueError("a look needs size, reads and gives")
    if (m.sample_rate, m.hop, m.lookahead, m.context) != (None, None, None, None) or m.states or m.speakers:
        raise ValueError("a look has no sample_rate, hop, lookahead, context, states or speakers")
    if not {"lines", "face", "frame"}.issuperset(m.reads) or not {"picture", "mask"}.issuperset(m.gives):
        raise ValueError("a look reads lines, face and frame, and gives picture and mask")
    if "picture" not in m.gives:
        raise ValueError("a look must give a picture")
    if "lines" in m.reads and (m.lines is None or m.target is None):
        raise ValueError("a look that reads lines needs lines and target")
    _check_ports(m)
    for name, port in [*m.inputs.items(), *m.outputs.items()]:
        if name in ("lines", "face", "picture", "mask"):
            wanted: tuple[int, ...] = (1, m.size, m.size, 1 if name == "mask" else 3)
        elif name == "frame":
            wanted = (1, *port.shape[1:3], 3)
        else:
            continue
        _check_port(name, port, "uint8", wanted)


def _check_voice(m: Manifest) -> None:
    if m.sample_rate is None or m.hop is None or m.lookahead is None or m.context is None:
        raise ValueError("a voice needs sample_rate, hop, lookahead and context")
    if m.size is not None or m.lines is not None or m.target is not None:
        raise ValueError("a voice has no size, lines or target")
    _check_ports(m)
    features = {*m.gives} - {"converted_aperiodicity"}
    if (set(m.reads), features) == (set(FEATURES), set(CONVERTED_FEATURES)):
        _check_features(m, m.sample_rate, m.hop, m.lookahead)
    elif (m.reads, m.gives) == (("sound",), ("converted_sound",)):
        for name, port in (("sound", m.inputs["sound"]), ("converted_sound", m.outputs["converted_sound"])):
            _check_port(name, port, "float32", (1, m.hop))
    elif (set(m.reads), set(m.gives)) == ({"sound", "lf0"}, {"mcep_change", "converted_lf0"}):
        _check_filter(m, m.sample_rate, m.hop, m.lookahead)
    else:
        raise ValueError(
            "a voice reads mcep, lf0, voiced and gives them converted, reads and gives sound, or reads sound and lf0 "
            "and gives mcep_change and converted_lf0"
        )
    for before, after in m.states.items():
        old, new = m.inputs[before], m.outputs[after]
        if old != new:
            raise ValueError(f"the state {before} is {old.dtype} {old.shape}, and {after} {new.dtype} {new.shape}")
    _check_speakers(m)


def _check_features(m: Manifest, sample_rate: int, hop: int, lookahead: int) -> None:
    frame, rest = divmod(sample_rate, FRAMES_A_SECOND)
    if rest or hop % frame or lookahead % frame:
        raise ValueError("a voice of features needs frames of 5 ms in whole samples: in its hop, and in its lookahead")
    frames = hop // frame
    for name, port in [*m.inputs.items(), *m.outputs.items()]:
        bare = name.removeprefix("converted_")
        if bare in FEATURES:
            _check_port(name, port, "float32", (1, frames, MCEPS) if bare == "mcep" else (1, frames))
    if "converted_aperiodicity" in m.gives:
        # pyworld's count, which this file, free of numpy, may not ask.
        bands = min(15_000, sample_rate // 2 - 3000) // 3000
        _check_port("converted_aperiodicity", m.outputs["converted_aperiodicity"], "float32", (1, frames, bands))


def _check_filter(m: Manifest, sample_rate: int, hop: int, lookahead: int) -> None:
    if sample_rate != FILTER_RATE or hop * FRAMES_A_SECOND != sample_rate:
        raise ValueError(f"a voice of a filter is run every 5 ms, at {FILTER_RATE} Hz")
    least, most = FILTER_LOOKAHEAD_MS
    if not least * sample_rate <= 1000 * lookahead <= most * sample_rate:
        raise ValueError(
            f"a voice of a filter needs a lookahead of {least} to {most} ms: its periods are laid meanwhile"
        )
    _check_port("sound", m.inputs["sound"], "float32", (1, hop))
    _check_port("lf0", m.inputs["lf0"], "float32", (1, 1))
    _check_port("mcep_change", m.outputs["mcep_change"], "float32", (1, 1, MCEPS))
    _check_port("converted_lf0", m.outputs["converted_lf0"], "float32", (1, 1))


def _check_speakers(m: Manifest) -> None:
    names = [speaker.name for speaker in m.speakers]
    if len(set(names)) < len(names):
        raise ValueError("speakers names somebody twice")
    if names and sum(speaker.target for speaker in m.speakers) != 1:
        raise ValueError("one of the speakers must be its target")
    if "source" not in m.conditioning:
        return
    _check_port("source", m.inputs["source"], "int64", (1,))
    choices = m.conditioning["source"]
    if not isinstance(choices, list) or choices[1:] != names or not all(isinstance(c, str) for c in choices[:1]):
        raise ValueError("the conditioning source must list whoever speaks, then the speakers")


def _check_ports(m: Manifest) -> None:
    """Every input and output is accounted for, once."""
    if len(set(m.reads)) < len(m.reads) or len(set(m.gives)) < len(m.gives):
        raise ValueError("reads or gives names something twice")
    inputs = [*m.reads, *m.states, *m.conditioning, *m.parameters]
    if len(set(inputs)) < len(inputs) or (set(m.reads) | set(m.states)) - set(m.inputs) or set(m.inputs) - set(inputs):
        raise ValueError("its inputs must be what it reads, and what states, conditioning or parameters name")
    if m.kind == "voice" and set(m.conditioning) - set(m.inputs):
        raise ValueError("its conditioning must be among its inputs")
    outputs = [*m.gives, *m.states.values()]
    if len(set(outputs)) < len(outputs) or set(m.outputs) != set(outputs):
        raise ValueError("its outputs must be what it gives, and what states carry on")


def _check_port(name: str, port: Port, dtype: DType, shape: tuple[int, ...]) -> None:
    if port.shape != shape or port.dtype != dtype:
        raise ValueError(f"{name} must be {dtype} {shape}, and is {port.dtype} {port.shape}")


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """What the frozen model at `path` says it is, without a look at its graph: for lists, not for performing.

    Raises BadModel.
    """
    return _manifest(path, _outline(path, metadata_only=True))


def check(path: str | os.PathLike[str], kind: Kind | None = None) -> Manifest:
    """The manifest of the frozen model at `path`, held against its graph; with `kind`, refuses the other kind.

    Raises BadModel for whatever must not reach the stage: see the tests, one for each refusal.
    """
    found = _outline(path)
    manifest = _manifest(path, found)
    if kind is not None and manifest.kind != kind:
        raise BadModel(path, f"is a {manifest.kind}, where a {kind} is wanted: choose another file")
    if found.external:
        raise BadModel(
            path, "keeps weights in another file, which Guise never opens: export it again, as one file of its own"
        )
    foreign = sorted({domain for domain, _ in found.operators} | found.domains)
    foreign = [domain for domain in foreign if domain not in STANDARD_DOMAINS]
    if foreign:
        used = sorted(operator for domain, operator in found.operators if domain == foreign[0])
        operator = f"the operator {_short(used[0])} of " if used else ""
        raise BadModel(
            path,
            f"uses {operator}the domain {_short(foreign[0])}, and frozen models use ONNX's own alone: export it again",
        )
    _compare(path, "input", manifest.inputs, found.inputs)
    _compare(path, "output", manifest.outputs, found.outputs)
    return manifest


def write(path: Path, onnx_model: ModelProto, manifest: Manifest) -> None:
    """Writes `onnx_model` (left as it is) with `manifest` inside to `path`, whole or not at all.

    An older file there is replaced in one step, so that a show which has it open keeps the old one. Raises BadModel
    when what was written would be refused, OSError when the disk refuses.
    """
    text = manifest.model_dump_json(exclude_defaults=True, exclude={"version"})
    body = json.dumps({"version": MANIFEST_VERSION, **json.loads(text)}, ensure_ascii=False).encode()
    try:
        weights = onnx_model.SerializeToString(deterministic=True)
    except ValueError as error:  # Protobuf ends at 2 GB.
        raise BadModel(path, f"cannot be written: {error}") from None
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(weights)
            # Two protobuf messages one after the other are their union: the model, and a model of one metadata entry.
            file.write(_chunk(14, _chunk(1, MANIFEST_KEY.encode()) + _chunk(2, body)))
            file.flush()
            os.fsync(file.fileno())
        try:
            check(temporary)
        except BadModel as error:
            raise BadModel(path, error.what) from None
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of the file, hexadecimal: what caches made from it are keyed by. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _outline(path: str | os.PathLike[str], *, metadata_only: bool = False) -> Outline:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise BadModel(path, "is a folder: name the .onnx file in it")
        if not stat.S_ISREG(mode):
            raise BadModel(path, "is not a file: name the .onnx file")
        return outline(Path(path), metadata_only=metadata_only)
    except Malformed as error:
        raise BadModel(path, str(error)) from None
    except FileNotFoundError:
        raise BadModel(path, "does not exist: check the path") from None
    except OSError as error:
        raise BadModel(path, f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # A path with a zero byte.
        raise BadModel(path, f"is no path: {error}") from None


def _manifest(path: str | os.PathLike[str], found: Outline) -> Manifest:
    texts = [value for key, value in found.metadata if key == MANIFEST_KEY]
    if not texts:
        raise BadModel(path, "has no manifest: it is an ONNX model, but none that `guise export` wrote")
    if len(texts) > 1:
        raise BadModel(path, "has two manifests: export it again")
    if len(texts[0]) > _LARGEST_MANIFEST:
        raise BadModel(path, "has a manifest of more than a megabyte: it is not one of ours")
    try:
        says = json.loads(texts[0])
    except (ValueError, RecursionError):
        raise BadModel(path, "has a damaged manifest (it is not JSON): export it again") from None
    if not isinstance(says, dict):
        raise BadModel(path, "has a damaged manifest (it is no JSON object): export it again")
    version = says.get("version")
    if isinstance(version, int) and version > MANIFEST_VERSION:
        known = f"manifest version {version}, this one reads {MANIFEST_VERSION}"
        raise BadModel(path, f"was made by a newer Guise ({known}): update Guise")
    if type(version) is not int or version != MANIFEST_VERSION:  # True equals 1.
        raise BadModel(path, f"has a manifest without a version that is known ({_short(version)}): export it again")
    if not says.get("subject"):
        raise BadModel(path, "does not say whose likeness it is (no subject): export it again with --subject")
    try:
        return Manifest.model_validate_json(texts[0], strict=True)
    except ValidationError as error:
        raise BadModel(path, f"has a manifest that does not hold: {first_complaint(error)}; export it again") from None


def first_complaint(error: ValidationError) -> str:
    """The first of pydantic's complaints, in one phrase."""
    all_of_them = error.errors(include_url=False, include_context=False)
    one = all_of_them[0]
    where = ".".join(str(part) for part in one["loc"])
    what = one["msg"].removeprefix("Value error, ")
    what = what[:1].lower() + what[1:]
    if one["type"] == "extra_forbidden":
        what = "is an unknown key"
    more = f" (and {len(all_of_them) - 1} more)" if len(all_of_them) > 1 else ""
    return f"{_short(where)} {what}{more}" if where else f"{what}{more}"


def _compare(path: str | os.PathLike[str], side: str, promised: dict[str, Port], found: dict[str, TensorPort]) -> None:
    for name in [*promised, *found]:
        if name not in found:
            raise BadModel(path, f"promises the {side} {_short(name)}, and its graph has none: export it again")
        if name not in promised:
            raise BadModel(path, f"has the {side} {_short(name)}, of which its manifest knows nothing: export it again")
        port, truth = promised[name], found[name]
        if None in truth.shape:
            raise BadModel(path, f"has the {side} {_short(name)} without a fixed shape: export it again")
        if (port.dtype, port.shape) != (truth.dtype, truth.shape):
            raise BadModel(
                path,
                f"promises the {side} {_short(name)} as {port.dtype} {port.shape}, and its graph has "
                f"{truth.dtype} {_short(truth.shape)}: export it again",
            )


def _short(thing: object) -> str:
    text = thing if isinstance(thing, str) else repr(thing)
    return f"{text[:60]}..." if len(text) > 60 else text


def _chunk(number: int, body: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
