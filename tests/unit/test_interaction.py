"""Pieces of a page that work without a kernel: what they hold, and what they refuse."""

from __future__ import annotations

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure

from helpers.information import decompose
from helpers.interaction import band_answers, band_picker, slider

EIGHT = ("u", "g", "r", "i", "z", "W1", "W2", "W3")


def subsets(bands, proper=False):
    return [
        "+".join(band for i, band in enumerate(bands) if mask >> i & 1)
        for mask in range(1, 2 ** len(bands) - bool(proper))
    ]


def decompositions(bands, n=60):
    """Means of each division of the bands in two, of made-up pointwise information."""
    rng = np.random.default_rng(len(bands))
    pointwise = {name: rng.normal(0.4 * len(name.split("+")), 0.5, n) for name in subsets(bands)}
    found = {}
    for name in subsets(bands, proper=True):
        rest = "+".join(band for band in bands if band not in name.split("+"))
        found[name] = decompose(pointwise[name], pointwise[rest], pointwise["+".join(bands)]).mean(bootstrap=8)
    return found


@pytest.fixture(scope="module")
def tables():
    return decompositions(("u", "g", "r", "W1"))


@pytest.fixture(scope="module")
def four(tables):
    return band_answers(("u", "g", "r", "W1"), tables)


def embedded(fragment):
    return json.loads(BeautifulSoup(fragment.html, "html.parser").select_one(".band-picker")["data-answers"])


def figures(*sizes):
    found = []
    for size in sizes:
        figure = Figure(figsize=(3, 2))
        figure.subplots().scatter(*np.random.default_rng(0).standard_normal((2, size)), s=3)
        found.append(figure)
    return found


def test_half_of_the_divisions_answers_for_their_mirror_images(tables, four):
    half = {name: table for name, table in tables.items() if "u" in name.split("+")}
    assert len(half) == 7
    pd.testing.assert_frame_equal(band_answers(("u", "g", "r", "W1"), half), four)
    # X1 is the subset itself: what is unique to W1 is unique to the second of u, g, r and W1.
    assert four.loc["W1", "U1"] == tables["u+g+r"].loc["U2", "mean"]
    assert four.loc["W1", "conditional_2_low"] == tables["u+g+r"].loc["conditional_1", "low"]
    assert four.loc["u+g+r+W1", "information_high"] == tables["u"].loc["I(X1,X2)", "high"]
    assert four.loc["u+g+r+W1"].isna().sum() == 18


def test_every_answer_is_embedded_to_three_decimals_and_small():
    answers = band_answers(EIGHT, decompositions(EIGHT, 20))
    shuffled = answers.sample(frac=1, random_state=0)
    shuffled.index = ["+".join(reversed(name.split("+"))) for name in shuffled.index]
    fragment = band_picker(EIGHT, shuffled)
    assert fragment.html == band_picker(EIGHT, answers.reset_index()).html
    assert len(fragment.html) < 60_000
    data = embedded(fragment)
    assert len(data["answers"]) == 256
    names = [f"{name}{end}" for name in data["quantities"] for end in ("", "_low", "_high")]
    for mask in range(1, 255):
        row = answers.loc["+".join(band for i, band in enumerate(EIGHT) if mask >> i & 1), names]
        np.testing.assert_allclose(data["answers"][mask], 1000 * row.to_numpy(dtype=float), atol=0.5 + 1e-9)
    low, high = data["scale"]
    values = [value for row in data["answers"] for value in row if value is not None]
    assert low < min(0, *values) and high > max(values)


def test_of_all_bands_and_of_none_there_is_nothing_to_share(four):
    answers = embedded(band_picker(("u", "g", "r", "W1"), four))["answers"]
    whole = [
        round(1000 * four.loc["u+g+r+W1", name]) for name in ("information", "information_low", "information_high")
    ]
    nothing, unshared = [0, 0, 0], [None] * 12
    assert answers[15] == [*whole, *unshared, *whole, *nothing]
    assert answers[0] == [*nothing, *unshared, *nothing, *whole]


@pytest.mark.parametrize(
    ("bands", "start", "buttons"),
    [
        (("u", "g", "r", "i", "z", "J", "H", "K"), "u, g, r, i, z", ["one band", "ugriz", "infrared", "reset"]),
        (("g", "r", "z", "W1", "W2"), "g, r, z", ["one band", "grz", "infrared", "reset"]),
        (("u", "g", "r", "i", "z"), "u, g", ["one band", "reset"]),
        (("VIS", "K"), "VIS", ["one band", "optical", "infrared", "reset"]),
    ],
)
def test_other_surveys_have_choices_of_their_own(bands, start, buttons):
    page = BeautifulSoup(band_picker(bands, band_answers(bands, decompositions(bands, 9))).html, "html.parser")
    assert page.select_one('[data-bands="chosen"]').text == start
    assert [button.text for button in page.select("button")] == buttons
    assert [label.text for label in page.select("fieldset label")] == list(bands)


def test_what_the_caller_says_is_text_and_not_markup(four):
    evil = "</script><b title='\"&"
    renamed = four.rename(index=lambda name: name.replace("W1", evil))
    fragment = band_picker(("u", "g", "r", evil), renamed, name=evil, presets={evil: [evil]}, start=[evil])
    moved = slider(figures(5, 6), [evil, 2], [evil, "six"], name=evil)
    for piece, kind in ((fragment, ".band-picker"), (moved, ".frame-slider")):
        page = BeautifulSoup(piece.html, "html.parser")
        assert len(page.select("script")) == len(page.select(kind)) == 1 and not page.select("b")
        assert evil in page.select_one(kind).text
        assert "http" not in re.sub('base64,[^"]*', "", piece.html) and not page.select("[id], [src^='http']")
    assert embedded(fragment)["bands"][3] == evil
    assert BeautifulSoup(moved.html, "html.parser").img["alt"] == evil


def test_without_html_there_are_the_numbers_of_the_first_choice(four):
    fragment = band_picker(("u", "g", "r", "W1"), four, start=["W1", "u"])
    assert fragment._repr_html_() == fragment.html
    row = four.loc["u+W1"]
    interval = " to ".join(f"{row[name]:.3f}".replace("-", "\u2212") for name in ("Syn_low", "Syn_high"))
    lines = dict(re.split(r"\s{2,}", line) for line in repr(fragment).splitlines()[1:-1])
    assert lines["Chosen: u, W1"].startswith(f"{row['information']:.3f} (")
    assert lines["synergistic"] == f"{row['Syn']:.3f} ({interval})".replace("-", "\u2212")


def test_slider_shows_one_frame_in_one_size():
    managed = [plt.figure(figsize=(3, 2)) for _ in range(2)]
    managed[0].subplots().set_ylabel("a label\nof two lines")
    before = set(plt.get_fignums())
    page = BeautifulSoup(slider(managed, [1, 2], ["one", "two"], name="n", start=1).html, "html.parser")
    assert before - set(plt.get_fignums()) == {figure.number for figure in managed}
    images = page.select("img")
    assert [image.has_attr("hidden") for image in images] == [True, False]
    assert len({(image["width"], image["height"]) for image in images}) == 1
    assert page.select_one("[data-shown]").text == "2" == page.input["aria-valuetext"]


def test_slider_embeds_the_smaller_format_and_the_same_bytes_each_time():
    few, many = (slider(figures(size, size), "ab", "cd", name="n").html for size in (2, 20_000))
    assert "image/png" in many and "image/svg" not in many
    figure = [Figure(figsize=(9, 9)) for _ in range(2)]
    assert "image/svg+xml" in slider(figure, "ab", "cd", name="n").html
    assert few == slider(figures(2, 2), "ab", "cd", name="n").html


def test_slider_refuses():
    two = figures(3, 4)
    for arguments, message in (
        (([two[0]], [1], ["a"]), "frames: found 1, expected at least two"),
        ((two, [1], ["a", "b"]), "labels: found 1, expected one for each of 2"),
        ((two, [1, " "], ["a", "b"]), "labels: found .* expected words"),
        ((two, [1, 2], ["a", ""]), "alts: found .* expected words"),
        (([two[0], "two"], [1, 2], ["a", "b"]), "frames: found str, expected matplotlib figures"),
    ):
        with pytest.raises(ValueError, match=message):
            slider(*arguments, name="n")
    for options, message in (
        ({"name": " "}, "name: found ' '"),
        ({"name": "n", "start": 2}, "start: found 2, expected a frame's number from 0 to 1"),
        ({"name": "n", "max_bytes": 5000}, "expected at most 5,000: give fewer or smaller"),
    ):
        with pytest.raises(ValueError, match=message):
            slider(two, [1, 2], ["a", "b"], **options)


def test_answers_refuse(tables):
    bands = ("u", "g", "r", "W1")
    for given, message in (
        ({"u": tables["u"]}, r"tables: 'g', 'u\+g', 'r' and 9 more are missing"),
        ({**tables, "g+u": tables["u+g"]}, "tables: found 'u.g' and 'g.u', expected every subset once"),
        ({**tables, "y": tables["u"]}, "tables: found the band 'y'"),
        ({**tables, "u": tables["u"].drop(index="Syn")}, "tables: 'u' lacks 'Syn'"),
        ({**tables, "u": tables["u"].drop(columns="low")}, "tables: 'u' lacks 'low'"),
    ):
        with pytest.raises(ValueError, match=message):
            band_answers(bands, given)
    for wrong in (("u",), ("u", "u"), ("u", "g+r"), ("u", " g"), tuple("abcdefghi")):
        with pytest.raises(ValueError, match="bands: found .* expected from 2 to 8"):
            band_answers(wrong, tables)


def test_picker_refuses(four):
    bands = ("u", "g", "r", "W1")

    def changed(row, column, value):
        other = four.copy()
        other.loc[row, column] = value
        return other

    swapped = four.rename(columns={"conditional_1": "conditional_2", "conditional_2": "conditional_1"})
    for answers, message in (
        (four.drop(columns="Syn_low"), "answers: column 'Syn_low' is missing"),
        (four.drop(index=["u+g", "W1"]), r"answers: 'u\+g', 'W1' are missing, expected all 15 subsets"),
        (four.rename(index={"u": "y"}), "answers: found the band 'y'"),
        (four.rename(index={"u": "u+u"}), "answers: found .* in which a band stands twice"),
        (changed("g+r", "U2_high", np.nan), r"answers: 'U2_high' of 'g\+r' is nan"),
        (changed("u+g+r+W1", "information", np.inf), r"answers: 'information' of 'u\+g\+r\+W1' is inf"),
        (changed("g", "R_low", 9.0), "answers: R_low of 'g' is above R_high"),
        (changed("g", "U1", 9.0), r"answers: R \+ U1 and information of 'g' are .* and .*, expected the same"),
        (swapped, r"answers: U1 \+ Syn and conditional_1 of 'u'"),
    ):
        with pytest.raises(ValueError, match=message):
            band_picker(bands, answers)
    with pytest.raises(ValueError, match="start: found the band 'y'"):
        band_picker(bands, four, start=["y"])
    with pytest.raises(ValueError, match=r"presets\['mine'\]: found the band 'y'"):
        band_picker(bands, four, presets={"mine": ["y"]})
