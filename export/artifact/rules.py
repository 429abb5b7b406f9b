"""Which fields of a manifest belong together: the rules for looks, and for voices of each form. Each raises
ValueError."""

from __future__ import annotations

from export.artifact.fields import (
    CONVERTED_FEATURES,
    FEATURES,
    FILTER_LOOKAHEAD_MS,
    FILTER_RATE,
    FRAMES_PER_S,
    MCEPS,
    DType,
    ManifestFields,
    Port,
)


def check_look(m: ManifestFields) -> None:
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


def check_voice(m: ManifestFields) -> None:
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


def _check_features(m: ManifestFields, sample_rate: int, hop: int, lookahead: int) -> None:
    frame, rest = divmod(sample_rate, FRAMES_PER_S)
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


def _check_filter(m: ManifestFields, sample_rate: int, hop: int, lookahead: int) -> None:
    if sample_rate != FILTER_RATE or hop * FRAMES_PER_S != sample_rate:
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


def _check_speakers(m: ManifestFields) -> None:
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


def _check_ports(m: ManifestFields) -> None:
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
