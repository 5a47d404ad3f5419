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
# (chapter-contrastive-training)=
# # 2. Contrastive training
#
# *Can a network be taught to keep, in a few numbers, exactly what its input knows about the mass?*
#
# A network that predicts stellar mass gives one answer per galaxy and keeps its reasons to itself. Here we want more than the answer:
# a short list of numbers, S, that holds everything the input says about the mass and as little else as possible. If we had that, a
# question about the *input* would become a question about S: whatever is still tied to the mass among galaxies of equal S is something
# the input does not tell. The intended picture is a {term}`chain`
#
# $$\text{input} \longrightarrow S \longrightarrow M_*,$$
#
# in words: the input reaches the mass only through S. {term}`Supervised contrastive learning <contrastive learning>` is a way to train
# for it {cite}`khosla2020,zhang2025,lin2024`.

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
# - Name the four terms of the loss, and what each asks of the network.
# - Train `Mopt` (ugriz) and `Mopt+Mnir` (with J, H, K) and judge whether the training converged.
# - Compare the network with gradient boosting on the same split.
# - Look at S, and test whether the predicted distributions are calibrated.
# :::
#
# **Before you start**: {ref}`chapter 1 <chapter-data>`, executed in the same run. **Time and memory**: about two minutes on two cores, 1.5 GB.

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
import torch
from helpers.contrastive import (
    Batch,
    MassBins,
    contrastive_loss,
    count_parameters,
    embed,
    fit_scaling,
    photometry_network,
    predict_mass,
    scale_features,
    train,
)
from helpers.inputs import photometric_inputs, resolve
from helpers.plotting import COLOURS, panels, pit_departure, pit_histogram, use_style
from helpers.runs import open_run
from helpers.survey import Sample
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="02_contrastive_training", parameters=shared)
sample = Sample.from_frame(this_run.load("01_data/catalog.parquet"), split="split")

# %% [markdown]
# ## What does a network read?
#
# Every input has *main* columns, which the model is about, and *extra* ones that go along: the reddening and the errors. The
# reconstruction below is asked of the main columns only.

# %%
inputs = photometric_inputs(sample.catalog)
for name in inputs:
    resolved = resolve(name, sample.catalog)
    print(
        f"{name}\n  main:  {', '.join(resolved.main)}\n  extra: {', '.join(resolved.extra)}"
    )

# %% [markdown]
# Columns are shifted and scaled to mean 0 and variance 1 on the training split, errors after taking their logarithm. A null becomes 0, the
# training mean, and raises a flag among the extras. This is our choice; the published models read magnitudes as they are.

# %%
training = sample.catalog.iloc[sample.rows("train")]
scaling = fit_scaling(resolve("Mopt", sample.catalog), training)
features = scale_features(scaling, training)
bins = MassBins()
print(
    f"main {features.main.shape}, extra {features.extra.shape}, flags for {', '.join(scaling.flagged) or 'no column'}"
)

# %% [markdown]
# ## What is the network asked to do?
#
# Three small networks share the work. The **encoder** turns the input into a latent vector, whose first 8 numbers are S and the other 8
# *ext*. The **estimator** sees S alone and gives a probability for each bin of log mass. The **decoder** sees S and ext together and
# redraws the input: $x'$.
#
# The loss compares pairs of batches, A and B. It is the plain sum of four terms (paper, with weight $\lambda$ = 1 for photometry):
#
# - **cross-entropy**: the mass must be predicted, from $x$ and again from its redrawing $x'$;
# - **reconstruction**: $x'$ must look like $x$, and the redrawing of $x'$ like $x'$;
# - **contrast**, $\log(1 + e^{d_\mathrm{pos} - d_\mathrm{neg}})$: in S, a galaxy and its redrawing (distance $d_\mathrm{pos}$) must be closer than two different
#   galaxies ($d_\mathrm{neg}$);
# - **consistency**: $x$ and $x'$ must be given the same mass distribution.
#
# Contrast and consistency pull S in one direction: nothing may live in S that a redrawing does not preserve. What the
# decoder needs besides goes to ext. Here are the four terms for one pair of batches and a network that has not learnt anything:

# %%
torch.manual_seed(seed)
untrained = photometry_network(scaling.n_main, scaling.n_extra, bins.count)
labels = torch.from_numpy(bins.labels(sample.mass[sample.rows("train")]))
main, extra, present = (
    torch.from_numpy(array)
    for array in (features.main, features.extra, features.present)
)


def batch(rows):
    return Batch(main[rows], extra[rows], present[rows], labels[rows])


with torch.no_grad():
    terms = contrastive_loss(untrained, batch(slice(0, 128)), batch(slice(128, 256)))
columns = resolve("Mopt", sample.catalog)
published = count_parameters(
    photometry_network(len(columns.main), len(columns.extra), 520)
)
print(
    f"a network of the published widths has {count_parameters(untrained):,} parameters, {published:,} without our flags"
)
for name, value in vars(terms).items():
    print(f"{name:15s} {float(value):8.3f}")
print(f"four times the log of {bins.count} bins: {4 * np.log(bins.count):.3f}")

# %% [markdown]
# The cross-entropy is a sum of four batch means, and for an untrained network each is near $\log 520$: it spreads its bet over all bins. The
# contrast starts near $\log 2 = 0.69$, where a redrawn galaxy is no nearer than a stranger.
#
# ## How well does it learn?
#
# Now both models. At this sample size we use compact networks and fewer, wider bins than the 520 of the paper (a square-root rule, scaled to reach 520 bins at about 100,000 galaxies), and keep the
# step with the lowest validation cross-entropy. A killed training resumes from its last checkpoint.

# %%
models = {
    name: train(
        sample,
        name,
        profile,
        seed=seed,
        device=device,
        checkpoint_dir=this_run.scratch("checkpoints"),
    )
    for name in inputs
}
for name, model in models.items():
    print(
        f"{name}: {count_parameters(model.network):,} parameters, {model.bins.count} bins of {model.bins.width:.3f} dex"
    )
    verdict = model.verdict
    print(f"  converged: {verdict['converged']}; kept step {verdict['best_step']}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Validation cross-entropy against training step for the two models. Both fall quickly, flatten about where the learning rate is lowered at a third of the steps, and change little after; a dot marks the step that was kept."}}
figure, axis = plt.subplots()
for (name, label), key in zip(inputs.items(), COLOURS, strict=False):
    history, verdict = models[name].history, models[name].verdict
    axis.plot(
        history["step"],
        history["validation_cross_entropy"],
        color=COLOURS[key],
        label=label,
    )
    kept = history.loc[history["step"] == verdict["best_step"]]
    axis.plot(
        kept["step"],
        kept["validation_cross_entropy"],
        "o",
        color=COLOURS[key],
        markersize=8,
    )
axis.set(xlabel="training step", ylabel="validation cross-entropy (nats)")
steps = int(history["step"].iloc[-1])
axis.axvline(
    steps / 3, color=COLOURS["grey"], linestyle=":", label="learning rate divided by 5"
)
converged = all(model.verdict["converged"] for model in models.values())
trainings = "Both trainings have" if len(models) == 2 else "The training has"
axis.set_title(f"{trainings if converged else 'Not every training has'} converged")
axis.legend()
plt.show()

# %% [markdown]
# ### As good as gradient boosting?
#
# A network that loses to boosted trees on a table of eleven numbers has not found what is there. Both get the same columns and the same
# training split, and are judged on test galaxies that neither has seen. The network's estimate is the mean of its predicted distribution.

# %%
train_rows, test_rows = sample.rows("train"), sample.rows("test")
mass = sample.mass
estimates, distributions, rmse = {}, {}, {}
for name, model in models.items():
    distributions[name], estimates[name] = predict_mass(model, sample)
    columns = list(resolve(name, sample.catalog).columns)
    boosting = HistGradientBoostingRegressor(max_iter=300, random_state=seed)
    boosting.fit(sample.catalog[columns].iloc[train_rows], mass[train_rows])
    boosted = boosting.predict(sample.catalog[columns].iloc[test_rows])
    rmse[name] = {
        "network": float(
            np.sqrt(np.mean((estimates[name][test_rows] - mass[test_rows]) ** 2))
        ),
        "boosting": float(np.sqrt(np.mean((boosted - mass[test_rows]) ** 2))),
    }
table = pd.DataFrame(rmse).T.assign(
    ratio=lambda frame: frame["network"] / frame["boosting"]
)
table.columns = ["network RMSE (dex)", "boosting RMSE (dex)", "ratio"]
table.round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels of predicted against catalogue stellar mass for test galaxies, for ugriz and for ugriz with J, H, K. Points follow the one-to-one line, pulled towards the middle at both ends; the two panels look almost alike."}}
ratios = " and ".join(
    sorted({f"{row['network'] / row['boosting']:.2f}" for row in rmse.values()})
)
figure, axes = panels(
    len(inputs),
    title=f"The network's error is {ratios} times that of gradient boosting",
)
# Wide enough for all but the outermost hundredth of whatever galaxies these are.
lowest = min(8.5, np.quantile(mass, 0.01))
highest = max(12.1, np.quantile(mass, 0.99))
for axis, (name, label) in zip(axes, inputs.items(), strict=True):
    axis.scatter(
        mass[test_rows],
        estimates[name][test_rows],
        s=3,
        alpha=0.4,
        color=COLOURS["blue"],
        linewidths=0,
    )
    axis.plot([8, 12.2], [8, 12.2], color=COLOURS["black"], linewidth=1)
    axis.set(
        xlim=(lowest, highest),
        ylim=(lowest, highest),
        xlabel="catalogue log10 mass (solar masses)",
        ylabel="predicted log10 mass",
    )
    axis.set_title(
        f"{label}: RMSE {rmse[name]['network']:.3f} dex",
        fontsize=10,
        fontweight="normal",
    )
plt.show()

# %% [markdown]
# At both ends predictions lean towards the middle. That is not a failure of training: the mean of what the mass could be, given
# noisy photometry, must lie nearer the typical galaxy than the extreme one.
#
# ## What does S look like?
#
# S has eight numbers. Its first two {term}`principal components <principal component>` already show what the estimator needs: mass changes
# steadily along S.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Test galaxies on the first two principal components of S for the ugriz model, coloured by stellar mass. The colour changes smoothly along the main direction of the cloud."}}
latents = {name: embed(model, sample) for name, model in models.items()}
components = PCA(2).fit(latents["Mopt"].iloc[train_rows])
projected = components.transform(latents["Mopt"].iloc[test_rows])
share = components.explained_variance_ratio_
figure, axis = plt.subplots()
points = axis.scatter(
    *projected.T, s=5, c=mass[test_rows], vmin=9.8, vmax=11.6, linewidths=0
)
figure.colorbar(points, ax=axis, label="catalogue log10 mass (solar masses)")
axis.set(
    xlabel=f"first component of S ({share[0]:.0%} of variance)",
    ylabel=f"second component of S ({share[1]:.0%})",
)
axis.set_title("S of Mopt orders galaxies by mass")
plt.show()

# %% [markdown]
# S is not *only* mass, nor should it be: two galaxies of equal expected mass may differ in how uncertain it is, and S must
# tell the estimator both.
#
# ## Can the predicted distributions be believed?
#
# Where the {term}`probability integral transform`, the predicted probability of a mass below the true one, is uniform over the test
# galaxies, the distributions are {term}`calibrated <calibration>`: they are as wide as the errors are large.


# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of the probability integral transform of the network's mass distributions for both models, with the band expected for a uniform one."}}
def transform_of(name):
    probability, label = (
        distributions[name][test_rows],
        models[name].bins.labels(mass[test_rows]),
    )
    below = np.cumsum(probability, axis=1) - probability
    position = (
        np.clip(mass[test_rows], 6, 12.5 - 1e-9) - models[name].bins.edges[label]
    ) / models[name].bins.width
    rows = np.arange(len(label))
    return below[rows, label] + position * probability[rows, label]


transforms = {name: transform_of(name) for name in inputs}
departure = {name: pit_departure(values)[0] for name, values in transforms.items()}
critical = pit_departure(transforms["Mopt"])[1]
verdict = "do not depart" if max(departure.values()) < critical else "depart"
figure, axes = panels(
    len(inputs),
    title=f"The predicted distributions {verdict} from calibration on {len(test_rows)} galaxies",
)
for axis, (name, label) in zip(axes, inputs.items(), strict=True):
    pit_histogram(axis, transforms[name])
    axis.set_title(
        f"{label}: departure {departure[name]:.3f}", fontsize=10, fontweight="normal"
    )
axes[0].legend(fontsize=9, loc="lower center")
plt.show()
print(
    f"largest departure from uniform: {departure}; the 5% critical value is {critical:.3f}"
)

# %% [markdown]
# The departure is the largest difference between the cumulative distribution of the PIT and a straight line (Kolmogorov and
# Smirnov's statistic). Above the critical value the distributions are too narrow, which makes the histogram a U, or too wide, which makes it
# a hump, or shifted, which tilts it. Chapter 5 calibrates its own models on validation data, because an
# information estimate is only as good as the calibration.
#
# ## Check yourself

# %%
# What is asked of values holds for the published data set: other galaxies may be harder.
for name, row in rmse.items():
    if profile != "smoke" and dataset == "sdss-mini":
        assert row["network"] < 1.10 * row["boosting"], (
            f"{name}: network {row['network']:.3f}, boosting {row['boosting']:.3f}"
        )
        assert models[name].verdict["converged"], models[name].verdict
assert all(
    np.allclose(distribution.sum(axis=1), 1) for distribution in distributions.values()
)

# %% [markdown]
# :::{exercise}
# :label: exercise-shuffled-mass
# Shuffle the masses among the training galaxies and train `Mopt` again for a few hundred steps. What should the validation cross-entropy
# approach, and what does S look like then?
# :::

# %% tags=["hide-cell"]
# Solution: nothing can be learnt but the prior, so the cross-entropy stays near the entropy of the mass histogram.
shuffled = sample.catalog.copy()
rows = sample.rows("train")
shuffled.loc[shuffled.index[rows], sample.target] = np.random.default_rng(
    seed
).permutation(mass[rows])
null_model = train(
    Sample.from_frame(shuffled, split=sample.split),
    "Mopt",
    profile,
    seed=seed,
    device=device,
    steps=300,
)
histogram = np.bincount(
    null_model.bins.labels(mass[rows]), minlength=null_model.bins.count
) / len(rows)
entropy = -np.sum(histogram[histogram > 0] * np.log(histogram[histogram > 0]))
print(
    f"validation cross-entropy {null_model.history['validation_cross_entropy'].min():.2f}, entropy of the masses {entropy:.2f} nats"
)

# %% [markdown]
# ## What could be wrong
#
# - S is learnt by a finite network from some thousand galaxies. It may miss what the input holds, and then chapter 4 will find "information beyond
#   the input" that is only information beyond *S*.
# - The converse also happens: S of a training galaxy has seen its own mass. Chapter 3 measures how much that matters.
# - The contrast asks that a redrawn galaxy stay close in S, not that galaxies of equal mass do. Whether S is really all that matters is tested, not assumed.
#
# ## Summary
#
# Two models, trained on photometry alone, predict the mass as well as gradient boosting does, and summarise each galaxy in eight numbers. J, H and K
# change the error little on this sample. The latent vectors are stored for the chapters to come.

# %%
for name, model in models.items():
    this_run.save(f"model_{name}.safetensors", model.pack())
    this_run.save(f"latent_{name}.parquet", latents[name])
this_run.save(
    "mass_estimates.parquet", pd.DataFrame(estimates, index=sample.catalog.index)
)
this_run.save_results(
    {
        "rmse_dex": rmse,
        "verdict": {name: model.verdict for name, model in models.items()},
        "test_cross_entropy_nats": {
            name: float(
                -np.log(
                    distributions[name][test_rows, model.bins.labels(mass[test_rows])]
                ).mean()
            )
            for name, model in models.items()
        },
        "n_bins": {name: model.bins.count for name, model in models.items()},
        "pit_departure": departure,
    }
)
stored = {1: "one model, one latent table", 2: "two models, two latent tables"}
print(
    f"stored in runs/{run}/02_contrastive_training: {stored[len(models)]}, mass estimates, results.json"
)

# %% [markdown]
# **What's next**: {ref}`chapter-knn-estimation`.
#
# **References**: {cite:t}`khosla2020`, {cite:t}`zhang2025`, {cite:t}`lin2024`.
