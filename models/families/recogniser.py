"""The recogniser: which phoneme is being said, for voices that anybody may speak with (models/families/ppg_vc.py).

It learns from speech whose phonemes are known at every frame, see models.prepare.spoken_corpus, and hears normalised
mel-cepstra as the learned voices do, `lookahead` frames of the future and no more: gated convolutions, ever wider
apart, a narrow layer, and a verdict.

    guise prepare phonemes --out data/phonemes
    guise train recogniser data/phonemes --out RUN

Several data sets may be named: synthesised, and corpora with TIMIT's labels.

One is shipped, models/families/recogniser.safetensors: two hours of espeak-ng, `--steps 10000`, what it was at step
2000 (see `ship`). It tells 57 % of the frames of a person it never heard (LJ, by forced alignment). More steps tell
espeak-ng's voices ever better and people no better, and then a voice that listens by it is less like its target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from models.datasets.phoneme_crops import PhonemeCrops
from models.features.speech import MCEPS
from models.prepare.phonemes import PHONEMES, UNLABELLED
from models.training.averaging import follow
from models.training.checkpoint import BadRun, load_run
from models.training.family import FamilyOptions, FreezePlan, WrongTarget
from models.voices.layers import CausalConv, Memory

SHIPPED = Path(__file__).with_name("recogniser.safetensors")
STRIDE = 2
"""Frames that it hears as one: a phoneme lasts ten and more."""
APART = (1, 2, 4, 1, 2, 4)
"""How far what a layer's three taps hear is apart, in such pairs; 28 in all, 0.28 s."""
NARROW = 64
"""Channels before the verdict."""
MIDDLE = 4
"""So many of its layers, and it knows sounds, but not yet what they are called."""
REACH = 64
"""Frames of the past in which all of what it hears lies: 6 and those of APART."""
WARM_UP = 200
"""Steps in which the rate rises."""


class RecogniserOptions(FamilyOptions):
    """What `guise train recogniser --set` takes."""

    width: int = Field(128, ge=8, le=512, multiple_of=8, description="channels of its layers")
    lookahead: int = Field(4, ge=0, le=16, multiple_of=4, description="frames of 5 ms it waits before it answers")
    frames: int = Field(256, ge=64, le=4096, description="frames of a crop")
    batch: int = Field(8, ge=1, le=1024)
    steps: int = Field(2500, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    smoothing: float = Field(0.05, ge=0, lt=1, description="how much of each verdict goes to all other phonemes")
    average: float = Field(0.999, ge=0, lt=1, description="decay of the averaged network that is kept")


class DilatedBlock(nn.Module):
    """(N, C, T) -> the same and more: three frames, `apart` from each other, gated."""

    def __init__(self, channels: int, apart: int) -> None:
        super().__init__()
        self.apart = apart
        self.normed = PerFrame(channels)
        self.conv = nn.Conv1d(channels, 2 * channels, 3, dilation=apart)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return x + F.glu(self.conv(memory.before(self.normed(x), 2 * self.apart)), 1)


class PerFrame(nn.Module):
    """Each frame's channels brought to mean 0 and spread 1, then scaled: layer norm, which hears one frame alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.transpose(1, 2))
        return normed.transpose(1, 2)


class Recogniser(nn.Module):
    """(N, MCEPS, T) -> (N, PHONEMES, T) logits, at a frame of that `lookahead` before; T is a multiple of STRIDE."""

    def __init__(self, width: int, lookahead: int) -> None:
        super().__init__()
        self.width, self.lookahead = width, lookahead
        self.first = CausalConv(MCEPS, width, (6,), (STRIDE,))
        self.layers = nn.ModuleList(DilatedBlock(width, apart) for apart in APART)
        self.normed = PerFrame(width)
        self.narrow = nn.Conv1d(width, NARROW, 1)
        self.last = nn.Conv1d(NARROW, len(PHONEMES), 1)

    @property
    def made_of(self) -> dict[str, int]:
        """What another like it is built from."""
        return {"width": self.width, "lookahead": self.lookahead}

    def middle(self, x: Tensor, memory: Memory) -> Tensor:
        """(N, width, T / STRIDE): how it sounds, whoever says it."""
        x = self.first(x, memory)
        for layer in self.layers[:MIDDLE]:
            x = layer(x, memory)
        return x

    def forward(self, x: Tensor) -> Tensor:
        memory = Memory()
        x = self.middle(x, memory)
        for layer in self.layers[MIDDLE:]:
            x = layer(x, memory)
        narrowed = torch.tanh(self.narrow(self.normed(x)))
        verdict: Tensor = self.last(narrowed)
        return verdict.repeat_interleave(STRIDE, -1)


class RecogniserFamily:
    """The family; see models.training.family.Family."""

    name = "recogniser"
    kind = "recogniser"
    options = RecogniserOptions
    recipes: Mapping[str, Mapping[str, Any]] = {"default": {}}

    def data(self, folders: Sequence[Path], options: RecogniserOptions) -> PhonemeCrops:
        return PhonemeCrops(folders, options.frames)

    def networks(self, options: RecogniserOptions, facts: Mapping[str, Any]) -> nn.ModuleDict:
        networks = nn.ModuleDict({"recogniser": Recogniser(options.width, options.lookahead)})
        networks["average"] = Recogniser(options.width, options.lookahead).requires_grad_(False)
        networks["average"].load_state_dict(networks["recogniser"].state_dict())
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: RecogniserOptions) -> dict[str, Optimizer]:
        return {"recogniser": AdamW(networks["recogniser"].parameters(), options.learning_rate, weight_decay=0.01)}

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Mapping[str, Tensor],
        step: int,
        options: RecogniserOptions,
    ) -> dict[str, Tensor]:
        # Up, and down to nothing at the end.
        rate = options.learning_rate * min((step + 1) / WARM_UP, 1.0) * max(1 - step / options.steps, 0.01)
        for group in optimizers["recogniser"].param_groups:
            group["lr"] = rate
        late, smoothing = options.lookahead, options.smoothing
        said = networks["recogniser"](batch["mcep"])
        loss = phoneme_cross_entropy(said, batch["phoneme"], late, smoothing)
        optimizers["recogniser"].zero_grad()
        fabric.backward(loss)
        nn.utils.clip_grad_norm_(networks["recogniser"].parameters(), 1.0)
        optimizers["recogniser"].step()
        follow(networks["average"], networks["recogniser"], step, options.average)
        losses = {"verdict": loss.detach(), "right": right(said, batch["phoneme"], late)}
        if step % 10 == 0:
            few = slice(0, max(1, len(said) // 4))
            with torch.no_grad():
                unseen = networks["average"](batch["unseen_mcep"][few])
            losses["right_of_unseen"] = right(unseen, batch["unseen_phoneme"][few], late)
        return losses

    def samples(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> Tensor:
        """A row for each: what it heard, how sure it is of each phoneme, and which were said."""
        with torch.no_grad():
            sure = networks["average"](batch["unseen_mcep"]).float().softmax(1).cpu()
        late = getattr(networks["average"], "lookahead", 0)
        said = batch["unseen_phoneme"].cpu()
        known = torch.where(said == UNLABELLED, 0, said)
        wanted = F.one_hot(known, len(PHONEMES)).transpose(1, 2).float()
        heard = ((batch["unseen_mcep"].cpu() + 3) / 6).clamp(0, 1)
        kept = sure.shape[-1] - late
        rows = [torch.cat([heard[n][:, :kept], sure[n][:, late:], wanted[n][:, :kept]]) for n in range(len(sure))]
        return torch.cat(rows)[None].expand(3, -1, -1).clone()

    def freeze(
        self, networks: nn.ModuleDict, options: RecogniserOptions, facts: Mapping[str, Any], target: str | None = None
    ) -> FreezePlan:
        raise WrongTarget("a recogniser is no voice: learn one by `guise train ppg_vc DATA --set recogniser=RUN`")


def phoneme_cross_entropy(said: Tensor, phoneme: Tensor, late: int, smoothing: float) -> Tensor:
    """said: (N, PHONEMES, T) logits, `late` frames after what they are of; phoneme: (N, T)."""
    said, phoneme = said[..., late:].float(), phoneme[:, : phoneme.shape[1] - late]
    return F.cross_entropy(said, phoneme, ignore_index=UNLABELLED, label_smoothing=smoothing)


def right(said: Tensor, phoneme: Tensor, late: int) -> Tensor:
    """The share of the labelled frames whose phoneme is the likeliest; likewise."""
    best, phoneme = said[..., late:].detach().argmax(1), phoneme[:, : phoneme.shape[1] - late]
    known = phoneme != UNLABELLED
    return ((best == phoneme) & known).sum() / known.sum().clamp(min=1)


def recogniser_of(run: str, step: int | None = None) -> Recogniser:
    """What a run learned, by now or by a step that it kept; for "" the one that is shipped. Not to be trained.

    Raises BadRun."""
    if not run:
        return _shipped()
    loaded = load_run(Path(run), step)
    if loaded.run.family.name != RecogniserFamily.name:
        raise BadRun(f"{run} is a run of {loaded.run.family.name}, not of {RecogniserFamily.name}")
    found = loaded.networks["average"]
    assert isinstance(found, Recogniser)
    return found.requires_grad_(False).eval()


def ship(run: str, step: int | None = None, out: Path = SHIPPED) -> None:
    """Writes what a run learned as it is shipped: half precision, with what is needed to build it."""
    network = recogniser_of(run, step)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, out, {"recogniser": json.dumps(network.made_of)})


def _shipped() -> Recogniser:
    try:
        with safe_open(SHIPPED, "pt") as stored:
            network = Recogniser(**json.loads(stored.metadata()["recogniser"]))
            network.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise BadRun(f"{SHIPPED} cannot be read ({str(error).splitlines()[0]}): install Guise again") from error
    return network.requires_grad_(False).eval()
