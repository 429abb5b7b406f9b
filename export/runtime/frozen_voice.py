"""A frozen voice as it thinks: hop by hop, its states carried from run to run. See
models.features.block_adapter.HopVoice.

The same for the stage, `guise render` and evaluation. A session belongs to one thread at a time, as in
export.runtime.session.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.artifact.manifest import Manifest
from export.artifact.model_file import check_model
from export.runtime.session import FrozenSession, open_session
from models.features.block_adapter import HopVoice
from models.features.filtered_voice import FilteredVoice
from models.features.frame_voice import FrameVoice, VoiceLayer
from models.features.room_tone import RoomTone
from models.features.speech import (
    FrameDelay,
    WorldFrames,
    decode_aperiodicity,
    decode_envelope,
    encode_envelope,
    frame_samples,
)
from models.features.types import Mono, Signal

MAX_FRAME_GAIN, MAX_MEAN_GAIN = 8.0, 2.0
"""Power: a frame becomes 9 dB louder than it was spoken at most, and all of them together 3: a stranger's frames would
else drive the limiter, a loud target the hall; less takes from what a target's own envelope has."""
MEAN_FRAMES = 200.0
"""A second: over so much, each frame counting less than the one after, it is known what is usual."""
THREADS = 1
"""A hop is small: a second thread costs more than it brings, and the picture needs it."""


def open_frozen_voice(path: Path, provider: str = "auto") -> HopVoice:
    """The voice at `path`, opened and warmed. Raises BadModel, ValueError (provider)."""
    session = open_session(path, provider, THREADS, kind="voice")
    session.warm()
    return _build_voice(session.manifest, session)


def frozen_voice_outline(path: Path) -> HopVoice:
    """A voice that cannot speak but knows its latency: for reading a show. Raises BadModel."""
    return _build_voice(check_model(path, "voice"), None)


def _build_voice(manifest: Manifest, session: FrozenSession | None) -> HopVoice:
    if "mcep_change" in manifest.gives:
        return FilteredVoice(FrozenFilter(manifest, session), _room_tone_of(manifest))
    if "sound" in manifest.reads:
        return SoundVoice(manifest, session)
    assert manifest.sample_rate is not None
    assert manifest.hop is not None
    hop_frames = manifest.hop // frame_samples(manifest.sample_rate)
    return FrameVoice(
        manifest.sample_rate, (VoiceLayer(FrozenMapping(manifest, session)),), hop_frames, _room_tone_of(manifest)
    )


def _room_tone_of(manifest: Manifest) -> RoomTone | None:
    """What is heard under the target's voice, where it was measured."""
    assert manifest.sample_rate is not None
    heard = next((speaker.room for speaker in manifest.speakers if speaker.target), ())
    return RoomTone(manifest.sample_rate, heard) if heard else None


class _StatefulSession:
    """The session with its states and its conditioning."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        self._session = session
        self._states = manifest.states
        names = (*manifest.states, *manifest.conditioning, *manifest.parameters)
        self._carried: dict[str, NDArray[np.generic]] = {
            name: np.zeros(manifest.inputs[name].shape, manifest.inputs[name].dtype) for name in names
        }
        self._sources = len(manifest.speakers)
        self._parameters = manifest.parameters
        for name, parameter in manifest.parameters.items():
            self._carried[name][...] = parameter.default

    def reset(self) -> None:
        for name in self._states:
            self._carried[name][...] = 0

    def set(self, name: str, value: float) -> bool:
        if name == "source" and name in self._carried:
            self._carried[name][...] = min(max(round(value), 0), self._sources)
        elif name in self._parameters:
            parameter = self._parameters[name]
            self._carried[name][...] = min(max(value, parameter.low), parameter.high)
        else:
            return False
        return True

    def __call__(self, **read: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """What the graph gives for what it reads; copies, apart from the states."""
        assert self._session is not None
        given = self._session.run(**read, **self._carried)
        for before, after in self._states.items():
            np.copyto(self._carried[before], given[after])
        return {name: given[name].copy() for name in given if name not in self._states.values()}


class SoundVoice:
    """HopVoice: a network that reads the waveform and gives another."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        assert manifest.sample_rate is not None
        assert manifest.hop is not None
        self.sample_rate, self.hop = manifest.sample_rate, manifest.hop
        self.latency, self.context = manifest.lookahead or 0, manifest.context or 0
        self._run = _StatefulSession(manifest, session)

    def hear(self, samples: Mono) -> Mono:
        given: Mono = self._run(sound=samples[None])["converted_sound"][0]
        return given

    def reset(self) -> None:
        self._run.reset()

    def set(self, name: str, value: float) -> bool:
        return self._run.set(name, value)


class FrozenFilter:
    """filtered_voice.Network: a network that hears the waveform and says how it is to be changed."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        self.lookahead, self.context = manifest.lookahead or 0, manifest.context or 0
        self._run = _StatefulSession(manifest, session)

    def hear(self, samples: Mono, lf0: float) -> tuple[NDArray[np.float32], float]:
        given = self._run(sound=samples[None], lf0=np.full((1, 1), lf0, np.float32))
        return given["mcep_change"][0, 0], float(given["converted_lf0"][0, 0])

    def reset(self) -> None:
        self._run.reset()

    def set(self, name: str, value: float) -> bool:
        return self._run.set(name, value)


class _EnvelopeLimiter:
    """Holds envelopes to what was spoken: the cepstra's level is a mean over logarithms, and a hiss that nobody was
    taught may have all above it."""

    def __init__(self) -> None:
        self._said = self._spoken = 0.0

    def held(self, envelope: Signal, source: Signal) -> Signal:
        """(t, bins) each."""
        power, spoken = envelope.sum(1), source.sum(1)
        gains = np.minimum(1.0, MAX_FRAME_GAIN * spoken / np.maximum(power, 1e-20))
        for frame, (said, was) in enumerate(zip(gains * power, spoken, strict=True)):
            self._said += (said - self._said) / MEAN_FRAMES
            self._spoken += (was - self._spoken) / MEAN_FRAMES
            gains[frame] *= min(1.0, MAX_MEAN_GAIN * self._spoken / max(self._said, 1e-20))
        return np.asarray(envelope * gains[:, None])


class FrozenMapping:
    """frame_voice.Mapping: a network that reads mel-cepstra and F0."""

    def __init__(self, manifest: Manifest, session: FrozenSession | None) -> None:
        assert manifest.sample_rate is not None
        self._sample_rate = manifest.sample_rate
        frame = frame_samples(manifest.sample_rate)
        self.lookahead, self.context = (manifest.lookahead or 0) // frame, -(-(manifest.context or 0) // frame)
        self._run = _StatefulSession(manifest, session)
        self._source = FrameDelay(self.lookahead)
        self._loudness = _EnvelopeLimiter()

    def reset(self) -> None:
        self._run.reset()
        self._source.reset()
        self._loudness = _EnvelopeLimiter()

    def set(self, name: str, value: float) -> bool:
        return self._run.set(name, value)

    def convert(self, frames: WorldFrames) -> WorldFrames:
        mcep = encode_envelope(frames.envelope, self._sample_rate)
        voiced = (frames.f0 > 0).astype(np.float32)
        lf0 = np.where(voiced > 0, np.log(np.maximum(frames.f0, 1.0)), 0.0).astype(np.float32)
        given = self._run(mcep=mcep[None], lf0=lf0[None], voiced=voiced[None])
        source = self._source.process(frames)
        if self.lookahead:
            mcep = encode_envelope(source.envelope, self._sample_rate)
        f0 = np.where(given["converted_voiced"][0] > 0.5, np.exp(given["converted_lf0"][0].astype(np.float64)), 0.0)
        change = self._change(mcep, given["converted_mcep"][0])
        envelope = self._loudness.held(source.envelope * change, source.envelope)
        return WorldFrames(f0, envelope, self._aperiodicity(source, given))

    def _aperiodicity(self, source: WorldFrames, given: dict[str, NDArray[np.float32]]) -> Signal:
        """The source's own, but where it is voiced and the network says another."""
        if "converted_aperiodicity" not in given:
            return source.aperiodicity
        said = decode_aperiodicity(given["converted_aperiodicity"][0], self._sample_rate)
        return np.where(source.f0[:, None] > 0, said, source.aperiodicity)

    def _change(self, mcep: NDArray[np.float32], converted: NDArray[np.float32]) -> Signal:
        """By what the envelope is to be multiplied: so that what 36 coefficients do not hold stays as it was spoken."""
        both = decode_envelope(np.concatenate([mcep, converted]), self._sample_rate)
        before, after = both[: len(mcep)], both[len(mcep) :]
        return np.asarray(after / np.maximum(before, 1e-20))
