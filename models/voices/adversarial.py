"""One adversarial training step, as CycleGAN-VC and both StarGAN-VC take it: what judges first, then the generators.

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
    discriminator_losses: Mapping[str, Tensor],
    generators: Sequence[str],
    generator_loss: Callable[[], Tensor] | None,
) -> None:
    """Updates each discriminator by its loss, then the generators by what `generator_loss` returns; None: not these.

    The keys of `discriminator_losses` and `generators` are those of `networks` and `optimizers`. `generator_loss` is
    called after the discriminators' updates, while their parameters require no gradient.
    """
    for name, loss in discriminator_losses.items():
        optimizers[name].zero_grad()
        fabric.backward(loss)
        optimizers[name].step()
    if generator_loss is None:
        return
    for name in discriminator_losses:
        networks[name].requires_grad_(False)
    loss_g = generator_loss()
    for name in generators:
        optimizers[name].zero_grad()
    fabric.backward(loss_g)
    for name in discriminator_losses:
        networks[name].requires_grad_(True)
    for name in generators:
        optimizers[name].step()
