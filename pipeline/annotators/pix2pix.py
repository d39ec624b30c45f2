"""pix2pix as pseudo-annotator: a conditional adversarial network from image x to mask m.

Papers: Isola, Zhu, Zhou, Efros, Image-to-image translation with conditional adversarial networks, CVPR 2017; used by
Adachi and Yamaguchi 2022 (ReFF) to annotate what people did not (reff.md section 4). For t = 2m − 1, generator G, patch
discriminator D and the binary cross-entropy H of its logits,

    L_D = (H(D(x, t), 1) + H(D(x, G(x)), 0)) / 2
    L_G = H(D(x, G(x)), 1) + λ |G(x) − t|₁,    λ = 100, means over patches and pixels

and each step is one of D, then one of G. The mask drawn is (G(x) + 1) / 2.

Published: five layers of 64, 128, 256, 512, 1 channels for D; what ReFF chose besides is not known to us, nor is the
quality of its masks.

Departures: a fixed number of steps in place of 200 epochs, so that every share is trained alike, and a constant rate
where the authors' code lets it fall in the second half. Masks are drawn in evaluation mode, without the dropout that
pix2pix samples with: they can be reproduced. The generator of the smallest error on held-out images is kept.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, l1_loss

from pipeline.models.patchgan import patchgan
from pipeline.models.unet import UNet
from pipeline.training.data import Images
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.annotators import Pix2pix

#: What is averaged over the steps between two rows of the history.
RECORDED = ("adversarial", "l1", "discriminator")


class Networks(nn.Module):
    """Generator and discriminator, working on squares of `size` pixels."""

    def __init__(self, settings: "Pix2pix", channels: int) -> None:
        super().__init__()
        self.size = settings.size
        self.generator = UNet(channels, 1, settings.levels, settings.base_channels, settings.dropout)
        self.discriminator = patchgan(channels + 1, settings.discriminator_channels)

    def stages(self) -> dict[str, nn.Module]:
        """The two networks by name."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def forward(self, images: Tensor) -> Tensor:
        """Masks B×H×W in 0..1 of `images` B×C×H×W in 0..1."""
        drawn = self.generator(2 * resized(images, (self.size, self.size)) - 1).float()
        return (resized(drawn, images.shape[2:])[:, 0] + 1) / 2


def build(settings: "Pix2pix", channels: int) -> Networks:
    """Networks for images of `channels` colours: weights N(0, 0.02), of batch normalisation N(1, 0.02), no biases."""
    networks = Networks(settings, channels)
    for layer in networks.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, mean=1.0, std=0.02)
        if getattr(layer, "bias", None) is not None:
            nn.init.zeros_(layer.bias)
    return networks


def augmentation(settings: "Pix2pix") -> dict:
    """Random changes of a training image together with its mask, as `pipeline.training.augment` takes them."""
    return {"flip": settings.mirror, "jitter": settings.jitter}


def fit(session: Session, settings: "Pix2pix", held_out: Images) -> None:
    """Train `session.network` on images whose last channel is their mask, 0 or 1; so are the `held_out`, if any.

    An epoch of the session is a round of `check_every` steps. History: means of the two terms of L_G, unweighted, and
    of L_D, and after each round `held_out_l1`, in evaluation mode.
    """
    networks, device = session.network, session.compute.device
    optimisers = [optimiser_of([{"params": part.parameters()}], settings.optimiser)
                  for part in (networks.generator, networks.discriminator)]  # fmt: skip
    sums = torch.zeros(len(RECORDED), device=device, dtype=torch.float64)
    least = torch.tensor([torch.inf, 0], dtype=torch.float64)
    best = {name: tensor.clone() for name, tensor in networks.generator.state_dict().items()} if len(held_out) else {}
    session.track(sums=sums, least=least, **{f"best.{name}": tensor for name, tensor in best.items()})
    for check in session.epochs(settings, *optimisers):
        session.follow(settings, optimisers[1], check)
        for pictures, _ in session.batches():
            sums += step(networks, optimisers, *pairs(pictures, settings.size), settings.l1, session)
        values = dict(zip(RECORDED, (sums / settings.check_every).tolist(), strict=True))
        sums.zero_()
        if best:
            values["held_out_l1"] = error(networks, held_out, settings.batch_size)
            if values["held_out_l1"] < least[0]:
                least.copy_(torch.tensor([values["held_out_l1"], check]))
                for name, tensor in networks.generator.state_dict().items():
                    best[name].copy_(tensor)
            elif settings.patience and check - least[1] >= settings.patience:
                session.stop()
        session.record(**values)
    if best:
        networks.generator.load_state_dict(best)


def step(
    networks: Networks,
    optimisers: list[torch.optim.Optimizer],
    images: Tensor,
    targets: Tensor,
    weight: float,
    session: Session,
) -> Tensor:
    """One step of the discriminator and one of the generator, whose L1 has this `weight`; returns what is `RECORDED`.

    Images B×C×H×W and targets B×1×H×W in −1..1, of the size at which the networks work.
    """
    generator, discriminator = optimisers
    with session.autocast():
        drawn = networks.generator(images)
        real = networks.discriminator(torch.cat([images, targets], dim=1))
        fake = networks.discriminator(torch.cat([images, drawn.detach()], dim=1))
    loss_of_discriminator = discriminator_loss(real.float(), fake.float())
    _descend(discriminator, loss_of_discriminator)
    networks.discriminator.requires_grad_(False)
    with session.autocast():
        fake = networks.discriminator(torch.cat([images, drawn], dim=1))
    adversarial, l1 = generator_losses(fake.float(), drawn.float(), targets)
    _descend(generator, adversarial + weight * l1)
    networks.discriminator.requires_grad_(True)
    return torch.stack([adversarial, l1, loss_of_discriminator]).detach().double()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L_D from the patch logits of true and of drawn masks."""
    bce = binary_cross_entropy_with_logits
    return (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))) / 2


def generator_losses(fake: Tensor, drawn: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms of L_G, unweighted, from the patch logits of drawn masks, these, and the targets."""
    return binary_cross_entropy_with_logits(fake, torch.ones_like(fake)), l1_loss(drawn, targets)


def pairs(pictures: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Images and masks as the networks take them, from pictures B×(C+1)×H×W in 0..1 with the mask as last channel.

    Both in −1..1 and of `size`; a pixel of a mask is −1 or 1 even where it was interpolated.
    """
    pictures = resized(pictures, (size, size))
    return 2 * pictures[:, :-1] - 1, torch.where(pictures[:, -1:] > 0.5, 1.0, -1.0)


def resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures B×C×h×w at `size` H×W, bilinearly, corners not aligned; as they are if they have that size."""
    if pictures.shape[2:] == torch.Size(size):
        return pictures
    return interpolate(pictures, size=size, mode="bilinear", align_corners=False)


@torch.no_grad()
def error(networks: Networks, held_out: Images, batch_size: int) -> float:
    """Mean of |G(x) − t| over the images, so many at a time, in evaluation mode, which it leaves as it was."""
    was_training = networks.training
    networks.eval()
    total = torch.zeros((), device=held_out.labels.device)
    for rows in torch.arange(len(held_out)).split(batch_size):
        images, targets = pairs(held_out.floats(rows), networks.size)
        total += (networks.generator(images) - targets).abs().mean((1, 2, 3)).sum()
    networks.train(was_training)
    return total.item() / len(held_out)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
