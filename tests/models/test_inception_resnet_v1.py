"""Inception-ResNet-V1: that it is facenet-pytorch's up to its last maps, and where its weights come from."""

import json
from pathlib import Path

import pytest
import torch
from networks import built, count
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from pipeline.errors import UserError
from pipeline.models.inception_resnet_v1 import FaceNetwork
from pipeline.settings import parse_slice

#: Parameters of facenet-pytorch's network without its logits.
OFFICIAL = 23_482_624

#: Convolutions of facenet-pytorch up to its last maps, each with normalisation: channels below and above, kernel.
CONVOLUTIONS = {
    "conv2d_1a": (3, 32, 3, 3), "conv2d_2a": (32, 32, 3, 3), "conv2d_2b": (32, 64, 3, 3),
    "conv2d_3b": (64, 80, 1, 1), "conv2d_4a": (80, 192, 3, 3), "conv2d_4b": (192, 256, 3, 3),
    "mixed_6a.branch0": (256, 384, 3, 3),
    "mixed_6a.branch1.0": (256, 192, 1, 1), "mixed_6a.branch1.1": (192, 192, 3, 3),
    "mixed_6a.branch1.2": (192, 256, 3, 3),
    "mixed_7a.branch0.0": (896, 256, 1, 1), "mixed_7a.branch0.1": (256, 384, 3, 3),
    "mixed_7a.branch1.0": (896, 256, 1, 1), "mixed_7a.branch1.1": (256, 256, 3, 3),
    "mixed_7a.branch2.0": (896, 256, 1, 1), "mixed_7a.branch2.1": (256, 256, 3, 3),
    "mixed_7a.branch2.2": (256, 256, 3, 3),
}  # fmt: skip
#: The same of one block, for how many there are, and the channels of its sum and of its branches together.
BLOCKS = {
    "repeat_1": (5, 256, 96, {
        "branch0": (256, 32, 1, 1), "branch1.0": (256, 32, 1, 1), "branch1.1": (32, 32, 3, 3),
        "branch2.0": (256, 32, 1, 1), "branch2.1": (32, 32, 3, 3), "branch2.2": (32, 32, 3, 3),
    }),
    "repeat_2": (10, 896, 256, {
        "branch0": (896, 128, 1, 1), "branch1.0": (896, 128, 1, 1),
        "branch1.1": (128, 128, 1, 7), "branch1.2": (128, 128, 7, 1),
    }),
    "repeat_3": (5, 1792, 384, {
        "branch0": (1792, 192, 1, 1), "branch1.0": (1792, 192, 1, 1),
        "branch1.1": (192, 192, 1, 3), "branch1.2": (192, 192, 3, 1),
    }),
}  # fmt: skip
SCALES = {"repeat_1": 0.17, "repeat_2": 0.10, "repeat_3": 0.20}


def network(pretrained: Path | str = "none", **given) -> FaceNetwork:
    return built({"from": "inception_resnet_v1", "pretrained": str(pretrained)}, classes=6, **given)


@pytest.fixture(scope="module")
def other() -> dict[str, Tensor]:
    """Tensors of a backbone with other weights than those of seed 0, running statistics included."""
    generator = torch.Generator().manual_seed(7)
    ours = network()
    with torch.no_grad():
        for name, tensor in ours.backbone.state_dict().items():
            if ".bn." in name and tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5, generator=generator)
                if name.endswith(("bias", "running_mean")):
                    tensor.sub_(1)
    return ours.backbone.state_dict()


@pytest.fixture(scope="module")
def file(other, tmp_path_factory) -> Path:
    """A file as facenet-pytorch's, with what it has behind the last maps."""
    behind = {
        "block8.branch0.conv.weight": torch.ones(192, 1792, 1, 1), "block8.conv2d.bias": torch.ones(1792),
        "last_linear.weight": torch.ones(512, 1792), "last_bn.running_var": torch.ones(512),
        "last_bn.num_batches_tracked": torch.tensor(3), "logits.weight": torch.ones(8631, 512),
        "logits.bias": torch.ones(8631),
    }  # fmt: skip
    path = tmp_path_factory.mktemp("weights") / "vggface2.pt"
    torch.save(other | behind, path)
    return path


@pytest.fixture(scope="module")
def loaded(file) -> FaceNetwork:
    ours = network(file)
    ours.load_pretrained()
    return ours.eval()


def images(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_tensors_have_the_names_and_shapes_of_facenet_pytorch():
    convolutions, expected = dict(CONVOLUTIONS), {}
    for stage, (blocks, channels, inner, inside) in BLOCKS.items():
        for block in range(blocks):
            convolutions |= {f"{stage}.{block}.{name}": shape for name, shape in inside.items()}
            expected |= {f"{stage}.{block}.conv2d.weight": (channels, inner, 1, 1)}
            expected |= {f"{stage}.{block}.conv2d.bias": (channels,)}
    for name, (below, above, *kernel) in convolutions.items():
        expected[f"{name}.conv.weight"] = (above, below, *kernel)
        expected |= {f"{name}.bn.{part}": (above,) for part in ("weight", "bias", "running_mean", "running_var")}
        expected[f"{name}.bn.num_batches_tracked"] = ()
    with torch.device("meta"):
        ours = network()
    assert {name: tuple(tensor.shape) for name, tensor in ours.backbone.state_dict().items()} == expected


def test_parameters_are_facenet_pytorchs_but_for_what_is_behind_the_last_maps():
    with torch.device("meta"):
        ours = network()
    block8 = count(ours.backbone.repeat_3[0])
    assert count(ours.backbone) == 20_963_328 == OFFICIAL - block8 - 1792 * 512 - 2 * 512
    assert count(ours.head) == 1792 * 6 + 6 and ours.last_convolution.out_channels == 1792


def convolved(weights: dict[str, Tensor], name: str, x: Tensor, stride: int = 1, padding: tuple | int = 0) -> Tensor:
    """Convolution, normalisation and ReLU as they are written."""
    x = conv2d(x, weights[f"{name}.conv.weight"], stride=stride, padding=padding)
    scale, shift, mean, variance = (
        weights[f"{name}.bn.{part}"].view(-1, 1, 1) for part in ("weight", "bias", "running_mean", "running_var")
    )
    return ((x - mean) / (variance + 0.001).sqrt() * scale + shift).clamp(min=0)


def literal_block(weights: dict[str, Tensor], stage: str, block: int, x: Tensor) -> Tensor:
    """A block of `stage`, its kernels padded so that the size stays."""
    branches: dict[str, Tensor] = {}
    for name, (_, _, height, width) in BLOCKS[stage][3].items():
        branch = name.split(".")[0]
        padding = (height // 2, width // 2)
        branches[branch] = convolved(weights, f"{stage}.{block}.{name}", branches.get(branch, x), padding=padding)
    residual = conv2d(
        torch.cat(list(branches.values()), dim=1),
        weights[f"{stage}.{block}.conv2d.weight"],
        weights[f"{stage}.{block}.conv2d.bias"],
    )
    return (x + SCALES[stage] * residual).clamp(min=0)


def literal_maps(weights: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """The last maps of facenet-pytorch's network for `pixels` in 0..255, line by line."""
    x = (pixels - 127.5) / 128
    x = convolved(weights, "conv2d_1a", x, stride=2)
    x = convolved(weights, "conv2d_2a", x)
    x = max_pool2d(convolved(weights, "conv2d_2b", x, padding=1), 3, 2)
    x = convolved(weights, "conv2d_4a", convolved(weights, "conv2d_3b", x))
    x = convolved(weights, "conv2d_4b", x, stride=2)
    for block in range(5):
        x = literal_block(weights, "repeat_1", block, x)
    inner = convolved(weights, "mixed_6a.branch1.1", convolved(weights, "mixed_6a.branch1.0", x), padding=1)
    inner = convolved(weights, "mixed_6a.branch1.2", inner, stride=2)
    x = torch.cat([convolved(weights, "mixed_6a.branch0", x, stride=2), inner, max_pool2d(x, 3, 2)], dim=1)
    for block in range(10):
        x = literal_block(weights, "repeat_2", block, x)
    one, two, three = (convolved(weights, f"mixed_7a.branch{branch}.0", x) for branch in range(3))
    three = convolved(weights, "mixed_7a.branch2.1", three, padding=1)
    one, two = (convolved(weights, f"mixed_7a.branch{n}.1", part, stride=2) for n, part in enumerate((one, two)))
    three = convolved(weights, "mixed_7a.branch2.2", three, stride=2)
    x = torch.cat([one, two, three, max_pool2d(x, 3, 2)], dim=1)
    for block in range(5):
        x = literal_block(weights, "repeat_3", block, x)
    return x


@torch.no_grad()
def test_maps_are_those_of_the_layers_line_by_line(loaded, other):
    expected = literal_maps({name: tensor.double() for name, tensor in other.items()}, images(96).double() * 255)
    assert expected.shape == (2, 1792, 1, 1) and (expected > 0).float().mean() > 0.2
    assert torch.allclose(loaded.maps(images(96)).double(), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("side", "left"), [(75, 1), (160, 3)])
def test_sides_of_the_maps(loaded, side, left):
    assert loaded.maps(images(side)[:1]).shape == (1, 1792, left, left)


def test_weights_of_a_file_become_the_backbones_and_the_head_stays(loaded, other):
    own = loaded.backbone.state_dict()
    assert own.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in own.items())
    random = network()
    assert not torch.equal(random.backbone.conv2d_1a.bn.weight, own["conv2d_1a.bn.weight"])
    assert torch.equal(loaded.head.weight, random.head.weight) and not loaded.notes


def test_without_a_file_nothing_is_loaded():
    ours = network()
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    ours.load_pretrained()
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items()) and not ours.notes


REMEDY = r"; name facenet-pytorch's 20180402-114759-vggface2\.pt under network\.pretrained, or set it to none$"


def test_files_of_other_networks_are_named(tmp_path, other):
    first, wrong = {"conv2d_1a.conv.weight": other["conv2d_1a.conv.weight"]}, torch.ones(32, 1, 3, 3)
    for name, weights, problem in (
        ("few.pt", first, r"has no tensor 'conv2d_1a\.bn\.weight' of inception_resnet_v1"),
        ("grey.safetensors", {"conv2d_1a.conv.weight": wrong}, r"'conv2d_1a\.conv\.weight' is \(32, 1, 3, 3\), but "),
        ("more.safetensors", other | {"fc.bias": torch.ones(2)}, r"has a tensor 'fc\.bias', which inception_resnet_v1"),
    ):
        save_file(weights, tmp_path / name) if name.endswith("safetensors") else torch.save(weights, tmp_path / name)
        with pytest.raises(UserError, match=rf"{name}: .*{problem}.*{REMEDY}"):
            network(tmp_path / name).load_pretrained()


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "text.pt").write_bytes(b"faces")
    with pytest.raises(UserError, match=rf"text\.pt: not a whole file of weights .*{REMEDY}"):
        network(tmp_path / "text.pt").load_pretrained()
    with pytest.raises(UserError, match=rf"gone\.pt: no such file{REMEDY}"):
        network(tmp_path / "gone.pt").load_pretrained()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"mean": [0.5], "std": [0.5]}, "1 and 160×160"),
        ({"size": (74, 160)}, "3 and 74×160"),
        ({"size": (160, 74)}, "3 and 160×74"),
    ],
)
def test_images_that_do_not_fit_are_named(given, found):
    message = rf"^network: inception_resnet_v1 takes .* 3 colour channels and at least 75×75 pixels, .* have {found}; "
    with pytest.raises(UserError, match=message):
        network(**given)


@pytest.mark.parametrize("pretrained", ["auto", "vggface2", "weights.zip"])
def test_settings_that_cannot_be_are_named(pretrained):
    with pytest.raises(UserError, match="pretrained"):
        parse_slice("network", json.dumps({"from": "inception_resnet_v1", "pretrained": pretrained}))


def test_a_file_of_weights_is_an_input_of_the_training():
    for pretrained, file in (("none", None), ("raw/faces.pt", "raw/faces.pt")):
        block = {"from": "inception_resnet_v1", "pretrained": pretrained}
        assert parse_slice("network", json.dumps(block)).pretrained_file == file
