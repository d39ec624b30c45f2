"""U-Net as the generator of pix2pix (Isola, Zhu, Zhou, Efros 2017; sizes of the authors' code, reff.md section 4).

`levels` 4×4 convolutions of stride 2 halve the picture, of base·(1, 2, 4, 8, 8, …) filters; as many transposed ones
double it again, each after the first seeing the output of the convolution of its size beside what comes from below.
Leaky ReLU of 0.2 on the way down, ReLU on the way up, batch normalisation everywhere but at the first and innermost
convolution and the output, which is a tanh. U-Net-256 has eight levels and 64 base filters.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

#: Blocks above the innermost one that have dropout.
DROPPED = 3


class UNet(nn.Module):
    """Pictures B×`inputs`×H×W to B×`outputs`×H×W in −1..1; H and W are multiples of 2^levels."""

    def __init__(self, inputs: int, outputs: int, levels: int, base: int, dropout: float) -> None:
        super().__init__()
        widths = [base * min(2**level, 8) for level in range(levels)]
        self.down = nn.ModuleList([nn.Conv2d(inputs, base, 4, 2, padding=1, bias=False)])
        for level, (above, below) in enumerate(pairwise(widths), start=2):
            layers = [nn.LeakyReLU(0.2), nn.Conv2d(above, below, 4, 2, padding=1, bias=False)]
            self.down.append(nn.Sequential(*layers, *([] if level == levels else [nn.BatchNorm2d(below)])))
        self.up = nn.ModuleList()
        for level in range(levels, 1, -1):
            below, above = widths[level - 1], widths[level - 2]
            doubled = below if level == levels else 2 * below
            layers = [nn.ReLU(), nn.ConvTranspose2d(doubled, above, 4, 2, padding=1, bias=False), nn.BatchNorm2d(above)]
            # In U-Net-256 these are the three blocks from 512 to 512 filters above the innermost.
            drops = dropout and levels - DROPPED <= level < levels and above == below == 8 * base
            self.up.append(nn.Sequential(*layers, *([nn.Dropout(dropout)] if drops else [])))
        self.up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * base, outputs, 4, 2, padding=1), nn.Tanh()))

    def forward(self, pictures: Tensor) -> Tensor:
        passed = []
        for down in self.down:
            pictures = down(pictures)
            passed.append(pictures)
        pictures = self.up[0](passed.pop())
        for up in self.up[1:]:
            pictures = up(torch.cat([passed.pop(), pictures], dim=1))
        return pictures
