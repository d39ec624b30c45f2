"""torchvision's residual networks: that they are torchvision's, and where pretrained weights come from."""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torchvision.models
from networks import MEAN, STD, built, count
from safetensors.torch import save_file
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.models import resnet
from pipeline.models.trained import network_of
from pipeline.settings import parse_slice

#: Parameters with the linear layer of a thousand classes, as torchvision's documentation gives them.
OFFICIAL = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
#: Nothing listens there.
OFFLINE = "http://127.0.0.1:9/"


def network(pretrained: str = "none", depth: int = 18) -> resnet.ImagenetResnet:
    return built({"from": "resnet", "depth": depth, "pretrained": str(pretrained)}, classes=6)


@pytest.fixture(scope="module")
def official() -> dict[str, Tensor]:
    """State dict of a resnet18 of torchvision with other weights than ours, running statistics included."""
    torch.manual_seed(7)
    model = torchvision.models.resnet18()
    model(torch.rand(4, 3, 32, 32))
    return model.state_dict()


@pytest.fixture(scope="module")
def file(official, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(official, path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of torch hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def images(side: int = 64) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def has(ours: resnet.ImagenetResnet, weights: dict[str, Tensor]) -> bool:
    own = ours.backbone.state_dict()
    assert {name for name in weights if not name.startswith("fc.")} == own.keys()
    return all(torch.equal(tensor, weights[name]) for name, tensor in own.items())


@pytest.mark.parametrize("depth", OFFICIAL)
def test_parameters_are_torchvisions_but_for_the_linear_layer(depth):
    filters = 512 if depth < 50 else 2048
    with torch.device("meta"):
        ours = network(depth=depth)
    assert count(ours) == OFFICIAL[depth] - (filters * 1000 + 1000) + (filters * 6 + 6)
    assert ours.last_convolution.out_channels == ours.head.in_features == filters


@torch.no_grad()
def test_logits_are_those_of_torchvision_with_our_linear_layer(file, official):
    ours = network(file)
    ours.load_pretrained()
    theirs = torchvision.models.resnet18(num_classes=6)
    head = {f"fc.{name}": tensor for name, tensor in ours.head.state_dict().items()}
    theirs.load_state_dict({name: tensor for name, tensor in official.items() if not name.startswith("fc.")} | head)
    normalised = torch.stack([(images()[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)
    assert torch.allclose(ours.eval()(images()), theirs.eval()(normalised), rtol=1e-4, atol=1e-5)


def test_random_weights_are_torchvisions_own(official):
    torch.manual_seed(3)
    theirs = torchvision.models.resnet18().state_dict()
    torch.manual_seed(3)
    assert has(resnet.ImagenetResnet("resnet18", "none", 6, MEAN, STD), theirs)
    assert not has(network(), official)


@torch.no_grad()
@pytest.mark.parametrize(("side", "left"), [(32, 1), (64, 2), (128, 4)])
def test_maps_have_a_thirty_second_of_the_side(side, left):
    ours = network().eval()
    assert ours.maps(images(side)).shape == (2, 512, left, left) and ours(images(side)).shape == (2, 6)


def test_without_pretrained_weights_nothing_is_loaded(cache):
    ours = network()
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    ours.load_pretrained()
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items()) and not ours.notes


@pytest.mark.parametrize("kind", ["pth", "pt", "safetensors", "no counters"])
def test_weights_of_a_file_become_the_backbones_and_the_head_stays(tmp_path, official, kind):
    weights = {name: value for name, value in official.items() if kind != "no counters" or "num_batches" not in name}
    path = tmp_path / f"mine.{'pth' if kind == 'no counters' else kind}"
    save_file(weights, path) if kind == "safetensors" else torch.save(OrderedDict(weights), path)
    ours = network(path)
    head = ours.head.weight.clone()
    ours.load_pretrained()
    counters = {name: torch.tensor(0) for name in official if "num_batches" in name}
    assert has(ours, (counters if kind == "no counters" else {}) | weights)
    assert torch.equal(ours.head.weight, head) and not ours.notes
    assert all(weight.requires_grad for weight in ours.parameters())


def test_weights_of_another_depth_are_refused(file, official):
    message = r"resnet18\.pth: has no tensor 'layer1\.2\.conv1\.weight' of resnet34; .*network\.depth"
    with pytest.raises(UserError, match=message):
        network(file, depth=34).load_pretrained()


def test_files_that_are_no_weights_are_refused(tmp_path):
    (tmp_path / "text.pth").write_bytes(b"resnet")
    remedy = r"; name a state dict of torchvision under network\.pretrained, or set it to auto or none$"
    with pytest.raises(UserError, match=rf"text\.pth: not a whole file of weights \(.+\){remedy}"):
        network(tmp_path / "text.pth").load_pretrained()
    with pytest.raises(UserError, match=rf"none\.pth: no such file{remedy}"):
        network(tmp_path / "none.pth").load_pretrained()


@pytest.mark.parametrize("depth", OFFICIAL)
def test_official_weights_are_the_first_version_under_a_name_with_a_checksum(depth):
    address = resnet.official_address(f"resnet{depth}")
    digits = {18: "f37072fd", 34: "b627a593", 50: "0676ba61", 101: "63fe2227", 152: "394f9c45"}[depth]
    assert address == f"https://download.pytorch.org/models/resnet{depth}-{digits}.pth"


def addressed(file: Path, monkeypatch, place: str = OFFLINE) -> str:
    """Name of `file` with its checksum, which the official address now ends in."""
    name = f"resnet18-{file_digest(file)[:8]}.pth"
    monkeypatch.setattr(resnet, "official_address", lambda architecture: f"{place}{name}")
    return name


def test_auto_takes_the_file_of_the_cache(cache, file, official, monkeypatch):
    (cache / addressed(file, monkeypatch)).symlink_to(file)
    ours = network("auto")
    ours.load_pretrained()
    assert has(ours, official) and not ours.notes


def test_auto_downloads_what_the_cache_lacks_or_has_damaged(cache, file, official, monkeypatch):
    content = file.read_bytes()
    source = file.with_name(f"resnet18-{file_digest(file)[:8]}.pth")
    source.write_bytes(content)
    name = addressed(file, monkeypatch, place=f"{file.parent.as_uri()}/")
    for before in (None, b"damaged"):
        if before:
            (cache / name).write_bytes(before)
        ours = network("auto")
        ours.load_pretrained()
        assert has(ours, official) and not ours.notes and (cache / name).read_bytes() == content


def test_auto_without_a_connection_starts_from_random_weights_and_says_so(cache, file, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (cache / addressed(file, monkeypatch)).write_bytes(b"other weights")
    ours = network("auto")
    ours.load_pretrained()
    assert has(ours, network().backbone.state_dict())
    (note,) = ours.notes
    assert note.startswith("network.pretrained: auto found no ImageNet weights of resnet18 (")
    assert "refused" in note and note.endswith("); started from random weights") and "\n" not in note


def test_auto_keeps_no_download_of_another_content(cache, file, monkeypatch):
    wrong = file.with_name("resnet18-00000000.pth")
    wrong.write_bytes(b"other weights")
    monkeypatch.setattr(resnet, "official_address", lambda architecture: wrong.as_uri())
    ours = network("auto")
    ours.load_pretrained()
    assert has(ours, network().backbone.state_dict()) and "invalid hash value" in ours.notes[0]
    assert not list(cache.iterdir())


def test_network_of_a_checkpoint_looks_for_no_pretrained_weights(tmp_path):
    trained = network()
    for pretrained in (str(tmp_path / "gone.pth"), "auto"):
        block = {"from": "resnet", "depth": 18, "pretrained": pretrained}
        header = {
            "settings": {"network": block},
            "class_names": list("abcdef"),
            "input": {"channels": 3, "mean": MEAN, "std": STD, "height": 8, "width": 8},
        }
        tensors = {f"network.{name}": tensor for name, tensor in trained.state_dict().items()}
        again = network_of(tensors, header, torch.device("cpu"))
        assert has(again, trained.backbone.state_dict()) and not again.notes


def test_grey_images_are_refused():
    with pytest.raises(UserError, match=r"^network: resnet18 .* 3 colour channels, those of the dataset have 1; take"):
        built({"from": "resnet"}, mean=[0.5], std=[0.5])


@pytest.mark.parametrize(("key", "value"), [("depth", 20), ("pretrained", "atuo"), ("pretrained", "weights.zip")])
def test_settings_that_cannot_be_are_named(key, value):
    with pytest.raises(UserError, match=key):
        parse_slice("network", json.dumps({"from": "resnet", key: value}))
