"""The phoneme recogniser, for voices that convert any speaker (models/families/ppg_vc.py).

It is trained on speech with a phoneme label at every frame, see models.prepare.spoken_corpus, and reads normalised
mel-cepstra as the learned voices do, with `lookahead` frames of the future: gated convolutions with rising dilation, a
bottleneck, and logits.

    guise prepare phonemes --out data/phonemes
    guise train recogniser data/phonemes --out RUN

Several data sets may be named: synthesised speech, and corpora with TIMIT's labels.

One is shipped, models/families/recogniser.safetensors: two hours of espeak-ng, `--steps 10000`, the checkpoint of step
2000 (see `ship`). It labels 57 % of the frames of an unseen speaker correctly (LJ, by forced alignment). More steps
improve it on espeak-ng's voices but not on human ones, and a voice that uses it is then less similar to its target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

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
from models.prepare.phoneme_facts import CropFacts
from models.prepare.phonemes import PHONEMES, UNLABELLED
from models.training.averaging import follow
from models.training.checkpoint import BadRun, load_run
from models.training.family import Batch, Family, FamilyOptions, FreezePlan, WrongTarget
from models.training.learning_rate import set_learning_rate
from models.voices.layers import CausalConv, Memory

SHIPPED = Path(__file__).with_name("recogniser.safetensors")
STRIDE = 2
"""Frames that the network takes as one: a phoneme lasts ten and more."""
DILATIONS = (1, 2, 4, 1, 2, 4)
"""Dilations of the layers' three taps, in such pairs; 28 in all, 0.28 s."""
BOTTLENECK = 64
"""Channels before the output layer."""
MIDDLE = 4
"""Layers after which the features are taken: they describe sounds, not yet phonemes."""
REACH = 64
"""Frames of the past that an output depends on: 6 and those of DILATIONS."""
WARM_UP = 200
"""Steps over which the learning rate rises."""


class RecogniserOptions(FamilyOptions):
    """Options of `guise train recogniser` (`--set`)."""

    width: int = Field(128, ge=8, le=512, multiple_of=8, description="channels of its layers")
    lookahead: int = Field(4, ge=0, le=16, multiple_of=4, description="frames of 5 ms it waits before it answers")
    frames: int = Field(256, ge=64, le=4096, description="frames of a crop")
    batch: int = Field(8, ge=1, le=1024)
    steps: int = Field(2500, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    smoothing: float = Field(0.05, ge=0, lt=1, description="how much of each verdict goes to all other phonemes")
    average: float = Field(0.999, ge=0, lt=1, description="decay of the averaged network that is kept")


class DilatedBlock(nn.Module):
    """(N, C, T) -> the same: a residual gated convolution of three taps, `dilation` apart."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.normed = PerFrame(channels)
        self.conv = nn.Conv1d(channels, 2 * channels, 3, dilation=dilation)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return x + F.glu(self.conv(memory.with_past(self.normed(x), 2 * self.dilation)), 1)


class PerFrame(nn.Module):
    """Layer norm over the channels of each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.transpose(1, 2))
        return normed.transpose(1, 2)


class Recogniser(nn.Module):
    """(N, MCEPS, T) -> (N, PHONEMES, T) logits, each for the frame `lookahead` before; T is a multiple of STRIDE."""

    def __init__(self, width: int, lookahead: int) -> None:
        super().__init__()
        self.width, self.lookahead = width, lookahead
        self.first = CausalConv(MCEPS, width, (6,), (STRIDE,))
        self.layers = nn.ModuleList(DilatedBlock(width, dilation) for dilation in DILATIONS)
        self.normed = PerFrame(width)
        self.narrow = nn.Conv1d(width, BOTTLENECK, 1)
        self.last = nn.Conv1d(BOTTLENECK, len(PHONEMES), 1)

    @property
    def arguments(self) -> dict[str, int]:
        """The arguments to build another of the same form."""
        return {"width": self.width, "lookahead": self.lookahead}

    def middle(self, x: Tensor, memory: Memory) -> Tensor:
        """Speaker-independent features, (N, width, T / STRIDE)."""
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
        logits: Tensor = self.last(narrowed)
        return logits.repeat_interleave(STRIDE, -1)


class RecogniserFamily(Family[RecogniserOptions, CropFacts]):
    """The family; see models.training.family.Family."""

    name = "recogniser"
    kind = "recogniser"
    options = RecogniserOptions
    facts = CropFacts

    def data(self, folders: Sequence[Path], options: RecogniserOptions) -> PhonemeCrops:
        return PhonemeCrops(folders, options.frames)

    def networks(self, options: RecogniserOptions, facts: CropFacts) -> nn.ModuleDict:
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
        batch: Batch,
        step: int,
        options: RecogniserOptions,
    ) -> dict[str, Tensor]:
        # Warm-up, then a linear decay to a hundredth.
        rate = options.learning_rate * min((step + 1) / WARM_UP, 1.0) * max(1 - step / options.steps, 0.01)
        set_learning_rate(optimizers["recogniser"], rate)
        lookahead, smoothing = options.lookahead, options.smoothing
        logits = networks["recogniser"](batch["mcep"])
        loss = phoneme_cross_entropy(logits, batch["phoneme"], lookahead, smoothing)
        optimizers["recogniser"].zero_grad()
        fabric.backward(loss)
        nn.utils.clip_grad_norm_(networks["recogniser"].parameters(), 1.0)
        optimizers["recogniser"].step()
        follow(networks["average"], networks["recogniser"], step, options.average)
        losses = {"verdict": loss.detach(), "right": accuracy(logits, batch["phoneme"], lookahead)}
        if step % 10 == 0:
            part = slice(0, max(1, len(logits) // 4))
            with torch.no_grad():
                unseen = networks["average"](batch["unseen_mcep"][part])
            losses["right_of_unseen"] = accuracy(unseen, batch["unseen_phoneme"][part], lookahead)
        return losses

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """A row for each sample: the input, the probability of each phoneme, and the labels."""
        with torch.no_grad():
            probabilities = networks["average"](batch["unseen_mcep"]).float().softmax(1).cpu()
        lookahead = getattr(networks["average"], "lookahead", 0)
        phoneme = batch["unseen_phoneme"].cpu()
        known = torch.where(phoneme == UNLABELLED, 0, phoneme)
        labels = F.one_hot(known, len(PHONEMES)).transpose(1, 2).float()
        mcep = ((batch["unseen_mcep"].cpu() + 3) / 6).clamp(0, 1)
        kept = probabilities.shape[-1] - lookahead
        rows = [
            torch.cat([mcep[n][:, :kept], probabilities[n][:, lookahead:], labels[n][:, :kept]])
            for n in range(len(probabilities))
        ]
        return torch.cat(rows)[None].expand(3, -1, -1).clone()

    def freeze(
        self, networks: nn.ModuleDict, options: RecogniserOptions, facts: CropFacts, target: str | None = None
    ) -> FreezePlan:
        raise WrongTarget("a recogniser is no voice: learn one by `guise train ppg_vc DATA --set recogniser=RUN`")


def phoneme_cross_entropy(logits: Tensor, phoneme: Tensor, lookahead: int, smoothing: float) -> Tensor:
    """logits: (N, PHONEMES, T), each for the frame `lookahead` before; phoneme: (N, T)."""
    logits, phoneme = logits[..., lookahead:].float(), phoneme[:, : phoneme.shape[1] - lookahead]
    return F.cross_entropy(logits, phoneme, ignore_index=UNLABELLED, label_smoothing=smoothing)


def accuracy(logits: Tensor, phoneme: Tensor, lookahead: int) -> Tensor:
    """The share of the labelled frames whose phoneme has the largest logit; arguments as above."""
    best, phoneme = logits[..., lookahead:].detach().argmax(1), phoneme[:, : phoneme.shape[1] - lookahead]
    known = phoneme != UNLABELLED
    return ((best == phoneme) & known).sum() / known.sum().clamp(min=1)


def recogniser_of(run: str, step: int | None = None) -> Recogniser:
    """The recogniser of a run, its newest or of a kept step; for "" the one that is shipped. Its weights require no
    gradient.

    Raises BadRun.
    """
    if not run:
        return _shipped()
    loaded = load_run(Path(run), step)
    if loaded.run.family.name != RecogniserFamily.name:
        raise BadRun(f"{run} is a run of {loaded.run.family.name}, not of {RecogniserFamily.name}")
    found = loaded.networks["average"]
    assert isinstance(found, Recogniser)
    return found.requires_grad_(False).eval()


def ship(run: str, step: int | None = None, out: Path = SHIPPED) -> None:
    """Writes a run's recogniser as it is shipped: in half precision, with its arguments."""
    network = recogniser_of(run, step)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, out, {"recogniser": json.dumps(network.arguments)})


def _shipped() -> Recogniser:
    try:
        with safe_open(SHIPPED, "pt") as stored:
            network = Recogniser(**json.loads(stored.metadata()["recogniser"]))
            network.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise BadRun(f"{SHIPPED} cannot be read ({str(error).splitlines()[0]}): install Guise again") from error
    return network.requires_grad_(False).eval()
