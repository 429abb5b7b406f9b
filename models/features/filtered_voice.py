"""A voice without a vocoder: PSOLA changes the pitch of the speaker's own waveform, a filter its spectrum. See
models.features.block_adapter.HopVoice.

A network that reads the sound as it arrives predicts the change for each hop. PSOLA has to wait for the pitch marks,
and the network uses this time as its lookahead. Belongs to one thread.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features.loudness import LEVEL_S, LoudnessMatcher
from models.features.low_cut import LowCut, cutoff_hz
from models.features.pitch_marks import CERTAIN_MS, PitchMarks
from models.features.psola import PitchShift, PsolaSynthesizer, SampleHistory
from models.features.room_tone import RoomTone
from models.features.speech import frame_samples
from models.features.time_varying_filter import TimeVaryingFilter
from models.features.types import Mono

SAMPLE_RATE = 16000
"""Hz; such a voice exists at no other rate."""
_DECIMATION = 2
_KEEP_S = 0.16
_PITCH_RANGE, _FORMANT_RANGE = 24.0, 12.0
"""Semitones."""
_LOUDEST = 2.0


class Network(Protocol):
    """Predicts the change of the voice."""

    lookahead: int
    """Samples: the prediction after a hop belongs to the sound that ended so long before the hop's end."""
    context: int
    """Samples of the past that the prediction may depend on."""

    def predict(self, samples: Mono, lf0: float) -> tuple[NDArray[np.float32], float]:
        """Takes the next hop, and ln F0 (Hz; 0 where unvoiced) of the sound that the prediction is for.

        Returns:
            What to add to the mel-cepstra, (MCEPS,), and the target's ln F0.
        """

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool: ...


class FilteredVoice:
    """HopVoice; `pitch` and `formant` shift the network's result, in semitones; `room`, in dB, makes the target's room
    tone fainter than it was recorded, if there is one."""

    def __init__(self, network: Network, room: RoomTone | None = None) -> None:
        """room: the room tone of the target, which replaces that of the performer."""
        self.sample_rate = SAMPLE_RATE
        self.hop = frame_samples(SAMPLE_RATE)
        self.latency_samples = network.lookahead
        self.context = max(network.context, round(LEVEL_S * SAMPLE_RATE)) + network.lookahead
        self._network = network
        self._history = SampleHistory(SAMPLE_RATE, self.hop, _KEEP_S)
        self._marks = PitchMarks(SAMPLE_RATE, self.hop, _DECIMATION, _KEEP_S)
        self._periods = PsolaSynthesizer(
            SAMPLE_RATE, network.lookahead - CERTAIN_MS * 1e-3 * SAMPLE_RATE, network.lookahead
        )
        self._level = LoudnessMatcher(SAMPLE_RATE, self.hop)
        self._filter = TimeVaryingFilter(SAMPLE_RATE, self.hop)
        self._room, self._low_cut = room, LowCut(SAMPLE_RATE)
        self._pitch = self._formant = 0.0
        self.reset()

    def reset(self) -> None:
        self._network.reset()
        self._history.reset()
        self._marks.reset()
        self._periods.reset()
        self._level.reset()
        self._filter.reset()
        self._low_cut.reset()
        if self._room is not None:
            self._room.reset()
        self._samples_in = 0
        self._shift_octaves = 0.0

    def set(self, name: str, value: float) -> bool:
        if name == "pitch":
            self._pitch = min(max(value, -_PITCH_RANGE), _PITCH_RANGE)
        elif name == "formant":
            self._formant = min(max(value, -_FORMANT_RANGE), _FORMANT_RANGE)
        elif name == "room" and self._room is not None:
            self._room.set_level_db(value)
        else:
            return self._network.set(name, value)
        return True

    def process_hop(self, samples: Mono) -> Mono:
        self._history.push(samples)
        self._marks.push(samples)
        self._samples_in += self.hop
        end = self._samples_in - self.latency_samples
        begin = end - self.hop
        lf0 = self._lf0(end)
        change, target_lf0 = self._network.predict(samples, lf0)
        if lf0 and target_lf0:
            # In unvoiced sound the shift is kept: the next period may be output before its F0 is known.
            self._shift_octaves = (target_lf0 - lf0) / np.log(2.0)
        shift = PitchShift(2.0 ** (self._shift_octaves + self._pitch / 12.0), 2.0 ** (self._formant / 12.0))
        periods = self._periods.overlap_add(self._history, self._marks, begin, end, shift)
        matched = self._level.match(periods, self._history.samples(begin, end), self._periods.voiced)
        output = self._filter.process(matched, change)
        if self._room is not None:
            pitch = np.array([np.exp(lf0) * shift.pitch if lf0 else 0.0])
            above = self._low_cut.push(np.asarray(output, np.float64), cutoff_hz(pitch))
            output = above.astype(np.float32) + self._room.push(self.hop, bool(lf0))
        return np.clip(output, -_LOUDEST, _LOUDEST)

    def _lf0(self, at: int) -> float:
        """ln Hz of the period near that sample; 0 where there is none."""
        index = self._marks.nearest(at)
        if index < 0 or abs(self._marks.at[index] - at) > self._marks.periods[index]:
            return 0.0
        return float(np.log(SAMPLE_RATE / self._marks.periods[index]))
