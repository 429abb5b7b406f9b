"""Block by block equals the whole, layers are causal, and frozen norms do not pump."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families import cyclegan_vc, stargan_vc, stargan_vc2
from models.training.averaging import follow
from models.voices.layers import (
    MAX_STDS,
    Affine,
    CausalConv,
    CausalUp,
    Gated,
    MeasuredNorm,
    Memory,
    gradient_penalty,
    scaled_channels,
    shuffle_up,
    use_running_sums,
)
from models.voices.learned_voice import STRIDES, Converter

torch.set_num_threads(1)
GENERATORS = {
    "cyclegan_vc": lambda: cyclegan_vc.Generator1(0.03, 4, None),
    "cyclegan_vc2": lambda: cyclegan_vc.Generator2(0.03, 4, None),
    "stargan_vc": lambda: stargan_vc.StarGanGenerator(0.1, 3, 4, None),
    "stargan_vc2": lambda: stargan_vc2.StarGan2Generator(0.03, 3, 4, None),
}


def _streamed(layer: nn.Module, x: Tensor, hop: int, *told: Tensor) -> Tensor:
    past: list[Tensor] = []
    parts = []
    for begin in range(0, x.shape[-1], hop):
        memory = Memory(past)
        parts.append(layer(x[..., begin : begin + hop], memory, *told))
        past = memory.kept
    return torch.cat(parts, -1)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (CausalConv(3, 5, (5,)), (2, 3, 24)),
        (CausalConv(3, 5, (5,), (2,)), (2, 3, 24)),
        (CausalConv(3, 5, (1,)), (2, 3, 24)),
        (CausalConv(3, 5, (4, 8), (2, 2)), (2, 3, 12, 24)),
        (CausalConv(3, 5, (9, 5), (9, 1)), (2, 3, 9, 24)),
        (CausalUp(3, 5, (4, 8), (2, 2)), (2, 3, 6, 12)),
        (CausalUp(3, 5, (9, 5), (9, 1)), (2, 3, 1, 12)),
    ],
)
def test_a_layer_in_blocks_is_the_layer_whole(layer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    with torch.no_grad():
        expected = layer(x, Memory())
        for hop in (2, 4, 12):
            assert torch.allclose(_streamed(layer, x, hop), expected, atol=1e-5)


def test_strides_and_their_way_back_fit() -> None:
    x = torch.randn(1, 2, 36, 16)
    down = CausalConv(2, 3, (4, 8), (2, 2))(x, Memory())
    assert down.shape == (1, 3, 18, 8)
    assert CausalUp(3, 2, (4, 8), (2, 2))(down, Memory()).shape == x.shape
    assert shuffle_up(torch.zeros(1, 8, 18, 8)).shape == x.shape
    assert shuffle_up(torch.tensor([[[1.0, 3.0], [2.0, 4.0]]])).tolist() == [[[1, 2, 3, 4]]]


def _generator(name: str) -> Converter:
    """With random weights, after training-mode passes."""
    torch.manual_seed(0)
    generator: Converter = GENERATORS[name]()
    speaker = torch.tensor([0, 1, 2, 1]) if name.startswith("stargan") else torch.zeros(4, dtype=torch.int64)
    with torch.no_grad():
        for _ in range(3):
            generator(torch.randn(4, 36, 64), speaker, speaker)
    return generator.eval()


@pytest.mark.parametrize("name", GENERATORS)
def test_a_network_in_blocks_is_the_network_whole(name: str) -> None:
    generator, x, one = _generator(name), torch.randn(1, 36, 48), torch.zeros(1, dtype=torch.int64)

    class Asked(nn.Module):
        def forward(self, x: Tensor, memory: Memory) -> Tensor:
            return generator.predict(x, one, one, memory)

    with torch.no_grad():
        expected = Asked()(x, Memory())
        assert expected.std() > 1e-3
        for hop in (STRIDES, 12, 24):
            assert torch.allclose(_streamed(Asked(), x, hop), expected, atol=1e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_nothing_is_known_of_the_blocks_to_come(name: str) -> None:
    generator, x, one = _generator(name), torch.randn(1, 36, 48), torch.zeros(1, dtype=torch.int64)
    other = x.clone()
    other[..., 24:] = torch.randn(1, 36, 24)
    with torch.no_grad():
        before, after = (generator.predict(y, one, one, Memory()) for y in (x, other))
        assert torch.equal(before[..., :24], after[..., :24])
        assert not torch.allclose(before[..., 24:], after[..., 24:])
        # Of a crop, whose output is shifted back, `lookahead` frames more are read.
        before, after = (generator(y, one, one) for y in (x, other))
    assert torch.equal(before[..., :20], after[..., :20])
    assert not torch.allclose(before[..., 20:24], after[..., 20:24])


def test_a_norm_measures_each_target_and_then_stands_still() -> None:
    norm = MeasuredNorm(2, 2)
    torch.manual_seed(0)
    target = torch.tensor([0, 1])
    for _ in range(1500):
        x = torch.randn(2, 2, 50)
        x[1] = 3 + 2 * x[1]
        found = norm(x, target)
    # By each crop, while in training.
    assert found.mean(2).abs().max() < 1e-5
    louder = 10 * x
    assert torch.allclose(copy.deepcopy(norm)(louder, target), found, atol=1e-3)
    use_running_sums(norm, True)
    frozen = norm(x, target)
    assert torch.allclose(frozen[1], (x[1] - 3) / 2, atol=0.4)
    assert torch.allclose(frozen[0], x[0], atol=0.4)
    # A tenth of the movement stays a tenth: no gain follows the speech. Nor does noise grow without limit.
    quieter = 3 + (x - 3) / 10
    assert torch.allclose(norm(quieter, target)[1], frozen[1] / 10, atol=0.15)
    assert float(norm(louder * 100, target).abs().max()) == MAX_STDS
    assert torch.equal(norm.eval()(x, target), frozen)


def test_a_gate_is_made_of_channels_of_its_own() -> None:
    layer = Gated(CausalConv(3, 8, (1,)), 4)
    x = torch.randn(1, 3, 5)
    both = layer.conv(x, Memory())
    given = layer(x, Memory(), torch.zeros(1, dtype=torch.int64))
    assert torch.allclose(given, both[:, :4] * torch.sigmoid(both[:, 4:]))


def test_codes_add_up() -> None:
    affine = Affine(4, (2, 3))
    x = torch.ones(1, 4, 5)
    source, target = torch.tensor([1]), torch.tensor([2])
    gain, shift = (affine.codes[0](source) + affine.codes[1](target)).chunk(2, -1)
    assert torch.allclose(affine(x, source, target), 1 + gain[..., None] + shift[..., None].expand(-1, -1, 5))


def test_a_slope_of_one_costs_nothing() -> None:
    direction = F.normalize(torch.randn(12), dim=0)
    for slope, penalty in ((1.0, 0.0), (3.0, 4.0)):
        found = gradient_penalty(
            lambda x, s=slope: s * x.flatten(1) @ direction, torch.randn(4, 3, 4), torch.zeros(4, 3, 4)
        )
        assert float(found) == pytest.approx(penalty, abs=1e-5)


def test_the_average_follows_weights_and_takes_over_what_was_measured() -> None:
    network, average = MeasuredNormed(), MeasuredNormed()
    network.norm.mean += 1
    before = average.affine.gain.detach().clone()
    network.affine.gain.data += 1
    follow(average, network, step=10**6, decay=0.9)
    assert torch.allclose(average.affine.gain, before + 0.1)
    assert torch.equal(average.norm.mean, network.norm.mean)


class MeasuredNormed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.affine = MeasuredNorm(2, 1), Affine(2)


def test_widths() -> None:
    assert [scaled_channels(256, width) for width in (1.0, 0.25, 0.01)] == [256, 64, 8]
