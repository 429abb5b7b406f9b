"""Layers of the voice networks: causal convolutions, norms, gates, and the parts of their discriminators.

Along time every convolution is causal, over a past that begins with zeros; a Memory carries that past from block to
block, so that processing block by block equals processing the whole. x is (N, C, T) or (N, C, F, T): time is last, F
are MCEPs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_DECAY = 0.99
"""Decay of a norm's running sums for each crop: they average over the last few hundred."""

MAX_STDS = 6.0
"""Standard deviations to which the output of a frozen norm is clipped: a crop's own norm hardly exceeds it, and noise
unlike the training data would grow from layer to layer."""


class Memory:
    """The past that causal layers keep from one block for the next, in the order of their calls: `kept`, passed on as
    `past`."""

    def __init__(self, past: Sequence[Tensor] = ()) -> None:
        """`past`: the `kept` of the block before; empty at the start."""
        self._past = past
        self.kept: list[Tensor] = []
        self.reach = 0.0
        """Sum of all requested pasts, in blocks."""

    def with_past(self, x: Tensor, frames: int) -> Tensor:
        """x preceded by the `frames` frames before it."""
        if frames == 0:
            return x
        past = self._past[len(self.kept)] if self._past else x.new_zeros(*x.shape[:-1], frames)
        joined = torch.cat([past.to(x.dtype), x], -1)
        self.kept.append(joined[..., -frames:])
        self.reach += frames / x.shape[-1]
        return joined


class CausalConv(nn.Module):
    """A convolution whose output n depends on frames up to (n + 1) * stride - 1; frequency is padded evenly.

    kernel and stride: (time,) for (N, C, T), (frequency, time) for (N, C, F, T).
    """

    def __init__(
        self, inside: int, outside: int, kernel: tuple[int, ...], stride: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        stride = stride or (1,) * len(kernel)
        self.past = kernel[-1] - stride[-1]
        self.conv: nn.Module
        if len(kernel) == 2:
            # A kernel whose stride is its whole width, as the one to a single row, needs no padding.
            pad = 0 if kernel[0] == stride[0] else (kernel[0] - 1) // 2
            self.conv = nn.Conv2d(inside, outside, (kernel[0], kernel[1]), (stride[0], stride[1]), (pad, 0))
        else:
            self.conv = nn.Conv1d(inside, outside, kernel[0], stride[0])

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        output: Tensor = self.conv(memory.with_past(x, self.past))
        return output


class CausalUp(nn.Module):
    """A transposed causal convolution, (frequency, time) as in CausalConv: each frame gives `stride` frames, computed
    from it and those before."""

    def __init__(self, inside: int, outside: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride[1]
        self.past = -(-kernel[1] // stride[1]) - 1
        pad = 0 if kernel[0] == stride[0] else (kernel[0] - stride[0]) // 2
        self.conv = nn.ConvTranspose2d(inside, outside, kernel, stride, (pad, 0))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        output: Tensor = self.conv(memory.with_past(x, self.past))
        begin = self.past * self.stride
        return output[..., begin : begin + x.shape[-1] * self.stride]


class MeasuredNorm(nn.Module):
    """Instance norm for training, a constant scale and shift for the stage.

    In training each crop is normalised by its own mean and standard deviation, as in the papers. Live there are no
    crops, and normalising by recent speech would make the level pump. So the norm also keeps running sums for each
    target; once `running`, and in eval mode, it normalises by them. The last part of training uses this form.
    """

    mean: Tensor
    variance: Tensor
    weight: Tensor

    def __init__(self, channels: int, targets: int) -> None:
        super().__init__()
        self.running = False
        # Decayed sums, and their weight; initially a thousandth of a crop of mean 0 and variance 1.
        self.register_buffer("mean", torch.zeros(targets, channels))
        self.register_buffer("variance", torch.full((targets, channels), 1e-3))
        self.register_buffer("weight", torch.full((targets, 1), 1e-3))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """target: (N,) int64."""
        if self.training and not self.running:
            return self._measured(x, target)
        weight = self.weight[target]
        scale = (self.variance[target] / weight + 1e-5).rsqrt()
        shift = -self.mean[target] / weight * scale
        return (x * _broadcast(x, scale) + _broadcast(x, shift)).clamp(-MAX_STDS, MAX_STDS)

    def _measured(self, x: Tensor, target: Tensor) -> Tensor:
        # In float32, whatever the precision of the convolutions.
        x = x.float()
        variance, mean = torch.var_mean(x.flatten(2), 2, correction=0)
        with torch.no_grad():
            for total, measured in (
                (self.mean, mean),
                (self.variance, variance),
                (self.weight, torch.ones_like(mean[:, :1])),
            ):
                keep = torch.ones_like(self.weight).index_fill_(0, target, NORM_DECAY)
                total.mul_(keep).index_add_(0, target, measured.detach().to(total.dtype))
        scale = (variance + 1e-5).rsqrt()
        return x * _broadcast(x, scale) - _broadcast(x, mean * scale)


class Affine(nn.Module):
    """A gain and a shift for each channel; with several codes, their contributions are summed."""

    def __init__(self, channels: int, codes: Sequence[int] = ()) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.codes = nn.ModuleList(code_embedding(count, 2 * channels) for count in codes)

    def forward(self, x: Tensor, *numbers: Tensor) -> Tensor:
        """numbers: an (N,) int64 for each code."""
        gain, shift = self.gain[None], self.shift[None]
        for code, number in zip(self.codes, numbers, strict=True):
            more_gain, more_shift = code(number).chunk(2, -1)
            gain, shift = gain + more_gain, shift + more_shift
        return x * _broadcast(x, gain) + _broadcast(x, shift)


def code_embedding(count: int, width: int) -> nn.Embedding:
    """An embedding of `count` codes, `width` values each, initially small."""
    code = nn.Embedding(count, width)
    nn.init.normal_(code.weight, 0.0, 0.02)
    return code


class NormalizedConv(nn.Module):
    """MeasuredNorm followed by a gain and a shift; see Affine for `codes`."""

    def __init__(self, channels: int, targets: int, codes: Sequence[int] = ()) -> None:
        super().__init__()
        self.norm = MeasuredNorm(channels, targets)
        self.affine = Affine(channels, codes)

    def forward(self, x: Tensor, target: Tensor, *numbers: Tensor) -> Tensor:
        output: Tensor = self.affine(self.norm(x, target), *numbers)
        return output


class Gated(nn.Module):
    """A convolution and a gated linear unit, which halves 2 * outside channels. (Other ports multiply by the sigmoid of
    the same channels, which is no gate of its own, or do so twice.)

    With `targets` the output is normalised before the gate; `shuffle` first turns 4 channels (2 in 1-D) into twice the
    rows and frames.
    """

    def __init__(self, conv: CausalConv | CausalUp, outside: int, targets: int = 0, *, shuffle: bool = False) -> None:
        """conv gives 2 * outside channels, or 2 or 4 times that for `shuffle`."""
        super().__init__()
        self.conv = conv
        self.shuffle = shuffle
        self.normed = NormalizedConv(2 * outside, targets) if targets else None

    def forward(self, x: Tensor, memory: Memory, target: Tensor) -> Tensor:
        output = self.conv(x, memory)
        if self.shuffle:
            output = shuffle_up(output)
        if self.normed is not None:
            output = self.normed(output, target)
        return F.glu(output, 1)


def shuffle_up(x: Tensor) -> Tensor:
    """(N, 4C, F, T) -> (N, C, 2F, 2T), (N, 2C, T) -> (N, C, 2T)."""
    if x.dim() == 4:
        return F.pixel_shuffle(x, 2)
    n, channels, frames = x.shape
    return x.reshape(n, channels // 2, 2, frames).transpose(2, 3).reshape(n, channels // 2, 2 * frames)


class DiscriminatorConv(nn.Module):
    """A layer of a discriminator: convolution over (frequency, time), optional instance norm, gated linear unit."""

    def __init__(
        self, inside: int, outside: int, kernel: tuple[int, int], stride: tuple[int, int], *, norm: bool = True
    ) -> None:
        super().__init__()
        pads = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        self.conv = nn.Conv2d(inside, 2 * outside, kernel, stride, pads)
        self.norm = nn.InstanceNorm2d(2 * outside, affine=True) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = F.glu(self.norm(self.conv(x)), 1)
        return features


def use_running_sums(network: nn.Module, running: bool) -> None:
    """Switches every MeasuredNorm of a network between its running sums (True) and each crop's statistics (False). Its
    weights learn on."""
    for layer in network.modules():
        if isinstance(layer, MeasuredNorm):
            layer.running = running


def scaled_channels(channels: int, width: float) -> int:
    """The paper's number of channels at another width; a multiple of 4, at least 8."""
    return max(8, 4 * round(channels * width / 4))


def least_squares(score: Tensor, target_value: float) -> Tensor:
    """Mao et al., "Least Squares Generative Adversarial Networks" (arXiv 1611.04076)."""
    return (score.float() - target_value).square().mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Gulrajani et al., "Improved Training of Wasserstein GANs" (arXiv 1704.00028): the norm of the discriminator's
    gradient between real and fake samples should be 1."""
    share = torch.rand(len(real), *(1,) * (real.dim() - 1), device=real.device)
    mixed = (share * real + (1 - share) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(mixed).float().sum(), mixed, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def _broadcast(x: Tensor, values: Tensor) -> Tensor:
    """(N, C) -> (N, C, 1, ...), as many dimensions as x."""
    return values.reshape(*values.shape, *(1,) * (x.dim() - 2))
