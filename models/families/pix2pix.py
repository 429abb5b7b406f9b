"""pix2pix: a U-Net that paints a picture from landmark lines, trained with L1 and a PatchGAN.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (arXiv 1611.07004), as face2face-demo
used it. Norms are instance norms (batch norm at batch 1 is that, and its running statistics degrade the picture); the
1x1 bottleneck has none, because normalising one value leaves only the bias. In the frozen look dropout is off, so a
still face gives a still picture.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from pydantic import Field, JsonValue, field_validator
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from models.datasets.face_data import FaceData
from models.datasets.face_moves import MoveOptions
from models.features.face_lines import LineStyle
from models.prepare.data_error import DataError
from models.prepare.face_facts import FaceFacts, read_face_facts
from models.training.averaging import follow
from models.training.family import Batch, Family, FamilyOptions, FreezePlan, WrongTarget
from models.training.learning_rate import set_learning_rate


class Pix2PixOptions(FamilyOptions):
    """Options of `guise train pix2pix` (`--set`)."""

    ngf: int = Field(
        32, ge=4, le=128, description="channels of the first layer: 64 is the paper's, 32 runs live on 2 cores"
    )
    size: int = Field(256, description="width and height of the picture; a power of two, as prepared or smaller")
    batch: int = Field(2, ge=1, le=64)
    steps: int = Field(8000, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    decay: float = Field(
        0.4, ge=0, le=1, description="share of the steps, the last, over which the learning rate falls to a tenth"
    )
    l1: float = Field(300.0, ge=0, description="weight of the L1 term against the adversarial one")
    details: float = Field(4.0, ge=0, description="how much more eyes and mouth count in the L1 term")
    features: float = Field(
        30.0, ge=0, description="weight of feature matching: L1 between what the discriminator sees in both pictures"
    )
    critic: int = Field(32, ge=4, le=128, description="channels of the discriminator's first layer: 64 is the paper's")
    scale: float = Field(0.12, ge=0, le=0.5, description="copies are scaled by up to +- this share")
    shift: float = Field(0.06, ge=0, le=0.5, description="copies are moved by up to +- this share of the side")
    turn: float = Field(6.0, ge=0, le=45, description="copies are turned by up to +- so many degrees")
    stretch: float = Field(
        0.5, ge=0, le=1, description="eyes and mouth of copies are opened up to e to this power further, or less"
    )
    rare: int = Field(4, ge=1, le=16, description="rare openings of eyes and mouth come up to so many times as often")
    alone: int = Field(
        1500, ge=0, description="first steps by L1 alone: half as dear, and the adversary then begins with a picture"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="on the first three ups, in training only")
    average: float = Field(
        0.999, ge=0, lt=1, description="decay of the averaged generator that is frozen; 0 freezes the last one"
    )
    flip: bool = Field(False, description="mirrored copies: wrong for a face that is not symmetrical")
    lines: Literal["smooth", "face2face"] = "smooth"

    @field_validator("size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        if size < 16 or size & (size - 1):
            raise ValueError("must be a power of two, 16 or more (256 and 512 are usual)")
        return size


class UNetGenerator(nn.Module):
    """(N, 3, size, size) lines in -1..1 -> (N, 3, size, size) picture in -1..1.

    log2(size) 4x4 stride-2 downs of ngf x 1, 2, 4, 8, 8, ... and as many ups with skips.
    """

    def __init__(self, ngf: int, size: int, dropout: float) -> None:
        super().__init__()
        depth = int(math.log2(size))
        widths = [ngf * min(2**level, 8) for level in range(depth)]
        self.downs = nn.ModuleList(
            _down(3 if level == 0 else widths[level - 1], widths[level], first=level == 0, last=level == depth - 1)
            for level in range(depth)
        )
        self.ups = nn.ModuleList()
        channels = widths[-1]
        for step, level in enumerate(reversed(range(depth - 1))):
            self.ups.append(_up(channels, widths[level], dropout if step < 3 else 0.0))
            channels = 2 * widths[level]
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(channels, 3, 4, 2, 1), nn.Tanh())

    def forward(self, lines: Tensor) -> Tensor:
        skips = [lines]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], 1)
        picture: Tensor = self.last(x)
        return picture


def _down(inside: int, outside: int, *, first: bool, last: bool) -> nn.Sequential:
    norm = not (first or last)
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    layers.append(nn.Conv2d(inside, outside, 4, 2, 1, bias=not norm))
    if norm:
        layers.append(nn.InstanceNorm2d(outside, affine=True))
    return nn.Sequential(*layers)


def _up(inside: int, outside: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.ReLU(),
        nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=False),
        nn.InstanceNorm2d(outside, affine=True),
    ]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


class PatchDiscriminator(nn.Module):
    """PatchGAN 70x70: (N, 6, 256, 256) lines and picture -> (N, 1, 30, 30) logits; 2.769 M parameters at width 64."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2))])
        for inside, outside, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
            self.layers.append(
                nn.Sequential(
                    nn.Conv2d(inside * width, outside * width, 4, stride, 1, bias=False),
                    nn.InstanceNorm2d(outside * width, affine=True),
                    nn.LeakyReLU(0.2),
                )
            )
        self.layers.append(nn.Conv2d(8 * width, 1, 4, 1, 1))

    def forward(self, lines: Tensor, picture: Tensor) -> list[Tensor]:
        """The output of each layer, the logits last."""
        outputs = [torch.cat([lines, picture], 1)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return outputs[1:]


class FrozenGenerator(nn.Module):
    """uint8 (1, size, size, 3) lines -> uint8 (1, size, size, 3) picture, both RGB: the frozen module. `generator` maps
    one to the other as float (1, 3, size, size) in -1..1."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, lines: Tensor) -> Tensor:
        x = lines.permute(0, 3, 1, 2).float() * (2 / 255) - 1
        picture = (self.generator(x) + 1) * 127.5
        # No clamp: tanh keeps the value inside 0..255, and the addition of a half rounds it.
        rounded: Tensor = (picture.permute(0, 2, 3, 1) + 0.5).to(torch.uint8)
        return rounded


class Pix2Pix(Family[Pix2PixOptions, FaceFacts]):
    """The family; see models.training.family.Family."""

    name = "pix2pix"
    kind = "look"
    options = Pix2PixOptions
    facts = FaceFacts
    recipes: Mapping[str, Mapping[str, JsonValue]] = {
        "default": {},
        # The paper's and face2face-demo's, without its flip: a face is not symmetrical.
        "classic": {
            "batch": 1,
            "steps": 64000,
            "average": 0.0,
            "alone": 0,
            "decay": 0.0,
            "l1": 100.0,
            "critic": 64,
            "details": 0.0,
            "features": 0.0,
            "scale": 0.0,
            "turn": 0.0,
            "stretch": 0.0,
            "rare": 1,
            "shift": 0.055,  # Resized to 286 and cropped to 256: up to 15 pixels each way.
        },
    }

    def data(self, folders: Sequence[Path], options: Pix2PixOptions) -> FaceData:
        if len(folders) != 1:
            raise DataError(f"pix2pix learns one face: name one prepared folder, not {len(folders)}")
        moves = MoveOptions(options.scale, options.shift, options.turn, options.stretch)
        prepared = read_face_facts(folders[0]).size
        if options.size > prepared:
            raise DataError(
                f"{folders[0]} was prepared at {prepared} pixels, which {options.size} would only enlarge: --set "
                f"size={prepared}, or prepare it again with --size {options.size}"
            )
        return FaceData(
            folders[0],
            options.size,
            options.lines,
            moves=moves,
            details=options.details,
            rare=options.rare,
            flip=options.flip,
        )

    def networks(self, options: Pix2PixOptions, facts: FaceFacts) -> nn.ModuleDict:
        networks = nn.ModuleDict(
            {
                "generator": UNetGenerator(options.ngf, options.size, options.dropout),
                "discriminator": PatchDiscriminator(options.critic),
            }
        )
        networks.apply(_initialise)
        if options.average:
            networks["average"] = copy.deepcopy(networks["generator"]).requires_grad_(False)
        return networks

    def optimizers(self, networks: nn.ModuleDict, options: Pix2PixOptions) -> dict[str, Optimizer]:
        return {
            name: Adam(networks[name].parameters(), options.learning_rate, betas=(0.5, 0.999), fused=True)
            for name in ("generator", "discriminator")
        }

    def step(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        batch: Batch,
        step: int,
        options: Pix2PixOptions,
    ) -> dict[str, Tensor]:
        generator, discriminator = networks["generator"], networks["discriminator"]
        for optimizer in optimizers.values():
            set_learning_rate(optimizer, learning_rate(step, options))
        lines, real = batch["lines"], batch["picture"]
        fake = generator(lines)

        l1 = (batch.get("weight", 1) * (fake.float() - real.float()).abs()).mean()
        losses = {"l1": l1}
        loss_g = options.l1 * l1
        if step >= options.alone:
            features_real, features_fake = discriminator(lines, real), discriminator(lines, fake.detach())
            loss_d = (_gan_loss(features_real[-1], True) + _gan_loss(features_fake[-1], False)) / 2
            optimizers["discriminator"].zero_grad()
            fabric.backward(loss_d)
            optimizers["discriminator"].step()
            losses["discriminator"] = loss_d

            discriminator.requires_grad_(False)
            features_g = discriminator(lines, fake)
            losses["adversarial"] = _gan_loss(features_g[-1], True)
            loss_g = loss_g + losses["adversarial"]
            if options.features:
                losses["features"] = _feature_matching(features_g[:-1], features_real[:-1])
                loss_g = loss_g + options.features * losses["features"]

        optimizers["generator"].zero_grad()
        fabric.backward(loss_g)
        discriminator.requires_grad_(True)
        optimizers["generator"].step()

        if options.average:
            follow(networks["average"], generator, step, options.average)
        return {name: loss.detach() for name, loss in losses.items()}

    def samples(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        generator = _final_generator(networks)
        generator.eval()
        with torch.no_grad():
            fake = generator(batch["lines"])
        generator.train()
        rows = [torch.cat([batch["lines"][i], fake[i].float(), batch["picture"][i]], 2) for i in range(len(fake))]
        return torch.cat(rows, 1).add(1).div(2).clamp(0, 1)

    def freeze(
        self, networks: nn.ModuleDict, options: Pix2PixOptions, facts: FaceFacts, target: str | None = None
    ) -> FreezePlan:
        return freeze_generator(_final_generator(networks), options.size, options.lines, facts, target)


def freeze_generator(
    generator: nn.Module, size: int, style: LineStyle, facts: FaceFacts, target: str | None = None
) -> FreezePlan:
    """The plan to freeze a look that paints one person from lines; `generator`: see FrozenGenerator. Raises
    WrongTarget."""
    if target is not None:
        raise WrongTarget(f"--target {target}: this run knows one person only; leave --target out")
    return FreezePlan(
        module=FrozenGenerator(generator).eval(),
        inputs={"lines": torch.zeros(1, size, size, 3, dtype=torch.uint8)},
        outputs=("picture",),
        manifest={
            "reads": ["lines"],
            "gives": ["picture"],
            "size": size,
            "lines": {"style": style},
            "target": _zoomed(facts.target, size / facts.size),
        },
    )


def _final_generator(networks: nn.ModuleDict | Mapping[str, nn.Module]) -> nn.Module:
    """The generator to freeze: the averaged copy where there is one."""
    return networks["average" if "average" in networks else "generator"]


def learning_rate(step: int, options: Pix2PixOptions) -> float:
    """Constant, then falling linearly to a tenth, so that the adversarial training settles."""
    if not options.decay:
        return options.learning_rate
    left = (options.steps - step) / (options.decay * options.steps)
    return options.learning_rate * min(1.0, max(left, 0.1))


def _gan_loss(logits: Tensor, real: bool) -> Tensor:
    logits = logits.float()
    labels = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return F.binary_cross_entropy_with_logits(logits, labels)


def _feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Feature matching (Wang et al., pix2pixHD, arXiv 1711.11585): the mean L1 between both pictures' features."""
    distances = [F.l1_loss(a.float(), b.detach().float()) for a, b in zip(fake, real, strict=True)]
    return torch.stack(distances).mean()


def _initialise(module: nn.Module) -> None:
    """N(0, 0.02) weights, N(1, 0.02) norm gains, as the paper's code does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _zoomed(target: Mapping[str, object], zoom: float) -> dict[str, object]:
    """The target's geometry in the pixels of a generator smaller or larger than the prepared pictures."""
    lengths = {"neutral", "residual_low", "residual_high"}
    return {key: (zoom * np.asarray(value)).tolist() if key in lengths else value for key, value in target.items()}
