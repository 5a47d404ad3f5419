"""Known truths against independent quadrature, and cross-checks against known truths."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import k0
from scipy.stats import multivariate_t, norm
from scipy.stats import t as student_t

from helpers.information import decompose
from helpers.information import truths as module
from helpers.information.crosschecks import (
    copula_conditional_information,
    copula_information,
    ksg_conditional_information,
    ksg_information,
)
from helpers.information.truths import (
    TRANSFORMS,
    draw_gaussian,
    draw_gaussian_pair,
    draw_student,
    draw_transformed,
    draw_xor,
    gaussian_decomposition,
    plant,
)
from helpers.survey import Sample

PAIRS = [(1.0, 0.5, 0.0), (0.5, 0.5, -0.5), (1.2, 0.3, 0.6), (0.8, 0.0, 0.4), (1.16, 0.0, 0.0)]


@pytest.mark.parametrize(
    ("draw", "arguments"),
    [
        *[(draw_gaussian, arguments) for arguments in ((1, 0.0), (4, 0.5), (16, 3.0))],
        *[(draw_transformed, (4, 1.5, transform)) for transform in TRANSFORMS],
        *[(draw_student, arguments) for arguments in ((1, None, 1), (4, 1.5, 3), (16, None, 2), (4, 0.0, 3))],
        *[(draw_gaussian_pair, (*pair, 3)) for pair in PAIRS],
        *[(draw_xor, (noise,)) for noise in (0.02, 0.3)],
    ],
)
def test_pointwise_information_has_the_mean_that_is_claimed(draw, arguments):
    truth = draw(50_000, *arguments)
    assert set(truth.pointwise) == set(truth.information) == set(truth.columns)
    for name, pointwise in truth.pointwise.items():
        error = pointwise.std() / np.sqrt(len(truth))
        assert pointwise.mean() == pytest.approx(truth.information[name], abs=4 * error + 1e-12)
        # Whatever the distribution, the mean of p(x) p(m) / p(x, m) over it is at most 1.
        inverse = np.exp(-pointwise)
        assert inverse.mean() < 1 + 4 * inverse.std() / np.sqrt(len(truth)) + 1e-12


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_maps_that_can_be_undone_leave_every_galaxy_its_information(transform):
    plain, mapped = draw_gaussian(500, 3, 1.0), draw_transformed(500, 3, 1.0, transform)
    np.testing.assert_array_equal(plain.pointwise["x1"], mapped.pointwise["x1"])
    np.testing.assert_array_equal(np.argsort(plain.target), np.argsort(mapped.target))
    x, y = plain.sources["x1"], mapped.sources["x1"]
    if transform == "half-cube":
        undone = np.cbrt(np.abs(y)) ** 2 * np.sign(y)
    elif transform == "bend":
        undone = np.column_stack([y[:, 0], y[:, 1] - (y[:, 0] ** 2 - 1) / 2, y[:, 2]])
    else:
        angle = -np.hypot(y[:, 0], y[:, 1])
        turned = (y[:, 0] + 1j * y[:, 1]) * np.exp(1j * angle)
        undone = np.column_stack([turned.real, turned.imag, y[:, 2]])
    np.testing.assert_allclose(undone, x, atol=1e-12)


def test_student_information_is_that_of_scipys_densities():
    rng, nu, rho, d = np.random.default_rng(0), 3.0, 0.7, 3
    columns, target = rng.standard_normal((200, d)) * 3, rng.standard_normal(200) * 3
    shape = np.eye(d + 1)
    shape[0, d] = shape[d, 0] = rho
    joint = multivariate_t.logpdf(np.column_stack([columns, target]), np.zeros(d + 1), shape, nu)
    apart = multivariate_t.logpdf(columns, np.zeros(d), np.eye(d), nu) + student_t.logpdf(target, nu)
    np.testing.assert_allclose(module._student_information(columns, target, rho, nu), joint - apart, atol=1e-10)


@pytest.mark.parametrize("nu", [1, 3])
def test_uncorrelated_student_columns_tell_what_quadrature_says(nu):
    # Over the ranks u of both variables the information is the mean of c ln c, c the density of the copula, which has
    # poles in the corners: nodes crowd there. The upper half mirrors the lower, whose small u keep their digits.
    nodes, weights = np.polynomial.legendre.leggauss(400)
    s = (nodes[:200] + 1) / 2
    u, weight = s**4 * (35 - 84 * s + 70 * s**2 - 20 * s**3), weights[:200] / 2 * 140 * s**3 * (1 - s) ** 3
    lower = student_t.ppf(u, nu)
    x, weight = np.append(lower, -lower[::-1]), np.append(weight, weight[::-1])
    logarithm = module._student_information(np.repeat(x, 400)[:, None], np.tile(x, 400), 0.0, nu).reshape(400, 400)
    assert weight @ np.exp(logarithm) @ weight == pytest.approx(1, abs=1e-5)
    by_quadrature = weight @ (np.exp(logarithm) * logarithm) @ weight
    assert draw_student(10, 1, None, nu).information["x1"] == pytest.approx(by_quadrature, abs=1e-4)


def test_the_exclusive_or_tells_what_a_circle_leaves():
    # Narrow noise does not feel that the circle closes: minus the entropy of a Gaussian.
    assert draw_xor(10, 0.05).information["both"] == pytest.approx(-np.log(2 * np.pi * np.e * 0.05**2) / 2, abs=1e-9)
    # Wide noise, by its Fourier series.
    turns = np.arange(2000) / 2000
    density = 1 + 2 * sum(np.exp(-2 * (np.pi * n * 0.3) ** 2) * np.cos(2 * np.pi * n * turns) for n in range(1, 9))
    assert draw_xor(10, 0.3).information["both"] == pytest.approx((density * np.log(density)).mean(), abs=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_pointwise_decomposition_of_a_pair_agrees_with_quadrature_and_with_its_draw(pair):
    table = gaussian_decomposition(*pair)
    information_1, information_2, c = pair
    # By quadrature over the mass and both noises, from the densities themselves.
    axis = np.linspace(-6, 6, 121)
    m, e1, e2 = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    weight = norm.pdf(m) * norm.pdf(e1) * norm.pdf(e2) * 0.1**3
    noises = (e1, c * e1 + np.sqrt(1 - c**2) * e2)
    rho = [np.sqrt(1 - np.exp(-2 * i)) for i in (information_1, information_2)]
    i1, i2 = (
        norm.logpdf(m, r * (r * m + np.sqrt(1 - r**2) * e), np.sqrt(1 - r**2)) - norm.logpdf(m)
        for r, e in zip(rho, noises, strict=True)
    )
    by_quadrature = (weight * np.minimum(i1, i2)).sum()
    assert table.loc["pointwise", "redundancy"] == pytest.approx(by_quadrature, abs=2e-3)  # kinks, at steps of 0.1
    # And the draw, through the book's own decomposition.
    truth = draw_gaussian_pair(100_000, *pair, n_dimensions=2)
    parts = decompose(truth.pointwise["x1"], truth.pointwise["x2"], truth.pointwise["both"])
    drawn = (parts.redundant, parts.unique_1, parts.unique_2, parts.synergistic)
    for name, values in zip(table.columns, drawn, strict=True):
        error = values.std() / np.sqrt(len(values))
        assert values.mean() == pytest.approx(table.loc["pointwise", name], abs=4 * error + 1e-9)
    np.testing.assert_allclose(table.sum(axis=1), truth.information["both"], atol=1e-12)
    np.testing.assert_allclose(table["redundancy"] + table["unique_2"], information_2, atol=1e-12)


def test_a_tie_of_gaussian_sources_has_a_closed_form():
    # Equal informations: E|i1 - i2| is the spread times E|g h| = 2 / pi.
    kappa = np.exp(-2 * 0.7)  # 1 - rho^2
    closed = 0.7 - np.sqrt(1 - kappa**2) / np.pi
    assert gaussian_decomposition(0.7, 0.7).loc["pointwise", "redundancy"] == pytest.approx(closed, abs=1e-9)
    x = np.linspace(0, 40, 400_001)[1:]
    assert (x * k0(x)).sum() * 1e-4 * 2 / np.pi == pytest.approx(2 / np.pi, abs=1e-6)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_other_definitions_of_a_gaussian_pair_are_what_they_say(pair):
    information_1, information_2, c = pair
    table = gaussian_decomposition(*pair)
    q, r = (np.sqrt(1 - np.exp(-2 * i)) for i in (information_1, information_2))
    # Williams and Beer: what each source tells of a mass m is KL(p(x | m) || p(x)); the smaller, over all masses.
    m = np.linspace(-8, 8, 3201)
    specific = [(-np.log(1 - s**2) - s**2 + (s * m) ** 2) / 2 for s in (q, r)]
    assert table.loc["WB", "redundancy"] == pytest.approx((norm.pdf(m) * np.minimum(*specific)).sum() * 0.005, abs=1e-9)
    # BROJA: with the noises so correlated that the weaker source is the stronger one and noise, which no source's own
    # distribution with the mass forbids, it adds nothing. So it has nothing unique.
    if information_2 > 0:
        degraded = r * np.sqrt(1 - q**2) / (q * np.sqrt(1 - r**2)) if q > r else 1 - 1e-9
        assert gaussian_decomposition(information_1, information_2, degraded).sum(axis=1)["MMI"] == pytest.approx(
            information_1, abs=1e-6
        )
    # Dependencies: what adding the link x1 - m tells in each model without it, and the least of that.
    p = q * r + c * np.sqrt((1 - q**2) * (1 - r**2))

    def both(p: float, q: float, r: float) -> float:
        correlation = np.array([[1, p, q], [p, 1, r], [q, r, 1]])
        return float(np.log((1 - p**2) / np.linalg.det(correlation)) / 2)

    links = [
        (both(0, q, 0), both(0, 0, 0)),  # no link, then x1 - m
        (both(p, q, p * q), both(p, 0, 0)),  # x1 - x2
        (both(q * r, q, r), both(0, 0, r)),  # x2 - m
        (both(p, q, r), both(p, p * r, r)),  # both
    ]
    unique = min(after - before for after, before in links)
    assert table.loc["dep", "unique_1"] == pytest.approx(unique, abs=1e-9)


@pytest.mark.parametrize(
    ("n_dimensions", "information"),
    [(1, 0.0), (1, 0.5), (1, 1.5), (1, 3.0), (2, 0.0), (2, 0.5), (2, 1.5), (4, 0.0), (4, 0.5)],
)
def test_ksg_recovers_closed_forms_in_few_dimensions(n_dimensions, information):
    truth = draw_gaussian(5000, n_dimensions, information)
    found = ksg_information(truth.sources["x1"], truth.target)
    error = (found.interval[1] - found.interval[0]) / 3.92
    assert found.mean == pytest.approx(information, abs=0.02 + 4 * error)


def test_ksg_falls_short_where_it_says_so():
    truth = draw_gaussian(2000, 16, 3.0)
    assert ksg_information(truth.sources["x1"], truth.target).mean < 1.0


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_ksg_follows_curves_and_the_copula_stays_below(transform):
    truth = draw_transformed(5000, 2, 1.0, transform)
    found, bound = (estimate(truth.sources["x1"], truth.target) for estimate in (ksg_information, copula_information))
    assert found.mean == pytest.approx(1.0, abs=0.1)
    assert bound.interval[0] < 1.0


def test_neither_finds_information_in_heavy_tails_alone():
    truth = draw_student(5000, 2, 0.0, 1.5)
    found, bound = (estimate(truth.sources["x1"], truth.target) for estimate in (ksg_information, copula_information))
    assert abs(found.mean) < 0.02 and abs(bound.mean) < 0.002
    # Student's t without correlation tells something, all of it beyond the copula's sight.
    truth = draw_student(5000, 2, None, 1.5)
    found, bound = (estimate(truth.sources["x1"], truth.target) for estimate in (ksg_information, copula_information))
    assert found.mean == pytest.approx(truth.information["x1"], abs=0.05) and truth.information["x1"] > 0.15
    assert bound.mean < 0.02


@pytest.mark.parametrize("n_dimensions", [1, 4, 16])
@pytest.mark.parametrize("information", [0.0, 0.5, 1.5, 3.0])
def test_the_copula_recovers_gaussians_in_any_number_of_dimensions(n_dimensions, information):
    truth = draw_gaussian(20_000, n_dimensions, information)
    found = copula_information(truth.sources["x1"], truth.target)
    error = (found.interval[1] - found.interval[0]) / 3.92
    # Ranks in place of values cost a little where the dependence is strong.
    assert found.mean == pytest.approx(information, abs=4 * error + 0.015 * information)


@pytest.mark.parametrize("pair", [(1.0, 0.5, 0.0), (0.5, 0.5, -0.5), (1.0, 0.0, 0.0)])
def test_conditional_information_of_gaussian_pairs(pair):
    truth = draw_gaussian_pair(5000, *pair)
    exact = truth.information["both"] - truth.information["x1"]
    arguments = truth.sources["x2"], truth.target, truth.sources["x1"]
    for estimate, slack in ((ksg_conditional_information, 0.01), (copula_conditional_information, 0.0)):
        found = estimate(*arguments)
        error = (found.interval[1] - found.interval[0]) / 3.92
        assert found.mean == pytest.approx(exact, abs=slack + 4 * error)


def test_each_half_of_the_exclusive_or_tells_nothing_and_both_tell():
    truth = draw_xor(5000, 0.1)
    x1, x2 = truth.sources.values()
    for source in (x1, x2):
        assert abs(ksg_information(source, truth.target).mean) < 0.03
    conditional = ksg_conditional_information(x2, truth.target, x1)
    assert conditional.mean == pytest.approx(truth.information["both"], abs=0.1)


def test_what_is_planted_is_found_and_nothing_else_is():
    rng = np.random.default_rng(7)
    known, other = rng.standard_normal((2, 5000))
    # A real catalogue's other columns tell much; of the new mass they tell nothing beyond the inputs.
    frame = pd.DataFrame({"known": known, "other": known + other})
    frame["lgm_tot_p50"] = 10 + 0.5 * np.tanh(known) + 0.3 * other
    sample = Sample.from_frame(frame, split=pd.Series(np.repeat(["train", "validation", "test"], [3000, 500, 1500])))
    planted = plant(sample, ["known"], 0.15)
    error = planted.pointwise.std() / np.sqrt(5000)
    assert planted.pointwise.mean() == pytest.approx(0.15, abs=4 * error)
    catalog = planted.sample.catalog
    found = ksg_conditional_information(catalog["planted"], planted.sample.mass, catalog["known"])
    assert found.mean == pytest.approx(planted.pointwise.mean(), abs=0.04)
    nothing = ksg_conditional_information(catalog["other"], planted.sample.mass, catalog["known"])
    before = ksg_conditional_information(catalog["other"], sample.mass, catalog["known"])
    assert abs(nothing.mean) < 0.03 and before.mean > 1
