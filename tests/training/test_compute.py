"""Where and how precisely a job computes."""

import pytest
import torch

from pipeline.errors import UserError
from pipeline.methods import std
from pipeline.models.resnet_cifar import build
from pipeline.settings.methods import Std
from pipeline.settings.networks import ResnetCifar
from pipeline.training import compute
from pipeline.training.compute import choose, gains_from_bf16
from pipeline.training.data import Images
from pipeline.training.session import Session

THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def torch_as_before():
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    yield
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before
    torch.set_num_threads(THREADS)


def test_cpu_can_be_forced_and_takes_its_threads():
    chosen = choose("cpu", "fp32", 1)
    assert (chosen.device, chosen.precision, torch.get_num_threads()) == (torch.device("cpu"), "fp32", 1)
    choose("cpu", "fp32", 2)
    assert torch.get_num_threads() == 2
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def test_numbers_too_small_for_quick_arithmetic_are_0():
    tiny = torch.full((1000,), 1e-30)
    assert (tiny * 1e-10 > 0).all()
    choose("cpu", "fp32", 1)
    assert (tiny * 1e-10 == 0).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_cuda_is_an_error_when_asked_for_and_none_when_not():
    with pytest.raises(UserError, match=r"run\.device: cuda is not available here; set it to auto or cpu"):
        choose("cuda", "auto", 1)
    assert choose("auto", "fp32", 1).device == torch.device("cpu")


@pytest.mark.parametrize("gains", [True, False])
def test_auto_precision_follows_the_machine(monkeypatch, gains):
    monkeypatch.setattr(compute, "gains_from_bf16", lambda device: gains)
    assert choose("cpu", "auto", 1).precision == ("bf16" if gains else "fp32")
    assert choose("cpu", "bf16", 1).precision == "bf16"
    assert choose("cpu", "fp32", 1).precision == "fp32"


@pytest.mark.parametrize(
    ("flags", "gains"),
    [("fpu amx_bf16 sse", True), ("avx512_bf16", True), ("fpu avx512f avx512_bf16x", False), ("", False)],
)
def test_cpu_gains_from_bf16_only_with_its_instructions(monkeypatch, tmp_path, flags, gains):
    """x86 names them in /proc/cpuinfo, once for each core; a note on bugs must not count."""
    text = f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: amx_bf16\n\nprocessor\t: 1\nflags\t\t: amx_bf16\n"
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(compute, "Path", lambda path: tmp_path / "cpuinfo")
    assert gains_from_bf16("cpu") is gains


@pytest.mark.parametrize("content", [None, "", "Processor : ARMv8\nFeatures : bf16\n"])
def test_machines_that_do_not_name_their_instructions_do_not_gain(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(compute, "Path", lambda path: tmp_path / "cpuinfo")
    assert gains_from_bf16("cpu") is False


@pytest.mark.parametrize(
    ("precision", "product", "layout"),
    [("fp32", torch.float32, torch.contiguous_format), ("bf16", torch.bfloat16, torch.channels_last)],
)
def test_precision_decides_products_and_layout(precision, product, layout):
    chosen = choose("cpu", precision, 1)
    with chosen.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is product
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
    assert chosen.memory_format is layout


def fitted(device: str, precision: str) -> Session:
    chosen = choose(device, precision, 1)
    settings = Std(kind="std", network=ResnetCifar(blocks=1, channels=(4, 4, 4)), epochs=2, batch_size=16)
    pixels = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    notes = {"class_names": ["a", "b"], "mean": [0.5], "std": [0.25], "augment": {"flip": True, "shift": 1}}
    labels = torch.arange(32) % 2
    images = Images(pixels.to(chosen.device), labels.to(chosen.device), [str(row) for row in range(32)], notes)
    torch.manual_seed(0)
    network = build(settings.network, channels=1, size=(8, 8), classes=2, mean=[0.5], std=[0.25])
    run = Session(network, images, chosen, seed=0)
    std.fit(run, settings)
    return run


def first_loss(run: Session) -> float:
    return run.history()["value"][0].as_py()


def test_bf16_trains_single_precision_weights():
    run = fitted("cpu", "bf16")
    assert all(weight.dtype is torch.float32 and weight.isfinite().all() for weight in run.network.parameters())
    assert first_loss(run) == pytest.approx(first_loss(fitted("cpu", "fp32")), rel=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cuda_trains_on_the_same_batches_and_repeats_itself(precision):
    first, again = fitted("cuda", precision), fitted("cuda", precision)
    assert all(weight.is_cuda for weight in first.network.parameters())
    pairs = zip(first.network.parameters(), again.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert first_loss(first) == pytest.approx(first_loss(fitted("cpu", "fp32")), rel=0.05)
