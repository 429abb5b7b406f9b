"""Parity with torch: does the frozen model give the outputs of the network? Checked before anything performs with it.

Both get the same inputs. A look: black, noise, and drawings of the target's own face in motion; outputs are compared in
levels, 1/255. A voice: many hops in a row, silence, noise and synthetic speech, for every source speaker, each side
carrying its own states; ln F0 is compared in cents, cepstra in dB, sound and states in 1/255 of their largest value.
Offline; uses torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from export.artifact.fields import FRAMES_PER_S, MCEPS, Port, Precision
from export.artifact.manifest import Manifest
from export.runtime.comparison import face_inputs, port_noise
from export.runtime.frozen_session import Array, Arrays, FrozenSession
from models.features.types import Points
from models.training.family import FreezePlan, freeze_batch

SAMPLES = 6
SILENT_HOPS, NOISY_HOPS = 4, 4
SPEECH_S = 1.5
LEAST_CHANGE = 2
"""Levels by which some value of a picture must differ between two drawings; the demo's looks change by above 200."""
LEAST_MOTION = 1e-5
"""Of what a voice gives from hop to hop: full scale is 1, and of a cepstrum 0.115 are a decibel."""


class NotFaithful(Exception):
    """The frozen model differs from the network by more than its precision allows; the message is one line with the
    differences."""


@dataclass(frozen=True)
class ParityBound:
    """The largest differences allowed, in 1/255."""

    mean: float
    maximum: float


BOUNDS: Mapping[Precision, ParityBound] = {
    # Rounding to levels alone moves a value by one where the two are on either side of a half.
    "fp32": ParityBound(mean=1.0, maximum=2.0),
    # Weights lose 13 of 24 bits, and instance norm magnifies that where a channel hardly varies: single pixels may
    # change, the picture as a whole may not.
    "fp16": ParityBound(mean=1.0, maximum=16.0),
    # 8 bits for all activations but the last: the picture gets a grain of one level, where film has several. Noise,
    # which is outside the calibrated range, is the worst case; the target's own face differs by a third of that.
    "int8": ParityBound(mean=2.0, maximum=64.0),
}
VOICE_BOUNDS: Mapping[Precision, Mapping[str, float]] = {
    # A tenth of the smallest audible difference: 5 cents and 1 dB.
    "fp32": {"cents": 0.5, "db": 0.1, "of_255": 1.0},
    "fp16": {"cents": 5.0, "db": 1.0, "of_255": 16.0},
}
"""The largest differences allowed over all hops: of converted_lf0, of converted_mcep, and of all other outputs."""


@dataclass(frozen=True)
class Parity:
    """Mean and largest absolute difference to torch, in 1/255, over `inputs` different inputs."""

    mean: float
    maximum: float
    inputs: int

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class VoiceParity:
    """The largest differences to torch in the units of VOICE_BOUNDS, over `hops` in a row."""

    largest: Mapping[str, float]
    hops: int

    def as_dict(self) -> dict[str, float]:
        return {unit: round(value, 4) for unit, value in self.largest.items()} | {"hops": self.hops}


def parity(plan: FreezePlan, session: FrozenSession, seed: int = 0) -> Parity | VoiceParity:
    """How far `session` is from `plan.module`. Raises NotFaithful beyond the bound of the manifest's precision."""
    if session.manifest.kind == "voice":
        return _voice_parity(plan, session, seed)
    totals: list[float] = []
    pictures: list[Array] = []
    largest = 0.0
    count = 0
    for inputs in _look_inputs(session.manifest, seed):
        wanted = _network_outputs(plan, inputs)
        got = session.run(**inputs)
        for name in plan.outputs:
            difference = _look_difference(wanted[name], got[name])
            totals.append(float(difference.mean()))
            largest = float(np.maximum(largest, difference.max()))
        pictures.append(got["picture"].copy())
        count += 1
    result = Parity(float(np.mean(totals)), largest, count)
    bound = BOUNDS[session.manifest.precision]
    # Written so that a NaN, for which every comparison is false, is refused as well.
    if not (result.mean <= bound.mean and result.maximum <= bound.maximum):
        raise NotFaithful(
            f"the frozen model differs from the network by {result.mean:.2f}/255 on average and "
            f"{result.maximum:.0f}/255 at most, where {session.manifest.precision} allows {bound.mean:g} and "
            f"{bound.maximum:g}: {_advice(session.manifest.precision)}"
        )
    _check_pictures_differ(pictures)
    return result


def _check_pictures_differ(pictures: list[Array]) -> None:
    """Of black, noise and drawings that differ. Raises NotFaithful."""
    values = [picture.astype(np.float64) for picture in pictures]
    if max(float(np.abs(values[0] - other).max()) for other in values[1:]) < LEAST_CHANGE:
        raise NotFaithful(
            "the look paints the same picture for every drawing: its training has not begun to learn, or diverged; "
            "train anew, or freeze an earlier checkpoint with --step"
        )


def _advice(precision: Precision) -> str:
    return "report it" if precision == "fp32" else "train further, or export with --precision fp32"


def _voice_parity(plan: FreezePlan, session: FrozenSession, seed: int) -> VoiceParity:
    manifest = session.manifest
    largest = dict.fromkeys(VOICE_BOUNDS[manifest.precision], 0.0)
    hops = 0
    for sequence in _hop_sequences(manifest, seed):
        heard: list[dict[str, Array]] = []
        session_states = {
            name: np.zeros(p.shape, p.dtype) for name, p in manifest.inputs.items() if name in manifest.states
        }
        network_states = dict(session_states)
        for inputs in sequence:
            wanted = _network_outputs(plan, inputs | network_states)
            got = session.run(**inputs, **session_states)
            heard.append({name: got[name].copy() for name in manifest.gives})
            for name in plan.outputs:
                unit, difference = _voice_difference(name, wanted[name], got[name])
                # fmax would drop a NaN; max keeps it, and the bound below refuses it.
                largest[unit] = float(np.max([largest[unit], difference]))
            network_states = {state: wanted[after] for state, after in manifest.states.items()}
            session_states = {state: got[after].copy() for state, after in manifest.states.items()}
            hops += 1
        _check_heard(heard)
    bounds = VOICE_BOUNDS[manifest.precision]
    if not all(largest[unit] <= bound for unit, bound in bounds.items()):
        allowed = ", ".join(f"{largest[unit]:.3g} {unit} (of {bound:g})" for unit, bound in bounds.items())
        raise NotFaithful(
            f"the frozen voice differs from the network by {allowed}, more than {manifest.precision} allows: "
            f"{_advice(manifest.precision)}"
        )
    return VoiceParity(largest, hops)


def _check_heard(hops: list[dict[str, Array]]) -> None:
    """What a voice makes of silence, noise and speech, hop by hop. Raises NotFaithful."""
    for name in hops[0]:
        given = np.stack([hop[name] for hop in hops]).astype(np.float64)
        if not np.isfinite(given).all():
            raise NotFaithful(
                f"the voice gives what is no number as {name}: its training diverged; train anew, or freeze an earlier "
                "checkpoint with --step"
            )
        # A filter that changes nothing may be what was learned; sound or features that never change are not.
        if name in ("converted_sound", "converted_mcep") and np.ptp(given, axis=0).max() < LEAST_MOTION:
            raise NotFaithful(
                "the voice gives the same, whatever is said: its training has not begun to learn, or diverged; train "
                "anew, or freeze an earlier checkpoint with --step"
            )


def _network_outputs(plan: FreezePlan, inputs: Arrays) -> dict[str, Array]:
    """The outputs of the network, by name."""
    # Copies: torch would share the memory, and a module may return its own input.
    tensors = {name: torch.from_numpy(np.array(inputs[name])) for name in plan.inputs}
    outputs = freeze_batch(tensors, plan.module)
    return {name: tensor.numpy() for name, tensor in zip(plan.outputs, outputs, strict=True)}


def _look_difference(wanted: Array, got: Array) -> NDArray[np.float64]:
    difference = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
    if wanted.dtype == np.uint8:
        return difference
    return difference * (255 / max(float(np.abs(wanted).max()), 1e-6))


def _voice_difference(name: str, wanted: Array, got: Array) -> tuple[str, float]:
    """The unit an output is compared in, and the largest difference."""
    difference = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
    if name == "converted_lf0":
        return "cents", float(difference.max() * 1200 / np.log(2))
    if name in ("converted_mcep", "mcep_change"):
        return "db", float(10 / np.log(10) * np.sqrt(2 * (difference**2).sum(-1)).max())
    largest = max(float(np.abs(wanted).max()), 1.0 if name == "converted_voiced" else 1e-2)
    return "of_255", float(difference.max() * 255 / largest)


def _look_inputs(manifest: Manifest, seed: int) -> Iterator[dict[str, Array]]:
    """Black, noise, and drawings."""
    rng = np.random.default_rng(seed)
    noise = {name: port_noise(port, rng) for name, port in manifest.inputs.items()}
    yield {name: np.zeros(port.shape, port.dtype) for name, port in manifest.inputs.items()}
    yield noise
    yield from sample_inputs(manifest, rng, SAMPLES)


def sample_inputs(manifest: Manifest, rng: np.random.Generator, count: int) -> Iterator[dict[str, Array]]:
    """`count` drawings, or points, of the target's own face in motion, with noise for the other inputs of a look;
    nothing for a look that reads neither."""
    if {"lines", "points"}.isdisjoint(manifest.inputs):
        return
    noise = {name: port_noise(port, rng) for name, port in manifest.inputs.items()}
    for points in _face_points(manifest, rng, count):
        yield noise | face_inputs(manifest, points)


def _hop_sequences(manifest: Manifest, seed: int) -> Iterator[list[dict[str, Array]]]:
    """Inputs hop by hop, one sequence for each value of each conditioning; the parameters at their defaults."""
    rng = np.random.default_rng(seed)
    fixed = {name: np.zeros(manifest.inputs[name].shape, manifest.inputs[name].dtype) for name in manifest.conditioning}
    fixed |= {
        name: np.full(manifest.inputs[name].shape, p.default, manifest.inputs[name].dtype)
        for name, p in manifest.parameters.items()
        if name in manifest.inputs
    }
    yield [fixed | inputs for inputs in _voice_inputs(manifest, rng)]
    for name, choices in manifest.conditioning.items():
        for choice in range(1, len(choices) if isinstance(choices, list) else 2):
            choice_array = np.full_like(fixed[name], choice)
            yield [fixed | {name: choice_array} | inputs for inputs in _voice_inputs(manifest, rng)]


def _voice_inputs(manifest: Manifest, rng: np.random.Generator) -> Iterator[dict[str, NDArray[np.float32]]]:
    """The inputs of the voice, hop by hop: silence, noise, synthetic speech, and silence again."""
    ports: dict[str, Port] = {name: manifest.inputs[name] for name in manifest.reads}
    features = manifest.form == "features"
    silence = {name: np.zeros(port.shape, np.float32) for name, port in ports.items()}
    if features:
        silence["mcep"][..., 0] = -18.0  # About the level that WORLD gives for digital silence.
    for _ in range(SILENT_HOPS):
        yield silence
    for _ in range(NOISY_HOPS):
        noise = {name: rng.standard_normal(port.shape).astype(np.float32) for name, port in ports.items()}
        if features:
            noise["voiced"] = (noise["lf0"] > 0).astype(np.float32)
            noise["lf0"] = (5 + noise["lf0"]) * noise["voiced"]
        yield noise
    yield from _synthetic_features(manifest, rng) if features else _synthetic_sound(manifest, rng)
    yield silence


def _synthetic_features(manifest: Manifest, rng: np.random.Generator) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Syllables: an F0 that glides, cepstra that wander, a level that rises and falls, and unvoiced frames."""
    frames = manifest.inputs["lf0"].shape[1]
    hops = max(1, round(SPEECH_S * FRAMES_PER_S / frames))
    time_s = np.arange(hops * frames) / FRAMES_PER_S
    level = np.sin(2 * np.pi * 2 * time_s)
    voiced = (level > -0.3).astype(np.float32)
    lf0 = (4.9 + 0.3 * np.sin(2 * np.pi * 0.7 * time_s)) * voiced
    coefficient_scale = 1.5 / np.arange(1, MCEPS + 1)
    mcep = np.cumsum(rng.standard_normal((len(time_s), MCEPS)), 0)
    mcep = (mcep - mcep.mean(0)) / mcep.std(0) * coefficient_scale
    mcep[:, 0] = -9 + 3 * level
    for hop in range(hops):
        frames_of_hop = slice(hop * frames, (hop + 1) * frames)
        yield {
            "mcep": mcep[None, frames_of_hop].astype(np.float32),
            "lf0": lf0[None, frames_of_hop].astype(np.float32),
            "voiced": voiced[None, frames_of_hop],
        }


def _synthetic_sound(manifest: Manifest, rng: np.random.Generator) -> Iterator[dict[str, NDArray[np.float32]]]:
    """A gliding pulse train with formants, and noise between its syllables; and its ln F0, where that is read."""
    rate, hop = manifest.sample_rate or 16000, manifest.hop or 1
    hops = max(1, round(SPEECH_S * rate / hop))
    time_s = np.arange(hops * hop) / rate
    hz = 120 * 2 ** (0.4 * np.sin(2 * np.pi * 0.7 * time_s))
    phase = np.cumsum(hz) / rate
    tone = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 12))
    level = np.maximum(np.sin(2 * np.pi * 2 * time_s), 0)
    sound = 0.1 * tone * level + 0.01 * rng.standard_normal(len(time_s))
    for number in range(hops):
        inputs = {"sound": sound[None, number * hop : (number + 1) * hop].astype(np.float32)}
        if "lf0" in manifest.reads:
            inputs["lf0"] = np.full((1, 1), np.log(hz[number * hop]), np.float32)
        yield inputs


def _face_points(manifest: Manifest, rng: np.random.Generator, count: int) -> Iterator[Points]:
    """The target's face at rest, and moved within the ranges of the training data."""
    target = manifest.target
    if target is None:
        return
    neutral, low, high = (
        np.array(points, np.float32) for points in (target.neutral, target.residual_low, target.residual_high)
    )
    for number in range(count):
        share = rng.uniform(0, 1, (68, 1)).astype(np.float32) if number else np.float32(0)
        moved = neutral + (low + (high - low) * share if number else 0)
        yield moved.astype(np.float32)
