"""Anyone's own galaxies: files, column maps with units, identifiers to the last digit, and what is refused."""

from __future__ import annotations

import hashlib
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from helpers.bands import SDSS, WISE
from helpers.inputs import optical_survey, photometric_inputs, resolve
from helpers.survey import Sample, load_sample, npz
from helpers.survey.column_map import FLUX_UNITS, apply_column_map, parse_column_map
from helpers.survey.identifiers import as_identifiers

pytestmark = pytest.mark.filterwarnings("ignore:column 'EBV' is not in", "ignore:columns .* go without errors")

N = 40
RNG = np.random.default_rng(1)
# Neighbours that float64 cannot tell apart, next to 2^63 and 2^64.
SIGNED = [2**63 - 1 - i for i in range(N)]
IDS = [2**63 + 1 + i for i in range(-20, 0)] + [2**64 - 1 - i for i in range(20)]


def galaxies(**columns) -> pd.DataFrame:
    made = {
        "objID": np.array(IDS, dtype=np.uint64),
        "ra": np.linspace(0, 359, N),
        "dec": np.linspace(-10, 60, N),
        "z": np.r_[np.nan, np.linspace(0.01, 0.3, N - 1)],
        "lgm_tot_p50": np.linspace(9.5, 11.5, N),
        **{band.magnitude: np.linspace(15, 18, N) + i for i, band in enumerate(SDSS.bands)},
    }
    return pd.DataFrame({**made, **columns})


def mapped(frame: pd.DataFrame, column_map: dict[str, str]) -> tuple[pd.DataFrame, dict[str, int]]:
    mapping = parse_column_map(column_map, "lgm_tot_p50")
    return apply_column_map(frame, mapping, source="a.csv", target="lgm_tot_p50")


def save(frame: pd.DataFrame, path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".fits":
        Table.from_pandas(frame).write(path)
    else:
        np.savez(path, **{name: column.to_numpy() for name, column in frame.items()})


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits", ".npz"])
def test_identifiers_are_exact_through_every_format(tmp_path, suffix):
    save(galaxies().rename(columns={"objID": "theirs"}), tmp_path / f"a{suffix}")
    sample = load_sample(tmp_path / f"a{suffix}", column_map={"theirs": "objID"})
    assert sample.catalog["objID"].dtype == np.uint64 and sample.catalog["objID"].tolist() == IDS
    assert sample.catalog["z"].isna().tolist() == [True] + [False] * (N - 1)
    # And through a merge on them, and a smaller sample.
    other = pd.DataFrame({"objID": np.array(IDS[::-1], dtype=np.uint64), "rank": range(N)})
    assert sample.catalog.merge(other, on="objID")["rank"].tolist() == list(range(N))[::-1]
    assert set(load_sample(tmp_path / f"a{suffix}", 9, column_map={"theirs": "objID"}).catalog["objID"]) < set(IDS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
def test_identifiers_are_exact_beside_a_null_one(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".fits":
        table = Table.from_pandas(galaxies())
        table["specObjID"] = MaskedColumn(np.array(SIGNED), mask=np.arange(N) == 3)
        table.write(path)
    elif suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(galaxies())  # as others write it: without pandas' own note of the type
        column = pa.array([None if i == 3 else v for i, v in enumerate(SIGNED)], pa.int64())
        pq.write_table(table.append_column("specObjID", column).replace_schema_metadata(None), path)
    else:
        galaxies(specObjID=["null" if i == 3 else str(v) for i, v in enumerate(SIGNED)]).to_csv(path, index=False)
    found = load_sample(path, n_galaxies=N).catalog["specObjID"]
    assert found.isna().sum() == 1 and found.isna()[3]
    assert [int(v) for v in found.dropna()] == [v for i, v in enumerate(SIGNED) if i != 3]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["5.87e17", "2"], "column 'objID': 5.87e17 in row 0, counted from 0, has lost its last digits"),
        ([1.0, 2.0**53], "has lost its last digits"),
        (np.array([1, 2**25], dtype=np.float32), "has lost its last digits"),
        ([1.5, 2.0], "found 1.5 in row 0.*expected whole numbers"),
        (["1", "J1237"], "found 'J1237' in row 1"),
        ([str(2**64), "1"], "expected 64-bit ones"),
        ([-1, 2**63], "expected 64-bit ones"),
        ([587725074995609000 + 1000 * i for i in range(10)], "all end in 000, such as 587725074995609000"),
    ],
)
def test_identifiers_that_lost_digits_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        as_identifiers(pd.Series(values, name="objID"))


def test_small_whole_floats_are_identifiers_and_signs_are_kept():
    assert as_identifiers(pd.Series([3.0, 2.0**53 - 1])).tolist() == [3, 2**53 - 1]
    assert as_identifiers(pd.Series(["-7", str(2**63 - 1)])).tolist() == [-7, 2**63 - 1]
    with pytest.raises(ValueError, match="has lost its last digits"):
        Sample.from_frame(galaxies(objID=np.array(IDS, dtype=float)))


@given(st.floats(1e-3, 1e6), st.sampled_from(sorted(FLUX_UNITS)))
def test_flux_to_magnitude_and_back(flux, unit):
    frame = pd.DataFrame({"f": [flux / FLUX_UNITS[unit]], "w": [flux / FLUX_UNITS[unit]]})
    found, counts = mapped(frame, {"f": f"petroMag_r [{unit}]", "w": f"w1mpro [{unit}]"})
    assert 10 ** (0.4 * (22.5 - found["petroMag_r"][0])) == pytest.approx(flux, rel=1e-10) and not counts
    assert found["petroMag_r"][0] - found["w1mpro"][0] == pytest.approx(2.699, abs=1e-9)


def test_zero_points_are_those_of_the_AB_system():
    # m = -2.5 log10(f / Jy) + 8.90, and AB minus Vega of W1.
    frame = pd.DataFrame({"a": [1.0], "b": [3631e9], "c": [1e6], "d": [1e6]})
    found, _ = mapped(
        frame,
        {
            "a": "legacyMag_r [jansky]",
            "b": "legacyMag_z [nanojansky]",
            "c": "w2mpro [microjansky]",
            "d": "petroFlux_r [microjansky]",
        },
    )
    assert found["legacyMag_r"][0] == pytest.approx(8.90, abs=1e-3)
    assert found["legacyMag_z"][0] == pytest.approx(0.0, abs=1e-12)
    assert found["w2mpro"][0] == pytest.approx(8.90 - 3.339, abs=1e-3)
    assert found["petroFlux_r"][0] == pytest.approx(1e9 / 3631)


def test_systems_masses_and_angles():
    frame = pd.DataFrame({"w": [17.0], "k": [15.0], "r": [16.0], "m": [3e10], "R": [0.5], "S": [2500.0], "e": [0.1]})
    found, _ = mapped(
        frame,
        {
            "w": "w1mpro [AB]",
            "k": "k_m_ext [Vega]",
            "r": "petroMag_r [AB]",
            "m": "lgm_tot_p50 [Msun]",
            "R": "petroR50_r [arcmin]",
            "S": "petroR90_r [mas]",
        },
    )
    expected = {"w1mpro": 17 - 2.699, "k_m_ext": 15, "petroMag_r": 16, "lgm_tot_p50": np.log10(3e10)}
    for name, value in {**expected, "petroR50_r": 30, "petroR90_r": 2.5, "e": 0.1}.items():
        assert found[name][0] == pytest.approx(value)


def test_errors_of_fluxes_are_those_of_magnitudes():
    # A small step in flux is a step in magnitude of the error's size; the inverse variance says the same.
    flux, sigma = np.array([50.0, 200.0, -3.0]), np.array([0.01, 0.02, 1.0])
    frame = pd.DataFrame({"f": flux, "s": sigma / FLUX_UNITS["microjansky"], "g": flux, "i": 1 / sigma**2})
    found, counts = mapped(
        frame,
        {
            "f": "petroMag_r [nanomaggy]",
            "s": "petroMagErr_r [microjansky]",
            "g": "petroMag_g [nanomaggy]",
            "i": "petroMagErr_g [nanomaggy^-2]",
        },
    )
    step = 2.5 * np.log10(1 + sigma[:2] / flux[:2])
    np.testing.assert_allclose(found["petroMagErr_r"][:2], step, rtol=1e-3)
    np.testing.assert_allclose(found["petroMagErr_g"], found["petroMagErr_r"])
    assert found.isna().sum().to_dict() == dict.fromkeys(found.columns, 1) and counts == {
        "petroMag_r": 1,
        "petroMag_g": 1,
    }
    with pytest.raises(ValueError, match="no flux becomes 'petroMag_r'; expected it mapped too"):
        mapped(frame, {"s": "petroMagErr_r [nanomaggy]", "f": "petroMag_r"})


@pytest.mark.parametrize(
    ("column_map", "words"),
    [
        ({"a": "petroMag_r [mJy]"}, "unit 'mJy' for 'petroMag_r', expected one of nanomaggy, .*, AB$"),
        ({"a": "petroMag_r [Vega]"}, "unit 'Vega' for 'petroMag_r'"),
        ({"a": "lgm_tot_p50 [kg]"}, "expected one of Msun"),
        ({"a": "petroR50_g [pc]"}, "expected one of arcsec, arcmin, deg, mas"),
        ({"a": "z [km/s]"}, "expected none: this column has no other units"),
        ({"a": "petroMag_r [AB"}, "expected 'column' or 'column \\[unit\\]'"),
        ({"a": 5}, "found 5 for 'a'"),
        ({"a": "z", "b": "z"}, "both 'a' and 'b' become 'z'"),
        ({"a": "b"}, "'a' becomes 'b', which a.csv has already"),
        ({"c": "z"}, "column 'c' is not in a.csv, which has a, b"),
        ([("a", "z")], "found .*, expected a mapping from their columns to ours"),
    ],
)
def test_column_maps_that_say_nothing_are_refused(column_map, words):
    with pytest.raises(ValueError, match=words):
        mapped(pd.DataFrame({"a": [1.0], "b": [2.0]}), column_map)


def test_columns_may_change_places():
    found, _ = mapped(pd.DataFrame({"z": [17.0], "redshift": [0.1]}), {"z": "petroMag_z", "redshift": "z"})
    assert found["petroMag_z"][0] == 17.0 and found["z"][0] == 0.1


def test_textual_nulls_are_nulls_and_other_text_is_named(tmp_path):
    z = ["null", "NaN", "--", "N/A", ""] + ["0.1"] * (N - 5)
    galaxies(z=z, remark=["--"] * N).to_csv(tmp_path / "a.csv", index=False)
    sample = load_sample(tmp_path / "a.csv")
    assert sample.catalog["z"].isna().sum() == 5 and sample.catalog["z"].dtype == np.float64
    assert sample.catalog["remark"].tolist() == ["--"] * N
    galaxies(z=[*z[:-1], "0.1?"]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=r"column 'z': found '0.1\?' in row 39, counted from 0, expected numbers"):
        load_sample(tmp_path / "a.csv")


def test_columns_that_nobody_mapped_stay_as_they_are(tmp_path):
    extra = {"mjd": np.full(N, 53_000), "name": ["a"] * N, "TARGETID": np.array(SIGNED)}
    galaxies(**extra).to_csv(tmp_path / "a.csv", index=False)
    found = load_sample(tmp_path / "a.csv").catalog
    assert found["mjd"].tolist() == [53_000] * N and found["TARGETID"].tolist() == SIGNED
    assert found["name"].tolist() == ["a"] * N


def test_dates_and_numbers_beside_a_null_are_no_sentinels(tmp_path):
    dates, others = np.linspace(53_000.5, 54_000.5, N), np.r_[np.nan, np.full(N - 1, 2e5)]
    galaxies(date=dates, other=others, flag=np.r_[-9999.0, np.full(N - 1, 0.5)]).to_csv(tmp_path / "a.csv", index=False)
    found = load_sample(tmp_path / "a.csv").catalog
    np.testing.assert_array_equal(found["date"], dates)
    np.testing.assert_array_equal(found["other"], others)
    assert found["flag"].isna().tolist() == [True] + [False] * (N - 1)


def test_rows_longer_than_the_header_are_refused(tmp_path):
    # Read as pandas does, every column would hold the values of the one after it.
    header, *rows = galaxies().drop(columns="objID").to_csv(index=False).splitlines()
    for end in (",", ",7", ",7,8"):
        (tmp_path / "a.csv").write_text("\n".join([header, *(row + end for row in rows)]))
        with pytest.raises(ValueError, match="its rows have more fields than the .* names of its header"):
            load_sample(tmp_path / "a.csv")


def test_identifiers_declared_as_decimal_numbers_are_exact(tmp_path):
    galaxies(objID=[Decimal(number) for number in IDS]).to_parquet(tmp_path / "a.parquet")
    assert load_sample(tmp_path / "a.parquet").catalog["objID"].tolist() == IDS
    with pytest.raises(ValueError, match="row 1, counted from 0, expected whole numbers"):
        as_identifiers(pd.Series([Decimal(1), Decimal("1.5")], name="objID"))


def test_answer_of_a_survey_server_is_a_table(tmp_path):
    for mark in ("", "\ufeff"):
        text = f"{mark}#Table1\n{galaxies().to_csv(index=False)}"
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        assert load_sample(tmp_path / "a.csv").catalog["objID"].tolist() == IDS


def test_sentinels_of_magnitudes_become_null_and_mixed_nulls_are_counted(tmp_path):
    frame = galaxies(EBV=np.full(N, 0.02))
    frame.loc[:1, "petroMag_u"], frame.loc[2, "petroMag_u"], frame.loc[3, "petroMag_u"] = 99.0, -9999.0, np.nan
    frame.loc[5, "petroMag_g"] = -99.0
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning) as caught:
        sample = load_sample(tmp_path / "a.csv")
    assert sample.null_counts().to_dict() == {"petroMag_u": 4, "z": 1, "petroMag_g": 1}
    messages = [str(warning.message) for warning in caught]
    assert messages == [
        "column 'petroMag_u': found nulls of 3 kinds (NaN in 1 rows, -9999 in 1 rows, 99 in 2 rows), expected one; "
        "all count as null",
        "columns petroMagErr_u, petroMagErr_g, petroMagErr_r, petroMagErr_i, petroMagErr_z are not in a.csv: inputs of "
        "these magnitudes go without errors",
    ]
    assert {warning.filename for warning in caught} == {__file__}


def test_a_whole_table_gives_no_warning_and_one_without_reddening_one(tmp_path):
    whole = galaxies(EBV=np.full(N, 0.02), **{name: np.full(N, 0.1) for name in SDSS.errors})
    whole.to_csv(tmp_path / "a.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample = load_sample(tmp_path / "a.csv")
    assert len(resolve("Mopt", sample.catalog).columns) == 11
    whole.drop(columns="EBV").to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match="column 'EBV' is not in a.csv: inputs go without the reddening") as caught:
        load_sample(tmp_path / "a.csv")
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # Fluxes whose median could be a magnitude, fluxes that could not, and maggies.
        ({"petroMag_r": np.geomspace(5, 80, N)}, r"'petroMag_r': 'petroMag_r \[UNIT\]'\}, UNIT being one of nanomaggy"),
        ({"petroMag_r": np.geomspace(100, 5000, N)}, "column 'petroMag_r': found a median of 7"),
        ({"petroMag_r": np.geomspace(1e-8, 1e-7, N)}, "expected magnitudes"),
        ({"lgm_tot_p50": np.geomspace(1e9, 1e11, N)}, r"expected log10 .* 'lgm_tot_p50 \[Msun\]'"),
        ({"z": np.full(N, -0.2)}, "column 'z': found redshifts from -0.2"),
        ({"z": np.full(N, 3e4)}, "column 'z'"),
        ({"ra": np.full(N, 400.0)}, "column 'ra': found 400 to 400, expected degrees"),
        ({"objID": np.arange(N) // 2}, "identifier objID=0 stands twice"),
    ],
)
def test_values_that_are_not_what_they_are_called_are_refused(tmp_path, change, words):
    galaxies(**change).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=words):
        load_sample(tmp_path / "a.csv")


def test_split_and_choice_without_positions_go_by_the_identifier(tmp_path):
    ids = RNG.integers(2**62, 2**63, 3000)
    whole = pd.DataFrame({"objID": ids, "lgm_tot_p50": RNG.normal(10.5, 0.4, 3000)})
    whole.to_parquet(tmp_path / "a.parquet")
    whole.iloc[::-2].to_csv(tmp_path / "b.csv", index=False)
    a, b = load_sample(tmp_path / "a.parquet"), load_sample(tmp_path / "b.csv")
    for part, expected in {"train": 0.7, "validation": 0.1, "test": 0.2}.items():
        assert len(a.rows(part)) / 3000 == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 3000))
    sides = dict(zip(a.catalog["objID"], a.split, strict=True))
    assert [sides[i] for i in b.catalog["objID"]] == b.split.tolist()
    assert a.provenance["split"] == "by a hash of objID, for want of positions"
    few, more = (set(load_sample(tmp_path / "a.parquet", n, 3).catalog["objID"]) for n in (50, 400))
    assert few < more
    whole.drop(columns="objID").to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(ValueError, match="'ra' is missing, needed to split by position.*add ra and dec .*, or objID"):
        load_sample(tmp_path / "c.csv")
    whole.assign(objID=[None, *ids[1:]]).astype({"objID": "Int64"}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(ValueError, match="column 'objID' has 1 nulls"):
        load_sample(tmp_path / "d.parquet")


def test_relative_paths_are_found_in_the_project_too(tmp_path, monkeypatch):
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    galaxies().to_csv(tmp_path / "project" / "data" / "a.csv", index=False)
    monkeypatch.setenv("ANATOMY_HOME", str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path / "work")
    assert len(load_sample("data/a.csv")) == N
    (tmp_path / "work" / "data").mkdir()
    galaxies().head(20).to_csv(tmp_path / "work" / "data" / "a.csv", index=False)
    assert len(load_sample("data/a.csv")) == 20
    with pytest.raises(ValueError, match="there is no file 'data/b.csv', neither in .*work nor in the project"):
        load_sample("data/b.csv")


# Archives.

PIXELS = {band: RNG.normal(size=(N, 6, 8)).astype(np.float32) for band in "ugriz"}
SPLIT = {"id_train": np.arange(5, 30), "id_validation": np.arange(5), "id_test": np.arange(30, N)}


def columns(**others) -> dict[str, np.ndarray]:
    return {**{name: column.to_numpy() for name, column in galaxies().items()}, **others}


def folder(path, catalog: dict, images: dict):
    path.mkdir(exist_ok=True)
    np.savez(path / "catalog.npz", **catalog)
    np.savez_compressed(path / "images.npz", **images)
    return path


def test_folder_of_the_authors_program(tmp_path):
    # Bands in no order, with the axis of length one that some programs keep.
    images = {f"img_{band}": PIXELS[band][..., None] for band in "zugir"}
    place = folder(tmp_path / "theirs", columns(**SPLIT), images)
    sample = load_sample(place, cache_dir=tmp_path / "cache")
    assert sample.bands == tuple("ugriz") and sample.catalog["objID"].tolist() == IDS
    assert all(sample.rows(key.removeprefix("id_")).tolist() == rows.tolist() for key, rows in SPLIT.items())
    np.testing.assert_array_equal(np.asarray(sample.images), np.stack([PIXELS[b] for b in "ugriz"], axis=1))
    # Some of the galaxies keep their own pictures.
    some = load_sample(place, 7, cache_dir=tmp_path / "cache")
    rows = [IDS.index(i) for i in some.catalog["objID"]]
    np.testing.assert_array_equal(np.asarray(some.images)[:, 2], PIXELS["r"][rows])


def test_rows_on_no_side_are_left_out_with_a_warning(tmp_path):
    place = folder(tmp_path / "theirs", columns(**{**SPLIT, "id_test": np.arange(33, N)}), {"img_r": PIXELS["r"]})
    with pytest.warns(UserWarning, match="3 rows of theirs are in none of id_train, id_validation and id_test"):
        sample = load_sample(place, cache_dir=tmp_path / "cache")
    assert len(sample) == N - 3 and sample.provenance["left_out"] == 3 and sample.bands == ("r",)
    np.testing.assert_array_equal(np.asarray(sample.images)[30:, 0], PIXELS["r"][33:])


@pytest.mark.parametrize(
    ("catalog", "images", "words"),
    [
        ({**SPLIT, "id_test": np.arange(29, N)}, {}, "'id_test' and 'id_train' overlap in 1 rows, such as 29"),
        ({**SPLIT, "id_test": np.arange(30, N + 1)}, {}, f"'id_test' holds the row {N}, expected 0 to {N - 1}"),
        ({**SPLIT, "id_test": np.array([30, 30])}, {}, "a row stands twice in 'id_test'"),
        ({**SPLIT, "id_test": np.array([0.5])}, {}, "'id_test' holds float64 .*, expected row numbers"),
        ({"id_train": np.arange(5)}, {}, "id_validation, id_test are missing"),
        ({}, {}, "the rows of the split, id_train, id_validation and id_test, are missing"),
        ({**SPLIT, "p": np.ones((N, 2))}, {}, r"'p' has shape \(40, 2\), expected one number for each galaxy"),
        ({**SPLIT, "p": np.ones(3)}, {}, r"'p' has shape \(3,\)"),
        ({**SPLIT, "p": np.array([None] * N)}, {}, "'p' holds Python objects.*dtype=float"),
        (SPLIT, {"img_q": PIXELS["r"]}, "images of the band 'q', expected some of u, g, r, i, z"),
        (
            SPLIT,
            {"img_r": PIXELS["r"], "img_g": PIXELS["g"][:, 1:]},
            r"has shape \(40, [56], 8\), expected \(n, y, x\)",
        ),
        (SPLIT, {"img_r": PIXELS["r"][1:]}, "found images of 39 galaxies, expected as many as catalog.npz has, 40"),
        (SPLIT, {"img_r": PIXELS["r"] > 0}, "'img_r' holds bool, expected numbers"),
        (SPLIT, {"img_r": np.asfortranarray(PIXELS["r"])}, "save numpy.ascontiguousarray"),
        (SPLIT, {"other": np.ones(3)}, "found no images, expected one array img_<band>"),
        (SPLIT, {"img_r": PIXELS["r"][:, :0]}, r"images of shape \(40, 1, 0, 8\), expected pixels"),
        (SPLIT, {"images": np.ones((N, 2, 8, 8)), "bands": ["g", "g"]}, "'bands' are g, g, expected each once"),
        ({**SPLIT, "t": np.zeros(N, "f8,i8")}, {}, "'t' is a table of the columns f0, f1, expected one array for each"),
    ],
)
def test_bad_folders_are_refused(tmp_path, catalog, images, words):
    place = folder(tmp_path / "theirs", columns(**catalog), images or {"img_r": PIXELS["r"]})
    with pytest.raises(ValueError, match=words):
        load_sample(place, cache_dir=tmp_path / "cache")


def test_folders_without_a_file_and_pixels_without_a_value_are_refused(tmp_path):
    holes = PIXELS["r"].copy()
    holes[7, 1, 1] = np.nan
    place = folder(tmp_path / "theirs", columns(**SPLIT), {"img_r": holes})
    with pytest.raises(ValueError, match="galaxy 7 has pixels that are not finite"):
        load_sample(place, cache_dir=tmp_path / "cache")
    (place / "images.npz").unlink()
    with pytest.raises(ValueError, match="the folder has no images.npz"):
        load_sample(place, cache_dir=tmp_path / "cache")


def test_archive_with_images_of_another_survey(tmp_path):
    cube = np.stack([PIXELS[band] for band in "gri"], axis=1)
    np.savez(tmp_path / "a.npz", **columns(), images=cube, bands=np.array(["VIS", "Y", "J"]))
    sample = load_sample(tmp_path / "a.npz", cache_dir=tmp_path / "cache")
    assert sample.bands == ("VIS", "Y", "J") and sample.images.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(sample.images), cube)
    for change, words in (
        ({}, "'bands' is missing"),
        ({"bands": np.array(["g", "r"])}, r"'images' has shape \(40, 3, 6, 8\), expected \(n, 2, y, x\)"),
        ({"bands": np.array(list("gri")), "img_g": PIXELS["g"]}, "found both 'images' and 'img_g'"),
    ):
        np.savez(tmp_path / "a.npz", **columns(), images=cube, **change)
        with pytest.raises(ValueError, match=words):
            load_sample(tmp_path / "a.npz", cache_dir=tmp_path / "cache")


def test_images_are_copied_in_chunks_once_and_a_damaged_copy_is_made_again(tmp_path, monkeypatch):
    place = folder(tmp_path / "theirs", columns(**SPLIT), {f"img_{b}": PIXELS[b].astype(float) for b in "gr"})
    expected = np.stack([PIXELS["g"], PIXELS["r"]], axis=1)
    sizes = []
    read = npz._read_block
    monkeypatch.setattr(npz, "CHUNK", 2 * 6 * 8 * 8 * 7)  # seven galaxies of two bands
    monkeypatch.setattr(npz, "_read_block", lambda *given: sizes.append(given[-1][0]) or read(*given))
    cache = tmp_path / "cache"
    np.testing.assert_array_equal(np.asarray(load_sample(place, cache_dir=cache).images), expected)
    assert max(sizes) == 7 and sum(sizes) == 2 * N
    (stored,) = cache.glob("images-*.npy")
    assert stored.name.startswith(f"images-{hashlib.sha256((place / 'images.npz').read_bytes()).hexdigest()[:24]}")
    load_sample(place, cache_dir=cache)
    assert sum(sizes) == 2 * N
    stored.write_bytes(stored.read_bytes()[:-100])
    np.testing.assert_array_equal(np.asarray(load_sample(place, cache_dir=cache).images), expected)
    assert sum(sizes) == 4 * N


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_archive_cut_short_leaves_nothing_behind(tmp_path, share):
    place = folder(tmp_path / "theirs", columns(**SPLIT), {"img_r": PIXELS["r"]})
    whole = (place / "images.npz").read_bytes()
    (place / "images.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="dataset: cannot read .*theirs"):
        load_sample(place, cache_dir=tmp_path / "cache")
    # One flipped byte among the pixels, which the archive's own checksum tells.
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    (place / "images.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match="dataset: cannot read .*theirs"):
        load_sample(place, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_full_disk_is_said_as_such_and_leaves_nothing_behind(tmp_path, monkeypatch):
    import errno

    place = folder(tmp_path / "theirs", columns(**SPLIT), {"img_r": PIXELS["r"]})

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(npz, "_read_block", full)
    with pytest.raises(OSError, match="No space left"):
        load_sample(place, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


# Real tables, where this machine has them.


def test_real_sdss_table_in_three_lines(shared_data):
    columns = {"redshift": "z", "stellar_mass": "lgm_tot_p50", **{f"mag_{b}": f"petroMag_{b}" for b in "ugriz"}}
    sample = load_sample(shared_data / "sdss_galaxies_4975.csv", column_map=columns)
    catalog = sample.catalog
    assert len(sample) == 4975 and optical_survey(catalog) is SDSS and photometric_inputs(catalog) == {"Mopt": "ugriz"}
    assert catalog["petroMag_r"].median() == pytest.approx(17.1, abs=0.1)
    assert catalog["lgm_tot_p50"].median() == pytest.approx(10.7, abs=0.1)
    assert resolve("Mopt", catalog).columns == SDSS.magnitudes  # neither errors nor reddening
    with pytest.raises(ValueError, match="4975 identifiers that all end in 000"):
        load_sample(shared_data / "sdss_galaxies_4975.csv", column_map={**columns, "id": "objID"})


def test_real_desi_table_in_three_lines(shared_data):
    columns = {"Z": "z", "TARGET_ID": "objID", "PROVABGS_LOGMSTAR_BF": "lgm_tot_p50"}
    columns |= {f"FLUX_{b.upper()}_DERED": f"legacyMag_{b} [nanomaggy]" for b in "grz"}
    columns |= {f"FLUX_{b}_DERED": f"{WISE.band(b).magnitude} [nanomaggy]" for b in ("W1", "W2")}
    sample = load_sample(shared_data / "desi_bgs_30k.csv", column_map=columns)
    catalog = sample.catalog
    assert len(sample) == 30_000 and sample.bands == ("g", "r", "z") and catalog["objID"].is_unique
    assert photometric_inputs(catalog) == {"Mopt": "grz", "Mopt+Mir": "grz and W1, W2"}
    for name, expected in {"legacyMag_r": 19.4, "w1mpro": 15.8, "lgm_tot_p50": 10.8, "z": 0.24}.items():
        assert catalog[name].median() == pytest.approx(expected, abs=0.1)
    unmapped = {theirs: ours.partition(" ")[0] for theirs, ours in columns.items()}
    with pytest.raises(ValueError, match=r"column_map=\{'FLUX_G_DERED': 'legacyMag_g \[UNIT\]'\}"):
        load_sample(shared_data / "desi_bgs_30k.csv", column_map=unmapped)


def test_galaxies_without_a_mass_are_left_out_and_counted(tmp_path):
    frame = galaxies()
    frame.loc[[1, 4], "lgm_tot_p50"] = [-9999.0, np.nan]
    images = np.arange(N * 5 * 16, dtype=np.float32).reshape(N, 5, 4, 4)
    np.savez(
        tmp_path / "some.npz", **{name: frame[name] for name in frame}, images=images, bands=np.array(list("ugriz"))
    )
    with pytest.warns(
        UserWarning, match=rf"target 'lgm_tot_p50': 2 of {N} values of some.npz are null; those galaxies"
    ):
        sample = load_sample(tmp_path / "some.npz", cache_dir=tmp_path)
    kept = np.delete(np.arange(N), [1, 4])
    assert sample.provenance["without_mass"] == 2
    assert np.array_equal(sample.images[:], images[kept])
    assert np.array_equal(sample.mass, frame["lgm_tot_p50"].to_numpy()[kept])
    # Masses that are no logarithms are refused, and not taken for nulls, though some are.
    frame["lgm_tot_p50"] = np.where(np.arange(N) % 3 == 0, -9999.0, 10.0 ** frame["lgm_tot_p50"].clip(8))
    frame.to_csv(tmp_path / "linear.csv", index=False)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="expected log10 of solar masses"):
        load_sample(tmp_path / "linear.csv")
