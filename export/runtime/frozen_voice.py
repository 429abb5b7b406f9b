"""A frozen voice as models.features.block_adapter.HopVoice: it is run hop by hop, and its states are carried from run
to run.

The same for the stage, `guise render` and evaluation. A session belongs to one thread at a time, as in
export.runtime.session.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model
from export.runtime.frozen_session import FrozenSession
from export.runtime.session import open_session
from models.features.block_adapter import HopVoice
from models.features.filtered_voice import FilteredVoice
from models.features.room_tone import RoomTone
from models.features.speech import (
    FrameDelay,
    WorldFrames,
    decode_aperiodicity,
    decode_envelope,
    encode_envelope,
    frame_samples,
)
from models.features.spoken_level import SpokenLevel
from models.features.types import Mono, Signal
from models.features.vocoded_voice import VocodedVoice, VoiceLayer

MAX_FRAME_GAIN, MAX_MEAN_GAIN = 8.0, 2.0
"""Ratios of power: a frame becomes at most 9 dB louder than it was spoken, and all of them together at most 3 dB.
Frames unlike all training data would otherwise drive the limiter, and a loud target the loudspeakers; lower limits
would cut into what the target's own envelope has."""
MEAN_FRAMES = 200.0
"""One second: the time constant of the mean powers, in which recent frames count more."""
THREADS = 1
"""A hop is small: a second thread costs more than it gains, and the picture needs it."""


def open_frozen_voice(path: Path, provider: str = "auto") -> HopVoice:
    """The voice at `path`, opened and warmed. Raises BadModel, ValueError (provider), and what FrozenSession.warm
    does."""
    session = open_session(path, provider, THREADS, kind="voice")
    try:
        session.warm()
    except BaseException:
        session.close()
        raise
    return _build_voice(session.manifest, session)


def frozen_voice_outline(path: Path) -> HopVoice:
    """A voice without a session, which cannot convert but knows its latency: for reading a show. Raises BadModel."""
    return _build_voice(check_model(path, "voice"), None)


def _build_voice(manifest: Manifest, session: FrozenSession | None) -> HopVoice:
    if manifest.form == "filter":
        return FilteredVoice(FrozenFilter(manifest, session), _room_tone_of(manifest))
    if manifest.form == "sound":
        return SoundVoice(manifest, session)
    assert manifest.sample_rate is not None
    assert manifest.hop is not None
    hop_frames = manifest.hop // frame_samples(manifest.sample_rate)
    return VocodedVoice(
        manifest.sample_rate, (VoiceLayer(FrozenMapping(manifest, session)),), hop_frames, _room_tone_of(manifest)
    )


def _room_tone_of(manifest: Manifest) -> RoomTone | None:
    """The noise of the room in the target's recordings, where it was measured."""
    assert manifest.sample_rate is not None
    densities = next((speaker.room for speaker in manifest.speakers if speaker.target), ())
    return RoomTone(manifest.sample_rate, densities) if densities else None


class _StatefulSession:
    """A session with its states and its conditioning."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        self._session = session
        self._states = manifest.states
        names = (*manifest.states, *manifest.conditioning, *manifest.parameters)
        self._kept_inputs: dict[str, NDArray[np.generic]] = {
            name: np.zeros(manifest.inputs[name].shape, manifest.inputs[name].dtype) for name in names
        }
        self._sources = len(manifest.speakers)
        self._parameters = manifest.parameters
        for name, parameter in manifest.parameters.items():
            self._kept_inputs[name][...] = parameter.default

    def reset(self) -> None:
        for name in self._states:
            self._kept_inputs[name][...] = 0

    def set(self, name: str, value: float) -> bool:
        if name == "source" and name in self._kept_inputs:
            self._kept_inputs[name][...] = min(max(round(value), 0), self._sources)
        elif name in self._parameters:
            parameter = self._parameters[name]
            self._kept_inputs[name][...] = min(max(value, parameter.low), parameter.high)
        else:
            return False
        return True

    def __call__(self, **features: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The outputs of the graph for `features`, as copies, without the states."""
        assert self._session is not None
        outputs = self._session.run(**features, **self._kept_inputs)
        for state, next_state in self._states.items():
            np.copyto(self._kept_inputs[state], outputs[next_state])
        return {name: outputs[name].astype(np.float32) for name in outputs if name not in self._states.values()}


class SoundVoice:
    """HopVoice: a network that reads the waveform and gives another."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        assert manifest.sample_rate is not None
        assert manifest.hop is not None
        self.sample_rate, self.hop = manifest.sample_rate, manifest.hop
        self.latency_samples, self.context = manifest.lookahead or 0, manifest.context or 0
        self._session = _StatefulSession(manifest, session)
        self._spoken_level = SpokenLevel(self.sample_rate, self.hop, self.latency_samples)

    def process_hop(self, samples: Mono) -> Mono:
        outputs: Mono = self._session(sound=samples[None])["converted_sound"][0]
        return self._spoken_level.hold(samples, outputs)

    def reset(self) -> None:
        self._session.reset()
        self._spoken_level.reset()

    def set(self, name: str, value: float) -> bool:
        return self._session.set(name, value)


class FrozenFilter:
    """filtered_voice.Network: a network that reads the waveform and gives the change of its spectrum."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        self.lookahead, self.context = manifest.lookahead or 0, manifest.context or 0
        self._session = _StatefulSession(manifest, session)

    def predict(self, samples: Mono, lf0: float) -> tuple[NDArray[np.float32], float]:
        outputs = self._session(sound=samples[None], lf0=np.full((1, 1), lf0, np.float32))
        return outputs["mcep_change"][0, 0], float(outputs["converted_lf0"][0, 0])

    def reset(self) -> None:
        self._session.reset()

    def set(self, name: str, value: float) -> bool:
        return self._session.set(name, value)


class _EnvelopeLimiter:
    """Limits the power of converted envelopes to that of the source. The level of the cepstra is a mean over
    logarithms, and noise unlike all training data may have all its power above it."""

    def __init__(self) -> None:
        self._mean_converted = self._mean_source = 0.0

    def limit(self, envelope: Signal, source: Signal) -> Signal:
        """(t, bins) each."""
        power, source_power = envelope.sum(1), source.sum(1)
        gains = np.minimum(1.0, MAX_FRAME_GAIN * source_power / np.maximum(power, 1e-20))
        for frame, (converted, original) in enumerate(zip(gains * power, source_power, strict=True)):
            self._mean_converted += (converted - self._mean_converted) / MEAN_FRAMES
            self._mean_source += (original - self._mean_source) / MEAN_FRAMES
            gains[frame] *= min(1.0, MAX_MEAN_GAIN * self._mean_source / max(self._mean_converted, 1e-20))
        return np.asarray(envelope * gains[:, None])


class FrozenMapping:
    """vocoded_voice.Mapping: a network that reads mel-cepstra and F0."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        assert manifest.sample_rate is not None
        self._sample_rate = manifest.sample_rate
        frame = frame_samples(manifest.sample_rate)
        self.lookahead, self.context = (manifest.lookahead or 0) // frame, -(-(manifest.context or 0) // frame)
        self._session = _StatefulSession(manifest, session)
        self._source_delay = FrameDelay(self.lookahead)
        self._limiter = _EnvelopeLimiter()

    def reset(self) -> None:
        self._session.reset()
        self._source_delay.reset()
        self._limiter = _EnvelopeLimiter()

    def set(self, name: str, value: float) -> bool:
        return self._session.set(name, value)

    def convert(self, frames: WorldFrames) -> WorldFrames:
        mcep = encode_envelope(frames.envelope, self._sample_rate)
        voiced = (frames.f0 > 0).astype(np.float32)
        lf0 = np.where(voiced > 0, np.log(np.maximum(frames.f0, 1.0)), 0.0).astype(np.float32)
        outputs = self._session(mcep=mcep[None], lf0=lf0[None], voiced=voiced[None])
        source = self._source_delay.process(frames)
        if self.lookahead:
            mcep = encode_envelope(source.envelope, self._sample_rate)
        f0 = np.where(outputs["converted_voiced"][0] > 0.5, np.exp(outputs["converted_lf0"][0].astype(np.float64)), 0.0)
        change = self._envelope_change(mcep, outputs["converted_mcep"][0])
        envelope = self._limiter.limit(source.envelope * change, source.envelope)
        return WorldFrames(f0, envelope, self._aperiodicity(source, outputs))

    def _aperiodicity(self, source: WorldFrames, outputs: dict[str, NDArray[np.float32]]) -> Signal:
        """The source's own, except where it is voiced and the network gives another."""
        if "converted_aperiodicity" not in outputs:
            return source.aperiodicity
        converted = decode_aperiodicity(outputs["converted_aperiodicity"][0], self._sample_rate)
        return np.where(source.f0[:, None] > 0, converted, source.aperiodicity)

    def _envelope_change(self, mcep: NDArray[np.float32], converted: NDArray[np.float32]) -> Signal:
        """The factor for the envelope: so that what 36 coefficients do not represent stays as it was spoken."""
        envelopes = decode_envelope(np.concatenate([mcep, converted]), self._sample_rate)
        before, after = envelopes[: len(mcep)], envelopes[len(mcep) :]
        return np.asarray(after / np.maximum(before, 1e-20))
