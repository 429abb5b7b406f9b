"""What the networks of the learned voices are made of: layers that hear no future, and their judges' pieces.

Along time every convolution looks back alone, over a past that begins with zeros; a Memory carries that past from block
to block, so that block by block equals whole. x is (N, C, T) or (N, C, F, T): time is last, F are MCEPs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FORGETS = 0.99
"""Of what a norm has measured this much stays at the next crop: it then speaks for the last few hundred."""

FURTHEST = 6.0
"""Spreads beyond which a settled norm gives no more: a crop's own norm would hardly, and a noise that nobody was taught
would grow from layer to layer."""


class Memory:
    """What layers keep of one block for the next, in the order in which they ask: `kept`, given as `past`."""

    def __init__(self, past: Sequence[Tensor] = ()) -> None:
        """`past`: the `kept` of the block before; none at the start."""
        self._past = past
        self.kept: list[Tensor] = []
        self.reach = 0.0
        """How far back all that was asked for lies, in blocks."""

    def before(self, x: Tensor, frames: int) -> Tensor:
        """x with the `frames` frames before it."""
        if frames == 0:
            return x
        past = self._past[len(self.kept)] if self._past else x.new_zeros(*x.shape[:-1], frames)
        whole = torch.cat([past.to(x.dtype), x], -1)
        self.kept.append(whole[..., -frames:])
        self.reach += frames / x.shape[-1]
        return whole


class CausalConv(nn.Module):
    """A convolution whose answer n knows frames up to (n + 1) * stride - 1; frequency is padded evenly.

    kernel and stride: (time,) for (N, C, T), (frequency, time) for (N, C, F, T).
    """

    def __init__(
        self, inside: int, outside: int, kernel: tuple[int, ...], stride: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        stride = stride or (1,) * len(kernel)
        self.past = kernel[-1] - stride[-1]
        kind: Any = nn.Conv2d if len(kernel) == 2 else nn.Conv1d
        # A kernel that steps over its whole width, as the one to a single row does, wants none.
        pads = (0 if kernel[0] == stride[0] else (kernel[0] - 1) // 2,) if len(kernel) == 2 else ()
        self.conv = kind(inside, outside, kernel, stride, (*pads, 0))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        answer: Tensor = self.conv(memory.before(x, self.past))
        return answer


class CausalUp(nn.Module):
    """A transposed convolution, (frequency, time) as CausalConv's: stride answers a frame, of it and those before."""

    def __init__(self, inside: int, outside: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride[1]
        self.past = -(-kernel[1] // stride[1]) - 1
        pad = 0 if kernel[0] == stride[0] else (kernel[0] - stride[0]) // 2
        self.conv = nn.ConvTranspose2d(inside, outside, kernel, stride, (pad, 0))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        answer: Tensor = self.conv(memory.before(x, self.past))
        begin = self.past * self.stride
        return answer[..., begin : begin + x.shape[-1] * self.stride]


class MeasuredNorm(nn.Module):
    """Instance norm for training, a constant scale and shift for the stage.

    While it measures, each crop is normalised by its own mean and spread, as in the papers. Live there is no crop: the
    level of what was just said would pump. So it notes what it finds, for each target apart, and once `settled`, and
    whenever it is not training, it normalises by what it noted; the last part of training then learns with just that.
    """

    mean: Tensor
    variance: Tensor
    weight: Tensor

    def __init__(self, channels: int, targets: int) -> None:
        super().__init__()
        self.settled = False
        # Sums, and how much was summed; a thousandth of a crop of mean 0 and variance 1 to begin with.
        self.register_buffer("mean", torch.zeros(targets, channels))
        self.register_buffer("variance", torch.full((targets, channels), 1e-3))
        self.register_buffer("weight", torch.full((targets, 1), 1e-3))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """target: (N,) int64."""
        if self.training and not self.settled:
            return self._measured(x, target)
        weight = self.weight[target]
        scale = (self.variance[target] / weight + 1e-5).rsqrt()
        shift = -self.mean[target] / weight * scale
        return (x * _as(x, scale) + _as(x, shift)).clamp(-FURTHEST, FURTHEST)

    def _measured(self, x: Tensor, target: Tensor) -> Tensor:
        # In float32, whatever the convolutions are multiplied in.
        x = x.float()
        variance, mean = torch.var_mean(x.flatten(2), 2, correction=0)
        with torch.no_grad():
            for total, found in (
                (self.mean, mean),
                (self.variance, variance),
                (self.weight, torch.ones_like(mean[:, :1])),
            ):
                kept = torch.ones_like(self.weight).index_fill_(0, target, FORGETS)
                total.mul_(kept).index_add_(0, target, found.detach().to(total.dtype))
        scale = (variance + 1e-5).rsqrt()
        return x * _as(x, scale) - _as(x, mean * scale)


class Affine(nn.Module):
    """A gain and a shift of each channel; of several codes, the sum of what each of them asks for."""

    def __init__(self, channels: int, codes: Sequence[int] = ()) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.codes = nn.ModuleList(code_of(count, 2 * channels) for count in codes)

    def forward(self, x: Tensor, *numbers: Tensor) -> Tensor:
        """numbers: an (N,) int64 a code."""
        gain, shift = self.gain[None], self.shift[None]
        for code, number in zip(self.codes, numbers, strict=True):
            more_gain, more_shift = code(number).chunk(2, -1)
            gain, shift = gain + more_gain, shift + more_shift
        return x * _as(x, gain) + _as(x, shift)


def code_of(count: int, width: int) -> nn.Embedding:
    """`width` numbers for each of `count` codes, small at first."""
    code = nn.Embedding(count, width)
    nn.init.normal_(code.weight, 0.0, 0.02)
    return code


class NormalizedConv(nn.Module):
    """MeasuredNorm and its gain and shift; see Affine for `codes`."""

    def __init__(self, channels: int, targets: int, codes: Sequence[int] = ()) -> None:
        super().__init__()
        self.norm = MeasuredNorm(channels, targets)
        self.affine = Affine(channels, codes)

    def forward(self, x: Tensor, target: Tensor, *numbers: Tensor) -> Tensor:
        answer: Tensor = self.affine(self.norm(x, target), *numbers)
        return answer


class Gated(nn.Module):
    """A convolution and a gated linear unit: 2 * outside channels are made, and halved. (Other ports multiply by the
    sigmoid of the same channels, which is no gate of its own, or do so twice.)

    With `targets` it is normalised between; `shuffle` turns 4 channels (2 in 1-D) into twice the rows and frames first.
    """

    def __init__(self, conv: CausalConv | CausalUp, outside: int, targets: int = 0, *, shuffle: bool = False) -> None:
        """conv gives 2 * outside channels, or 2 or 4 times that for `shuffle`."""
        super().__init__()
        self.conv = conv
        self.shuffle = shuffle
        self.normed = NormalizedConv(2 * outside, targets) if targets else None

    def forward(self, x: Tensor, memory: Memory, target: Tensor) -> Tensor:
        made = self.conv(x, memory)
        if self.shuffle:
            made = shuffled(made)
        if self.normed is not None:
            made = self.normed(made, target)
        return F.glu(made, 1)


def shuffled(x: Tensor) -> Tensor:
    """(N, 4C, F, T) -> (N, C, 2F, 2T), (N, 2C, T) -> (N, C, 2T)."""
    if x.dim() == 4:
        return F.pixel_shuffle(x, 2)
    n, channels, frames = x.shape
    return x.reshape(n, channels // 2, 2, frames).transpose(2, 3).reshape(n, channels // 2, 2 * frames)


class DiscriminatorConv(nn.Module):
    """A discriminator's layer: convolution over (frequency, time), instance norm where asked, gated linear unit."""

    def __init__(
        self, inside: int, outside: int, kernel: tuple[int, int], stride: tuple[int, int], *, norm: bool = True
    ) -> None:
        super().__init__()
        pads = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        self.conv = nn.Conv2d(inside, 2 * outside, kernel, stride, pads)
        self.norm = nn.InstanceNorm2d(2 * outside, affine=True) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = F.glu(self.norm(self.conv(x)), 1)
        return seen


def freeze_norm(network: nn.Module, settled: bool) -> None:
    """From now on its norms go by what they measured, or again by each crop."""
    for layer in network.modules():
        if isinstance(layer, MeasuredNorm):
            layer.settled = settled


def scaled(channels: int, width: float) -> int:
    """The paper's number of channels at another width; a multiple of 4, 8 at least."""
    return max(8, 4 * round(channels * width / 4))


def least_squares(verdict: Tensor, wanted: float) -> Tensor:
    """Mao et al., "Least Squares Generative Adversarial Networks" (arXiv 1611.04076)."""
    return (verdict.float() - wanted).square().mean()


def gradient_penalty(judge: Any, real: Tensor, made: Tensor) -> Tensor:
    """Gulrajani et al., "Improved Training of Wasserstein GANs" (arXiv 1704.00028): `judge`'s slope between what is
    real and what was made should be 1."""
    share = torch.rand(len(real), *(1,) * (real.dim() - 1), device=real.device)
    between = (share * real + (1 - share) * made).detach().requires_grad_()
    (slope,) = torch.autograd.grad(judge(between).float().sum(), between, create_graph=True)
    penalty: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def _as(x: Tensor, values: Tensor) -> Tensor:
    """(N, C) -> as many dimensions as x."""
    return values.reshape(*values.shape, *(1,) * (x.dim() - 2))
