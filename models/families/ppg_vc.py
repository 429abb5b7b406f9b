"""Voice conversion by phonetic features, many to one: the speaker's frames are replaced by the target's frames that
sound alike.

Sun et al., "Phonetic posteriorgrams for many-to-one voice conversion without parallel data training" (ICME 2016): a
speaker-independent recogniser, and a network from its output to the target's mel-cepstra, trained on the target alone.
Theirs predicts the cepstra, and so gives the mean of all that fit. Here the network attends to the target's recorded
frames: each pair of frames is a query for the target's pairs that sound alike to the recogniser, and gets their mean,
weighted by similarity (Baas et al., "Voice conversion with just nearest neighbors", arXiv 2305.18975, with attention in
place of the nearest few). The features are a middle layer of the recogniser, which keeps more of how a phoneme was
pronounced than its output. What moves fast stays the performer's own, brought near the target by
models.voices.transport, and so does a quarter of the rest: this keeps the speech clear.

Training is one pass over a minute of speech; any speaker can then be converted, because only the target was learned.

    guise train ppg_vc data/anna --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from models.datasets.phoneme_crops import RATE
from models.datasets.voice_segments import VoiceSegments
from models.families.recogniser import REACH, STRIDE, Recogniser, recogniser_of
from models.features.speech import FRAME_S, MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import VoiceData, below_loudest
from models.prepare.voice_facts import MeasuredSpeakersFacts
from models.training.checkpoint import BadRun
from models.training.family import Batch, Family, FamilyOptions, FreezePlan, TrainingData
from models.voices.layers import Memory
from models.voices.learned_voice import (
    STRIDES,
    Converter,
    KnownSpeakers,
    convert,
    final_network,
    freeze_voice,
    spectrograms,
    transport_of,
)
from models.voices.speaker_stats import INPUT_LIMIT, relative_level
from models.voices.transport import Transport

WINDOW = 64
"""Frames stored at once."""
TARGET_SOURCE = 1
"""The target's number as a source; the unknown speaker is 0."""
HIDDEN_WEIGHT, CEPSTRUM_WEIGHT, LEVEL_WEIGHT = 0.45, 0.15, 0.3
"""Weights, per standard deviation, in the similarity of two frames: of the recogniser's channels, the cepstra, the
level."""
COMPARED_MCEPS = 24
"""The lowest MCEPs are compared, c0 among them: the others depend more on the voice than on the phoneme."""
CROSSOVER_TAPS = 16
"""Length of the low-pass filter, a truncated one-pole: enough for the largest option `fast_frames`."""


class PpgOptions(FamilyOptions):
    """Options of `guise train ppg_vc` (`--set`). The lookahead is the recogniser's."""

    recogniser: str = Field("", description="a run of `guise train recogniser`; none: the one that is shipped")
    seconds: float = Field(
        120.0, ge=1, le=1800, description="speech of the target's that is remembered, spread evenly over what there is"
    )
    sharpness: float = Field(0.6, gt=0, description="how much more the likest frames count than those less like")
    fast_frames: float = Field(
        4.0, ge=0, le=8, description="what moves faster than in so many frames stays the performer's; 0: nothing does"
    )
    share: float = Field(
        0.75, ge=0, le=1, description="how much of it is what the target did say; the rest is the voice by statistics"
    )
    hop_frames: int = Field(
        4, ge=STRIDES, le=16, multiple_of=STRIDES, description="frames of 5 ms that the frozen voice takes at once"
    )
    batch: int = Field(8, ge=1, le=256)
    steps: int = Field(0, ge=0, description="0: all there is, once")


class PpgFacts(MeasuredSpeakersFacts):
    """Of the target, and the arguments of the recogniser; windows: how many are stored."""

    recogniser: Mapping[str, int]
    windows: int = 0


class TargetWindows(TrainingData[PpgFacts]):
    """All of the target's speech, window by window.

    mcep: (MCEPS, REACH + WINDOW + lookahead) as networks read it, the window with the frames before and after it;
    window: () int64, its number.
    """

    def __init__(self, data: VoiceData, facts: PpgFacts, options: PpgOptions) -> None:
        self._lookahead = facts.recogniser["lookahead"]
        normal = np.array(facts.speakers[0].normal)
        self._data, self._facts, self._options = data, facts, options
        self._sentences = [_normalised(data, index, normal) for index in range(len(data))]
        windows = [
            (number, begin)
            for number, sentence in enumerate(self._sentences)
            for begin in range(0, sentence.shape[1] - WINDOW + 1, WINDOW)
        ]
        max_windows = max(1, round(options.seconds / (WINDOW * FRAME_S)))
        spread_evenly = np.linspace(0, len(windows) - 1, min(max_windows, len(windows))).round().astype(int)
        self._windows = [windows[number] for number in spread_evenly]
        self.facts = facts.model_copy(update={"windows": len(self._windows)})

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        number, begin = self._windows[sample % len(self)]
        sentence = self._sentences[number]
        frames = np.arange(begin - REACH, begin + WINDOW + self._lookahead)
        mcep = sentence[:, frames.clip(0, sentence.shape[1] - 1)]
        return {"mcep": torch.from_numpy(mcep), "window": torch.tensor(sample % len(self))}

    def held_out(self) -> TargetWindows:
        return TargetWindows(self._data.held_out(), self._facts, self._options)


class KeyValueMemory(nn.Module):
    """The target's speech as keys (features) and values (mel-cepstra) for pairs of frames; empty until filled by
    `store`."""

    keys: Tensor
    values: Tensor
    filled: Tensor

    def __init__(self, windows: int, width: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        pairs = windows * WINDOW // STRIDE
        self.register_buffer("keys", torch.zeros(pairs, width))
        self.register_buffer("values", torch.zeros(pairs, STRIDE * MCEPS))
        self.register_buffer("filled", torch.zeros(pairs))

    def store(self, window: Tensor, keys: Tensor, values: Tensor) -> None:
        """window: (N,) numbers; keys: (N, width, pairs); values: (N, MCEPS, WINDOW)."""
        pairs = WINDOW // STRIDE
        where = (window[:, None] * pairs + torch.arange(pairs, device=window.device)).flatten()
        self.keys[where] = keys.transpose(1, 2).reshape(len(where), -1).to(self.keys.dtype)
        self.values[where] = values.transpose(1, 2).reshape(len(where), -1).to(self.values.dtype)
        self.filled[where] = 1

    def attend(self, query: Tensor) -> Tensor:
        """(N, width, pairs) -> (N, MCEPS, frames): the attention-weighted mean of the target's frames."""
        mean, scale = self._scale(query.shape[1])
        keys = (self.keys - mean) * scale
        query = (query.transpose(1, 2) - mean) * scale
        # The squared distance without the query's own square, which is the same for all keys.
        similarity = self.sharpness * (2 * query @ keys.T - keys.square().sum(1))
        weights = (similarity + (self.filled - 1) * 1e4).softmax(-1)
        n, pairs, _ = query.shape
        return (weights @ self.values).reshape(n, pairs * STRIDE, MCEPS).transpose(1, 2)

    def _scale(self, width: int) -> tuple[Tensor, Tensor]:
        """Offset and factor for keys, (width,) each; cepstra are normalised already."""
        hidden_width = width - COMPARED_MCEPS
        count = self.filled.sum().clamp(min=1)
        mean = (self.keys * self.filled[:, None]).sum(0) / count
        std = (((self.keys - mean) * self.filled[:, None]).square().sum(0) / count).sqrt()
        own_scale = torch.cat(
            [mean.new_full((1,), LEVEL_WEIGHT), mean.new_full((COMPARED_MCEPS - 1,), CEPSTRUM_WEIGHT)]
        )
        scale = torch.cat([HIDDEN_WEIGHT / std[:hidden_width].clamp(min=1e-4), own_scale])
        return mean * (torch.arange(width, device=mean.device) < hidden_width), scale


class PpgConverter(Converter):
    """The recogniser and the target's stored frames, on top of models.voices.transport, which brings what is not taken
    from stored frames near the target."""

    crossover: Tensor

    def __init__(self, recogniser: Recogniser, windows: int, options: PpgOptions, transport: Transport) -> None:
        super().__init__(recogniser.lookahead, None)
        self.recogniser, self.transport, self.share = recogniser.requires_grad_(False), transport, options.share
        self.key_values = KeyValueMemory(windows, recogniser.width + COMPARED_MCEPS, options.sharpness)
        decay = (1 - 1 / max(options.fast_frames, 1.0)) ** torch.arange(CROSSOVER_TAPS - 1, -1, -1)
        self.register_buffer("crossover", (decay / decay.sum()).reshape(1, 1, -1))

    def query(self, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(N, MCEPS, T) -> the features, (N, width, T / STRIDE), and x, both delayed by `lookahead` frames."""
        hidden = self.recogniser.middle(x, memory)
        delayed = memory.with_past(x, self.lookahead)[..., : x.shape[-1]]
        return torch.cat([hidden, delayed[:, :COMPARED_MCEPS, STRIDE - 1 :: STRIDE]], 1), delayed

    def predict(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        query, delayed = self.query(x, memory)
        transported = self.transport(delayed, source, target)
        difference = self.share * (self.key_values.attend(query.float()) - transported)
        # The low-pass part of the difference.
        n, channels, frames = difference.shape
        padded = memory.with_past(difference, CROSSOVER_TAPS - 1).reshape(n * channels, 1, -1)
        output: Tensor = transported + F.conv1d(padded, self.crossover).reshape(n, channels, frames)
        return output

    def combine(
        self, x: Tensor, output: Tensor, source: Tensor, target: Tensor, correlations: Tensor | None = None
    ) -> Tensor:
        return torch.cat([self.transport(x, source, target)[:, :1], output[:, 1:]], 1)

    def store(self, mcep: Tensor, window: Tensor) -> None:
        """Stores windows as TargetWindows gives them."""
        query, delayed = self.query(mcep.clamp(-INPUT_LIMIT, INPUT_LIMIT), Memory())
        self.key_values.store(window, query[..., -WINDOW // STRIDE :], delayed[..., -WINDOW:])


class PpgVc(Family[PpgOptions, PpgFacts]):
    """The family; see models.training.family.Family."""

    name = "ppg_vc"
    RENAMED: Mapping[str, str] = {
        "converter.remembered.told": "converter.key_values.filled",
        "converter.remembered.": "converter.key_values.",
    }
    kind = "voice"
    options = PpgOptions
    facts = PpgFacts

    def data(self, folders: Sequence[Path], options: PpgOptions) -> TargetWindows:
        if len(folders) != 1:
            raise DataError(f"ppg_vc learns one voice, anybody may speak: name one prepared folder, not {len(folders)}")
        measured = VoiceSegments(folders, WINDOW).facts
        if measured.sample_rate != RATE:
            raise DataError(f"{folders[0]} has {measured.sample_rate} Hz, the recogniser hears {RATE}: prepare it so")
        try:
            recogniser = recogniser_of(options.recogniser)
        except BadRun as error:
            raise DataError(str(error)) from error
        facts = PpgFacts.model_validate(measured.as_dict() | {"recogniser": recogniser.arguments})
        return TargetWindows(VoiceData(folders), facts, options)

    def networks(self, options: PpgOptions, facts: PpgFacts) -> nn.ModuleDict:
        converter = PpgConverter(_recogniser(options, facts), facts.windows, options, transport_of(facts))
        return nn.ModuleDict({"speakers": KnownSpeakers(facts), "converter": converter})

    def optimizers(self, networks: nn.ModuleDict, options: PpgOptions) -> dict[str, Optimizer]:
        return {}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: PpgOptions,
    ) -> dict[str, Tensor]:
        converter = final_network(networks, "converter")
        assert isinstance(converter, PpgConverter)
        mcep, window = batch["mcep"], batch["window"]
        if fabric.world_size > 1:
            mcep, window = (torch.as_tensor(fabric.all_gather(part)).flatten(0, 1) for part in (mcep, window))
        with torch.no_grad():
            converter.store(mcep, window)
        return {"remembered": converter.key_values.filled.mean()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        mcep = batch["mcep"][..., : (REACH + WINDOW) // STRIDE * STRIDE]
        target = torch.zeros(len(mcep), dtype=torch.int64, device=mcep.device)
        converted = convert(final_network(networks, "converter"), mcep, target + TARGET_SOURCE, target)
        return spectrograms(list(zip(mcep, converted, strict=True)))

    def freeze(
        self, networks: nn.ModuleDict, options: PpgOptions, facts: PpgFacts, target: str | None = None
    ) -> FreezePlan:
        return freeze_voice(
            final_network(networks, "converter"), networks["speakers"], facts, target, options.hop_frames
        )


def _normalised(data: VoiceData, index: int, normal: NDArray[np.float64]) -> NDArray[np.float32]:
    """(MCEPS, t) of a sentence as networks read it, see models.datasets.voice_segments."""
    sentence = data.features(index)
    values = (sentence.mcep - normal[0]) / normal[1]
    values[:, 0] = relative_level(below_loudest(sentence), np.zeros(1))
    return np.ascontiguousarray(values.T, np.float32)


def _recogniser(options: PpgOptions, facts: PpgFacts) -> Recogniser:
    """The recogniser that the options name; if it is gone, an untrained one: the run's own checkpoints hold its
    weights."""
    empty = Recogniser(**facts.recogniser)
    try:
        recogniser = recogniser_of(options.recogniser)
    except BadRun:
        return empty
    return recogniser if recogniser.arguments == empty.arguments else empty
