"""The file of a frozen model: reading, writing, and refusing whatever is not one.

The manifest is JSON under one metadata key of the ONNX file. No statement of a file is trusted before it is compared
with what the file holds: see export.artifact.outline for how it is read. What a graph computes is judged only as far as
constants say how large it becomes; whatever else is slow or large is refused when it is loaded.

    read_manifest     what the file says it is, for a list of looks: well under a millisecond
    check_model       every refusal, before a session is built from the file: some milliseconds
    write_model       atomic: the file is there whole, or not at all
    replace_manifest  as atomic: another manifest in a file, its graph and weights byte for byte the same

Thread: any. Free of torch, onnx, onnxruntime and numpy, because live reads manifests while it performs.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from export.artifact.bad_model import BadModel, shortened
from export.artifact.claimed_sizes import MAX_TENSOR_NUMBERS, largest_claim
from export.artifact.fields import Kind, Port
from export.artifact.manifest import MANIFEST_VERSION, Manifest
from export.artifact.operators import first_fault
from export.artifact.outline import Outline, TensorPort, read_outline
from export.artifact.version1 import from_version_1
from export.artifact.wire import Malformed

if TYPE_CHECKING:
    from onnx import ModelProto

MANIFEST_KEY = "guise"
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_MAX_MANIFEST_BYTES = 1 << 20


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest of the frozen model at `path`, without reading its graph: for lists, not for performing.

    Raises BadModel.
    """
    return _parse_manifest(path, _read_outline(path, metadata_only=True))


def check_model(path: str | os.PathLike[str], kind: Kind | None = None) -> Manifest:
    """The manifest of the frozen model at `path`, compared with its graph; with `kind`, the other kind is refused.

    Raises BadModel for anything that must not reach the stage: each refusal has a test.
    """
    found = _read_outline(path)
    manifest = _parse_manifest(path, found)
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
        operator = f"the operator {shortened(used[0])} of " if used else ""
        raise BadModel(
            path,
            f"uses {operator}the domain {shortened(foreign[0])}, "
            "and frozen models use ONNX's own alone: export it again",
        )
    _check_graph(path, found)
    _compare_ports(path, "input", manifest.inputs, found.inputs)
    _compare_ports(path, "output", manifest.outputs, found.outputs)
    return manifest


def _check_graph(path: str | os.PathLike[str], found: Outline) -> None:
    fault = first_fault(found.operators, found.versions)
    if fault is not None:
        raise BadModel(path, fault)
    claimed = largest_claim(found.claims, found.integers)
    if claimed is not None and claimed[0] > MAX_TENSOR_NUMBERS:
        raise BadModel(path, f"makes {claimed[0]:.0e} numbers by one {claimed[1]}: it is damaged or forged")


def write_model(path: Path, onnx_model: ModelProto, manifest: Manifest) -> None:
    """Writes `onnx_model` (left unchanged) with `manifest` inside to `path`, whole or not at all.

    An older file there is replaced in one step, so that a show which has it open keeps the old one. Raises BadModel
    when the written file would be refused, OSError when the disk refuses.
    """
    try:
        weights = onnx_model.SerializeToString(deterministic=True)
    except ValueError as error:  # Protobuf ends at 2 GB.
        raise BadModel(path, f"cannot be written: {error}") from None
    _write_checked(path, [weights, _manifest_entry(manifest)])


def replace_manifest(path: Path, manifest: Manifest) -> None:
    """Puts `manifest` in place of the one in the file at `path`; every other byte of the file stays as it is.

    The file is replaced in one step, as by `write_model`. Raises BadModel when the file, or the one to be, would be
    refused, OSError when the disk refuses.
    """
    check_model(path)
    _write_checked(path, [*_without_manifest(path), _manifest_entry(manifest)])


def _without_manifest(path: Path) -> list[bytes]:
    """The parts of the file before, between and after its manifests."""
    whole = path.read_bytes()
    places = [(entry.start, entry.end) for entry in _read_outline(path).metadata if entry.key == MANIFEST_KEY]
    ends = [0, *(end for _, end in places)]
    starts = [*(start for start, _ in places), len(whole)]
    return [whole[begin:end] for begin, end in zip(ends, starts, strict=True)]


def _manifest_entry(manifest: Manifest) -> bytes:
    """A model of one metadata entry, the manifest: two concatenated protobuf messages are their union."""
    text = manifest.model_dump_json(exclude_defaults=True, exclude={"version"})
    body = json.dumps({"version": MANIFEST_VERSION, **json.loads(text)}, ensure_ascii=False).encode()
    return _length_delimited(14, _length_delimited(1, MANIFEST_KEY.encode()) + _length_delimited(2, body))


def _write_checked(path: Path, parts: Iterable[bytes]) -> None:
    """Writes `parts` to `path` in one step, or not at all when the file would be refused."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        try:
            check_model(temporary)
        except BadModel as error:
            raise BadModel(path, error.what) from None
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of the file, hexadecimal: the key of caches derived from it. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_outline(path: str | os.PathLike[str], *, metadata_only: bool = False) -> Outline:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise BadModel(path, "is a folder: name the .onnx file in it")
        if not stat.S_ISREG(mode):
            raise BadModel(path, "is not a file: name the .onnx file")
        return read_outline(Path(path), metadata_only=metadata_only)
    except Malformed as error:
        raise BadModel(path, str(error)) from None
    except FileNotFoundError:
        raise BadModel(path, "does not exist: check the path") from None
    except OSError as error:
        raise BadModel(path, f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # A path with a zero byte.
        raise BadModel(path, f"is no path: {error}") from None


def _parse_manifest(path: str | os.PathLike[str], found: Outline) -> Manifest:
    manifests = [entry.value for entry in found.metadata if entry.key == MANIFEST_KEY]
    if not manifests:
        raise BadModel(path, "has no manifest: it is an ONNX model, but none that `guise export` wrote")
    if len(manifests) > 1:
        raise BadModel(path, "has two manifests: export it again")
    if len(manifests[0]) > _MAX_MANIFEST_BYTES:
        raise BadModel(path, "has a manifest of more than a megabyte: it is not one of ours")
    try:
        fields = json.loads(manifests[0])
    except (ValueError, RecursionError):
        raise BadModel(path, "has a damaged manifest (it is not JSON): export it again") from None
    if not isinstance(fields, dict):
        raise BadModel(path, "has a damaged manifest (it is no JSON object): export it again")
    version = fields.get("version")
    if isinstance(version, int) and version > MANIFEST_VERSION:
        known = f"manifest version {shortened(version)}, this one reads {MANIFEST_VERSION}"
        raise BadModel(path, f"was made by a newer Guise ({known}): update Guise")
    if type(version) is not int or version < 1:  # True equals 1.
        raise BadModel(path, f"has a manifest without a version that is known ({shortened(version)}): export it again")
    if not fields.get("subject"):
        raise BadModel(path, "does not say whose likeness it is (no subject): export it again with --subject")
    try:
        return _validated(manifests[0], fields, version)
    except ValidationError as error:
        raise BadModel(path, f"has a manifest that does not hold: {first_error(error)}; export it again") from None
    except ValueError as error:
        raise BadModel(path, f"has a manifest that does not hold: {error}; export it again") from None
    except RecursionError:
        raise BadModel(path, "has a damaged manifest (it nests too deep): export it again") from None


def _validated(text: str, fields: dict[str, JsonValue], version: int) -> Manifest:
    """`fields` are those of the JSON `text`. Raises ValueError, of which pydantic's ValidationError is one."""
    if version == 1:
        # As text once more: pydantic takes JSON's arrays for tuples, and in its strict mode no list of Python's.
        text = json.dumps(from_version_1(fields))
    return Manifest.model_validate_json(text, strict=True)


def first_error(error: ValidationError) -> str:
    """The first of pydantic's errors, in one phrase."""
    errors = error.errors(include_url=False, include_context=False)
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    what = what[:1].lower() + what[1:]
    if first["type"] == "extra_forbidden":
        what = "is an unknown key"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{shortened(where)} {what}{more}" if where else f"{what}{more}"


def _compare_ports(
    path: str | os.PathLike[str], side: str, declared: dict[str, Port], found: dict[str, TensorPort]
) -> None:
    for name in [*declared, *found]:
        if name not in found:
            raise BadModel(path, f"promises the {side} {shortened(name)}, and its graph has none: export it again")
        if name not in declared:
            raise BadModel(
                path, f"has the {side} {shortened(name)}, of which its manifest knows nothing: export it again"
            )
        port, actual = declared[name], found[name]
        if None in actual.shape:
            raise BadModel(path, f"has the {side} {shortened(name)} without a fixed shape: export it again")
        if (port.dtype, port.shape) != (actual.dtype, actual.shape):
            raise BadModel(
                path,
                f"promises the {side} {shortened(name)} as {port.dtype} {port.shape}, and its graph has "
                f"{actual.dtype} {shortened(actual.shape)}: export it again",
            )


def _length_delimited(number: int, body: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
