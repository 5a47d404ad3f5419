"""One galaxy after another."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.information import Decomposition, PredictiveDistributions, decompose
from helpers.interaction import explored_galaxy, galaxy_explorer
from helpers.survey import Sample

N, MASSES = 8, np.linspace(9, 12, 7)
ROWS = np.array([1, 3, 4, 6])


@pytest.fixture
def scene() -> tuple[Sample, dict[str, PredictiveDistributions], Decomposition]:
    rng = np.random.default_rng(0)
    catalog = pd.DataFrame({"lgm_tot_p50": np.linspace(9.2, 11.8, N), "petroMag_r": rng.normal(size=N)})
    split = pd.Series(np.where(np.isin(np.arange(N), ROWS), "test", "train"))
    split[0] = "validation"
    images = rng.normal(size=(N, 5, 16, 16)).astype(np.float32)
    sample = Sample.from_frame(catalog, images=images, bands=tuple("ugriz"), split=split)
    prior = np.full(len(MASSES), 1 / len(MASSES))
    distributions = {
        name: PredictiveDistributions(name, ROWS, MASSES, prior, rng.dirichlet(np.ones(len(MASSES)), len(ROWS)))
        for name in ("ugriz", "image", "both")
    }
    pointwise = np.full((3, N), np.nan)
    pointwise[:, ROWS] = rng.normal(size=(3, len(ROWS)))
    return sample, distributions, decompose(*pointwise)


def shown(figure: Any) -> dict[str, Any]:
    """Lines of the distributions by name, and lengths of the bars."""
    *_, known, parts = figure.axes
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in known.lines}
    return lines | {"bars": [patch.get_width() for patch in parts.patches]}


def test_a_galaxy_is_shown_with_its_own_distributions_and_components(scene: Any) -> None:
    sample, distributions, decomposition = scene
    figure = explored_galaxy(sample, 4, distributions, decomposition, {4: [0, 2, 5, 7, 1]})
    found = shown(figure)
    for name, one in distributions.items():
        np.testing.assert_allclose(found[name], one.probability[2] / 0.5)
    own = decomposition.table().iloc[4]
    np.testing.assert_allclose(found["bars"], [own[part] for part in ("R", "U1", "U2", "Syn")])
    titles = [axis.get_title() for axis in figure.axes[:-2]]
    assert titles[0] == f"this galaxy\nlog M* {sample.mass[4]:.2f}"
    assert titles[1:] == [f"neighbour {i + 1}\nlog M* {sample.mass[row]:.2f}" for i, row in enumerate((0, 2, 5, 7))]
    plt.close(figure)


def test_a_galaxy_that_was_not_held_out_and_a_sample_without_images_are_refused(scene: Any) -> None:
    sample, distributions, decomposition = scene
    with pytest.raises(ValueError, match="row: found 0, expected one of the 4 galaxies of 'ugriz'"):
        explored_galaxy(sample, 0, distributions, decomposition)
    bare = Sample.from_frame(sample.catalog, split=sample.split)
    with pytest.raises(ValueError, match="sample: found no images"):
        explored_galaxy(bare, 4, distributions, decomposition)
    plt.close("all")


def test_the_explorer_goes_through_the_galaxies_in_the_order_asked_for(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ipywidgets")
    sample, distributions, decomposition = scene
    drawn: list[int] = []

    def draw(sample: Sample, row: int, *rest: Any) -> Any:
        drawn.append(row)
        return plt.figure()

    monkeypatch.setattr("helpers.interaction.explorers.explored_galaxy", draw)
    order, place = galaxy_explorer(sample, distributions, decomposition).children[0].children
    for position in (0, 1, 2, 3):
        place.value = position
    assert drawn[1:] == [1, 3, 4, 6]  # the third was shown first, so that all moves count
    order.value = "synergy"
    synergy = decomposition.table()["Syn"]
    assert drawn[-1] == synergy.loc[ROWS].idxmax()
    place.value = 0
    assert drawn[-1] == synergy.loc[ROWS].idxmin()
