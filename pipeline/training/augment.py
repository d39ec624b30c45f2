"""Random changes of training images, a batch at a time, on the device.

What is random comes from a CPU generator, so that it does not depend on the device.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

#: Sides of a resized crop, width over height, and how often one that does not fit into the image is drawn again.
ASPECT = (3 / 4, 4 / 3)
ATTEMPTS = 10


def on_device(drawn: Tensor, device: torch.device) -> Tensor:
    """A small CPU tensor on `device`, without waiting for what a GPU still has to do."""
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn


def augment(
    pixels: Tensor,
    generator: torch.Generator,
    *,
    first: int = 0,
    batch: int | None = None,
    resized_crop: tuple[float, float] | None = None,
    crop_padding: int = 0,
    flip: bool = False,
    shift: int = 0,
    jitter: float = 0,
) -> Tensor:
    """Randomly crop, mirror and move each image of a batch, B×C×H×W; keeps shape and dtype.

    `resized_crop` enlarges a rectangle of a share of the area between both numbers; `crop_padding` pads with zeros on
    each side and crops back to H×W; `flip` mirrors left and right with probability one half; `shift` moves by up to
    that many pixels along each axis, around the edge; `jitter` enlarges by that share of the side and crops back.

    With `batch` they are the rows from number `first` of so many, which get what they would get among all.
    """
    count, _, height, width = pixels.shape
    batch = batch or count
    mine = slice(first, first + count)
    if resized_crop:
        pixels = enlarged(pixels, rectangles(batch, pixels.shape[2:], resized_crop, generator)[mine])
    if jitter:
        whole = torch.tensor(pixels.shape[2:])
        sides = (whole / (1 + jitter)).expand(count, 2)
        corners = torch.rand(batch, 2, generator=generator)[mine] * (whole - sides)
        pixels = enlarged(pixels, torch.cat([corners, sides], dim=1))
    if not (crop_padding or flip or shift):
        return pixels

    def draw(low: int, high: int) -> Tensor:
        return on_device(torch.randint(low, high + 1, (batch, 1), generator=generator)[mine], pixels.device)

    rows = (torch.arange(height, device=pixels.device) + draw(-shift, shift)) % height
    columns = (torch.arange(width, device=pixels.device) + draw(-shift, shift)) % width
    if crop_padding:
        pixels = pad(pixels, [crop_padding] * 4)
        rows = rows + draw(0, 2 * crop_padding)
        columns = columns + draw(0, 2 * crop_padding)
    if flip:
        columns = torch.where(draw(0, 1).bool(), columns.flip(1), columns)
    image = torch.arange(count, device=pixels.device)[:, None, None]
    return pixels.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def rectangles(count: int, size: tuple[int, int], scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Random rectangles in an image of `size` H×W: top, left, height, width of each, `count`×4 integers.

    As torchvision's RandomResizedCrop (Szegedy et al. 2015): a uniform share of the area within `scale`, a ratio of the
    sides uniform in its logarithm, drawn again where it does not fit; where none fits, the whole image.
    """
    height, width = size
    draws = torch.rand(2, ATTEMPTS, count, generator=generator)
    area = height * width * (scale[0] + draws[0] * (scale[1] - scale[0]))
    low, high = map(math.log, ASPECT)
    ratio = (low + draws[1] * (high - low)).exp()
    sides = torch.stack([(area / ratio).sqrt().round(), (area * ratio).sqrt().round()])
    fits = (sides[0] <= height) & (sides[1] <= width) & (sides > 0).all(0)
    first = fits.int().argmax(0)
    sides = sides[:, first, torch.arange(count)].where(fits.any(0), torch.tensor([[height], [width]]))
    room = torch.tensor([[height], [width]]) - sides + 1
    corner = (torch.rand(2, count, generator=generator) * room).floor()
    return torch.cat([corner, sides]).T.long()


def enlarged(pixels: Tensor, boxes: Tensor) -> Tensor:
    """The `boxes` B×4 (top, left, height, width) of the images B×C×H×W, enlarged bilinearly to H×W; keeps the dtype."""
    boxes = on_device(boxes, pixels.device)[:, :, None]
    grid = []
    for place, length in enumerate(pixels.shape[2:]):
        corner, side = boxes[:, place], boxes[:, place + 2]
        centres = (torch.arange(length, device=pixels.device) + 0.5) * side / length - 0.5
        grid.append((corner + centres.clamp(min=0).minimum(side - 1)) * 2 / max(length - 1, 1) - 1)
    rows, columns = grid
    count, height, width = len(pixels), *pixels.shape[2:]
    shape = (count, height, width)
    places = torch.stack([columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], dim=3)
    found = grid_sample(pixels.float(), places, align_corners=True)
    return found if pixels.is_floating_point() else found.round().to(pixels.dtype)
