"""Networks of images: the published ones (paper), a compact pair for stamps of 32 pixels and a second family (ours).

An encoder is a class built as ``Encoder(n_bands, n_extra, n_latent, size)`` whose ``forward(images, extra)`` turns
images [batch, band, y, x] and extras [batch, n_extra] into a latent vector [batch, n_latent]; a decoder is one built as
``Decoder(n_latent, n_bands, size)`` that turns the latent vector into images. Any such class fits `image_network`.

Every network takes images in either memory format. ``network.to(memory_format=torch.channels_last)``, with images in
the same format, is the fast one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .networks import FIRST_BIAS, SLOPE, ContrastiveNetwork, InformationNetwork, multilayer

__all__ = [
    "DECODERS",
    "ENCODERS",
    "CompactDecoder",
    "CompactEncoder",
    "InceptionDecoder",
    "InceptionEncoder",
    "ResidualEncoder",
    "image_information_network",
    "image_network",
    "same_size_average",
]

MakeEncoder = Callable[[int, int, int, int], nn.Module]
MakeDecoder = Callable[[int, int, int], nn.Module]


def _glorot(layer: nn.Conv2d | nn.Linear) -> None:
    """Start a layer as published: weights Glorot uniform, biases at 0.1 (paper)."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, FIRST_BIAS)


def _convolution(before: int, after: int, width: int, *, padded: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, width, padding=width // 2 if padded else 0)
    _glorot(layer)
    return layer


def _dense(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    _glorot(layer)
    return layer


def _check_size(what: str, size: int, *, divisor: int, smallest: int) -> None:
    if type(size) is not int or size < smallest or size % divisor:
        raise ValueError(
            f"{what}, size: found {size!r}, expected a multiple of {divisor} of at least {smallest} pixels"
        )


def same_size_average(images: Tensor) -> Tensor:
    """Average over 2 x 2 pixels with stride 1 that keeps the size of the images [batch, channel, y, x] (paper).

    A window starts at its pixel and reaches one pixel further in y and x; the sum is divided by the number of real
    pixels under it, so that the last row and column are not darkened.
    """
    size_y, size_x = images.shape[2:]
    twice_last = [torch.ones(size, device=images.device, dtype=images.dtype) for size in (size_y, size_x)]
    for ones in twice_last:
        ones[-1] = 2.0  # half of the window is outside: the mean with zeros is half of the mean over real pixels
    with_zeros = F.avg_pool2d(F.pad(images, (0, 1, 0, 1)), 2, stride=1)
    return with_zeros * (twice_last[0][:, None] * twice_last[1])


def _add_per_channel(images: Tensor, values: Tensor) -> Tensor:
    """Add values [batch, channel] to every pixel of images [batch, channel, y, x], in place."""
    # Spread over one row of pixels in the images' own memory format, few channels are added in runs as long as the row.
    layout = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    row = values[:, :, None, None].expand(-1, -1, 1, images.shape[3])
    return images.add_(row.contiguous(memory_format=layout))


class ImagesWithExtras(nn.Module):
    """First layer: a 5 x 5 convolution, a dense projection of the extras added to every pixel, and ReLU (paper)."""

    def __init__(self, n_bands: int, n_extra: int, n_channels: int) -> None:
        super().__init__()
        self.images = _convolution(n_bands, n_channels, 5)
        self.extra = _dense(n_extra, n_channels) if n_extra else None

    def forward(self, images: Tensor, extra: Tensor) -> Tensor:
        """Channels [batch, n_channels, y, x]."""
        x = self.images(images)
        return (x if self.extra is None else _add_per_channel(x, self.extra(extra))).relu_()


class Inception(nn.Module):
    """Block of four branches, joined (paper).

    They are a 1 x 1 then a 5 x 5 convolution, a 1 x 1 then a 3 x 3 one, a 1 x 1 one then a same-size average over
    2 x 2 pixels, and a 1 x 1 one, each followed by ReLU. The 1 x 1 convolutions read the same input, so that one
    convolution, `pointwise`, does all four.
    """

    def __init__(self, before: int, width: int = 156) -> None:
        super().__init__()
        narrow = int(0.65 * width)
        self.parts = (narrow, narrow, narrow, int(0.7 * width))
        self.n_channels = 2 * width + sum(self.parts[2:])
        self.pointwise = _convolution(before, sum(self.parts), 1)
        for weight in self.pointwise.weight.split(self.parts):
            nn.init.xavier_uniform_(weight)  # each branch has its own limit, as if it stood alone
        self.wide = _convolution(narrow, width, 5)
        self.middle = _convolution(narrow, width, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Channels [batch, n_channels, y, x] of [batch, before, y, x]."""
        first, second, third, fourth = self.pointwise(images).relu_().split(self.parts, dim=1)
        # An average of what is not negative is not negative: the ReLU after it would change nothing.
        return torch.cat([self.wide(first).relu_(), self.middle(second).relu_(), same_size_average(third), fourth], 1)


class InceptionEncoder(nn.Module):
    """The published encoder of images (paper); `size` is 64 there, and here a multiple of 8 of at least 56 pixels."""

    def __init__(self, n_bands: int, n_extra: int, n_latent: int, size: int = 64) -> None:
        super().__init__()
        _check_size("InceptionEncoder", size, divisor=8, smallest=56)
        self.first = ImagesWithExtras(n_bands, n_extra, 96)
        self.second = _convolution(96, 96, 3)
        blocks = [Inception(96)]
        for _ in range(5):
            blocks.append(Inception(blocks[-1].n_channels))
        n_channels = blocks[-1].n_channels
        self.blocks = nn.Sequential(*blocks[:3], nn.AvgPool2d(2), *blocks[3:5], nn.AvgPool2d(2), blocks[5])
        last: list[nn.Module] = []
        for before in (n_channels, 96, 96):
            last += [_convolution(before, 96, 3, padded=False), nn.ReLU(inplace=True)]
        self.last = nn.Sequential(*last)
        self.dense = nn.Sequential(
            _dense(96 * (size // 8 - 6) ** 2, 1024), nn.ReLU(inplace=True), _dense(1024, n_latent)
        )

    def forward(self, images: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of images [batch, band, size, size] and extras [batch, n_extra]."""
        x = self.second(self.first(images, extra)).tanh_()  # [batch, 96, 64, 64] at the published size
        x = self.blocks(F.avg_pool2d(x, 2))  # [batch, 522, 8, 8]
        x = same_size_average(self.last(x))  # [batch, 96, 2, 2]
        return self.dense(x.flatten(1))


class InceptionDecoder(nn.Module):
    """The published decoder to images (paper); `size` is 64 there, and here a multiple of 8."""

    def __init__(self, n_latent: int, n_bands: int, size: int = 64) -> None:
        super().__init__()
        _check_size("InceptionDecoder", size, divisor=8, smallest=8)
        self.start = size // 8
        self.dense = _dense(n_latent, 16 * self.start**2)
        layers: list[nn.Module] = []
        for before in (16, 32, 32):
            for channels in (before, 32):
                layers += [_convolution(channels, 32, 3), nn.LeakyReLU(SLOPE, inplace=True)]
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear"))
        self.layers = nn.Sequential(
            *layers, _convolution(32, 32, 3), nn.LeakyReLU(SLOPE, inplace=True), _convolution(32, n_bands, 3)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Images [batch, band, size, size] of latent vectors [batch, n_latent]."""
        x = F.leaky_relu(self.dense(latent), SLOPE, inplace=True).unflatten(1, (16, self.start, self.start))
        return self.layers(x)


class CompactEncoder(nn.Module):
    """Small encoder for stamps of 32 pixels on a CPU (ours); `size` is a multiple of 16.

    Four convolutions of 16, 32, 48 and 64 channels, an average over 2 x 2 pixels after each, and a dense layer of 256.
    """

    def __init__(self, n_bands: int, n_extra: int, n_latent: int, size: int = 32) -> None:
        super().__init__()
        _check_size("CompactEncoder", size, divisor=16, smallest=16)
        self.first = ImagesWithExtras(n_bands, n_extra, 16)
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        for before, after in ((16, 32), (32, 48), (48, 64)):
            layers += [_convolution(before, after, 3), nn.ReLU(inplace=True), nn.AvgPool2d(2)]
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Sequential(_dense(64 * (size // 16) ** 2, 256), nn.ReLU(inplace=True), _dense(256, n_latent))

    def forward(self, images: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of images [batch, band, size, size] and extras [batch, n_extra]."""
        x = self.layers(self.first(images, extra))  # [batch, 64, size / 16, size / 16]
        return self.dense(x.flatten(1))


class CompactDecoder(nn.Module):
    """Small decoder that ends at the size asked for (ours), a multiple of 16; of 32 pixels it starts at 8 x 8."""

    def __init__(self, n_latent: int, n_bands: int, size: int = 32) -> None:
        super().__init__()
        _check_size("CompactDecoder", size, divisor=16, smallest=16)
        n_doublings = min(4, (size // 8).bit_length() - 1)
        self.start = size >> n_doublings
        self.dense = _dense(n_latent, 16 * self.start**2)
        layers: list[nn.Module] = []
        for _ in range(n_doublings):
            layers += [
                _convolution(16, 16, 3),
                nn.LeakyReLU(SLOPE, inplace=True),
                nn.Upsample(scale_factor=2, mode="bilinear"),
            ]
        self.layers = nn.Sequential(*layers, _convolution(16, n_bands, 3))

    def forward(self, latent: Tensor) -> Tensor:
        """Images [batch, band, size, size] of latent vectors [batch, n_latent]."""
        x = F.leaky_relu(self.dense(latent), SLOPE, inplace=True).unflatten(1, (16, self.start, self.start))
        return self.layers(x)


class ResidualBlock(nn.Module):
    """Depthwise 3 x 3 convolution, layer normalisation over channels, two dense layers per pixel; added to the input.

    A wider window, as ConvNeXt has it, takes twice the time on a CPU in bfloat16.
    """

    def __init__(self, n_channels: int, *, expansion: int = 2) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(n_channels, n_channels, 3, padding=1, groups=n_channels)
        self.norm = nn.LayerNorm(n_channels)
        self.dense = nn.Sequential(
            nn.Linear(n_channels, expansion * n_channels), nn.GELU(), nn.Linear(expansion * n_channels, n_channels)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Channels [batch, n_channels, y, x] of as many."""
        x = self.depthwise(images).permute(0, 2, 3, 1)  # [batch, y, x, channel]
        return images + self.dense(self.norm(x)).permute(0, 3, 1, 2)


class ResidualEncoder(nn.Module):
    """Encoder of another family (ours): patches of 4 x 4 pixels, four residual blocks at two scales, and a mean.

    After the idea of ConvNeXt (Liu et al. 2022), small. `size` is a multiple of 8. Since the last maps are averaged
    over the image, where a feature lies is lost, and the number of weights does not depend on the size.
    """

    def __init__(self, n_bands: int, n_extra: int, n_latent: int, size: int = 32) -> None:
        super().__init__()
        _check_size("ResidualEncoder", size, divisor=8, smallest=8)
        self.patches = nn.Conv2d(n_bands, 64, 4, stride=4)
        self.extra = _dense(n_extra, 64) if n_extra else None
        self.blocks = nn.Sequential(
            ResidualBlock(64),
            ResidualBlock(64),
            nn.Conv2d(64, 128, 2, stride=2),
            ResidualBlock(128),
            ResidualBlock(128),
        )
        self.norm = nn.LayerNorm(128)
        self.dense = nn.Linear(128, n_latent)

    def forward(self, images: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of images [batch, band, size, size] and extras [batch, n_extra]."""
        x = self.patches(images)  # [batch, 64, size / 4, size / 4]
        if self.extra is not None:
            x = _add_per_channel(x, self.extra(extra))
        x = self.blocks(x)  # [batch, 128, size / 8, size / 8]
        return self.dense(self.norm(x.mean(dim=(2, 3))))


ENCODERS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"inception": InceptionEncoder, "compact": CompactEncoder, "residual": ResidualEncoder}
)
DECODERS: Mapping[str, type[nn.Module]] = MappingProxyType({"inception": InceptionDecoder, "compact": CompactDecoder})


def _named(
    what: str, choice: str | Callable[..., nn.Module], known: Mapping[str, type[nn.Module]]
) -> Callable[..., nn.Module]:
    """Class of a name, or what is callable itself."""
    if isinstance(choice, str) and choice in known:
        return known[choice]
    if isinstance(choice, str) or not callable(choice):
        raise ValueError(f"{what}: found {choice!r}, expected a class or one of {', '.join(known)}")
    return choice


def _checked(what: str, module: nn.Module, arguments: Sequence[Tensor], expected: tuple[int, ...]) -> nn.Module:
    """The module, whose output for one galaxy must have the expected shape."""
    training = module.training
    with torch.no_grad():
        found = tuple(module.eval()(*arguments).shape)
    if found != expected:
        raise ValueError(f"{what} {type(module).__name__}: found an output of shape {found}, expected {expected}")
    return module.train(training)


def image_network(
    n_bands: int,
    n_extra: int,
    n_bins: int,
    *,
    encoder: str | MakeEncoder = "inception",
    decoder: str | MakeDecoder = "inception",
    n_shared: int = 16,
    n_ext: int = 512,
    estimator_hidden: Sequence[int] = (1024,),
    size: int = 64,
) -> ContrastiveNetwork:
    """Network for images of `size` pixels on a side; the defaults are the published network (paper).

    Parameters
    ----------
    n_bands, n_extra, n_bins : int
    encoder : str or class
        ``"inception"`` (paper), ``"compact"`` or ``"residual"``, or a class built as
        ``Encoder(n_bands, n_extra, n_latent, size)`` with ``forward(images, extra) -> latent``.
    decoder : str or class
        ``"inception"`` (paper) or ``"compact"``, or a class built as ``Decoder(n_latent, n_bands, size)`` with
        ``forward(latent) -> images``.
    n_shared : int, default 16
        Size of S.
    n_ext : int, default 512
        Size of ext.
    estimator_hidden : sequence of int
        Hidden widths of the estimator, which reads S.
    size : int, default 64
        Pixels a side.

    Returns
    -------
    ContrastiveNetwork

    Raises
    ------
    ValueError
        If a name is unknown, the size does not fit an encoder or decoder, or one that was given as a class puts out
        another shape than asked for.

    Examples
    --------
    >>> network = image_network(5, 1, 520)
    >>> sum(parameter.numel() for parameter in network.parameters())
    7135069
    """
    n_latent = n_shared + n_ext
    made_encoder = _named("encoder", encoder, ENCODERS)(n_bands, n_extra, n_latent, size)
    made_decoder = _named("decoder", decoder, DECODERS)(n_latent, n_bands, size)
    if not isinstance(encoder, str):
        one = (torch.zeros(1, n_bands, size, size), torch.zeros(1, n_extra))
        _checked("encoder", made_encoder, one, (1, n_latent))
    if not isinstance(decoder, str):
        _checked("decoder", made_decoder, (torch.zeros(1, n_latent),), (1, n_bands, size, size))
    estimator = multilayer((n_shared, *estimator_hidden, n_bins), nn.ReLU)
    return ContrastiveNetwork(made_encoder, made_decoder, estimator, n_shared)


def image_information_network(
    n_bands: int,
    n_extra: int,
    n_bins: int,
    *,
    encoder: str | MakeEncoder = "inception",
    n_shared: int = 16,
    estimator_hidden: Sequence[int] = (1024,),
    size: int = 64,
) -> InformationNetwork:
    """Network from images to logits over mass bins, without ext and decoder; the defaults are published (paper).

    Parameters and errors are those of `image_network`.

    Returns
    -------
    InformationNetwork
        Called with images and extras, it gives logits [batch, n_bins].

    Examples
    --------
    >>> network = image_information_network(5, 1, 520)
    >>> sum(parameter.numel() for parameter in network.parameters())
    6007000
    """
    made = _named("encoder", encoder, ENCODERS)(n_bands, n_extra, n_shared, size)
    if not isinstance(encoder, str):
        one = (torch.zeros(1, n_bands, size, size), torch.zeros(1, n_extra))
        _checked("encoder", made, one, (1, n_shared))
    return InformationNetwork(made, multilayer((n_shared, *estimator_hidden, n_bins), nn.ReLU))
