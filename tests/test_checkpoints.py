"""Checkpoints: there and back, and every kind of file that is none."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.checkpoints import FORMAT, load_checkpoint, read_header, save_checkpoint
from pipeline.errors import UserError

TENSORS = {"conv.weight": torch.arange(24.0).reshape(2, 3, 4), "steps": torch.tensor([7])}
HEADER = {"dataset": "digits", "method": "std", "seed": 0, "class_names": ["null", "één"]}


class Hostile:
    """A pickle that runs a command when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (exec, (f"open({str(self.trace)!r}, 'w').close()",))


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "models" / "0.safetensors"
    save_checkpoint(path, TENSORS, HEADER)
    return path


def test_there_and_back(path):
    tensors, header = load_checkpoint(path)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert header.items() >= HEADER.items()
    assert read_header(path) == header
    arrays, _ = load_checkpoint(path, framework="numpy")
    assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_views_and_gradients_are_saved_as_they_look(tmp_path):
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    save_checkpoint(tmp_path / "0.safetensors", {"turned": weight.T}, {})
    assert torch.equal(load_checkpoint(tmp_path / "0.safetensors")[0]["turned"], weight.detach().T)


def test_failed_save_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "0.safetensors", TENSORS, {"seed": object()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 7, 8, 60, -1])
def test_truncated_file_is_named(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"0\.safetensors: not a whole safetensors file"):
        load_checkpoint(path)


def test_every_flipped_byte_is_an_error_or_changes_nothing(path):
    whole = path.read_bytes()
    header_end = 8 + int.from_bytes(whole[:8], "little")
    refused = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        try:
            tensors, header = load_checkpoint(path)
        except UserError as error:
            assert "0.safetensors: " in str(error)
            refused.append(place)
        else:
            assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
            assert header == {"format": FORMAT, **HEADER}
    assert set(refused) >= set(range(header_end, len(whole))), "a changed weight was taken for a weight"
    assert len(refused) > 0.9 * len(whole)


@pytest.mark.parametrize("framework", ["pt", "numpy"])
def test_a_flipped_bit_of_a_weight_is_found_by_both_readers(path, framework):
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 0x40
    path.write_bytes(whole)
    assert read_header(path)["dataset"] == "digits", "the weights are not read for it"
    with pytest.raises(UserError, match=r"0\.safetensors: its content is not what was saved; delete it and run"):
        load_checkpoint(path, framework)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(0, 3), torch.tensor(1.5), torch.tensor([True, False]), torch.ones(2, 2, dtype=torch.bfloat16)],
    ids=["empty", "scalar", "bool", "bfloat16"],
)
def test_tensors_of_every_kind_come_back(tmp_path, tensor):
    save_checkpoint(tmp_path / "0.safetensors", {"one": tensor}, {})
    assert torch.equal(load_checkpoint(tmp_path / "0.safetensors")[0]["one"], tensor)


def test_a_file_without_digest_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "0.safetensors", metadata={"clearbox": f'{{"format": "{FORMAT}"}}'})
    with pytest.raises(UserError, match=r"its content is not what was saved"):
        load_checkpoint(tmp_path / "0.safetensors")


@pytest.mark.parametrize("header", [None, "{}", "[]", "no json", '{"format": "clearbox-checkpoint-0"}'])
def test_safetensors_without_our_header_are_refused(tmp_path, header):
    save_file(TENSORS, tmp_path / "0.safetensors", metadata={"clearbox": header} if header else {"format": "pt"})
    with pytest.raises(UserError, match=r"0\.safetensors: not a"):
        load_checkpoint(tmp_path / "0.safetensors")


def test_pickle_in_its_place_is_refused_and_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"weight": Hostile(trace)}, tmp_path / "torch.safetensors")
    (tmp_path / "plain.safetensors").write_bytes(pickle.dumps(Hostile(trace)))
    for name in ("torch", "plain"):
        with pytest.raises(UserError, match=rf"{name}\.safetensors: not a whole safetensors file"):
            load_checkpoint(tmp_path / f"{name}.safetensors")
    assert not trace.exists()


def test_missing_checkpoint_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"0\.safetensors: no such checkpoint; make it with"):
        load_checkpoint(tmp_path / "0.safetensors")
