"""Cross-checks and known truths: arithmetic against slow twins, invariances and refusals."""

import numpy as np
import pytest
from scipy.special import psi

from helpers.information import crosschecks as module
from helpers.information.crosschecks import (
    boosting_information,
    copula_conditional_information,
    copula_information,
    ksg_conditional_information,
    ksg_information,
)
from helpers.information.truths import (
    draw_gaussian,
    draw_gaussian_pair,
    draw_student,
    draw_transformed,
    draw_xor,
    gaussian_decomposition,
    plant,
)
from helpers.survey import Sample


def three(n_galaxies: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two columns x, a mass that depends on them, and one column more."""
    rng = np.random.default_rng(seed)
    x, z, error = rng.standard_normal((n_galaxies, 2)), *rng.standard_normal((2, n_galaxies))
    return x, x @ [1.0, -0.5] + z + 0.7 * error, z


def counted(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Other points nearer than the radius, pair by pair."""
    apart = np.abs(points[:, None] - points[None]).max(axis=2, initial=0)
    return (apart < radius[:, None]).sum(axis=1) - 1


def test_ksg_agrees_with_counting_pair_by_pair():
    n_galaxies, k = 150, 4
    x, mass, given = three(n_galaxies)
    parts = {"x": x, "mass": mass[:, None], "given": given[:, None], "nothing": np.empty((n_galaxies, 0))}

    def twin(known: str) -> np.ndarray:
        joint = np.hstack([parts["x"], parts["mass"], parts[known]])
        radius = np.sort(np.abs(joint[:, None] - joint[None]).max(axis=2), axis=1)[:, k]
        n_z, n_xz, n_mz = (
            counted(np.hstack([parts[name] for name in names]), radius)
            for names in ((known,), ("x", known), ("mass", known))
        )
        return psi(k) + psi(n_z + 1) - psi(n_xz + 1) - psi(n_mz + 1)

    for known in ("given", "nothing"):
        found = module._pointwise_ksg(parts["x"], parts["mass"], parts[known], k=k)
        np.testing.assert_allclose(found, twin(known), atol=1e-12)


@pytest.mark.parametrize(
    "estimate",
    [
        ksg_information,
        copula_information,
        lambda x, mass: ksg_conditional_information(x[:, :1], mass, x[:, 1:]),
        lambda x, mass: copula_conditional_information(x[:, :1], mass, x[:, 1:]),
    ],
)
def test_monotone_scales_of_columns_and_of_the_mass_change_nothing(estimate):
    x, mass, _ = three(400)
    plain = estimate(x, mass)
    scaled = estimate(np.column_stack([np.exp(x[:, 0]), x[:, 1] ** 3]), np.arctan(mass))
    np.testing.assert_array_equal(plain.pointwise, scaled.pointwise)
    assert plain.interval == scaled.interval
    assert plain.mean == pytest.approx(plain.pointwise.mean())
    assert plain.interval[0] < plain.mean < plain.interval[1]


def test_whitening_undoes_how_columns_are_mixed():
    rng = np.random.default_rng(2)
    independent = rng.standard_normal((3000, 2))
    mass = independent[:, 0] - independent[:, 1] + rng.standard_normal(3000)
    # As two bands of a galaxy: what tells is their small difference.
    repeating = independent @ [[1.0, 1.0], [0.9, 1.1]]
    plain, whitened = (ksg_information(repeating, mass, whiten=whiten).mean for whiten in (False, True))
    assert plain < whitened
    assert whitened == pytest.approx(ksg_information(independent, mass).mean, abs=0.03)
    # A column that stands twice spans no new direction.
    twice = repeating[:, [0, 1, 1]]
    assert ksg_information(twice, mass, whiten=True).mean == pytest.approx(whitened, abs=1e-3)


def test_ties_are_broken_by_the_seed_alone():
    x, mass, _ = three(400)
    rounded, coarse = np.round(x), np.round(2 * mass)
    first, again, other = (ksg_information(rounded, coarse, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.pointwise, again.pointwise)
    assert first.interval == again.interval and np.isfinite(first.pointwise).all()
    assert not np.array_equal(first.pointwise, other.pointwise)


def test_the_copula_counts_a_repeated_column_once():
    x, mass, given = three(300)
    plain, repeated = copula_information(x, mass), copula_information(np.hstack([x, x]), mass)
    np.testing.assert_allclose(plain.pointwise, repeated.pointwise, atol=1e-9)
    assert repeated.settings["rank"] == 2
    nothing = copula_conditional_information(given, mass, given)
    np.testing.assert_allclose(nothing.pointwise, 0, atol=1e-9)


def test_the_copula_subtracts_what_overfitting_adds():
    n_galaxies, n_columns, n_draws = 200, 8, 200
    rng = np.random.default_rng(3)
    means = [
        copula_information(rng.standard_normal((n_galaxies, n_columns)), rng.standard_normal(n_galaxies)).mean
        for _ in range(n_draws)
    ]
    # Plain, it would be d / 2n = 0.02 on average, with the scatter of a chi-squared over 2n.
    scatter = np.sqrt(n_columns / 2) / n_galaxies
    assert np.mean(means) == pytest.approx(0, abs=4 * scatter / np.sqrt(n_draws))
    assert np.std(means) == pytest.approx(scatter, rel=0.25)


X, MASS, GIVEN = three(100)
BROKEN = np.where(np.arange(100) == 3, np.nan, MASS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ksg_information(X[:50], MASS), "x, target: found 50 in x, 100 in target"),
        (lambda: ksg_information(X, BROKEN), "target: 1 of 100 galaxies have values that are not finite"),
        (lambda: ksg_information(X * np.inf, MASS), "x: 100 of 100 galaxies have values that are not finite"),
        (lambda: ksg_information(np.column_stack([GIVEN, 0 * GIVEN]), MASS), "x: column 1 is constant"),
        (lambda: ksg_information(["a"] * 100, MASS), "x: found values that are not numbers"),
        (lambda: ksg_information(np.empty((100, 0)), MASS), r"x: found shape \(100, 0\)"),
        (lambda: ksg_information(X, X), "target: found 2 columns"),
        (lambda: ksg_information(X, MASS, k=6), "k: found 6, expected a whole number from 1 to 5"),
        (lambda: ksg_information(X, MASS, k=0), "k: found 0"),
        (lambda: ksg_information(X, MASS, seed=-1), "seed: found -1"),
        (lambda: ksg_conditional_information(X, MASS, GIVEN[:9]), "9 in given"),
        (lambda: ksg_conditional_information(X, MASS, BROKEN), "given: 1 of 100"),
        (lambda: copula_information(X, MASS[:4]), "found 100 in x, 4 in target"),
        (lambda: copula_information(X[:6], MASS[:6]), "found 6 galaxies for 2 columns, expected more than 6"),
        (lambda: copula_information(MASS**3, MASS), "target: found that it is a function of the inputs"),
        (lambda: copula_conditional_information(X, MASS, 0 * GIVEN), "given: column 0 is constant"),
        (lambda: draw_gaussian(0), "n_galaxies: found 0"),
        (lambda: draw_gaussian(10, 1.5), "n_dimensions: found 1.5"),
        (lambda: draw_gaussian(10, 1, -0.1), "information: found -0.1, expected nats from 0 to 10"),
        (lambda: draw_gaussian(10, 1, np.nan), "information: found nan"),
        (lambda: draw_gaussian(10, seed=-1), "seed: found -1"),
        (lambda: draw_transformed(10, 2, 1.0, "cube"), "transform: found 'cube', expected one of half-cube, bend"),
        (lambda: draw_transformed(10, 1, 1.0, "spiral"), "n_dimensions: found 1 with transform 'spiral'"),
        (lambda: draw_transformed(10, 1, 1.0, "bend"), "n_dimensions: found 1 with transform 'bend'"),
        (lambda: draw_student(10, 1, 0.01), "information: found 0.01 nats, expected 0, or at least 0.0424"),
        (lambda: draw_student(10, 1, None, 0.5), "degrees_of_freedom: found 0.5"),
        (lambda: draw_gaussian_pair(10, 1.0, 11.0), "information_2: found 11.0"),
        (lambda: gaussian_decomposition(1.0, 1.0, 1.0), "noise_correlation: found 1.0"),
        (lambda: draw_xor(10, 0.0), "noise: found 0.0"),
        (lambda: draw_gaussian(99).sample((0.5, 0.5)), "fractions: found"),
        (lambda: draw_gaussian(99).sample((0.5, 0.4, 0.2)), "fractions: found"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_known_truth_becomes_a_sample_in_its_own_order():
    truth = draw_gaussian_pair(1000, n_dimensions=2)
    sample = truth.sample(seed=4)
    assert truth.columns == {
        "x1": ("x1_0", "x1_1"),
        "x2": ("x2_0", "x2_1"),
        "both": ("x1_0", "x1_1", "x2_0", "x2_1"),
    }
    for source in ("x1", "x2"):
        np.testing.assert_array_equal(sample.catalog[list(truth.columns[source])], truth.sources[source])
    np.testing.assert_array_equal(sample.mass, truth.target)
    assert [len(sample.rows(part)) for part in ("train", "validation", "test")] == [600, 100, 300]
    assert sample.split.equals(truth.sample(seed=4).split) and not sample.split.equals(truth.sample(seed=5).split)


def test_the_heaviest_tails_leave_no_nulls_and_no_ties():
    truth = draw_student(20_000, 2, degrees_of_freedom=1)
    assert np.abs(truth.sources["x1"]).max() > 9000  # what a catalogue would take for a null
    assert truth.sample().null_counts().empty
    assert 6 < truth.target.min() and truth.target.max() < 12.5
    assert np.unique(truth.target).size == 20_000


@pytest.fixture(scope="module")
def plain() -> Sample:
    return draw_gaussian_pair(600, 1.0, 0.5).sample()


def test_boosting_is_measured_on_the_test_split_alone(plain):
    check = boosting_information(plain, ["x1_0"], n_bins=20)
    rows = plain.rows("test")
    assert np.isfinite(check.pointwise[rows]).all() and np.isnan(np.delete(check.pointwise, rows)).all()
    assert check.interval[0] < check.mean < check.interval[1]
    assert check.mean == pytest.approx(1.0, abs=0.3)  # 4 standard errors of 180 galaxies
    assert check.settings["n_bins"] == 20
    with pytest.raises(ValueError, match="n_bins: found 1"):
        boosting_information(plain, ["x1_0"], n_bins=1)


def test_planting_makes_a_new_mass_of_the_inputs_and_refuses(plain):
    planted = plant(plain, ["x1_0"], 0.15, scatter=0.1, seed=1)
    assert planted.inputs == ("x1_0",) and planted.column == "planted" and planted.information == 0.15
    catalog = planted.sample.catalog
    # The mass is a straight line in x1 and Gaussian scatter of the size asked for.
    residual = planted.sample.mass - np.polyval(np.polyfit(catalog["x1_0"], planted.sample.mass, 1), catalog["x1_0"])
    assert residual.std() == pytest.approx(0.1, rel=4 / np.sqrt(2 * len(plain)))
    np.testing.assert_array_equal(catalog["x2_0"], plain.catalog["x2_0"])
    assert "planted" not in plain.catalog
    for call, message in (
        (lambda: plant(plain, ["x1_0"], column="x2_0"), "column: found 'x2_0', which is in the catalogue"),
        (lambda: plant(plain, ["x1_0"], scatter=0.0), "scatter: found 0.0"),
        (lambda: plant(plain, ["x1_0"], -1.0), "information: found -1.0"),
        (lambda: plant(plain, ["lgm_tot_p50"]), "lgm_tot_p50"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_planting_counts_a_null_as_the_mean(plain):
    catalog = plain.catalog.assign(x1_0=np.where(np.arange(600) % 7 == 0, np.nan, plain.catalog["x1_0"]))
    planted = plant(Sample.from_frame(catalog, split=plain.split), ["x1_0"], 0.5)
    assert np.isfinite(planted.sample.mass).all()
