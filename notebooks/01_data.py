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
# (chapter-data)=
# # 1. The sample and its selection
#
# *Which galaxies are these, and what do we already know once we know how they were chosen?*
#
# Every number in this book is a statement about a list of galaxies. Before any network sees such a list, we should
# know how a galaxy gets onto it, what was measured and what was only inferred. This chapter opens two. The first holds
# real galaxies: {term}`Petrosian magnitudes <Petrosian magnitude>` from SDSS, near-infrared magnitudes from 2MASS, a
# {term}`redshift` each, and one column that nobody measured, the {term}`stellar mass`. The second holds
# galaxies that do not exist: a {term}`mock universe`, with pictures, whose every cause we wrote down ourselves. The chapter ends with two more doors: to
# the survey itself, with real pictures, and to galaxies of your own.

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
# - Load the sample with one line, and say where each column comes from.
# - Count its {term}`nulls <null>` and know what was done with them.
# - Show how an apparent-magnitude limit ties mass to redshift, and undo it with a volume-limited sample.
# - Say why a mass inferred from photometry and redshift limits what later chapters may conclude.
# - Read the graph of a mock universe, look at its galaxies, and say where it resembles the real ones and where not.
# - Fetch galaxies of the survey with pictures, know what that costs, and bring in a catalogue of your own.
# :::
#
# **Before you start**: nothing but what a magnitude is. **Time and memory**: about three minutes the first time, while the mock is made, and less
# afterwards; 1.5 GB; 0.5 GB of disk.

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
# The values above are the published ones. Change them here, or give papermill a file of them. The text describes the published run; tables, figures and their titles are of the run that
# you execute.

# %%
import tempfile
import textwrap
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from astropy.cosmology import Planck18
from helpers.bands import dereddened
from helpers.inputs import infrared_input, optical_survey, photometric_inputs, resolve
from helpers.plotting import COLOURS, draw_layers, panels, use_style
from helpers.runs import cache_directory, open_run, profile_settings
from helpers.survey import SDSS, SURVEYS, load_sample
from helpers.survey.detection import find_sources, light_centre
from helpers.survey.mock import MAGNITUDE_RANGE, UNIVERSE, draw_tile
from helpers.survey.sdss import (
    Field,
    Politeness,
    SdssOptions,
    cut_galaxies,
    expected_cost,
    fetch_frames,
    frame_path,
    origin_table,
)
from helpers.survey.stamps import colour_picture
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="01_data", parameters=shared)

# %% [markdown]
# ## What is in the sample?
#
# One call loads it. The data ship inside the package kcorrect {cite}`blanton2007`, so no server is asked; the
# file's checksum is compared before it is read.

# %%
sample = load_sample(
    dataset,
    n_galaxies,
    seed,
    allow_network=allow_network,
    cache_dir=data_dir or None,
    column_map=column_map or None,
)
catalog = sample.catalog
# Which survey's photometry this is, and whether there is any in the infrared, is read off the columns.
survey, infrared = optical_survey(catalog), infrared_input(catalog)
infrared_magnitudes = [] if infrared is None else list(resolve(infrared, catalog).main)
print(f"{len(sample)} galaxies, {catalog.shape[1]} columns")
for key in ("origin", "sha256", "target"):
    print(f"{key}: {sample.provenance.get(key, 'not on record')}")

# %% [markdown]
# Five numbers a column say more than a page about it. Magnitudes are not corrected for {term}`Galactic extinction`: the
# {term}`reddening` `EBV` stands beside them and goes along with every input, so that a model can correct for it itself.

# %%
shown = ["z", "EBV", *survey.magnitudes, *infrared_magnitudes, "lgm_tot_p50"]
shown = [name for name in shown if name in catalog]
quantiles = catalog[shown].quantile([0, 0.05, 0.5, 0.95, 1]).T
quantiles.columns = ["lowest", "5%", "median", "95%", "highest"]
quantiles.round(3)

# %% [markdown]
# ### What is missing, and what was done about it
#
# A flux that is not positive has no magnitude. It becomes a null, never a guess, and it is counted. In the 2MASS columns a
# zero means *missing*; here it is a null too.

# %%
nulls = sample.null_counts()
print(nulls.to_string() if len(nulls) else "no column has a null")

# %% [markdown]
# The largest entry is an error without a value: 2MASS gives some H magnitudes no uncertainty. The u band comes next, the
# shallowest of the five, where some galaxies have a measured flux at or below zero. Models see a null as the training mean
# with a flag raised beside it, and never have to reconstruct it.
#
# Not every number that is present is good. A galaxy whose r-band flux is less than five times its own error is no detection,
# although it was chosen for being bright: there the Petrosian photometry failed. They stay in, as they would in a survey,
# and are left out only of the volume-limited subsample and of the comparison with the mock, both below.

# %%
reference = survey.band(survey.reference)
weak = pd.Series(False, catalog.index)
if reference.magnitude_error in catalog:
    weak = catalog[reference.magnitude_error] > 2.5 / np.log(10) / 5
    print(
        f"{int(weak.sum())} galaxies ({weak.mean():.1%}) have an {reference.name}-band flux below 5 sigma"
    )
else:
    print("without errors nobody can say which galaxies are well detected")

# %% [markdown]
# ### Which galaxies do we learn from?
#
# Each galaxy is {term}`assigned to training, validation or test <training/validation/test split>` by a hash of its rounded position. The assignment does not depend on
# the size of the sample or the order of its rows, so a galaxy that was tested once can never slip into a training set.

# %%
split_sizes = sample.split.value_counts()[["train", "validation", "test"]]
print(split_sizes.to_string())

# %% [markdown]
# ## How were they chosen?
#
# Nobody drew these galaxies from the universe at random. The SDSS main galaxy sample takes galaxies brighter than
# 17.77 in r, after correction for extinction {cite}`strauss2002`. And all of these but one have 2MASS
# magnitudes, so they also had to be bright in the near infrared.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two histograms. Extinction-corrected r magnitudes rise to a peak near 17, decline, and are nearly gone beyond 17.77. 2MASS K magnitudes rise to a peak near 13.8 and fall quickly after it."}}
magnitude = dereddened(catalog, survey, reference.name)
share_main = float((magnitude < 17.77).mean())
figure, axes = panels(
    1 if infrared is None else 2,
    title=f"{share_main:.0%} of the galaxies are brighter than the main-sample limit, {reference.name} = 17.77",
)
faint_end = max(20.0, np.nanquantile(magnitude, 0.999))
axes[0].hist(
    magnitude, bins=np.arange(13, faint_end + 0.01, 0.1), color=COLOURS["blue"]
)
axes[0].axvline(17.77, color=COLOURS["vermilion"], label=f"{reference.name} = 17.77")
axes[0].set(
    xlabel=f"{reference.name}, extinction-corrected (AB mag)",
    ylabel="galaxies per 0.1 mag",
)
# Room above the bars, where the legend has to be.
axes[0].set_ylim(0, 1.22 * axes[0].get_ylim()[1])
axes[0].legend(loc="upper left")
if infrared is not None:
    # Of 2MASS the last band, K; of WISE the first, W1.
    column, words = (
        ("k_m_ext", "2MASS K") if infrared == "Mnir" else ("w1mpro", "WISE W1")
    )
    axes[1].hist(
        catalog[column].dropna(),
        bins=np.arange(9, 16.01 if infrared == "Mnir" else 18.01, 0.1),
        color=COLOURS["orange"],
    )
    axes[1].set(xlabel=f"{words} (Vega mag)", ylabel="galaxies per 0.1 mag")
plt.show()

# %% [markdown]
# Both histograms rise towards faint magnitudes, because there is more volume far away, and then turn over. In r the turn comes before
# the survey's limit. The likely reason is the near-infrared limit, known here only through its effect, which takes faint galaxies first.
#
# (magnitude-limit)=
# ### A magnitude limit is a collider
#
# Apparent brightness has two causes: how much light a galaxy emits, and how far away it is. Choosing galaxies by apparent
# brightness therefore chooses on a common effect of mass and redshift, a {term}`collider`, and that makes the two
# correlated in the sample whatever they are in the universe: a {term}`selection effect`. Far away, only the massive make the cut.
#
# The cure is old: keep only galaxies that would have been seen anywhere in a volume. Below, a galaxy is in the
# *volume-limited* subsample when it is nearer than z = 0.1 and luminous enough to pass r = 17.77 at z = 0.1. (Absolute
# magnitudes here use the distance alone, without {term}`K-correction`.)


# %%
def pearson(a, b):
    return float(np.corrcoef(a, b)[0, 1])


redshift, mass = catalog["z"].to_numpy(), sample.mass
absolute_r = magnitude - Planck18.distmod(redshift).value
limit_z = 0.1
faintest = 17.77 - Planck18.distmod(limit_z).value
volume = (redshift < limit_z) & (absolute_r < faintest) & ~weak.to_numpy()
correlation_all = pearson(mass, np.log10(redshift))
correlation_near = pearson(
    mass[redshift < limit_z], np.log10(redshift[redshift < limit_z])
)
correlation_volume = pearson(mass[volume], np.log10(redshift[volume]))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Scatter plot of stellar mass against redshift. In the whole sample mass rises steeply with redshift, and low-mass galaxies are found only nearby; in the volume-limited subsample, drawn in orange, most of the trend is gone."}}
figure, axis = plt.subplots()
axis.scatter(
    redshift,
    mass,
    s=3,
    alpha=0.35,
    color=COLOURS["blue"],
    linewidths=0,
    label=f"all: correlation {correlation_all:.2f}; of these z < {limit_z:g}: {correlation_near:.2f}",
)
axis.scatter(
    redshift[volume],
    mass[volume],
    s=4,
    alpha=0.7,
    color=COLOURS["orange"],
    linewidths=0,
    label=f"volume-limited, z < {limit_z:g}: correlation {correlation_volume:.2f}",
)
axis.set(
    xscale="log",
    xlabel="redshift",
    ylabel="log10 stellar mass (solar masses)",
    ylim=(7.8, 12.2),
)
axis.set_xticks([0.01, 0.03, 0.1, 0.3], ["0.01", "0.03", "0.1", "0.3"])
axis.set_title("Selection by brightness ties mass to redshift")
axis.legend(loc="lower right", markerscale=4)
plt.show()

# %% [markdown]
# The correlations in the legend are computed from the points. Cutting the range of redshifts alone lowers the correlation; asking in addition that every
# galaxy could have been seen throughout the volume lowers it much further. What is left has smaller causes: the volume still cuts on light and not on mass,
# the K-correction is missing, and large-scale structure puts clusters at particular distances.
#
# Remember this figure in {ref}`chapter 4 <chapter-causal-discovery>`. An arrow between redshift and mass that a causal
# search draws in this sample is, first of all, the selection.
#
# ## What colour are they?
#
# The classic view of such a sample: colour against mass. A ridge of {term}`passive <passive galaxy>` red galaxies reaches the highest
# masses, and a broad spread of {term}`star-forming <star-forming galaxy>` blue ones lies below it at lower mass.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two-dimensional histogram of the g minus r colour against stellar mass. A ridge of red galaxies runs along the top to the highest masses; a broad blue spread lies below it at lower mass."}}
bluer, redder = survey.colour
colour = dereddened(catalog, survey, bluer) - dereddened(catalog, survey, redder)
figure, axis = plt.subplots()
counts = axis.hist2d(
    mass,
    colour,
    bins=[
        np.linspace(9, 12, 61),
        np.linspace(0.2, max(1.5, np.nanquantile(colour, 0.99)), 66),
    ],
    cmin=1,
    cmap="viridis",
)[3]
figure.colorbar(counts, ax=axis, label="galaxies per cell")
axis.set(
    xlabel="log10 stellar mass (solar masses)",
    ylabel=f"observed {bluer} - {redder}, dust-corrected (mag)",
)
axis.set_title("The massive galaxies are red, the blue ones less massive")
plt.show()

# %% [markdown]
# Part of the slope of the ridge is redshift: the farther the galaxy, the bluer the light that the g band receives as it left the galaxy, and
# old galaxies are faint there; so a far galaxy looks redder, and the far galaxies are the massive ones. Colour, mass and redshift are entangled, and
# disentangling them is what the later chapters are about.
#
# (where-the-mass-comes-from)=
# ## Where does the mass come from?
#
# Nobody put a galaxy on a scale. The mass in this sample is the result of fitting templates to the five extinction-corrected
# Petrosian fluxes at the known redshift, by kcorrect. So
#
# - the mass is a *function* of ugriz with its errors, extinction and redshift, and of nothing else that we have;
# - 2MASS magnitudes do not enter it. If they are found to be informative about this mass, it is because they tell
#   something about the redshift, or about the true optical fluxes beneath the noise;
# - published masses of SDSS galaxies rest on fits of the same kind, to photometry or to spectra at the known redshift
#   {cite}`kauffmann2003,brinchmann2004`. The caveat is not a defect of this small sample: it belongs to the subject.
#
# We can watch this. {term}`Gradient boosting <gradient boosting>` predicts the mass from photometry, then from photometry with redshift, and is
# judged on the test split by its root-mean-square error (RMSE), in {term}`dex`. `Mopt` is the book's name for optical magnitudes,
# `Mnir` for near-infrared ones, `Zspec` for the redshift ({ref}`notation`).


# %%
def boosting_rmse(inputs):
    columns = list(resolve(inputs, catalog).columns)
    train, test = sample.rows("train"), sample.rows("test")
    model = HistGradientBoostingRegressor(max_iter=300, random_state=seed)
    model.fit(catalog[columns].iloc[train], mass[train])
    residual = model.predict(catalog[columns].iloc[test]) - mass[test]
    return float(np.sqrt(np.mean(residual**2))), residual


rmse, residuals = {}, {}
asked = photometric_inputs(catalog) | {"Mopt+Zspec": f"{survey.label} and redshift"}
for inputs in asked:
    rmse[inputs], residuals[inputs] = boosting_rmse(inputs)
rmse["the mean mass"] = float(np.std(mass[sample.rows("test")]))
table = pd.DataFrame({"RMSE (dex)": rmse})
for inputs, residual in residuals.items():
    ordered = np.sort(np.abs(residual))
    table.loc[inputs, "without the worst galaxy"] = np.sqrt(np.mean(ordered[:-1] ** 2))
    table.loc[inputs, "1.48 x median error"] = 1.4826 * np.median(ordered)
table.map("{:.3f}".format).where(table.notna(), "")

# %%
worst = sample.rows("test")[np.argmax(np.abs(residuals["Mopt+Zspec"]))]
print("the test galaxy that photometry and redshift miss by most:")
print(
    catalog.iloc[worst][
        [
            name
            for name in (
                "z",
                survey.magnitudes[0],
                reference.magnitude,
                reference.magnitude_error,
                "lgm_tot_p50",
            )
            if name in catalog
        ]
    ]
    .round(2)
    .to_string()
)

# %% [markdown]
# An RMSE is at the mercy of the worst galaxy; the second and third columns are there to say how much. A galaxy whose photometry failed has a mass that was fitted
# to failed photometry. Errors beyond 1 dex, such as its own, lie outside the figure below.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of the error of the predicted mass for three inputs. From ugriz photometry, with or without near-infrared magnitudes, errors spread over about half a dex; with redshift added they form a narrow spike at zero."}}
figure, axis = plt.subplots()
for (inputs, label), key in zip(
    asked.items(), ("blue", "orange", "green")[-len(asked) :], strict=True
):
    axis.hist(
        residuals[inputs],
        bins=np.linspace(-1, 1, 101),
        histtype="step",
        linewidth=1.8,
        color=COLOURS[key],
        label=f"{label}: {rmse[inputs]:.3f} dex",
    )
axis.set(
    xlabel="predicted minus catalogue log10 stellar mass (dex)",
    ylabel="test galaxies per 0.02 dex",
    yscale="log",
)
axis.set_title(
    f"The redshift lowers the error from {rmse['Mopt']:.2f} to {rmse['Mopt+Zspec']:.2f} dex"
)
axis.set_ylim(None, 6000)
axis.legend(title="input, RMSE", ncols=2, fontsize=10, loc="upper left")
plt.show()

# %% [markdown]
# From ugriz alone the error is that of not knowing the distance: the same colours and brightness fit a nearby dwarf and a
# far giant. Give the redshift and the typical error shrinks to what the trees cannot interpolate. So whatever this book finds "missing"
# from ugriz photometry on *this* sample is, in the end, the redshift; the interesting question is which other measurements can stand in
# for it.

# %% [markdown]
# ## A universe whose causes we know
#
# Real galaxies do not tell us whether we read them correctly. If a method says that redshift causes mass, or that a picture
# knows more than its magnitudes, we cannot look up the answer. So we build galaxies for which we can: a
# {term}`mock universe`, written down as a {term}`structural causal model`. Each variable has an equation, and the equation
# reads only its parents. Here they all are, causes above effects. A line that meets a box without an arrowhead passes behind it.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Directed graph of the mock universe in layers. On top stand the causes without parents, such as stellar mass, redshift, inclination and the group a galaxy lives in. Below them come environment, quenching, star formation, bulge fraction, dust, sizes and stellar populations; then the fluxes of bulge and disc; and last the apparent magnitude. Stellar mass has the most arrows."}}
figure, axis = plt.subplots(figsize=(6.6, 8.6))
labels = {
    "log_ssfr": "specific\nstar\nformation",
    "bulge_sersic_index": "bulge\nSérsic\nindex",
}
# Causes without parents, in an order in which few lines pass behind boxes.
top = ["group_distance", "reddening", "group_richness", "position_angle"]
top += ["redshift", "log_mass", "inclination"]
nodes = top + [name for name in UNIVERSE.names if name not in top]
draw_layers(axis, nodes, UNIVERSE.edges, highlight={"log_mass"}, labels=labels)
axis.set_title("In the mock universe, mass has the most effects")
plt.show()

# %% [markdown]
# The equations are round-number versions of what surveys have found. Mass and {term}`environment` {term}`quench <quenching>` a galaxy;
# mass and quenching set its bulge, its star formation, its dust and its size; the stars of bulge and disc are mixtures of
# kcorrect's templates, whose ages and metals scatter; a tilted disc looks thinner, redder and fainter. {ref}`Appendix A
# <appendix-mock>` lists every equation, and tests what follows from them.
#
# Nothing in that graph is an observation. To get observations we must observe: each galaxy that is bright enough is drawn
# in five bands with the light profiles of GalSim {cite}`rowe2015`, blurred by the {term}`seeing <point spread function>` of its field, given noise
# like that of a real SDSS frame, and then *measured*, as if we had never seen the equations. What no picture shows, such as the redshift and the
# infrared magnitudes, is the true value with an error added. The catalogue holds the measurements, and the true mass as the target. The rest of the
# {term}`truth` is kept in another drawer, `sample.truth`, where no named input looks.

# %%
of_mock = profile_settings(profile)["mock"]
n_mock = of_mock["n_galaxies"]
mock = load_sample("mock", n_mock, seed, cache_dir=data_dir or None)
print(
    f"{len(mock)} mock galaxies on {mock.provenance['square_degrees']:g} square degrees"
)
print(f"images: {mock.images.shape}, {mock.images.dtype}, read when asked for")
print(f"measured columns: {mock.catalog.shape[1]}; true ones: {mock.truth.shape[1]}")
print(mock.null_counts().head(5).to_string())

# %% [markdown]
# The nulls here have the same reasons as in a real survey: W3, a mid-infrared band of the space telescope WISE, is shallow and misses faint galaxies, and the u band, above all that of red ones, is
# often too faint for the fit of a {term}`Sérsic profile`. `log_density_5`, how crowded a place is, is null for galaxies that lie just outside
# the patches of sky, and where too few others stand at their redshift to find a fifth neighbour.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two rows of six colour pictures of mock galaxies. Above, star-forming ones: pale or yellowish, from round to thin. Below, quenched ones: orange, with a brighter centre."}}
tilt = mock.truth["inclination"].to_numpy()
quenched = mock.truth["quenched"].to_numpy() > 0.5
bright = (mock.catalog["petroMag_r"] < 17).to_numpy()
medium = mock.catalog["petroR50_r"].between(2, 4).to_numpy()
figure, axes = plt.subplots(2, 6, figsize=(6.6, 2.9))
for row, (kind, words) in enumerate(
    [(~quenched, "star-forming"), (quenched, "quenched")]
):
    chosen = np.flatnonzero(kind & bright & medium)
    chosen = chosen[np.argsort(tilt[chosen])]
    chosen = chosen[np.linspace(0, len(chosen) - 1, 6).astype(int)]
    for axis, galaxy, picture in zip(
        axes[row], chosen, colour_picture(mock.images[chosen]), strict=True
    ):
        axis.imshow(picture, origin="lower")
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel(f"{tilt[galaxy]:.0f}°", fontsize=9, labelpad=2)
    axes[row, 0].set_ylabel(words, fontsize=10)
figure.suptitle(
    "Tilted discs are thin; quenched galaxies are red and concentrated",
    x=0.01,
    ha="left",
    fontsize=12.5,
    fontweight="bold",
)
plt.show()

# %% [markdown]
# Colours are made of i, r and g {cite}`lupton2004`; each picture is 25 arcseconds on a side, and galaxies of much the same size on the sky were chosen. The number below each
# picture is the true {term}`inclination`, which for a real galaxy can only be inferred from its shape. What you do *not* see are spiral arms, bars, clumps, neighbours and stars. A real picture has them,
# and they may know about mass too. Whatever a network learns from these pictures, it learns from light, colour and smooth shape.
#
# ### Selection, seen from outside
#
# In the mock, mass and redshift have no common cause and no arrow between them. But we can only list what is bright. The
# left panel below shows *all* galaxies of a few patches of sky, seen or not; no real survey can show it.

# %%
tiles = [draw_tile(tile, seed) for tile in range(4)]
everyone = {
    name: np.concatenate([tile[name] for tile in tiles])
    for name in ("log_mass", "redshift", "apparent_magnitude")
}
seen = (everyone["apparent_magnitude"] > MAGNITUDE_RANGE[0]) & (
    everyone["apparent_magnitude"] < MAGNITUDE_RANGE[1]
)
log_z = np.log10(everyone["redshift"])
correlation_everyone = pearson(everyone["log_mass"], log_z)
correlation_seen = pearson(everyone["log_mass"][seen], log_z[seen])
print(
    f"{len(seen)} galaxies above 10^8 solar masses, of which {seen.sum()} are brighter than r = {MAGNITUDE_RANGE[1]}"
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two scatter plots of true stellar mass against redshift in the mock. Among all galaxies the two are unrelated. Among those bright enough to be selected, mass rises steeply with redshift."}}
figure, axes = panels(
    2, title="Unrelated in the universe, tied together in the sample", height=3.4
)
for axis, rows, words in (
    (
        axes[0],
        np.ones_like(seen),
        f"all: correlation {round(correlation_everyone, 2) + 0.0:.2f}",
    ),
    (axes[1], seen, f"selected: correlation {correlation_seen:.2f}"),
):
    axis.scatter(
        everyone["redshift"][rows],
        everyone["log_mass"][rows],
        s=3 if rows is seen else 1,
        alpha=0.6 if rows is seen else 0.15,
        color=COLOURS["orange"] if rows is seen else COLOURS["blue"],
        linewidths=0,
        rasterized=True,
    )
    axis.set(
        xscale="log",
        xlim=(0.01, 0.31),
        ylim=(8, 12),
        xlabel="redshift",
        title=words,
    )
    axis.set_xticks([0.01, 0.03, 0.1, 0.3], ["0.01", "0.03", "0.1", "0.3"])
    axis.minorticks_off()
axes[0].set_ylabel("log10 true mass (solar masses)")
plt.show()

# %% [markdown]
# This is the collider at work, with nothing else in the way. Every one of the tens of thousands of points on the left follows the
# same equations as the few hundred on the right. The arrow that a careless search would draw between mass and redshift is made by
# the act of listing galaxies.
#
# ### Is it like the real one?
#
# A mock need not be the universe, but it should be hard for the same reasons. Here it stands beside the real sample, both cut to
# the mock's selection. The real masses are kcorrect's, the mock's are true.


# %%
def contours(axis, x, y, colour, label, bounds):
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=28, range=bounds)
    # Levels that enclose 90%, 60% and 30% of the galaxies.
    ordered = np.sort(counts.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = np.unique([ordered[np.searchsorted(held, p)] for p in (0.9, 0.6, 0.3)])
    middle = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
    axis.contour(*middle, counts.T, levels=levels, colors=colour, linewidths=1.6)
    axis.plot([], [], color=colour, label=label)


alike = (
    (magnitude > MAGNITUDE_RANGE[0])
    & (magnitude < MAGNITUDE_RANGE[1])
    & (redshift > 0.01)
    & (redshift < 0.3)
    & ~weak.to_numpy()
)
real_table, mock_table = catalog[alike], mock.catalog
tables = {
    "real": (real_table, mass[alike], survey),
    "mock": (mock_table, mock.mass, SDSS),
}
brightness, green_red = {}, {}
for name, (table, _, of) in tables.items():
    brightness[name] = dereddened(table, of, of.reference)
    green_red[name] = dereddened(table, of, of.colour[0]) - dereddened(
        table, of, of.colour[1]
    )


def median_error(table, band):
    return (
        table[band.magnitude_error].median()
        if band.magnitude_error in table
        else np.nan
    )


compared = pd.DataFrame(
    {
        name: {
            "galaxies": len(table),
            "median redshift": table["z"].median(),
            "median log mass": np.median(masses),
            f"median {bluer} - {redder}": np.nanmedian(green_red[name]),
            f"scatter of {bluer} - {redder}": np.nanstd(green_red[name]),
            f"median {survey.bands[0].name} error": median_error(table, of.bands[0]),
            f"median {reference.name} error": median_error(
                table, of.band(of.reference)
            ),
        }
        for name, (table, masses, of) in tables.items()
    }
)
written = compared.map("{:.3f}".format)
written.loc["galaxies"] = compared.loc["galaxies"].map("{:.0f}".format)
written

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four panels compare real and mock galaxies. Contours of g minus r against r magnitude and against stellar mass largely overlap, the mock's reaching to lower masses. Redshift histograms both peak near 0.1, but the mock has fewer galaxies beyond 0.15. Half-light radii of star-forming mock galaxies run a little above the published relation of late-type galaxies; those of quenched ones rise less steeply with mass than that of early-type galaxies."}}
figure, axes = panels(4, title="The mock resembles the real sample, and is not it")
shades = {"real": COLOURS["blue"], "mock": COLOURS["vermilion"]}
for name, (table, masses, _) in tables.items():
    known = np.isfinite(green_red[name])
    contours(
        axes[0],
        brightness[name][known],
        green_red[name][known],
        shades[name],
        name,
        [[14, 17.9], [0.1, 1.5]],
    )
    contours(
        axes[1],
        masses[known],
        green_red[name][known],
        shades[name],
        name,
        [[8.8, 12], [0.1, 1.5]],
    )
    axes[2].hist(
        table["z"],
        bins=np.linspace(0, 0.3, 31),
        density=True,
        histtype="step",
        color=shades[name],
        label=name,
    )
axes[0].set(
    xlabel="r, extinction-corrected (mag)", ylabel=f"observed {bluer} - {redder} (mag)"
)
axes[1].set(
    xlabel="log10 stellar mass (solar masses)",
    ylabel=f"observed {bluer} - {redder} (mag)",
)
axes[2].set(xlabel="redshift", ylabel="share per unit redshift")
kiloparsec = (
    mock.truth["petroR50_r"]
    * Planck18.kpc_proper_per_arcmin(mock.truth["redshift"].to_numpy()).value
    / 60
)
centres = np.arange(9.25, 11.6, 0.25)
for kind, words, colour in (
    (~quenched, "star-forming", COLOURS["sky"]),
    (quenched, "quenched", COLOURS["orange"]),
):
    inside = [
        kiloparsec[kind & (np.abs(mock.mass - centre) < 0.125)] for centre in centres
    ]
    many = np.array([len(values) > 10 for values in inside])
    medians = [
        np.median(values) for values, enough in zip(inside, many, strict=True) if enough
    ]
    axes[3].plot(centres[many], medians, "o-", color=colour, label=f"mock, {words}")
solar = 10**centres
late = 0.1 * solar**0.14 * (1 + solar / 3.98e10) ** (0.39 - 0.14)
early = 2.88e-6 * solar**0.56
axes[3].plot(centres, late, "--", color=COLOURS["black"], label="published, late-type")
axes[3].plot(
    centres[centres > 10],
    early[centres > 10],
    ":",
    color=COLOURS["black"],
    label="published, early-type",
)
axes[3].set(
    yscale="log",
    ylim=(0.8, 25),
    xlabel="log10 stellar mass (solar masses)",
    ylabel="half-light radius (kpc)",
)
axes[3].set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
axes[3].minorticks_off()
axes[0].legend(fontsize=10, loc="lower left")
axes[3].legend(fontsize=8.5, loc="upper left")
plt.show()

# %% [markdown]
# The contours enclose 30, 60 and 90% of the galaxies. The real sample holds no sizes, so the last panel shows the relations that were published for SDSS galaxies {cite}`shen2003` in their
# place. They are of {term}`half-light radii <half-light radius>` defined in another way than the mock's Petrosian ones, so a few tens of per cent between them mean little; that
# the radii of quenched mock galaxies rise less steeply with mass is more than that. The mock also has fewer galaxies beyond z = 0.15. In part that may be
# the selection, which is not quite the same: the real sample had to be detected in the near infrared.
#
# Does the mock's mass hide from photometry as well as the real one does? Gradient boosting, judged by ten-fold
# {term}`cross-validation` on either:


# %%
def cross_validated_rmse(table, masses, of, *extra):
    # Trees split on one column at a time, so they are given colours, not left to find them.
    magnitudes = [dereddened(table, of, band.name) for band in of.bands]
    colours = [a - b for a, b in zip(magnitudes[:-1], magnitudes[1:], strict=True)]
    features = np.column_stack(
        [
            dereddened(table, of, of.reference),
            *colours,
            *(table[name] for name in extra),
        ]
    )
    model = HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.08, random_state=seed
    )
    folds = KFold(of_mock["n_folds"], shuffle=True, random_state=seed)
    predicted = cross_val_predict(model, features, masses, cv=folds)
    return float(np.sqrt(np.mean((predicted - masses) ** 2)))


hardness = pd.DataFrame(
    {
        name: {
            "photometry": cross_validated_rmse(table, masses, of),
            "photometry and redshift": cross_validated_rmse(table, masses, of, "z"),
        }
        for name, (table, masses, of) in tables.items()
    }
)
hardness.rename_axis("RMSE (dex)").round(3)

# %% [markdown]
# Both are hard for the same reason: without the redshift, brightness and colours leave the distance open, and with it the mass. With the
# redshift the real mass is recovered better, because it *is* a function of redshift and the photometry, noise and all; the mock's is not, since ages,
# metals and dust move its {term}`mass-to-light ratio` at a fixed colour. (The real errors are smaller than in the first table of this chapter because the trees
# are given colours and failed photometry is left out.)

# %% [markdown]
# ## Three doors to a sample
#
# The chapters that follow take a *sample*, a catalogue whose columns have the book's names and perhaps pictures, and do not ask where it comes from. That of this
# chapter came with a library, and no door was needed. For more there are three. You have seen what is behind the first; with another value of `dataset` in the parameters cell chapters 1 to 5 go through any of them.
#
# ### First door: the mock
#
# `load_sample("mock", 6000)`, as above: pictures, and a truth to compare with.
#
# ### Second door: the real survey
#
# `load_sample("sdss", 3000, allow_network=True)` asks the servers of SDSS for main galaxies with clean photometry, for the match with WISE that
# the archive itself made, and for the {term}`frames <frame>` that hold them. Nothing is fetched unless you allow it:

# %%
try:
    load_sample("sdss", 3000, cache_dir="an-empty-folder")
except ValueError as refusal:
    print(textwrap.fill(str(refusal), 80))

# %% [markdown]
# What would it take? Frames are large, and a galaxy needs only a corner of one in each band. So the pictures dominate:

# %%
costs = {}
for images in ("frames", "hips2fits", "none"):
    for n in (3000, 100000):
        cost = expected_cost(n, SdssOptions(images=images))
        costs[images, n] = {
            "requests": cost.n_requests,
            "download (GB)": cost.gigabytes,
            "kept on disk (GB)": cost.disk_gigabytes,
            "hours": cost.hours,
        }
costs = pd.DataFrame(costs).T.rename_axis(["pictures from", "galaxies"])
costs.astype({"requests": int}).round(2)

# %% [markdown]
# This is an estimate, from the sizes of the frames of one field and the density of the main galaxies on the sky; nothing was asked of a server to make
# it. `frames` are the survey's own calibrated images, on which the Sérsic indices of this door are measured. `hips2fits` is a quick look: the service resamples an all-sky map, so noise and flux
# are not those of the survey. Hours are those of the transfer at 5 MB/s or of half a second's wait for each picture, three at a time, whichever is longer, and a second for each page of the catalogue. A fetch that was interrupted goes on after the last finished page or frame, and each of them is believed only after it was checked.
#
# Where does each column come from? This table is not written by hand: the query is made from it. (*b* is each of u, g, r, i, z; W2 to W4 are as W1. CAS is the survey's archive;
# {ref}`data-and-licences` has the services too.)

# %%
origins = origin_table().set_index("column")[["table", "unit", "note"]]
origins = origins.drop(
    [f"w{i}{kind}" for i in (2, 3, 4) for kind in ("mpro", "sigmpro")]
)
origins.index = origins.index.str.replace("{u,g,r,i,z}", "b")
origins.style.set_table_attributes('class="dataframe"').set_table_styles(
    [
        {
            "selector": f"{part} {cell}",
            "props": "text-align: left !important; vertical-align: top",
        }
        for part in ("thead", "tbody")
        for cell in ("th", "td")
    ]
)

# %% [markdown]
# Three caveats come with this door. First, `lgm_tot_p50` is itself a fit to ugriz at the known redshift {cite}`kauffmann2003`, as the mass of the sample above is, but to magnitudes of
# another kind, so that ours need not give it back exactly. Second,
# WISE is blurred to 6 arcseconds and more: `w1mpro` is the brightness of a *point*, which for a large galaxy misses its outskirts. Third, the archive lists galaxies by spectroscopic plate, so the first thousands are
# a few patches of sky and not a random draw: `sample.catalog["plate"].nunique()` counts them.
#
# ### A real picture
#
# The frames of one field can be fetched by themselves (`make field`, 17 MB). Where this section has no figures, that has not been done, and the text describes what they would show. Where the frames are at hand, or the network is allowed, the cells below cut real galaxies out of them. Each
# {term}`stamp` keeps the pixels of the r band untouched; i, u, z and g, which the camera took one to five minutes later with other detectors, are shifted onto them.

# %%
field = Field(run=5112, rerun=301, camcol=4, field=345)
frames_folder = cache_directory(data_dir or None) / "frames"
real_field = allow_network or all(
    frame_path(frames_folder, field, band.name).is_file() for band in SDSS.bands
)
if real_field:
    polite = Politeness()
    (_, frames), *_ = fetch_frames(
        [field], frames_folder, polite, allow_network=allow_network
    )
    found = find_sources(frames["r"].image)
    found["r"] = 22.5 - 2.5 * np.log10(found["flux"])
    # Brighter points are saturated; wider things are the halos of such.
    galaxies = (
        found["extended"]
        & found["r"].between(16.5, 19.5)
        & (found["half_light_radius"] < 10)
    )
    points = ~found["extended"] & found["r"].between(16, 18)
    found = found.assign(galaxy=galaxies)[galaxies | points].reset_index(drop=True)
    found["ra"], found["dec"] = frames["r"].wcs.wcs_pix2world(found["x"], found["y"], 0)
    place = {"run": 5112, "rerun": 301, "camcol": 4, "field": 345}
    cut = cut_galaxies(
        found.assign(**place), frames_folder, polite, allow_network=allow_network
    )
    print(f"{galaxies.sum()} extended sources of 16.5 < r < 19.5 on the frame")
    print(f"{points.sum()} points of 16 < r < 18")
    print(f"{cut.kept.sum()} of both with whole stamps")
    for reason in cut.reason[~cut.kept][:5]:
        print(f"  refused: {reason}")
else:
    print("The frames of this field are not at hand, so two figures are missing here.")
    print("The command 'make field' fetches them.")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two rows of six colour pictures of real galaxies cut from an SDSS frame: round and elongated, yellow and bluish, several with fainter neighbours in the stamp, on a noisy sky."}}
if real_field:
    kept = np.flatnonzero(cut.kept & found["galaxy"].to_numpy())[:12]
    figure, axes = plt.subplots(2, 6, figsize=(6.6, 2.9))
    pictures = colour_picture(cut.images[kept])
    for axis in axes.flat[len(kept) :]:
        axis.set_visible(False)
    for axis, galaxy, picture in zip(axes.flat, kept, pictures, strict=False):
        axis.imshow(picture, origin="lower")
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel(f"r = {found['r'][galaxy]:.1f}", fontsize=9, labelpad=2)
    figure.suptitle(
        "Real galaxies have neighbours, which those of the mock lack",
        x=0.01,
        ha="left",
        fontsize=12.5,
        fontweight="bold",
    )
    plt.show()

# %% [markdown]
# All are fainter than the limit of the sample above, and have no redshift here: they show the path of a picture. (The r below each is the light of the pixels above the noise, not a Petrosian
# magnitude.) The frames' own astrometry is good to about a tenth of a pixel from band to band; the sources that the bands share set the rest right. A galaxy whose stamp would reach beyond its frame is completed from the next field of the scan, or refused with the reason above; it is never padded
# with zeros, which a network would learn as a shape.
#
# Is the shift needed? The same pixel of two bands' frames shows different pieces of the sky. On the left below: where the sky of each band lies, relative to r. On the right: the
# centres of bright stars in the finished stamps, band by band.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels of offsets of u, g, i and z relative to r, in pixels along x and y. On the frames the bands are several pixels apart; in the stamps most centres of bright stars lie within a tenth of a pixel of zero, those in g a little to one side."}}
if real_field:
    others = [band.name for band in SDSS.bands if band.name != "r"]
    shifts, centred = {}, {}
    stars = np.flatnonzero(cut.kept & ~found["galaxy"].to_numpy())
    for band in others:
        x, y = frames[band].wcs.wcs_world2pix(found["ra"], found["dec"], 0)
        shifts[band] = np.column_stack([x - found["x"], y - found["y"]])
        numbers = [SDSS.bands.index(SDSS.band(name)) for name in ("r", band)]
        centred[band] = np.array(
            [
                np.subtract(*(light_centre(cut.images[row, n]) for n in numbers[::-1]))
                for row in stars
            ]
        )
    largest = max(np.median(np.hypot(*values.T)) for values in shifts.values())
    remaining = max(np.median(np.hypot(*values.T)) for values in centred.values())
    figure, axes = panels(
        2,
        title=f"Bands that are up to {largest:.0f} pixels apart on the frames agree to {remaining:.2f} pixel in the stamps",
    )
    for band, colour in zip(
        others, ("blue", "sky", "orange", "vermilion"), strict=True
    ):
        for axis, values in zip(axes, (shifts[band], centred[band]), strict=True):
            axis.plot(*values.T, "o", markersize=4, color=COLOURS[colour], label=band)
    axes[0].set_title("on the frames", fontsize=10, fontweight="normal")
    axes[1].set_title("in the stamps", fontsize=10, fontweight="normal")
    for axis in axes:
        axis.axhline(0, color=COLOURS["grey"], linewidth=0.8)
        axis.axvline(0, color=COLOURS["grey"], linewidth=0.8)
        axis.set(
            xlabel="offset from r along x (pixels)",
            ylabel="offset from r along y (pixels)",
        )
    widest = 1.2 * max(np.nanmax(np.abs(values)) for values in centred.values())
    axes[1].set(xlim=(-widest, widest), ylim=(-widest, widest))
    axes[0].legend(fontsize=9)
    plt.show()

# %% [markdown]
# What remains is small beside the {term}`seeing <point spread function>` of three pixels and more. Some of it may be the air, which bends blue light more than red, so that sources of
# different colours are displaced by different amounts; the causes were not separated.
#
# ### Third door: your own galaxies
#
# A table in CSV, Parquet, FITS or npz form comes in with a `column_map`: from your names to the book's, with your unit in brackets where it is another. As an example we
# write the sample out as somebody else might have kept it, with fluxes in microjansky and masses in solar masses, and read it back:

# %%
renamed = {"ra": "alpha", "dec": "delta", "z": "redshift"}
theirs = catalog[[name for name in renamed if name in catalog]].rename(columns=renamed)
theirs["mass"] = 10**sample.mass
theirs["side"] = sample.split
for band in survey.bands:
    theirs[f"flux_{band.name}"] = 3631e6 * 10 ** (-0.4 * catalog[band.magnitude])

columns = {
    theirs_name: name for name, theirs_name in renamed.items() if name in catalog
}
columns |= {"mass": "lgm_tot_p50 [Msun]", "side": "split"}
columns |= {f"flux_{b.name}": f"{b.magnitude} [microjansky]" for b in survey.bands}
for theirs_name, name in columns.items():
    print(f"{theirs_name:>10} is {name}")

# %%
with tempfile.TemporaryDirectory() as folder:
    table_file = Path(folder) / "mine.csv"
    theirs.to_csv(table_file, index=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        mine = load_sample(table_file, column_map=columns)
    names = list(survey.magnitudes)
    difference = mine.catalog[names].to_numpy() - catalog[names].to_numpy()
    print(f"largest difference of a magnitude: {np.nanmax(np.abs(difference)):.0e} mag")
    for warning in told:
        print(textwrap.fill(f"warned: {warning.message}", 80))
    try:  # the same without units
        bare = {name: ours.split(" [")[0] for name, ours in columns.items()}
        load_sample(table_file, column_map=bare | {"mass": columns["mass"]})
    except ValueError as refusal:
        print(textwrap.fill(f"refused: {refusal}", 80))

# %% [markdown]
# What is missing is said and not made up: without errors an input goes without them, and without a reddening the magnitudes are taken as corrected. Here that would be wrong, for ours are not: with a
# column of $E(B-V)$ the map would say `"ebv": "EBV"`. A unit is believed: microjanskys called nanomaggies would be accepted, and every galaxy be 1.40 mag too bright. Compare a few with their
# published magnitudes. What cannot be right, such as
# a flux under the name of a magnitude, a mass that is no logarithm, an identifier that has lost its last digits, or images with pixels that are not finite, is refused with the name of the column.
#
# The bands need not be ugriz. A survey is data, too; `Mopt` then means the optical photometry of whichever of these a catalogue holds whole:

# %%
pd.DataFrame(
    {
        name: {
            "bands": entry.label,
            "read as": entry.kind,
            "wavelengths (micrometres)": ", ".join(
                f"{band.wavelength:.2f}" for band in entry.bands
            ),
            "system": entry.system,
            "pixel (arcsec)": entry.pixel_scale or "",
            "first column": entry.magnitudes[0],
        }
        for name, entry in SURVEYS.items()
    }
).T

# %% [markdown]
# ## Check yourself

# %%
assert set(sample.split) == {"train", "validation", "test"}
assert not catalog.index.has_duplicates and catalog["lgm_tot_p50"].notna().all()
if profile != "smoke" and dataset == "sdss-mini":
    # What the text says of the published sample; another catalogue may say otherwise.
    assert rmse["Mopt+Zspec"] < 0.5 * rmse["Mopt"], (
        "redshift should halve the error at least"
    )
    assert correlation_volume < 0.5 * correlation_all, (
        "the volume limit should remove most of the correlation"
    )
if profile != "smoke":
    assert abs(correlation_everyone) < 0.03 < 0.3 < correlation_seen
    assert (
        hardness.loc["photometry", "mock"]
        > 2 * hardness.loc["photometry and redshift", "mock"]
    )
assert np.array_equal(mock.truth["log_mass"], mock.mass)

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-flux
# *Look.* A galaxy has a flux of 100 nanomaggies in r, measured to one per cent. What is its magnitude, and how sure is it? What are both where the flux is zero?
# :::

# %% tags=["hide-cell"]
# Solution: a per cent of the flux is about a hundredth of a magnitude. A flux of zero has no magnitude, and a catalogue has to say so.
flux, error = 100.0, 1.0
print(
    f"{22.5 - 2.5 * np.log10(flux):.2f} mag, to {2.5 / np.log(10) * error / flux:.3f} mag"
)

# %% [markdown]
# :::{exercise}
# :label: exercise-volume
# *Change.* Move the volume limit to z = 0.15. How many galaxies remain, and what happens to the correlation of mass and redshift?
# Predict both before you run it.
# :::

# %% tags=["hide-cell"]
# Solution: the volume is over three times as large, but the limit is brighter by the difference of the distance
# moduli, so that only luminous galaxies stay. The cut still works on light and not on mass.
deeper_limit = 0.15
deeper = (
    (redshift < deeper_limit)
    & (absolute_r < 17.77 - Planck18.distmod(deeper_limit).value)
    & ~weak.to_numpy()
)
print(
    f"z < {limit_z:g}: {int(volume.sum())} galaxies, correlation {correlation_volume:.2f}"
)
print(
    f"z < {deeper_limit:g}: {int(deeper.sum())} galaxies, correlation {pearson(mass[deeper], np.log10(redshift[deeper])):.2f}"
)

# %% [markdown]
# :::{exercise}
# :label: exercise-nearest-colours
# *Build.* Predict the mass of every test galaxy by the mean mass of the ten training galaxies that are nearest to it in magnitudes, and then in magnitudes and redshift. How far are you from boosting? What decides who is near?
# :::

# %% tags=["hide-cell"]
# Solution: whatever has the widest numbers decides who is near, so columns are brought to one width first.
# Boosting also reads the errors and the reddening, and is judged on galaxies with nulls too, so this is no contest on equal terms.
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

for extra in ([], ["z"]):
    columns = catalog[[*survey.magnitudes, *extra]]
    complete = columns.notna().all(axis=1).to_numpy()
    train, test = (
        np.intersect1d(sample.rows(part), np.flatnonzero(complete))
        for part in ("train", "test")
    )
    model = make_pipeline(StandardScaler(), KNeighborsRegressor(10))
    model.fit(columns.iloc[train], mass[train])
    error = model.predict(columns.iloc[test]) - mass[test]
    boosted = rmse["Mopt+Zspec" if extra else "Mopt"]
    print(
        f"{'magnitudes and redshift' if extra else 'magnitudes'}: RMSE {np.sqrt(np.mean(error**2)):.3f} dex, {boosted:.3f} by boosting"
    )

# %% [markdown]
# ## What could be wrong
#
# - The masses carry the assumptions of the template fit: its stellar populations, its {term}`initial mass function`, its dust. A bias
#   of the templates is not visible anywhere in this book.
# - The sample is a mixture: it was put together to test a program, and reaches to redshifts where main-sample galaxies are rare.
# - The K-correction was left out of the volume limit. It moves the boundary, not the conclusion.
# - The mock's equations are ours. What a later chapter finds in the mock is a statement about the *instrument*: whether the
#   method recovers what was planted. It is no evidence about real galaxies.
# - The mock's pictures are smooth, with a round {term}`point spread function` that we know, and no neighbours. Real ones are none of that.
# - The second door was tested against a server of our own that speaks as the survey's do, and serves one real field. That the live archives still answer so
#   is for a machine with a network to show; a column that they renamed would stop the query with a message, not pass in silence.
# - Shifting a band by a fraction of a pixel smooths its noise by some per cent. A network could learn from the noise which band was shifted.
# - kcorrect's five templates are not a library of stellar populations, and their infrared is not that of real galaxies: W1 - W2 is too
#   red, as {ref}`Appendix A <appendix-mock>` shows.
#
# ## Summary
#
# The sample is chosen by apparent brightness, which ties mass to redshift. Its mass is a function of photometry and redshift,
# so redshift is the whole of what photometry lacks. In the mock universe the causes are known, the same selection makes the same
# tie out of nothing, and mass hides from photometry about as well. The same call opens real galaxies with pictures, or yours. Chapter 2 trains networks on the photometry and on the mock's pictures, and chapters 3 to 5 ask what they
# have learnt.

# %%
this_run.save("catalog.parquet", catalog.assign(split=sample.split))
this_run.save_results(
    {
        "n_galaxies": len(sample),
        "provenance": sample.provenance,
        "nulls": nulls.to_dict(),
        "split": split_sizes.to_dict(),
        "weak_detections": int(weak.sum()),
        "share_brighter_than_17.77": share_main,
        "mass_redshift_correlation": {
            "near": correlation_near,
            "all": correlation_all,
            "volume_limited": correlation_volume,
        },
        "boosting_rmse_dex": rmse,
        "mock": {
            "provenance": mock.provenance,
            "n_galaxies": len(mock),
            "mass_redshift_correlation": {
                "everyone": correlation_everyone,
                "selected": correlation_seen,
            },
            "compared": compared.to_dict(),
            "cross_validated_rmse_dex": hardness.to_dict(),
        },
    }
)
print(f"stored in runs/{run}/01_data: catalog.parquet, results.json")

# %% [markdown]
# **What's next**: {ref}`chapter-contrastive-training`.
#
# **References**: {cite:t}`blanton2007`, {cite:t}`strauss2002`, {cite:t}`kauffmann2003`, {cite:t}`brinchmann2004`, {cite:t}`rowe2015`, {cite:t}`lupton2004`,
# {cite:t}`shen2003`.
