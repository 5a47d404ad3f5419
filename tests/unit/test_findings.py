"""Verdicts: what a number says of a statement, and what statements say of a claim."""

import math

import pytest

from helpers.findings import Statement, answer, answers_page, answers_table, look_up, verdict

RESULTS = {
    "05_information": {
        "pairs": {"<a, b>": {"Syn": {"mean": 0.2, "low": 0.1, "high": 0.3}}},
        "rows": [{"input": "x", "query": "n", "value": 0.5}, {"input": "x", "query": "R50", "value": -1}],
        "words": "many",
    }
}
SYNERGY = ("pairs", "<a, b>", "Syn")


def stated(path=SYNERGY, **options):
    return Statement("a", "b adds to a", "05_information", path, **options)


@pytest.mark.parametrize(
    ("relation", "bound", "expected"),
    [
        ("above", 0.0, "yes"),
        ("above", 0.2, "undecided"),
        ("above", 0.3, "no"),
        ("below", 0.31, "yes"),
        ("below", 0.2, "undecided"),
        ("below", 0.1, "no"),
    ],
)
def test_the_whole_interval_has_to_lie_on_one_side(relation, bound, expected):
    found = answer(stated(relation=relation, bound=bound), RESULTS)
    assert (found.value, found.low, found.high, found.answer) == (0.2, 0.1, 0.3, expected)


def test_a_lone_number_of_a_row_is_its_own_interval():
    found = answer(stated(("rows", {"input": "x", "query": "R50"}, "value"), relation="below"), RESULTS)
    assert (found.value, found.low, found.high, found.answer) == (-1, -1, -1, "yes")


def test_what_was_not_computed_is_not_tested():
    found = answer(Statement("a", "on real galaxies", "real", SYNERGY), RESULTS)
    assert found.answer == "not tested" and math.isnan(found.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("pairs", "<a, c>"), "found no '<a, c>' of pairs / <a, c>, expected one of: <a, b>"),
        (("words", "Syn"), "found no 'Syn' of words / Syn, expected one of: str"),
        (("rows", {"input": "x"}, "value"), "found 2 rows with {'input': 'x'}"),
        (("words",), "found 'many' at words, expected a number"),
        (("pairs", "<a, b>"), "expected a number, or mean, low and high"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        answer(stated(path), RESULTS)
    assert look_up(RESULTS["05_information"], SYNERGY)["mean"] == 0.2


def test_a_relation_that_is_none_is_refused():
    with pytest.raises(ValueError, match="relation: found 'about', expected one of above, below"):
        stated(relation="about")


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([0.0, 0.05], "borne out"),
        ([0.0, 0.2], "borne out in part"),
        ([0.0, 0.5], "borne out in part"),
        ([0.2, 0.5], "not borne out"),
        ([0.2], "undecided"),
        ([], "not tested"),
    ],
)
def test_the_verdict_on_a_claim(bounds, expected):
    answered = [answer(stated(bound=bound), RESULTS) for bound in bounds]
    assert verdict(answered) == expected
    untested = answer(Statement("a", "on real galaxies", "real", SYNERGY), RESULTS)
    with_untested = "borne out in part" if expected == "borne out" else expected
    assert verdict([*answered, untested]) == with_untested


def test_the_table_leads_to_where_a_number_was_made():
    sections = ("05_information#pairs", "90_mock#nulls", "")
    table = answers_table([answer(stated(section=section), RESULTS) for section in sections])
    assert table["found"].tolist() == ["0.200 (0.100 to 0.300) nats"] * 3
    assert table["shown in"].tolist() == [
        '<a href="05_information.html#pairs">chapter 5</a>',
        '<a href="90_mock.html#nulls">appendix A</a>',
        "",
    ]
    page = answers_page(table.drop(columns="galaxies")).to_html()
    assert '<a href="90_mock.html#nulls">appendix A</a></td>' in page and 'class="dataframe"' in page
    assert "0.200 (0.100 to 0.300) nats" in page and "galaxies" not in page
