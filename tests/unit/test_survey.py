"""Samples: what is loaded, what is null, who is on which side, and what is refused."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.survey import SDSS, Sample, load_sample, null_sentinels, position_split, sources
from helpers.survey.sample import position_hash


@pytest.fixture(scope="module")
def mini(data_cache):
    return load_sample("sdss-mini", cache_dir=data_cache)


def frame(n: int = 40, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = {"ra": rng.uniform(0, 360, n), "dec": rng.uniform(-10, 60, n), "lgm_tot_p50": rng.normal(10.5, 0.4, n)}
    return pd.DataFrame({**made, **columns})


def test_mini_is_what_its_source_says(mini):
    assert len(mini) == 10_000 and mini.images is None and mini.bands == tuple("ugriz")
    counts = mini.null_counts()
    # Non-positive Petrosian fluxes and 2MASS zeros, counted in the file itself.
    assert counts["petroMag_u"] == 40 and counts["j_m_ext"] == counts["h_m_ext"] == counts["k_m_ext"] == 1
    assert (mini.catalog["petroFlux_u"] <= 0).sum() == 40
    assert mini.catalog["z"].between(0.010, 0.584).all()


def test_magnitude_and_error_are_those_of_the_flux(mini):
    catalog = mini.catalog
    np.testing.assert_allclose(catalog["petroMag_r"], 22.5 - 2.5 * np.log10(catalog["petroFlux_r"]), atol=1e-12)
    # d(mag) = 2.5 / ln 10 * d(flux) / flux, against a finite difference.
    sigma = catalog["petroMagErr_r"] * np.log(10) / 2.5 * catalog["petroFlux_r"]
    bright = sigma / catalog["petroFlux_r"] < 0.01
    step = 2.5 * np.log10(1 + sigma / catalog["petroFlux_r"])
    np.testing.assert_allclose(step[bright], catalog["petroMagErr_r"][bright], rtol=0.01)


def test_mass_grows_with_light_and_with_distance(mini):
    catalog, mass = mini.catalog, mini.mass
    # At nearly the same redshift and colour, a magnitude is 0.4 dex of mass.
    colour = catalog["petroMag_g"] - catalog["petroMag_i"]
    near = catalog["z"].between(0.095, 0.105) & colour.between(1.15, 1.3)
    slope = np.polyfit(catalog["petroMag_r"][near], mass[near], 1)[0]
    assert slope == pytest.approx(-0.4, abs=0.04)


def test_mass_does_not_depend_on_how_many_are_fitted(mini):
    few = sources.mini_catalog(sources._mini_path()).iloc[:5]
    np.testing.assert_allclose(few["lgm_tot_p50"], mini.mass[:5], atol=1e-6)


def test_split_has_the_stated_shares_and_never_changes_side(mini):
    share = mini.split.value_counts(normalize=True)
    # Binomial: three standard deviations of a share of 10,000.
    for part, expected in {"train": 0.7, "validation": 0.1, "test": 0.2}.items():
        assert share[part] == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 10_000))
    shuffled = mini.catalog.sample(frac=0.3, random_state=1)
    pd.testing.assert_series_equal(
        position_split(shuffled), mini.split.loc[shuffled.index], check_names=False, check_dtype=False
    )


@given(st.integers(0, 35_999), st.integers(-8_999, 8_999), st.floats(-0.0049, 0.0049), st.floats(-0.0049, 0.0049))
def test_galaxies_of_one_cell_share_a_side(ra, dec, to_east, to_north):
    centre = pd.DataFrame({"ra": [ra * 0.01, ra * 0.01 + 360], "dec": [dec * 0.01] * 2})
    near = centre + [to_east, to_north]
    assert len(set(position_hash(centre)) | set(position_hash(near))) == 1


def test_another_measurement_of_the_position_rarely_changes_the_side(mini):
    moved = mini.catalog[["ra", "dec"]] + np.random.default_rng(0).normal(0, 0.1 / 3600, (len(mini), 2))
    assert (position_split(moved) != mini.split).mean() < 0.005


def test_smaller_sample_is_part_of_a_larger_one(data_cache, mini):
    small, larger = (load_sample("sdss-mini", n, seed=3, cache_dir=data_cache) for n in (50, 400))
    assert set(small.catalog.index) < set(larger.catalog.index)
    assert set(load_sample("sdss-mini", 50, seed=4, cache_dir=data_cache).catalog.index) != set(small.catalog.index)
    assert small.provenance["nulls"] == small.null_counts().to_dict()
    with pytest.raises(ValueError, match="n_galaxies: found 300.5, expected a whole number"):
        load_sample("sdss-mini", 300.5, cache_dir=data_cache)
    with pytest.raises(ValueError, match="n_galaxies: found 10001, expected 1 to 10000"):
        load_sample("sdss-mini", 10_001, cache_dir=data_cache)


def test_damaged_cache_is_made_again(tmp_path, mini, monkeypatch):
    monkeypatch.setattr(sources, "mini_catalog", lambda path: mini.catalog)
    load_sample("sdss-mini", cache_dir=tmp_path)
    (stored,) = tmp_path.glob("*.parquet")
    stored.write_bytes(stored.read_bytes()[:1000])
    assert len(load_sample("sdss-mini", cache_dir=tmp_path)) == 10_000


def test_another_source_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MINI_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=f"has sha256 d7e87e8abc45.*expected {'0' * 64}"):
        load_sample("sdss-mini", cache_dir=tmp_path)
    assert importlib.metadata.version("kcorrect") == "5.1.9"


def test_sentinels_become_null_but_bright_fluxes_stay():
    found = null_sentinels(
        pd.DataFrame(
            {"w1mpro": [9999.0, -9999, 12, np.inf], "petroFlux_r": [11702.0, -9999, 1, 2], "n": [9999, 1, 2, 3]}
        )
    )
    assert found["w1mpro"].isna().tolist() == [True, True, False, True]
    assert found["petroFlux_r"].isna().tolist() == [False, True, False, False]
    # Integers too: a CSV without decimals.
    assert np.isnan(found["n"][0]) and found["n"].tolist()[1:] == [1, 2, 3]
    assert null_sentinels(pd.DataFrame({"objID": [10**18, 1]}))["objID"].tolist() == [10**18, 1]


def test_tables_of_three_formats_are_one_sample(tmp_path):
    from astropy.table import Table

    theirs = frame().rename(columns={"lgm_tot_p50": "logm"})
    theirs.to_csv(tmp_path / "a.csv", index=False)
    theirs.to_parquet(tmp_path / "a.parquet")
    Table.from_pandas(theirs).write(tmp_path / "a.fits")
    found = [
        load_sample(tmp_path / f"a{suffix}", column_map={"logm": "lgm_tot_p50"})
        for suffix in (".csv", ".parquet", ".fits")
    ]
    for sample in found:
        np.testing.assert_allclose(sample.mass, theirs["logm"])
        assert sample.split.tolist() == found[0].split.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lgm_tot_p50": np.full(40, 3e10)}, "expected log10 of solar masses"),
        ({"lgm_tot_p50": np.r_[np.nan, np.full(39, 10.0)]}, "1 of 40 values are null"),
        ({"lgm_tot_p50": ["x"] * 40}, "column 'lgm_tot_p50': found values of type"),
        ({"objID": np.r_[1, 1, np.arange(2, 40)]}, "identifier objID=1 stands twice"),
        ({"ra": np.r_[np.nan, np.zeros(39)]}, "column 'ra' has 1 nulls"),
        ({"ra": ["x"] * 40}, "column 'ra': found values of type"),
        ({"petroMag_r": ["x"] * 40}, "column 'petroMag_r': found values of type"),
        ({"dec": np.full(40, 500.0)}, "column 'dec' reaches 500"),
        ({"z": np.full(40, -0.1)}, "column 'z': found redshifts from -0.1 to -0.1, expected -0.01 to 10"),
        ({"ra": np.full(40, 400.0)}, "column 'ra': found 400 to 400"),
        ({"expAB_r": np.full(40, -9999.0)}, "column 'expAB_r': every value counts as a survey's sentinel"),
    ],
)
def test_bad_columns_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Sample.from_frame(frame(**change))


def test_other_bad_samples_are_refused():
    good = frame()
    with pytest.raises(ValueError, match="target column 'mass' is missing"):
        Sample.from_frame(good, target="mass")
    with pytest.raises(ValueError, match="column 'dec' is missing, needed to split by position"):
        Sample.from_frame(good.drop(columns="dec"))
    with pytest.raises(ValueError, match="found the label 'dev'"):
        Sample.from_frame(good, split=["train"] * 39 + ["dev"])
    with pytest.raises(ValueError, match="no galaxy is labelled 'validation'"):
        Sample.from_frame(good, split=["train"] * 20 + ["test"] * 20)
    with pytest.raises(ValueError, match="split: found 5, expected a label"):
        Sample.from_frame(good, split=5)
    with pytest.raises(ValueError, match="bands: found g, g, expected each once"):
        Sample.from_frame(good, np.ones((40, 2, 8, 8)), bands=["g", "g"])
    with pytest.raises(ValueError, match=r"images: found shape \(40, 5, 0, 8\), expected pixels"):
        Sample.from_frame(good, np.ones((40, 5, 0, 8)))
    with pytest.raises(ValueError, match="images: found pixels of type object, expected numbers"):
        Sample.from_frame(good, np.full((40, 5, 8, 8), None))
    with pytest.raises(ValueError, match="found 3 labels, expected one for each of 40"):
        Sample.from_frame(good, split=["train"] * 3)
    with pytest.raises(ValueError, match="column 'ra' stands twice"):
        Sample.from_frame(pd.concat([good, good[["ra"]]], axis=1))
    with pytest.raises(ValueError, match="expected a DataFrame with at least one row"):
        Sample.from_frame(good.iloc[:0])
    with pytest.raises(ValueError, match=r"images: found shape \(40, 3, 8, 8\), expected \(40, 5, y, x\)"):
        Sample.from_frame(good, np.zeros((40, 3, 8, 8)))
    holes = np.zeros((40, 5, 8, 8))
    holes[7, 2, 1, 1] = np.nan
    with pytest.raises(ValueError, match="galaxy 7 has pixels that are not finite"):
        Sample.from_frame(good, holes)
    with pytest.raises(ValueError, match="part: found 'dev'"):
        Sample.from_frame(good).rows("dev")


def test_bad_sources_are_refused(tmp_path, data_cache):
    with pytest.raises(ValueError, match="dataset: found 'sdss-maxi', expected one of sdss-mini, mock,"):
        load_sample("sdss-maxi")
    with pytest.raises(ValueError, match="there is no file"):
        load_sample(tmp_path / "none.csv")
    frame().to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="column_map: column 'logm' is not in a.csv"):
        load_sample(tmp_path / "a.csv", column_map={"logm": "lgm_tot_p50"})
    assert len(load_sample("sdss-mini", 5, column_map={}, cache_dir=data_cache)) == 5  # a chapter's default
    with pytest.raises(ValueError, match="column_map: found .* with dataset 'sdss-mini'"):
        load_sample("sdss-mini", column_map={"a": "b"})
    with pytest.raises(ValueError, match="target: found 'm' with dataset 'sdss-mini'"):
        load_sample("sdss-mini", target="m")
    with pytest.raises(ValueError, match="dataset: found 5"):
        load_sample(5)
    for name in ("a.parquet", "a.fits"):
        (tmp_path / name).write_bytes(b"not a table")
        with pytest.raises(ValueError, match=f"dataset: cannot read .*{name}"):
            load_sample(tmp_path / name)
    frame(split=np.r_[["train"] * 20, ["validation"] * 10, ["test"] * 10]).drop(columns="ra").to_csv(tmp_path / "b.csv")
    with pytest.raises(ValueError, match="'ra' is missing, needed to choose `n_galaxies`"):
        load_sample(tmp_path / "b.csv", 10)


def test_extinction_ratios_are_those_in_the_file(mini):
    from astropy.table import Table

    table = Table.read(sources._mini_path())
    ratio = np.median(np.asarray(table["EXTINCTION"]), axis=0) / np.median(mini.catalog["EBV"])
    np.testing.assert_allclose(ratio, [band.extinction for band in SDSS.bands], rtol=1e-3)
