"""How long is a training step of the `paper` and `book` networks, what makes it faster, and where does the time go?

Every ratio is against a plain way of doing the same in the same run: float32 against bfloat16, images band by band in
memory against channels last, passes one by one against joined passes, four branches against a merged convolution, eager
against compiled. Times are the shortest of a few repeats. About four minutes on two cores that do nothing else; where
others compute on them too, OMP_NUM_THREADS=1 spares the threads waiting for each other.
"""

import argparse
import shutil
import time

import torch
import torch.nn.functional as F
from torch import nn

from helpers.contrastive import Batch, contrastive_loss, count_parameters, photometry_network
from helpers.contrastive.config import ContrastiveConfig
from helpers.contrastive.costs import contrastive_cost, information_cost, machine_rate, wait_for
from helpers.contrastive.devices import describe_device, pick_device
from helpers.contrastive.image_networks import Inception, image_information_network, image_network
from helpers.contrastive.losses import LossTerms, consistency, contrast
from helpers.runs import config_from, profile_settings

N_BANDS, N_EXTRA, N_BINS = 5, 1, 520
FEW = 2  # galaxies of a batch where parts of a step of the published network of images are compared
PRECISIONS = ("32-true", "bf16-mixed")


def seconds_of(call, n_repeats):
    """Shortest time of a call, which is made once before."""
    call()
    return min(seconds_once(call) for _ in range(n_repeats))


def seconds_once(call):
    """Time of a call, until the device has done all of it."""
    device = torch.get_default_device()
    wait_for(device)
    start = time.perf_counter()
    call()
    wait_for(device)
    return time.perf_counter() - start


def autocast(precision):
    return torch.autocast(torch.get_default_device().type, torch.bfloat16, enabled=precision == "bf16-mixed")


def photometry(profile):
    config = config_from(ContrastiveConfig, profile_settings(profile)["contrastive"])
    sizes = {name: getattr(config, name) for name in ("n_shared", "n_ext")}
    widths = {f"{name}_hidden": getattr(config, f"{name}_hidden") for name in ("encoder", "decoder", "estimator")}
    return photometry_network(5, 6, N_BINS, **sizes, **widths), (5,), 6


def images(profile, size):
    config = config_from(ContrastiveConfig, profile_settings(profile)["contrastive_images"])
    names = ("encoder", "decoder", "n_shared", "n_ext", "estimator_hidden")
    options = {name: getattr(config, name) for name in names}
    return image_network(N_BANDS, N_EXTRA, N_BINS, size=size, **options), (N_BANDS, size, size), N_EXTRA


def information(encoder, size):
    network = image_information_network(N_BANDS, N_EXTRA, N_BINS, encoder=encoder, size=size)
    return network, (N_BANDS, size, size), N_EXTRA


def random_batch(n, shape, n_extra, layout=torch.channels_last):
    def main():
        values = torch.randn(n, *shape)
        return values.contiguous(memory_format=layout) if len(shape) == 3 else values

    return Batch(main(), torch.randn(n, n_extra), None, torch.randint(0, N_BINS, (n,)), main() if shape[1:] else None)


def separate_loss(network, a, b):
    """The same loss with a pass for each of x, x' and x~ of each batch."""
    cross_entropy = reconstruction = agreement = 0.0
    positive, seen = [], []
    for batch in (a, b):
        shared, latent = network.encode(batch.main, batch.extra)
        redrawn = network.decoder(latent)
        shared_again, latent_again = network.encode(redrawn, batch.extra)
        logits, logits_again = network.estimator(shared).float(), network.estimator(shared_again).float()
        cross_entropy = (
            cross_entropy + F.cross_entropy(logits, batch.label) + F.cross_entropy(logits_again, batch.label)
        )
        twice = network.decoder(latent_again)
        reconstruction = reconstruction + F.mse_loss(redrawn, batch.main) + F.mse_loss(twice, redrawn)
        agreement = agreement + consistency(logits, logits_again)
        positive.append((shared, shared_again))
        if batch.view is not None:
            shared_view, latent_view = network.encode(batch.view, batch.extra)
            reconstruction = reconstruction + F.mse_loss(network.decoder(latent_view), batch.view)
            agreement = agreement + consistency(logits, network.estimator(shared_view).float())
            positive.append((shared, shared_view))
        seen.append(shared)
    return LossTerms(cross_entropy, reconstruction, contrast(positive, tuple(seen)), agreement)


def step_of(network, loss, precision):
    """An optimiser step as a call without arguments."""
    optimiser = torch.optim.Adam(network.parameters(), 1e-4, fused=True)

    def step():
        with autocast(precision):
            value = loss(network)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()

    return step


def contrastive_step(network, shape, n_extra, n, precision, loss=contrastive_loss, layout=torch.channels_last):
    if len(shape) == 3:
        network = network.to(memory_format=layout)
    a, b = (random_batch(n, shape, n_extra, layout) for _ in range(2))
    return step_of(network, lambda network: loss(network, a, b).total(1.0), precision)


def information_step(network, shape, n_extra, n, precision):
    batch = random_batch(n, shape, n_extra)
    network = network.to(memory_format=torch.channels_last)
    return step_of(network, lambda net: F.cross_entropy(net(batch.main, batch.extra).float(), batch.label), precision)


def show_steps(rates):
    """Step time of each network in both precisions, and the least that its operations take at the machine's rate."""
    print(
        f"\n{'step':<34} {'parameters':>10} {'precision':>10} {'s':>8} {'galaxies/s':>10} {'least s':>8} {'ratio':>6}"
    )
    cases = [
        ("photometry, paper, 32+32", photometry("paper"), 32, True, 10),
        ("photometry, book, 32+32", photometry("book"), 32, True, 10),
        ("images 32 x 32, book, 32+32", images("book", 32), 32, True, 5),
        ("images 32 x 32, residual, 128", information("residual", 32), 128, False, 5),
        ("images 32 x 32, compact, 128", information("compact", 32), 128, False, 5),
        ("images 64 x 64, paper, 32+32", images("paper", 64), 32, True, 1),
        ("images 64 x 64, information, 128", information("inception", 64), 128, False, 1),
    ]
    for name, (network, shape, n_extra), n, contrastive, n_repeats in cases:
        cost = (contrastive_cost if contrastive else information_cost)(network, shape, n_extra)
        n_galaxies, plain = 2 * n if contrastive else n, None
        # The published networks of images take so long that a step of few galaxies is what goes before.
        long = cost.step_operations > 1e9
        for precision in PRECISIONS:
            make = contrastive_step if contrastive else information_step
            if long:
                make(network, shape, n_extra, 1, precision)()
            step = make(network, shape, n_extra, n, precision)
            if long:
                seconds = seconds_once(step)
            else:
                seconds = seconds_of(step, n_repeats)
            plain = plain or seconds
            least = cost.step_operations * n_galaxies / rates[precision]
            print(
                f"{name:<34} {count_parameters(network):10,} {precision:>10} {seconds:8.3f} "
                f"{n_galaxies / seconds:10.1f} {least:8.3f} {plain / seconds:6.2f}",
                flush=True,
            )


class FourBranches(nn.Module):
    """An inception block as it is written down: each branch by itself, then joined."""

    def __init__(self, before, width=156):
        super().__init__()
        narrow, fourth = int(0.65 * width), int(0.7 * width)
        self.pointwise = nn.ModuleList([nn.Conv2d(before, after, 1) for after in (narrow, narrow, narrow, fourth)])
        self.wide, self.middle = nn.Conv2d(narrow, width, 5, padding=2), nn.Conv2d(narrow, width, 3, padding=1)

    def forward(self, x):
        a, b, c, d = (F.relu(layer(x)) for layer in self.pointwise)
        pooled = F.avg_pool2d(c, 2, stride=1, padding=1, count_include_pad=False)[:, :, 1:, 1:]
        return torch.cat([F.relu(self.wide(a)), F.relu(self.middle(b)), F.relu(pooled), d], dim=1)


def show_ways(rates):
    """Ratios of a plain way to ours."""
    print(f"\n{'plain way against ours':<66} {'precision':>10} {'plain s':>8} {'ours s':>8} {'ratio':>6}")

    def line(name, precision, plain, ours):
        print(f"{name:<66} {precision:>10} {plain:8.3f} {ours:8.3f} {plain / ours:6.2f}", flush=True)

    def block(make, layout, precision):
        network = make(522).to(memory_format=layout)
        x = torch.randn(8, 522, 32, 32).contiguous(memory_format=layout).requires_grad_()

        def call():
            with autocast(precision):
                value = network(x)
            value.float().sum().backward()

        return seconds_of(call, 3)

    for precision in rates:
        merged = block(Inception, torch.channels_last, precision)
        apart = block(FourBranches, torch.channels_last, precision)
        line("inception block: four branches, merged", precision, apart, merged)
        line("the same, the plain one band by band in memory", precision, *(
            block(FourBranches, torch.contiguous_format, precision), merged
        ))  # fmt: skip
        for name, made, n, n_repeats in (
            ("photometry, paper, 32+32", photometry("paper"), 32, 10),
            ("images 32 x 32, book, 32+32", images("book", 32), 32, 5),
            (f"images 64 x 64, paper, {FEW}+{FEW}", images("paper", 64), FEW, 1),
        ):
            ours = seconds_of(contrastive_step(*made, n, precision), n_repeats)
            plain = seconds_of(contrastive_step(*made, n, precision, loss=separate_loss), n_repeats)
            line(f"{name}: separate passes, joined", precision, plain, ours)
            if made[1][1:] == (32, 32):
                layout = torch.contiguous_format
                plain = seconds_of(contrastive_step(*made, n, precision, layout=layout), n_repeats)
                line(f"{name}: band by band, channels last", precision, plain, ours)


def show_compiled():
    """Eager against compiled encoder and decoder, with the time that compilation takes."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        print("\ncompiled: left out, since torch.compile needs a C++ compiler and this machine has none")
        return
    print(f"\n{'eager and compiled':<34} {'precision':>10} {'eager s':>8} {'compiled s':>10} {'ratio':>6} {'first':>6}")
    for name, made, precision in (
        ("photometry, paper, 32+32", photometry("paper"), "32-true"),
        ("images 32 x 32, book, 32+32", images("book", 32), "bf16-mixed"),
    ):
        step = contrastive_step(*made, 32, precision)
        eager = seconds_of(step, 5)
        made[0].encoder.compile(dynamic=False)
        made[0].decoder.compile(dynamic=False)
        first = seconds_once(step)
        compiled = seconds_of(step, 5)
        print(
            f"{name:<34} {precision:>10} {eager:8.4f} {compiled:10.4f} {eager / compiled:6.2f} {first:6.1f}", flush=True
        )


def seconds_of_parts(network, shape, n_extra, n, n_repeats):
    """Seconds of encoder, decoder, estimator and optimiser: each by itself, on what the loss gives it."""
    n_first = 4 * n if len(shape) == 3 else 2 * n
    first, again = (random_batch(rows, shape, n_extra) for rows in (n_first, 2 * n))
    again.main.requires_grad_()  # x' comes from the decoder, so that its gradient is needed
    with torch.no_grad():
        shared, latent = network.encode(first.main, first.extra)
    latent_again = latent[: 2 * n].clone().requires_grad_()
    latent.requires_grad_()
    both = torch.cat([shared, shared[: 2 * n]]).requires_grad_()

    def passed(part, *inputs):
        def call():
            with autocast("bf16-mixed"):
                values = [part(*arguments) for arguments in inputs]
            sum(value.float().sum() for value in values).backward()

        return seconds_of(call, n_repeats)

    return (
        passed(network.encoder, (first.main, first.extra), (again.main, again.extra)),
        passed(network.decoder, (latent,), (latent_again,)),
        passed(network.estimator, (both,)),
        seconds_of(torch.optim.Adam(network.parameters(), 1e-4, fused=True).step, n_repeats),
    )


def show_shares():
    """Where the time of a step goes."""
    columns = ("encoder", "decoder", "estimator", "optimiser", "rest")
    print(f"\n{'share of a step in bf16-mixed':<34} " + " ".join(f"{column:>9}" for column in columns))
    for name, made, n, n_repeats in (
        ("photometry, paper, 32+32", photometry("paper"), 32, 10),
        ("images 32 x 32, book, 32+32", images("book", 32), 32, 5),
        (f"images 64 x 64, paper, {FEW}+{FEW}", images("paper", 64), FEW, 1),
    ):
        whole = seconds_of(contrastive_step(*made, n, "bf16-mixed"), n_repeats)
        shares = [part / whole for part in seconds_of_parts(*made, n, n_repeats)]
        print(f"{name:<34} " + " ".join(f"{share:9.2f}" for share in (*shares, 1 - sum(shares))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    device = pick_device(parser.parse_args().device)
    torch.set_default_device(device)
    torch.manual_seed(0)
    rates = {precision: machine_rate(device, precision) for precision in PRECISIONS}
    print(describe_device(torch.device(device)), {name: f"{rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items()})
    show_steps(rates)
    show_ways(rates)
    show_shares()
    show_compiled()
