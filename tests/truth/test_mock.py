"""The mock universe: as hard as a survey, measured as it is, with causes that act as drawn and nulls that are null."""

from __future__ import annotations

import bz2
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from scipy.stats import norm, spearmanr
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict
from threadpoolctl import threadpool_limits

from helpers.survey import SDSS, load_sample
from helpers.survey.mock import UNIVERSE, draw_tile, radius_without_seeing
from helpers.survey.mock.rendering import Conditions, Profiles, render
from helpers.survey.mock.tile import MEASURED_STAMP
from helpers.survey.photometry import measure_galaxies

pytestmark = pytest.mark.slow

BANDS = tuple(band.name for band in SDSS.bands)
PHOTOMETRY = [*SDSS.magnitudes, "EBV"]
BRIGHT = 17.0
N_ONE_SPECTRUM = 2500
N_RESAMPLES = 1000


def columns(quantity: str) -> list[str]:
    return [f"{quantity}_{band}" for band in BANDS]


def out_of_fold(values: np.ndarray, target: np.ndarray, n_folds: int = 10, max_iter: int = 200) -> np.ndarray:
    """Target less its prediction by gradient boosting that did not see it."""
    model = HistGradientBoostingRegressor(max_iter=max_iter, learning_rate=0.08, random_state=0)
    folds = KFold(n_folds, shuffle=True, random_state=0)
    # One thread: boosting's threads wait for one another, and on a busy machine take many times as long.
    with threadpool_limits(1):
        return target - cross_val_predict(model, values, target, cv=folds)


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


@pytest.fixture(scope="module")
def catalog(mock_universe):
    return mock_universe.catalog


@pytest.fixture(scope="module")
def truth(mock_universe):
    return mock_universe.truth


@pytest.fixture(scope="module")
def bright(catalog):
    return (catalog["petroMag_r"] < BRIGHT).to_numpy()


# How hard the mass is to tell, and what would help.


@pytest.fixture(scope="module")
def measured_error(catalog, mock_universe):
    """Error of the mass in dex from measured magnitudes and reddening, and whatever stands beside them."""

    def error(*beside: pd.DataFrame) -> float:
        values = np.column_stack([catalog[PHOTOMETRY], *beside])
        return rms(out_of_fold(values, mock_universe.mass))

    alone = error()
    return lambda *beside: error(*beside) if beside else alone


def test_mass_is_as_hard_to_tell_as_in_a_survey(measured_error, catalog):
    assert 0.20 <= measured_error() <= 0.28
    assert 0.05 <= measured_error(catalog[["z"]]) <= 0.13


def test_mass_is_hard_for_the_right_reason(truth, mock_universe):
    # Perfect photometry, perfect reddening: what is left is mass-to-light at fixed colour, and distance.
    magnitudes, reddening = truth[list(SDSS.magnitudes)].to_numpy(), truth[["reddening"]].to_numpy()
    assert rms(out_of_fold(np.hstack([magnitudes, reddening]), mock_universe.mass)) >= 0.08
    # Trees read colours that they are given far better than those that they have to find between magnitudes.
    intrinsic = magnitudes - reddening * [band.extinction for band in SDSS.bands]
    colours = np.column_stack([intrinsic[:, BANDS.index("r")], -np.diff(intrinsic, axis=1)])
    assert rms(out_of_fold(colours, mock_universe.mass)) >= 0.08


def test_bulge_and_infrared_each_tell_more(measured_error, catalog, truth):
    assert measured_error() - measured_error(truth[["bulge_fraction"]]) >= 0.015
    assert measured_error() - measured_error(catalog[["w1mpro", "w2mpro"]]) >= 0.015


def test_errors_tell_next_to_nothing(measured_error, catalog):
    assert 1 - measured_error(catalog[columns("petroMagErr")]) / measured_error() <= 0.03


# Measured against true.


@pytest.mark.parametrize("band", "griz")
def test_petrosian_flux_of_bright_galaxies(catalog, truth, bright, band):
    assert np.median((catalog[f"petroFlux_{band}"] / truth[f"petroFlux_{band}"])[bright]) == pytest.approx(1, abs=0.03)


def without_seeing(catalog: pd.DataFrame, band: str) -> np.ndarray:
    return radius_without_seeing(*(catalog[f"{name}_{band}"].to_numpy() for name in ("Sersic_n", "Sersic_r", "expAB")))


@pytest.mark.parametrize("band", BANDS)
def test_seeing_widens_and_the_fits_know_by_how_much(catalog, truth, bright, band):
    true = truth[f"petroR50_{band}"][bright]
    raw = np.nanmedian(catalog[f"petroR50_{band}"][bright] / true)
    assert 1.0 < raw < 1.15
    if band in "gri":
        assert np.nanmedian(without_seeing(catalog[bright], band) / true) == pytest.approx(1, abs=0.05)


def test_noise_leaves_the_half_light_radius_where_the_picture_has_it(catalog, truth, bright):
    rows = np.flatnonzero(bright)[:300]
    catalog, truth = catalog.iloc[rows], truth.iloc[rows]
    conditions = Conditions(
        psf_width=catalog[columns("psfWidth")].to_numpy(),
        sky_noise=catalog[columns("skyNoise")].to_numpy(),
        gain=np.ones(len(BANDS)),
        sky_offset=np.zeros((len(rows), len(BANDS))),
    )
    parts = {f"{part}_flux": truth[columns(f"{part}_flux")].to_numpy() for part in ("bulge", "disc")}
    for quantity in ("radius", "axis_ratio"):
        on_the_sky = "angular_radius" if quantity == "radius" else quantity
        parts |= {f"{part}_{quantity}": truth[f"{part}_{on_the_sky}"].to_numpy() for part in ("bulge", "disc")}
    parts |= {name: truth[name].to_numpy() for name in ("bulge_sersic_index", "position_angle")}
    # Off the centre of the pixels as the mock's galaxies are, though not each by the same.
    offset = np.random.default_rng(0).uniform(-0.5, 0.5, (len(rows), 2))
    seen = [
        measure_galaxies(render(*chunk, size=MEASURED_STAMP), chunk[1].psf_width).radius_50
        for chunk in in_chunks(Profiles(**parts, offset=offset), conditions)
    ]
    ratio = catalog[columns("petroR50")].to_numpy() / np.concatenate(seen)
    np.testing.assert_allclose(np.nanmedian(ratio, axis=0), 1, atol=0.01)


def in_chunks(profiles: Profiles, conditions: Conditions, size: int = 100) -> Iterator[tuple[Profiles, Conditions]]:
    for start in range(0, len(profiles.offset), size):
        part = slice(start, start + size)
        yield (
            Profiles(**{name: value[part] for name, value in vars(profiles).items()}),
            Conditions(**{n: value if n == "gain" else value[part] for n, value in vars(conditions).items()}),
        )


@pytest.mark.parametrize("band", BANDS)
def test_axis_ratio_is_that_before_the_seeing(catalog, truth, bright, band):
    difference = (catalog[f"expAB_{band}"] - truth[f"expAB_{band}"])[bright]
    assert abs(difference.median()) <= 0.05
    if band != "u":  # whose sky is as bright as most galaxies: there the scatter alone is 0.05
        assert difference.abs().median() <= 0.05


@pytest.mark.parametrize("band", "gr")
def test_sersic_index_ranks_galaxies(catalog, truth, bright, band):
    found = spearmanr(catalog[f"Sersic_n_{band}"][bright], truth[f"Sersic_n_{band}"][bright], nan_policy="omit")
    assert found.statistic >= 0.7


def test_colour_gradients_are_real_and_belong_to_bulges(catalog, truth, bright):
    for quantity, least_width in (("Sersic_n", 0.05), ("petroR50", 0.02)):
        true = truth[f"{quantity}_g"] / truth[f"{quantity}_r"]
        low, high = np.quantile(true, [0.05, 0.95])
        assert high - low > least_width
        assert abs(spearmanr(true, truth["bulge_fraction"]).statistic) > 0.2
    index = catalog["Sersic_n_g"] / catalog["Sersic_n_r"]
    assert spearmanr(index[bright], truth["bulge_fraction"][bright], nan_policy="omit").statistic > 0.2
    # Noise and seeing all but hide the gradient of radii, a percent or two: it is there, in well measured galaxies.
    radius = catalog["petroR50_g"] / catalog["petroR50_r"]
    assert spearmanr(radius[bright], (truth["petroR50_g"] / truth["petroR50_r"])[bright]).statistic > 0.3
    well_measured = catalog["petroMag_r"] < 16
    assert spearmanr(radius[well_measured], truth["bulge_fraction"][well_measured]).statistic < -0.15


# The catalogue: what may be null, and that nothing true is in it.


def test_nulls_stand_where_something_could_not_be_measured(catalog):
    null = catalog.isna()
    for band in BANDS:
        no_flux = catalog[f"petroFlux_{band}"] <= 0
        for quantity in ("petroMag", "petroMagErr", "petroR50", "petroR90"):
            pd.testing.assert_series_equal(null[f"{quantity}_{band}"], no_flux, check_names=False)
        faint = null[f"Sersic_n_{band}"]
        for quantity in ("Sersic_r", "expAB"):
            pd.testing.assert_series_equal(null[f"{quantity}_{band}"], faint, check_names=False)
        # A band without a profile is mostly noise: hardly any has a flux known to better than 10 sigma.
        assert (catalog[f"petroMagErr_{band}"][faint] < 0.1).sum() <= 0.05 * faint.sum()
    density = null["log_density_5"]
    pd.testing.assert_series_equal(null["density_contrast_5"], density, check_names=False)
    assert density.mean() < 0.03
    for name in ("w1mpro", "w2mpro"):
        pd.testing.assert_series_equal(null[name], null[name.replace("mpro", "sigmpro")], check_names=False)
    assert not null[["w1mpro", "w2mpro"]].any(axis=None) and 0.2 < null["w3mpro"].mean() < 0.6
    allowed = (
        *(f"{quantity}_u" for quantity in ("petroMag", "petroMagErr", "petroR50", "petroR90")),
        *(f"{quantity}_z" for quantity in ("petroMag", "petroMagErr", "petroR50", "petroR90")),
        *(f"{quantity}_{band}" for quantity in ("Sersic_n", "Sersic_r", "expAB") for band in "uz"),
        *("w3mpro", "log_density_5", "density_contrast_5"),
    )
    assert set(catalog.columns[null.any()]) <= set(allowed)


def test_nothing_true_stands_in_the_catalogue_but_the_target(catalog, truth):
    observable = {
        name for q in ("petroFlux", "petroMag", "petroR50", "petroR90", "Sersic_n", "expAB") for name in columns(q)
    }
    assert set(catalog) & set(truth) == observable
    # Of a monotonic function of one true property the ranks would be the same.
    seen, true = catalog.rank(), truth.rank()
    same = {(a, b) for a in seen for b in true if (seen[a] == true[b]).mean() > 0.5}
    assert same == {("lgm_tot_p50", "log_mass")}


# The sky.


@pytest.mark.parametrize("band", BANDS)
def test_sky_noise_is_that_of_a_real_field(catalog, shared_data, band):
    path = shared_data / "sdss_field_5112_4_345" / f"frame-{band}-005112-4-0345.fits.bz2"
    if not path.is_file():
        pytest.skip(f"no real field: {path.name} is not among the shared data")
    with bz2.open(path) as stream, fits.open(stream) as frame:
        pixels = np.asarray(frame[0].data, np.float64)
    height, width = (length // 64 for length in pixels.shape)
    blocks = pixels[: height * 64, : width * 64].reshape(height, 64, width, 64).swapaxes(1, 2)
    blocks = blocks.reshape(height * width, -1)
    scatter = 1.4826 * np.median(np.abs(blocks - np.median(blocks, axis=1, keepdims=True)), axis=1)
    low, high = np.quantile(scatter, [0.01, 0.99])
    noise = catalog[f"skyNoise_{band}"]
    assert low < noise.median() < high
    assert noise.between(0.8 * low, 1.25 * high).mean() > 0.9


# Causes.


@pytest.fixture(scope="module")
def tile():
    return draw_tile(0, 0)


def changed(first: dict, second: dict) -> set[str]:
    return {name for name in UNIVERSE.names if not np.array_equal(first[name], second[name])}


def descendants(name: str) -> set[str]:
    return {other for other in UNIVERSE.names if name in UNIVERSE.ancestors(other)}


def children(name: str) -> set[str]:
    return {child for parent, child, _ in UNIVERSE.edges if parent == name}


@pytest.mark.parametrize("name", UNIVERSE.names)
def test_an_intervention_reaches_all_children_and_only_descendants(tile, name):
    value = float(np.median(tile[name]))
    after = draw_tile(0, 0, UNIVERSE.do({name: value}))
    assert (after[name] == value).all()
    assert {name} | children(name) <= changed(tile, after) <= {name} | descendants(name)


@pytest.mark.parametrize("arrow", [f"{parent} -> {child}" for parent, child, _ in UNIVERSE.edges])
def test_a_cut_arrow_reaches_its_child_and_only_descendants(tile, arrow):
    child = arrow.split(" -> ")[1]
    after = draw_tile(0, 0, UNIVERSE.do({arrow: None}))
    assert {child} <= changed(tile, after) <= {child} | descendants(child)


def test_inclination_moves_axis_ratios_and_leaves_the_mass(tile, catalog, data_cache):
    face_on = draw_tile(0, 0, UNIVERSE.do({"inclination": 0.0}))
    np.testing.assert_array_equal(face_on["log_mass"], tile["log_mass"])
    for part in ("disc", "bulge"):
        np.testing.assert_allclose(face_on[f"{part}_axis_ratio"], 1, atol=1e-12)
        assert tile[f"{part}_axis_ratio"].min() < 0.75
    seen = load_sample("mock", 150, 0, cache_dir=data_cache, interventions={"inclination": 0.0})
    assert catalog["expAB_r"].median() < 0.75 and seen.catalog["expAB_r"].median() > 0.93
    # Galaxies that are in both samples keep their mass, and are seen at the same place with the same errors.
    both = seen.catalog.merge(catalog, on="objID", suffixes=("", "_before"))
    assert len(both) > 100
    for name in ("lgm_tot_p50", "ra", "dec", "z", "EBV", "sfr_tot_p50", "psfWidth_r"):
        np.testing.assert_array_equal(both[name], both[f"{name}_before"])


def quenched_in(tiles: range, **interventions) -> pd.DataFrame:
    model = UNIVERSE.do({name.replace("__", " -> "): value for name, value in interventions.items()})
    drawn = [draw_tile(tile, 0, model) for tile in tiles]
    wanted = ("log_mass", "environment", "quenched")
    frames = [
        pd.DataFrame({name: one[name] for name in wanted}).assign(tile=tile)
        for tile, one in zip(tiles, drawn, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def test_environment_quenches():
    dense, empty = (quenched_in(range(4), environment=value) for value in (3.0, 0.0))
    np.testing.assert_array_equal(dense["log_mass"], empty["log_mass"])
    for galaxies, environment in ((dense, 3.0), (empty, 0.0)):
        survival = np.exp(-(10 ** (1.3 * (galaxies["log_mass"] - 10.75)))) * np.exp(
            -(10 ** (0.6 * (environment - 2.8)))
        )
        error = np.sqrt((survival * (1 - survival)).sum()) / len(galaxies)
        assert galaxies["quenched"].mean() == pytest.approx((1 - survival).mean(), abs=4 * error)
    assert dense["quenched"].mean() > empty["quenched"].mean() + 0.5
    # The noise is the same in both worlds: nobody is quenched by emptiness alone.
    assert (dense["quenched"] >= empty["quenched"]).all()


def dependence_p_value(galaxies: pd.DataFrame, n_permutations: int = 1999) -> float:
    """Permutation test of environment against quenching given mass.

    Environments are exchanged between galaxies of one patch of sky and one narrow range of mass. Unlike a local
    regression, this assumes nothing about a property that is 0 or 1, and its level is exact where mass does not cause
    the environment, as here.
    """
    galaxies = galaxies[galaxies["log_mass"] > 9.5]
    stratum = galaxies.groupby(["tile", (galaxies["log_mass"] / 0.25).astype(int)]).ngroup()
    quenched = galaxies["quenched"] - galaxies["quenched"].groupby(stratum).transform("mean")
    order = np.argsort(stratum.to_numpy(), kind="stable")
    stratum, quenched = stratum.to_numpy()[order], quenched.to_numpy()[order]
    environment = galaxies["environment"].to_numpy()[order]
    rng = np.random.default_rng(0)
    draws = [environment[np.lexsort([rng.random(len(order)), stratum])] @ quenched for _ in range(n_permutations)]
    reached = np.abs(draws) >= np.abs(environment @ quenched) * (1 - 1e-12)
    return (1 + reached.sum()) / (1 + n_permutations)


def test_a_cut_arrow_is_really_cut():
    assert dependence_p_value(quenched_in(range(8))) < 0.001
    assert dependence_p_value(quenched_in(range(8), environment__quenched=None)) > 0.05


# Null universes.


def picture_features(sample) -> pd.DataFrame:
    """What a hand would measure on the pictures, beside the shapes of the catalogue."""
    stamps = np.asarray(sample.images[:, BANDS.index("r")], np.float64)
    size = stamps.shape[-1]
    y, x = np.indices((size, size)) - (size - 1) / 2
    radius = SDSS.pixel_scale * np.hypot(x, y)
    inner, outer = (stamps[:, radius < limit].sum(axis=1) for limit in (1.5, 5.0))
    centre = stamps[:, 12:-12, 12:-12]
    turned = np.abs(centre - centre[:, ::-1, ::-1]).sum(axis=(1, 2))
    shapes = [name for quantity in ("Sersic_n", "expAB", "petroR50", "petroR90") for name in columns(quantity)]
    return sample.catalog[shapes].assign(
        concentration=inner / outer, asymmetry=turned / np.abs(centre).sum(axis=(1, 2))
    )


def gain_interval(sample) -> np.ndarray:
    """95% interval of the fall in the mass's error, in dex, when boosting is given the features of the pictures.

    Features that tell nothing cost boosting about 0.01 dex: a null universe gives a loss.
    """
    alone = out_of_fold(sample.catalog[PHOTOMETRY].to_numpy(), sample.mass, 5)
    together = out_of_fold(np.column_stack([sample.catalog[PHOTOMETRY], picture_features(sample)]), sample.mass, 5)
    draws = np.random.default_rng(0).integers(len(sample), size=(N_RESAMPLES, len(sample)))
    fall = np.sqrt((alone**2)[draws].mean(axis=1)) - np.sqrt((together**2)[draws].mean(axis=1))
    return np.quantile(fall, [0.025, 0.975])


TELLING = (
    "Sersic_n_r",
    "expAB_r",
    "petroR50_r",
    "petroR90_r",
    "petroR50_u",
    "Sersic_n_g",
    "concentration",
    "asymmetry",
)


def residual_correlations(sample) -> np.ndarray:
    """Correlation of the mass's residual on the photometry with each feature's, in standard errors.

    The generalised covariance measure (Shah & Peters 2020, Annals of Statistics 48, 1514): standard normal under
    conditional independence, and far sharper than a gain, which carries the cost of useless columns.
    """
    photometry = sample.catalog[PHOTOMETRY].to_numpy()
    mass = out_of_fold(photometry, sample.mass, 5)
    features = picture_features(sample)
    found = []
    for name in TELLING:
        known = features[name].notna().to_numpy()
        values = features[name][known].to_numpy()
        values = np.clip(values, *np.quantile(values, [0.01, 0.99]))
        product = mass[known] * out_of_fold(photometry[known], values, 5, max_iter=100)
        found.append(np.sqrt(len(product)) * product.mean() / product.std())
    return np.array(found)


# Two-sided level of 1% for all features together (Bonferroni).
LARGEST_UNDER_NULL = norm.isf(0.005 / len(TELLING))


def test_pictures_of_the_mock_tell_the_mass_beyond_photometry(mock_universe):
    assert gain_interval(mock_universe)[0] > 0
    assert np.abs(residual_correlations(mock_universe)).max() > 3 * LARGEST_UNDER_NULL


@pytest.fixture(scope="module", params=[("mock-swapped-shapes", 6000), ("mock-one-spectrum", N_ONE_SPECTRUM)])
def null_universe(request, data_cache, mock_universe):
    name, n_galaxies = request.param
    return load_sample(name, n_galaxies, 0, cache_dir=data_cache)


def test_pictures_of_a_null_universe_tell_nothing_beyond_photometry(null_universe, catalog):
    kept = [*PHOTOMETRY, "z", "lgm_tot_p50", "objID"]
    pd.testing.assert_frame_equal(null_universe.catalog[kept], catalog[kept].head(len(null_universe)))
    moved = ["Sersic_n_r", "expAB_r", "petroR50_r", "psfWidth_r", "skyNoise_r"]
    assert (null_universe.catalog[moved] != catalog[moved].head(len(null_universe))).mean(axis=None) > 0.99
    assert gain_interval(null_universe)[0] <= 0
    assert np.abs(residual_correlations(null_universe)).max() < LARGEST_UNDER_NULL
