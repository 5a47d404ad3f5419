"""Image networks: published sizes, pools and first layers against plain loops, both memory formats, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.contrastive.image_networks import (
    DECODERS,
    ENCODERS,
    CompactDecoder,
    Inception,
    InceptionDecoder,
    InceptionEncoder,
    image_information_network,
    image_network,
    same_size_average,
)
from helpers.contrastive.networks import count_parameters

SIZES = {"inception": 64, "compact": 32, "residual": 32}


@pytest.mark.parametrize(("n_extra", "total"), [(1, 7_135_069), (6, 7_135_549), (7, 7_135_645)])
def test_published_contrastive_networks_have_the_published_sizes(n_extra, total):
    network = image_network(5, n_extra, 520)
    assert count_parameters(network) == total
    if n_extra == 1:
        parts = (network.encoder, network.decoder, network.estimator)
        assert [count_parameters(part) for part in parts] == [5_981_392, 603_269, 550_408]


@pytest.mark.parametrize(("n_extra", "total"), [(1, 6_007_000), (11, 6_007_960)])
def test_published_information_networks_have_the_published_sizes(n_extra, total):
    network = image_information_network(5, n_extra, 520)
    assert count_parameters(network) == total
    if n_extra == 1:
        assert count_parameters(network.encoder) == 5_456_592
        assert count_parameters(network.estimator) == 550_408


def test_same_size_average_divides_by_the_real_pixels_under_the_window():
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    expected = np.empty_like(images)
    for y in range(4):
        for x in range(5):
            expected[:, :, y, x] = images[:, :, y : y + 2, x : x + 2].mean(axis=(2, 3))
    np.testing.assert_allclose(same_size_average(torch.tensor(images)).numpy(), expected, rtol=1e-12)


def test_first_weights_are_as_published():
    network = image_network(5, 1, 520)
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        assert (module.bias == 0.1).all()
        # The four 1 x 1 convolutions that are done as one start with the limit each would have alone.
        pointwise = isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
        for weight in module.weight.detach().split((101, 101, 101, 109)) if pointwise else (module.weight.detach(),):
            window = weight[0, 0].numel()
            limit = np.sqrt(6 / (window * (weight.shape[0] + weight.shape[1])))
            assert 0.9 * limit < weight.abs().max() <= limit


def test_an_inception_block_is_its_four_branches_one_after_the_other():
    torch.manual_seed(0)
    block, images = Inception(6, width=20).double(), torch.randn(2, 6, 8, 8, dtype=torch.float64)
    weights, biases = block.pointwise.weight.split(block.parts), block.pointwise.bias.split(block.parts)
    assert block.parts == (13, 13, 13, 14)
    narrow = [F.relu(F.conv2d(images, w, b)) for w, b in zip(weights, biases, strict=True)]
    expected = [
        F.relu(F.conv2d(narrow[0], block.wide.weight, block.wide.bias, padding=2)),
        F.relu(F.conv2d(narrow[1], block.middle.weight, block.middle.bias, padding=1)),
        F.relu(same_size_average(narrow[2])),
        narrow[3],
    ]
    torch.testing.assert_close(block(images), torch.cat(expected, dim=1))


def test_the_published_encoder_layer_by_layer():
    """The order of convolutions, activations and pools, written out with functions."""
    torch.manual_seed(0)
    encoder = InceptionEncoder(2, 3, 7, 64).double()
    images, extra = torch.randn(1, 2, 64, 64, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)

    def convolve(x, layer, padding):
        return F.conv2d(x, layer.weight, layer.bias, padding=padding)

    first = convolve(images, encoder.first.images, 2)
    projected = extra @ encoder.first.extra.weight.T + encoder.first.extra.bias
    x = F.relu(first + projected[:, :, None, None])
    x = F.avg_pool2d(torch.tanh(convolve(x, encoder.second, 1)), 2)
    blocks = [module for module in encoder.blocks if isinstance(module, Inception)]
    assert len(blocks) == 6
    for number, block in enumerate(blocks):
        x = block(F.avg_pool2d(x, 2) if number in (3, 5) else x)
    assert x.shape == (1, 522, 8, 8)
    for layer in encoder.last[::2]:
        x = F.relu(convolve(x, layer, 0))
    x = same_size_average(x).flatten(1)
    assert x.shape == (1, 384)
    hidden = F.relu(F.linear(x, encoder.dense[0].weight, encoder.dense[0].bias))
    expected = F.linear(hidden, encoder.dense[2].weight, encoder.dense[2].bias)
    torch.testing.assert_close(encoder(images, extra), expected)


def test_the_published_decoder_layer_by_layer():
    torch.manual_seed(0)
    decoder, latent = InceptionDecoder(6, 5, 64).double(), torch.randn(2, 6, dtype=torch.float64)
    x = F.leaky_relu(F.linear(latent, decoder.dense.weight, decoder.dense.bias), 0.2).reshape(2, 16, 8, 8)
    convolutions = [module for module in decoder.layers if isinstance(module, nn.Conv2d)]
    for number, layer in enumerate(convolutions[:-1]):
        x = F.leaky_relu(F.conv2d(x, layer.weight, layer.bias, padding=1), 0.2)
        if number in (1, 3, 5):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
    assert x.shape == (2, 32, 64, 64)
    expected = F.conv2d(x, convolutions[-1].weight, convolutions[-1].bias, padding=1)
    torch.testing.assert_close(decoder(latent), expected)


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_are_the_same_in_both_memory_formats_and_reach_every_weight(name):
    torch.manual_seed(0)
    size = SIZES[name]
    encoder = ENCODERS[name](3, 2, 5, size).double()
    images, extra = torch.randn(2, 3, size, size, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    plain = encoder(images, extra)
    assert plain.shape == (2, 5)
    fast = encoder.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last), extra)
    torch.testing.assert_close(fast, plain)
    fast.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())
    # Galaxies do not see one another, and every one is told its own extras.
    torch.testing.assert_close(encoder(images[1:], extra[1:]), plain[1:])
    assert not torch.allclose(encoder(images, extra.flip(0)), plain)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("size", [16, 32, 48, 64])
def test_decoders_end_at_the_size_asked_for(name, size):
    decoder = DECODERS[name](6, 5, size)
    images = decoder(torch.randn(3, 6))
    assert images.shape == (3, 5, size, size)
    images.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in decoder.parameters())


def test_the_compact_decoder_starts_at_8_pixels_for_32():
    assert [CompactDecoder(4, 5, size).start for size in (16, 32, 48, 64, 528)] == [8, 8, 12, 8, 33]


class Means(nn.Module):
    """An encoder of a user's own."""

    def __init__(self, n_bands, n_extra, n_latent, size):
        super().__init__()
        self.layer = nn.Linear(n_bands + n_extra, n_latent)

    def forward(self, images, extra):
        return self.layer(torch.cat([images.mean(dim=(2, 3)), extra], dim=1))


def test_a_users_encoder_fits_in_by_its_class():
    network = image_network(5, 2, 9, encoder=Means, decoder="compact", n_shared=3, n_ext=4, size=32)
    shared, logits = network(torch.randn(6, 5, 32, 32), torch.randn(6, 2))
    assert (shared.shape, logits.shape) == ((6, 3), (6, 9))
    assert network.training
    assert image_information_network(5, 2, 9, encoder=Means)(torch.randn(6, 5, 8, 8), torch.randn(6, 2)).shape == (6, 9)


def test_refusals():
    with pytest.raises(
        ValueError, match=r"encoder: found 'resnet', expected a class or one of inception, compact, resid"
    ):
        image_network(5, 1, 9, encoder="resnet")
    with pytest.raises(ValueError, match=r"decoder: found 'residual', expected a class or one of inception, compact"):
        image_network(5, 1, 9, decoder="residual")
    with pytest.raises(ValueError, match=r"InceptionEncoder, size: found 32, expected a multiple of 8 of at least 56"):
        image_network(5, 1, 9, size=32)
    with pytest.raises(ValueError, match=r"CompactEncoder, size: found 40, expected a multiple of 16"):
        image_network(5, 1, 9, encoder="compact", decoder="compact", size=40)

    class Wrong(Means):
        def __init__(self, n_bands, n_extra, n_latent, size):
            super().__init__(n_bands, n_extra, n_latent - 1, size)

    with pytest.raises(ValueError, match=r"encoder Wrong: found an output of shape \(1, 6\), expected \(1, 7\)"):
        image_network(5, 1, 9, encoder=Wrong, decoder="compact", n_shared=3, n_ext=4, size=32)
