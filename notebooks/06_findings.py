# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# (chapter-findings)=
# # 6. Findings
#
# *Which of the claims does this book bear out, on what evidence, and what would settle the rest?*
#
# Five chapters have made numbers. Here they are put to the claims of {cite:t}`zhang2025` one by one. Nothing new is computed, and nothing is typed: every number below is read from the results that a chapter stored, or from a study that comes with the library, and leads back to where
# it was made. Change a chapter, execute it again, and this page changes with it.

# %% tags=["remove-cell"]
# In Colab only: fetch the book and what it lacks, and leave numpy, pandas and torch as they are.
import importlib.util
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

if "google.colab" in sys.modules and not Path("../_toc.yml").is_file():
    address = "https://github.com/galaxy-mass-anatomy/galaxy-mass-anatomy"
    book = Path("galaxy-mass-anatomy")
    if not book.is_dir():
        clone = ["git", "clone", "-q", "--depth", "1", address, str(book)]
        subprocess.run(clone, check=True)
    if importlib.util.find_spec("helpers") is None:
        here = {
            one.name.lower().replace("_", "-"): one.version for one in distributions()
        }
        lines = (book / "constraints.txt").read_text().splitlines()
        pinned = dict(line.split("==") for line in lines if line[:1].isalnum())
        missing = {name: pinned[name] for name in pinned if name not in here}
        held = {name: here[name] for name in ("numpy", "pandas", "torch")}
        versions = [f"{name}=={version}" for name, version in (missing | held).items()]
        Path("versions.txt").write_text("\n".join(versions))
        install = [sys.executable, "-m", "pip", "install", "-q", "-c", "versions.txt"]
        subprocess.run([*install, f"./{book}"], check=True)
    os.chdir(book / "notebooks")

# %% [markdown]
# :::{admonition} What you will be able to do
# - Break a claim into statements that a number can contradict.
# - Say of each what it was asked of, and whether the answer was planted.
# - Write down, before you look, what would make you change your mind.
# :::
#
# **Before you start**: chapters {ref}`4 <chapter-causal-discovery>` and {ref}`5 <chapter-information-decomposition>`, executed in the same run. **Time and memory**: seconds, 0.2 GB.

# %% [markdown]
# ## Parameters

# %% tags=["parameters"]
run: str = "book"
dataset: str = "sdss-mini"
profile: str = "book"
seed: int = 0
device: str = "auto"
n_galaxies: int = 10000
allow_network: bool = False
data_dir: str = ""
column_map: dict = {}
scheduler: str = ""

# %% [markdown]
# The text describes the published run. Figures, tables and the numbers that a cell prints are those of the run you execute.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers.figures_information import (
    band_by_band,
    component_trends,
    stacked_components,
)
from helpers.findings import (
    ANSWERS,
    Statement,
    answer,
    answers_page,
    answers_table,
    look_up,
    verdict,
)
from helpers.information import band_that_adds_most
from helpers.information.tuples import (
    IMAGE_BAND_TUPLES,
    MODALITY_TUPLES,
    PHOTOMETRIC_BAND_TUPLES,
)
from helpers.plotting import COLOURS, legend_below, panels, use_style
from helpers.runs import open_run, stored_result
from IPython.display import display

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="06_findings", parameters=shared)
INFORMATION, CAUSES = "05_information_decomposition", "04_causal_discovery"
results = {
    chapter: this_run.load(f"{chapter}/results.json")
    for chapter in (INFORMATION, CAUSES)
}
pictures_of = results[INFORMATION]["pictures"]["sample"]


def galaxies_of(sample):
    """A sample's name; all but the mocks are taken for real."""
    return sample if sample.startswith("mock") else f"{sample}, real"


whose = galaxies_of(pictures_of)
print(f"pictures are those of: {whose}")

# %% [markdown]
# ## The rules, before the answers
#
# A claim is a sentence, and a sentence has parts. Each part is written as a *statement*: one number, and where it has to lie. The answer is **yes** if the whole 95% interval lies there, **no** if none of it does, and **undecided** in between. A claim is *borne out* if all its statements are answered yes, *in part* if some are and others are not, or were not tested.
#
# The mock's answers were planted: in its graph the mass acts on the shapes, so that images can tell of it. There a *yes* says that the **instrument** finds what is there, with these galaxies and networks. It says nothing about real galaxies, which stand in rows of their own, and where nothing here can test a
# statement it is answered **not tested**, with what would.
#
# Some numbers summarise several: how far estimators are apart, what share of the definitions agrees, how much of one conditional information another is. How far three ways are apart, what share agrees and how many edges a selection draws are counts of this run, without an interval; two seeds of the largest training give one that reaches from the lower end of one to the upper end of the other.


# %%
def summary(values):
    """Mean of several numbers with the interval of a mean, by their scatter."""
    mean, error = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
    return {"mean": mean, "low": mean - error, "high": mean + error}


def difference(first, second):
    """First less second; their errors are taken as independent."""
    mean = first["mean"] - second["mean"]
    half = np.hypot(first["high"] - first["low"], second["high"] - second["low"]) / 2
    return {"mean": mean, "low": mean - half, "high": mean + half}


def share_replaced(of_photometry, of_images):
    """One less the ratio of two, by a first order in their errors."""
    ratio = of_images["mean"] / of_photometry["mean"]
    relative = [
        (one["high"] - one["low"]) / (2 * one["mean"])
        for one in (of_photometry, of_images)
    ]
    half = abs(ratio) * np.hypot(*relative)
    return {"mean": 1 - ratio, "low": 1 - ratio - half, "high": 1 - ratio + half}


found = results[INFORMATION]
of_pictures = found["pictures"]["decompositions"]
study = stored_result("information_study.json")
sizes, nulls = pd.DataFrame(study["untouched"]), pd.DataFrame(study["null_universes"])
largest = sizes[sizes["n_train"] == sizes["n_train"].max()]
trained_nulls = nulls[nulls["base_steps"] == 0]
gaps = {
    row["variant"]: row
    for row in stored_result("contrastive_study.json")["ablation_gaps"]
}
networks = pd.DataFrame(found["estimators"]).T[["nested", "separate", "amortised"]]
results["summaries"] = {
    "largest size": {
        "mean": largest["net"].mean(),
        "low": largest["net_low"].min(),
        "high": largest["net_high"].max(),
    },
    "nulls": summary(trained_nulls["net"]),
    "apart": float((networks.max(axis=1) - networks.min(axis=1)).max()),
    "another architecture": gaps["residual"],
}


def share_of_definitions(question):
    """Share of the definitions that answer yes."""
    answers = pd.Series(found["verdicts"][question]).drop(["agree", "unbinned"])
    return float((answers == "yes").mean())


question = f"ugriz and shapes in five bands ({pictures_of}): synergy"
if question in found["verdicts"]:
    results["summaries"]["definitions"] = share_of_definitions(question)
full_run = stored_result("tuples_modality.json")
results["full run"] = {
    name: own.set_index("quantity")[["mean", "low", "high"]].to_dict("index")
    for name, own in pd.DataFrame(full_run["pairs"])
    .query("group == 'all'")
    .groupby("tuple")
}
infrared_pairs = ("<Mopt, Mir>", "<Iopt, Mir>")
for where, parts in {
    "": {name: of_pictures.get(name, {}).get("all", {}) for name in infrared_pairs},
    ", full run": results["full run"],
}.items():
    adds_infrared = [parts[name].get("conditional_2_net") for name in infrared_pairs]
    if all(adds_infrared):
        results["summaries"] |= {
            f"less{where}": difference(*adds_infrared),
            f"replaced{where}": share_replaced(*adds_infrared),
        }
features = pd.DataFrame(stored_result("tuples_feature.json")["pairs"])
features = features[features["group"] == "all"].set_index(["tuple", "quantity"])
each_with_light = features.index.get_level_values("tuple").str.count("Mopt") == 2


def of_best(rows, quantity):
    """The pair of which a quantity is largest, with all its quantities."""
    name = rows["mean"].xs(quantity, level="quantity").idxmax()
    return name, rows.loc[name][["mean", "low", "high"]].to_dict(orient="index")


full_shape, results["summaries"]["a shape, full run"] = of_best(
    features[~each_with_light], "conditional_2"
)
full_pair, results["summaries"]["two shapes, full run"] = of_best(
    features[each_with_light], "Syn"
)
best = max(
    found["features"],
    key=lambda name: found["features"][name]["all"]["conditional_2"]["mean"],
    default="",
)
# The local tests store the efficiency, S removed, under that name.
for rows in (results[CAUSES]["verdicts"], results[CAUSES]["pictures"]["verdicts"]):
    for row in rows:
        row["mean"] = row["S removed"]
print(f"images with {sizes['n_train'].max():,} training galaxies: {len(largest)} seeds")
print(f"of the shapes compared between bands, the one that adds most: {best};")
print(f"with 20,000 galaxies and three refits: {full_shape}")
print(f"of two shapes, each with ugriz, the most synergistic: {full_pair}")
for name in (
    "information_study",
    "contrastive_study",
    "tuples_modality",
    "tuples_feature",
    "tuples_image_band",
    "tuples_photometric_band",
):
    origin = stored_result(f"{name}.json")["provenance"]
    origin = origin.get("untouched", origin)
    print(f"{name}: commit {origin['commit']}, {origin['date']}")

# %% [markdown]
# ## The statements
#
# Each names the chapter, or the summary, its number is read from, and the path to it. The bounds are ours, and there to be argued with.

# %%
pairs = ("pictures", "decompositions")
tied = ("pictures", "verdicts")


def of_pair(claim, words, name, quantity, section, **options):
    """Statement about a pair of inputs of chapter 5."""
    path = (*pairs, name, "all", quantity)
    section = f"{INFORMATION}#{section}"
    return Statement(
        claim, words, INFORMATION, path, section=section, sample=whose, **options
    )


def of_summary(claim, words, name, section, *quantity, **options):
    """Statement about a summary, or about one quantity of it."""
    path = (name, *quantity)
    return Statement(claim, words, "summaries", path, section=section, **options)


def of_full_run(claim, words, name, quantity):
    """Statement about a pair of inputs with 20,000 galaxies and three refits."""
    section = "06_findings#modalities-with-more-galaxies"
    path = (name, quantity)
    return Statement(claim, words, "full run", path, section=section)


def of_test(claim, words, query, given_s_of, **options):
    """Statement about a property at equal S, of chapter 4."""
    row = {"input": given_s_of, "query": query, "given": ""}
    return Statement(
        claim,
        words,
        CAUSES,
        (*tied, row),
        unit="of the variance",
        sample=whose,
        section=f"{CAUSES}#what-five-inputs-miss-property-by-property",
        **options,
    )


ADD, BANDS, SIZES, NULLS = (
    "what-do-pictures-add-to-photometry",
    "shapes-compared-between-bands",
    f"{INFORMATION}#how-many-galaxies-does-it-take",
    f"{INFORMATION}#universes-in-which-images-tell-nothing",
)
statements = [
    of_pair(
        "a",
        "Images divided by their flux add to ugriz, net of the placebo",
        "<Mopt, Ioptnorm>",
        "conditional_2_net",
        "raw-placebo-net",
    ),
    of_summary(
        "a", "Images still add with the most training galaxies", "largest size", SIZES
    ),
    of_summary(
        "a",
        "Where images know nothing by construction, they add less than 0.01 nats",
        "nulls",
        NULLS,
        relation="below",
        bound=0.01,
    ),
    of_pair(
        "a",
        "What images tell beside ugriz is synergy, pointwise",
        "<Mopt, Ioptnorm>",
        "Syn",
        ADD,
    ),
    of_pair(
        "a",
        "Measured shapes add to ugriz, net of the placebo",
        "<Mopt, Morph>",
        "conditional_2_net",
        "raw-placebo-net",
    ),
    of_pair(
        "a",
        "What the shapes tell beside ugriz is synergy, pointwise",
        "<Mopt, Morph>",
        "Syn",
        ADD,
    ),
    of_summary(
        "a",
        "What the shapes tell is synergy under more than nine in ten definitions",
        "definitions",
        f"{INFORMATION}#does-the-conclusion-hang-on-the-definition",
        bound=0.9,
        unit="of the definitions",
    ),
    of_full_run(
        "a",
        "With 20,000 galaxies and refits, images still add",
        "<Mopt, Ioptnorm>",
        "conditional_2_net",
    ),
    of_full_run(
        "a",
        "What images tell with 20,000 galaxies is synergy, pointwise",
        "<Mopt, Ioptnorm>",
        "Syn",
    ),
    of_full_run(
        "a",
        "With 20,000 galaxies and refits, shapes still add",
        "<Mopt, Morph>",
        "conditional_2_net",
    ),
    of_full_run(
        "a",
        "What shapes tell with 20,000 galaxies is synergy, pointwise",
        "<Mopt, Morph>",
        "Syn",
    ),
    of_test(
        "a",
        "At equal S of ugriz, the index n still goes with the mass",
        "n_r",
        "Mopt",
    ),
    of_test(
        "a",
        "At equal S of images, the index n explains less than 0.02 of what is left",
        "n_r",
        "Iopt",
        relation="below",
        bound=0.02,
    ),
    of_pair(
        "b",
        "W1 to W3 add to ugriz, net of the placebo",
        "<Mopt, Mir>",
        "conditional_2_net",
        "raw-placebo-net",
    ),
    of_summary(
        "b",
        "W1 to W3 add less to ugriz images than to ugriz",
        "less",
        f"{INFORMATION}#{ADD}",
    ),
    of_summary(
        "b",
        "Images tell more than half of what W1 to W3 add to ugriz",
        "replaced",
        f"{INFORMATION}#{ADD}",
        bound=0.5,
        unit="of it",
    ),
    of_full_run(
        "b",
        "With 20,000 galaxies and refits, W1 to W3 add to ugriz images",
        "<Iopt, Mir>",
        "conditional_2_net",
    ),
    of_summary(
        "b",
        "With 20,000 galaxies, images tell more than half of what W1 to W3 add to ugriz",
        "replaced, full run",
        "06_findings#modalities-with-more-galaxies",
        bound=0.5,
        unit="of it",
    ),
    of_test(
        "b",
        "At equal S of images, W1 still goes with the mass",
        "W1",
        "Iopt",
    ),
    Statement(
        "c",
        "The best shape adds to ugriz and the same shape in another band",
        INFORMATION,
        ("features", best, "all", "conditional_2"),
        sample=whose,
        section=f"{INFORMATION}#{BANDS}",
    ),
    Statement(
        "c",
        "What that shape tells is synergy, pointwise",
        INFORMATION,
        ("features", best, "all", "Syn"),
        sample=whose,
        section=f"{INFORMATION}#{BANDS}",
    ),
    Statement(
        "c",
        "It adds strongly, more than 0.1 nats",
        INFORMATION,
        ("features", best, "all", "conditional_2"),
        bound=0.1,
        sample=whose,
        section=f"{INFORMATION}#{BANDS}",
    ),
    of_summary(
        "c",
        "With 20,000 galaxies and refits, the best shape still adds",
        "a shape, full run",
        "06_findings#c-shapes-between-bands",
        "conditional_2",
    ),
    of_summary(
        "c",
        "What that shape tells with 20,000 galaxies is synergy, pointwise",
        "a shape, full run",
        "06_findings#c-shapes-between-bands",
        "Syn",
    ),
    of_summary(
        "c",
        "The best of twenty pairs of radii or indices, each with ugriz, is synergistic, pointwise",
        "two shapes, full run",
        "06_findings#c-shapes-between-bands",
        "Syn",
    ),
    of_test(
        "c",
        "At equal S of ugriz, the ratio of radii in g and r goes with the mass",
        "R50_g/R50_r",
        "Mopt",
    ),
    of_test(
        "c",
        "At equal S of images, that ratio explains less than 0.03 of what is left",
        "R50_g/R50_r",
        "Iopt",
        relation="below",
        bound=0.03,
    ),
    of_summary(
        "d",
        "Three ways to train networks of photometry agree within 0.1 nats",
        "apart",
        f"{INFORMATION}#do-other-methods-agree",
        relation="below",
        bound=0.1,
        sample=galaxies_of(dataset),
    ),
    of_summary(
        "d",
        "The loss of a second architecture of images is no more than 0.1 nats below that of the first",
        "another architecture",
        "02_contrastive_training#what-do-the-parts-of-the-method-buy",
        bound=-0.1,
    ),
    Statement(
        "d",
        "A limit in brightness draws more edges between what is not joined than chance",
        CAUSES,
        ("selection", {"sample": "magnitude-limited"}, "edges made by selection"),
        bound=results[CAUSES]["edges_by_chance"],
        unit="edges a graph",
        section=f"{CAUSES}#selection-draws-edges",
    ),
    of_test(
        "e",
        "At equal S of ugriz, counted neighbours go with the mass",
        "environment",
        "Mopt",
    ),
    of_test(
        "e",
        "At equal S of images, infrared and redshift, neighbours explain less than 0.02 of what is left",
        "environment",
        "Iopt+Mir+Zspec",
        relation="below",
        bound=0.02,
    ),
    Statement(
        "e",
        "J, H and K of 2MASS add to ugriz",
        INFORMATION,
        ("decompositions", "<Mopt, Mnir>", "all", "conditional_2_net"),
        sample=galaxies_of(dataset),
        section=f"{INFORMATION}#the-catalogue",
    ),
]
# What no galaxy at hand can answer.
asked_of_real = {
    "a": "Images of real galaxies add to their ugriz",
    "b": "Images of real galaxies tell most of what WISE adds to their ugriz",
    "c": "Shapes of real galaxies in two bands add to one another",
    "d": "Three ways to train networks of real images agree within 0.1 nats",
    "e": "At equal S, the counted neighbours of real galaxies go with their mass",
}
if whose == pictures_of:
    statements += [
        Statement(claim, words, "real", (), sample="real, with images")
        for claim, words in asked_of_real.items()
    ]


def known(statement):
    """Whether the results have a place for it; other catalogues have other bands."""
    if statement.source not in results:
        return True
    try:
        look_up(results[statement.source], statement.path)
    except ValueError:
        return False
    return True


unknown = [one.words for one in statements if not known(one)]
answered = [answer(one, results) for one in statements if known(one)]
print(
    f"{len(answered)} statements; {len(unknown)} have no place in these results {unknown or ''}"
)

# %% [markdown]
# ## The claims
#
# In our words: **(a)** images carry information beyond integrated photometry, as synergy, through morphology. **(b)** Optical images can largely take the place of infrared photometry. **(c)** Features that compare bands, such as the ratio of two radii, are strongly synergistic. **(d)** The limits that the paper states: one pair of surveys, confounders, implementations that differ. **(e)** What it leaves for later: environment,
# other surveys, other architectures.

# %%
CLAIMS = {
    "a": "images add, as synergy, through shape",
    "b": "images replace the infrared",
    "c": "shapes between bands are strongly synergistic",
    "d": "the stated limits can be measured",
    "e": "environment and other bands can be brought in",
}


def is_real(one):
    return "real" in one.statement.sample


verdicts = pd.DataFrame(
    {
        f"({claim}) {words}": {
            "made-up galaxies": verdict(
                one
                for one in answered
                if one.statement.claim == claim and not is_real(one)
            ),
            "real galaxies": verdict(
                one for one in answered if one.statement.claim == claim and is_real(one)
            ),
        }
        for claim, words in CLAIMS.items()
    }
).T
verdicts

# %% tags=["hide-input"] mystnb={"image": {"alt": "One row for each statement whose number is in nats, with its 95 percent interval and a small bar at the bound that it was held against, in the order of the claims. Statements answered yes are blue, no vermilion, undecided grey. Those that something adds are mostly yes; those of pointwise synergy are yes for the shapes of five bands and, with 20,000 galaxies, for images; they are no or undecided for single shapes."}}
shown = [
    one for one in answered if one.statement.unit == "nats" and np.isfinite(one.value)
]
colours = {"yes": "blue", "no": "vermilion", "undecided": "grey"}
counts = pd.Series([one.answer for one in answered]).value_counts()
figure, axis = plt.subplots(figsize=(7.2, 0.42 * len(shown) + 1.2))
for row, one in enumerate(shown):
    axis.errorbar(
        one.value,
        -row,
        xerr=[[one.value - one.low], [one.high - one.value]],
        fmt="o",
        color=COLOURS[colours[one.answer]],
        capsize=3,
    )
    axis.plot(one.statement.bound, -row, "|", color=COLOURS["black"], markersize=11)
axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
labels = [f"({one.statement.claim}) {one.statement.words}" for one in shown]
axis.set_yticks(-np.arange(len(shown)), labels, fontsize=8.5)
axis.set(xlabel="nats; the bar is the bound")
axis.set_title(
    f"Of {len(answered)} statements "
    + ", ".join(f"{counts[word]} {word}" for word in ANSWERS if word in counts)
    + "\n(shown: those in nats)",
    loc="right",
)
for word, colour in colours.items():
    axis.errorbar([], [], fmt="o", color=COLOURS[colour], label=word)
axis.legend(fontsize=9, ncols=3, loc="upper right", bbox_to_anchor=(1.0, -0.05))
plt.show()


# %%
def evidence(claim):
    """The statements of a claim, with their numbers, answers and places."""
    own = [one for one in answered if one.statement.claim == claim]
    return answers_page(answers_table(own))


# %% [markdown]
# ### (a) Images, synergy, morphology

# %%
evidence("a")

# %% [markdown]
# Three words of the claim, and three fates. *Beyond photometry*: yes, in the mock, beyond the placebo, more so with more galaxies, and not in universes where it should not be. *Through morphology*: yes; what the images add is less than what shapes measured on them add, so a network that sees pixels has not yet
# learned all that four numbers measured in each band know. *As synergy*: that word hangs on the definition and on the number of galaxies. Pointwise synergy is what is added less what is unique, and so can be negative even where much is added, as for WISE below: that of images is so with a few thousand training galaxies, and no longer with 14,000. The shapes' is positive with either, but not under every
# definition; and the definitions are compared on two numbers of each input, in bins, where the pointwise one, too, says no. The conditional information is the same under all of them.
#
# **What would settle it**: the same cells on real galaxies with images and masses that were not computed from the same photometry, at 10,000 or more for training.

# %% [markdown]
# #### Modalities, with more galaxies
#
# The pairs of chapter 5 once more, with 20,000 galaxies, of which 14,000 train the networks in place of some four thousand, three refits of every network, and profile `full` (`make tuples`). The study of sizes trained as many without refits, so its number is another estimate of the same thing.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Stacked bars of redundant, unique and synergistic information for five pairs of inputs with 20,000 mock galaxies: ugriz with images, with shapes and with WISE, images with WISE, images and WISE with redshift, and what each input adds to the other beneath. Images and shapes add to ugriz, in part as synergy; redshift by far most of all."}}
pairs_of_full = pd.DataFrame(full_run["pairs"]).query("group == 'all'")
of_images = results["full run"]["<Mopt, Ioptnorm>"]
figure, axis = plt.subplots(figsize=(6.8, 4.4))
stacked_components(
    axis, pairs_of_full, labels={one.name: one.label for one in MODALITY_TUPLES}
)
axis.set_title(
    f"Mock: images add {of_images['conditional_2']['mean']:.2f} nats to ugriz, {of_images['Syn']['mean']:.2f} of them synergy",
    loc="right",
)
axis.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.3, -0.16))
plt.show()

# %% tags=["hide-input"] mystnb={"image": {"alt": "Components of the information of ugriz and flux-normalised images against mass, r magnitude and redshift in three panels, with 20,000 mock galaxies: redundant, unique to each, synergistic, and what the images add, with bands of their intervals."}}
along = pd.DataFrame(full_run["along"]).query("tuple == '<Mopt, Ioptnorm>'")
axis_words = {
    "mass": "log10 stellar mass (solar masses)",
    "r magnitude": "Petrosian r (mag)",
    "redshift": "redshift",
}
by_mass = along.query("by == 'mass' and quantity == 'conditional_2'")
most = by_mass.loc[by_mass["mean"].idxmax()]
figure, axes = panels(
    3,
    columns=3,
    width=2.5,
    height=3.2,
    title=f"Mock: images add most, {most['mean']:.2f} nats, at a log10 mass of {most['centre']:.1f}",
)
for axis, (by, words) in zip(axes, axis_words.items(), strict=True):
    component_trends(
        axis,
        along[along["by"] == by],
        quantities=("R", "U1", "U2", "Syn", "conditional_2"),
        xlabel=words,
    )
for axis in axes[1:]:
    axis.set(ylabel="", ylim=axes[0].get_ylim())
legend_below(figure, axes[0], columns=3)
plt.show()

# %% [markdown]
# Images add at every mass, magnitude and redshift, most to the lightest and the nearest; their synergy stays positive nearly everywhere. To the heaviest, where chapter 5's networks found nothing to add, these find a quarter of a nat.

# %% [markdown]
# ### (b) Images for the infrared

# %%
evidence("b")

# %% [markdown]
# The infrared adds to images less than it adds to photometry, so they stand in for a part of it. How large a part depends on how well their network was trained, and a weak one leaves everything to be added. With the training galaxies of chapter 5 *largely* is more than the numbers can carry; with 14,000 of them images tell well over half of what the infrared adds to photometry, and the word is fair, in the mock. Most of what the infrared tells, such images tell too: it is redundant.
#
# **What would settle it**: WISE magnitudes and images of the same galaxies, and a mass to which the infrared contributed.

# %% [markdown]
# ### (c) Shapes between bands

# %%
evidence("c")

# %% [markdown]
# A shape in a second band adds something, and with more galaxies and refits it still does. Of twenty pairs the best one is shown, and the best of twenty is high by luck as well. Its pointwise synergy is not positive; that of two radii, *each* with the photometry, is barely so in the best pair. At equal S of photometry the ratio of two radii goes with the mass, while at equal S of images hardly anything is left: the encoder has seen it. So *strongly* is too strong a word here, in the mock, by the definition of the paper. The mock's bulges and discs differ in size between bands as two
# populations of stars of one age each would; real galaxies have gradients beyond that.
#
# **What would settle it**: real images with shapes fitted in every band, at one resolution.
#
# #### Band by band, with more galaxies
#
# Chapter 5 divides the bands with a few thousand training galaxies and one seed. The study behind this figure (`make tuples`) did it with 14,000 and three refits, and profile `full`.

# %% tags=["hide-input"] mystnb={"image": {"alt": "What each band shares with the rest, has alone, tells together with it and adds to it, from 20,000 mock galaxies with three refits: photometric bands u to W3 on the left, image bands u to z on the right. Among the image bands g adds by far the most, and most of that is synergy; among the photometric bands W2 and g add most."}}
divided = {
    "photometric band": (PHOTOMETRIC_BAND_TUPLES, "tuples_photometric_band"),
    "image band": (IMAGE_BAND_TUPLES, "tuples_image_band"),
}
tables = {
    words: pd.DataFrame(stored_result(f"{name}.json")["pairs"])
    for words, (_, name) in divided.items()
}


missed_most = {
    words: "{} ({:.2f} nats)".format(*band_that_adds_most(tuples, tables[words]))
    for words, (tuples, _) in divided.items()
}
figure, axes = panels(
    2,
    width=3.9,
    height=3.6,
    title=f"Mock: missed most are, of the photometric bands, {missed_most['photometric band']} and, of the images, {missed_most['image band']}",
)
for axis, (words, (tuples, _)) in zip(axes, divided.items(), strict=True):
    band_by_band(axis, tuples, tables[words])
    axis.set(xlabel=f"{words} against the rest")
legend_below(figure, axes[0])
plt.show()

# %% [markdown]
# In images g is the band that the others miss, and most of what it adds is synergy: only with g beside r does the network know on which side of the break at 4000 Å the light is, pixel by pixel. With the few galaxies of chapter 5 hardly any of this was learned. Of the photometric bands W2 and g are even within their intervals. All three refits were kept at their last step, so more training would tell more.
#
# ### (d) Limits

# %%
evidence("d")

# %% [markdown]
# Implementations need not be inconsistent: networks of photometry trained in three ways agree where they are stopped and calibrated alike. Of two architectures for images the second is a little better, so the first had not found all. Selection is the limit that no better training removes. A sample cut in brightness joins what is not joined; chapter 4 shows the remedy, a cut in volume, and its price.
#
# **What would settle it**: the same three ways on real images, and more architectures for them.
#
# ### (e) Environment, and what else was left

# %%
evidence("e")

# %% [markdown]
# Counted neighbours are a noisy measure of a group ({ref}`appendix A <appendix-mock>` says how noisy), and still go with the mass at equal photometry, but only through the distance: given the redshift nothing is left ({ref}`chapter 4 <chapter-causal-discovery>`), nor with images, infrared and redshift in S. In the mock that is as it should be, for there nothing acts on the mass. The row of J, H and K is of real galaxies: 2MASS adds little to their ugriz, and could add little, since their masses were computed from ugriz and redshift and have never seen it. Bringing your own survey takes a table: {ref}`data-and-licences` has a worked example.
#
# **What would settle it**: neighbours counted among real galaxies with redshifts, down to one luminosity.
#
# ## What happens if something else is chosen?
#
# The same statements once more, those that ask whether an answer hangs on a choice of ours: which galaxies and seeds trained the networks, how many, by what architecture and which estimator, under what definition, how the galaxies were selected, and what is found where nothing is.

# %%
CHOICES = {
    "training galaxies, seeds": (
        "With 20,000 galaxies and refits, images still add",
        "With 20,000 galaxies and refits, W1 to W3 add to ugriz images",
        "With 20,000 galaxies and refits, the best shape still adds",
    ),
    "number of galaxies": (
        "Images still add with the most training galaxies",
        "What images tell beside ugriz is synergy, pointwise",
        "What images tell with 20,000 galaxies is synergy, pointwise",
    ),
    "architecture": (
        "The loss of a second architecture of images is no more than 0.1 nats below that of the first",
    ),
    "estimator": ("Three ways to train networks of photometry agree within 0.1 nats",),
    "definition": (
        "What the shapes tell is synergy under more than nine in ten definitions",
    ),
    "selection": (
        "A limit in brightness draws more edges between what is not joined than chance",
    ),
    "universe": (
        "Where images know nothing by construction, they add less than 0.01 nats",
    ),
}
tested_choices = [
    (choice, one)
    for choice, words in CHOICES.items()
    for one in answered
    if one.statement.words in words
]
table = answers_table([one for _, one in tested_choices])
table.insert(0, "choice", [choice for choice, _ in tested_choices])
answers_page(table.drop(columns="galaxies"))

# %% [markdown]
# That something is *added* survives every choice that was tried. What it is *called* does not: the sign of the pointwise synergy turns with the number of galaxies, and whether there is any, with the definition. And no choice of ours undoes a selection.
#
# ## On real galaxies
#
# ```bash
# make book PROFILE=real
# ```
#
# fetches three thousand SDSS galaxies with pictures, masses and WISE magnitudes ({ref}`reproduce-real`), executes every chapter, this one included, and the rows *not tested* above become numbers, but for that of counted neighbours, which the galaxies fetched here do not have.
#
# ## A recipe for a survey team
#
# 1. **Write the claims as statements with bounds, first.** The cell above is a template.
# 2. **Build the null.** Exchange images between galaxies of equal measured photometry; whatever your instrument finds there is its own.
# 3. **Quote what is added, net of its placebo**, and the components beside it, with the definition's name.
# 4. **Grow the sample.** If the number grows from half of it to all of it, it is a lower bound: say so.
# 5. **Refit on other samples of the training galaxies.** An interval over test galaxies alone is too narrow.
# 6. **Ask what the mass is a function of**, before you are surprised by what it depends on.
# 7. **Say what selected the galaxies**, and repeat the main number in a volume-limited part.
#
# ## Check yourself

# %%
assert all(one.answer in ANSWERS for one in answered)
if profile not in ("smoke", "paper") and dataset == "sdss-mini":
    assert not unknown, unknown
    by_words = {one.statement.words: one.answer for one in answered}
    assert (
        by_words["Images divided by their flux add to ugriz, net of the placebo"]
        == "yes"
    )
    assert (
        by_words[
            "Where images know nothing by construction, they add less than 0.01 nats"
        ]
        == "yes"
    )
    assert verdicts.loc[verdicts.index[0], "real galaxies"] == "not tested"

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-findings-wider
# *Look.* Suppose that every interval were twice as wide. Which answers would be undecided? Guess from the figure and the tables, then count.
# :::


# %% tags=["hide-cell"]
# Solution: those whose interval ends within half its width of the bound.
def doubled(one):
    """Answer with an interval twice as wide."""
    wider = {
        "mean": one.value,
        "low": 2 * one.low - one.value,
        "high": 2 * one.high - one.value,
    }
    return answer(replace(one.statement, source="wider", path=()), {"wider": wider})


for one in answered:
    if np.isfinite(one.value) and doubled(one).answer != one.answer:
        print(f"{one.answer} -> {doubled(one).answer}: {one.statement.words}")

# %% [markdown]
# :::{exercise}
# :label: exercise-findings-bounds
# *Change.* Take every bound that a number has to lie below, and halve it. Which answers change? Which verdicts?
# :::

# %% tags=["hide-cell"]
# Solution: a bound is a choice, so the answers near it are ours and not nature's.
stricter = [
    answer(replace(one.statement, bound=one.statement.bound / 2), results)
    for one in answered
    if one.statement.relation == "below" and np.isfinite(one.value)
]
before = {one.statement.words: one.answer for one in answered}
for one in stricter:
    print(f"{before[one.statement.words]:>9s} -> {one.answer:9s} {one.statement.words}")
stricter_words = {one.statement.words: one for one in stricter}
for claim in CLAIMS:
    made_up = [
        stricter_words.get(one.statement.words, one)
        for one in answered
        if one.statement.claim == claim and not is_real(one)
    ]
    print(f"({claim}) made-up galaxies: {verdict(made_up)}")

# %% [markdown]
# :::{exercise}
# :label: exercise-findings-own
# *Build.* Write a statement of your own: that redshift adds to images and infrared more than a nat, on the galaxies with pictures. Where is its number?
# :::

# %% tags=["hide-cell"]
# Solution: in the decomposition of <Iopt+Mir, Zspec>, as what the second input adds.
own = of_pair(
    "e",
    "Redshift adds more than a nat to images and infrared",
    "<Iopt+Mir, Zspec>",
    "conditional_2_net",
    "raw-placebo-net",
    bound=1.0,
)
if known(own):
    display(answers_page(answers_table([answer(own, results)])))

# %% [markdown]
# ## What could be wrong
#
# - The bounds are ours, and some stand near the numbers. A statement that is undecided is not half true.
# - Where two numbers are compared, their errors are taken as independent, though both come from the same test galaxies. That makes the interval too wide.
# - Intervals of single estimates know nothing of the luck of networks but where several were trained: the pair of images and photometry, the study of sizes, the nulls, and all pairs with 20,000 galaxies.
# - The mock is one universe. Its images tell of the mass through the bulge, the size and the dust, because we wrote it so.
#
# ## Summary
#
# In the made-up universe the instruments find that images know something that photometry does not, that it is shape, and that it takes the place of a part of the infrared, the more so the more galaxies there are to learn from. Whether to call it synergy depends on a definition and on that number as well, and *strong* or *largely* on a bound. On real galaxies this run can only say what its catalogue
# holds, and names the command for the rest.

# %%
this_run.save_results(
    {
        "verdicts": verdicts.to_dict(orient="index"),
        "statements": [
            {
                "claim": one.statement.claim,
                "words": one.statement.words,
                "value": None if np.isnan(one.value) else one.value,
                "low": None if np.isnan(one.low) else one.low,
                "high": None if np.isnan(one.high) else one.high,
                "answer": one.answer,
                "sample": one.statement.sample,
            }
            for one in answered
        ],
    }
)
print(f"stored in runs/{run}/06_findings: results.json")

# %% [markdown]
# **What comes next**: {ref}`chapter-known-truths`, where the same instruments meet truths of our own making; {ref}`appendix-mock`, for how the universe was made whose answers these are; {ref}`reproduce`, to ask your own galaxies. **References**: {cite:t}`zhang2025`.
