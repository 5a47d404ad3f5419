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
# Every number in this book is a statement about one list of galaxies. Before any network sees that list, we should
# know how a galaxy gets onto it, what was measured and what was only inferred. This chapter opens the list. It holds
# real galaxies: {term}`Petrosian magnitudes <Petrosian magnitude>` from SDSS, near-infrared magnitudes from 2MASS, a
# {term}`redshift` each, and one column that nobody measured, the {term}`stellar mass`.

# %% tags=["remove-cell"]
# In Colab only: fetch the library and what it lacks, and leave numpy and torch alone.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("helpers") is None:
    needed = {
        "kcorrect": "kcorrect==5.1.9",
        "causallearn": "causal-learn==0.1.4.8",
        "dit": "dit==2.3",
        "faiss": "faiss-cpu",
        "lightning": "lightning",
        "safetensors": "safetensors",
    }
    missing = [
        package
        for module, package in needed.items()
        if importlib.util.find_spec(module) is None
    ]
    address = "git+https://github.com/galaxy-mass-anatomy/galaxy-mass-anatomy"
    if missing:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", *missing], check=True
        )
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", address], check=True
    )

# %% [markdown]
# :::{admonition} What you will be able to do
# - Load the sample with one line, and say where each column comes from.
# - Count its {term}`nulls <null>` and know what was done with them.
# - Show how an apparent-magnitude limit ties mass to redshift, and undo it with a volume-limited sample.
# - Say why a mass inferred from photometry and redshift limits what later chapters may conclude.
# :::
#
# **Before you start**: nothing but what a magnitude is. **Time and memory**: about a minute, 1 GB.

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

# %% [markdown]
# The values above are the published ones. Change them here, or give papermill a file of them.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from astropy.cosmology import Planck18
from helpers.inputs import resolve
from helpers.plotting import COLOURS, panels, use_style
from helpers.runs import open_run
from helpers.survey import SDSS, load_sample
from sklearn.ensemble import HistGradientBoostingRegressor

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
}
this_run = open_run(run, chapter="01_data", parameters=shared)

# %% [markdown]
# ## What is in the sample?
#
# One call loads it. The data ship inside the package kcorrect {cite}`blanton2007`, so no server is asked; the
# file's checksum is compared before it is read.

# %%
sample = load_sample(
    dataset, n_galaxies, seed, allow_network=allow_network, cache_dir=data_dir or None
)
catalog = sample.catalog
print(f"{len(sample)} galaxies, {catalog.shape[1]} columns")
for key in ("origin", "sha256", "target"):
    print(f"{key}: {sample.provenance.get(key)}")

# %% [markdown]
# Five numbers a column say more than a page about it. Magnitudes are not corrected for {term}`Galactic extinction`: the
# {term}`reddening <reddening E(B-V)>` `EBV` stands beside them and goes along with every input, so that a model can correct for it itself.

# %%
shown = ["z", "EBV", *SDSS.magnitudes, "j_m_ext", "h_m_ext", "k_m_ext", "lgm_tot_p50"]
quantiles = (
    catalog[[name for name in shown if name in catalog]]
    .quantile([0, 0.05, 0.5, 0.95, 1])
    .T
)
quantiles.columns = ["lowest", "5%", "median", "95%", "highest"]
quantiles.round(3)

# %% [markdown]
# ### What is missing, and what was done about it
#
# A flux that is not positive has no magnitude. It becomes a null, never a guess, and it is counted. In the 2MASS columns a
# zero means *missing*; here it is a null too.

# %%
nulls = sample.null_counts()
print(nulls.to_string())

# %% [markdown]
# The largest entry is an error without a value: 2MASS gives some H magnitudes no uncertainty. The u band comes next, the
# shallowest of the five, where some galaxies have a measured flux at or below zero. Models see a null as the training mean
# with a flag raised beside it, and never have to reconstruct it.
#
# Not every number that is present is good. A galaxy whose r-band flux is less than five times its own error is no detection,
# although it was chosen for being bright: there the Petrosian photometry failed. They stay in, as they would in a survey,
# and are left out only of the volume-limited subsample below.

# %%
weak = catalog["petroMagErr_r"] > 2.5 / np.log(10) / 5
print(
    f"{int(weak.sum())} galaxies ({weak.mean():.1%}) have an r-band flux below 5 sigma"
)

# %% [markdown]
# ### Which galaxies do we learn from?
#
# Each galaxy is assigned to training, validation or test by a hash of its rounded position. The assignment does not depend on
# the size of the sample or the order of its rows, so a galaxy that was tested once can never slip into a training set.

# %%
split_sizes = sample.split.value_counts()[["train", "validation", "test"]]
print(split_sizes.to_string())

# %% [markdown]
# ## How were they chosen?
#
# Nobody drew these galaxies from the universe at random. The SDSS main galaxy sample takes galaxies brighter than
# 17.77 in r, after correction for extinction {cite}`strauss2002`. And all but a handful of these have a 2MASS
# magnitude, so they also had to be bright in the near infrared.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two histograms. Extinction-corrected r magnitudes rise to a peak near 17, decline, and are nearly gone beyond 17.77. 2MASS K magnitudes rise to a peak near 13.8 and fall quickly after it."}}
r_dereddened = catalog["petroMag_r"] - SDSS.bands[2].extinction * catalog["EBV"]
share_main = float((r_dereddened < 17.77).mean())
figure, axes = panels(
    2,
    title=f"{share_main:.0%} of the galaxies are brighter than the main-sample limit, r = 17.77",
)
axes[0].hist(r_dereddened, bins=np.arange(13, 20.01, 0.1), color=COLOURS["blue"])
axes[0].axvline(17.77, color=COLOURS["vermilion"], label="r = 17.77")
axes[0].set(
    xlabel="r, extinction-corrected (AB mag)",
    ylabel="galaxies per 0.1 mag",
)
axes[0].legend(loc="upper left")
axes[1].hist(
    catalog["k_m_ext"].dropna(), bins=np.arange(9, 16.01, 0.1), color=COLOURS["orange"]
)
axes[1].set(xlabel="2MASS K (Vega mag)", ylabel="galaxies per 0.1 mag")
plt.show()

# %% [markdown]
# Both histograms rise towards faint magnitudes, because there is more volume far away, and then turn over. In r the turn comes before
# the survey's limit: the near-infrared limit, known only through its effect, takes faint galaxies first.
#
# ### A magnitude limit is a collider
#
# Apparent brightness has two causes: how much light a galaxy emits, and how far away it is. Choosing galaxies by apparent
# brightness therefore chooses on a common effect of mass and redshift, a {term}`collider`, and that makes the two
# correlated in the sample whatever they are in the universe. Far away, only the massive make the cut.
#
# The cure is old: keep only galaxies that would have been seen anywhere in a volume. Below, a galaxy is in the
# *volume-limited* subsample when it is nearer than z = 0.1 and luminous enough to pass r = 17.77 at z = 0.1. (Absolute
# magnitudes here use the distance alone, without {term}`K-correction`.)


# %%
def pearson(a, b):
    return float(np.corrcoef(a, b)[0, 1])


redshift, mass = catalog["z"].to_numpy(), sample.mass
absolute_r = r_dereddened.to_numpy() - Planck18.distmod(redshift).value
limit_z = 0.1
faintest = 17.77 - Planck18.distmod(limit_z).value
volume = (redshift < limit_z) & (absolute_r < faintest) & ~weak.to_numpy()
correlation_all = pearson(mass, np.log10(redshift))
correlation_near = pearson(
    mass[redshift < limit_z], np.log10(redshift[redshift < limit_z])
)
correlation_volume = pearson(mass[volume], np.log10(redshift[volume]))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Scatter plot of stellar mass against redshift. In the whole sample mass rises steeply with redshift, and low-mass galaxies are found only nearby; in the volume-limited subsample, drawn in orange, the trend almost disappears."}}
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
# galaxy could have been seen throughout the volume does the rest. What is left has smaller causes: the volume still cuts on light and not on mass,
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
colour = (
    catalog["petroMag_g"]
    - catalog["petroMag_r"]
    - (SDSS.bands[1].extinction - SDSS.bands[2].extinction) * catalog["EBV"]
).to_numpy()
figure, axis = plt.subplots()
counts = axis.hist2d(
    mass,
    colour,
    bins=[np.linspace(9, 12, 61), np.linspace(0.2, 1.5, 66)],
    cmin=1,
    cmap="viridis",
)[3]
figure.colorbar(counts, ax=axis, label="galaxies per cell")
axis.set(
    xlabel="log10 stellar mass (solar masses)",
    ylabel="observed g - r, dust-corrected (mag)",
)
axis.set_title("The massive galaxies are red, the blue ones less massive")
plt.show()

# %% [markdown]
# Part of the slope of the ridge is redshift: the farther the galaxy, the bluer the light that the g band receives as it left the galaxy, and
# old galaxies are faint there; so a far galaxy looks redder, and the far galaxies are the massive ones. Colour, mass and redshift are entangled, and
# disentangling them is what the later chapters are about.
#
# ## Where does the mass come from?
#
# Nobody put a galaxy on a scale. The mass in this sample is the result of fitting templates to the five extinction-corrected
# Petrosian fluxes at the known redshift, by kcorrect. So
#
# - the mass is a *function* of ugriz, extinction and redshift, and of nothing else that we have;
# - 2MASS magnitudes do not enter it. If they are found to be informative about this mass, it is because they tell
#   something about the redshift, or about the true optical fluxes beneath the noise;
# - published masses of SDSS galaxies rest on fits of the same kind, to photometry or to spectra at the known redshift
#   {cite}`kauffmann2003,brinchmann2004`. The caveat is not a defect of this small sample: it belongs to the subject.
#
# We can watch this. {term}`Gradient boosting <gradient boosting>` predicts the mass from photometry, then from photometry with redshift, and is
# judged on the test split.


# %%
def boosting_rmse(inputs):
    columns = list(resolve(inputs, catalog).columns)
    train, test = sample.rows("train"), sample.rows("test")
    model = HistGradientBoostingRegressor(max_iter=300, random_state=seed)
    model.fit(catalog[columns].iloc[train], mass[train])
    residual = model.predict(catalog[columns].iloc[test]) - mass[test]
    return float(np.sqrt(np.mean(residual**2))), residual


rmse, residuals = {}, {}
for inputs in ("Mopt", "Mopt+Mnir", "Mopt+Zspec"):
    rmse[inputs], residuals[inputs] = boosting_rmse(inputs)
rmse["the mean mass"] = float(np.std(mass[sample.rows("test")]))
table = pd.DataFrame({"RMSE (dex)": rmse})
for inputs, residual in residuals.items():
    ordered = np.sort(np.abs(residual))
    table.loc[inputs, "without the worst galaxy"] = np.sqrt(np.mean(ordered[:-1] ** 2))
    table.loc[inputs, "1.48 x median error"] = 1.4826 * np.median(ordered)
table.round(3)

# %%
worst = sample.rows("test")[np.argmax(np.abs(residuals["Mopt+Zspec"]))]
print("the test galaxy that photometry and redshift miss by most:")
print(
    catalog.iloc[worst][
        ["z", "petroMag_u", "petroMag_r", "petroMagErr_r", "lgm_tot_p50"]
    ]
    .round(2)
    .to_string()
)

# %% [markdown]
# An RMSE is at the mercy of the worst galaxy; the second and third columns are there to say how much. A galaxy whose photometry failed has a mass that was fitted
# to failed photometry.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of the error of the predicted mass for three inputs. From ugriz photometry, with or without near-infrared magnitudes, errors spread over about half a dex; with redshift added they form a narrow spike at zero."}}
figure, axis = plt.subplots()
words = {
    "Mopt": "ugriz",
    "Mopt+Mnir": "ugriz and J, H, K",
    "Mopt+Zspec": "ugriz and redshift",
}
for (inputs, label), key in zip(
    words.items(), ("blue", "orange", "green"), strict=True
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
axis.set_title("With the redshift, photometry gives this mass back")
axis.set_ylim(None, 6000)
axis.legend(title="input, RMSE", ncols=2, fontsize=10, loc="upper left")
plt.show()

# %% [markdown]
# From ugriz alone the error is that of not knowing the distance: the same colours and brightness fit a nearby dwarf and a
# far giant. Give the redshift and the typical error shrinks to what the trees cannot interpolate. So whatever this book finds "missing"
# from ugriz photometry on *this* sample is, in the end, the redshift; the interesting question is which other measurements can stand in
# for it.
#
# ## Check yourself

# %%
assert set(sample.split) == {"train", "validation", "test"}
assert not catalog.index.has_duplicates and catalog["lgm_tot_p50"].notna().all()
if profile != "smoke":
    assert rmse["Mopt+Zspec"] < 0.5 * rmse["Mopt"], (
        "redshift should halve the error at least"
    )
    assert correlation_volume < 0.5 * correlation_all, (
        "the volume limit should remove most of the correlation"
    )

# %% [markdown]
# :::{exercise}
# :label: exercise-volume
# Move the volume limit to z = 0.15. How many galaxies remain, and what happens to the correlation of mass and redshift?
# Predict both before you run it.
# :::

# %% tags=["hide-cell"]
# Solution: the limit is brighter by the difference of the distance moduli, so only luminous galaxies stay.
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
# ## What could be wrong
#
# - The masses carry the assumptions of the template fit: its stellar populations, its {term}`initial mass function`, its dust. A bias
#   of the templates is not visible anywhere in this book.
# - The sample is a mixture: it was put together to test a program, and reaches to redshifts where main-sample galaxies are rare.
# - The K-correction was left out of the volume limit. It moves the boundary, not the conclusion.
#
# ## Summary
#
# The sample is chosen by apparent brightness, which ties mass to redshift. Its mass is a function of photometry and redshift,
# so redshift is the whole of what photometry lacks. Chapter 2 trains a network on the photometry, and chapters 3 to 5 ask what it
# has learnt.

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
    }
)
print(f"stored in runs/{run}/01_data: catalog.parquet, results.json")

# %% [markdown]
# **What's next**: {ref}`chapter-contrastive-training`.
#
# **References**: {cite:t}`blanton2007`, {cite:t}`strauss2002`, {cite:t}`kauffmann2003`.
