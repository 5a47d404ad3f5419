"""Networks of information estimates: the mixture's own gradient, and members that share their operations."""

import numpy as np
import pytest
import torch

from helpers.information import InformationConfig
from helpers.information.heads import mixture_logarithm
from helpers.information.networks import Ensemble, InputSize, information_network


def plain_mixture(heights, means, deviations, positions):
    distance = (positions - means[..., None]) / deviations[..., None]
    return torch.logsumexp(heights[..., None] - 0.5 * distance.square(), dim=-2)


def test_gradient_of_a_mixture_is_that_of_its_formula():
    generator = torch.Generator().manual_seed(0)
    heights, means, widths = torch.randn(3, 2, 4, 5, generator=generator, dtype=torch.float64)
    numbers = [values.requires_grad_() for values in (heights, means, widths.exp().detach())]
    positions = torch.linspace(-4, 4, 9, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *values: mixture_logarithm(*values, positions), numbers)
    torch.testing.assert_close(mixture_logarithm(*numbers, positions), plain_mixture(*numbers, positions))


def test_components_thousands_of_deviations_away_stay_finite():
    numbers = [torch.tensor([values], requires_grad=True) for values in ([0.0, 0.0], [-3.0, 3.0], [0.01, 0.01])]
    positions = torch.tensor([-3.0, 0.0, 3.0, 40.0])
    found, expected = mixture_logarithm(*numbers, positions), plain_mixture(*numbers, positions)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(values[0, 3], numbers, retain_graph=True) for values in (found, expected)]
    torch.testing.assert_close(*gradients)


def trained(n_members: int, *, head: str = "mixture", whiten: bool = True) -> Ensemble:
    """Networks whose weights are no longer those of their start, where a mixture says the same of every galaxy."""
    torch.manual_seed(0)
    config = InformationConfig(encoder_hidden=(16, 16), estimator_hidden=(16,), head=head)
    columns = torch.randn(100, 3).exp() if whiten else None
    size, prior = InputSize(3, 1, 2), np.full(12, 1 / 12)
    members = [information_network(size, prior, config, training=columns, zero_start=True) for _ in range(n_members)]
    for parameter in Ensemble(members).parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Ensemble(members)


@pytest.mark.parametrize(
    ("ensemble", "joined"),
    [
        (trained(3), True),
        (trained(1), False),
        (trained(3, head="categorical"), False),
        (trained(3, whiten=False), False),
    ],
    ids=["joined", "one member", "another head", "another encoder"],
)
def test_members_together_are_what_each_is_alone(ensemble, joined):
    assert ensemble.joined is joined
    n_members = len(ensemble.members)
    main, extra = torch.randn(10 * n_members, 3), torch.randn(10 * n_members, 3)
    weights = torch.randn(10 * n_members, 12)
    sizes = [10] * n_members

    def gradients(logits):
        return torch.autograd.grad((logits * weights).sum(), list(ensemble.parameters()))

    alone = torch.cat(
        [member(*own) for member, *own in zip(ensemble.members, main.split(sizes), extra.split(sizes), strict=True)]
    )
    together = ensemble(main, extra, sizes)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients(together), gradients(alone), rtol=1e-4, atol=1e-4)
    of_all = torch.stack([member(main, extra) for member in ensemble.members])
    torch.testing.assert_close(ensemble.of_all(main, extra), of_all, rtol=1e-5, atol=1e-5)


def test_stretches_of_unequal_size_and_members_of_other_columns_are_not_joined():
    ensemble = trained(2)
    main, extra = torch.randn(9, 3), torch.randn(9, 3)
    expected = torch.cat([ensemble.members[0](main[:4], extra[:4]), ensemble.members[1](main[4:], extra[4:])])
    torch.testing.assert_close(ensemble(main, extra, [4, 5]), expected)
    torch.manual_seed(1)
    config = InformationConfig(encoder_hidden=(16, 16), estimator_hidden=(16,))
    other = information_network(InputSize(3, 1, 2), np.full(12, 1 / 12), config, training=torch.randn(100, 3))
    assert not Ensemble([ensemble.members[0], other]).joined
