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
# (appendix-mock)=
# # Appendix A. The mock universe
#
# *If we know what was planted, what should a good instrument find, and where is it blind already before we begin?*
#
# {ref}`Chapter 1 <chapter-data>` showed the graph of a {term}`mock universe` and its galaxies. Here are its equations, and the tests that
# a laboratory must pass before anybody experiments in it: that an {term}`intervention` changes what lies downstream and nothing
# else, that what is measured agrees with what is true, that the mass is hidden for the right reason, and that there are
# {term}`null universes <null universe>` in which pictures add nothing to photometry.

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
# - Find a variable's causes in the model, cut an arrow, and predict which distributions change.
# - Say how far measured magnitudes, radii, axis ratios and indices are from the true ones, and why.
# - Explain why even noise-free photometry does not give the mass.
# - Build a universe in which pictures are useless, and check that a method finds them so.
# :::
#
# **Before you start**: {ref}`chapter 1 <chapter-data>`. **Time and memory**: about four minutes, 1.5 GB; 0.5 GB of disk for the
# mock and as much for one of its null universes.

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
# The values above are the published ones. Change them here, or give papermill a file of them. The galaxies are those of the mock whatever `dataset` says.
# The text describes the published run. Figures, their titles and the numbers that a cell prints are those of the run you execute.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers.inputs import INPUTS
from helpers.plotting import COLOURS, forest, panels, use_style
from helpers.runs import open_run, profile_settings
from helpers.survey import SDSS, load_sample
from helpers.survey.mock import UNIVERSE, draw_tile, radius_without_seeing
from helpers.survey.mock.rendering import Conditions, render
from helpers.survey.mock.tile import profiles_of
from helpers.survey.stamps import (
    colour_picture,
    common_signal_to_noise,
    equalise_signal_to_noise,
    normalise_by_flux,
)
from scipy.stats import spearmanr
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
this_run = open_run(run, chapter="90_mock_universe", parameters=shared)
of_mock = profile_settings(profile)["mock"]
n_mock = of_mock["n_galaxies"]
mock = load_sample("mock", n_mock, seed, cache_dir=data_dir or None)
catalog, truth = mock.catalog, mock.truth
bands = [band.name for band in SDSS.bands]
bright = (catalog["petroMag_r"] < 17).to_numpy()

# %% [markdown]
# ## The equations
#
# The model, a {term}`structural causal model`, is data: a list of variables, each with its parents, its equation and its unit. "±" stands for Gaussian scatter, which is the
# variable's own {term}`noise <exogenous noise>` and no one else's. The mass function is that of {cite:t}`baldry2012`, the form of {term}`quenching` follows
# {cite:t}`peng2010`, and the light is that of kcorrect's templates {cite}`blanton2007`. The other coefficients are round numbers of our own,
# chosen so that the sample resembles SDSS. In the equations $M$ is the mass, $N$ the richness of the group, $d$ the distance from its centre, $g(d)$ the density of one
# companion there (a Gaussian), $B$ the bulge's share of the mass, $i$ the inclination, and $q$ and $t$ are a body's axis ratio as seen and edge-on.

# %%
PRINT = {"dex(Msun)": "log10 of solar masses", " x ": " × ", "^2": "²", "N^-2": "N⁻²"}
equations = pd.DataFrame(
    {
        "variable": variable.name,
        "caused by": ", ".join(variable.parents) or "nothing in the model",
        "equation": variable.formula,
        "unit": variable.unit,
    }
    for variable in UNIVERSE.variables
)
for code, words in PRINT.items():
    equations = equations.map(
        lambda cell, code=code, words=words: cell.replace(code, words)
    )
equations = equations.set_index("variable")
equations.style.set_table_attributes('class="dataframe"').set_table_styles(
    [
        {
            "selector": "th, td",
            "props": "text-align: left; vertical-align: top; padding-right: 1em",
        }
    ]
)

# %% [markdown]
# Galaxies live in groups, whose centres are uniform in comoving volume, and fill the sky tile by tile. Every variable draws its noise from a
# stream of its own, so two universes with the same seed differ only where their equations do.
#
# ## What if? Interventions
#
# To {term}`intervene <intervention>` is to replace an equation and let everything downstream follow. Below are four galaxies of the mock. In each
# row all equations and all noise are the same, but for one: the {term}`inclination` is set by hand. Such a row cannot be observed. It is
# what the word *cause* means in this book.

# %%
angles = (0.0, 40.0, 65.0, 80.0)
universes = [
    draw_tile(0, seed, UNIVERSE.do({"inclination": angle})) for angle in angles
]
natural = draw_tile(0, seed)
discs = (
    (natural["quenched"] < 0.5)
    & (natural["bulge_fraction"] < 0.45)
    & (natural["apparent_magnitude"] < 17.2)
    & (natural["disc_angular_radius"] > 2)
    & (natural["disc_angular_radius"] < 6)
)
chosen = np.flatnonzero(discs)
chosen = chosen[np.argsort(natural["apparent_magnitude"][chosen])][:4]
still_air = Conditions(
    psf_width=np.full((len(chosen), 5), 1.3),
    sky_noise=np.ones((len(chosen), 5)),
    gain=np.ones(5),
    sky_offset=np.zeros((len(chosen), 5)),
)
pictures = [
    colour_picture(
        render(
            profiles_of(
                {name: value[chosen] for name, value in universe.items()},
                np.zeros((len(chosen), 2)),
            ),
            still_air,
            size=64,
        )
    )
    for universe in universes
]
unchanged = all(
    np.array_equal(universe["log_mass"], natural["log_mass"]) for universe in universes
)
dimming = np.median(
    universes[-1]["apparent_magnitude"] - universes[0]["apparent_magnitude"]
)
print(f"masses untouched to the last bit: {unchanged}")
print(
    f"median axis ratio of the disc: {', '.join(format(np.median(u['disc_axis_ratio']), '.2f') for u in universes)}"
)
print(
    f"median dimming in r from face-on to {angles[-1]:.0f} degrees: {dimming:.2f} mag"
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "A grid of noise-free colour pictures. Each row is one mock galaxy, drawn at four inclinations from face-on to nearly edge-on: it becomes thinner and its disc redder."}}
figure, axes = plt.subplots(
    len(chosen), len(angles), figsize=(6.6, 1.75 * len(chosen)), squeeze=False
)
for column, (angle, row_pictures) in enumerate(zip(angles, pictures, strict=True)):
    for row, picture in enumerate(row_pictures):
        axis = axes[row, column]
        axis.imshow(picture, origin="lower")
        axis.set(xticks=[], yticks=[])
        if column == 0:
            axis.set_ylabel(
                f"log M = {natural['log_mass'][chosen[row]]:.1f}", fontsize=9
            )
    axes[-1, column].set_xlabel(f"do(inclination = {angle:.0f}°)", fontsize=9)
figure.suptitle(
    "One cause changed, all else the same: the disc thins and reddens",
    x=0.01,
    ha="left",
    fontsize=12.5,
    fontweight="bold",
)
plt.show()

# %% [markdown]
# An arrow can also be cut. The child's equation stays, but reads its parent's value from another galaxy of the same patch of sky. Below, quenching is
# made deaf to the environment.

# %%
cut_arrow = UNIVERSE.do({"environment -> quenched": None})
whole = [draw_tile(tile, seed) for tile in range(6)]
severed = [draw_tile(tile, seed, cut_arrow) for tile in range(6)]


def joined(tiles, name):
    return np.concatenate([tile[name] for tile in tiles])


edges = np.array([-0.01, 0.5, 1.0, 1.5, 2.0, 2.5, 3.5])
light = joined(whole, "log_mass") < 10  # where mass alone quenches few
crowding = joined(whole, "environment")[light]
middle = [
    np.median(crowding[np.digitize(crowding, edges) == i]) for i in range(1, len(edges))
]
shares = {}
for words, tiles in (("as written", whole), ("arrow cut", severed)):
    dense = np.digitize(joined(tiles, "environment")[light], edges)
    dead = joined(tiles, "quenched")[light]
    shares[words] = [
        (dead[dense == i].mean(), np.sqrt(dead[dense == i].var() / (dense == i).sum()))
        for i in range(1, len(edges))
    ]

# %% tags=["hide-input"] mystnb={"image": {"alt": "Share of quenched galaxies below ten to the ten solar masses against the true density of the environment. As the equations are written the share rises steeply with density; with the arrow cut it is flat."}}
figure, axis = plt.subplots()
for (words, values), colour in zip(shares.items(), ("blue", "vermilion"), strict=True):
    share, error = np.array(values).T
    axis.errorbar(
        middle,
        share,
        2 * error,
        fmt="o-",
        color=COLOURS[colour],
        capsize=3,
        label=words,
    )
axis.set(
    xlabel="environment: log10(1 + density of companions / mean)",
    ylabel="share of quenched galaxies",
    ylim=(0, None),
)
axis.set_title("Cut the arrow, and the dependence is gone")
axis.legend()
plt.show()

# %% [markdown]
# Bars are two standard errors; the galaxies are all those below $10^{10}$ solar masses, selected or not. Each point stands at the median of its bin: many
# galaxies have no companions at all, and stand at zero.
#
# ## Is it measured right?
#
# The catalogue is made from noisy pictures by the same kind of measurement as a survey's: a {term}`Petrosian magnitude` inside a circle of twice the
# {term}`Petrosian radius` of the r band, radii that hold 50% and 90% of that flux, and the fit of a {term}`Sérsic profile`, convolved with
# the {term}`point spread function`, for index and {term}`axis ratio`. The true values are those that a perfect observer without
# atmosphere or noise would find. For galaxies brighter than r = 17, medians, and in the last column a rank correlation:

# %%
accuracy = {}
for band in bands:
    flux = catalog[f"petroFlux_{band}"] / truth[f"petroFlux_{band}"]
    raw = catalog[f"petroR50_{band}"] / truth[f"petroR50_{band}"]
    freed = (
        radius_without_seeing(
            *(
                catalog[f"{name}_{band}"].to_numpy()
                for name in ("Sersic_n", "Sersic_r", "expAB")
            )
        )
        / truth[f"petroR50_{band}"]
    )
    shape = catalog[f"expAB_{band}"] - truth[f"expAB_{band}"]
    indices = [table[f"Sersic_n_{band}"][bright] for table in (catalog, truth)]
    accuracy[band] = {
        "flux / true": flux[bright].median(),
        "R50 / true": raw[bright].median(),
        "R50 without seeing / true": freed[bright].median(),
        "axis ratio - true": shape[bright].median(),
        "|axis ratio - true|": shape[bright].abs().median(),
        "Spearman of Sersic n": spearmanr(*indices, nan_policy="omit").statistic,
    }
accuracy = pd.DataFrame(accuracy).T.rename_axis("band")
accuracy.rename(columns=lambda name: name.replace("Sersic", "Sérsic")).round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four scatter panels for the r band. The measured over true Petrosian flux is mostly within a few percent of one, with more scatter among faint galaxies and some losses among bright ones. Measured half-light radii exceed the true ones for small galaxies and fall below them for the largest; those of the fit agree except for the largest, where they scatter upwards. Measured axis ratios follow the true ones closely, a little below. Measured Sérsic indices rise with the true ones, with scatter."}}
figure, axes = panels(
    4, title="Fluxes and shapes are right; seeing inflates small radii"
)
dots = {"s": 3, "alpha": 0.3, "linewidths": 0, "rasterized": True}
axes[0].scatter(
    catalog["petroMag_r"],
    catalog["petroFlux_r"] / truth["petroFlux_r"],
    color=COLOURS["blue"],
    **dots,
)
axes[0].set(xlabel="r (mag)", ylabel="flux, measured / true", ylim=(0.8, 1.2))
freed_r = radius_without_seeing(
    *(catalog[f"{name}_r"].to_numpy() for name in ("Sersic_n", "Sersic_r", "expAB"))
)
for values, colour, words in (
    (catalog["petroR50_r"], "orange", "R50 as measured"),
    (freed_r, "blue", "R50 without seeing"),
):
    axes[1].scatter(
        truth["petroR50_r"], values / truth["petroR50_r"], color=COLOURS[colour], **dots
    )
    axes[1].scatter([], [], color=COLOURS[colour], label=words)
axes[1].set(
    xlabel="true R50 (arcsec)",
    ylabel="R50, measured / true",
    xscale="log",
    ylim=(0.7, 2),
)
axes[1].set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
axes[1].minorticks_off()
axes[2].scatter(truth["expAB_r"], catalog["expAB_r"], color=COLOURS["blue"], **dots)
axes[2].set(xlabel="true axis ratio", ylabel="measured axis ratio")
axes[3].scatter(
    truth["Sersic_n_r"], catalog["Sersic_n_r"], color=COLOURS["blue"], **dots
)
axes[3].set(
    xscale="log",
    yscale="log",
    xlabel="true Sérsic index",
    ylabel="measured Sérsic index",
)
for place_ticks in (axes[3].set_xticks, axes[3].set_yticks):
    place_ticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
axes[3].minorticks_off()
for axis, identity in ((axes[2], [0.1, 1]), (axes[3], [0.5, 8])):
    axis.plot(identity, identity, color=COLOURS["black"], linewidth=1)
for axis in axes[:2]:
    axis.axhline(1, color=COLOURS["black"], linewidth=1)
axes[1].legend(fontsize=8, loc="upper right")
plt.show()

# %% [markdown]
# A survey's {term}`half-light radius` is not corrected for {term}`seeing <point spread function>`, and neither is ours: it is what a model would be given. The fit knows the
# seeing, and its radius is right for nearly all. Among the largest galaxies both err: the aperture no longer fits into the picture that they are
# measured on, so flux and measured radius fall short, and the radius of the fit is too large. A galaxy of bulge and disc has no single axis ratio or Sérsic
# index. The "true" ratio is the mean of the two, weighted by flux, and the "true" index that of the single profile which comes nearest to the galaxy, so
# some of the offset in the third panel and of the scatter in the fourth is a matter of definition.
#
# ## Hard for the right reason
#
# How well can {term}`gradient boosting` tell the mass, from what? It is given the r magnitude and four colours, corrected for extinction, because
# trees split on one column at a time and would have to find the colours first. Judged by ten-fold {term}`cross-validation`; the bars
# are two standard errors.


# %%
def squared_errors(table, target):
    model = HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.08, random_state=seed
    )
    folds = KFold(of_mock["n_folds"], shuffle=True, random_state=seed)
    return (cross_val_predict(model, table, target, cv=folds) - target) ** 2


def rmse_with_error(squares):
    rmse = np.sqrt(squares.mean())
    return rmse, squares.std() / np.sqrt(len(squares)) / (2 * rmse)


def photometry(table, reddening):
    magnitudes = pd.DataFrame(
        {
            band.name: table[band.magnitude] - band.extinction * table[reddening]
            for band in SDSS.bands
        }
    )
    colours = {
        f"{a} - {b}": magnitudes[a] - magnitudes[b]
        for a, b in zip(bands[:-1], bands[1:], strict=True)
    }
    return pd.DataFrame({"r": magnitudes["r"], **colours})


measured = photometry(catalog, "EBV")
questions = {
    "ugriz, noise-free": photometry(truth, "reddening"),
    "ugriz, measured": measured,
    "... and errors": measured.join(catalog[list(INPUTS["Mopt"].errors)]),
    "... and shapes": measured.join(catalog[list(INPUTS["Morph"].main)]),
    "... and W1, W2": measured.join(catalog[["w1mpro", "w2mpro"]]),
    "... and true bulge fraction": measured.join(truth["bulge_fraction"]),
    "... and redshift": measured.join(catalog["z"]),
    "... and redshift, noise-free": photometry(truth, "reddening").join(
        truth["redshift"]
    ),
}
squares = {
    words: squared_errors(table, mock.mass) for words, table in questions.items()
}
rmse = {words: rmse_with_error(values) for words, values in squares.items()}
quenched = truth["quenched"].to_numpy() > 0.5
not_seen = catalog["w3mpro"].isna()
print(
    f"median W1 - W2: {(catalog['w1mpro'] - catalog['w2mpro']).median():.2f} mag (Vega)"
)
print(
    f"not detected in W3: {not_seen[quenched].mean():.0%} of the quenched, {not_seen[~quenched].mean():.0%} of the star-forming"
)
pd.DataFrame(rmse, index=["RMSE (dex)", "standard error"]).T.round(4)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Root-mean-square error of the mass for eight inputs. Measured ugriz gives about 0.25 dex, noise-free ugriz about 0.12. Adding errors changes little; shapes, infrared magnitudes or the true bulge fraction each lower the error by 0.03 to 0.05; the redshift lowers it to about 0.06, and to less than 0.05 without noise."}}
figure, axis = plt.subplots(figsize=(6.6, 3.6))
values, errors = np.array(list(rmse.values())).T
forest(axis, list(rmse), values, values - 2 * errors, values + 2 * errors)
axis.set(xlabel="RMSE of log10 stellar mass (dex)", xlim=(0, None))
axis.set_title("Noise costs most where the distance is unknown")
plt.show()

# %% [markdown]
# Noise hurts mainly because it hides the distance. Without it the error halves, since exact colours tell the redshift fairly well; where the redshift is
# known, taking the noise away gains little. But noise is not the whole reason. Five perfect magnitudes leave an error that comes from the distance, and
# with the distance known there is still one from ages, metals and dust, which move the {term}`mass-to-light ratio` at a fixed colour. That matters: in a
# universe where noise-free photometry gave the mass, "pictures add information" would only mean "pictures have less noise". The errors of the magnitudes add next to nothing, so no truth
# has leaked into them; the little they add may be the size of the aperture that they were computed for.
#
# ## Bands see different galaxies
#
# The bulge is old, the disc is young. So a galaxy is more extended, and less concentrated, in g than in r, and the more so the more its two parts differ.

# %%
gradients = {}
for name in ("Sersic_n", "petroR50"):
    for words, table in (("true", truth), ("measured", catalog)):
        ratio = table[f"{name}_g"] / table[f"{name}_r"]
        gradients[f"{name}, {words}"] = {
            "5%": ratio[bright].quantile(0.05),
            "median": ratio[bright].median(),
            "95%": ratio[bright].quantile(0.95),
            **{
                f"Spearman with bulge fraction, {kind}": spearmanr(
                    ratio[rows], truth["bulge_fraction"][rows], nan_policy="omit"
                ).statistic
                for kind, rows in (
                    ("all", bright),
                    ("star-forming", bright & ~quenched),
                )
            },
        }
gradients = pd.DataFrame(gradients).T.rename_axis("ratio of g to r")
gradients.rename(
    index=lambda name: name.replace("Sersic_n", "Sérsic n").replace("petroR50", "R50")
).round(3)

# %% [markdown]
# Among star-forming galaxies both true ratios leave one as the bulge grows. In quenched ones bulge and disc have nearly one colour, so they lie near one
# again although their bulges are large: over all galaxies the sign of the correlation is turned around. A correlation in a mixture may be that of its parts
# with one another. Measurement wears the effect down, for it is a few hundredths, and the errors of the fits and the seeing, which differs between the
# bands, are as large. The measured ratio of radii still follows the bulge among star-forming galaxies, and hardly over all; with the ratio of indices
# it is the other way round.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two scatter panels of true ratios between g and r against the bulge fraction. Among star-forming galaxies the ratio of Sérsic indices falls from one, and that of half-light radii rises from one, as the bulge fraction grows. Quenched galaxies have large bulge fractions and ratios near one, with scatter."}}
figure, axes = panels(
    2, title="n and R50 depend on the band where bulge and disc differ", height=3.4
)
for axis, name, words in (
    (axes[0], "Sersic_n", "true Sérsic index, g / r"),
    (axes[1], "petroR50", "true half-light radius, g / r"),
):
    for kind, label, colour in (
        (~quenched, "star-forming", "sky"),
        (quenched, "quenched", "vermilion"),
    ):
        axis.scatter(
            truth["bulge_fraction"][kind],
            (truth[f"{name}_g"] / truth[f"{name}_r"])[kind],
            color=COLOURS[colour],
            **dots,
        )
        axis.scatter([], [], color=COLOURS[colour], label=label)
    axis.set(xlabel="bulge fraction of the mass", ylabel=words)
axes[0].set_ylim(0.8, 1.1)
axes[1].set_ylim(0.95, 1.15)
axes[1].legend(fontsize=10)
plt.show()

# %% [markdown]
# ## The density around a galaxy
#
# An observer cannot see the group that a galaxy belongs to, only how crowded its sky is: the {term}`projected density <environment>` out to the
# fifth nearest neighbour within 1000 km/s {cite}`dressler1980,baldry2006`. A magnitude-limited sample thins out with distance, so the density is divided
# by its median at that redshift.

# %%
contrast = catalog["density_contrast_5"]
near = (catalog["z"] < 0.1).to_numpy()
environment_rank = {
    "all": spearmanr(contrast, truth["environment"], nan_policy="omit").statistic,
    "z < 0.1": spearmanr(
        contrast[near], truth["environment"][near], nan_policy="omit"
    ).statistic,
    "all, not divided by the median": spearmanr(
        catalog["log_density_5"], truth["environment"], nan_policy="omit"
    ).statistic,
}
for words, value in environment_rank.items():
    print(f"Spearman of measured and true density, {words}: {value:.2f}")
print(
    f"galaxies without five neighbours in the slice or at the edge: {contrast.isna().sum()}"
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Measured density contrast against the true density of the environment for galaxies nearer than redshift 0.1. The running median is nearly flat at low densities and rises steeply at high ones, amid wide scatter."}}
figure, axis = plt.subplots()
axis.scatter(
    truth["environment"][near], contrast[near], color=COLOURS["sky"], **{**dots, "s": 6}
)
inside = np.digitize(truth["environment"], edges)
bins = [near & (inside == i) for i in range(1, len(edges))]
filled = [rows for rows in bins if contrast[rows].notna().any()]
axis.plot(
    [truth["environment"][rows].median() for rows in filled],
    [contrast[rows].median() for rows in filled],
    "o-",
    color=COLOURS["vermilion"],
    label="median",
)
axis.set(
    xlabel="true environment: log10(1 + density of companions / mean)",
    ylabel="measured density contrast (dex)",
)
axis.set_title("Five neighbours know the environment, roughly")
axis.legend()
plt.show()

# %% [markdown]
# ## Universes in which pictures add nothing
#
# A method that claims "pictures add information" must not claim it where they cannot. Two such universes:
#
# - **swapped shapes**: each galaxy wears the picture of another of nearly the same *measured* photometry;
# - **one spectrum**: each galaxy is drawn anew with its measured flux in every band, bulge and disc of one colour, through the seeing of another night, and
#   with a size and an axis ratio that have nothing to do with anything.
#
# In both, photometry and mass are the mock's own. Merely cutting the arrow from mass to size would *not* do: the size on the sky still
# tells the distance, and distance tells the mass.
#
# Twenty more columns give the trees more ways to be wrong, so shapes are not compared with no shapes. They are compared with a
# {term}`placebo`: the same shapes, shuffled between galaxies. The gain is the RMSE with the placebo minus that with the shapes; its 95% interval is a
# {term}`bootstrap` over galaxies.

# %%
gains = {}
for name, words in (
    ("mock", "the mock itself"),
    ("mock-swapped-shapes", "swapped shapes"),
    ("mock-one-spectrum", "one spectrum"),
):
    universe = load_sample(name, n_mock, seed, cache_dir=data_dir or None)
    generator = np.random.default_rng(seed)
    colours = photometry(universe.catalog, "EBV")
    shapes = universe.catalog[list(INPUTS["Morph"].main)]
    shuffled = shapes.iloc[generator.permutation(len(shapes))].set_index(shapes.index)
    placebo = squared_errors(colours.join(shuffled), universe.mass)
    with_shapes = squared_errors(colours.join(shapes), universe.mass)
    resample = generator.integers(len(placebo), size=(1000, len(placebo)))
    draws = np.sqrt(placebo[resample].mean(axis=1)) - np.sqrt(
        with_shapes[resample].mean(axis=1)
    )
    gains[words] = (
        np.sqrt(placebo.mean()) - np.sqrt(with_shapes.mean()),
        *np.quantile(draws, [0.025, 0.975]),
    )
pd.DataFrame(gains, index=["gain (dex)", "2.5%", "97.5%"]).T.round(4)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Gain in root-mean-square error from measured shapes in three universes, with 95 percent intervals. In the mock itself it is clearly positive, about 0.05 dex. In the null universes there is no gain: one interval contains zero, the other lies just below it."}}
figure, axis = plt.subplots(figsize=(6.6, 2.4))
forest(axis, list(gains), *np.array(list(gains.values())).T)
axis.axvline(0, color=COLOURS["black"], linewidth=1)
axis.set(xlabel="gain from shapes over their placebo (dex)", ylim=(-0.5, 2.5))
axis.set_title("Shapes help where they may, and nowhere else")
plt.show()

# %% [markdown]
# In both null universes the gain stays within a few thousandths of a dex of zero, while in the mock itself shapes are worth several
# hundredths. That of swapped shapes lies just below zero: the trees do a little worse with them than with shuffled ones. A method that says "no gain"
# is right in both. The tests of the library hold the null universes to a sharper standard, a correlation of residuals.
#
# ## A leak: the noise knows the brightness
#
# The input {term}`Ioptnorm` divides every picture by its flux, to leave only its shape. But a faint galaxy's sky is then divided by a small
# number: the noise at the border of the picture gives the flux away. So there is a second version, in which noise is added until the ratio of
# flux to sky noise is the same for all. A regression on nothing but the scatter of the border pixels shows the difference.

# %%
some = np.arange(min(len(mock), 800))
pixels = mock.images[some]
flux = catalog[[f"petroFlux_{band}" for band in bands]].to_numpy()[some]
sky = catalog[[f"skyNoise_{band}" for band in bands]].to_numpy()[some]
positive = (flux > 0).all(axis=1)
pixels, flux, sky = pixels[positive], flux[positive], sky[positive]
magnitude = catalog["petroMag_r"].to_numpy()[some][positive]
target_ratio = common_signal_to_noise(flux, sky, quantile=0.05)
equal = equalise_signal_to_noise(
    pixels,
    flux,
    sky,
    signal_to_noise=target_ratio,
    seeds=[[seed, int(row)] for row in some[positive]],
)
reached = equal.reached.all(axis=1)
y, x = np.indices(pixels.shape[2:]) - (pixels.shape[-1] - 1) / 2
border = np.hypot(x, y) > 29


def border_scatter(images):
    values = images[:, :, border]
    centre = np.median(values, axis=2, keepdims=True)
    return 1.4826 * np.median(np.abs(values - centre), axis=2)


leak = {"scatter of r itself": float(magnitude[reached].std())}
for words, images in (
    ("divided by flux", normalise_by_flux(pixels, flux)[reached]),
    ("equal signal-to-noise", equal.images[reached]),
):
    noise = np.log(np.maximum(border_scatter(images), 1e-12))
    error = squared_errors(noise, magnitude[reached])
    leak[words] = float(np.sqrt(error.mean()))
print(f"{reached.mean():.0%} of the galaxies reach the common signal-to-noise ratio")
print(
    f"divided by flux, the border tells r to {leak['divided by flux']:.2f} mag; r varies by {leak['scatter of r itself']:.2f}"
)
rows = {words: f"error from the border, {words}" for words in list(leak)[1:]}
pd.Series(leak, name="mag").rename(rows).to_frame().round(3)

# %% [markdown]
# Divided by its flux, a picture gives its brightness away at the border, to about a tenth of what brightness varies by. At equal signal-to-noise the error is no
# smaller than the scatter of the magnitudes themselves: the border tells nothing. The price is the faintest galaxies, which do not reach the common ratio.
#
# ## Check yourself

# %%
assert unchanged
assert all(np.isfinite(list(environment_rank.values())))
if profile != "smoke":
    assert 0.2 <= rmse["ugriz, measured"][0] <= 0.28
    assert 0.05 <= rmse["... and redshift"][0] <= 0.13
    assert rmse["ugriz, noise-free"][0] >= 0.08
    for helpful in ("... and W1, W2", "... and true bulge fraction"):
        assert rmse["ugriz, measured"][0] - rmse[helpful][0] >= 0.015
    magnitudes = catalog[[*SDSS.magnitudes, "EBV"]]
    errors = catalog[list(INPUTS["Mopt"].errors)]
    alone, together = (
        np.sqrt(squared_errors(table, mock.mass).mean())
        for table in (magnitudes, magnitudes.join(errors))
    )
    assert together >= 0.97 * alone, "errors should add at most 3% to magnitudes"
    assert rmse["... and shapes"][0] < rmse["ugriz, measured"][0]
    optical_accuracy = accuracy.loc[["g", "r", "i"]]
    assert (optical_accuracy["flux / true"] - 1).abs().max() < 0.03
    assert (optical_accuracy["R50 without seeing / true"] - 1).abs().max() < 0.05
    assert optical_accuracy["|axis ratio - true|"].max() < 0.05
    assert accuracy.loc["r", "Spearman of Sersic n"] > 0.7
    assert gains["the mock itself"][1] > 0
    assert all(
        gains[null][0] < 0.2 * gains["the mock itself"][0] for null in list(gains)[1:]
    )

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-causes
# *Look.* Name all causes of the apparent magnitude, near and far, from the column *caused by* of the table of equations, or from the graph of {ref}`chapter 1 <chapter-data>`. What of a galaxy is not among them, and what does that mean for a sample chosen by magnitude?
# :::

# %% tags=["hide-cell"]
# Solution: nearly everything. In a sample chosen by its magnitude all these are tied to each other.
causes = UNIVERSE.ancestors("apparent_magnitude")
print("causes:", ", ".join(name for name in UNIVERSE.names if name in causes))
others = [
    name for name in UNIVERSE.names if name not in {*causes, "apparent_magnitude"}
]
print("others:", ", ".join(others))

# %% [markdown]
# :::{exercise}
# :label: exercise-dust
# *Change.* Take all dust away: `UNIVERSE.do({"dust_depth": 0.001})`. Which galaxies brighten most in r, and does the number of selected galaxies
# change? Predict both, then draw a few tiles.
# :::

# %% tags=["hide-cell"]
# Solution: star-forming galaxies hold the dust, and inclined ones are seen through more of it. They brighten most, and
# more of them pass the limit.
clear = [draw_tile(tile, seed, UNIVERSE.do({"dust_depth": 0.001})) for tile in range(6)]
brightening = joined(whole, "apparent_magnitude") - joined(clear, "apparent_magnitude")
steep = joined(whole, "inclination") > 60
active = joined(whole, "quenched") < 0.5
for words, kind in (
    ("star-forming, inclined", active & steep),
    ("star-forming, less inclined", active & ~steep),
    ("quenched", ~active),
):
    print(f"{words}: brighter by {np.median(brightening[kind]):.2f} mag")
for words, tiles in (("with dust", whole), ("without", clear)):
    print(
        f"{words}: {(joined(tiles, 'apparent_magnitude') < 17.77).sum()} brighter than 17.77"
    )

# %% [markdown]
# :::{exercise}
# :label: exercise-own-equation
# *Build.* Write an equation of your own: discs whose radius knows nothing of the mass, with the same scatter. How strongly does the angular size of the selected galaxies still go with their mass, and why?
# :::


# %% tags=["hide-cell"]
# Solution: the physical size knows nothing of the mass any more, but the angular one tells the distance, and selected galaxies that are far are massive.
def one_size(parents, noise, n):
    """Half-light radii around 6 kpc, whatever the mass."""
    return 10 ** (0.78 + 0.17 * noise.standard_normal(n))


sizes_alike = [
    draw_tile(tile, seed, UNIVERSE.do({"disc_radius": one_size})) for tile in range(6)
]
for words, tiles in (("as it is", whole), ("discs of one size", sizes_alike)):
    bright = joined(tiles, "apparent_magnitude") < 17.77
    masses = joined(tiles, "log_mass")[bright]
    for name in ("disc_radius", "disc_angular_radius"):
        rank = spearmanr(joined(tiles, name)[bright], masses).statistic
        print(f"{words}: rank correlation of {name} with mass {rank:+.2f}")

# %% [markdown]
# ## What could be wrong
#
# - The scatter of stellar populations is that of mixtures of five templates. Real populations vary in more ways, and in correlated ones.
# - Environment acts on quenching only. In the real universe it also comes with mass, and with spin and shape. And the mock's groups lie at random: they
#   do not cluster with one another.
# - The target is the true mass. A catalogue of real galaxies has an inferred one, with errors that depend on the same photometry.
# - Profiles are smooth, the PSF is round and its width known. Measurements on real pictures are worse than those above.
# - kcorrect's templates make W1 - W2 redder than it is for real old galaxies, where it is close to zero {cite}`wright2010`. In W3,
#   which shows warm dust in real galaxies, the mock's star-forming galaxies are missed about as often as the quenched ones.
# - W1 to W3 are measured as a point source would be, with a loss that grows with size; so infrared magnitudes carry some size information.
#
# ## Summary
#
# The mock does what its equations say. Where galaxies are bright its fluxes, and its radii once the seeing is taken out, are right to about a per cent in the median; as
# measured, radii are a tenth too large. It hides the mass for more reasons than noise, and comes with two universes in which a picture is useless beside photometry. What an instrument reports there we can judge.

# %%
this_run.save_results(
    {
        "n_galaxies": len(mock),
        "provenance": mock.provenance,
        "accuracy_r_below_17": accuracy.to_dict(),
        "rmse_dex": {words: value[0] for words, value in rmse.items()},
        "rmse_standard_error": {words: value[1] for words, value in rmse.items()},
        "gradients": gradients.to_dict(),
        "environment_spearman": environment_rank,
        "gain_from_shapes_dex": {
            words: dict(zip(("gain", "low", "high"), value, strict=True))
            for words, value in gains.items()
        },
        "brightness_leak_mag": leak,
        "quenched_share_by_environment": {
            words: [value[0] for value in values] for words, values in shares.items()
        },
    }
)
print(f"stored in runs/{run}/90_mock_universe: results.json")

# %% [markdown]
# **What comes next**: {ref}`appendix-scale`, for what the method costs on many galaxies; or {ref}`chapter-known-truths`, where more is planted. **References**: {cite:t}`baldry2012`, {cite:t}`peng2010`, {cite:t}`blanton2007`, {cite:t}`dressler1980`,
# {cite:t}`baldry2006`, {cite:t}`wright2010`.
