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
# (chapter-causal-discovery)=
# # 4. What the input misses
#
# *Among galaxies that the input cannot tell apart, what still goes with the mass?*
#
# If S holds everything that ugriz says about the mass, then among galaxies of equal S nothing that ugriz measures can go with the mass any more. And
# whatever *does* still go with it, a redshift or a near-infrared magnitude, tells something that ugriz does not. A neighbourhood in S is as near as we
# get to "galaxies of equal S". This chapter tests {term}`independence <conditional independence>` inside neighbourhoods, first in the published form, then
# in one that withstands a trap; and ends with a causal graph.

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
        "galsim": "galsim==2.8.5",
        "photutils": "photutils==3.0.0",
        "astroquery": "astroquery==0.4.11",
        "reproject": "reproject==0.21.0",
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
# - Measure {term}`predictive efficiency` in a neighbourhood and compare it with chance.
# - Explain why a neighbourhood's *width* makes independent quantities look dependent, and remove it.
# - State one hypothesis per input and query, with one p-value and one interval.
# - Read a PC graph, and say which of its arrows come from how the sample was chosen.
# :::
#
# **Before you start**: chapters 1 to 3, executed in the same run. **Time and memory**: two minutes on two cores, 0.7 GB.

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

# %% [markdown]
# The text describes the published run. Figures, their titles and the numbers that a cell prints are those of the run you execute.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers.causal import (
    benjamini_hochberg,
    bootstrap_edges,
    local_test,
    pc_graph,
    sample_test,
)
from helpers.inputs import infrared_input, optical_survey, photometric_inputs
from helpers.neighbours import nearest_neighbours
from helpers.plotting import COLOURS, draw_graph, forest, panels, use_style
from helpers.runs import open_run, profile_settings
from helpers.survey import TWO_MASS, WISE, Sample

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="04_causal_discovery", parameters=shared)
settings = profile_settings(profile)["causal"]
sample = Sample.from_frame(this_run.load("01_data/catalog.parquet"), split="split")
inputs = photometric_inputs(sample.catalog)
train_rows, test_rows = sample.rows("train"), sample.rows("test")
latents = {
    name: this_run.load(f"02_contrastive_training/latent_{name}.parquet").to_numpy()[
        train_rows
    ]
    for name in inputs
}
neighbours = {
    name: this_run.load(f"03_knn_estimation/neighbours_{name}.npz") for name in inputs
}
estimates = this_run.load("02_contrastive_training/mass_estimates.parquet")

# %% [markdown]
# ## The questions
#
# Every query is a property Q of the galaxies. The reference galaxies, whose Q and mass enter the tests, are the training split; the neighbourhoods are
# those of the test galaxies.

# %%
reference = sample.catalog.iloc[train_rows]
mass = sample.mass[train_rows]
optical = optical_survey(reference)
# The survey of the infrared bands, where the catalogue has any.
infrared_survey = {"Mnir": TWO_MASS, "Mir": WISE}.get(infrared_input(reference))
infrared_bands = {
    band.name: band.magnitude
    for band in (infrared_survey.bands if infrared_survey else ())
    if band.magnitude in reference
}
bluer, redder = (optical.band(name) for name in optical.colour)
colour = f"{bluer.name} - {redder.name}"
queries = {
    "redshift": reference["z"],
    **{name: reference[column] for name, column in infrared_bands.items()},
    colour: reference[bluer.magnitude] - reference[redder.magnitude],
}
controls = [colour]
if "EBV" in reference:
    queries["E(B-V)"] = reference["EBV"]
    controls.append("E(B-V)")
queries = {name: values.to_numpy(dtype=np.float64) for name, values in queries.items()}
redshift = queries["redshift"]

# %% [markdown]
# Two of them are controls. g - r and E(B-V) are *in* both inputs, and J, H, K are in the second: with a perfect S they would tell nothing more. The redshift is
# in neither, and chapter 1 showed that the mass depends on it.
#
# ## How well does Q predict the mass inside a neighbourhood?
#
# In each neighbourhood fit the masses by a quadratic in Q. The predictive efficiency is the share of the variance that the fit takes away,
#
# $$\mathrm{PE} = 1 - \frac{\mathrm{Var}(\text{residual})}{\mathrm{Var}(M_*)},$$
#
# in words: 0 if Q is no help, 1 if it says everything. A fit to k points always finds a little: with independent Q the PE is about $2/(k-1)$. The null below is the same
# fit after shuffling Q inside the neighbourhood.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four histograms of the predictive efficiency over the neighbourhoods of test galaxies, each with the histogram after shuffling. For redshift the distribution lies far above the shuffled one; for K, colour and reddening the two overlap more."}}
index = neighbours["Mopt"]["test_index"]
k = index.shape[1]
in_infrared = [infrared_survey.reference] if infrared_survey else []
shown = ("redshift", *in_infrared, *controls)
published = {
    name: local_test(mass, values, index, seed=seed) for name, values in queries.items()
}
shuffled = {
    name: local_test(
        mass, np.random.default_rng(seed).permutation(values), index, seed=seed
    )
    for name, values in queries.items()
}
figure, axes = panels(
    len(shown),
    height=2.6,
    title=f"Inside {optical.label} neighbourhoods the redshift takes away {np.nanmedian(published['redshift'].efficiency):.0%} of the mass variance",
)
for axis, name in zip(axes, shown, strict=True):
    edges = np.linspace(0, 1, 51)
    axis.hist(
        published[name].efficiency,
        bins=edges,
        color=COLOURS["blue"],
        alpha=0.75,
        label="observed",
    )
    axis.hist(
        shuffled[name].efficiency,
        bins=edges,
        histtype="step",
        color=COLOURS["vermilion"],
        linewidth=1.6,
        label="shuffled",
    )
    axis.set(xlabel=f"predictive efficiency of {name}", ylabel="neighbourhoods")
    axis.set_yscale("symlog", linthresh=10)
axes[0].legend(fontsize=9)
plt.show()
print(
    f"k = {k}: expected for independent Q about {2 / (k - 1):.3f}; shuffled redshift gives {np.nanmean(shuffled['redshift'].efficiency):.3f}"
)

# %% [markdown]
# The redshift's efficiency is no accident of any test. But look at g - r, which ugriz contains: it too stands above the shuffled values. Has the encoder forgotten the
# colour? Not necessarily.
#
# ## The trap: a neighbourhood has a width
#
# Galaxies in a neighbourhood have *nearly* equal S. Across its width both the mass and Q change a little with S, in step, and so they correlate, although at
# *exactly* equal S they would be independent. The test sees the width. Here is a mock in which we know the truth: M and Q each depend on S and on noise of their own, and on nothing else.


# %%
def fork(n_dimensions, n, rng):
    """Mock: S causes M and S causes Q; given S, M and Q are independent."""
    latent = rng.normal(size=(n, n_dimensions))
    directions = rng.normal(size=(2, n_dimensions))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    m = np.tanh(latent @ directions[0]) + 0.5 * rng.normal(size=n)
    q = (
        np.sin(latent @ directions[1])
        + 0.5 * (latent @ directions[0])
        + 0.5 * rng.normal(size=n)
    )
    return latent, m, q


rng = np.random.default_rng(seed)
n_forks = 5
shares = []
for n_dimensions in (2, 8, 16):
    for _ in range(n_forks):
        latent, m, q = fork(n_dimensions, len(train_rows), rng)
        near = nearest_neighbours(latent, latent[:1000], k).index
        forms = {"published form": None, "S removed": latent}
        for form, removed in forms.items():
            p = local_test(m, q, near, latent=removed, seed=seed).p_value
            share = float(np.mean(p < 0.05))
            shares.append(
                {"dimensions of S": n_dimensions, "form": form, "share": share}
            )
shares = pd.DataFrame(shares).pivot_table(
    index="dimensions of S", columns="form", values="share"
)
shares.round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Bar chart for the mock fork: share of neighbourhoods with p below 0.05, the mean of several forks, for S of 2, 8 and 16 dimensions. The published form lies near the nominal 0.05 in 2 dimensions and far above it in 8 and 16; with S removed the share stays near 0.05."}}
figure, axis = plt.subplots(figsize=(6.2, 3.6))
for i, (form, shade) in enumerate(
    {"published form": COLOURS["orange"], "S removed": COLOURS["blue"]}.items()
):
    axis.bar(
        np.arange(3) + (i - 0.5) * 0.38, shares[form], 0.36, color=shade, label=form
    )
axis.axhline(
    0.05, color=COLOURS["black"], linestyle="--", linewidth=1, label="nominal 0.05"
)
axis.set_xticks(np.arange(3), shares.index)
axis.set(
    xlabel="dimensions of S (mock)", ylabel="share of neighbourhoods with p < 0.05"
)
axis.set_title(
    "In a mock fork, width alone makes most neighbourhoods 'dependent'"
    if shares["published form"].max() > 0.5
    else "In a mock fork, width alone makes neighbourhoods 'dependent'"
)
axis.legend()
plt.show()

# %% [markdown]
# The cure is to remove S *inside* the neighbourhood: fit the mass and Q linearly in S there, and test what is left, with the fit's degrees of freedom counted
# (`latent=S`). On the mock this brings the share of false alarms down to near 5%.
#
# ## One hypothesis, one p-value
#
# Thousands of neighbourhoods are not thousands of tests: they overlap and share galaxies. The question per input and query is *one*: is Q independent of
# the mass at given S? The statistic is the mean adjusted efficiency over all neighbourhoods; its p-value comes from shuffling what S leaves of Q, once across the whole
# sample per replicate; its interval from random halves of the reference galaxies. Then the same given the redshift.


# %%
def verdicts(name):
    near, latent = neighbours[name], latents[name]
    for query, values in queries.items():
        for condition, given in {"": None, "redshift": redshift}.items():
            if query == condition:
                continue
            raw = local_test(mass, values, near["test_index"], given, seed=seed)
            test = sample_test(
                mass,
                values,
                near["test_index"],
                given,
                latent,
                settings["n_permutations"],
                settings["n_resamples"],
                seed,
                reference_index=near["train_index"],
            )
            yield {
                "input": name,
                "query": query,
                "given": condition,
                "published": float(np.nanmean(raw.adjusted_efficiency)),
                "S removed": test.statistic,
                "low": test.interval[0],
                "high": test.interval[1],
                "p": test.p_value,
            }


table = pd.DataFrame([row for name in inputs for row in verdicts(name)])
table["p (BH)"] = benjamini_hochberg(table["p"].to_numpy())
table.round(4)

# %% [markdown]
# `published` is the mean efficiency of the published form, adjusted for the degrees of freedom (ours), `S removed` the same after removing S. The last column controls the false discovery rate over all rows
# of the table ({term}`Benjamini-Hochberg procedure`). The smallest p that this number of shuffles can give is one over one more than their number.


# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels, for the two inputs: mean adjusted predictive efficiency of each query, without conditioning, in the published form and with S removed, with intervals. Redshift stands far above all others in both panels; the others, the controls among them, are at most a few hundredths."}}
def draw_verdicts(condition, title):
    figure, axes = panels(len(inputs), height=3.6, title=title)
    for axis, (name, label) in zip(axes, inputs.items(), strict=True):
        part = table[(table["input"] == name) & (table["given"] == condition)]
        forest(
            axis,
            part["query"],
            part["published"],
            part["published"],
            part["published"],
            colour=COLOURS["orange"],
            marker="D",
            offset=0.15,
            label="published form",
        )
        forest(
            axis,
            part["query"],
            part["S removed"],
            part["low"],
            part["high"],
            offset=-0.15,
            label="S removed, 95% interval",
        )
        axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
        axis.set(xlabel="mean adjusted predictive efficiency")
        axis.set_xscale("symlog", linthresh=0.05, linscale=2)
        axis.set_xlim(-0.015, 1.5)
        axis.set_xticks([0, 0.02, 0.05, 0.2, 1], ["0", "0.02", "0.05", "0.2", "1"])
        axis.minorticks_off()
        axis.set_title(f"input: {label}", fontsize=10, fontweight="normal")
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=9,
    )
    plt.show()


at_z = table[(table["query"] == "redshift") & (table["input"] == "Mopt")].iloc[0]
draw_verdicts(
    "",
    f"At fixed S of {optical.label} the redshift predicts {at_z['S removed']:.0%} of the remaining variance",
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "The same two panels given the redshift: efficiencies of the magnitudes, colour and reddening after the redshift is removed as well."}}
colour_row = table[
    (table["query"] == colour)
    & (table["input"] == "Mopt")
    & (table["given"] == "redshift")
].iloc[0]
draw_verdicts(
    "redshift",
    f"Once the redshift is known, {colour} predicts {colour_row['S removed']:.0%} of what S of {optical.label} leaves",
)

# %% [markdown]
# ### How to read the two figures
#
# - **Redshift**, without conditioning, is what ugriz misses most, as chapter 1 said it must be.
# - **g - r and E(B-V)** are controls: both inputs contain them, so with a perfect S and a perfect test nothing would be left of them once S is removed. What is left is what the encoder lost of
#   its own input, or what a linear removal of S lets through. It is the *floor* of this test on this sample, printed below: a small p-value under the floor is no discovery. (An efficiency is a
#   share of the variance that is still there, and removing S lowers that variance. So it can also grow.)
# - **J, H, K** at fixed S of ugriz keep a small efficiency. Compare it with the floor: where the infrared does not stand above it, this figure does not show that the infrared adds
#   anything. For the second input J, H, K are controls themselves.
# - **Given the redshift**, everything changes, and that is instructive. S summarises what ugriz says about the mass *while the redshift is unknown*, and may drop
#   what matters only once it is known. At known redshift the mass follows from luminosity and colour, and among galaxies of equal S there are near faint ones
#   and far bright ones of all colours. So g - r, nearly useless at fixed S, becomes informative at fixed S *and* redshift. Two things that together tell more than the sum of
#   what each tells alone: chapter 5 has a name for that.
#
# %%
alone = table[table["given"] == ""]
floor = alone.loc[alone["query"].isin(controls), "S removed"].max()
infrared = alone[alone["query"].isin(infrared_bands) & (alone["input"] == "Mopt")]
print(f"floor, the largest efficiency of a control: {floor:.3f}")
if len(infrared):
    print(
        f"largest efficiency of {', '.join(infrared_bands)} at fixed S of {optical.label}: {infrared['S removed'].max():.3f}"
    )

# %% [markdown]
# ## A causal graph
#
# The PC algorithm {cite}`spirtes2000` starts from a graph with all edges, deletes every edge whose ends are independent given some other variables, and orients
# what the pattern of {term}`collider`s allows. We add what is known: a galaxy's distance and the dust in front of it are not caused by its mass, measured magnitudes cause neither,
# and an estimate of the mass made from photometry, `M(S)`, causes nothing.

# %%
held_out = sample.catalog.iloc[test_rows]
variables = pd.DataFrame(
    {
        "mass": held_out[sample.target],
        "redshift": np.log10(held_out["z"]),
        optical.reference: held_out[optical.band(optical.reference).magnitude],
        colour: held_out[bluer.magnitude] - held_out[redder.magnitude],
        **{name: held_out[infrared_bands[name]] for name in in_infrared},
        "M(S)": estimates["Mopt"].iloc[test_rows],
    }
)
if "EBV" in held_out:
    variables.insert(2, "E(B-V)", held_out["EBV"])
tiers = {"redshift": 0, "E(B-V)": 0, "mass": 1, "M(S)": 3}
tiers = {name: tiers.get(name, 2) for name in variables}
graph = pc_graph(variables, alpha=settings["alpha"], tiers=tiers, seed=seed)
frequency = bootstrap_edges(
    variables, settings["n_bootstrap"], alpha=settings["alpha"], tiers=tiers, seed=seed
)
print(
    f"{graph.metadata['n_used']} test galaxies without nulls, alpha = {settings['alpha']}"
)
stable = frequency[frequency["any"] >= 0.9]
stable_pairs = {frozenset(pair) for pair in zip(stable["a"], stable["b"], strict=True)}
frequency.columns = ["a", "b", "share with an edge", "share a -> b", "share b -> a"]
frequency[frequency["share with an edge"] > 0].sort_values(
    "share with an edge", ascending=False
).round(2).reset_index(drop=True)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Causal graph found by the PC algorithm on seven variables drawn on a circle: mass, redshift, reddening, r magnitude, g minus r colour, K magnitude and the mass estimated from S. Arrows are drawn where a direction is identified or known, lines elsewhere; edges that few resamplings repeat are dashed."}}
figure, axis = plt.subplots(figsize=(6.4, 5.6))
weak = {frozenset(edge[:2]) for edge in graph.edges} - stable_pairs
draw_graph(axis, graph, highlight="mass", dashed=weak)
axis.set_title(
    f"{len(graph.edges) - len(weak)} of PC's {len(graph.edges)} edges return in most resamplings"
)
plt.show()

# %% [markdown]
# Dashed edges appear in fewer than nine of ten resamplings. Five warnings before believing an arrow.
#
# - **Selection.** Galaxies are in the sample because they are apparently bright. Chapter 1 measured what that does: an edge between redshift and mass is here in
#   any case, and no algorithm can tell it from a cause without knowing how the sample was made.
# - **Direction by decree.** The tiers orient every edge between them. The arrow from the mass to `M(S)` says only that an edge is there and that we forbade its reverse.
# - **Silence.** E(B-V) has no edge, yet that dust dims and reddens these very magnitudes, which are not corrected for it. A missing edge may be a weak effect.
# - **Determinism.** The mass is almost a function of the other columns. PC rests on {term}`faithfulness`, and functions break it: given four of the
#   variables the fifth has nothing left to say, whatever the arrows.
# - **Linearity.** Fisher's z tests partial *correlations*. Colour and redshift are related by a bent curve.
#
# The table of {term}`bootstrap` frequencies says which edges are stable against sampling. It does not say which are true; for that a universe with known
# causes is needed.
#
# ## Check yourself

# %%
redshift_row = table[(table["query"] == "redshift") & (table["given"] == "")].set_index(
    "input"
)
if profile != "smoke" and dataset == "sdss-mini":
    # These are findings about the published data set, which other galaxies need not share.
    assert (redshift_row["p (BH)"] < 0.05).all(), "the redshift must be seen"
    assert (redshift_row["S removed"] > 5 * floor).all(), (
        "the redshift must stand far above the controls"
    )
    assert infrared["S removed"].max() < 2 * floor, (
        "the infrared is of the size of the controls"
    )
if profile != "smoke" and len(train_rows) > 10 * k:
    # The forks are as large as the training split; in a small one all neighbourhoods are nearly the same.
    assert (shares["published form"].loc[[8, 16]] > 0.2).all(), "width should show"
    assert shares["S removed"].between(0.03, 0.08).all(), (
        "removing S should restore the nominal rate on the mock"
    )

# %% [markdown]
# :::{exercise}
# :label: exercise-width
# Halve k. Does the published efficiency of g - r go down, as the width of the neighbourhoods does? Predict, then compute.
# :::

# %% tags=["hide-cell"]
# Solution: in eight dimensions a neighbourhood of half the members is only 2**(1/8) = 1.09 times narrower, so little changes.
for count in (k, k // 2):
    test = local_test(mass, queries[colour], index[:, :count], seed=seed)
    print(
        f"k = {count}: mean adjusted efficiency {np.nanmean(test.adjusted_efficiency):.3f}"
    )

# %% [markdown]
# ## What could be wrong
#
# - S was learnt from some thousand galaxies. "Beyond S" is "beyond ugriz" only as far as S kept what ugriz knows; the controls measure how far.
# - Removing S is linear inside a neighbourhood. Where the mass and Q bend with S in the *same* way, some dependence stays, and the test may reject too often.
# - The reference galaxies trained the encoder; chapter 3 measures what that may do to their scatter.
# - The mass was *computed* from photometry and redshift. That the redshift matters is built in; how much the near infrared can stand in for it is not.
#
# ## Summary
#
# Independence inside a neighbourhood must be tested after removing S, as one hypothesis per query. At fixed S of ugriz the redshift is what is missing; what
# J, H and K add to ugriz is not above the floor that the controls set. The next chapter puts numbers, in nats, on the same question.

# %%
this_run.save("verdicts.parquet", table)
this_run.save("edge_frequencies.parquet", frequency)
this_run.save_results(
    {
        "verdicts": table.to_dict(orient="records"),
        "mock_fork_share_rejected": shares.to_dict(),
        "pc_edges": [list(edge) for edge in graph.edges],
        "pc_n_used": graph.metadata["n_used"],
    }
)
print(
    f"stored in runs/{run}/04_causal_discovery: verdicts, edge frequencies, results.json"
)

# %% [markdown]
# **What's next**: {ref}`chapter-information-decomposition`.
#
# **References**: {cite:t}`zhang2025`, {cite:t}`spirtes2000`, {cite:t}`zheng2024`, {cite:t}`benjamini1995`, {cite:t}`pearl2009`.
