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
Reads = Literal["lines", "face", "frame"]
Gives = Literal["picture", "mask"]
DType = Literal["uint8", "bool", "int32", "int64", "float16", "float32"]

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
    For a voice, `hop`, `lookahead` and `context` are in samples at `sample_rate` Hz.
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
    if (m.sample_rate, m.hop, m.lookahead, m.context) != (None, None, None, None):
        raise ValueError("a look has no sample_rate, hop, lookahead or context")
    if "picture" not in m.gives:
        raise ValueError("a look must give a picture")
    if "lines" in m.reads and (m.lines is None or m.target is None):
        raise ValueError("a look that reads lines needs lines and target")
    if len(set(m.reads)) < len(m.reads) or len(set(m.gives)) < len(m.gives):
        raise ValueError("reads or gives names something twice")
    unexplained = set(m.inputs) - set(m.reads) - set(m.conditioning) - set(m.parameters)
    if set(m.reads) - set(m.inputs) or unexplained:
        raise ValueError("its inputs must be what it reads, and what conditioning or parameters name")
    if set(m.outputs) != set(m.gives):
        raise ValueError("its outputs must be what it gives")
    for name, port in [*m.inputs.items(), *m.outputs.items()]:
        if name in ("lines", "face", "picture", "mask"):
            wanted: tuple[int, ...] = (1, m.size, m.size, 1 if name == "mask" else 3)
        elif name == "frame":
            wanted = (1, *port.shape[1:3], 3)
        else:
            continue
        if port.shape != wanted or port.dtype != "uint8":
            raise ValueError(f"{name} must be uint8 {wanted}, and is {port.dtype} {port.shape}")


def _check_voice(m: Manifest) -> None:
    if m.sample_rate is None or m.hop is None or m.lookahead is None or m.context is None:
        raise ValueError("a voice needs sample_rate, hop, lookahead and context")
    if m.reads or m.gives or m.size is not None or m.lines is not None or m.target is not None:
        raise ValueError("a voice has no reads, gives, size, lines or target")


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
