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
# (chapter-information-decomposition)=
# # 5. Decomposing the information
#
# *Two inputs tell us about the mass. How much of it is the same, and how much do they tell only together?*
#
# Chapter 4 asked *whether* something is missing from an input. This chapter asks *how much*, in {term}`nat`s, and how two inputs share what they know: what both
# tell ({term}`redundant <redundancy>`), what only one tells ({term}`unique <unique information>`), and what neither tells alone but both tell together
# ({term}`synergistic <synergy>`). We begin with one galaxy and end with three claims of {cite:t}`zhang2025`: that images know more than integrated photometry, that optical images can stand in for the infrared,
# and that shapes compared between bands are synergistic.

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
# - Turn a network's cross-entropy on held-out galaxies into a lower bound on {term}`mutual information`.
# - Tell an information gain from the gain that any correction makes, with a {term}`placebo`.
# - Decompose information galaxy by galaxy, and say why synergy is negative where nothing is added.
# - Find which bands, and which galaxies, hold the information.
# - Say which conclusion survives a change of the definition of redundancy.
# :::
#
# **Before you start**: chapters 1 and 3, executed in the same run. **Time and memory**: about nine minutes on two cores, 1.8 GB.

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
# The text describes the published run. Figures, their titles and the numbers that a cell prints are those of the run you execute.

# %%
import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers.figures_information import (
    band_by_band,
    component_bars,
    component_trends,
    feature_map,
    galaxy_row,
    known_mass,
    stacked_components,
)
from helpers.information import (
    InformationTuple,
    adds_little,
    band_divisions,
    band_that_adds_most,
    binned_components,
    binning_effect,
    boosting_information,
    components_of,
    compose,
    conclusions,
    decompose,
    decompose_pairs,
    decomposition_table,
    definition_table,
    distinct_inputs,
    estimate_inputs,
    feature_tuples,
    gaussian_decomposition,
    learned_summaries,
    more_synergy,
    noise_bias,
    plant,
    pooled_components,
    positive_synergy,
    predictive_distributions,
    running_components,
    synergy_extremes,
    synergy_profile,
    tuples_of,
)
from helpers.inputs import infrared_input, optical_survey
from helpers.interaction import (
    band_answers,
    band_picker,
    explored_galaxy,
    galaxy_explorer,
    slider,
)
from helpers.plotting import (
    COLOURS,
    decimal,
    footnote,
    forest,
    galaxy_pictures,
    legend_below,
    panels,
    pit_departure,
    show_picture,
    use_style,
)
from helpers.runs import open_run, profile_settings, stored_result
from helpers.star_formation import star_formation_class
from helpers.survey import Sample, load_sample, with_pictures
from IPython.display import display
from scipy.stats import t as student_t

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="05_information_decomposition", parameters=shared)
of_profile = profile_settings(profile)
settings = of_profile["decomposition"]
sample = Sample.from_frame(this_run.load("01_data/catalog.parquet"), split="split")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # chapter 1 has shown them
    loaded = load_sample(
        dataset,
        n_galaxies,
        seed,
        allow_network=allow_network,
        cache_dir=data_dir or None,
        column_map=column_map or None,
    )
# As in chapter 2: the sample's own pictures, or the mock's.
pictures = with_pictures(
    sample, loaded, 16 * of_profile["information_images"].get("bin_pixels", 2)
)
catalogue_of = Path(dataset).name
pictures_of = catalogue_of if pictures is not None else "mock"
if pictures is None:
    n_mock = of_profile["mock"]["n_galaxies"]
    pictures = load_sample("mock", n_mock, seed, cache_dir=data_dir or None)
else:
    sample = pictures
optical = optical_survey(sample.catalog)
infrared = infrared_input(sample.catalog)  # None where the catalogue has none
mocked = "Mock: " if pictures_of == "mock" else ""
test_rows, picture_rows = sample.rows("test"), pictures.rows("test")
mass = sample.mass
# Every fit is made once, and kept for the next execution of this run.
fits, bootstrap = {}, settings["n_bootstrap"]
options = {
    "profile": profile,
    "device": device,
    "reuse": fits,
    "checkpoint_dir": this_run.scratch("fits"),
}


def decomposed(galaxies, pairs, seeds):
    """Decompose pairs of inputs, with a placebo of the second, whoever trains the networks."""
    if scheduler:
        from helpers.grid.models import fit_pairs

        of_fits = {name: value for name, value in options.items() if name != "reuse"}
        fit_pairs(
            galaxies,
            pairs,
            seeds=seeds,
            placebo="second",
            scheduler=scheduler,
            **of_fits,
        ).raise_for_failures()
    return decompose_pairs(galaxies, pairs, seeds=seeds, placebo="second", **options)


for where, galaxies in {catalogue_of: sample, pictures_of: pictures}.items():
    parts = [
        f"{len(galaxies.rows(part))} {part}" for part in ("train", "validation", "test")
    ]
    print(f"{where}: {', '.join(parts)} galaxies")

# %% [markdown]
# ## What does a network know of one galaxy?
#
# Before we see a galaxy, all we know of its mass is the {term}`prior` $p$: how common each mass is among the training galaxies. A network that sees an input $X$ gives its own probability
# $q$ to each mass bin. For one galaxy with its mass in bin $b$ the gain is
#
# $$i_X = \ln q(b \mid X) - \ln p(b),$$
#
# in words: by how much, in natural logarithm, the input raised the probability of what was true. Here is one galaxy of the catalogue, seen in ugriz, in redshift, and in both. It was chosen because its three gains are close to the averages.

# %%
redshift_pair = InformationTuple(
    "<Mopt, Zspec>", "Mopt", "Zspec", "modality", (optical.label, "redshift")
)
of_catalogue = {one.name: one for one in tuples_of(sample, ["modality"])}
of_catalogue = {redshift_pair.name: redshift_pair} | of_catalogue
# With images in the catalogue these tuples come with the pictures, below.
of_catalogue = {
    name: one
    for name, one in of_catalogue.items()
    if "Iopt" not in str(one.first) + str(one.second)
}
decompositions = decomposed(
    sample,
    {name: (one.first, one.second) for name, one in of_catalogue.items()},
    (seed,),
)
# X1 of the third pair has the name of the nested union of the second, which comes first and is kept.
estimates = {}
for pair in decompositions.values():
    for estimate in pair.estimates:
        estimates.setdefault(estimate.name, estimate)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Probability density of one galaxy's stellar mass: the broad prior, a narrower curve from ugriz, a broad one from redshift, and a very narrow peak from both together, which stands at the galaxy's true mass, marked by a vertical line."}}
pair = decompositions[redshift_pair.name]
gains = np.stack([estimate.pointwise[test_rows] for estimate in pair.estimates])
typical = int(np.argmin(np.abs(gains - gains.mean(axis=1, keepdims=True)).sum(axis=0)))
row = int(test_rows[typical])
known = {
    f"{words}: gain {decimal(estimate.pointwise[row])} nats": predictive_distributions(
        sample,
        estimate.name,
        base="Mopt" if "+" in estimate.name else None,
        seeds=(seed,),
        **options,
    )
    for estimate, words in zip(
        pair.estimates, (optical.label, "redshift", "both"), strict=True
    )
}
figure, axis = plt.subplots()
known_mass(axis, sample, row, known)
axis.set_title("Seen in both, this galaxy's mass is hardly in doubt")
plt.show()

# %% [markdown]
# A nat is worth remembering as a scatter: for Gaussian errors, one nat of information divides the scatter by $e$. The gain is negative for a galaxy about which the input misled.
#
# Its mean over galaxies that the network never saw is a *lower bound* of the mutual information $I(X; M_*)$, tight only if $q$ is the true conditional distribution: well trained and well
# calibrated {cite}`poole2019,mcallester2020,guo2017`. So an estimate has to be defended. We do it in three ways: by its calibration, by methods that share nothing with it, and, further below, by universes in which we know the answer.

# %%
rows = {}
for name, estimate in estimates.items():
    error = estimate.predicted_mass[test_rows] - mass[test_rows]
    departure, critical = pit_departure(estimate.pit[test_rows])
    rows[name] = {
        "information (nats)": estimate.mean,
        "low": estimate.interval[0],
        "high": estimate.interval[1],
        "RMSE (dex)": float(np.sqrt(np.mean(error**2))),
        "PIT departure": departure,
    }
information = pd.DataFrame(rows).T
print(
    f"{len(test_rows)} held-out galaxies; 5% critical value of the PIT departure {critical:.3f}"
)
information.round(3)

# %% [markdown]
# The {term}`PIT` departure says how far the predicted distributions are from being calibrated; chapter 2 draws such histograms. A miscalibrated $q$ costs information and never adds any. In the published run ugriz alone and the near infrared alone depart a little more than the critical value allows, 0.035 and 0.033 against 0.030: what they tell comes out a little too low.
#
# ### Do other methods agree?
#
# Three ways to train networks, and one method that is no network. *Separate*: one network for each input, from scratch, as in the paper but with our mixtures for its logits. *Nested* (ours): a union starts from what its part
# predicts about galaxies that part never saw, plus a correction that starts at zero. *Amortised* (ours): one network for every subset of the inputs, with what is not asked for hidden. *Boosting*: decision trees that turn a
# column into quantiles. The trees were not run for the third input (–), which tells hardly more than the first and would test nothing new.

# %%
checked = {"Mopt": "Mopt", "Mopt+Zspec": "Mopt+Zspec"}
if infrared:
    checked[f"Mopt+{infrared}"] = f"Mopt+{infrared}"
ways = {"nested": {name: estimates[name] for name in checked}}
ways["separate"] = estimate_inputs(
    sample, checked, estimator="separate", seeds=(seed,), **options
)
ways["amortised"] = estimate_inputs(
    sample,
    checked,
    estimator="amortised",
    seeds=(seed,),
    **options,
)
ways["boosting"] = {
    name: boosting_information(sample, name, seed=seed, **of_profile["boosting"])
    for name in ("Mopt", "Mopt+Zspec")
}
comparison = pd.DataFrame(
    {way: {name: one.mean for name, one in own.items()} for way, own in ways.items()}
).reindex(checked)
comparison.map(lambda nats: f"{nats:.3f}" if np.isfinite(nats) else "\N{EN DASH}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Information on stellar mass of three inputs by four estimators, with intervals: nested, separate and amortised networks and gradient boosting. The three ways to train networks agree to a few hundredths of a nat; boosting falls short where ugriz and redshift are joined."}}
spread = (comparison.max(axis=1) - comparison.min(axis=1)).max()
figure, axis = plt.subplots(figsize=(6.6, 3.4))
for i, (way, own) in enumerate(ways.items()):
    named = [name for name in checked if name in own]
    places = np.array([list(checked).index(name) for name in named])
    values = np.array([own[name].mean for name in named])
    low, high = np.array([own[name].interval for name in named]).T
    axis.errorbar(
        values,
        -places + (1.5 - i) * 0.16,
        xerr=[values - low, high - values],
        fmt="osD^"[i],
        color=list(COLOURS.values())[i + 1],
        capsize=3,
        label=way,
    )
axis.set_yticks(-np.arange(len(checked)), list(checked))
axis.set(xlabel="information on stellar mass (nats)")
axis.set_title(
    f"Four ways to estimate differ by at most {spread:.2f} nats",
)
axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# Intervals come from the galaxies alone, the same ones for all. What differs between methods is what each of them did not learn: all are lower bounds, so the highest is the best, and where the redshift leaves only hundredths of a dex, the mixtures of our networks are finer than the quantiles of trees. How near the networks come to the truth where it is known is the subject of
# {ref}`known-truths-of-information` below.
#
# ## How do two inputs share it?
#
# For each galaxy, with $i_1$, $i_2$ the gains from each input and $i_{12}$ that from both (paper):
#
# $$
# \begin{aligned}
# R &= \min(i_1, i_2), \\
# U_1 &= i_1 - R, \\
# U_2 &= i_2 - R, \\
# \mathrm{Syn} &= i_{12} - \max(i_1, i_2),
# \end{aligned}
# $$
#
# in words: redundant is what the less informative input tells, unique what the other tells beyond it, synergistic what both tell beyond the better one. The four add up to $i_{12}$.
#
# (negative-synergy)=
# ### Why is synergy negative where nothing is added?
#
# The definition has a trap of its own. Let the second input be the first one with noise on top: it tells nothing new, $i_{12} = i_1$ for every galaxy. Then $\mathrm{Syn} = -U_2$, and $U_2$ is positive, because now
# and then the worse input is the luckier. For Gaussian inputs all of it can be computed exactly:

# %% tags=["hide-input"] mystnb={"image": {"alt": "Exact components for a Gaussian input and a noisy copy of it, against the information of the copy from 0 to 1 nat. Redundant information rises from below zero, unique information of the first falls, unique information of the copy is a small positive hump, and synergy is its mirror image below zero. The conditional information is exactly zero throughout."}}
first = 1.0
of_copy = np.linspace(0.002, first - 0.002, 60)
# Signal to noise of an input is exp(2 I) - 1; the noise of a copy is correlated with that of the original.
share = np.sqrt(np.expm1(2 * of_copy) / np.expm1(2 * first))
exact = pd.DataFrame(
    [
        gaussian_decomposition(first, second, noise_correlation=own).loc["pointwise"]
        for second, own in zip(of_copy, share, strict=True)
    ]
)
lowest = exact["synergy"].min()
figure, axis = plt.subplots()
for column, words, colour in (
    ("redundancy", "redundant", "sky"),
    ("unique_1", "unique to the original", "blue"),
    ("unique_2", "unique to the copy", "orange"),
    ("synergy", "synergistic", "vermilion"),
):
    axis.plot(of_copy, exact[column], color=COLOURS[colour], label=words)
axis.plot(
    of_copy,
    exact["unique_2"] + exact["synergy"],
    color=COLOURS["black"],
    ls=":",
    label="what the copy adds",
)
axis.set(
    xlabel="information of the noisy copy (nats)", ylabel="mean information (nats)"
)
axis.set_title(
    f"A copy that adds nothing has a synergy of\ndown to {decimal(lowest)} nats, by definition"
)
axis.set(ylim=(-0.25, 1.75))
axis.legend(fontsize=9, ncols=2, loc="upper left")
plt.show()

# %% [markdown]
# So beside the synergy always stands the quantity that must vanish when nothing is added, the {term}`conditional information <conditional mutual information>`
#
# $$I(X_2; M_* \mid X_1) = \langle i_{12} - i_1 \rangle = U_2 + \mathrm{Syn},$$
#
# what the second input adds to the first. Even that can be fooled: a correction on top of an imperfectly trained network gains something
# from *any* input. The placebo measures this: the same correction, with the second input exchanged between galaxies. Net of it is what counts.
#
# ### The catalogue
#
# Real galaxies first: ugriz, the near infrared and the redshift. $X_1$ of the third pair, ugriz with the near infrared, is here the mean of fold networks of its own, each trained on a part of the galaxies, and neither the nested union of the second pair nor the one separate network above: it finds some hundredths of a nat less than either.

# %%
table = decomposition_table(decompositions, bootstrap=bootstrap, seed=seed)
wide = table.pivot(index="quantity", columns="tuple", values="mean")
in_words = {
    "conditional_1": "X1 adds to X2",
    "conditional_2": "X2 adds to X1",
    "placebo_2": "placebo of X2",
    "conditional_2_net": "X2 adds, net",
}
wide[list(decompositions)].reindex(table["quantity"].unique()).rename(in_words).round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Stacked bars of redundant, unique and synergistic information for pairs of inputs of the catalogue: ugriz with redshift, ugriz with near infrared, ugriz and near infrared with redshift. With the redshift synergy is by far the largest part; with the infrared nearly all is unique to ugriz."}}
labels = {name: one.label for name, one in of_catalogue.items()}
figure, axis = plt.subplots(figsize=(6.6, 1.9 + 0.75 * len(decompositions)))
stacked_components(axis, table, labels=labels)
synergy = wide.loc["Syn", redshift_pair.name]
axis.set_title(
    f"{optical.label} and redshift tell {synergy:.2f} nats only together", loc="left"
)
axis.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.4, -0.22))
plt.show()

# %% [markdown]
# **ugriz and redshift** tell something *together* that neither tells alone. That is how a luminosity works: brightness without distance, or distance without brightness, is half a
# sentence. It is also what chapter 4 met from the other side.
#
# **ugriz and the near infrared of 2MASS** are another story. By themselves J, H and K say very little about the mass of *these* galaxies: the sample was chosen by brightness, so that a brightness says little, and the colours of such shallow infrared
# photometry are mostly noise (chapter 1). So nearly everything is unique to ugriz, and both the redundancy and the synergy come out *negative*. Neither is a discovery: redundancy takes each galaxy's smaller gain, and that of J, H and K is often below zero; the second is the trap above.
# The number to read is what the infrared adds, net of its placebo.
#
# ## What do pictures add to photometry?
#
# For this we need a sample with pictures. Where yours has none, it is the {term}`mock universe`, in which pictures and photometry were measured on the same pixels, the masses are true, and the graph says that shapes matter: an answer there is about the
# instrument, not about galaxies. We ask the five {term}`tuples <information tuple>` of the paper. The first of them, ugriz and the images divided by their flux, has three {term}`refits <refit>` on bootstrap samples of the training galaxies.

# %%
modality = {one.name: one for one in tuples_of(pictures, ["modality"])}
main_name, *others = modality
seeds = tuple(seed + i for i in range(settings["n_refits"]))
of_pictures = decomposed(
    pictures,
    {main_name: (modality[main_name].first, modality[main_name].second)},
    seeds,
)
of_pictures |= decomposed(
    pictures,
    {name: (modality[name].first, modality[name].second) for name in others},
    (seed,),
)
main = of_pictures[main_name]

# %% tags=["hide-input"] mystnb={"image": {"alt": "Stacked bars of redundant, unique and synergistic information for the five pairs of inputs of the mock, ugriz with images, ugriz with shapes, ugriz with WISE, images with WISE, images and WISE with redshift, each for all, star-forming, other and passive galaxies, with what each input adds to the other beneath. Redshift has by far the largest synergy."}}
classes = (
    star_formation_class(pictures.catalog["specsfr_tot_p50"])
    if "specsfr_tot_p50" in pictures.catalog
    else None
)
picture_table = decomposition_table(
    of_pictures, classes, bootstrap=bootstrap, seed=seed
)
overall = picture_table[picture_table["group"] == "all"].set_index(
    ["tuple", "quantity"]
)
n_rows = picture_table.groupby("tuple")["group"].nunique().add(1).sum()
figure, axis = plt.subplots(figsize=(6.8, 1.4 + 0.42 * n_rows))
stacked_components(
    axis,
    picture_table,
    labels={name: modality[name].label for name in of_pictures},
)
gain = overall.loc[(main_name, "conditional_2_net")]
raw = overall.loc[(main_name, "conditional_2"), "mean"]
axis.set_title(
    f"{mocked}images add {decimal(raw)} nats to {modality[main_name].words[0]},\nand {decimal(gain['mean'])} net of the placebo",
    loc="left",
)
axis.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.4, -0.06))
plt.show()

# %% [markdown]
# Stacks to the right of zero are positive parts, to the left negative ones; the black line is where they balance, the information of both. Beneath each bar, what the first input adds to the second (filled) and the second to the first (open), both raw; what is net of the placebo is not drawn here but {ref}`further below <raw-placebo-net>`.
#
# These are averages. Here is the first of them at one galaxy, one whose own gains are close to the average ones:

# %%
words = (modality[main_name].words[0], "image", "both")
known = {
    name: predictive_distributions(
        pictures,
        one.name,
        base=modality[main_name].first if "+" in one.name else None,
        seeds=seeds,
        **options,
    )
    for name, one in zip(words, main.estimates, strict=True)
}

# %% tags=["hide-input", "front-page"] mystnb={"image": {"alt": "One galaxy in three panels: its picture; the distributions of its mass before it was seen, from its brightness in five bands, from its picture divided by its flux, and from both, around its true mass; and how the information that both hold, on average over galaxies, divides into redundant, unique and synergistic parts."}}
gains = np.stack([one.pointwise[picture_rows] for one in main.estimates])
typical = int(np.argmin(np.abs(gains - gains.mean(axis=1, keepdims=True)).sum(axis=0)))
row = picture_rows[typical]
figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(8.4, 3.3), width_ratios=[1, 1.7, 1.2]
)
figure.get_layout_engine().set(wspace=0.05)
stamp = np.asarray(pictures.images[row])[None]
show_picture(left, galaxy_pictures(stamp, pictures.bands)[0], "one galaxy")
known_mass(middle, pictures, row, known)
middle.set_title("what is known of its mass", fontsize=11, fontweight="normal")
parts = overall["mean"].loc[main_name]
component_bars(right, parts, names=(words[0], "the image"))
right.set(xlabel="nats, on average")
right.set_title("and who says it", fontsize=11, fontweight="normal")
figure.suptitle(
    f"{mocked}what {words[0]} and the image divided by its flux know of a galaxy's mass",
    x=0.01,
    ha="left",
    fontsize=12.5,
    fontweight="bold",
)
plt.show()

# %% [markdown]
# And at others, from the lightest to the heaviest. Beside each stand the four galaxies of the training split that are nearest to it in $S$ of the images (chapter 3). What one galaxy's two inputs say may be negative: they mislead about it.

# %% tags=["hide-input"]
near = this_run.load("03_knn_estimation/pictures_neighbours_Iopt.npz")
nearest = pictures.rows("train")[near["test_index"]]
neighbours = dict(zip(near["test_row"].tolist(), nearest, strict=True))
by_mass = picture_rows[np.argsort(pictures.mass[picture_rows], kind="stable")]
chosen = by_mass[np.linspace(0, len(by_mass) - 1, 7).round().astype(int)[1:-1]]
frames = [
    explored_galaxy(pictures, int(row), known, main, neighbours) for row in chosen
]
alts = [
    f"A galaxy of {pictures.mass[row]:.2f} in log10 of solar masses: its picture and those of its nearest neighbours in S, the distributions of its mass, and its own redundant, unique and synergistic information."
    for row in chosen
]
slider(
    frames,
    [f"{pictures.mass[row]:.2f}" for row in chosen],
    alts,
    name="log10 stellar mass",
    start=len(frames) // 2,
)

# %% [markdown]
# With a kernel (Binder, Colab or your own computer) the next cell goes through all of them, in order of mass, of synergy, or of what the image adds.

# %%
galaxy_explorer(pictures, known, main, neighbours)

# %% [markdown]
# (raw-placebo-net)=
# ### Raw, placebo, net
#
# Every second input of both samples, in one table and one figure:

# %%
gained = pd.concat(
    {
        catalogue_of: table.set_index(["tuple", "quantity"])[["mean", "low", "high"]],
        pictures_of: overall[["mean", "low", "high"]],
    },
    names=["sample"],
)
kinds = {"raw": "conditional_2", "placebo": "placebo_2", "net": "conditional_2_net"}
gained = gained[gained.index.get_level_values("quantity").isin(kinds.values())]
every = [(catalogue_of, one) for one in of_catalogue.values()]
every += [(pictures_of, modality[name]) for name in of_pictures]
by_kind = gained["mean"].unstack("quantity")[list(kinds.values())]
by_kind = by_kind.loc[[(where, one.name) for where, one in every]]
by_kind.set_axis(list(kinds), axis="columns").round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "What the second input of every pair adds to the first, in nats on a logarithmic-like axis: raw, placebo and net of the placebo, with intervals. Placebos are close to zero; redshift adds most, infrared adds least in the catalogue."}}
names = [
    f"{words} given {base}\n({where})"
    for where, one in every
    for base, words in [one.words]
]
figure, axis = plt.subplots(figsize=(6.6, 0.9 + 0.62 * len(every)))
for (kind, quantity), colour, marker, offset in zip(
    kinds.items(), ("grey", "orange", "blue"), "s^o", (0.22, 0.0, -0.22), strict=True
):
    values = gained.loc[[(where, one.name, quantity) for where, one in every]]
    forest(
        axis,
        names,
        values["mean"],
        values["low"],
        values["high"],
        colour=COLOURS[colour],
        marker=marker,
        offset=offset,
        label=kind,
    )
largest_placebo = gained.xs("placebo_2", level="quantity")["mean"].abs().max()
axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
axis.set_xscale("symlog", linthresh=0.1, linscale=0.6)
axis.set_xticks([0, 0.05, 0.1, 0.5, 1, 2], ["0", "0.05", "0.1", "0.5", "1", "2"])
axis.set(
    xlabel="conditional information (nats; linear up to 0.1, then logarithmic)",
    xlim=(-0.08, 3),
)
axis.tick_params(axis="y", labelsize=8)
axis.set_title(f"No placebo gains more than {largest_placebo:.3f} nats", loc="left")
axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# ### How much do estimation errors matter?
#
# An error in $i_1 - i_2$ makes the unique parts too large and the others too small by as much. The refits say how large the error is; adding more noise and extrapolating back to none
# (SIMEX) says what it does. For the pair with refits:

# %%
bias = {}
if len(seeds) > 1:
    found = noise_bias(
        *(one.pointwise for one in main.estimates), main.refit_error, seed=seed
    )
    bias = {
        "error of each input": main.refit_error,
        "bias of U1 and U2": found.unique,
        "bias of R and Syn": found.redundant,
    }
    for words, value in bias.items():
        print(f"{words}: {value:+.3f} nats")
steps = {one.name: one.settings["best_steps"] for one in main.estimates}
gains = [f"{one.conditional_2:+.3f}" for one in main.repeats]
print("steps kept by each refit:")
for name, kept in steps.items():
    print(f"  {name}: {kept}")
print(f"what images add by each refit: {', '.join(gains)} nats")

# %% [markdown]
# In the published run the error of the inputs shifts the synergy by −0.009 nats, a tenth of what was found, −0.094. So the sign of the synergy is not the work of such errors. Errors that all refits share do not show here.
#
# ## For which galaxies?
#
# ### Along mass, brightness and redshift
#
# The decomposition is pointwise, so it can be averaged over any class of galaxies. The first input is ugriz, the second the images divided by their flux.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Components of the information of ugriz and flux-normalised images against stellar mass, r magnitude and redshift in three panels, with bands of their intervals: redundant, unique to each, synergistic, and what the images add. Images add most for the lightest and nearest galaxies; the synergy is slightly negative nearly everywhere."}}
along = {
    "log10 stellar mass (solar masses)": pictures.mass,
    "Petrosian r (mag)": pictures.catalog.get("petroMag_r"),
    "redshift": pictures.catalog.get("z"),
}
along = {words: values for words, values in along.items() if values is not None}
n_along = 6 if len(picture_rows) > 300 else 3
running = {
    words: running_components(main, values, n_bins=n_along, bootstrap=bootstrap)
    for words, values in along.items()
}
by_mass = running[next(iter(along))]
adds = by_mass[by_mass["quantity"] == "conditional_2"].set_index("centre")["mean"]
figure, axes = panels(
    len(along),
    columns=3,
    width=3.0,
    height=3.4,
    title=f"{mocked}images add most at a log10 mass of {adds.idxmax():.1f}, {decimal(adds.max())} nats, and least at {adds.idxmin():.1f}, {decimal(adds.min())} nats",
)
for axis, (words, own) in zip(axes, running.items(), strict=True):
    component_trends(
        axis, own, quantities=("R", "U1", "U2", "Syn", "conditional_2"), xlabel=words
    )
for axis in axes[1:]:
    axis.set(ylabel="", ylim=axes[0].get_ylim())
legend_below(figure, axes[0], columns=3)
plt.show()

# %% [markdown]
# Images add most where there is most to see: for light, near, star-forming galaxies, whose discs, bulges and colours vary. To the heaviest ones, most of them passive and alike, they add nothing that networks of this training see; with 14,000 training galaxies they add to these too ({ref}`chapter-findings`).
#
# ### Which galaxies hold the synergy?
#
# A ranking of galaxies by a noisy number finds the galaxies whose noise was extreme. So one refit ranks, and the others measure: what the networks made up by themselves drops out. Here are galaxies of the highest and of the lowest synergy by the refit that ranked. Their captions are means of all refits, so they need not fall in the same order; X1 is ugriz and X2 the image.

# %%
rank_by = 0 if len(seeds) > 1 else None
extremes = synergy_extremes(main, share=0.2, rank_by=rank_by)
ranked = main.synergistic if rank_by is None else main.repeats[rank_by].synergistic
top, bottom = extremes.means
print(
    f"top fifth: {np.mean(ranked[extremes.top]):+.2f} nats by the refit that ranked, {top:+.2f} by the others;\n"
    f"bottom fifth: {np.mean(ranked[extremes.bottom]):+.2f} and {bottom:+.2f}"
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Pictures of twelve galaxies, six of the highest synergy in the upper row and six of the lowest in the lower row, each with its synergy, what each input adds and its mass. Discs seen from the side and round galaxies are in both rows."}}
n_shown = 6
figure, axes = plt.subplots(2, n_shown, figsize=(7.6, 4.8))
by_whom = "by the other refits" if len(seeds) > 1 else "on average"
figure.suptitle(
    f"{mocked}the fifth of highest synergy (above) has {decimal(top)} nats {by_whom},\nthe fifth of lowest synergy (below) {decimal(bottom)}",
    x=0.01,
    ha="left",
    fontsize=12.5,
    fontweight="bold",
)
for row, chosen in zip(axes, (extremes.top, extremes.bottom), strict=True):
    galaxy_row(row, pictures, main, chosen[:n_shown])
plt.show()

# %% [markdown]
# Can you see what they have in common? A test of many columns can, and says how sure it is; *p, adjusted* allows for so many being tested:

# %%
words_of = {
    "lgm_tot_p50": "stellar mass",
    "z": "redshift",
    "petroMag_r": "Petrosian r",
    "petroR50_r": "half-light radius in r",
    "Sersic_n_r": "Sérsic index in r",
    "expAB_r": "axis ratio in r",
    "specsfr_tot_p50": "specific star formation rate",
}
words_of = {name: words for name, words in words_of.items() if name in pictures.catalog}
profiled = pictures.catalog.rename(columns=words_of)
columns = list(words_of.values())
if {"petroMag_g", "petroMag_r"} <= set(pictures.catalog):
    profiled["g - r"] = pictures.catalog["petroMag_g"] - pictures.catalog["petroMag_r"]
    columns.append("g - r")


def p_words(p):
    """A p-value for a table: none is zero."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


held_by = synergy_profile(
    main,
    replace(
        pictures,
        catalog=profiled,
        target=words_of.get(pictures.target, pictures.target),
    ),
    columns,
    rank_by=rank_by,
)
held_by[
    ["median_top", "median_bottom", "effect", "low", "high", "p_adjusted"]
].set_axis(
    [
        "median, high synergy",
        "median, low synergy",
        "Cliff's delta",
        "low",
        "high",
        "p, adjusted",
    ],
    axis="columns",
).rename_axis("property").round(3).assign(
    **{"p, adjusted": held_by["p_adjusted"].map(p_words)}
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Effect sizes, Cliff's delta with intervals, of catalogue properties between the fifth of galaxies with the highest and the fifth with the lowest synergy: stellar mass, redshift, magnitude, half-light radius, Sérsic index, axis ratio, specific star formation rate and colour."}}
strongest = held_by.index[0]
figure, axis = plt.subplots(figsize=(6.6, 1.2 + 0.36 * len(held_by)))
forest(
    axis,
    list(held_by.index),
    held_by["effect"],
    held_by["low"],
    held_by["high"],
)
axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
axis.set(
    xlabel="Cliff's delta: chance that a galaxy of high synergy\nhas the larger value, minus the chance that it has the smaller",
    xlim=(-1, 1),
    ylim=(-0.6, len(held_by) - 0.4),
)
clear = (held_by["p_adjusted"] < 0.05).sum()
axis.set_title(
    f"{mocked}high and low synergy differ most in {strongest}"
    if clear
    else f"{mocked}no property tells high synergy from low",
    loc="left",
)
axis.locator_params(axis="x", nbins=5)
plt.show()

# %% [markdown]
# The answer is not stable: in one run of this book no property told them apart; in the published one, with slightly different training, mass and redshift do. Most of a galaxy's pointwise synergy is luck that all refits share: its mass happens to lie where the union expects it and where the parts do not. What the images *add* differs between classes of galaxies, as the figures above show; the synergy of single galaxies does not say for which. And where a column does differ, it is a place to look, not a cause.
#
# ## Band by band
#
# ### Photometry
#
# One amortised network per sample answers for every subset of the photometric bands; each band is then divided from the others. The divisions of two neighbouring bands from the rest, and all others, are in the picker below the figure.


# %%
# In memory the distributions of so many inputs would take half a gigabyte.
kept_on_disk = options | {"reuse": None}


def band_estimates(galaxies):
    """The paper's divisions of the photometric bands, all divisions, and the decomposition of each."""
    tuples, divisions = (
        tuples_of(galaxies, ["photometric band"]),
        band_divisions(galaxies),
    )
    found = estimate_inputs(
        galaxies,
        distinct_inputs(divisions, galaxies),
        estimator="amortised",
        seeds=(seed,),
        **kept_on_disk,
    )
    return tuples, divisions, compose(divisions, found, galaxies)


photometric = {catalogue_of: band_estimates(sample)}
if pictures_of != catalogue_of:
    photometric[pictures_of] = band_estimates(pictures)
band_tables = {
    where: decomposition_table(
        {one.name: found[one.name] for one in tuples}, bootstrap=bootstrap, seed=seed
    )
    for where, (tuples, _, found) in photometric.items()
}
for where, (tuples, divisions, _) in photometric.items():
    print(
        f"{where}: {len(divisions)} divisions of the bands, {len(tuples)} of them the paper's, one network"
    )


# %% tags=["hide-input"] mystnb={"image": {"alt": "What each photometric band shares with the other bands, has alone, tells together with them and adds to them, band by band in order of wavelength, for the catalogue with 2MASS and for the mock with WISE. In the catalogue u, g and r add most and the infrared bands nothing; in the mock W1 and W2 add too, and W3 does not."}}
title = "; ".join(
    f"{where}: {band} adds most to the rest, {value:.2f} nats"
    for where, (tuples, _, _) in photometric.items()
    for band, value in [band_that_adds_most(tuples, band_tables[where])]
)
figure, axes = panels(len(photometric), width=3.9, height=3.6, title=title)
for axis, (where, (tuples, _, _)) in zip(axes, photometric.items(), strict=True):
    band_by_band(axis, tuples, band_tables[where])
    axis.set_title(where, fontsize=10, fontweight="normal")
    axis.set(xlabel="photometric band against the rest")
legend_below(figure, axes[0])
plt.show()

# %% [markdown]
# A single band is a brightness. In the catalogue, which was chosen by brightness, it tells little, at most 0.19 nats of the 0.87 that all bands tell, so it has little to share either: its redundancy with the rest is small or, because it takes each galaxy's smaller gain, below zero. What it *adds* (black) is another matter. Without g nothing between u and r says on which side of the break at 4000 Å the light is: of all bands it is missed most.
# One by one, the infrared bands of the catalogue add nothing; all three together added some 0.02 nats to ugriz above. In the mock, whose W2 is less noisy than these J, H and K, W1 and W2 tell and add, W3 neither.
#
# Try other divisions. Every subset of bands is answered, here for the catalogue. (This is another amortised network than the one compared with other methods above, so for ugriz it finds 0.864 nats and not 0.884, and of J, H and K together 0.007, without a placebo.)

# %% tags=["hide-input"]
tuples, divisions, found = photometric[catalogue_of]
bands = [one.bands[0] for one in tuples if len(one.bands) == 1]
answers = band_answers(
    bands,
    {
        "+".join(one.bands): found[one.name].mean(
            bootstrap=settings["n_bootstrap_pid"], seed=seed
        )
        for one in divisions
    },
)
presets = {
    f"{bands[0]} alone": bands[:1],
    optical.label: [band.name for band in optical.bands],
}
if infrared:
    presets["infrared"] = [band for band in bands if band not in presets[optical.label]]
presets = {words: part for words, part in presets.items() if 0 < len(part) < len(bands)}
band_picker(
    bands,
    answers,
    presets=presets,
    name=f"What do some of the bands of {catalogue_of} tell about stellar mass?",
)

# %% [markdown]
# ### Images
#
# The same for the bands of the pictures, by one amortised image network:

# %%
image_tuples = tuples_of(pictures, ["image band"])
found = estimate_inputs(
    pictures,
    distinct_inputs(image_tuples, pictures),
    estimator="amortised",
    seeds=(seed,),
    **kept_on_disk,
)
image_bands = compose(image_tuples, found, pictures)
image_table = decomposition_table(image_bands, bootstrap=bootstrap, seed=seed)
all_image_bands = image_table.set_index("quantity").loc["I(X1,X2)", "mean"].iloc[0]
print(f"all image bands: {all_image_bands:.3f} nats by this network")
if "<Iopt, Mir>" in of_pictures:
    own_network = of_pictures["<Iopt, Mir>"].estimates[0]
    print(f"and {own_network.mean:.3f} by a network of their own")

# %% tags=["hide-input"] mystnb={"image": {"alt": "What each image band shares with the other bands, has alone, tells together with them and adds to them, for single bands in one panel and for pairs of neighbouring bands in the other. u adds a little; what r adds comes out below zero."}}
band, value = band_that_adds_most(image_tuples, image_table)
figure, axes = panels(
    2,
    width=3.9,
    height=3.6,
    title=f"{mocked}by one network of few galaxies, {band} adds most to the rest of the image bands, {value:.2f} nats",
)
for axis, n_bands, words in zip(
    axes, (1, 2), ("one image band", "two neighbouring bands"), strict=True
):
    band_by_band(axis, image_tuples, image_table, n_bands=n_bands)
    axis.set(xlabel=f"{words} against the rest")
legend_below(figure, axes[0])
plt.show()

# %% [markdown]
# Here r adds −0.057 nats and i −0.014, both below zero beyond the luck of the test galaxies. Information cannot be: what is below zero is what the network has not learned. One network for all subsets of images has more to learn than these galaxies teach it, and in all five bands together it finds 0.448 nats, where a network of their own finds 1.03. So do not read the order of the bands off this figure. With 14,000 training galaxies it is g that is missed most ({ref}`chapter-findings`).
#
# ### Shapes compared between bands
#
# Where does a shape in one band tell something that the same shape in another does not? A ratio such as $n_g/n_r$, given $n_r$, tells exactly what $n_g$ tells, for each follows from the other. So we ask for
# $I(n_g; M_* \mid \mathrm{Mopt}, n_r)$, for the Sérsic index $n$ and the half-light radius R50 and for all pairs of bands, each pair once: the bluer band given the redder.

# %%
quantities = [name for name in ("n", "R50") if len(feature_tuples(pictures, name)) > 0]
features = {name: feature_tuples(pictures, name) for name in quantities}
together = tuple(one for own in features.values() for one in own)
feature_decompositions = {}
if together:
    found = estimate_inputs(
        pictures,
        distinct_inputs(together, pictures),
        estimator="amortised",
        seeds=(seed,),
        **options,
    )
    feature_decompositions = compose(together, found, pictures)
conditional = [one for one in together if one.kind == "conditional feature"]
feature_table = None
if conditional:
    feature_table = decomposition_table(
        {one.name: feature_decompositions[one.name] for one in conditional},
        bootstrap=bootstrap,
        seed=seed,
    )
    adds = feature_table[feature_table["quantity"] == "conditional_2"].set_index(
        "tuple"
    )
    clear = (adds["low"] > 0).sum()
    print(
        f"of {len(adds)} shapes {clear} add something to ugriz and the same shape\n"
        f"in another band, beyond the luck of galaxies; median {adds['mean'].median():.3f} nats"
    )

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two heat maps, for the Sérsic index and for the half-light radius: what the shape in one band adds to ugriz and the same shape in another band, for all pairs of the five bands, the bluer given the redder. What u adds in both maps, and g in that of the half-light radius, reaches some hundredths of a nat; the rest lies about zero."}}
if conditional:
    shape_words = {"n": "Sérsic index", "R50": "half-light radius"}
    largest = next(one for one in conditional if one.name == adds["mean"].idxmax())
    shape = next(quantity for quantity, own in features.items() if largest in own)
    figure, axes = panels(
        len(quantities),
        width=3.9,
        height=3.6,
        title=f"{mocked}the {shape_words[shape]} in {largest.bands[0]} adds most to {optical.label} and that in {largest.bands[1]}, {decimal(adds['mean'].max(), 3)} nats",
    )
    for axis, (quantity, own) in zip(axes, features.items(), strict=True):
        feature_map(axis, own, feature_table, limit=adds["mean"].abs().max())
        axis.set_title(
            f"{shape_words[quantity]} {quantity}: nats added",
            fontsize=10,
            fontweight="normal",
        )
    plt.show()
else:
    print("no shapes in this catalogue")

# %% [markdown]
# (known-truths-of-information)=
# ## Would we see it, and would we see what is not there?
#
# ### A planted truth
#
# Keep the real galaxies and all they look like, and give each a new mass: what ugriz predicts in a straight line, plus scatter; and a new column that tells 0.15 nats of that scatter. A second column tells nothing. What do the estimates say?

# %%
planted = {nats: plant(sample, "Mopt", nats, seed=seed) for nats in (0.15, 0.0)}
few = {"n_folds": 2, "n_corrections": 2}  # fewer networks, in less time
recovered = {}
for nats, known in planted.items():
    found = decompose_pairs(
        known.sample,
        {"planted": (list(known.inputs), [known.column])},
        seeds=(seed,),
        placebo="second",
        **few,
        **options,
    )["planted"]
    recovered[nats] = found.mean(bootstrap=bootstrap, seed=seed)
    truth = known.pointwise[test_rows].mean()
    net = recovered[nats].loc["conditional_2_net"]
    print(
        f"planted {nats:.2f}, {truth:.3f} on these galaxies; found {net['mean']:.3f} ({net['low']:.3f} to {net['high']:.3f}) nats"
    )

# %% [markdown]
# (union-that-knows-less)=
# ### The union that knows less than its part
#
# Now the published way, on the pictures: one network for the photometry and one for photometry and images together, each from scratch, with a logit for every mass bin, and the magnitudes added to the channels of the first convolution. All else, galaxies and steps, is as above.

# %%
as_published = {"head": "categorical", "whiten": False, "fusion": "first"}
part, union = estimate_inputs(
    pictures,
    {name: name for name in (main.estimates[0].name, main.estimates[2].name)},
    estimator="separate",
    seeds=(seed,),
    **options,
    **as_published,
).values()
from_scratch = union.pointwise[picture_rows] - part.pointwise[picture_rows]
error = 1.96 * from_scratch.std() / np.sqrt(len(picture_rows))
adding = {
    "from scratch,\npublished form": from_scratch.mean() + np.array([0, -error, error]),
    "nested": overall.loc[(main_name, "conditional_2"), ["mean", "low", "high"]],
    "placebo": overall.loc[(main_name, "placebo_2"), ["mean", "low", "high"]],
}
adding = pd.DataFrame(adding, index=["mean", "low", "high"]).T.astype(float)
print(
    f"photometry alone: {part.mean:.3f} nats from scratch in the published form,\n{main.estimates[0].mean:.3f} as the part of the nested union"
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "What flux-normalised images add to ugriz by three ways, with intervals: networks of the published form from scratch, slightly below zero with an interval that includes it; a nested union that starts from the photometry's predictions, a little above zero; and its placebo, next to zero."}}
figure, axis = plt.subplots(figsize=(6.6, 2.4))
forest(axis, list(adding.index), adding["mean"], adding["low"], adding["high"])
axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
axis.set(xlabel="what images add to photometry (nats)", ylim=(-0.6, 2.6))
scratch, nested = adding["mean"].iloc[0], adding["mean"].iloc[1]
axis.set_title(
    f"{mocked}images add {decimal(scratch)} nats by networks from scratch,\n{decimal(nested)} by a union that starts from its part",
    loc="left",
)
plt.show()

# %% [markdown]
# Images cannot take information away. A union from scratch has to learn what the photometry's network knows, and to see besides; whatever it has not learned when training ends is counted as a negative conditional information and a too small synergy. In this run the loss is within the luck of the test galaxies; {ref}`the study below <information-study>` shows it clear. That is no property of galaxies. It is
# a property of a few thousand training galaxies and of a training of some minutes; more of both does not cure it reliably, as the next figure shows. The nested union starts from its part, so it seldom falls below it, and what it gains from *any* correction is what the placebo shows.
#
# It has a limit too. Shapes, as measured numbers, add several times as much as the images they were measured on: net of the placebo 0.288 nats against 0.038 ({ref}`raw-placebo-net`). What the images hold is not less; to learn it from pixels takes more galaxies than we have here. So what images add, in this chapter, is a lower bound that training lifts. How far?

# %% [markdown]
# (information-study)=
# ### How many galaxies does it take?
#
# Each question so far was asked once, of one sample. What follows asks them again and again, of up to 20,000 galaxies of the mock: too long to wait for, so it was computed once (`make information` does it anew) and is read here.
# First, what images add, for 700 to 14,000 training galaxies; and what the planted column adds, and its empty twin, in masses made anew for each of several seeds.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels. Left: what images divided by flux add to ugriz against the number of training galaxies, by nested networks net of the placebo, by two networks from scratch, and by the placebo: the first grows, the second leaps up and down, below zero at times, and the placebo stays at zero. Right: what a planted column is found to add against the number of galaxies, close to the true 0.15 nats, and an empty column, close to zero."}}
study = stored_result("information_study.json")
grown, sown = (pd.DataFrame(study[name]) for name in ("untouched", "planted"))
certain = grown.groupby("n_train")["net_low"].min() > 0
enough = certain[::-1].cummin()[::-1].idxmax()
figure, axes = panels(
    2,
    width=3.9,
    height=3.6,
    title=f"Mock: from {enough:,} training galaxies on, nested networks find, net of the placebo, more than zero each time",
)
for column, words, colour, marker, shift in (
    ("net", "nested, net of the placebo", "blue", "o", 1.0),
    ("separate_gain", "two networks from scratch", "vermilion", "s", 1.07),
    ("placebo", "placebo", "orange", "^", 0.93),
):
    axes[0].errorbar(
        grown["n_train"] * shift,
        grown[column],
        yerr=[
            grown[column] - grown[f"{column}_low"],
            grown[f"{column}_high"] - grown[column],
        ],
        fmt=marker,
        color=COLOURS[colour],
        markersize=4,
        linewidth=1,
        label=words,
    )
    mean = grown.groupby("n_train")[column].mean()
    axes[0].plot(mean.index * shift, mean, color=COLOURS[colour], linewidth=1)
axes[0].set(ylabel="images add (nats)")
for nats, own in sown.groupby("information"):
    of_size = own.groupby("n_galaxies")
    axes[1].plot(
        own["n_galaxies"],
        own["net"],
        "o" if nats else "^",
        color=COLOURS["blue" if nats else "orange"],
        markersize=4,
        label=f"planted {nats:g} nats",
    )
    axes[1].plot(
        of_size["truth"].mean(),
        color=COLOURS["black"],
        linewidth=1,
        ls="--",
        label="truth" if nats else None,
    )
axes[1].set(ylabel="column adds, net of placebo (nats)")
for axis, words, sizes in (
    (axes[0], "training galaxies", grown["n_train"]),
    (axes[1], "galaxies (70% train)", sown["n_galaxies"]),
):
    axis.axhline(0, color=COLOURS["grey"], linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xticks(sizes.unique(), [f"{size:,}" for size in sizes.unique()])
    axis.minorticks_off()
    axis.set(xlabel=words)
    axis.tick_params(axis="x", labelsize=8)
    axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# The same galaxies are tested at every size. Training grows with the galaxies: the networks that see images take 1,000 steps with up to 2,800, 2,000 with 5,600 and 4,000 with 14,000. What images add grows several times over, and with 700 it is already beyond the luck of the test galaxies. The 4,239 training galaxies of this chapter gave 0.038 nats, less than the curve has there: its refits are on bootstrap samples, each of which holds 63% of them, about 2,700, and take 700 steps. So the smaller number tells more about our training than about galaxies. The placebo gains next to nothing, but at 700, where with one start it loses 0.05 and flatters what is net of it. Two networks from scratch, here with the same heads and inputs as the nested ones, are a lottery: with more galaxies the photometry's network gets better, and a joint one that stops before it has learned as much makes images look harmful, among the fewest galaxies and among the most, with one start and not with the other. The planted column is found nearly whole from a few thousand galaxies on.
#
# ### Universes in which images tell nothing
#
# Two kinds of mock universe whose images know nothing of the mass that their photometry does not know: in one (*swapped shapes*) each galaxy wears the picture of another of the same measured photometry, in the other (*one spectrum*) pictures are drawn from the photometry, in one colour and with shapes that mean nothing. Eight of each, with new galaxies and new networks.
# The base of the nested union is trained once as always, and once it is stopped after 40 steps, long before it has learned what the photometry says. An under-trained base leaves information lying about, and any correction picks some of it up.

# %% tags=["hide-input"] mystnb={"image": {"alt": "What images are found to add to photometry in two kinds of mock universe where they add nothing, with a trained and with an under-trained base: raw, placebo and net, each universe a small dot and the mean over eight universes with its 95% interval. With a trained base all lie close to zero; with an under-trained base raw and placebo both lie near a tenth of a nat, and their difference near zero."}}
nulls = pd.DataFrame(study["null_universes"])
kind_of_null = {
    "mock-swapped-shapes": "swapped shapes",
    "mock-one-spectrum": "one spectrum",
}


def over_universes(rows, column):
    """Mean over universes and its 95% interval, from their scatter."""
    values = rows.groupby(["base_steps", "dataset"], sort=False)[column]
    half = student_t.ppf(0.975, values.size() - 1) * values.sem()
    return pd.DataFrame(
        {
            "mean": values.mean(),
            "low": values.mean() - half,
            "high": values.mean() + half,
        }
    )


of_null = {
    column: over_universes(nulls, column) for column in ("raw", "placebo", "net")
}
labels = [
    f"{kind_of_null[where]},\n{f'base of {steps} steps' if steps else 'trained base'}"
    for steps, where in of_null["net"].index
]
holds = (of_null["net"]["low"] <= 0) & (of_null["net"]["high"] >= 0)
figure, axis = plt.subplots(figsize=(6.8, 3.6))
for (column, own), colour, marker, offset in zip(
    of_null.items(), ("grey", "orange", "blue"), "s^o", (0.22, 0.0, -0.22), strict=True
):
    forest(
        axis,
        labels,
        own["mean"],
        own["low"],
        own["high"],
        colour=COLOURS[colour],
        marker=marker,
        offset=offset,
        label=column,
    )
    for place, key in zip(range(len(own))[::-1], own.index, strict=True):
        single = nulls[(nulls["base_steps"] == key[0]) & (nulls["dataset"] == key[1])]
        axis.plot(
            single[column],
            np.full(len(single), place + offset),
            ".",
            color=COLOURS[colour],
            markersize=4,
            alpha=0.5,
        )
axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
axis.set(xlabel="what images add to photometry, truly nothing (nats)")
axis.locator_params(axis="x", nbins=5)
axis.set_title(
    f"Mock: net of the placebo, nothing is found\nin {holds.sum()} of {len(holds)} pairs of universe and base",
    loc="left",
)
axis.legend(fontsize=8)
plt.show()
excluded = (nulls["net_low"] > 0) | (nulls["net_high"] < 0)
print(
    f"of {len(nulls)} single nets, {excluded.sum()} have an interval over test galaxies that excludes zero"
)
pd.DataFrame(
    {
        column: [
            f"{row.mean:.3f} ({row.low:.3f} to {row.high:.3f})"
            for row in own.itertuples()
        ]
        for column, own in of_null.items()
    },
    index=[words.replace("\n", " ") for words in labels],
)

# %% [markdown]
# A raw gain is never quite zero: even on a trained base, corrections find something to mend that has nothing to do with what they were given. The placebo mends the same, and net of it nothing is left. On the under-trained base several times as much is found, and the placebo takes away all of it; what is left is zero within an interval that is two or three times as wide. So the placebo is a guard, and no substitute for training.
#
# Look at the single universes too: their intervals over the test galaxies exclude zero much oftener than one time in twenty. Such an interval knows nothing of the luck of networks. An answer that has to bear weight needs several.
#
# ### Formulas
#
# Now distributions whose information is a formula: a Gaussian; the same with each column stretched (a half-cube, $x|x|^{1/2}$), with a column bent by another, and with columns wound up in spirals, none of which changes the information; and Student's t with three degrees of freedom, whose tails are heavy. 20,000 galaxies, in 1, 4 and 16 columns. Each cell is what was found less what is true, in nats. We ask of an estimate that it be within 0.05 nats or 5% of the truth, and within 0.02 where there is nothing to know. What misses that is bold; what would take too long, or cannot work, is left out.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Six tables of numbers in colour, one for each estimator: nested, separate and amortised networks, k nearest neighbours, Gaussian copula and gradient boosting. Rows are distributions in 1, 4 and 16 columns, columns the true information of 0, 1.5 and 3 nats; each cell says by how much the estimate misses. Networks are close everywhere but for spirals; the others fail in many columns or for many shapes."}}
formulas = pd.DataFrame(study["closed_forms"])
formulas["error"] = formulas["found"] - formulas["truth"]
formulas["allowed"] = np.where(
    formulas["information"] == 0, 0.02, np.maximum(0.05, 0.05 * formulas["truth"])
)
formulas["met"] = formulas["error"].abs() <= formulas["allowed"]
networks = formulas[formulas["method"].isin(("nested", "separate", "amortised"))]
learned = networks[networks["family"] != "spiral"]
method_words = {
    "ksg": "k nearest neighbours (KSG)",
    "copula": "Gaussian copula",
    "boosting": "gradient boosting",
}
family_words = {
    "gaussian": "Gaussian",
    "half-cube": "stretched",
    "bend": "bent",
    "student": "Student's t",
    "spiral": "spirals",
}
families = list(
    dict.fromkeys(zip(formulas["family"], formulas["n_dimensions"], strict=True))
)
truths = sorted(formulas["information"].unique())
figure, axes = panels(
    formulas["method"].nunique(),
    columns=3,
    width=2.6,
    height=3.9,
    title=f"Networks meet the demand in {learned['met'].sum()} of {len(learned)} cases, and in {networks['met'].sum() - learned['met'].sum()} of {len(networks) - len(learned)} with spirals",
)
for axis, (method, own) in zip(
    axes, formulas.groupby("method", sort=False), strict=True
):
    keyed = own.set_index(["family", "n_dimensions", "information"])
    errors = keyed["error"].unstack("information").reindex(families)
    axis.imshow(errors, cmap="RdBu", vmin=-0.8, vmax=0.8, aspect="auto")
    for (row, column), error in np.ndenumerate(errors.to_numpy()):
        if np.isfinite(error):
            met = keyed["met"][(*families[row], truths[column])]
            axis.text(
                column,
                row,
                decimal(error),
                ha="center",
                va="center",
                fontsize=7,
                color="black" if abs(error) < 0.6 else "white",
                fontweight="normal" if met else "bold",
            )
    axis.set_xticks(range(len(truths)), [f"{nats:g}" for nats in truths])
    axis.set_yticks(
        range(len(families)),
        [
            f"{family_words.get(family, family)}, {columns}"
            for family, columns in families
        ],
    )
    axis.set_ylabel("distribution, number of columns", fontsize=9)
    axis.tick_params(labelsize=7)
    axis.set_title(method_words.get(method, method), fontsize=9.5, fontweight="normal")
    axis.grid(visible=False)
    axis.label_outer()
for axis in axes[-3:]:
    axis.set_xlabel("true information (nats)", fontsize=9)
footnote(figure, "Cells: found minus true, in nats. Bold: outside the demand.")
plt.show()

# %% [markdown]
# Where single columns are stretched, one column is bent by another or tails are heavy, networks find what there is. Of spirals in 16 columns they find between two fifths and three quarters. No estimate is safe against every shape; that several agree makes one credible. Neighbours fail in many columns, the copula where the joint shape is not Gaussian, trees where the mass is a precise combination of columns.
#
# ### One network for all subsets
#
# The band-by-band sections trust a single amortised network to speak for every subset. On 20,000 mock galaxies, against a network of its own for each input of the paper's photometric divisions:

# %%
runs = pd.DataFrame(study["amortised_agrees"])


def mean_of_runs(what):
    """Mean over seeds, of separate networks and of amortised ones, by input or tuple."""
    return (
        np.mean(
            [[*run.values()] for run in runs[runs["estimator"] == way][what]], axis=0
        )
        for way in ("separate", "amortised")
    )


loss_each, loss_all = mean_of_runs("cross_entropy")
adding_each, adding_all = mean_of_runs("conditional")
behind = loss_all - loss_each
apart = np.abs(adding_all - adding_each)
agree = apart <= np.maximum(0.01, np.abs(adding_each) / 3)
seconds = runs.groupby("estimator")["training_seconds"].mean()
faster = seconds["separate"] / seconds["amortised"]
print(
    f"{len(behind)} inputs, {runs['seed'].nunique()} seeds of each: amortised less separate,\ncross-entropy {behind.mean():+.3f} nats\n({behind.min():+.3f} to {behind.max():+.3f}), in 1/{faster:.0f} of the time;\n"
    f"conditional information within 0.01 nats or a third in {agree.sum()} of {agree.size},\nfarthest apart {apart.max():.3f} nats"
)
origin = study["provenance"]["untouched"]
print(f"make information, commit {origin['commit']}, {origin['date']}")

# %% [markdown]
# So one network speaks for all subsets nearly as well as a network for each, in a fraction of the time; but differences of a few hundredths of a nat between bands are not to be read.
#
# (definitions-differ)=
# ## Does the conclusion hang on the definition?
#
# Redundancy has no agreed definition. The pointwise one above is the paper's. Others ask other questions. The short names: WB and BROJA are their authors' initials (BROJA: Bertschinger, Rauh, Olbrich, Jost and Ay), MMI *minimum mutual information*, CCS *common change in surprisal*, dep *dependencies*, PM *plus and minus*, SX *shared exclusions*, IG *information geometry*, RR *rescaled redundancy*, Do *do*-operation, an intervention, and CT *causal tensors*.

# %%
with pd.option_context("display.max_colwidth", None):
    display(
        definition_table()
        .style.set_table_attributes('class="dataframe"')
        .set_table_styles(
            [{"selector": "th, td", "props": "text-align: left; vertical-align: top"}]
        )
    )

# %% [markdown]
# All but the first need small discrete variables. So each input is reduced to two numbers, learned so that they keep what both inputs tell together and what each tells alone; the mass that each predicts would lose what only a combination tells. Numbers
# and masses are cut into bins of equal counts, and what small samples make too high is extrapolated to infinitely many galaxies. Summaries are learned from several seeds: they scatter as much as galaxies do. *Unbinned*, above each panel of the figure, is the pointwise definition on the same summaries before binning.

# %%
questions = {f"{optical.label} and redshift": (sample, "Mopt", "Zspec")}
if infrared:
    questions[f"{optical.label} and infrared"] = (sample, "Mopt", infrared)
for name in ("Morph", "Mir"):
    one = modality.get(f"<Mopt, {name}>")
    if one is not None and pictures_of != catalogue_of:
        questions[f"{' and '.join(one.words)} ({pictures_of})"] = (
            pictures,
            one.first,
            one.second,
        )
summaries, by_definition, kept = {}, {}, {}
for words, (galaxies, a, b) in questions.items():
    rows, refits = galaxies.rows("test"), []
    for own_seed in seeds:
        learned = learned_summaries(
            galaxies,
            a,
            b,
            seed=own_seed,
            device=device,
            steps=settings["summary_steps"],
        )
        tested = learned.first[rows], learned.second[rows], galaxies.mass[rows]
        found = binned_components(
            *tested,
            n_bins=settings["n_bins_pid"],
            bootstrap=settings["n_bootstrap_pid"],
            seed=seed,
        )
        found["unbinned"] = components_of(
            decompose(*learned.pointwise.to_numpy().T),
            bootstrap=settings["n_bootstrap_pid"],
            seed=seed,
        )
        refits.append(found)
        if own_seed == seed:
            summaries[words], kept[words] = tested, learned.information
    by_definition[words] = pooled_components(refits)
pd.DataFrame(kept).round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Synergy under twelve definitions, with intervals, one panel for each pair of inputs. For ugriz and redshift nearly all definitions give positive synergy of various sizes; for ugriz and near infrared values lie near zero, and the pointwise ones below it."}}
names = list(next(iter(by_definition.values())))
signs = [
    {np.sign(own[name].estimate["Syn"]) for name in names}
    for own in by_definition.values()
]
differ = sum(len(own) > 1 for own in signs)
figure, axes = panels(
    len(by_definition),
    width=3.7,
    height=3.9,
    title=f"For {differ} of {len(by_definition)} pairs the sign of the synergy hangs on the definition",
)
for axis, (words, own) in zip(axes, by_definition.items(), strict=True):
    tables = pd.DataFrame({name: own[name].table().loc["Syn"] for name in names}).T
    binned = tables.drop("unbinned")
    forest(axis, list(binned.index), binned["mean"], binned["low"], binned["high"])
    axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set(xlabel=f"synergy, {settings['n_bins_pid']} bins (nats)")
    axis.tick_params(axis="y", labelsize=8)
    axis.set_title(
        f"{words}\nunbinned {decimal(tables.loc['unbinned', 'mean'])}",
        fontsize=9.5,
        fontweight="normal",
    )
plt.show()

# %% [markdown]
# So which sentences may be said? *Yes* (+) or *no* (−) where a 95% interval lies on one side, and ? where it does not; in the first row, whether all definitions agree. The last row is before binning. *Adds little* is said of less than 0.1 nats.

# %%
first, *rest = questions
statements = [positive_synergy(words) for words in questions]
statements += [more_synergy(first, words) for words in rest if pictures_of not in words]
statements += [adds_little(words, settings["little"]) for words in rest]
verdicts = conclusions(by_definition, statements)
# One column for each statement, so that all definitions are seen below one another.
headings = [("synergy above zero", words) for words in questions]
headings += [
    ("more synergy", f"{first} than {words}")
    for words in rest
    if pictures_of not in words
]
headings += [
    (f"adds little, under {settings['little']:g} nats", words) for words in rest
]
shown = verdicts[["agree", *names]].T.rename({"agree": "all agree"})
shown.columns = pd.MultiIndex.from_tuples(headings)
shown.replace({"yes": "+", "no": "\N{MINUS SIGN}", "undecided": "?"})

# %% [markdown]
# A conclusion on which the first row says *differ* is one about a definition, not about galaxies. The sign of a small synergy is such a one. That is why the conditional information stands beside the synergy everywhere in this chapter: of the same numbers it is the same under all definitions. (Where *unbinned* differs from all others on whether something adds little, that is not the definition but the bins, which have lost it.)
#
# ### What does binning lose?

# %%
effect = binning_effect(
    *summaries[first], n_bins=settings["n_bins_shown"], bootstrap=50, seed=seed
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Synergy of ugriz and redshift against the number of bins under six definitions, and in a second panel the information of both and that of both when the masses are exchanged between galaxies. Synergy grows with the bins under every definition; so does what pure chance would give."}}
figure, axes = panels(
    2,
    width=3.8,
    height=3.5,
    title=f"{first}: the finer the bins, the more is kept, and the more is luck",
)
synergies = effect[effect["quantity"] == "Syn"]
for i, (name, own) in enumerate(synergies.groupby("definition", sort=False)):
    axes[0].errorbar(
        own["n_bins"] + 0.05 * i,
        own["mean"],
        yerr=np.clip([own["mean"] - own["low"], own["high"] - own["mean"]], 0, None),
        fmt=f"{'os^vDP'[i % 6]}-",
        color=list(COLOURS.values())[1 + i % 6],
        markersize=4,
        linewidth=1,
        label=name,
    )
axes[0].axhline(0, color=COLOURS["black"], linewidth=0.8)
axes[0].legend(fontsize=8, ncols=2)
axes[0].margins(y=0.35)
axes[0].set(xlabel="bins of each summary and of the mass", ylabel="synergy (nats)")
both = effect[effect["quantity"] == "I(X1,X2)"].drop_duplicates("n_bins")
for column, words, marker in (
    ("plugin", "as counted", "s"),
    ("mean", "extrapolated", "o"),
    ("null", "masses exchanged", "x"),
):
    axes[1].plot(both["n_bins"], both[column], f"{marker}-", label=words)
axes[1].axhline(
    kept[first]["I(X1,X2)"], color=COLOURS["grey"], ls="--", label="before binning"
)
axes[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(0, 0.68))
axes[1].set(
    xlabel="bins of each summary and of the mass", ylabel="information of both (nats)"
)
plt.show()

# %% [markdown]
# A few bins cannot hold what a network knows: compare definitions with one another, and pairs within a definition, not these numbers with those of the networks above. With more bins, cells become as many as galaxies, and what exchanged masses give, which is nothing but luck, catches up.
#
# ## What became of the three claims?


# %%
def given(name, quantity="conditional_2_net"):
    if (name, quantity) not in overall.index:
        return "not asked of this sample"
    row = overall.loc[(name, quantity)]
    return f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


claims = {
    "(a) images add to integrated photometry (net)": given(main_name),
    "(a) as synergy, pointwise": given(main_name, "Syn"),
    "(a) through morphology: shapes add to photometry (net)": given("<Mopt, Morph>"),
    "(b) infrared adds to photometry (net)": given("<Mopt, Mir>"),
    "(b) infrared adds to images (net)": given("<Iopt, Mir>"),
    "(c) shapes compared between bands: the most that one adds": "not asked of this sample"
    if feature_table is None
    else f"{adds['mean'].max():.3f} ({adds.loc[adds['mean'].idxmax(), 'low']:.3f} to {adds.loc[adds['mean'].idxmax(), 'high']:.3f})",
}
pd.Series(claims, name=f"nats, {pictures_of}").to_frame()

# %% [markdown]
# In the mock these claims were partly planted, for its graph lets shapes matter: what the table says is whether the instrument finds them with the training galaxies at hand. **(a)** Images add to photometry, beyond the placebo and beyond the luck of galaxies and refits, and shapes add more. But a pointwise synergy above zero is found, beside that of the redshift, only of the shapes, and only by the networks above: on the summaries of two numbers it is undecided, and in bins negative. That of the images is below zero, as it is for WISE, which adds far more. **(b)** The infrared adds less once images are seen than when photometry is all there is: they stand in for a part of it. How much of that is the images' doing leans on how well their network was trained: an untrained one leaves everything to be added. **(c)** A half-light radius in u, or in g against r or i, adds some hundredths of a nat to the same radius in a redder band, one in r or i none that we can see; a Sérsic index adds less, and in this run only the one in u adds anything that we can see.
# On real galaxies none of the three was asked here, for this catalogue has no images; with a sample that has them the same cells answer.
#
# ## Check yourself

# %%
for found in (*decompositions.values(), main, *photometric[catalogue_of][2].values()):
    values = found.table()[found.held_out]
    parts = values[["R", "U1", "U2", "Syn"]].sum(axis=1).to_numpy()
    both = found.estimates[2].pointwise[found.held_out]
    assert np.abs(parts - both).max() < 1e-12, (
        "the four parts add up to the whole, galaxy by galaxy"
    )
    assert np.allclose(values["U2"] + values["Syn"], values["conditional_2"])
assert np.allclose(exact["unique_2"], -exact["synergy"], atol=1e-6), (
    "a copy adds nothing"
)
if profile not in ("smoke", "paper") and dataset == "sdss-mini":
    # These are findings about the published data set, which other galaxies need not share.
    of_mean = table[table["group"] == "all"].set_index(["tuple", "quantity"])
    assert of_mean.loc[(redshift_pair.name, "conditional_2_net"), "low"] > 0.5, (
        "the redshift must add much to ugriz"
    )
    assert (
        of_mean.loc[(redshift_pair.name, "Syn"), "low"]
        > of_mean.loc[(f"<Mopt, {infrared}>", "Syn"), "high"]
    )
    assert information.loc["Mopt", "RMSE (dex)"] < 0.26
    networks = comparison[["nested", "separate", "amortised"]]
    assert (networks.max(axis=1) - networks.min(axis=1)).max() < 0.1, (
        "three ways to train networks must agree"
    )
    assert information.loc["Mopt+Zspec", "RMSE (dex)"] < 0.09
    assert gain["low"] > 0, "the mock's images must add to its photometry"
    assert recovered[0.15].loc["conditional_2_net", "mean"] > 0.075, (
        "at least half of what was planted must be found"
    )
    assert abs(recovered[0.0].loc["conditional_2_net", "mean"]) < 0.02
    assert largest_placebo < 0.05, "no placebo may gain much"

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-sum-of-bands
# *Look.* The band picker gives for every set of bands what it tells. Do single bands' informations add up to that of all? By how much do they miss, and why in this direction?
# :::

# %% tags=["hide-cell"]
# Solution: alone each band is a brightness, and all brightnesses tell much the same, little; together they are colours.
alone = answers.loc[bands, "information"]
all_bands = answers.loc["+".join(bands), "information"]
print(
    f"sum of single bands {alone.sum():.2f}, of all together {all_bands:.2f} nats; most by one band {alone.max():.2f}"
)

# %% [markdown]
# :::{exercise}
# :label: exercise-noise-input
# *Change.* Add a column of pure noise to the catalogue and decompose ugriz with it. What should the conditional information be, and what sign has the synergy?
# :::

# %% tags=["hide-cell"]
# Solution: nothing is added, so the net conditional information is zero to about 0.001 nats; and Syn = -U2 is not positive.
noisy = sample.catalog.assign(
    noise=np.random.default_rng(seed).normal(size=len(sample)), split=sample.split
)
with_noise = decompose_pairs(
    Sample.from_frame(noisy, split="split"),
    {"noise": (list(optical.magnitudes), ["noise"])},
    placebo="second",
    seeds=(seed,),
    **few,
    steps=400,  # enough to see that there is nothing
    **options,
)["noise"]
with_noise.mean(bootstrap=bootstrap, seed=seed).rename(in_words).round(3)

# %% [markdown]
# :::{exercise}
# :label: exercise-own-definition
# *Build.* Write a definition of redundancy of your own, the smaller of the two *mean* informations, and divide photometry and redshift by it. Which of the parts change, and what does not?
# :::

# %% tags=["hide-cell"]
# Solution: this is MMI. Parts move between redundant and unique, and between unique and synergistic; what one input adds to the other is of the three informations alone.
i1, i2, i12 = wide.loc[["I(X1)", "I(X2)", "I(X1,X2)"], redshift_pair.name]
own = pd.Series({"R": min(i1, i2), "U1": i1 - min(i1, i2), "U2": i2 - min(i1, i2)})
own["Syn"] = i12 - own.sum()
divided = pd.DataFrame(
    {"pointwise": wide.loc[own.index, redshift_pair.name], "by means": own}
)
divided.loc["U2 + Syn, what X2 adds"] = divided.loc[["U2", "Syn"]].sum()
divided.round(3)

# %% [markdown]
# ## What could be wrong
#
# - But for the {ref}`stored studies <information-study>`, every number here is about networks trained on a few thousand galaxies. With more galaxies they would know more, and not all of them equally more: images most.
# - The masses of the catalogue were computed from ugriz and redshift: that these two are synergistic is arithmetic, and a good test of the method. That the infrared adds little
#   is partly because this mass has never seen it.
# - What the first input adds to the second stands without a placebo. It is too high where the second input is an image and its network has not learned all.
# - Intervals are over galaxies alone but for the first pair of the pictures. Its refits on bootstrap samples see about 63% of the training galaxies each, so they know a little less than one network trained on all.
# - The bins of the mass limit how much a precise input can show: an error far smaller than a bin cannot be rewarded.
# - Redshift alone is this informative because the sample was chosen by brightness (chapter 1). In a volume-limited sample its own information, and the redundancy with it, would be smaller.
#
# ## Summary
#
# An information estimate is a lower bound that has to be defended: by calibration, by other methods, by planted truths, and by a placebo. About the mass of these galaxies ugriz and redshift are synergistic under nearly every definition; before binning and pointwise, most of what they tell they tell only together. 2MASS magnitudes add next to nothing, although
# their pointwise synergy is negative. In the mock, images add to photometry what networks from scratch miss at this size. The conditional information is the number to quote, and the components tell where it comes from.
#
# **What's next**: {ref}`chapter-findings` puts the numbers of all chapters to the claims. {ref}`appendix-mock` shows how the mock's galaxies, and with them the planted answers, came about.

# %%
pointwise = pd.concat(
    [one.table().add_prefix(f"{name}: ") for name, one in decompositions.items()],
    axis=1,
)
this_run.save("decompositions.parquet", pointwise.set_axis(sample.catalog.index))
of_both = pd.concat(
    [one.table().add_prefix(f"{name}: ") for name, one in of_pictures.items()], axis=1
)
this_run.save(
    "pictures_decompositions.parquet", of_both.set_axis(pictures.catalog.index)
)


def as_results(long):
    """Nested dictionaries of a table of decompositions: by tuple, group and quantity."""
    return {
        name: {
            group: part.set_index("quantity")[["mean", "low", "high"]].to_dict("index")
            for group, part in own.groupby("group", sort=False)
        }
        for name, own in long.groupby("tuple", sort=False)
    }


this_run.save_results(
    {
        "information": information.to_dict(orient="index"),
        "estimators": comparison.to_dict(orient="index"),
        "decompositions": as_results(table),
        "pictures": {
            "sample": pictures_of,
            "decompositions": as_results(picture_table),
        },
        "noise_bias": bias,
        "bands": {where: as_results(own) for where, own in band_tables.items()},
        "image_bands": as_results(image_table),
        "features": {} if feature_table is None else as_results(feature_table),
        "planted": {
            str(nats): own.to_dict(orient="index") for nats, own in recovered.items()
        },
        "from_scratch": adding.to_dict(orient="index"),
        "definitions": {
            words: {
                name: one.table()[["mean", "low", "high"]].to_dict(orient="index")
                for name, one in own.items()
            }
            for words, own in by_definition.items()
        },
        "verdicts": verdicts.to_dict(orient="index"),
        "n_refits": len(seeds),
    }
)
print(
    f"stored in runs/{run}/05_information_decomposition: decompositions, pictures_decompositions, results.json"
)

# %% [markdown]
# **References**: {cite:t}`zhang2025`, {cite:t}`williams2010`, {cite:t}`bertschinger2014`, {cite:t}`barrett2015`, {cite:t}`ince2017`, {cite:t}`goodwell2017`, {cite:t}`finn2018`, {cite:t}`james2019`, {cite:t}`niu2019`, {cite:t}`sigtermans2020`, {cite:t}`makkeh2021`, {cite:t}`lyu2024`, {cite:t}`poole2019`, {cite:t}`mcallester2020`, {cite:t}`guo2017`.
