"""Sources found on a frame of known ones, and the centre of the light in a stamp."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.survey.detection import find_sources, light_centre
from tests.sky_field import STAND_IN, stand_in_field, unpacked, url_path


def test_known_sources_are_found_where_they_are():
    field = stand_in_field()
    image, _, _ = unpacked(field.frames[url_path(STAND_IN, "r")])
    found = find_sources(image).head(len(field.sources))
    known = field.sources
    distance = np.hypot(*(found[[name]].to_numpy() - known[name].to_numpy() for name in ("x", "y")))
    assert np.array_equal(np.sort(distance.argmin(0)), np.arange(len(known))), "one for one"
    assert (distance.min(0) < 0.1).all()
    wide = found["half_light_radius"].to_numpy()[distance.argmin(0)]
    assert wide[known["extended"]].min() > wide[~known["extended"]].max()
    assert np.array_equal(found["extended"].to_numpy()[distance.argmin(0)], known["extended"].to_numpy())
    # The faint wings of a source are not among its pixels.
    ratio = found["flux"].to_numpy()[distance.argmin(0)] / known["flux_r"]
    assert ratio.between(0.9, 1.1).all()


def test_noise_holds_no_galaxies():
    assert len(find_sources(np.random.default_rng(0).normal(size=(200, 200)), threshold=5)) == 0


@pytest.mark.parametrize("centre", [(31.5, 31.5), (33.2, 29.9), (31.1, 34.0)])
def test_the_centre_of_light_is_found_beside_a_neighbour(centre):
    y, x = np.mgrid[:64, :64]
    stamp = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 2.5**2))
    assert np.allclose(light_centre(stamp), centre, atol=0.01)
    neighbour = 0.5 * np.exp(-((x - 50) ** 2 + (y - 45) ** 2) / (2 * 2.5**2))
    assert np.allclose(light_centre(stamp + neighbour), centre, atol=0.05)
    assert np.isnan(light_centre(np.zeros((64, 64)))).all()


def test_refusals():
    with pytest.raises(ValueError, match=r"image: found shape \(3,\), expected \[y, x\]"):
        find_sources(np.zeros(3))
    with pytest.raises(ValueError, match="threshold: found 0, expected a positive number"):
        find_sources(np.zeros((8, 8)), threshold=0)
