"""Phonetic posteriorgrams, many to one: whoever speaks is heard as phonemes, and these are said as the one target does.

Sun et al., "Phonetic posteriorgrams for many-to-one voice conversion without parallel data training" (ICME 2016): a
recogniser that knows no speaker, and a network from what it hears to the target's mel-cepstra, known from him alone.
Theirs learns to foretell the cepstra, and so says the mean of all that he could have said. Here the network attends to
what he did say: each pair of frames asks for those of his that sounded like it to the recogniser, and is given their
mean, the likest counting most (Baas et al., "Voice conversion with just nearest neighbors", arXiv 2305.18975, with
attention in place of the nearest few). It listens in the middle of the recogniser, where more is left of how a phoneme
was said than at its end. What moves fast stays the performer's own, brought near the target by models.voices.transport,
and a quarter of the rest, too: so he stays clear.

One pass over a minute of speech is all; anybody may then speak as the target, for nobody else was learned from.

    guise train ppg_vc data/anna --out RUN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from models.datasets.phoneme_crops import RATE
from models.datasets.voice_segments import VoiceSegments
from models.families.recogniser import REACH, STRIDE, Recogniser, recogniser_of
from models.features.speech import FRAME_S, MCEPS
from models.prepare.data_error import DataError
from models.prepare.voice_data import VoiceData, below_loudest
from models.training.checkpoint import BadRun
from models.training.family import FamilyOptions, FreezePlan
from models.voices.layers import Memory
from models.voices.learned_voice import (
    STRIDES,
    UNSEEN,
    Converter,
    KnownSpeakers,
    best,
    converted,
    freeze_voice,
    pictures,
    transport_of,
)
from models.voices.speaker_stats import levelled
from models.voices.transport import Transport

WINDOW = 64
"""Frames that are remembered at once."""
OWN = 1
"""The target as a source: whoever speaks is 0."""
HEARD_COUNTS, CEPSTRA_COUNT, LEVEL_COUNTS = 0.45, 0.15, 0.3
"""What a spread of each counts in how like two frames are: a channel of the recogniser's, a cepstrum, the level."""
CEPSTRA = 24
"""Those that count, c0 among them: the others are more the voice's than the phoneme's."""
CROSSOVER_TAPS = 16
"""Of the slow part's filter, a pole: longer than any that can be asked for remembers much."""


class PpgOptions(FamilyOptions):
    """What `guise train ppg_vc --set` takes. How long it waits is the recogniser's."""

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


class TargetWindows(Dataset[dict[str, Tensor]]):
    """All that the one target said, a window after the other.

    heard: (MCEPS, REACH + WINDOW + lookahead) as networks read it, the window with what was before and after it;
    place: () int64, the window's number. `facts` are VoiceSegments', and how many `windows` there are.
    """

    def __init__(self, data: VoiceData, facts: Mapping[str, Any], options: PpgOptions) -> None:
        self._lookahead: int = facts["recogniser"]["lookahead"]
        normal = np.array(facts["speakers"][0]["normal"])
        self._data, self._facts, self._options = data, facts, options
        self._sentences = [_normalised(data, index, normal) for index in range(len(data))]
        places = [
            (number, begin)
            for number, sentence in enumerate(self._sentences)
            for begin in range(0, sentence.shape[1] - WINDOW + 1, WINDOW)
        ]
        most = max(1, round(options.seconds / (WINDOW * FRAME_S)))
        chosen = np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)
        self._places = [places[number] for number in chosen]
        self.facts: dict[str, Any] = {**facts, "windows": len(self._places)}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        number, begin = self._places[sample % len(self)]
        sentence = self._sentences[number]
        wanted = np.arange(begin - REACH, begin + WINDOW + self._lookahead)
        heard = sentence[:, wanted.clip(0, sentence.shape[1] - 1)]
        return {"heard": torch.from_numpy(heard), "place": torch.tensor(sample % len(self))}

    def held_out(self) -> TargetWindows:
        return TargetWindows(self._data.held_out(), self._facts, self._options)


class KeyValueMemory(nn.Module):
    """What the target said, by how it sounded: pairs of frames. Nothing until it was told."""

    keys: Tensor
    values: Tensor
    told: Tensor

    def __init__(self, windows: int, width: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        pairs = windows * WINDOW // STRIDE
        self.register_buffer("keys", torch.zeros(pairs, width))
        self.register_buffer("values", torch.zeros(pairs, STRIDE * MCEPS))
        self.register_buffer("told", torch.zeros(pairs))

    def tell(self, place: Tensor, keys: Tensor, values: Tensor) -> None:
        """place: (N,); keys: (N, width, pairs); values: (N, MCEPS, WINDOW)."""
        pairs = WINDOW // STRIDE
        where = (place[:, None] * pairs + torch.arange(pairs, device=place.device)).flatten()
        self.keys[where] = keys.transpose(1, 2).reshape(len(where), -1).to(self.keys.dtype)
        self.values[where] = values.transpose(1, 2).reshape(len(where), -1).to(self.values.dtype)
        self.told[where] = 1

    def like(self, asked: Tensor) -> Tensor:
        """(N, width, pairs) -> (N, MCEPS, frames): what the target said that sounds like it."""
        mean, scale = self._scale(asked.shape[1])
        keys = (self.keys - mean) * scale
        query = (asked.transpose(1, 2) - mean) * scale
        # The square of the distance, without the query's own, which counts for all alike.
        likeness = self.sharpness * (2 * query @ keys.T - keys.square().sum(1))
        weights = (likeness + (self.told - 1) * 1e4).softmax(-1)
        n, pairs, _ = query.shape
        return (weights @ self.values).reshape(n, pairs * STRIDE, MCEPS).transpose(1, 2)

    def _scale(self, width: int) -> tuple[Tensor, Tensor]:
        """(width,) each: what is taken from a key, and what it is multiplied by; cepstra are normalised already."""
        heard = width - CEPSTRA
        count = self.told.sum().clamp(min=1)
        mean = (self.keys * self.told[:, None]).sum(0) / count
        spread = (((self.keys - mean) * self.told[:, None]).square().sum(0) / count).sqrt()
        own = torch.cat([mean.new_full((1,), LEVEL_COUNTS), mean.new_full((CEPSTRA - 1,), CEPSTRA_COUNT)])
        scale = torch.cat([HEARD_COUNTS / spread[:heard].clamp(min=1e-4), own])
        return mean * (torch.arange(width, device=mean.device) < heard), scale


class PpgConverter(Converter):
    """The recogniser, and what the target said, on top of what models.voices.transport makes of the performer: what is
    not taken from the target's own frames lies where his would."""

    crossover: Tensor

    def __init__(self, recogniser: Recogniser, windows: int, options: PpgOptions, transport: Transport) -> None:
        super().__init__(recogniser.lookahead, None)
        self.recogniser, self.transport, self.share = recogniser.requires_grad_(False), transport, options.share
        self.remembered = KeyValueMemory(windows, recogniser.width + CEPSTRA, options.sharpness)
        falling = (1 - 1 / max(options.fast_frames, 1.0)) ** torch.arange(CROSSOVER_TAPS - 1, -1, -1)
        self.register_buffer("crossover", (falling / falling.sum()).reshape(1, 1, -1))

    def asked(self, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(N, MCEPS, T) -> how it sounds, (N, width, T / STRIDE), and x, both of `lookahead` frames before."""
        heard = self.recogniser.middle(x, memory)
        then = memory.before(x, self.lookahead)[..., : x.shape[-1]]
        return torch.cat([heard, then[:, :CEPSTRA, STRIDE - 1 :: STRIDE]], 1), then

    def answers(self, x: Tensor, source: Tensor, target: Tensor, memory: Memory) -> Tensor:
        asked, then = self.asked(x, memory)
        moved = self.transport(then, source, target)
        away = self.share * (self.remembered.like(asked.float()) - moved)
        # The slow part of the rest of the way to the target.
        n, channels, frames = away.shape
        before = memory.before(away, CROSSOVER_TAPS - 1).reshape(n * channels, 1, -1)
        answer: Tensor = moved + F.conv1d(before, self.crossover).reshape(n, channels, frames)
        return answer

    def said(self, x: Tensor, answer: Tensor, source: Tensor, target: Tensor, found: Tensor | None = None) -> Tensor:
        return torch.cat([self.transport(x, source, target)[:, :1], answer[:, 1:]], 1)

    def remember(self, heard: Tensor, place: Tensor) -> None:
        """As TargetWindows has them."""
        asked, then = self.asked(heard.clamp(-UNSEEN, UNSEEN), Memory())
        self.remembered.tell(place, asked[..., -WINDOW // STRIDE :], then[..., -WINDOW:])


class PpgVc:
    """The family; see models.training.family.Family."""

    name = "ppg_vc"
    kind = "voice"
    options = PpgOptions
    recipes: Mapping[str, Mapping[str, Any]] = {"default": {}}

    def data(self, folders: Sequence[Path], options: PpgOptions) -> TargetWindows:
        if len(folders) != 1:
            raise DataError(f"ppg_vc learns one voice, anybody may speak: name one prepared folder, not {len(folders)}")
        facts = dict(VoiceSegments(folders, WINDOW).facts)
        if facts["sample_rate"] != RATE:
            raise DataError(f"{folders[0]} has {facts['sample_rate']} Hz, the recogniser hears {RATE}: prepare it so")
        try:
            recogniser = recogniser_of(options.recogniser)
        except BadRun as error:
            raise DataError(str(error)) from error
        return TargetWindows(VoiceData(folders), facts | {"recogniser": recogniser.made_of}, options)

    def networks(self, options: PpgOptions, facts: Mapping[str, Any]) -> nn.ModuleDict:
        converter = PpgConverter(_recogniser(options, facts), facts["windows"], options, transport_of(facts))
        return nn.ModuleDict({"speakers": KnownSpeakers(facts), "converter": converter})

    def optimizers(self, networks: nn.ModuleDict, options: PpgOptions) -> dict[str, Optimizer]:
        return {}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Mapping[str, Tensor],
        step: int,
        options: PpgOptions,
    ) -> dict[str, Tensor]:
        converter = best(networks, "converter")
        assert isinstance(converter, PpgConverter)
        heard, place = batch["heard"], batch["place"]
        if fabric.world_size > 1:
            heard, place = (torch.as_tensor(fabric.all_gather(part)).flatten(0, 1) for part in (heard, place))
        with torch.no_grad():
            converter.remember(heard, place)
        return {"remembered": converter.remembered.told.mean()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> Tensor:
        heard = batch["heard"][..., : (REACH + WINDOW) // STRIDE * STRIDE]
        target = torch.zeros(len(heard), dtype=torch.int64, device=heard.device)
        made = converted(best(networks, "converter"), heard, target + OWN, target)
        return pictures(list(zip(heard, made, strict=True)))

    def freeze(
        self, networks: nn.ModuleDict, options: PpgOptions, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        return freeze_voice(best(networks, "converter"), networks["speakers"], facts, target, options.hop_frames)


def _normalised(data: VoiceData, index: int, normal: NDArray[np.float64]) -> NDArray[np.float32]:
    """(MCEPS, t) of a sentence as networks read it, see models.datasets.voice_segments."""
    sentence = data.features(index)
    values = (sentence.mcep - normal[0]) / normal[1]
    values[:, 0] = levelled(below_loudest(sentence), np.zeros(1))
    return np.ascontiguousarray(values.T, np.float32)


def _recogniser(options: PpgOptions, facts: Mapping[str, Any]) -> Recogniser:
    """The one that was asked for; where that is gone, an empty one: the run's own checkpoints hold its weights."""
    empty = Recogniser(**facts["recogniser"])
    try:
        found = recogniser_of(options.recogniser)
    except BadRun:
        return empty
    return found if found.made_of == empty.made_of else empty
