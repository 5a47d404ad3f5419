"""What a network costs: operations and bytes by hand, and the published figures."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.contrastive.costs import (
    NetworkCost,
    contrastive_cost,
    expected_time,
    information_cost,
    machine_rate,
)
from helpers.contrastive.image_networks import image_information_network, image_network
from helpers.contrastive.networks import ContrastiveNetwork, multilayer, photometry_network


class OfMain(nn.Module):
    """A network of the main input alone."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, main, extra):
        return self.layers(main)


def test_operations_and_bytes_of_two_dense_layers_by_hand():
    cost = information_cost(OfMain(nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 5)), (3,), 1)
    assert cost.parameters == 3 * 10 + 10 + 10 * 5 + 5 == 95
    assert cost.forward_operations == 2 * (30 + 50)
    # Backward, each layer has the gradient of its weights and that of its input; the first needs none of its input.
    assert cost.step_operations == 2 * (30 + 50) + 2 * (30 + 2 * 50)
    # Kept: the input of each layer (the second's is also the ReLU's output), log q of 5 bins, the label (int64), and
    # for the whole batch of two the number of labels that count.
    assert cost.activation_bytes == 4 * (3 + 10 + 5) + 8 + 4 / 2
    assert cost.state_bytes == 4 * 4 * 95
    assert cost.memory_bytes(7) == cost.state_bytes + 7 * cost.activation_bytes
    half = information_cost(OfMain(nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 5)), (3,), 1, bytes_per_value=2)
    assert half.activation_bytes == 2 * (3 + 10 + 5) + 8 + 2 / 2


def test_operations_of_a_convolution_by_hand():
    network = OfMain(nn.Conv2d(5, 7, 3, padding=1), nn.Flatten(), nn.Linear(7 * 64, 2))
    convolution, dense = 2 * 8 * 8 * 3 * 3 * 5 * 7, 2 * 7 * 64 * 2
    cost = information_cost(network, (5, 8, 8), 1)
    assert cost.forward_operations == convolution + dense
    assert cost.step_operations == 2 * convolution + 3 * dense


def test_the_published_information_network():
    cost = information_cost(image_information_network(5, 1, 520), (5, 64, 64), 1)
    assert cost.forward_operations / 1e9 == pytest.approx(5.9, abs=0.05)
    assert cost.step_operations / 1e9 == pytest.approx(17.7, abs=0.05)


def test_a_contrastive_step_passes_encoder_and_decoder_three_times_with_views_and_twice_without():
    network = photometry_network(3, 2, 7, n_shared=2, n_ext=3, encoder_hidden=(8,), decoder_hidden=(9,))
    encoder, decoder, estimator = (5 * 8, 8 * 5), (5 * 9, 9 * 3), (2 * 128, 128 * 7)
    whole = sum(encoder) + sum(decoder) + sum(estimator)
    plain, seen_again = (contrastive_cost(network, (3,), 2, views=views) for views in (False, True))
    assert plain.forward_operations == 2 * (sum(encoder) + sum(estimator))
    # Only where x comes in does the first layer need no gradient of its input.
    assert plain.step_operations == 2 * (3 * 2 * whole - encoder[0])
    assert seen_again.step_operations == 2 * (3 * 3 * whole - 2 * encoder[0])
    assert contrastive_cost(network, (3,), 2) == plain


def test_images_are_seen_again_unless_told_otherwise():
    network = image_network(2, 1, 9, encoder="compact", decoder="compact", n_shared=3, n_ext=4, size=16)
    given = [contrastive_cost(network, (2, 16, 16), 1, views=views).step_operations for views in (None, True, False)]
    assert given[0] == given[1] > 1.4 * given[2]


def test_nothing_of_the_network_changes():
    network = photometry_network(3, 2, 7)
    before = network.encoder.layers[0].weight.clone()
    contrastive_cost(network.eval(), (3,), 2)
    assert torch.equal(network.encoder.layers[0].weight, before) and not network.training
    assert network.encoder.layers[0].weight.grad is None


def test_expected_time_and_the_rate_of_this_machine():
    cost = NetworkCost(1, 1.0, 10.0, 4.0, 16)
    assert expected_time(cost, 64, 100, 1000.0) == 64.0
    assert 1e8 < machine_rate("cpu", "32-true", seconds=0.01) < 1e14


def test_refusals():
    network = ContrastiveNetwork(OfMain(nn.Linear(3, 2)), multilayer((2, 3)), multilayer((2, 4)), 2)
    with pytest.raises(ValueError, match=r"shape: found \(3, 4\), expected \(n_main,\) or \(n_bands, size, size\)"):
        contrastive_cost(network, (3, 4), 1)
    with pytest.raises(ValueError, match="bytes_per_value: found 8, expected 2 or 4"):
        contrastive_cost(network, (3,), 1, bytes_per_value=8)
    with pytest.raises(ValueError, match="operations_per_second: found 0, expected a positive number"):
        expected_time(NetworkCost(1, 1.0, 1.0, 1.0, 16), 1, 1, 0)
    with pytest.raises(ValueError, match="precision: found 'bf16', expected one of 32-true, bf16-mixed, 16-mixed"):
        machine_rate("cpu", "bf16")
