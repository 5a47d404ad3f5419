"""What networks expect of single galaxies is what estimates judge; placebos one way."""

import numpy as np
import pandas as pd
import pytest

from helpers.information import decompose_inputs, estimate_information, predictive_distributions
from helpers.survey import Sample
from helpers.survey.pictures import readable_size, with_pictures

TINY = {"encoder_hidden": (16,), "estimator_hidden": (16,), "n_folds": 2, "steps": 60, "n_bins": 20, "device": "cpu"}


@pytest.fixture(scope="module")
def sample() -> Sample:
    x, y = np.random.default_rng(0).standard_normal((2, 400))
    frame = pd.DataFrame({"x": x, "y": y, "lgm_tot_p50": 10 + 0.4 * (x + y)})
    return Sample.from_frame(frame, split=pd.Series(["train"] * 240 + ["validation"] * 60 + ["test"] * 100))


@pytest.mark.parametrize("base", [None, ["x"]])
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_distributions_are_those_that_the_estimate_judges(sample, base, seeds):
    reuse: dict = {}
    estimate = estimate_information(sample, ["x", "y"], base=base, seeds=seeds, reuse=reuse, **TINY)
    n_fits = len(reuse)
    known = predictive_distributions(sample, ["x", "y"], base=base, seeds=seeds, reuse=reuse, **TINY)
    assert len(reuse) == n_fits, "nothing may be trained again"
    np.testing.assert_allclose(known.probability.sum(axis=1), 1, atol=1e-6)
    width = known.masses[1] - known.masses[0]
    own = np.clip(((sample.mass[known.rows] - known.masses[0]) / width + 0.5).astype(int), 0, len(known.masses) - 1)
    gain = np.log(known.probability[np.arange(len(own)), own] / known.prior[own])
    np.testing.assert_allclose(gain, estimate.pointwise[known.rows], atol=1e-5)
    np.testing.assert_allclose(known.probability @ known.masses, estimate.predicted_mass[known.rows], atol=1e-5)


def test_one_placebo_is_the_same_as_that_one_of_both(sample):
    found = {
        placebo: decompose_inputs(sample, ["x"], ["y"], placebo=placebo, **TINY)
        for placebo in (True, "first", "second")
    }
    for number, placebo, other in ((1, "first", 2), (2, "second", 1)):
        gain = getattr(found[placebo], f"placebo_gain_{number}")
        assert gain == getattr(found[True], f"placebo_gain_{number}") and np.isfinite(gain)
        assert np.isnan(getattr(found[placebo], f"placebo_gain_{other}"))
        assert f"conditional_{other}_net" not in found[placebo].table()


@pytest.mark.parametrize("placebo", ["third", 2, None, []])
def test_an_unknown_placebo_is_refused(sample, placebo):
    with pytest.raises(ValueError, match="placebo: found .*, expected True, False, 'first' or 'second'"):
        decompose_inputs(sample, ["x"], ["y"], placebo=placebo, **TINY)


@pytest.mark.parametrize(("shape", "size"), [((64, 64), 64), ((50, 70), 32), ((31, 64), 0), ((16, 16), 0)])
def test_pictures_are_the_central_part_that_networks_can_read(sample, shape, size):
    images = np.random.default_rng(1).random((len(sample), 2, *shape), dtype=np.float32)
    loaded = Sample.from_frame(sample.catalog, images, bands="gr", split=sample.split)
    assert readable_size(images, 32) == size
    found = with_pictures(sample, loaded, 32)
    if not size:
        assert found is None
        return
    y, x = ((side - size) // 2 for side in shape)
    np.testing.assert_array_equal(found.images, images[:, :, y : y + size, x : x + size])
    assert found.split.equals(sample.split) and list(found.bands) == ["g", "r"]


def test_a_catalogue_without_images_has_no_pictures(sample):
    assert with_pictures(sample, sample, 32) is None
