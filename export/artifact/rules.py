"""Which fields of a manifest belong together: the rules for looks, for voices of each form, and for readings. Each
function raises ValueError. Thread: any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from export.artifact.fields import (
    CONVERTED_FEATURES,
    FEATURES,
    FILTER_LOOKAHEAD_MS,
    FILTER_RATE,
    FRAMES_PER_S,
    MAX_PORTS_BYTES,
    MCEPS,
    OPTIONAL_FEATURES,
    DType,
    Form,
    Gives,
    ManifestFields,
    Port,
    Reads,
)
from export.artifact.values import check_parameter_port, check_value

LOOK_READS: frozenset[Reads] = frozenset({"lines", "points", "face", "frame"})
LOOK_GIVES: frozenset[Gives] = frozenset({"picture", "mask", "occluded"})


class FormPorts(NamedTuple):
    """What a voice of one form reads and gives, in any order; what is `optional` it may give as well."""

    reads: tuple[Reads, ...]
    gives: tuple[Gives, ...]
    optional: tuple[Gives, ...] = ()

    def hold(self, reads: Iterable[str], gives: Iterable[str]) -> bool:
        """Whether a voice that reads and gives these is of this form."""
        return set(reads) == set(self.reads) and set(gives) - set(self.optional) == set(self.gives)


FORM_PORTS: Mapping[Form, FormPorts] = {
    "features": FormPorts(FEATURES, CONVERTED_FEATURES, OPTIONAL_FEATURES),
    "sound": FormPorts(("sound",), ("converted_sound",)),
    "filter": FormPorts(("sound", "lf0"), ("mcep_change", "converted_lf0")),
}


def check_look(manifest: ManifestFields) -> None:
    """The rules for a look."""
    if manifest.size is None or not manifest.reads or not manifest.gives:
        raise ValueError("a look needs size, reads and gives")
    if (
        (manifest.sample_rate, manifest.hop, manifest.lookahead, manifest.context) != (None, None, None, None)
        or manifest.states
        or manifest.speakers
    ):
        raise ValueError("a look has no sample_rate, hop, lookahead, context, states or speakers")
    if manifest.form is not None:
        raise ValueError("a look has no form: only a voice has one")
    if not LOOK_READS.issuperset(manifest.reads) or not LOOK_GIVES.issuperset(manifest.gives):
        raise ValueError("a look reads lines, points, face and frame, and gives picture, mask and occluded")
    if "picture" not in manifest.gives:
        raise ValueError("a look must give a picture")
    if "occluded" in manifest.gives and "mask" not in manifest.gives:
        raise ValueError("a look that gives occluded must give a mask: without one it covers the whole frame")
    if "lines" in manifest.reads and (manifest.lines is None or manifest.target is None):
        raise ValueError("a look that reads lines needs lines and target")
    if "points" in manifest.reads and manifest.target is None:
        raise ValueError("a look that reads points needs target")
    _check_ports(manifest)
    for name, value in manifest.conditioning.items():
        if name in manifest.inputs:
            check_value(name, value, manifest.inputs[name])
    _check_look_ports(manifest, manifest.size)
    _check_set(manifest)


def _check_look_ports(manifest: ManifestFields, size: int) -> None:
    ports = manifest.inputs | manifest.outputs
    for name in (*manifest.reads, *manifest.gives):
        port = ports[name]
        if name == "points":
            _check_port(name, port, "float32", (1, 68, 2))
        elif name == "frame":
            _check_port(name, port, "uint8", (1, *port.shape[1:3], 3))
        else:
            _check_port(name, port, "uint8", (1, size, size, 1 if name in ("mask", "occluded") else 3))


def _check_set(manifest: ManifestFields) -> None:
    member = manifest.set
    if member is not None and (member.size, member.precision) != (manifest.size, manifest.precision):
        raise ValueError(
            f"its set says size {member.size}, {member.precision}, and it is {manifest.size}, {manifest.precision}"
        )


def check_voice(manifest: ManifestFields) -> None:
    """The rules for a voice: those of its form, its states and its speakers."""
    if manifest.sample_rate is None or manifest.hop is None or manifest.lookahead is None or manifest.context is None:
        raise ValueError("a voice needs sample_rate, hop, lookahead and context")
    if manifest.size is not None or manifest.lines is not None or manifest.target is not None:
        raise ValueError("a voice has no size, lines or target")
    if manifest.set is not None:
        raise ValueError("a voice has no set: only a look has sizes")
    _check_ports(manifest)
    _check_times(manifest.sample_rate, manifest.hop, manifest.lookahead, manifest.context)
    if manifest.form is None or not FORM_PORTS[manifest.form].hold(manifest.reads, manifest.gives):
        raise ValueError(
            "a voice of the form features reads mcep, lf0, voiced and gives them converted, one of sound reads and "
            "gives sound, one of filter reads sound and lf0 and gives mcep_change and converted_lf0"
        )
    if manifest.form == "features":
        _check_features(manifest, manifest.sample_rate, manifest.hop, manifest.lookahead)
    elif manifest.form == "filter":
        _check_filter(manifest, manifest.sample_rate, manifest.hop, manifest.lookahead)
    else:
        _check_port("sound", manifest.inputs["sound"], "float32", (1, manifest.hop))
        _check_port("converted_sound", manifest.outputs["converted_sound"], "float32", (1, manifest.hop))
    _check_states(manifest)
    _check_speakers(manifest)


def check_reading(manifest: ManifestFields) -> None:
    """The rules for a reading."""
    if manifest.sample_rate is None:
        raise ValueError("a reading needs sample_rate")
    of_a_look = (manifest.size, manifest.lines, manifest.target, manifest.set)
    of_a_voice = (manifest.form, manifest.hop, manifest.lookahead, manifest.context)
    if any(value is not None for value in (*of_a_look, *of_a_voice)):
        raise ValueError("a reading has no size, lines, target, set, form, hop, lookahead or context")
    if (manifest.reads, manifest.gives) != (("text",), ("spoken_sound",)):
        raise ValueError("a reading reads text and gives spoken_sound")
    _check_ports(manifest)
    text, sound = manifest.inputs["text"], manifest.outputs["spoken_sound"]
    _check_port("text", text, "int64", (1, text.shape[-1]))
    _check_port("spoken_sound", sound, "float32", (1, sound.shape[-1]))
    _check_states(manifest)
    _check_speakers(manifest)


def _check_times(sample_rate: int, hop: int, lookahead: int, context: int) -> None:
    for name, samples, most_s in (("hop", hop, 1), ("lookahead", lookahead, 2), ("context", context, 60)):
        if samples > most_s * sample_rate:
            raise ValueError(f"{name} is longer than {most_s} s: no show could wait for it")


def _check_states(manifest: ManifestFields) -> None:
    for before, after in manifest.states.items():
        old, new = manifest.inputs[before], manifest.outputs[after]
        if old != new:
            raise ValueError(f"the state {before} is {old.dtype} {old.shape}, and {after} {new.dtype} {new.shape}")


def _check_features(manifest: ManifestFields, sample_rate: int, hop: int, lookahead: int) -> None:
    frame, rest = divmod(sample_rate, FRAMES_PER_S)
    if rest or hop % frame or lookahead % frame:
        raise ValueError("a voice of features needs frames of 5 ms in whole samples: in its hop, and in its lookahead")
    frames = hop // frame
    for name, port in [*manifest.inputs.items(), *manifest.outputs.items()]:
        bare = name.removeprefix("converted_")
        if bare in FEATURES:
            _check_port(name, port, "float32", (1, frames, MCEPS) if bare == "mcep" else (1, frames))
    if "converted_aperiodicity" in manifest.gives:
        # The number of bands that pyworld codes; this module is free of numpy and cannot ask it.
        bands = min(15_000, sample_rate // 2 - 3000) // 3000
        _check_port("converted_aperiodicity", manifest.outputs["converted_aperiodicity"], "float32", (1, frames, bands))


def _check_filter(manifest: ManifestFields, sample_rate: int, hop: int, lookahead: int) -> None:
    if sample_rate != FILTER_RATE or hop * FRAMES_PER_S != sample_rate:
        raise ValueError(f"a voice of a filter is run every 5 ms, at {FILTER_RATE} Hz")
    least, most = FILTER_LOOKAHEAD_MS
    if not least * sample_rate <= 1000 * lookahead <= most * sample_rate:
        raise ValueError(
            f"a voice of a filter needs a lookahead of {least} to {most} ms: its periods are laid meanwhile"
        )
    _check_port("sound", manifest.inputs["sound"], "float32", (1, hop))
    _check_port("lf0", manifest.inputs["lf0"], "float32", (1, 1))
    _check_port("mcep_change", manifest.outputs["mcep_change"], "float32", (1, 1, MCEPS))
    _check_port("converted_lf0", manifest.outputs["converted_lf0"], "float32", (1, 1))


def _check_speakers(manifest: ManifestFields) -> None:
    names = [speaker.name for speaker in manifest.speakers]
    if len(set(names)) < len(names):
        raise ValueError("speakers names somebody twice")
    if names and sum(speaker.target for speaker in manifest.speakers) != 1:
        raise ValueError("one of the speakers must be its target")
    if "source" not in manifest.conditioning:
        return
    _check_port("source", manifest.inputs["source"], "int64", (1,))
    choices = manifest.conditioning["source"]
    if not isinstance(choices, list) or choices[1:] != names or not all(isinstance(c, str) for c in choices[:1]):
        raise ValueError("the conditioning source must list whoever speaks, then the speakers")


def _check_ports(manifest: ManifestFields) -> None:
    """Every input and output of the graph is named exactly once."""
    if len(set(manifest.reads)) < len(manifest.reads) or len(set(manifest.gives)) < len(manifest.gives):
        raise ValueError("reads or gives names something twice")
    inputs = [*manifest.reads, *manifest.states, *manifest.conditioning, *manifest.parameters]
    if (
        len(set(inputs)) < len(inputs)
        or (set(manifest.reads) | set(manifest.states)) - set(manifest.inputs)
        or set(manifest.inputs) - set(inputs)
    ):
        raise ValueError("its inputs must be what it reads, and what states, conditioning or parameters name")
    if manifest.kind != "look" and set(manifest.conditioning) - set(manifest.inputs):
        raise ValueError("its conditioning must be among its inputs")
    if set(manifest.parameters) - set(manifest.inputs):
        raise ValueError("its parameters must be among its inputs")
    for name in manifest.parameters:
        check_parameter_port(name, manifest.inputs[name])
    if sum(port.bytes for port in (*manifest.inputs.values(), *manifest.outputs.values())) > MAX_PORTS_BYTES:
        raise ValueError(f"its inputs and outputs take more than {MAX_PORTS_BYTES} bytes together")
    outputs = [*manifest.gives, *manifest.states.values()]
    if len(set(outputs)) < len(outputs) or set(manifest.outputs) != set(outputs):
        raise ValueError("its outputs must be what it gives, and what states carry on")


def _check_port(name: str, port: Port, dtype: DType, shape: tuple[int, ...]) -> None:
    if port.shape != shape or port.dtype != dtype:
        raise ValueError(f"{name} must be {dtype} {shape}, and is {port.dtype} {port.shape}")
