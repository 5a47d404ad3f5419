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
# (chapter-knn-estimation)=
# # 3. Neighbours in S
#
# *If two galaxies lie close together in S, how alike are their masses?*
#
# The network of chapter 2 has its own opinion about every galaxy's mass. Here we do not ask it. We take only its latent space S, look up the
# {term}`k nearest neighbours` of a galaxy among the training galaxies, and read off *their* masses. Nothing is fitted any more; the answer is a
# handful of real galaxies. This is the step that everything later stands on: a neighbourhood is a set of galaxies that the input cannot tell
# apart, and inside it we can test what the input misses.

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
# - Estimate a galaxy's mass distribution from its neighbours in S.
# - Judge that distribution by its {term}`PIT` and its {term}`CRPS`, and choose k by it.
# - Say whether distance in S means anything: how many dimensions galaxies fill, whether some are everybody's neighbours, and how fast the mass changes.
# - Show that neighbours which the encoder was trained on are too much alike, and by how much.
# :::
#
# **Before you start**: chapters 1 and 2, executed in the same run. **Time and memory**: half a minute, 0.8 GB.

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
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers.neighbours import (
    choose_k,
    continuous_ranked_probability_score,
    gaussian_hubness,
    hubness,
    local_dimension,
    mass_variogram,
    nearest_neighbours,
    probability_integral_transform,
    relative_contrast,
    two_nearest_dimension,
)
from helpers.plotting import COLOURS, panels, pit_departure, use_style
from helpers.runs import open_run, profile_settings
from helpers.survey import Sample

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="03_knn_estimation", parameters=shared)
settings = profile_settings(profile)["neighbours"]
of_networks = this_run.load("02_contrastive_training/results.json")
catalogue_of, pictures_of = Path(dataset).name, of_networks["pictures"]["sample"]
samples, latents, network_quality, prefixes = {}, {}, {}, {}
for where, catalog, prefix, results in (
    (catalogue_of, "01_data/catalog.parquet", "", of_networks),
    (
        pictures_of,
        "02_contrastive_training/pictures_catalog.parquet",
        "pictures_",
        of_networks["pictures"],
    ),
):
    samples[where] = Sample.from_frame(this_run.load(catalog), split="split")
    estimates = this_run.load(f"02_contrastive_training/{prefix}mass_estimates.parquet")
    for name in estimates:
        latent = this_run.load(f"02_contrastive_training/{prefix}latent_{name}.parquet")
        latents[where, name] = latent.to_numpy()
        network_quality[where, name] = results["quality"][name]
        # Where the catalogue has the pictures itself, a model is stored under two names.
        prefixes.setdefault((where, name), []).append(prefix)
inputs = {
    where: [name for place, name in latents if place == where] for where in samples
}
looks = {
    name: {"color": COLOURS[colour], "marker": marker, "markersize": 5}
    for name, colour, marker in zip(
        dict.fromkeys(name for _, name in latents),
        ("blue", "sky", "orange", "green", "vermilion", "purple"),
        ("o", "P", "s", "^", "D", "v"),
        strict=False,
    )
}
for where, names in inputs.items():
    print(f"{where}: {len(samples[where])} galaxies; S of {', '.join(names)}")

# %% [markdown]
# Two samples, as in chapter 2: the galaxies of chapter 1 with their photometry, and those with pictures, which in the published run are the {term}`mock <mock universe>`'s. What is found of the mock is about networks and their S, not about galaxies.
#
# ## Who are the neighbours?
#
# The reference is the training split. For each test galaxy we find the k nearest training galaxies by Euclidean distance in S, exactly, not
# approximately; equal distances are ordered by row, so that the answer is always the same. Every pair is compared, many at a time; `make bench` prints how much faster that is than one galaxy after the other. For a training galaxy its own entry is left out. (The paper, {cite:t}`zhang2025`, keeps it, as its own first neighbour: `exclude_self=False`.)


# %%
def rows_of(key, part):
    """Rows of a split that have an S: profiles without a place for nulls leave some out."""
    rows = samples[key[0]].rows(part)
    return rows[np.isfinite(latents[key][rows]).all(axis=1)]


k = settings["k"]
parts, found = ("validation", "test", "train"), {}
for key, s in latents.items():
    reference = rows_of(key, "train")
    longest = min(max(*settings["k_grid"], k), len(reference) - 1)
    for part in parts:
        query = rows_of(key, part)
        found[key, part] = nearest_neighbours(
            s[reference],
            s[query],
            longest,
            exclude_self=part == "train",
            reference_id=reference if part == "train" else None,
            query_id=query if part == "train" else None,
        )


def masses(key, part):
    """Masses of the neighbours, nearest first, and of the galaxies themselves."""
    mass, reference = samples[key[0]].mass, rows_of(key, "train")
    return mass[reference][found[key, part].index], mass[rows_of(key, part)]


for where, names in inputs.items():
    sizes = [len(rows_of((where, names[0]), part)) for part in parts]
    print(
        f"{where}: {sizes[2]} reference galaxies, {sizes[0]} validation and {sizes[1]} test galaxies, k = {k}"
    )

# %% [markdown]
# Four test galaxies, spread over the mass range, and the masses of their neighbours. The width of each histogram is about what ugriz leaves open about
# that galaxy; the width of the neighbourhood itself adds a little. All four were chosen to be ordinary: at least a tenth of their neighbours are lighter than they are, and at least a tenth heavier. Whether more galaxies are out of the ordinary than should be, we ask below.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four histograms of the stellar masses of one test galaxy's nearest neighbours each, with the galaxy's catalogue mass as a vertical line inside the histogram. The histograms narrow from the light galaxies to the heavy one."}}
optical = (catalogue_of, inputs[catalogue_of][0])
neighbour_mass, test_mass = masses(optical, "test")
neighbour_mass = neighbour_mass[:, :k]
centre = neighbour_mass.mean(axis=1)
lighter = (neighbour_mass < test_mass[:, None]).mean(axis=1)
ordinary = np.flatnonzero(np.abs(lighter - 0.5) <= 0.4)
targets = np.quantile(centre, [0.05, 0.35, 0.65, 0.95])
chosen = [ordinary[np.abs(centre[ordinary] - value).argmin()] for value in targets]


def legend_below(figure):
    """One legend for the lines of all panels."""
    lines = {}
    for axis in figure.axes:
        handles, labels = axis.get_legend_handles_labels()
        lines |= dict(zip(labels, handles, strict=True))
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=6, fontsize=9
    )


figure, axes = panels(
    4,
    height=2.7,
    title=f"{catalogue_of}: neighbours' masses scatter by {neighbour_mass[chosen[0]].std():.2f} dex "
    f"at the light end and {neighbour_mass[chosen[-1]].std():.2f} dex at the heavy",
)
drawn = np.append(neighbour_mass[chosen], test_mass[chosen])
ends = drawn.min(), drawn.max()
for axis, i in zip(axes, chosen, strict=True):
    axis.hist(
        neighbour_mass[i],
        bins=np.arange(ends[0] - 0.1, ends[1] + 0.2, 0.1),
        color=COLOURS["sky"],
        label=f"its {k} neighbours",
    )
    axis.axvline(
        test_mass[i], color=COLOURS["vermilion"], label="catalogue mass of the galaxy"
    )
    axis.set_title(
        f"scatter {neighbour_mass[i].std():.2f} dex", fontsize=10, fontweight="normal"
    )
for axis in axes[2:]:
    axis.set(xlabel="log10 stellar mass (solar masses)")
for axis in axes[::2]:
    axis.set(ylabel="neighbours per 0.1 dex")
legend_below(figure)
plt.show()

# %% [markdown]
# ## How many neighbours?
#
# Few neighbours make a noisy distribution. Many reach so far into S that galaxies with other masses come in. Both errors are seen at once by
# the {term}`CRPS` of the neighbours' mass distribution: it is in dex, like an error, and is smallest for the true distribution. It is judged on validation galaxies, which are in no reference and are not used below. Among the k that these galaxies
# cannot tell from the best one, within one standard error of the paired difference, we prefer the smallest: its neighbourhoods are the narrowest.

# %%
choices = {}
for key in latents:
    members, truth = masses(key, "validation")
    grid = [count for count in settings["k_grid"] if count <= members.shape[1]]
    choices[key] = choose_k(members, truth, grid, seed=seed)
scores = pd.concat({key: choice.table for key, choice in choices.items()})
scores.index.names = ["sample", "input", "k"]
scores["crps"].unstack("k").reindex(list(latents)).round(4)

# %% tags=["hide-input"] mystnb={"image": {"alt": "CRPS of the neighbour mass distribution, as a ratio to the best, against the number of neighbours on a logarithmic axis; a panel for each sample and a line for each input. Lines fall from five neighbours to a flat part between twenty and two hundred, and rise again. An open circle marks the smallest number that cannot be told from the best. The line of the input with redshift rises earliest and steepest."}}
preferred = pd.Series({key: choice.k for key, choice in choices.items()})
usual = preferred.mode().iloc[-1]
unusual = "".join(
    f", {few} for {name} ({where})"
    for (where, name), few in preferred[preferred != usual].items()
)
figure, axes = panels(
    len(samples),
    width=4.2,
    height=3.7,
    title=f"{usual} neighbours are enough for {(preferred == usual).sum()} of {len(preferred)} inputs{unusual}",
)
for axis, where in zip(axes, samples, strict=True):
    for name in inputs[where]:
        choice = choices[where, name]
        ratio = choice.table["crps"] / choice.table.loc[choice.best, "crps"]
        axis.plot(ratio.index, ratio, **looks[name], label=name)
        axis.plot(
            choice.k,
            ratio[choice.k],
            "o",
            markersize=13,
            markerfacecolor="none",
            color=looks[name]["color"],
        )
    axis.axvline(k, color=COLOURS["grey"], linestyle=":")
    axis.set(xscale="log", xlabel="number of neighbours k", ylim=(0.98, 1.35))
    axis.set_title(where, fontsize=10, fontweight="normal")
axes[0].set(ylabel="CRPS over the best CRPS")
legend_below(figure)
plt.show()

# %% [markdown]
# A circle marks the preferred k, the dotted line the k of the paper. The line of the input with redshift leaves the panel at the top and ends near 2. For most inputs the curve is flat about k = 100 and nothing hangs on the exact value. Where the input knows the mass closely it is another matter: with the redshift in the input the masses of galaxies that are near in S differ by less than a tenth of a dex, and a hundred neighbours reach
# too far already. How far a neighbourhood may reach depends on the slope of the mass in S against the scatter about it, and we come back to that below. Chapter 4 keeps k = 100 for all inputs, for comparison; read its column of this input with that in mind.
#
# ### How good is it then?
#
# Here are both scores on test galaxies, at the paper's k and at the preferred one, beside those of the network's own predicted distribution.


# %%
def in_words(values, spec):
    """Range of the values, the largest apart and named."""
    (where, name), rest = values.idxmax(), values.drop(values.idxmax())
    return (
        f"{rest.min():{spec}} to {rest.max():{spec}}, "
        f"but {values.max():{spec}} for {name} ({where})"
    )


rows = {}
for key in latents:
    members, truth = masses(key, "test")
    row = {
        "preferred k": choices[key].k,
        "CRPS, network": network_quality[key]["crps"],
        "RMSE, network": network_quality[key]["rmse"],
    }
    for count, words in ((k, f"k = {k}"), (choices[key].k, "preferred k")):
        near = members[:, :count]
        row[f"CRPS, {words}"] = continuous_ranked_probability_score(near, truth).mean()
        row[f"RMSE, {words}"] = np.sqrt(np.mean((near.mean(axis=1) - truth) ** 2))
    rows[key] = row
quality = pd.DataFrame(rows).T.astype({"preferred k": int})
quality.index.names = ["sample", "input"]
ratio = {
    words: quality[f"RMSE, {words}"] / quality["RMSE, network"]
    for words in (f"k = {k}", "preferred k")
}
print(
    f"RMSE of the neighbours' mean over the network's, k = {k}: {in_words(ratio[f'k = {k}'], '.2f')}\n"
    f"at the preferred k: {ratio['preferred k'].min():.2f} to {ratio['preferred k'].max():.2f}"
)
quality.round(3)

# %% [markdown]
# In dex. At k = 100 the neighbours' mean is up to a few per cent worse than the network's prediction, and far worse with the redshift in the input, where a hundred neighbours reach too far. At the preferred k that is mended: what the estimator knows about the mass is laid out in S so that near means alike.
#
# (right-distribution)=
# ## Is that the right distribution?
#
# A neighbour mass distribution is a prediction, and predictions can be checked. If a test galaxy's mass is one more draw from its
# neighbours' distribution, its rank among them, the {term}`PIT`, is uniform. Below is the difference between the share of test galaxies whose PIT is smaller than a value and that value. A flat line is a uniform PIT. A hump left of the middle and a trough right of it is a
# distribution that is too narrow; the reverse, one too wide; a hump or trough all along, a shift.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Cumulative share of test galaxies by probability integral transform less the share expected, against the transform; a panel for each sample and a line for each input. A grey band shows how far a uniform transform strays. Most lines stay inside it or leave it a little."}}
transforms = {
    key: probability_integral_transform(
        *(
            values if values.ndim == 1 else values[:, :k]
            for values in masses(key, "test")
        ),
        seed=seed,
    )
    for key in latents
}
departures = pd.DataFrame(
    {key: pit_departure(values) for key, values in transforms.items()},
    index=["departure", "5% critical value"],
).T
departures.index.names = ["sample", "input"]
departs = departures["departure"] > departures["5% critical value"]
figure, axes = panels(
    len(samples),
    width=4.2,
    height=3.6,
    title=f"{departs.sum()} of {len(latents)} neighbour mass distributions at k = {k} depart from calibration",
)
for axis, where in zip(axes, samples, strict=True):
    for name in inputs[where]:
        values = np.sort(transforms[where, name])
        share = (np.arange(len(values)) + 0.5) / len(values)
        spots = np.arange(0, len(values), len(values) // 12)
        axis.plot(values, share - values, **looks[name], markevery=spots, label=name)
    critical = departures.loc[where, "5% critical value"].iloc[0]
    axis.axhspan(-critical, critical, color="#DDDDDD", zorder=0)
    axis.set(xlabel="probability integral transform", xlim=(0, 1), ylim=(-0.1, 0.1))
    axis.set_title(where, fontsize=10, fontweight="normal")
axes[0].set(ylabel="share below, less expected")
legend_below(figure)
plt.show()

# %%
departures.map("{:.3f}".format)

# %% [markdown]
# The band is where 95% of uniform transforms stay all along. A departure of a few hundredths can be seen with a thousand galaxies and matters little for a mass. Of the two that leave the band, `Iopt+Mir` barely does, which with seven lines is no surprise. With the redshift in the input the distribution of a hundred neighbours is too wide, as the CRPS said. To pass is not enough: the masses of all galaxies, given to each of them, would pass as well. So the CRPS was asked first.
#
# ## Does distance in S mean anything?
#
# Three things can go wrong with neighbours in a space of many dimensions (the last in one of few, too). All distances can become alike, so that who is nearest is an accident. A few galaxies, {term}`hubs <hubness>`, can turn up in everybody's list. And the mass can change so fast that even the nearest are no longer alike. What counts for all three is not the number of numbers
# in S, but the {term}`intrinsic dimension`, the number of directions in which galaxies really spread.
#
# ### How many dimensions do galaxies fill?
#
# In $d$ dimensions the number of galaxies within a distance $r$ grows as $r^d$. So the distances to a galaxy's neighbours tell $d$: the maximum-likelihood estimate {cite:p}`levina2004` is, for distances $T_1 \leq \dots \leq T_k$,
#
# $$\hat d = \left[\frac{1}{k - 2} \sum_{j=1}^{k-1} \ln \frac{T_k}{T_j}\right]^{-1},$$
#
# in words: one over the mean logarithm of how much farther the last neighbour is than the others. Over galaxies the inverses are averaged {cite:p}`mackay2005`. On the smallest scale there is, the ratio of the two smallest distances does the same {cite:p}`facco2017`.
#
# The *contrast* is the distance to a random galaxy over that to the k-th neighbour {cite:p}`he2012`, here its median. Near one, neighbours would be hardly nearer than strangers.

# %%
rows = {}
for key, s in latents.items():
    distance = found[key, "train"].distance
    reference, query = (s[rows_of(key, part)] for part in ("train", "test"))
    near = found[key, "test"].distance[:, :k]
    rows[key] = {
        "numbers in S": s.shape[1],
        f"dimension, k = {k}": local_dimension(distance[:, :k]).mean,
        "dimension, two nearest": two_nearest_dimension(distance).mean,
        "contrast": np.median(relative_contrast(reference, query, near, seed=seed)),
    }
geometry = pd.DataFrame(rows).T.astype({"numbers in S": int})
geometry.index.names = ["sample", "input"]
print(
    f"a stranger is {geometry['contrast'].min():.1f} to {geometry['contrast'].max():.1f} times "
    f"as far as the {k}th neighbour"
)
geometry.round(2)

# %% [markdown]
# S has eight or sixteen numbers, and galaxies fill between two and five dimensions of it. The estimate is larger on the smallest scale, where noise spreads galaxies in all directions, and a hundred neighbours reach past the thickness of the cloud. It is also low where a neighbourhood is cut by the cloud's edge. So read it as *a few*, not as a number with a decimal.
# The contrast is nowhere near one: even the last of a hundred neighbours is several times nearer than a stranger.
#
# ### Who is everybody's neighbour?
#
# Each of $n$ training galaxies stands, on average, in the lists of $k$ others. How unequally? In many dimensions galaxies near the middle of the cloud are near everybody, and those outside near nobody {cite:p}`radovanovic2010`. We compare S with Gaussian clouds of the same number of galaxies: one of the same intrinsic dimension, and one that fills all numbers of S.

# %%
k_hubs = min(10, k)
hubs, rows = {}, {}
for key, s in latents.items():
    n_train = len(rows_of(key, "train"))
    few = max(1, round(geometry.loc[key, f"dimension, k = {k}"]))
    hubs[key] = {
        "S": hubness(found[key, "train"].index[:, :k_hubs], n_train),
        f"Gaussian, {few} dimensions": gaussian_hubness(
            n_train, n_train, k_hubs, few, seed=seed
        ),
        f"Gaussian, {s.shape[1]} dimensions": gaussian_hubness(
            n_train, n_train, k_hubs, s.shape[1], seed=seed
        ),
    }
    words = ("S", "few dimensions", "all dimensions")
    rows[key] = {
        word: counted.top
        for word, counted in zip(words, hubs[key].values(), strict=True)
    }
busiest = pd.DataFrame(rows).T
busiest.index.names = ["sample", "input"]
busiest.rename(columns="top 1% take, {}".format).round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of how many lists of ten neighbours a training galaxy stands in, a panel for one S of either sample. The histogram of S lies close to that of a Gaussian cloud of as few dimensions, around ten; that of a cloud which fills all numbers of S is wider, and for sixteen numbers piles up near zero and has a long tail."}}
shown = list(dict.fromkeys([optical, (pictures_of, inputs[pictures_of][-1])]))
full = geometry["numbers in S"].idxmax()
figure, axes = panels(
    len(shown),
    width=4.2,
    height=3.6,
    title=f"The busiest 1% of galaxies fill at most {busiest['S'].max():.1%} of the lists in S ({busiest.loc[full, 'all dimensions']:.1%} in {geometry.loc[full, 'numbers in S']} full dimensions)",
)
for axis, key in zip(axes, shown, strict=True):
    most = 5 * k_hubs
    for (words, counted), colour, style in zip(
        hubs[key].items(), ("blue", "orange", "grey"), ("-", "--", ":"), strict=True
    ):
        share = np.bincount(
            np.minimum(counted.occurrence, most), minlength=most + 1
        ) / len(counted.occurrence)
        axis.step(
            np.arange(most + 1),
            share,
            where="mid",
            color=COLOURS[colour],
            linestyle=style,
            label=words,
        )
    axis.set(xlabel=f"lists of {k_hubs} neighbours that a galaxy is in", ylim=(0, None))
    axis.set_title(f"{key[1]}, {key[0]}", fontsize=10, fontweight="normal")
    axis.legend(fontsize=9)
axes[0].set(ylabel="share of training galaxies")
plt.show()

# %% [markdown]
# The last bin holds all beyond. Were all galaxies alike, the busiest 1% would fill 1% of the lists. S behaves as its few dimensions ask: hardly a galaxy is in no list and none is in a great many. A cloud that filled sixteen numbers would have both; to fill eight does less harm. Ten neighbours are counted, as in the literature; with more the counts even out.
#
# ### How fast does the mass change?
#
# The {term}`variogram` {cite:p}`matheron1963` answers: half the mean squared difference of mass between a galaxy and its neighbours, by their rank in its list. Its root is a scatter in dex. Among the very nearest it is what S leaves open of the mass; where it has grown, neighbours differ because they are *elsewhere in S*.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Root of the variogram of mass, in dex, against the rank of the neighbour, on a logarithmic axis; a panel for each sample and a line for each input. Lines are flat up to some tens of neighbours and rise beyond; the line of the input with redshift starts far below the others and rises most."}}
variograms = {}
for key in latents:
    index, longest = found[key, "test"].index, found[key, "test"].index.shape[1]
    variograms[key] = mass_variogram(
        np.broadcast_to(np.arange(1, longest + 1), index.shape),
        index,
        samples[key[0]].mass[rows_of(key, "train")],
        masses(key, "test")[1],
        [first for first in (1, 4, 11, 31, 101, 301) if first < longest]
        + [longest + 1],
    )
growth = {}
for key, table in variograms.items():
    scatter = np.sqrt(table["semivariance"])
    at_k = int((table["low"] <= k).sum()) - 1
    growth[key] = float(scatter[at_k] / scatter[0])
    first, last = int(table["low"][at_k]), int(table["high"][at_k]) - 1
growth = pd.Series(growth)
figure, axes = panels(
    len(samples),
    width=4.2,
    height=3.7,
    title=f"From neighbours 1-3 to {first}-{last} the mass scatter grows by {in_words(growth - 1, '.0%')}",
)
for axis in axes[1:]:
    axis.sharey(axes[0])
for axis, where in zip(axes, samples, strict=True):
    for name in inputs[where]:
        table = variograms[where, name]
        scatter = np.sqrt(table["semivariance"])
        axis.errorbar(
            table["distance"],
            scatter,
            table["standard_error"] / (2 * scatter),
            **looks[name],
            capsize=2,
            label=name,
        )
    axis.axvline(k, color=COLOURS["grey"], linestyle=":")
    axis.set(xscale="log", xlabel="rank of the neighbour")
    axis.set_title(where, fontsize=10, fontweight="normal")
axes[0].set(ylabel="root of the variogram (dex)", ylim=(0, None))
legend_below(figure)
plt.show()

# %%
growth.rename_axis(["sample", "input"]).to_frame("scatter grows to").round(2)

# %% [markdown]
# `scatter grows to` is the scatter in the bin which holds rank k, over that among the three nearest. Bars are standard errors over test galaxies, whose pairs hang together. Where the scatter has risen by a few per cent, as in five of the seven, the neighbourhood is narrow enough for a mean mass. For an independence test it is not: chapter 4 shows that even there a property which varies with S inside the neighbourhood will
# seem tied to the mass. Where the rise is steep, a hundred neighbours mix galaxies that S itself tells apart: somewhat for `Mopt+Mir`, and most of all with the redshift.
#
# ## Are seen galaxies too much alike?
#
# The encoder was trained on the masses of the training galaxies. If it has memorised some, each stands in S where its own mass belongs, and the masses in a neighbourhood of *seen* galaxies scatter less than those of new galaxies would. Chapter 2 trained two encoders of `Mopt`, each on one half of the training galaxies. That lets us
# change nothing but this: the same encoder, the same test galaxies, and as reference either the half that the encoder has seen or the half it has not. Averaged over the two encoders, each half plays each part once.
#
# How large should the scatter be? If a test galaxy's mass were one more draw from the distribution of its k neighbours', the error of their mean would be $\sqrt{1 + 1/k}$ times their scatter. The expected scatter is the error over this factor.

# %%
everybody = samples[catalogue_of]
unseen = this_run.load("02_contrastive_training/unseen_Mopt.npz")["unseen"]
crossed = [
    this_run.load(
        f"02_contrastive_training/latent_crossfit_Mopt_{number}.parquet"
    ).to_numpy()
    for number in range(unseen.shape[1])
]
known = np.isfinite(np.concatenate(crossed, axis=1)).all(axis=1)
train_rows, test_rows = (
    rows[known[rows]] for rows in (everybody.rows("train"), everybody.rows("test"))
)
counts = [count for count in settings["k_grid"] if count < len(train_rows) // 4]
measures = {}  # for each reference and k: scatter and score of every test galaxy
for number, s in enumerate(crossed):
    for status, rows in (
        ("seen", train_rows[~unseen[train_rows, number]]),
        ("unseen", train_rows[unseen[train_rows, number]]),
    ):
        near = nearest_neighbours(s[rows], s[test_rows], counts[-1], exclude_self=False)
        members, truth = everybody.mass[rows][near.index], everybody.mass[test_rows]
        for count in counts:
            nearest = members[:, :count]
            measures.setdefault((status, count), []).append(
                [
                    nearest.var(axis=1, ddof=1),
                    continuous_ranked_probability_score(nearest, truth),
                    (nearest.mean(axis=1) - truth) ** 2,
                ]
            )
measures = {key: np.mean(values, axis=0) for key, values in measures.items()}
rng = np.random.default_rng(seed)
draws = rng.integers(len(test_rows), size=(1000, len(test_rows)))


def shrinkage(count, galaxies=slice(None)):
    """By what share seen neighbours' variance of mass is smaller than that of unseen ones."""
    seen, new = (
        measures[status, count][0][galaxies].mean(axis=-1)
        for status in ("seen", "unseen")
    )
    return 1 - seen / new


shrunk = pd.DataFrame(
    {
        count: {
            "scatter, seen": np.sqrt(measures["seen", count][0].mean()),
            "scatter, unseen": np.sqrt(measures["unseen", count][0].mean()),
            "variance too small by": shrinkage(count),
            "low": np.quantile(shrinkage(count, draws), 0.025),
            "high": np.quantile(shrinkage(count, draws), 0.975),
            "RMSE, seen": np.sqrt(measures["seen", count][2].mean()),
            "RMSE, unseen": np.sqrt(measures["unseen", count][2].mean()),
            "CRPS, seen": measures["seen", count][1].mean(),
            "CRPS, unseen": measures["unseen", count][1].mean(),
        }
        for count in counts
    }
).T.rename_axis("neighbours")
at = max(count for count in counts if count <= k)
one_more_draw = np.sqrt(1 + 1 / shrunk.index.to_numpy())
for status in ("unseen", "seen"):
    expected = shrunk[f"RMSE, {status}"] / one_more_draw
    short = 1 - (shrunk[f"scatter, {status}"] / expected)[at]
    print(f"{at} {status} neighbours scatter {short:.1%} less than expected")
shown_scores = [column for column in shrunk if not column.startswith("CRPS")]
shrunk[shown_scores].rename(columns={"low": "95%: low", "high": "95%: high"}).round(4)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Scatter of the neighbours' masses, in dex, against the number of neighbours, for neighbours that the encoder was trained on and for those that it was not. The line of the seen ones lies below. A third line, the scatter expected from the error of the unseen neighbours' mean, lies a little above both."}}
figure, axis = plt.subplots()
for status, colour, marker in (("unseen", "blue", "o"), ("seen", "orange", "s")):
    axis.plot(
        shrunk.index,
        shrunk[f"scatter, {status}"],
        f"{marker}-",
        color=COLOURS[colour],
        label=f"scatter among {status} neighbours",
    )
axis.plot(
    shrunk.index,
    shrunk["RMSE, unseen"] / one_more_draw,
    "^--",
    color=COLOURS["grey"],
    label="expected from the error of the unseen ones' mean",
)
axis.set(
    xscale="log",
    xlabel="number of neighbours k",
    ylabel="scatter of log10 mass (dex)",
)
axis.legend(fontsize=10)
less = shrunk.loc[at, "variance too small by"]
axis.set_title(
    f"{catalogue_of}: the variance of mass among {at} neighbours is\n"
    f"{abs(less):.0%} {'smaller' if less > 0 else 'larger'} where the encoder has seen them"
)
plt.show()

# %% [markdown]
# Here is the price of asking the galaxies that the encoder learnt from. Their masses scatter too little about each other, while the mean of their masses is hardly a better guess for a new galaxy. The scatter of unseen neighbours, too, falls short of what is expected, but by a few per cent only. The 95% interval, of the variance too small, is over test galaxies; luck of the two trainings is not in it.
# These encoders learnt from half as many galaxies as those of the other sections, and remember more of each. How much the full encoders remember, no galaxy of theirs can tell: all training galaxies are seen. The only comparison left is of training with test galaxies, which are different galaxies:

# %%
rows = {}
for key in latents:
    errors = {}
    for part in ("train", "test"):
        members, truth = masses(key, part)
        errors[part] = (members[:, :k].mean(axis=1) - truth) ** 2
    resampled = errors["test"][
        rng.integers(len(errors["test"]), size=(1000, len(errors["test"])))
    ].mean(axis=1)
    optimism = 1 - np.sqrt(errors["train"].mean() / errors["test"].mean())
    ends = np.quantile(1 - np.sqrt(errors["train"].mean() / resampled), [0.025, 0.975])
    rows[key] = {
        "training RMSE (dex)": np.sqrt(errors["train"].mean()),
        "test RMSE (dex)": np.sqrt(errors["test"].mean()),
        "optimism": optimism,
        "low": ends[0],
        "high": ends[1],
    }
optimism = pd.DataFrame(rows).T
optimism.index.names = ["sample", "input"]
above = [f"{name} ({where})" for where, name in optimism.index[optimism["low"] > 0]]
print(f"interval above zero: {', '.join(above) or 'none'}")
optimism.rename(columns={"low": "95%: low", "high": "95%: high"}).round(3)

# %% [markdown]
# *Optimism* is the fraction by which training galaxies flatter the model, with a 95% interval from resampling the test galaxies. The interval lies above zero only for the inputs of `sdss-mini`; those of the mock are too wide to say. Where it does, some of a training galaxy's own mass has leaked into S, or this test split holds the harder galaxies; one split cannot tell the two apart. Chapter 4 tests what is tied to the mass inside
# neighbourhoods, and for that the scatter must be right: it can take as its reference the galaxies that an encoder has not seen.
#
# ## Check yourself

# %%
for (key, part), near in found.items():
    assert (np.diff(near.distance, axis=1) >= 0).all(), "neighbours come nearest first"
    if part == "train":
        own = np.arange(len(near.index))[:, None]
        assert not (near.index == own).any(), f"{key}: a galaxy is its own neighbour"
# What is asked of values holds for the published data set: other galaxies may be harder.
if profile not in ("smoke", "paper") and dataset == "sdss-mini":
    worse = quality["RMSE, preferred k"] / quality["RMSE, network"]
    assert (worse.loc[catalogue_of] < 1.1).all(), (
        "the neighbours should do nearly as well as the network"
    )
    assert (geometry[f"dimension, k = {k}"] < 6).all(), geometry
    assert (shrunk["low"] > 0).all(), shrunk

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-narrow-pit
# *Look.* Somebody's mass distributions are half as wide as they should be. What share of the galaxies has a PIT below 0.1, where it should be a tenth? Draw the line that the figure of departures would show.
# :::

# %% tags=["hide-cell"]
# Solution: a quarter at either end, so the line rises above zero on the left, crosses it in the middle, and is below on the right.
from scipy.stats import norm

errors = np.random.default_rng(seed).normal(size=100_000)  # in true widths
narrow = norm.cdf(errors / 0.5)
for value in (0.1, 0.5, 0.9):
    share = np.mean(narrow < value)
    print(f"below {value}: {share:.2f}, departure {share - value:+.2f}")

# %% [markdown]
# :::{exercise}
# :label: exercise-self-neighbour
# *Change.* Keep each training galaxy as its own first neighbour (`exclude_self=False`). What does the RMSE of the training galaxies become at k = 1, and what at k = 100?
# :::

# %% tags=["hide-cell"]
# Solution: at k = 1 the galaxy predicts itself perfectly; at larger k its share is one part in k.
rows = rows_of(optical, "train")
s, mass = latents[optical][rows], samples[catalogue_of].mass[rows]
with_self = nearest_neighbours(s, s, k, exclude_self=False)
for count in (1, k):
    guess = mass[with_self.first(count).index].mean(axis=1)
    print(f"k = {count}: RMSE {np.sqrt(np.mean((guess - mass) ** 2)):.3f} dex")

# %% [markdown]
# :::{exercise}
# :label: exercise-scaled-latent
# *Build.* A Euclidean distance weighs each direction of S by how far galaxies spread along it. Give all directions the same spread (whiten S), and search again. What happens to the CRPS, and why?
# :::

# %% tags=["hide-cell"]
# Solution: directions in which galaxies hardly spread, which say little of the mass, now count as much as the others.
for key in shown:
    s = latents[key]
    fitted, judged = (rows_of(key, part) for part in ("train", "test"))
    values, vectors = np.linalg.eigh(np.cov(s[fitted].T))
    white = s @ vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))
    near = nearest_neighbours(white[fitted], white[judged], k, exclude_self=False)
    mass = samples[key[0]].mass
    score = continuous_ranked_probability_score(mass[fitted][near.index], mass[judged])
    print(
        f"{key[1]}, {key[0]}: CRPS {quality.loc[key, f'CRPS, k = {k}']:.3f} dex in S, {score.mean():.3f} whitened; "
        f"dimension {geometry.loc[key, f'dimension, k = {k}']:.1f} and {local_dimension(near.distance).mean:.1f}"
    )

# %% [markdown]
# ## What could be wrong
#
# - A Euclidean distance weighs the directions of S as the network happened to scale them. A direction that matters little for the mass can count more than one that matters a lot.
# - A uniform PIT over all galaxies can hide errors that cancel between kinds of galaxies.
# - Dimension, hubs and variogram are averages over the cloud. At its edges, and among rare galaxies, neighbourhoods reach farther than the averages say.
# - k was preferred by the score of a mass distribution. What is best for an independence test need not be the same.
# - Seen and unseen were compared for photometry of one sample and for encoders trained on half of it. Encoders of pictures, which have more to memorise with, were not.
#
# ## Summary
#
# In S, near means alike in mass. The neighbour mass distribution needs no fitting, is about as sharp as the network's, and can be checked. Galaxies fill only a few of the dimensions of S, so distances mean something and there are no hubs. But neighbours that the encoder has seen are too much alike, and the more an input knows, the fewer neighbours are alike at all. Neighbourhoods are
# the stage of the next chapter.

# %%
for where, name in latents:
    # Positions in the whole training split, also where galaxies without S were left out.
    kept = np.flatnonzero(
        np.isin(samples[where].rows("train"), rows_of((where, name), "train"))
    )
    stored = {
        "test_index": kept[found[(where, name), "test"].first(k).index].astype(
            np.int32
        ),
        "test_row": rows_of((where, name), "test"),
    }
    for prefix in prefixes[where, name]:
        this_run.save(f"{prefix}neighbours_{name}.npz", stored)


def by_input(where, values):
    """Of one sample, by input."""
    return {name: values[where, name] for name in inputs[where]}


headline = {
    where: {
        "pit_departure": by_input(where, departures["departure"]),
        "pit_critical_value": by_input(where, departures["5% critical value"]),
        "best_k": by_input(
            where, {key: choice.best for key, choice in choices.items()}
        ),
        "preferred_k": by_input(
            where, {key: choice.k for key, choice in choices.items()}
        ),
        "quality_dex": by_input(where, quality.T.to_dict()),
        "intrinsic_dimension": by_input(where, geometry[f"dimension, k = {k}"]),
        "contrast": by_input(where, geometry["contrast"]),
        "hub_share": by_input(where, busiest["S"]),
        "mass_scatter_growth": by_input(where, growth),
        "training_optimism": by_input(where, optimism.T.to_dict()),
    }
    for where in samples
}
this_run.save_results(
    {"k": k}
    | headline[catalogue_of]
    | {
        "pictures": {"sample": pictures_of} | headline[pictures_of],
        "seen_variance_shrinkage": shrunk.to_dict(orient="index"),
    }
)
print(
    f"stored in runs/{run}/03_knn_estimation: neighbours in {len(latents)} kinds of S, results.json"
)

# %% [markdown]
# **What's next**: {ref}`chapter-causal-discovery`.
#
# **References**: {cite:t}`zhang2025`, {cite:t}`lin2024`, {cite:t}`dawid1984`, {cite:t}`gneiting2007`, {cite:t}`levina2004`, {cite:t}`mackay2005`, {cite:t}`facco2017`, {cite:t}`he2012`, {cite:t}`radovanovic2010`, {cite:t}`matheron1963`.
