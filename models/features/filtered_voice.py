"""A voice without a vocoder: the speaker's own waveform, its periods laid at another pitch, its spectrum changed by a
filter. See convert.HopVoice.

What is to be done is said hop by hop by a network that hears the sound as it comes. The overlap-add waits for the
marks of the periods, and for as long as it waits the network hears on.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features.loudness import LEVEL_S, LoudnessMatcher
from models.features.low_cut import LowCut, nothing_below
from models.features.pitch_marks import CERTAIN_MS, PitchMarks
from models.features.psola import PitchShift, PsolaSynthesizer, SampleHistory
from models.features.room_tone import RoomTone
from models.features.speech import frame_samples
from models.features.time_varying_filter import TimeVaryingFilter
from models.features.types import Mono

SAMPLE_RATE = 16000
"""Hz; such a voice is had at no other."""
_DECIMATION = 2
_KEEP_S = 0.16
_PITCH_RANGE, _FORMANT_RANGE = 24.0, 12.0
"""Semitones."""
_LOUDEST = 2.0


class Network(Protocol):
    """What says how a voice is to be changed."""

    lookahead: int
    """Samples: what it says after a hop is of the sound that ended so long before the hop's end."""
    context: int
    """Samples of the past it must have heard before what it says is right."""

    def hear(self, samples: Mono, lf0: float) -> tuple[NDArray[np.float32], float]:
        """The next hop, and ln F0 (Hz; 0 where there is no voice) of the sound that it is to judge.

        Returns:
            What is to be added to the mel-cepstra, (MCEPS,), and ln F0 as it is to be.
        """

    def reset(self) -> None: ...

    def set(self, name: str, value: float) -> bool: ...


class FilteredVoice:
    """HopVoice; `pitch` and `formant` move what the network says, in semitones; `room`, in dB, makes the target's room
    tone fainter than it was recorded, where there is any."""

    def __init__(self, network: Network, room: RoomTone | None = None) -> None:
        """room: what is heard under the target's voice, in the place of what lies under the performer's."""
        self.sample_rate = SAMPLE_RATE
        self.hop = frame_samples(SAMPLE_RATE)
        self.latency = network.lookahead
        self.context = max(network.context, round(LEVEL_S * SAMPLE_RATE)) + network.lookahead
        self._network = network
        self._heard = SampleHistory(SAMPLE_RATE, self.hop, _KEEP_S)
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
        self._heard.reset()
        self._marks.reset()
        self._periods.reset()
        self._level.reset()
        self._filter.reset()
        self._low_cut.reset()
        if self._room is not None:
            self._room.reset()
        self._ended = 0
        self._moved = 0.0

    def set(self, name: str, value: float) -> bool:
        if name == "pitch":
            self._pitch = min(max(value, -_PITCH_RANGE), _PITCH_RANGE)
        elif name == "formant":
            self._formant = min(max(value, -_FORMANT_RANGE), _FORMANT_RANGE)
        elif name == "room" and self._room is not None:
            self._room.turn_down(value)
        else:
            return self._network.set(name, value)
        return True

    def hear(self, samples: Mono) -> Mono:
        self._heard.hear(samples)
        self._marks.hear(samples)
        self._ended += self.hop
        end = self._ended - self.latency
        begin = end - self.hop
        lf0 = self._lf0(end)
        change, wanted = self._network.hear(samples, lf0)
        if lf0 and wanted:
            # Where there is no voice it stays as it was: the next period may be laid before it is heard.
            self._moved = (wanted - lf0) / np.log(2.0)
        stretch = PitchShift(2.0 ** (self._moved + self._pitch / 12.0), 2.0 ** (self._formant / 12.0))
        laid = self._periods.overlap_add(self._heard, self._marks, begin, end, stretch)
        as_loud = self._level.match(laid, self._heard.samples(begin, end), self._periods.voiced)
        said = self._filter.process(as_loud, change)
        if self._room is not None:
            pitch = np.array([np.exp(lf0) * stretch.pitch if lf0 else 0.0])
            above = self._low_cut.push(np.asarray(said, np.float64), nothing_below(pitch))
            said = above.astype(np.float32) + self._room.push(self.hop, bool(lf0))
        return np.clip(said, -_LOUDEST, _LOUDEST)

    def _lf0(self, at: int) -> float:
        """ln Hz of the period about that sample; 0 where there is none."""
        index = self._marks.nearest(at)
        if index < 0 or abs(self._marks.at[index] - at) > self._marks.periods[index]:
            return 0.0
        return float(np.log(SAMPLE_RATE / self._marks.periods[index]))
