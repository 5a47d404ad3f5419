"""Sensitivity to an unobserved common cause: least-squares algebra, planted causes, closed forms, refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from helpers.causal import adjusted_estimate, confounder_bound, robustness_value, sensitivity_analysis


def regression(y, x, controls):
    """Coefficient of x, its standard error and the residual degrees of freedom, by the textbook."""
    design = np.column_stack([np.ones(len(y)), x, controls])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    rest = y - design @ coefficients
    left = len(y) - design.shape[1]
    error = np.sqrt(np.linalg.inv(design.T @ design)[1, 1] * (rest @ rest) / left)
    return coefficients[1], error, left


def partial_r2(y, x, controls):
    """Share of what controls leave of y that x explains, as one less a ratio of residual sums."""
    small = np.column_stack([np.ones(len(y)), controls])
    large = np.column_stack([small, x])
    sums = [np.sum((y - d @ np.linalg.lstsq(d, y, rcond=None)[0]) ** 2) for d in (small, large)]
    return 1 - sums[1] / sums[0]


@pytest.fixture(scope="module")
def confounded():
    """Query and target share a control c and a hidden cause h; the true effect of the query is 0.3."""
    rng = np.random.default_rng(5)
    c, h, e, f = rng.normal(size=(4, 400))
    q = 0.6 * c + 0.5 * h + e
    return pd.DataFrame({"q": q, "c": c, "h": h, "y": 0.3 * q - 0.4 * c + 0.7 * h + f})


def test_adjusting_for_the_hidden_cause_is_exact_algebra(confounded):
    y, q, c, h = (confounded[name].to_numpy() for name in "yqch")
    without, error, left = regression(y, q, c)
    with_h, error_h, _ = regression(y, q, np.column_stack([c, h]))
    got = adjusted_estimate(without, error, left, partial_r2(q, h, c), partial_r2(y, h, np.column_stack([c, q])))
    assert got == pytest.approx((with_h, error_h), rel=1e-10)
    assert with_h < without


def test_a_cause_of_the_robustness_value_takes_all_away():
    for share in (0.01, 0.3, 0.9):
        strength = float(robustness_value(share))
        left = 100
        error = np.sqrt((1 - share) / share / left)  # of an estimate of 1 that explains `share`
        assert adjusted_estimate(1.0, error, left, strength, strength)[0] == pytest.approx(0, abs=1e-12)
        # And significance goes at the smaller value: the adjusted t is just the critical one.
        smaller = float(robustness_value(share, degrees_of_freedom=left))
        if smaller > 0:
            estimate, new_error = adjusted_estimate(1.0, error, left, smaller, smaller)
            assert estimate / new_error == pytest.approx(t.isf(0.025, left - 1))
        assert smaller < strength


@pytest.mark.parametrize("left", [4, 8, 100])
def test_no_weaker_cause_undoes_significance(left):
    """Of all causes that explain at most the robustness value of both, the worst is just not significant."""
    share = 0.9
    error = np.sqrt((1 - share) / share / left)
    value = float(robustness_value(share, degrees_of_freedom=left))
    shares = np.linspace(0, value, 301)
    for on_query in (value, 0.95 * value):
        ratios = [np.divide(*adjusted_estimate(1.0, error, left, on_query, on_target)) for on_target in shares]
        assert min(ratios) >= t.isf(0.025, left - 1) * (1 - 1e-6)
    assert min(ratios) > t.isf(0.025, left - 1) * 1.0001
    ratios = [np.divide(*adjusted_estimate(1.0, error, left, value, on_target)) for on_target in shares]
    assert min(ratios) == pytest.approx(t.isf(0.025, left - 1), rel=1e-4)


def test_robustness_values_in_closed_form():
    # f = 1 at a share of one half: (sqrt(5) - 1) / 2.
    assert robustness_value(0.5) == pytest.approx((np.sqrt(5) - 1) / 2)
    assert robustness_value([-0.01, 0.0, np.nan]).tolist()[:2] == [0, 0]
    assert np.isnan(robustness_value(np.nan))
    assert robustness_value(0.3, q=0.5) < robustness_value(0.3)


def population_share(u, v, given):
    """Share of what `given` leaves of u that v explains, of vectors whose products are covariances."""
    basis = np.linalg.qr(np.column_stack(given))[0] if given else np.zeros((len(u), 0))
    u, v = (w - basis @ (basis.T @ w) for w in (u, v))
    return (u @ v) ** 2 / ((u @ u) * (v @ v))


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_bound_holds_for_a_cause_so_strong_and_is_reached_at_the_worst(times):
    """A cause uncorrelated with the control moves the query `times` as much, and the target by any amount."""
    control, cause, noise_query, noise_target = np.eye(4)
    query = 0.5 * control + 0.5 * np.sqrt(times) * cause + noise_query
    nearness = []
    for effect in np.linspace(-1.5, 1.5, 1501):
        target = 0.4 * query + 0.3 * control + effect * cause + noise_target
        as_strong = population_share(target, cause, [query]) / population_share(target, control, [query])
        if as_strong <= times:
            benchmark = population_share(query, control, []), population_share(target, control, [query])
            on_query, on_target = confounder_bound(*benchmark, times=times)
            assert on_query == pytest.approx(population_share(query, cause, [control]))
            actual = population_share(target, cause, [query, control])
            assert actual <= on_target + 1e-9
            nearness.append(actual / on_target)
    assert max(nearness) > 0.95


def test_table_of_benchmarks(confounded):
    result = sensitivity_analysis(confounded, "y", "q", ["c"], times=(1.0, 2.0, 200.0))
    y, q, c = (confounded[name].to_numpy() for name in "yqc")
    scale = q.std() / y.std()
    estimate, error, left = regression(y, q, c)
    assert (result.estimate, result.standard_error) == pytest.approx((estimate * scale, error * scale))
    assert result.degrees_of_freedom == left
    assert result.partial_r2 == pytest.approx(partial_r2(y, q, c))
    assert 0 < result.significant_robustness < result.robustness < 1
    bounds = result.bounds.set_index("times")
    assert bounds.loc[2.0, "estimate"] < bounds.loc[1.0, "estimate"] < result.estimate
    assert (bounds.loc[[1.0, 2.0], "low"] < bounds.loc[[1.0, 2.0], "estimate"]).all()
    assert bounds.loc[200.0, ["query_r2", "estimate"]].isna().all()
    # Ranks do not see a monotone transformation.
    bent = confounded.assign(y=np.exp(confounded["y"]))
    assert sensitivity_analysis(bent, "y", "q", ["c"], ranks=True).estimate == pytest.approx(
        sensitivity_analysis(confounded, "y", "q", ["c"], ranks=True).estimate
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: robustness_value(1.0), "partial_r2: found 1, expected shares below 1"),
        (lambda f: robustness_value(0.1, q=0), "q: found 0"),
        (lambda f: robustness_value(0.1, alpha=1), "alpha: found 1"),
        (lambda f: robustness_value(0.1, degrees_of_freedom=1), "degrees_of_freedom: found 1"),
        (lambda f: adjusted_estimate(1, 1, 10, 1.0, 0.5), "query_r2, target_r2: found 1.0, 0.5"),
        (lambda f: adjusted_estimate(1, 1, 1, 0.1, 0.5), "degrees_of_freedom: found 1"),
        (lambda f: confounder_bound(1.0, 0.1), "benchmark_query_r2, benchmark_target_r2: found 1.0"),
        (lambda f: confounder_bound(0.1, 0.1, times=0), "times: found 0"),
        (lambda f: confounder_bound(0.5, 0.1, times=2), "which would explain all of the query"),
        (lambda f: sensitivity_analysis(f, "y", "y"), "expected different columns"),
        (lambda f: sensitivity_analysis(f, "y", "z"), "there is no column 'z'"),
    ],
)
def test_refusals(confounded, call, message):
    with pytest.raises(ValueError, match=message):
        call(confounded)
