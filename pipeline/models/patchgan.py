"""PatchGAN, the discriminator of pix2pix (Isola, Zhu, Zhou, Efros 2017; sizes of the authors' code, reff.md section 4).

4×4 convolutions, padding 1, of stride 2 but for the last of `channels` and the output, which has one filter. Leaky ReLU
of 0.2, batch normalisation behind all but the first and the output. With 64, 128, 256, 512 filters each logit judges a
patch of 70×70 pixels, and 256×256 pixels give 30×30 logits.
"""

from itertools import pairwise

from torch import nn


def patchgan(inputs: int, channels: tuple[int, ...]) -> nn.Sequential:
    """Network from pictures B×`inputs`×H×W to patch logits B×1×h×w."""
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise((inputs, *channels)), start=1):
        stride = 1 if number == len(channels) else 2
        layers.append(nn.Conv2d(before, after, 4, stride, padding=1, bias=number == 1))
        layers += [nn.LeakyReLU(0.2)] if number == 1 else [nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, 1, padding=1))
