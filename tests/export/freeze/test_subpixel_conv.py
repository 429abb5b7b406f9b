"""A transposed convolution and its sub-pixel convolution give the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from export.freeze.subpixel_conv import SubpixelConv, to_subpixel_conv


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 5, 4, 7), (1, 8, 16, 16)])
def test_subpixel_convolution_equals_the_transposed_one(shape: tuple[int, int, int, int], bias: bool) -> None:
    torch.manual_seed(0)
    transposed = nn.ConvTranspose2d(shape[1], 6, 4, 2, 1, bias=bias)
    x = torch.randn(shape)
    with torch.no_grad():
        assert torch.allclose(SubpixelConv(transposed)(x), transposed(x), atol=1e-5)


def test_other_layers_and_the_network_itself_are_unchanged() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 4, 2, 2))
    replaced = to_subpixel_conv(network)
    assert [type(layer) for layer in replaced] == [SubpixelConv, nn.ReLU, nn.ConvTranspose2d]  # type: ignore[arg-type]
    assert isinstance(network[0], nn.ConvTranspose2d)
    with torch.no_grad():
        x = torch.randn(1, 4, 5, 5)
        assert torch.allclose(replaced(x), network(x), atol=1e-5)
