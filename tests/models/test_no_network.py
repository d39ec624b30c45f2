"""In place of a network: nothing to train, and nothing to ask for."""

import pytest
import torch
from networks import built

from pipeline.errors import UserError
from pipeline.models.trained import network_of


def test_there_is_nothing_to_train_and_nothing_to_measure():
    network = built({"from": "no_network"})
    assert not list(network.parameters()) and network.stages() == {}
    for asked in (network, network.maps, network.features, network.activations, network.readout):
        with pytest.raises(UserError, match="trains no network; leave it out under `methods` of the evaluation"):
            asked(torch.zeros(1, 3, 4, 5))


def test_it_comes_back_from_a_checkpoint():
    network = built({"from": "no_network"})
    images = {"channels": 3, "height": 4, "width": 5, "mean": [0.5] * 3, "std": [0.25] * 3}
    header = {"settings": {"network": {"from": "no_network"}}, "input": images, "class_names": ["a"]}
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    assert network_of(tensors, header, torch.device("cpu")).state_dict().keys() == network.state_dict().keys()
