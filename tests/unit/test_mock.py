"""The mock's parts: causes, sky, light, observation, perfect measurements, and how a universe is loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from astropy.cosmology import Planck18
from hypothesis import given
from hypothesis import strategies as st
from kcorrect.kcorrect import Kcorrect
from scipy.stats import spearmanr

from helpers.causal.graphs import CausalGraph
from helpers.inputs import resolve
from helpers.runs import file_sha256
from helpers.survey import SDSS, load_sample
from helpers.survey.mock import UNIVERSE, StructuralCausalModel, Variable, draw_tile, loading, radius_without_seeing
from helpers.survey.mock.cosmology import comoving_distance, distance_modulus, kpc_per_arcsec, redshift_at
from helpers.survey.mock.light import LIGHT_BANDS, N_TEMPLATES, optical_depth, population_flux, templates
from helpers.survey.mock.observing import FIELD, field_conditions, infrared_catalog, measured_redshift
from helpers.survey.mock.profile_truth import true_shape
from helpers.survey.mock.rendering import Profiles
from helpers.survey.mock.sky import REDSHIFT_RANGE, TILE, draw_positions, reddening_map, tile_centre
from helpers.survey.mock.universe import MASS_RANGE, MEAN_DENSITY, draw_log_mass, group_spread
from helpers.survey.sersic import sersic_b

# Structural causal models.


def small_model() -> StructuralCausalModel:
    """``a -> b -> d <- c``, where c is given and d has two components."""

    def variable(name, parents, equation, components=()):
        return Variable(name, parents, equation, "", "", "", components)

    return StructuralCausalModel(
        (
            variable("a", (), lambda parents, noise, n: noise.standard_normal(n)),
            variable("b", ("a",), lambda parents, noise, n: 2 * parents["a"] + 0.1 * noise.standard_normal(n)),
            variable("c", (), None),
            variable(
                "d", ("b", "c"), lambda parents, noise, n: np.stack([parents["b"], parents["c"]], axis=1), ("x", "y")
            ),
        )
    )


def sampled(interventions=None, n: int = 500, seed=(1, 2)) -> dict[str, np.ndarray]:
    return small_model().do(interventions or {}).sample(n, seed, {"c": np.arange(float(n))})


def test_equations_act_in_causal_order():
    values = sampled()
    np.testing.assert_array_equal(values["d"], np.stack([values["b"], np.arange(500.0)], axis=1))
    residual = values["b"] - 2 * values["a"]
    # Standard deviation 0.1, known from 500 draws to 1 in 32; noises of two variables have nothing in common.
    assert residual.std() == pytest.approx(0.1, rel=4 / 32)
    assert abs(np.corrcoef(residual, values["a"])[0, 1]) < 4 / np.sqrt(500)
    assert values["a"][0] != sampled(seed=(1, 3))["a"][0]


def test_a_number_replaces_an_equation_and_its_arrows():
    before, after = sampled(), sampled({"b": 3.0})
    assert (after["b"] == 3).all() and (after["d"][:, 0] == 3).all()
    np.testing.assert_array_equal(after["a"], before["a"])
    model = small_model().do({"b": 3.0, "d": -1.0, "c": 5.0})
    assert model.edges == () and model["b"].formula == "do(3)"
    fixed = model.sample(4, [0])
    assert (fixed["d"] == -1).all() and fixed["d"].shape == (4, 2) and (fixed["c"] == 5).all()


def test_an_equation_replaces_another_and_meets_its_parents_and_noise():
    before = sampled()
    after = sampled({"b": lambda parents, noise, n: -parents["a"] + 0.1 * noise.standard_normal(n)})
    np.testing.assert_allclose(after["b"] + after["a"], before["b"] - 2 * before["a"], atol=1e-12)
    assert small_model().do({"b": lambda parents, noise, n: np.zeros(n)}).edges == small_model().edges


def test_a_cut_arrow_keeps_the_distributions_and_takes_the_dependence():
    cut = small_model().do({"a -> b": None})
    assert cut["b"].parents == () and cut["b"].cut == {"a"} and "b" in small_model().ancestors("d")
    before, after = sampled(), sampled({"a->b": None})
    np.testing.assert_array_equal(after["a"], before["a"])
    assert abs(np.corrcoef(after["a"], after["b"])[0, 1]) < 4 / np.sqrt(500)
    # The same values of a, the same noise, paired otherwise.
    residual = before["b"] - 2 * before["a"]
    np.testing.assert_allclose(np.sort((after["b"] - residual) / 2), np.sort(before["a"]), atol=1e-12)


def test_noise_does_not_depend_on_what_else_is_in_the_model():
    more = StructuralCausalModel(
        (Variable("first", (), lambda p, noise, n: noise.random(n), "", "", ""), *small_model().variables)
    )
    values = more.sample(500, (1, 2), {"c": np.arange(500.0)})
    for name, value in sampled().items():
        np.testing.assert_array_equal(values[name], value)


@pytest.mark.parametrize(
    ("interventions", "words"),
    [
        ({"size": 1.0}, "variable: found 'size', expected one of a, b, c, d"),
        ({"a -> size": None}, "there is no variable 'size', found in 'a -> size'"),
        ({"a -> d": None}, "found 'a -> d': None, .*arrows into 'd' come from b, c"),
        ({"a -> b": 1.0}, "found 'a -> b': 1.0, expected None at one of the model's arrows"),
        ({"b": "half"}, "found 'half' for 'b', expected a finite number or an equation"),
        ({"b": float("nan")}, "found nan for 'b', expected a finite number"),
        ({3: 1.0}, "interventions: found {3: 1.0}, expected a mapping from names or arrows"),
        ([("b", 1.0)], "interventions: found .*, expected a mapping"),
        ({"b": None}, "found None for 'b'"),
    ],
)
def test_interventions_that_do_not_fit_are_refused(interventions, words):
    with pytest.raises(ValueError, match=words):
        small_model().do(interventions)


def test_models_and_equations_that_do_not_fit_are_refused():
    first, second, *_ = small_model().variables
    with pytest.raises(ValueError, match="'a' stands twice"):
        StructuralCausalModel((first, first))
    with pytest.raises(ValueError, match="'b' has the parent 'a', which is not before it"):
        StructuralCausalModel((second, first))
    with pytest.raises(ValueError, match="'a' has the parent 'a'"):  # no cycle stands in a causal order
        StructuralCausalModel((replace(first, parents=("a",)),))
    with pytest.raises(ValueError, match="given: 'c' is missing"):
        small_model().sample(3, [0])
    with pytest.raises(ValueError, match=r"equation of 'b': found shape \(2,\)"):
        small_model().do({"b": lambda p, noise, n: np.zeros(2)}).sample(3, [0], {"c": np.zeros(3)})
    with pytest.raises(ValueError, match="equation of 'b': .* with 3 values that are not finite"):
        small_model().do({"b": lambda p, noise, n: np.full(n, np.nan)}).sample(3, [0], {"c": np.zeros(3)})
    with pytest.raises(ValueError, match="variable: found 'e'"):
        small_model()["e"]


def test_universe_is_a_graph_in_which_mass_is_caused_by_nothing_and_causes_light():
    graph = CausalGraph(UNIVERSE.names, UNIVERSE.edges)
    assert set(graph.nodes) == set(UNIVERSE.names)
    assert UNIVERSE.ancestors("log_mass") == frozenset() == UNIVERSE.ancestors("inclination")
    assert {"log_mass", "environment", "quenched", "inclination", "redshift"} <= UNIVERSE.ancestors("disc_flux")
    assert "inclination" not in UNIVERSE.ancestors("bulge_flux") and "environment" in UNIVERSE.ancestors("bulge_flux")
    assert UNIVERSE["disc_flux"].columns == tuple(f"disc_flux_{band}" for band in LIGHT_BANDS)
    assert all(variable.formula and variable.meaning for variable in UNIVERSE.variables)


def test_an_equation_reads_its_parents_and_nothing_else():
    values = draw_tile(5, 0)
    n = len(values["ra"])
    for variable in UNIVERSE.variables:
        if variable.equation is not None:
            read = set()

            class Watched(dict):
                def __getitem__(self, key, read=read):
                    read.add(key)
                    return super().__getitem__(key)

            variable.equation(Watched({name: values[name] for name in UNIVERSE.names}), np.random.default_rng(0), n)
            assert read == set(variable.parents), variable.name


def test_an_intervention_changes_nobody_whose_causes_it_leaves():
    before, after = (draw_tile(5, 0, UNIVERSE.do(done)) for done in ({}, {"environment": 0.0}))
    same = before["quenched"] == after["quenched"]
    assert 0.5 < same.mean() < 0.95
    for name in set(UNIVERSE.names) - {"environment"}:
        np.testing.assert_array_equal(before[name][same], after[name][same], err_msg=name)


def test_populations_scatter_as_a_dirichlet_about_their_mean():
    n = 40_000
    parents = {"log_ssfr": np.full(n, -10.0), "metallicity": np.zeros(n)}
    shares = UNIVERSE["disc_population"].equation(parents, np.random.default_rng(0), n)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    rich = 1 / (1 + np.exp(2.6))
    old = shares[:, [0, 3]].sum(axis=1)
    # Of the old stars the metal-rich share is a beta variate, whose concentration is 200 times the old stars' share.
    found = shares[:, 0] / old
    young = 10**-0.82
    assert found.mean() == pytest.approx(rich, rel=0.01)
    assert found.std() == pytest.approx(np.sqrt(rich * (1 - rich) / (1 + 200 * (1 - young))), rel=0.03)


def test_masses_follow_the_mass_function():
    uniform = (np.arange(200_000) + 0.5) / 200_000
    mass = draw_log_mass(uniform)
    assert mass.min() >= MASS_RANGE[0] and mass.max() <= MASS_RANGE[1] and (np.diff(mass) > 0).all()

    def density(log_mass):  # Baldry et al. (2012), per dex
        x = 10 ** (log_mass - 10.66)
        return np.log(10) * np.exp(-x) * (3.96e-3 * x**0.65 + 0.79e-3 * x**-0.47)

    grid = np.linspace(10.4, 10.6, 201)
    expected = np.trapezoid(density(grid), grid)
    assert ((mass > 10.4) & (mass < 10.6)).mean() * MEAN_DENSITY == pytest.approx(expected, rel=2e-3)


# Sky and distances.


def test_tiles_spiral_out_of_the_centre():
    centres = [tile_centre(tile) for tile in range(121)]
    assert centres[0] == (180.0, 0.0) and len(set(centres)) == 121
    for side in (3, 5, 7, 9, 11):  # odd squares are filled one after the other
        reach = side // 2
        inner = {(180.0 + TILE * x, TILE * y) for x in range(-reach, reach + 1) for y in range(-reach, reach + 1)}
        assert set(centres[: side**2]) == inner
    steps = np.abs(np.diff(centres, axis=0)).sum(axis=1)
    assert (steps == TILE).all()


def test_groups_have_the_stated_density_and_spread():
    drawn = [draw_positions(tile, np.random.default_rng([8, tile])) for tile in range(30)]
    near, far = comoving_distance(np.array(REDSHIFT_RANGE))
    dec = np.radians([tile_centre(tile)[1] for tile in range(30)])
    solid_angle = 2 * np.sin(np.radians(TILE / 2)) * np.radians(TILE) * np.cos(dec).sum()
    counts = np.array([len(one["ra"]) for one in drawn])
    expected = MEAN_DENSITY * solid_angle * (far**3 - near**3) / 3
    # Groups make a patch's number scatter by far more than its root.
    assert counts.sum() == pytest.approx(expected, abs=4 * counts.std(ddof=1) * np.sqrt(30))
    together = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
    richness, distance = together["group_richness"], together["group_distance"]
    alone = richness == 1
    assert (distance[alone] == 0).all() and richness.max() <= 300
    # Each galaxy is one of a group: with p(N) ~ N^-2 that of N members has N times the weight.
    assert alone.mean() == pytest.approx(1 / (1 / np.arange(1, 301)).sum(), abs=0.02)
    # A Gaussian in three dimensions: the mean square distance is three variances, each square known to sqrt(2 / 3).
    square = (distance[~alone] / group_spread(richness[~alone])) ** 2
    assert square.mean() == pytest.approx(3, abs=4 * np.sqrt(6 / len(square)))
    # Galaxies without companions are in the cone; their volume density does not change with distance.
    ra, dec = tile_centre(0)
    one = drawn[0]
    single = one["group_richness"] == 1
    assert (np.abs(one["ra"] - ra)[single] <= TILE / 2).all() and (np.abs(one["dec"] - dec)[single] <= TILE / 2).all()
    share = (comoving_distance(together["redshift"][alone]) ** 3 - near**3) / (far**3 - near**3)
    assert share.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * alone.sum()))


def test_environment_is_high_where_companions_are():
    values = draw_tile(3, 0)
    alone = values["group_richness"] == 1
    assert (values["environment"][alone] == 0).all()
    rich = values["group_richness"] > 20
    core = values["group_distance"] < 0.5 * group_spread(values["group_richness"])
    outskirts = values["group_distance"] > 2 * group_spread(values["group_richness"])
    assert values["environment"][rich & core].min() > values["environment"][rich & outskirts].mean() + 0.3


def test_reddening_is_smooth_and_about_as_large_as_off_the_galactic_plane():
    ra, dec = np.random.default_rng(0).uniform([[170], [-10]], [[190], [10]], (2, 4000))
    reddening = reddening_map(ra, dec, 1)
    assert 0.02 < np.median(reddening) < 0.045 and reddening.min() > 0.003 and reddening.max() < 0.3
    assert np.abs(np.log(reddening_map(ra + 0.02, dec, 1) / reddening)).max() < 0.1
    assert abs(spearmanr(reddening, reddening_map(ra, dec, 2)).statistic) < 0.2


@given(st.floats(0.005, 0.345))
def test_distances_are_those_of_the_cosmology(redshift):
    assert comoving_distance(redshift) == pytest.approx(Planck18.comoving_distance(redshift).value, rel=1e-6)
    assert redshift_at(comoving_distance(redshift)) == pytest.approx(redshift, rel=1e-9)
    assert distance_modulus(redshift) == pytest.approx(Planck18.distmod(redshift).value, abs=1e-5)
    assert kpc_per_arcsec(redshift) == pytest.approx(1 / Planck18.arcsec_per_kpc_proper(redshift).value, rel=1e-6)


def test_distances_beyond_the_table_are_refused():
    for redshift in (-0.01, 0.36):
        with pytest.raises(ValueError, match=f"redshift: found {redshift}, expected numbers from 0 to 0.35"):
            distance_modulus(np.array([0.1, redshift]))


# Light.


def test_flux_grows_with_mass_and_falls_with_distance_and_extinction():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(N_TEMPLATES), 6)
    redshift, mass = np.full(6, 0.1), 10 ** rng.uniform(9, 11, 6)
    none = np.zeros((6, len(LIGHT_BANDS)))
    flux = population_flux(mass, weights, redshift, none)
    np.testing.assert_allclose(population_flux(3 * mass, weights, redshift, none), 3 * flux)
    np.testing.assert_allclose(population_flux(mass, weights, redshift, none + 2.5), flux / 10)
    # Nanomaggies: 10^9 at magnitude 0. Between two redshifts of the table the spectrum is interpolated.
    modulus = Planck18.distmod(0.1).value
    expected = 1e9 * mass[:, None] * np.einsum("bt,nt->nb", templates().maggies[10], weights) * 10 ** (-0.4 * modulus)
    np.testing.assert_allclose(flux, expected, rtol=1e-5)
    middle = 0.5 * (templates().maggies[10] + templates().maggies[11])
    np.testing.assert_allclose(templates().at(np.array([0.105]))[0], middle, rtol=1e-9)


def test_kcorrect_finds_the_mass_that_was_put_in():
    # The spectrum's shift, its distance and its unit, by the fit that surveys make.
    rng = np.random.default_rng(1)
    redshift, mass = np.array([0.02, 0.1, 0.2, 0.3]), 10 ** rng.uniform(9, 11, 4)
    maggies = 1e-9 * population_flux(mass, rng.dirichlet(np.ones(N_TEMPLATES), 4), redshift, np.zeros((4, 8)))[:, :5]
    fitter = Kcorrect(responses=[f"sdss_{band.name}0" for band in SDSS.bands], redshift_range=[0, 0.35], nredshift=701)
    given = {"redshift": redshift.astype(np.float32)}
    coefficients = fitter.fit_coeffs(
        **given, maggies=maggies.astype(np.float32), ivar=(1e-3 * maggies).astype(np.float32) ** -2
    )
    found = fitter.derived(**given, coeffs=coefficients)["mremain"]
    np.testing.assert_allclose(found, mass, rtol=2e-3)


def test_populations_have_the_light_that_stars_have():
    maggies = templates().maggies[0]
    r, u, g = (LIGHT_BANDS.index(band) for band in "rug")
    # Solar masses per solar luminosity; the Sun has 4.65 in r (Willmer 2018).
    ratio = 10 ** (0.4 * (-2.5 * np.log10(maggies[r]) - 4.65))
    old, young = (list(UNIVERSE["disc_population"].components).index(name) for name in ("old", "young"))
    assert 1 < ratio[old] < 6 and ratio[young] < 0.5
    colour = -2.5 * np.log10(maggies[u] / maggies[g])
    assert colour[old] > 1.3 and colour[young] < 0.8


def test_depth_of_dust_is_a_power_of_the_rest_wavelength():
    depth = optical_depth(np.array([0.5, 0.5]), np.array([-1.0, -0.7]), np.array([0.0, 0.2]))
    wavelength = np.array([band.wavelength for band in SDSS.bands])
    np.testing.assert_allclose(depth[0, :5], 0.5 * 0.55 / wavelength)
    np.testing.assert_allclose(depth[1, :5], 0.5 * (wavelength / 1.2 / 0.55) ** -0.7)


def test_a_slab_of_dust_dims_an_inclined_disc_more():
    face_on, inclined = (draw_tile(2, 0, UNIVERSE.do({"inclination": angle})) for angle in (0.0, 70.0))
    np.testing.assert_array_equal(face_on["bulge_flux"], inclined["bulge_flux"])
    ratio = inclined["disc_flux"] / face_on["disc_flux"]
    assert (ratio < 1).all() and (ratio[:, 0] < ratio[:, 4]).mean() > 0.99

    def slab(depth):  # stars and dust mixed: the mean of exp(-t) over t from 0 to the depth
        return (1 - np.exp(-depth)) / depth

    depth = optical_depth(face_on["dust_depth"], face_on["dust_slope"], face_on["redshift"])
    np.testing.assert_allclose(ratio, slab(depth / np.cos(np.radians(70))) / slab(depth), rtol=1e-9)


# Observing.


def test_a_field_has_conditions_of_its_own():
    ra = np.array([180.01, 180.19, 180.21, 180.05])
    dec = np.array([0.01, 0.19, 0.01, -0.01])
    first = field_conditions(ra, dec, 3, np.random.default_rng(0))
    # The same square of the sky: the same seeing and noise, whoever else is observed and with which generator.
    again = field_conditions(ra[1:], dec[1:], 3, np.random.default_rng(5))
    for name in ("psf_width", "sky_noise"):
        values = getattr(first, name)
        np.testing.assert_array_equal(values[0], values[1])
        assert (values[2] != values[0]).all() and (values[3] != values[0]).all()
        np.testing.assert_array_equal(getattr(again, name), values[1:])
    assert (field_conditions(ra, dec, 4, np.random.default_rng(0)).psf_width != first.psf_width).all()
    grid = np.arange(40) * FIELD + FIELD / 2
    many = field_conditions(np.repeat(180 + grid, 40), np.tile(grid, 40), 0, np.random.default_rng(0))
    np.testing.assert_allclose(np.median(many.psf_width, axis=0), [1.50, 1.40, 1.32, 1.26, 1.25], rtol=0.01)
    np.testing.assert_allclose(np.median(many.sky_noise, axis=0), [0.044, 0.016, 0.029, 0.050, 0.25], rtol=0.01)
    assert 0.07 < np.log(many.psf_width).std(axis=0).min() and np.log(many.sky_noise).std(axis=0).min() > 0.06
    assert np.corrcoef(np.log(many.psf_width).T).min() > 0.9  # one atmosphere
    offset = many.sky_offset / many.sky_noise
    assert offset.std() == pytest.approx(0.02, rel=0.05) and np.abs(np.corrcoef(offset.T) - np.eye(5)).max() < 0.1


def test_infrared_errors_come_from_what_was_measured():
    n = 20_000
    vega = np.array([16.0, 15.5, 11.0])
    flux = np.broadcast_to(10 ** (0.4 * (22.5 - vega - np.array([2.699, 3.339, 5.174]))), (n, 3))
    catalog = infrared_catalog(flux, np.zeros(n), np.random.default_rng(0))
    for i, band in enumerate(("w1", "w2")):
        magnitude, error = catalog[f"{band}mpro"], catalog[f"{band}sigmpro"]
        assert magnitude.median() == pytest.approx(vega[i], abs=0.02)
        # What is stated is what scatters; and of galaxies that are truly alike, the fainter measured are less certain.
        pull = ((10 ** (0.4 * (vega[i] - magnitude)) - 1) * 2.5 / np.log(10)) / (
            error * 10 ** (0.4 * (vega[i] - magnitude))
        )
        assert pull.dropna().std() == pytest.approx(1, abs=0.04)
        assert spearmanr(magnitude, error, nan_policy="omit").statistic > 0.5
    assert list(catalog) == ["w1mpro", "w1sigmpro", "w2mpro", "w2sigmpro", "w3mpro"]
    # What calibration leaves is a share of the measured flux: of the brightest, one error in magnitudes for all.
    bright = infrared_catalog(1e6 * flux[:500], np.zeros(500), np.random.default_rng(0))
    np.testing.assert_allclose(bright["w1sigmpro"], 2.5 / np.log(10) * 0.02, rtol=1e-3)
    assert bright["w1mpro"].std() == pytest.approx(2.5 / np.log(10) * 0.02, rel=4 / np.sqrt(1000))


def test_infrared_of_large_and_of_dark_galaxies():
    flux = np.full((4000, 3), 3000.0)
    point, large = (infrared_catalog(flux, np.full(4000, radius), np.random.default_rng(0)) for radius in (0.0, 6.1))
    # A galaxy as large as the beam keeps 1 / 1.7 of its light.
    assert (large["w1mpro"] - point["w1mpro"]).median() == pytest.approx(2.5 * np.log10(1.7), abs=0.005)
    dark = infrared_catalog(np.zeros((4000, 3)), np.zeros(4000), np.random.default_rng(1))
    # A two-sigma excess of the noise alone: 2.3% of all.
    assert dark["w1mpro"].notna().mean() == pytest.approx(0.023, abs=0.01)
    pd.testing.assert_series_equal(dark["w1mpro"].isna(), dark["w1sigmpro"].isna(), check_names=False)


def test_spectroscopic_redshift_adds_the_velocity():
    redshift = np.full(4000, 0.1)
    seen = {
        velocity: measured_redshift(
            {"redshift": redshift, "peculiar_velocity": np.full(4000, velocity)}, np.random.default_rng(0)
        )
        for velocity in (0.0, 600.0)
    }
    np.testing.assert_allclose(seen[600.0] - seen[0.0], 1.1 * 600 / 299_792.458, rtol=1e-9)
    assert np.std(seen[0.0]) == pytest.approx(1.1 * 30 / 299_792.458, rel=4 / np.sqrt(8000))


# What a perfect observer would measure.


def profiles(n: int, bulge_flux, disc_flux, **changes) -> Profiles:
    rng = np.random.default_rng(4)
    values = {
        "bulge_radius": rng.uniform(0.5, 2.5, n),
        "disc_radius": rng.uniform(1.5, 5.0, n),
        "bulge_axis_ratio": rng.uniform(0.5, 1.0, n),
        "disc_axis_ratio": rng.uniform(0.2, 1.0, n),
        "bulge_sersic_index": np.round(rng.uniform(1, 4, n), 1),
    }
    return Profiles(
        bulge_flux=np.broadcast_to(bulge_flux, (n, 2)).astype(float),
        disc_flux=np.broadcast_to(disc_flux, (n, 2)).astype(float),
        position_angle=np.zeros(n),
        offset=np.zeros((n, 2)),
        **{**values, **changes},
    )


def light_in_circles(given: Profiles, row: int, band: int, radius: np.ndarray) -> np.ndarray:
    """Light inside circles, by adding up the surface brightness ring by ring: an independent slow twin."""
    edges = np.geomspace(1e-4, radius.max(), 6001)
    middle = np.sqrt(edges[1:] * edges[:-1])
    angle = (np.arange(720) + 0.5) * np.pi / 1440
    brightness = np.zeros(len(middle))
    for flux, half, q, index in (
        (given.bulge_flux, given.bulge_radius, given.bulge_axis_ratio, given.bulge_sersic_index[row]),
        (given.disc_flux, given.disc_radius, given.disc_axis_ratio, 1.0),
    ):
        b = float(sersic_b(index))
        major = np.hypot(np.cos(angle), np.sin(angle) / q[row]) * middle[:, None] / half[row]
        profile = np.exp(-b * major ** (1 / index)).mean(axis=1)
        x = np.geomspace(1e-8, 1e4, 40_001)
        total = np.trapezoid(2 * np.pi * x**2 * np.exp(-b * x ** (1 / index)), np.log(x)) * half[row] ** 2 * q[row]
        brightness += flux[row, band] * profile / total
    inside = np.concatenate([[0.0], np.cumsum(brightness * np.pi * np.diff(edges**2))])
    return np.interp(radius, edges, inside)


def test_true_shapes_are_those_of_the_integrated_light():
    given = profiles(6, [30.0, 60.0], [70.0, 40.0])
    # A compact bulge in a wide disc has more than one Petrosian radius: the outermost counts.
    given.bulge_radius[0], given.disc_radius[0], given.bulge_sersic_index[0] = 0.25, 6.0, 1.0
    given.bulge_flux[0], given.disc_flux[0], given.disc_axis_ratio[0] = 25.0, 75.0, 0.9
    found = true_shape(given, reference=1)
    for row in range(6):
        fine = np.geomspace(0.05, 60, 4001)
        curve = light_in_circles(given, row, 1, 1.25 * fine)
        outer, inner, inside = (np.interp(factor * fine, 1.25 * fine, curve) for factor in (1.25, 0.8, 1.0))
        ratio = (outer - inner) / (1.25**2 - 0.8**2) / inside
        petrosian = fine[np.flatnonzero(ratio >= 0.2)[-1]]
        assert found.petrosian_radius[row] == pytest.approx(petrosian, rel=0.01)
        for band in (0, 1):
            light = light_in_circles(given, row, band, fine)
            flux = np.interp(2 * found.petrosian_radius[row], fine, light)
            assert found.flux[row, band] == pytest.approx(flux, rel=3e-3)
            assert found.radius_50[row, band] == pytest.approx(np.interp(0.5 * flux, light, fine), rel=5e-3)
            assert found.radius_90[row, band] == pytest.approx(np.interp(0.9 * flux, light, fine), rel=5e-3)


def test_true_shape_of_a_single_profile_is_that_profile():
    disc = profiles(5, [0.0, 0.0], [10.0, 20.0])
    found = true_shape(disc, reference=0)
    np.testing.assert_allclose(found.sersic_index, 1, rtol=0.01)
    np.testing.assert_allclose(found.axis_ratio, disc.disc_axis_ratio[:, None] * [1, 1], rtol=1e-12)
    np.testing.assert_allclose(found.flux[:, 1], 2 * found.flux[:, 0], rtol=1e-9)
    bulge = profiles(5, [10.0, 20.0], [0.0, 0.0])
    found = true_shape(bulge, reference=0)
    np.testing.assert_allclose(found.sersic_index[:, 0], bulge.bulge_sersic_index, rtol=0.02)
    # Allowing for the seeing, a fit that found the profile finds its Petrosian half-light radius too.
    without = radius_without_seeing(bulge.bulge_sersic_index, bulge.bulge_radius, bulge.bulge_axis_ratio)
    np.testing.assert_allclose(without, found.radius_50[:, 0], rtol=3e-3)
    assert np.isnan(radius_without_seeing(np.array([np.nan, 1.0]), np.ones(2), np.ones(2))).tolist() == [True, False]
    # A round exponential of half-light radius 1: closed form 1 - (1 + x) exp(-x), x = 1.678 radii.
    circle = radius_without_seeing(np.ones(1), np.ones(1), np.ones(1))[0]
    assert circle == pytest.approx(0.99, abs=0.01)


def test_true_shape_does_not_change_with_scale():
    given = profiles(4, [3.0, 6.0], [7.0, 4.0])
    larger = replace(given, bulge_radius=3 * given.bulge_radius, disc_radius=3 * given.disc_radius)
    first, second = true_shape(given, reference=0), true_shape(larger, reference=0)
    for name, factor in (("radius_50", 3), ("radius_90", 3), ("flux", 1), ("sersic_index", 1), ("axis_ratio", 1)):
        np.testing.assert_allclose(getattr(second, name), factor * getattr(first, name), rtol=1e-6)


# Loading.


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """120 galaxies made by two processes, 60 by one, each in a cache of its own."""
    folders = [tmp_path_factory.mktemp(name) for name in ("two", "one")]
    larger = load_sample("mock", 120, 7, cache_dir=folders[0], n_processes=2)
    smaller = load_sample("mock", 60, 7, cache_dir=folders[1], n_processes=1)
    return larger, smaller, *folders


def test_bytes_do_not_depend_on_the_number_of_processes(loaded):
    *_, two, one = loaded
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.suffix in (".parquet", ".npy"))
    assert len(files) >= 3
    assert [file_sha256(one / file) for file in files] == [file_sha256(two / file) for file in files]


def test_a_smaller_universe_is_the_head_of_a_larger_one(loaded):
    larger, smaller, *_ = loaded
    assert len(larger) == 120 and len(smaller) == 60
    # The density around a galaxy is measured on the tiles that there are.
    measured = [name for name in larger.catalog if name not in ("log_density_5", "density_contrast_5")]
    pd.testing.assert_frame_equal(larger.catalog[measured].head(60), smaller.catalog[measured])
    pd.testing.assert_frame_equal(larger.truth.head(60), smaller.truth)
    pd.testing.assert_series_equal(larger.split.head(60), smaller.split)
    np.testing.assert_array_equal(larger.images[:60], smaller.images[:])
    assert smaller.images.shape == (60, 5, 64, 64) and smaller.images.dtype == np.float32


def test_a_universe_is_told_by_its_seed_and_its_causes(loaded):
    larger, _, _, cache = loaded
    other = load_sample("mock", 40, 8, cache_dir=cache, n_processes=1)
    assert set(other.catalog["ra"]).isdisjoint(larger.catalog["ra"])
    folders = {path.name for path in cache.iterdir()}
    load_sample("mock", 60, 7, cache_dir=cache, n_processes=1)
    assert {path.name for path in cache.iterdir()} == folders  # nothing is made twice
    assert larger.provenance["dataset"] == "mock" and larger.provenance["interventions"] == {}


def test_interventions_are_told_apart_by_what_they_do():
    def constant(value):
        return lambda parents, noise, n: np.full(n, value)

    done = [
        {},
        {"inclination": 1.0},
        {"inclination": 2.0},
        {"inclination": constant(1.0)},
        {"inclination": constant(2.0)},
        {"inclination": lambda parents, noise, n: 90 * noise.random(n)},
        {"inclination": partial(constant(1.0), n=3)},
        {"environment -> quenched": None},
        {"log_mass -> quenched": None},
    ]
    assert len({loading._tag(one) for one in done}) == len(done)
    assert loading._tag({"inclination": 1}) == loading._tag({"inclination": np.float32(1)}) == loading._tag(done[1])
    assert loading._tag({"inclination": constant(1.0)}) == loading._tag(done[3])
    with pytest.raises(ValueError, match="interventions: found .* cannot be told from others"):
        loading._tag({"inclination": partial(constant(1.0), threading.Lock())})


def test_tiles_of_other_programs_are_not_read(monkeypatch):
    before = loading._fingerprint()
    assert loading._fingerprint() == before
    monkeypatch.setattr(loading, "version", lambda name: "0.0" if name == "galsim" else metadata.version(name))
    assert loading._fingerprint() != before


def test_galaxies_are_selected_by_what_was_measured(loaded):
    larger, *_ = loaded
    magnitude = larger.catalog["petroMag_r"] - 2.751 * larger.catalog["EBV"]
    assert 14 < magnitude.min() and magnitude.max() < 17.77
    assert (larger.catalog["petroMag_r"] != larger.truth["petroMag_r"]).all()
    np.testing.assert_array_equal(larger.mass, larger.truth["log_mass"])


def test_truth_is_no_input(loaded):
    larger, *_ = loaded
    assert larger.truth.index.equals(larger.catalog.index)
    for name in ("bulge_fraction", "redshift", "disc_flux_r", "environment", "log_mass"):
        assert name in larger.truth and name not in larger.catalog
        with pytest.raises(ValueError, match=f"needs the catalogue columns {name}, which are missing"):
            resolve([name], larger.catalog)
    assert set(resolve("Mopt+Mir+Morph+Zspec", larger.catalog).columns) <= set(larger.catalog)
    few = larger.take(np.array([5, 2]))
    assert few.truth["log_mass"].tolist() == few.mass.tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_galaxies": 0}, "n_galaxies: found 0, expected a positive whole number"),
        ({"n_galaxies": 2.5}, "n_galaxies: found 2.5"),
        ({"seed": -1}, "seed: found -1, expected a whole number from 0 to 2"),
        ({"seed": 2**32}, "seed: found 4294967296"),
        ({"seed": 0.5}, "seed: found 0.5"),
        ({"interventions": {"weather -> quenched": None}}, "found 'weather -> quenched': None.*log_mass, environment"),
        ({"interventions": {"weather": 1.0}}, "variable: found 'weather', expected one of group_richness"),
        ({"column_map": {"a": "b"}}, "column_map: found .* with dataset 'mock', expected it only with a file"),
        ({"dataset": "sdss-mini", "interventions": {"inclination": 0.0}}, "interventions: .* only with a mock"),
        ({"dataset": "sdss-mini", "n_processes": 2}, "n_processes: found 2 with dataset 'sdss-mini'"),
        ({"dataset": "mocks"}, "dataset: found 'mocks', expected one of sdss-mini, mock, mock-swapped-shapes"),
    ],
)
def test_bad_universes_are_refused_before_anything_is_made(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        load_sample(**{"dataset": "mock", "cache_dir": tmp_path, **arguments})
    assert not any(tmp_path.iterdir())


def test_the_survey_is_imported_without_what_makes_a_mock():
    heavy = ("galsim", "photutils", "kcorrect", "joblib", "sklearn", "astropy.cosmology")
    code = f"import sys, helpers.survey; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
