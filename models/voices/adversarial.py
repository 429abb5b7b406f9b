"""One adversarial training step, as CycleGAN-VC and StarGAN-VC2 take it: the discriminator first, then the generators.

Runs in the training process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer


def adversarial_step(
    fabric: Fabric,
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    discriminator: str,
    loss_d: Tensor,
    generators: Sequence[str],
    generator_loss: Callable[[], Tensor],
) -> None:
    """Updates the discriminator by `loss_d`, then the generators by what `generator_loss` returns.

    `discriminator` and `generators` are keys of `networks` and `optimizers`. `generator_loss` is called after the
    discriminator's update, while its parameters require no gradient.
    """
    optimizers[discriminator].zero_grad()
    fabric.backward(loss_d)
    optimizers[discriminator].step()

    networks[discriminator].requires_grad_(False)
    loss_g = generator_loss()
    for name in generators:
        optimizers[name].zero_grad()
    fabric.backward(loss_g)
    networks[discriminator].requires_grad_(True)
    for name in generators:
        optimizers[name].step()
