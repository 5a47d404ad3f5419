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
# Chapter 4 asked *whether* something is missing from ugriz. This chapter asks *how much*, in {term}`nat`s, and how two inputs share what they know: what both
# tell ({term}`redundant <redundancy>`), what only one tells ({term}`unique <unique information>`), and what neither tells alone but both tell together
# ({term}`synergistic <synergy>`). Two pairs: ugriz with the near infrared, and ugriz with the redshift.

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
# - Turn a network's cross-entropy on held-out galaxies into a lower bound on {term}`mutual information`.
# - Tell an information gain from the gain that any correction makes, with a {term}`placebo`.
# - Decompose information pointwise, with intervals, and read it beside the conditional information.
# - Say which conclusion survives a change of the definition of redundancy.
# :::
#
# **Before you start**: chapter 1, executed in the same run. **Time and memory**: about six minutes on two cores, 1 GB.

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
from dit.shannon import mutual_information
from helpers.information import decompose_inputs, estimate_information, noise_bias
from helpers.information.measures import (
    binned_information,
    compare_definitions,
    joint_distribution,
    quantile_bins,
)
from helpers.inputs import infrared_input, optical_survey
from helpers.plotting import (
    COLOURS,
    grouped_atoms,
    panels,
    pit_departure,
    pit_histogram,
    use_style,
)
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
this_run = open_run(run, chapter="05_information_decomposition", parameters=shared)
settings = profile_settings(profile)["decomposition"]
sample = Sample.from_frame(this_run.load("01_data/catalog.parquet"), split="split")
test_rows = sample.rows("test")
mass = sample.mass
optical = optical_survey(sample.catalog)
infrared = infrared_input(sample.catalog)  # None where the catalogue has none

# %% [markdown]
# ## From cross-entropy to information
#
# Before we see a galaxy, all we know of its mass is the {term}`prior` $p$: the histogram of the training masses. A network that sees an input $X$ gives its own probability
# $q$ to each mass bin. For one galaxy with its mass in bin $b$ the gain is
#
# $$i_X = \ln q(b \mid X) - \ln p(b),$$
#
# in words: by how much, in natural logarithm, the input raised the probability of what was true. It is negative for a galaxy about which the input misled. Its mean
# over galaxies that the network never saw is a *lower bound* of the mutual information $I(X; M_*)$, and tight only if $q$ is the true conditional distribution: well trained and well
# calibrated {cite}`poole2019,mcallester2020,guo2017`.
#
# One information network per refit, trained on a {term}`bootstrap` sample of the training galaxies, calibrated on validation galaxies, judged on test galaxies. The prior is the same for every input.

# %%
seeds = tuple(seed + i for i in range(settings["n_refits"]))
reuse = {}
options = {
    "profile": profile,
    "seeds": seeds,
    "device": device,
    "reuse": reuse,
    "checkpoint_dir": this_run.scratch("fits"),
}
partners = {"infrared": infrared, "redshift": "Zspec"}
pairs = {
    f"{optical.label}, {partner}": decompose_inputs(sample, "Mopt", name, **options)
    for partner, name in partners.items()
    if name
}
with_redshift = f"{optical.label}, redshift"
with_infrared = f"{optical.label}, infrared" if infrared else None
estimates = {}
for pair in pairs.values():
    for estimate in pair.estimates:
        estimates[estimate.name] = estimate
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
    f"{len(test_rows)} held-out galaxies, {len(seeds)} refits; 5% critical value of the PIT departure {critical:.3f}"
)
information.round(3)

# %% [markdown]
# A nat is worth remembering as a scatter: for Gaussian errors, one nat of information divides the scatter by $e$.
#
# ### Can the distributions be believed?
#
# An information estimate from a miscalibrated network is too low. The PIT again, for the inputs that matter most:

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of the probability integral transform of the information networks for ugriz and for ugriz with redshift, with the band expected for a uniform one."}}
shown = ("Mopt", "Mopt+Zspec")
worst = max(rows[name]["PIT departure"] for name in shown)
figure, axes = panels(
    2,
    title=f"The largest PIT departure, {worst:.3f}, is {'below' if worst < critical else 'above'} its 5% critical value",
)
for axis, name in zip(axes, shown, strict=True):
    pit_histogram(axis, estimates[name].pit[test_rows])
    axis.set_title(
        f"{name}: departure {rows[name]['PIT departure']:.3f}",
        fontsize=10,
        fontweight="normal",
    )
axes[0].legend(fontsize=9, loc="lower center")
plt.show()

# %% [markdown]
# A hump in the middle means that the bulk of the distributions is a little too wide, a tilt that they are shifted. The table shows the departure of every input. Where one exceeds the critical value although its
# network was calibrated on validation galaxies, we have not found out why; averaging refits of different bootstrap samples is one candidate. A miscalibrated $q$ costs information, so such estimates remain lower
# bounds, but are not the best possible.
#
# ## How do two inputs share it?
#
# For each galaxy, with $i_1$, $i_2$ the gains from each input and $i_{12}$ that from both (paper):
#
# $$R = \min(i_1, i_2), \quad U_1 = i_1 - R, \quad U_2 = i_2 - R, \quad \mathrm{Syn} = i_{12} - \max(i_1, i_2),$$
#
# in words: redundant is what the less informative input tells, unique what the other tells beyond it, synergistic what both tell beyond the better one. The four add up to $i_{12}$.
#
# The definition has a trap of its own. If the second input tells *nothing* new, $i_{12} = i_1$, and then $\mathrm{Syn} = -U_2$, which is *negative*, not zero, whenever the second input is
# now and then luckier. So beside the synergy always stands the quantity that must vanish in that case, the {term}`conditional information <conditional mutual information>`
#
# $$I(X_2; M_* \mid X_1) = \langle i_{12} - i_1 \rangle = U_2 + \mathrm{Syn},$$
#
# what the second input adds to the first. Even that can be fooled: a correction on top of an imperfectly trained network gains something
# from *any* input. The placebo measures this: the same correction, with the second input exchanged between galaxies. Net of it is what counts.

# %%
tables = {
    name: pair.mean(bootstrap=settings["n_bootstrap"], seed=seed)
    for name, pair in pairs.items()
}
pd.concat({name: table.round(3) for name, table in tables.items()}, axis=1)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Grouped bars with intervals: redundant, unique to the first, unique to the second and synergistic information for two pairs, ugriz with infrared and ugriz with redshift. For the infrared pair nearly all is unique to ugriz, and redundancy and synergy are slightly negative; for the redshift pair synergy is by far the largest."}}
synergies = f"{tables[with_redshift].loc['Syn', 'mean']:.2f} nats for redshift"
if infrared:
    synergies += f", {tables[with_infrared].loc['Syn', 'mean']:.2f} for infrared"
figure, axis = plt.subplots()
grouped_atoms(axis, list(tables), list(tables.values()))
axis.set(ylabel="information on the mass (nats)")
axis.set_title(f"Synergy with {optical.label}: {synergies}")
axis.legend(ncols=2)
plt.show()

# %% [markdown]
# **ugriz and redshift** tell something *together* that neither tells alone. That is how a luminosity works: brightness without distance, or distance without brightness, is half a
# sentence. It is also what chapter 4 met from the other side.
#
# **ugriz and infrared** are another story. By themselves J, H and K say very little about the mass of *these* galaxies, as the table above shows. The reason can be read off the catalogue:

# %%
for survey in ({"Mnir": TWO_MASS, "Mir": WISE}.get(infrared), optical):
    if survey is None:
        continue
    bluer, redder = (survey.band(name) for name in survey.colour)
    colour = sample.catalog[bluer.magnitude] - sample.catalog[redder.magnitude]
    middle = np.subtract(*colour.quantile([0.84, 0.16])) / 2
    words = f"{bluer.name} - {redder.name} scatters by {middle:.2f} mag"
    errors = [band.magnitude_error for band in (bluer, redder)]
    if set(errors) <= set(sample.catalog):
        error = np.hypot(*(sample.catalog[column] for column in errors))
        words += f", and its typical error is {error.median():.2f} mag"
    print(words)

# %% [markdown]
# A brightness says little by itself, in the infrared or in the optical, because the sample was chosen by it. What ugriz has besides is colour, measured far better than it varies; the infrared colours are mostly noise.
# So nearly everything is unique to ugriz. And both the redundancy and the synergy come out *negative*. Neither is a discovery. A galaxy
# is called redundant by its less lucky input, and where one input knows almost nothing that is a coin toss with a negative mean; the synergy is negative by the trap above. This is what the
# pointwise definition gives for an input that adds nothing, and why the next figure is the one to look at.
#
# ### What does the second input add?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Conditional information of infrared and of redshift given ugriz, raw, by the placebo, and net of the placebo, with intervals. The infrared's net gain is zero within its interval; the redshift's is about two nats. Placebos are close to zero."}}
kinds = {"raw": "conditional_2", "placebo": "placebo_2", "net": "conditional_2_net"}
net = {name: table.loc["conditional_2_net", "mean"] for name, table in tables.items()}
gains = (
    f"infrared adds {net[with_infrared]:.3f} nats and redshift {net[with_redshift]:.2f}"
    if infrared
    else f"redshift adds {net[with_redshift]:.2f} nats"
)
figure, axes = panels(len(tables), height=2.6, title=f"Given {optical.label}, {gains}")
for axis, (name, table) in zip(axes, tables.items(), strict=True):
    part = table.loc[list(kinds.values())]
    place = np.arange(len(kinds))[::-1]
    axis.errorbar(
        part["mean"],
        place,
        xerr=[part["mean"] - part["low"], part["high"] - part["mean"]],
        fmt="o",
        color=COLOURS["blue"],
        capsize=3,
    )
    axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set_yticks(place, list(kinds))
    axis.locator_params(axis="x", nbins=3)
    axis.set(xlabel="conditional information (nats)", ylim=(-0.5, 2.5))
    axis.set_title(
        f"{name.rsplit(', ', 1)[1]} given {optical.label}",
        fontsize=10,
        fontweight="normal",
    )
plt.show()

# %% [markdown]
# ### A second opinion on the infrared
#
# The correction starts from ugriz and stops early, so it may miss a small gain. The paper's way has no such bias, and more noise: one network for ugriz, one for the union, each from scratch.

# %%
second_opinion = None
if infrared:
    part, union = (
        estimate_information(sample, name, estimator="separate", **options)
        for name in ("Mopt", f"Mopt+{infrared}")
    )
    gain = union.seed_means - part.seed_means
    pooled = union.mean - part.mean
    second_opinion = {
        optical.label: part.mean,
        "union": union.mean,
        "gain": pooled,
        "gain by refit": gain,
    }
    print(
        f"{optical.label} {part.mean:.3f}, with infrared {union.mean:.3f} nats: gain {pooled:+.3f}"
    )
    print("gain of each pair of refits:", ", ".join(f"{value:+.3f}" for value in gain))
else:
    print("no infrared in this catalogue")

# %% [markdown]
# Take the scatter of the refits' gains for what it is: the size of effect that this method can see. A gain of a hundredth of a nat, which the small efficiencies of chapter 4 would amount to, is below it.
#
# ### How much do estimation errors matter?
#
# An error in $i_1 - i_2$ makes the unique parts too large and the others too small by as much. The refits say how large the error is; adding more noise and extrapolating back to none
# (SIMEX) says what it does.

# %%
bias = {}
for name, pair in pairs.items():
    if len(seeds) > 1:
        first, second, both = (estimate.pointwise for estimate in pair.estimates)
        found = noise_bias(first, second, both, pair.refit_error, seed=seed)
        bias[name] = {
            "error of each input (nats)": pair.refit_error,
            "bias of U1 and U2": found.unique,
            "bias of R and Syn": found.redundant,
        }
pd.DataFrame(bias).T.round(3)

# %% [markdown]
# ## For which masses?
#
# The decomposition is pointwise, so it can be averaged over any class of galaxies. In bins of mass:

# %% tags=["hide-input"] mystnb={"image": {"alt": "Conditional information of infrared given ugriz, and of redshift given ugriz, against stellar mass in five bins with intervals. The infrared's values scatter about zero; the redshift's decline with mass."}}
edges = np.quantile(mass[test_rows], [0, 0.2, 0.4, 0.6, 0.8, 1])
group = np.clip(np.searchsorted(edges, mass, side="right") - 1, 0, 4)
centres = [np.median(mass[test_rows][group[test_rows] == i]) for i in range(5)]
by_mass = {
    name: pair.mean(bootstrap=settings["n_bootstrap"], seed=seed, groups=group)
    for name, pair in pairs.items()
}
trend = (
    by_mass[with_redshift]
    .xs("conditional_2_net", level="quantity")
    .sort_index()["mean"]
)
figure, axes = panels(
    len(by_mass),
    title=f"Redshift adds {trend.iloc[0]:.1f} nats for the lightest fifth of galaxies, {trend.iloc[-1]:.1f} for the heaviest",
)
for axis, (name, table) in zip(axes, by_mass.items(), strict=True):
    part = table.xs("conditional_2_net", level="quantity").sort_index()
    axis.errorbar(
        centres,
        part["mean"],
        yerr=[part["mean"] - part["low"], part["high"] - part["mean"]],
        fmt="o-",
        color=COLOURS["blue"],
        capsize=3,
    )
    axis.axhline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set(xlabel="log10 stellar mass (solar masses)", ylabel="net of placebo (nats)")
    axis.set_title(
        f"{name.rsplit(', ', 1)[1]} given {optical.label}",
        fontsize=10,
        fontweight="normal",
    )
plt.show()

# %% [markdown]
# The redshift adds most for the lightest galaxies of the sample. For the infrared, compare each interval with zero, and remember that there are five of them.
#
# ## Does the conclusion hang on the definition?
#
# Redundancy has no agreed definition. The package dit implements many {cite}`james2018`. They need small discrete variables, so each input is replaced by
# its predicted mass, in quantile bins, and so is the mass. First, one check that has nothing to do with definitions: our own
# mutual informations of the binned table against dit's.

# %%
n_bins = settings["n_bins_dit"]
differences, definitions = {}, {}
for name, pair in pairs.items():
    summaries = [pair.estimates[i].predicted_mass[test_rows] for i in (0, 1)]
    binned = [quantile_bins(values, n_bins) for values in (*summaries, mass[test_rows])]
    table = joint_distribution(*binned)
    ours = [
        binned_information(binned[0], binned[2]),
        binned_information(binned[1], binned[2]),
        binned_information(binned[0] * n_bins + binned[1], binned[2]),
    ]
    theirs = [
        mutual_information(table, parts, [2]) * np.log(2)
        for parts in ([0], [1], [0, 1])
    ]
    differences[name] = float(np.abs(np.array(ours) - theirs).max())
    definitions[name] = compare_definitions(*binned)
print(
    {
        name: f"largest difference {value:.1e} nats"
        for name, value in differences.items()
    }
)
pd.concat(definitions, axis=1).round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Synergy of both pairs on the binned summaries under several definitions, as grouped bars: the pointwise one of the paper, negative for both pairs, and those of dit, which are positive."}}
figure, axis = plt.subplots(figsize=(6.6, 3.8))
words = {"pointwise": "pointwise\n(paper)", "WB": "WB\n(I_min)"}
place = np.arange(len(definitions[with_redshift]))
for i, (name, table) in enumerate(definitions.items()):
    axis.bar(
        place + (i - (len(definitions) - 1) / 2) * 0.38,
        table["synergy"],
        0.36,
        color=list(COLOURS.values())[i],
        label=name,
    )
if infrared:
    always = all(
        definitions[with_redshift]["synergy"] > definitions[with_infrared]["synergy"]
    )
    title = (
        "Redshift is the more synergistic partner under every definition"
        if always
        else "Which pair is more synergistic hangs on the definition"
    )
else:
    signs = set(np.sign(definitions[with_redshift]["synergy"]))
    title = (
        "The synergy with redshift has one sign under every definition"
        if len(signs) == 1
        else "Even the sign of the synergy hangs on the definition"
    )
axis.axhline(0, color=COLOURS["black"], linewidth=0.8)
axis.set_xticks(place, [words.get(key, key) for key in table.index])
axis.set(ylabel=f"synergy of {n_bins}-bin summaries (nats)")
axis.set_title(title)
axis.legend()
plt.show()

# %% [markdown]
# WB is the I_min of {cite:t}`williams2010`, MMI that of {cite:t}`barrett2015`, BROJA that of {cite:t}`bertschinger2014`; CCS, dep and IG are dit's names for three more.
#
# The values differ, in size and even in sign: on these summaries the pointwise synergy of the redshift is itself negative, where the networks gave a large positive one. The binned numbers are also far below those of the networks: a few bins cannot hold what a network knows, and each input is here reduced to the one mass that it predicts,
# so that what only a *combination* of magnitudes and redshift tells is lost before dit sees it. Compare definitions with one another, and pairs within a definition; not these numbers with those above.
#
# ## Check yourself

# %%
for name in pairs:
    table = tables[name]["mean"]
    assert np.isclose(table[["R", "U1", "U2", "Syn"]].sum(), table["I(X1,X2)"]), (
        "the four parts add up to the whole"
    )
    assert np.isclose(table["U2"] + table["Syn"], table["conditional_2"])
assert max(differences.values()) < 1e-9, "our binned information must be dit's"
if profile != "smoke" and dataset == "sdss-mini":
    # These are findings about the published data set, which other galaxies need not share.
    assert tables[with_redshift].loc["conditional_2_net", "low"] > 0.5, (
        "the redshift must add much to ugriz"
    )
    assert (
        tables[with_redshift].loc["Syn", "low"]
        > tables[with_infrared].loc["Syn", "high"]
    )
    assert rows["Mopt"]["RMSE (dex)"] < 0.26 and rows["Mopt+Zspec"]["RMSE (dex)"] < 0.09

# %% [markdown]
# :::{exercise}
# :label: exercise-noise-input
# Add a column of pure noise to the catalogue and decompose ugriz with it. What should the conditional information be, and what sign has the synergy?
# :::

# %% tags=["hide-cell"]
# Solution: nothing is added, so the net conditional information is zero to about 0.001 nats; and Syn = -U2 is not positive.
noisy = sample.catalog.assign(
    noise=np.random.default_rng(seed).normal(size=len(sample)), split=sample.split
)
with_noise = decompose_inputs(
    Sample.from_frame(noisy, split="split"),
    list(optical.magnitudes),
    ["noise"],
    profile=profile,
    seeds=(seed,),
    device=device,
)
with_noise.mean(bootstrap=settings["n_bootstrap"], seed=seed).round(3)

# %% [markdown]
# ## What could be wrong
#
# - Every number here is about networks trained on some thousand galaxies. With more galaxies they would know more, and not all of them equally more.
# - The mass was computed from ugriz and redshift: that these two are synergistic is arithmetic, and a good test of the method. That the infrared adds little
#   is partly because this mass has never seen it.
# - The bins of the mass limit how much a precise input can show: an error far smaller than a bin cannot be rewarded.
# - Redshift alone is this informative because the sample was chosen by brightness (chapter 1). In a volume-limited sample its own information, and the redundancy with it, would be smaller.
# - Refits on bootstrap samples see about 63% of the training galaxies each, so single refits know a little less than one network trained on all.
#
# ## Summary
#
# About the mass of these galaxies ugriz and redshift are synergistic: most of what they tell, they tell only together. 2MASS magnitudes tell little and add less than these networks can resolve, although
# their pointwise synergy is negative: the conditional information, net of a placebo, is the number to quote, and the atoms tell where it comes from.

# %%
pointwise = pd.concat(
    [pair.table().add_prefix(f"{name}: ") for name, pair in pairs.items()], axis=1
)
this_run.save("decompositions.parquet", pointwise.set_axis(sample.catalog.index))
this_run.save_results(
    {
        "information": information.to_dict(orient="index"),
        "decompositions": {
            name: table.to_dict(orient="index") for name, table in tables.items()
        },
        "separate": second_opinion,
        "noise_bias": bias,
        "definitions": {
            name: table.to_dict(orient="index") for name, table in definitions.items()
        },
        "dit_difference_nats": differences,
        "n_refits": len(seeds),
    }
)
print(
    f"stored in runs/{run}/05_information_decomposition: decompositions, results.json"
)

# %% [markdown]
# **References**: {cite:t}`zhang2025`, {cite:t}`williams2010`, {cite:t}`bertschinger2014`, {cite:t}`finn2018`, {cite:t}`james2018`, {cite:t}`mcallester2020`, {cite:t}`guo2017`.
