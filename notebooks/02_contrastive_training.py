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
# - Name the four terms of the loss, and what each asks of the network.
# - Train networks on photometry and on pictures, and judge whether a training has converged.
# - Hold a network against baselines that predict a distribution too, galaxy by galaxy.
# - Judge a predicted mass by bias, width, tails and calibration, and for whom it fails.
# - Look at S, and make an S of galaxies that its encoder has not seen.
# :::
#
# **Before you start**: {ref}`chapter 1 <chapter-data>`, executed in the same run. **Time and memory**: less than ten minutes on two cores, 2 GB.

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
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from helpers.contrastive import (
    Batch,
    MassBins,
    contrastive_config,
    contrastive_loss,
    count_parameters,
    cross_fit,
    default_n_bins,
    embed,
    fit_image_scaling,
    fit_scaling,
    image_network,
    photometry_network,
    predict_mass,
    scale_features,
    train,
)
from helpers.contrastive.baselines import boosting_density, neighbour_density
from helpers.contrastive.costs import contrastive_cost, expected_time, machine_rate
from helpers.contrastive.devices import choose_precision, pick_device
from helpers.contrastive.images import (
    draw_views,
    read_images,
    rotate_or_flip,
    stretch,
    to_network,
)
from helpers.contrastive.quality import (
    cross_entropy,
    paired_difference,
    probability_integral_transform,
    quality_table,
)
from helpers.inputs import contrastive_inputs, photometric_inputs, resolve
from helpers.neighbours import nearest_neighbours
from helpers.plotting import (
    COLOURS,
    footnote,
    forest,
    galaxy_pictures,
    panels,
    pit_departure,
    pit_histogram,
    show_picture,
    use_style,
)
from helpers.runs import open_run, profile_settings, stored_result
from helpers.star_formation import star_formation_class
from helpers.survey import Sample, load_sample, with_pictures
from sklearn.decomposition import PCA
from torch import nn

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="02_contrastive_training", parameters=shared)
# Colab keeps nothing of chapter 1; everywhere else its catalogue is what all chapters share.
in_colab = "google.colab" in sys.modules
alone = in_colab and not (this_run.directory / "01_data" / "catalog.parquet").is_file()
sample = None
if not alone:
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
if alone:
    sample = Sample.from_frame(loaded.catalog, split=loaded.split)

# %% [markdown]
# ## Two samples
#
# Photometry we have of the galaxies of chapter 1. Pictures need a sample with pictures. If yours has them, they are used. Otherwise they are those of the
# {term}`mock universe`, and what we learn from them is about networks, not about galaxies. Beside the names of chapter 1, {term}`Iopt` stands for the pictures and `Mir` for the magnitudes of WISE in the infrared ({ref}`notation`).

# %% tags=["hide-input"]
# Image networks halve their input four times, after squares of pixels were summed.
unit = 16 * profile_settings(profile)["contrastive_images"].get("bin_pixels", 1)
pictures = with_pictures(sample, loaded, unit)
own_pictures = pictures is not None
if own_pictures:
    sample = pictures
else:
    if loaded.images is not None:
        height, width = loaded.images.shape[2:]
        print(
            f"image networks need an even number of pixels, {unit} or more, not {height} x {width}: the mock's pictures stand in"
        )
    n_mock = profile_settings(profile)["mock"]["n_galaxies"]
    pictures = load_sample("mock", n_mock, seed, cache_dir=data_dir or None)
catalogue_of, pictures_of = (
    Path(dataset).name,
    Path(dataset).name if own_pictures else "mock",
)
whole = {catalogue_of: sample, pictures_of: pictures}
wanted = {
    catalogue_of: photometric_inputs(sample.catalog),
    pictures_of: contrastive_inputs(pictures.catalog, pictures.bands),
}


def resolved(galaxies, name):
    bands = None if galaxies.images is None else galaxies.bands
    return resolve(name, galaxies.catalog, bands=bands)


def settings_for(galaxies, name, of_profile=profile):
    return contrastive_config(of_profile, resolved(galaxies, name))


def usable(galaxies, names):
    """All galaxies; of a profile that has no place for nulls, those without."""
    if all(settings_for(galaxies, name).standardise for name in names):
        return galaxies
    columns = {column for name in names for column in resolved(galaxies, name).columns}
    complete = galaxies.catalog[sorted(columns)].notna().all(axis=1)
    return galaxies.take(np.flatnonzero(complete))


samples = {where: usable(whole[where], wanted[where]) for where in whole}
sample, pictures = samples[catalogue_of], samples[pictures_of]
for where, galaxies in samples.items():
    parts = ", ".join(
        f"{len(galaxies.rows(part))} {part}" for part in ("train", "validation", "test")
    )
    print(
        f"{where}: {len(galaxies)} of {len(whole[where])} galaxies ({parts}); inputs {', '.join(wanted[where])}"
    )
shape = pictures.images.shape
print(f"pictures: bands {', '.join(pictures.bands)}, {shape[2]} x {shape[3]} pixels")

# %% [markdown]
# ## What does a network read?
#
# ### Columns
#
# Every input has *main* columns, which the model is about, and *extra* ones that go along: the reddening and the errors. The
# reconstruction below is asked of the main columns only.

# %%
inputs = photometric_inputs(sample.catalog)
for name in inputs:
    columns = resolved(sample, name)
    print(
        f"{name}\n  main:  {', '.join(columns.main)}\n  extra: {', '.join(columns.extra)}"
    )

# %% [markdown]
# Columns are shifted and scaled to mean 0 and variance 1 on the training split, errors after taking their logarithm. A null becomes 0, the
# training mean, and raises a flag among the extras. Magnitudes in neighbouring bands rise and fall together from galaxy to galaxy, and what tells of the stars is the small rest; so the encoder starts with a fixed linear map
# that makes the columns uncorrelated and of equal variance, which hands it the colours. This is our choice; the published models read magnitudes as they are, and have no place for nulls
# (profile `paper`).

# %%
training = sample.catalog.iloc[sample.rows("train")]
scaling = fit_scaling(
    resolved(sample, "Mopt"),
    training,
    standardise=settings_for(sample, "Mopt").standardise,
)
features = scale_features(scaling, training)
print(
    f"main {features.main.shape}, extra {features.extra.shape}, flags for {', '.join(scaling.flagged) or 'no column'}"
)

# %% [markdown]
# ### Pictures
#
# Where pictures are in the input they alone are main, and all columns are extra. The core of a galaxy is far brighter than its outskirts, so every pixel $f$, in {term}`nanomaggies <nanomaggy>`, is
# stretched, as in the paper {cite}`zhang2025`, to $\mathrm{sign}(f)\,\log(1 + |f|)$, which is nearly $f$ where the sky is and a logarithm in the core.
#
# A galaxy turned on the sky is the same galaxy, so each time it is read in training it is turned by quarter circles and perhaps mirrored, at random. That is $x$. A second
# {term}`view` $\tilde x$ is $x$ changed once more, by any of the seven turns and mirrorings that do not leave it as it is.
#
# Two things are ours. At profile `book` squares of 2 × 2 pixels are summed before the stretch, which leaves a quarter of the work; for SDSS the new pixels, 0.79 arcsec a side, are a little coarser than the {term}`seeing <point spread function>` would ask for, and the ablations below try whole pixels. And each
# band is divided by the standard deviation of its stretched pixels, as the columns are.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Five pictures of one galaxy in a row: in colour; in the red band as measured, where only the bright core shows; in the same band stretched, where the faint outskirts show too; turned at random, which is the view x; and turned or mirrored once more, the second view."}}
image_config = settings_for(pictures, "Iopt")
train_rows = pictures.rows("train")
image_scaling = fit_image_scaling(
    resolved(pictures, "Iopt"),
    pictures,
    train_rows[:1000],
    bin_pixels=image_config.bin_pixels,
    standardise=image_config.standardise,
)
# Something to see: of the thousand galaxies read just now, the brightest, and of those the most elongated if shapes are known.
measured = torch.from_numpy(read_images(image_scaling, pictures, train_rows[:1000]))
brightness = stretch(measured).mean(dim=(1, 2, 3)).numpy()
brightest = np.argsort(-brightness)[:10]
if "expAB_r" in pictures.catalog:
    ratio = pictures.catalog["expAB_r"].to_numpy()[train_rows[brightest]]
    brightest = brightest[np.argsort(ratio)]
shown = train_rows[brightest[:1]]
red = pictures.bands.index("r") if "r" in pictures.bands else len(pictures.bands) // 2
stretched = stretch(measured[brightest[:1]])
turn, further = (torch.from_numpy(elements) for elements in draw_views(0, 1, seed))
x = rotate_or_flip(stretched, turn)
x_further = rotate_or_flip(x, further)
peak = [
    float(image.max() / image.abs().median().clamp(min=1e-6))
    for image in (measured[brightest[0], red], stretched[0, red])
]

figure, axes = panels(5, columns=5, width=1.5, height=1.85)
in_colour = galaxy_pictures(pictures.images[shown], pictures.bands)
show_picture(axes[0], in_colour[0], "in colour")
band = pictures.bands[red]
faint = (0, float(measured[brightest[0], red].max()))
show_picture(
    axes[1], measured[brightest[0], red].numpy(), f"{band}, measured", limits=faint
)
limits = (0, float(stretched[0, red].max()))
for axis, image, caption in zip(
    axes[2:],
    (stretched, x, x_further),
    (f"{band}, stretched", "view $x$", r"view $\tilde x$"),
    strict=True,
):
    show_picture(axis, image[0, red].numpy(), caption, limits=limits)
figure.suptitle(
    f"The brightest pixel is {peak[0]:.0f} times the median one;\nstretched, {peak[1]:.0f} times",
    x=0.01,
    ha="left",
    fontsize=12.5,
    fontweight="bold",
)
plt.show()

# %% [markdown]
# ## What is the network asked to do?
#
# Let $x$ be what is read of one galaxy: its scaled main columns, or its picture, turned and stretched. Three networks share the work. The **encoder** turns $x$ and the extras into a {term}`latent vector`, whose first numbers are S (8 for photometry, 16 for pictures) and the rest
# *ext*. The **estimator** sees S alone and gives a probability for each bin of log mass. The **decoder** sees S and ext together and
# redraws the input as $x'$. The redrawing is encoded once more, with the same extras and not stretched again.
#
# The loss compares pairs of batches, A and B, of different galaxies. It is a sum of four terms (paper),
#
# $$L = L_\mathrm{mass} + \lambda L_\mathrm{rec} + L_\mathrm{contrast} + L_\mathrm{consistency},$$
#
# in words: what the mass costs, what the redrawing costs, with a weight $\lambda$, and two demands on S. All but the contrast are batch means, added over A and B:
#
# - **cross-entropy**: the mass must be predicted, from $x$ and again from its redrawing $x'$;
# - **reconstruction**: $x'$ must look like $x$, the redrawing of $x'$ like $x'$, and that of $\tilde x$ like $\tilde x$ (mean squared error);
# - **contrast**, $\log(1 + e^{d_\mathrm{pos} - d_\mathrm{neg}})$, with $d$ the root-mean-square difference of two S: a galaxy and its redrawing or its second view ($d_\mathrm{pos}$, one mean over all such pairs) must be closer than two different
#   galaxies ($d_\mathrm{neg}$, over the pairs of a galaxy of A and one of B);
# - **consistency**: $x$ and $x'$, and $x$ and $\tilde x$, must be given the same mass distribution (cross-entropy of the two, each in turn held fixed as the target).
#
# Photometry has no second view, and its terms go without. Contrast and consistency penalise in S what a redrawing or a turn does not preserve. They forbid nothing else: if $x' = x$, S could hold the whole input. That S holds little but the mass is a hope that rests on its few numbers, and is
# tested in {ref}`chapter 4 <chapter-causal-discovery>`. No pair is made by mass, as it would be in {cite:t}`khosla2020`: the mass enters by the cross-entropy alone. Beware of $\lambda$: it weighs an error in the units of the input. The paper has 1 for magnitudes and 100 for stretched pixels; ours, printed below, is for
# *standardised* values, and the same number would mean something else.
#
# Here are the four terms, before any weight, for one pair of batches and networks that have not learnt anything:


# %% tags=["hide-input"]
def bins_of(galaxies, name, of_profile=profile):
    n_bins = settings_for(galaxies, name, of_profile).n_bins
    return MassBins(n_bins or default_n_bins(len(galaxies.rows("train"))))


def network_of(galaxies, name, of_profile=profile, *, n_extra=None, size=None):
    """A profile's untrained network, the shape of its main input, and the number of extras."""
    columns, config = resolved(galaxies, name), settings_for(galaxies, name, of_profile)
    n_extra = n_extra or len(columns.extra)
    n_bins = bins_of(galaxies, name, of_profile).count
    widths = {
        "n_shared": config.n_shared,
        "n_ext": config.n_ext,
        "estimator_hidden": config.estimator_hidden,
    }
    if not columns.images:
        network = photometry_network(
            len(columns.main),
            n_extra,
            n_bins,
            encoder_hidden=config.encoder_hidden,
            decoder_hidden=config.decoder_hidden,
            **widths,
        )
        return network, (len(columns.main),), n_extra
    size = size or galaxies.images.shape[-1] // config.bin_pixels
    network = image_network(
        len(columns.images),
        n_extra,
        n_bins,
        encoder=config.encoder,
        decoder=config.decoder,
        size=size,
        **widths,
    )
    return network, (len(columns.images), size, size), n_extra


def pair_of_batches(main, extra, present, label, view=None):
    """Two batches, A and B, of equal size."""
    half = len(label) // 2
    parts = (slice(0, half), slice(half, 2 * half))
    values = (main, extra, present, label, view)
    return [
        Batch(*(None if value is None else value[part] for value in values))
        for part in parts
    ]


# %%
with torch.random.fork_rng():
    torch.manual_seed(seed)
    of_columns, *_ = network_of(sample, "Mopt", n_extra=scaling.n_extra)
    of_pictures, *_ = network_of(pictures, "Iopt")
some = slice(0, 128)
numbers = [
    torch.from_numpy(getattr(features, part)[some])
    for part in ("main", "extra", "present")
]
bins = {"Mopt": bins_of(sample, "Mopt"), "Iopt": bins_of(pictures, "Iopt")}
label = bins["Mopt"].labels(sample.mass[sample.rows("train")[some]])
both_views = [to_network(image_scaling, measured[:32])]
turns = (torch.from_numpy(elements) for elements in draw_views(0, 32, seed))
for elements in turns:
    both_views.append(rotate_or_flip(both_views[-1], elements))
extra = pictures.catalog[list(resolved(pictures, "Iopt").extra)]
extra = torch.tensor(extra.iloc[train_rows[:32]].to_numpy(np.float32))
picture_label = bins["Iopt"].labels(pictures.mass[train_rows[:32]])
galaxies_of = {"Mopt": sample, "Iopt": pictures}
with torch.no_grad():
    terms = {
        "Mopt": contrastive_loss(
            of_columns, *pair_of_batches(*numbers, torch.from_numpy(label))
        ),
        "Iopt": contrastive_loss(
            of_pictures,
            *pair_of_batches(
                both_views[1],
                extra,
                None,
                torch.from_numpy(picture_label),
                both_views[2],
            ),
        ),
    }
pd.DataFrame(
    {
        f"{name}, {bins[name].count} bins": {
            "4 log of the bins": 4 * np.log(bins[name].count),
            **{
                term.replace("_", "-"): float(value)
                for term, value in vars(found).items()
            },
            "weight of the reconstruction": settings_for(
                galaxies_of[name], name
            ).reconstruction_weight,
        }
        for name, found in terms.items()
    }
).round(3)

# %% [markdown]
# The cross-entropy is a sum of four batch means, and for an untrained network each is near the log of the number of bins: it spreads its bet over all of them. The
# contrast starts near $\log 2 = 0.69$, where a redrawn galaxy is no nearer than a stranger. Consistency is a cross-entropy, not a difference: it starts near four times the log of the number of bins, or eight times where there are second views, and even between equal distributions it is no zero but a multiple of their entropy.
#
# (how-well-it-learns)=
# ## How well does it learn?
#
# Now all models: photometry of the galaxies of chapter 1, and every input that the sample with pictures has. At these sample sizes we use compact networks and fewer, wider bins than the 520 of the paper (a square-root
# rule, scaled to reach 520 bins at about 100,000 galaxies), and keep the
# step with the lowest validation cross-entropy. A killed training resumes from its last checkpoint.

# %%
checkpoints = this_run.scratch("checkpoints")
if scheduler:
    from helpers.grid.models import train_models

    every = {
        f"{name} of {where}": (samples[where], name)
        for where in samples
        for name in wanted[where]
    }
    train_models(
        every,
        checkpoints,
        profile=profile,
        seed=seed,
        device=device,
        scheduler=scheduler,
    ).raise_for_failures()
models = {
    (where, name): train(
        samples[where],
        name,
        profile,
        seed=seed,
        device=device,
        checkpoint_dir=checkpoints,
    )
    for where in samples
    for name in wanted[where]
}
trainings = pd.DataFrame(
    {
        key: {
            "parameters": f"{count_parameters(model.network):,}",
            "bins": model.bins.count,
            "kept step": model.verdict["best_step"],
            "steps": model.verdict["steps"],
            "late gain": f"{model.verdict['late_gain']:.3f}",
            "converged": model.verdict["converged"],
            "minutes": round(model.cost["seconds"] / 60, 2),
            "waiting": f"{model.cost['waiting_share']:.1%}",
        }
        for key, model in models.items()
    }
).T
trainings

# %% [markdown]
# *Late gain* is what the last quarter of the steps (for a learning rate that falls to the end, the last tenth) still took off the best validation cross-entropy, in {term}`nats <nat>`; below 0.02 we call a training converged. This is a weak test. A learning rate that falls to nothing flattens every curve at its end, so it can show that a training was cut off, not that more steps would be useless; for that see *twice the steps* below. *Waiting* is the share of the time in which a network waited for its input.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels of validation cross-entropy against training step, photometry on the left and pictures on the right, a line for each model. A dot marks the step that was kept."}}
groups = {
    "photometry": [key for key, model in models.items() if model.images is None],
    "pictures": [key for key, model in models.items() if model.images is not None],
}
unfinished = [key for key, model in models.items() if not model.verdict["converged"]]
figure, axes = panels(
    2,
    height=4.1,
    title=f"{len(models) - len(unfinished)} of {len(models)} trainings gain less than 0.02 nats late",
)
for axis, (kind, keys) in zip(axes, groups.items(), strict=True):
    for key, colour in zip(keys, COLOURS, strict=False):
        history = models[key].history
        words = key[1] if len(samples) == 1 else f"{key[1]}, {key[0]}"
        axis.plot(
            history["step"],
            history["validation_cross_entropy"],
            color=COLOURS[colour],
            label=words,
        )
        kept = history["step"] == models[key].verdict["best_step"]
        axis.plot(
            history["step"][kept],
            history["validation_cross_entropy"][kept],
            "o",
            color=COLOURS[colour],
            markersize=8,
        )
    axis.set(xlabel="training step")
    axis.set_title(kind, fontsize=10, fontweight="normal")
    axis.legend(fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.18))
axes[0].set(ylabel="validation cross-entropy (nats)")
plt.show()

# %% [markdown]
# A dot marks the step that was kept. Compare heights only within a sample: a cross-entropy depends on the masses that there are and on the width of the bins.
#
# ## Does a table method find more?
#
# A network that loses to a table method on eleven numbers has not found what is there. Two rivals predict a whole distribution of mass from the same columns, on the same
# split and bins, and may tune themselves on the same validation galaxies:
#
# - **{term}`gradient boosting`** predicts the mean; a second boosting, fitted to the errors that the first makes out of fold, predicts how wide the distribution is; its shape is that of the errors themselves;
# - **neighbours**: a straight-line fit of the mass to the columns among the nearest training galaxies, with the scatter about it, smoothed; how many, and how smooth, is chosen on validation galaxies.
#
# Both are given all colours too. The judge is the {term}`cross-entropy` of test galaxies, whose masses none of the three has seen. Lower is better. 0.05 nats are about five per cent of the scatter ({ref}`reading-nats`).


# %%
def test_part(where):
    rows = samples[where].rows("test")
    return rows, samples[where].mass[rows]


distributions, estimates, losses = {}, {}, {}
for key, model in models.items():
    rows, mass = test_part(key[0])
    distributions[key], estimates[key] = predict_mass(
        model, samples[key[0]], device=device
    )
    losses[key] = cross_entropy(distributions[key][rows], model.bins, mass)
rivals = {
    "gradient boosting": partial(
        boosting_density, **profile_settings(profile)["boosting"]
    ),
    "neighbours": neighbour_density,
}
rival_losses, boosted_rmse, standings = {}, {}, []
for where, galaxies in samples.items():
    rows, mass = test_part(where)
    for name in wanted[where]:
        if models[where, name].images is not None:
            continue
        of_model = models[where, name].bins
        densities = {
            rival: density(galaxies, name, of_model, seed=seed).probability[rows]
            for rival, density in rivals.items()
        }
        boosted = densities["gradient boosting"] @ of_model.centres
        boosted_rmse[where, name] = float(np.sqrt(np.mean((boosted - mass) ** 2)))
        rival_losses[where, name] = {
            rival: cross_entropy(probability, of_model, mass)
            for rival, probability in densities.items()
        }
        for rival, loss in rival_losses[where, name].items():
            gap = paired_difference(losses[where, name], loss, seed=seed)
            standings.append(
                {
                    "sample": where,
                    "input": name,
                    "rival": rival,
                    "network": losses[where, name].mean(),
                    "its own": loss.mean(),
                    "network - rival": gap.mean,
                    "low": gap.low,
                    "high": gap.high,
                }
            )
standings = pd.DataFrame(standings).set_index(["sample", "input", "rival"])
standings.round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Difference of the network's test cross-entropy and each rival's, one row for each photometric model of either sample, with intervals over galaxies. Points left of the vertical line at zero are models in which the network is the better one; a dotted line marks the allowed 0.05 nats."}}
worst = standings["network - rival"].groupby(["sample", "input"]).max()
figure, axis = plt.subplots(figsize=(6.6, 1.5 + 0.6 * len(worst)))
rows_of = [f"{name}\n{where}" for where, name in worst.index]
for rival, colour, shift in zip(rivals, ("orange", "blue"), (0.12, -0.12), strict=True):
    part = standings.xs(rival, level="rival").loc[worst.index]
    forest(
        axis,
        rows_of,
        part["network - rival"],
        part["low"],
        part["high"],
        colour=COLOURS[colour],
        marker="o" if rival == "neighbours" else "s",
        offset=shift,
        label=rival,
    )
axis.axvline(0, color=COLOURS["black"], linewidth=1)
axis.axvline(0.05, color=COLOURS["grey"], linestyle=":", label="0.05 nats behind")
axis.set(xlabel="cross-entropy of the network less the rival's (nats)")
behind = int((worst > 0.05).sum())
unsure = int((standings.groupby(["sample", "input"])["high"].max() > 0.05).sum())
axis.set_title(
    (
        "No network is more than 0.05 nats behind a rival"
        if not behind
        else f"{behind} of {len(worst)} networks are more than 0.05 nats behind a rival"
    )
    + (f";\nthe intervals of {unsure} reach beyond" if unsure > behind else "")
)
figure.legend(
    *axis.get_legend_handles_labels(),
    loc="outside lower center",
    ncols=3,
    fontsize=9,
)
plt.show()

# %% [markdown]
# The differences are taken galaxy by galaxy, because what makes a galaxy hard for one model makes it hard for the other; the bars are 95% intervals over galaxies. They do not hold the luck of the
# training: another seed gives another network. On `sdss-mini` boosting is ahead of both networks, by 0.03 to 0.04 nats and with intervals that exclude zero; only those of the mock tie with boosting or win. A network that ties with boosting is what we need. Beating it is not the aim; the aim is an S that holds what the input says.

# %% [markdown]
# (picture-overtakes)=
# ## Where does a picture overtake photometry?
#
# In the mock the magnitudes are measured on the pictures. So a picture holds what they hold, and more; but the network has to find it among thousands of pixels, and for that it needs examples. How many? A {term}`learning curve` tells. Training at several
# sizes takes hours, so it was done once, on a larger mock (`make study`), and its numbers are kept with the library. Whatever you run, this figure is of that study.

# %%
study = stored_result("contrastive_study.json")
origin, plan = study["provenance"], study["provenance"]["plan"]
source = (
    f"Stored study, not this run: {plan['n_galaxies']:,} galaxies of the mock, {plan['n_bins']} bins, profile {plan['profile']}; "
    f"{origin['date']}, commit {origin['commit']}, {origin['machine'].replace('1 threads', '1 thread')}; {origin['training_minutes'] / 60:.1f} hours of training, added up."
)
curve = pd.DataFrame(study["learning_curve"])
by_size = curve.groupby(["inputs", "n_train"])[["cross_entropy", "low", "high"]].mean()
boosted = pd.DataFrame(study["rivals"]).set_index("n_train")
paired = pd.DataFrame(study["paired"]).set_index(["first", "second", "n_train"])
paired = paired.sort_index()
# Photometry is overtaken where pictures do better than its network and than boosted trees, for galaxies and seeds alike, there and at all larger sizes.
photometry = ("Mopt", "boosting")
surely = [
    (part["low"] > 0) & (part["seeds"].map(min) > 0)
    for part in (paired.loc[(first, "Iopt")] for first in photometry)
]
ahead = surely[0] & surely[1]
overtaken = next((n for n in ahead.index if ahead.loc[n:].all()), None)
print(
    f"training galaxies {plan['n_train']}, trainings of each {plan['n_seeds']}\n"
    f"networks of pictures: steps {plan['image_steps']}, weight decay {plan['image_weight_decay']}\n"
    f"{origin['split']['validation']:,} validation and {origin['split']['test']:,} test galaxies"
)
paired.assign(seeds=paired["seeds"].map(min), highest=paired["seeds"].map(max)).rename(
    columns={
        "mean": "first less second (nats)",
        "seeds": "lowest seed",
        "highest": "highest seed",
    }
).round(3)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels against the number of training galaxies, on a logarithmic axis. On the left the test cross-entropy of photometry by a network and by boosted trees, pictures, pictures with infrared magnitudes, and those with redshift; open markers are trainings that still gained at their end. On the right the cross-entropy of photometry less that of pictures, by a network and by boosted trees, with intervals and a line at zero. A note under the figure says when, where and on what machine it was computed."}}
study_words = {
    "Mopt": "ugriz photometry",
    "Iopt": "ugriz pictures",
    "Iopt+Mir": "pictures and W1, W2, W3",
    "Iopt+Mir+Zspec": "... and redshift",
}
markers = ("o", "s", "^", "D")
figure, axes = panels(
    2,
    width=4.3,
    height=4.7,
    title=f"In the mock, pictures are ahead of photometry from {overtaken:,} training galaxies on"
    if overtaken
    else f"In the mock, pictures are not ahead of photometry at {max(plan['n_train']):,} training galaxies",
)
for name, colour, marker in zip(study_words, COLOURS, markers, strict=False):
    line = by_size.loc[name]
    ends = [line["cross_entropy"] - line["low"], line["high"] - line["cross_entropy"]]
    axes[0].errorbar(
        line.index,
        line["cross_entropy"],
        np.clip(ends, 0, None),
        fmt="-",
        color=COLOURS[colour],
        capsize=3,
    )
    done = curve[curve["inputs"] == name].groupby("n_train")["converged"].all()
    axes[0].plot([], [], f"{marker}-", color=COLOURS[colour], label=study_words[name])
    for n, converged in done.items():
        axes[0].plot(
            n,
            line.loc[n, "cross_entropy"],
            marker,
            color=COLOURS[colour],
            markerfacecolor=None if converged else "white",
        )
axes[0].plot(
    boosted.index,
    boosted["cross_entropy"],
    "--",
    color=COLOURS["grey"],
    label="photometry, boosted trees",
)
axes[0].set(ylabel="test cross-entropy (nats)")
axes[0].legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
for first, style, colour, words in zip(
    photometry,
    ("o-", "s--"),
    ("blue", "grey"),
    ("photometry by its network", "photometry by boosted trees"),
    strict=True,
):
    part = paired.loc[(first, "Iopt")]
    axes[1].errorbar(
        part.index,
        part["mean"],
        [part["mean"] - part["low"], part["high"] - part["mean"]],
        fmt=style,
        color=COLOURS[colour],
        capsize=3,
        label=words,
    )
axes[1].axhline(0, color=COLOURS["black"], linewidth=1)
axes[1].set(ylabel="photometry less pictures (nats)")
axes[1].legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1))
for axis in axes:
    axis.set(xscale="log", xlabel="training galaxies")
    axis.set_xticks(plan["n_train"], [f"{n:,}" for n in plan["n_train"]], fontsize=9)
    axis.minorticks_off()
footnote(figure, source)
plt.show()

# %% [markdown]
# Bars are 95% intervals over the test galaxies, which are the same in all points; so the differences on the right and in the table are surer than the bars on the left suggest. Where a size was trained with several seeds, points and intervals are means over them and the table has the lowest and the highest; where it was trained once, the luck of the training is not in the interval.
# The curve of pictures crosses both of photometry between 500 and 1,500 training galaxies; the title names the size from which the lead is sure against both rivals, over galaxies, and over seeds where there are several. An open marker: at least one of the trainings of that size still gained at its end.
#
# Part of the curves' shape is tuning. The networks of pictures took more steps with more galaxies, and a stronger {term}`weight decay` with few, which keeps a network from learning few pictures by heart; it was tried at 1,500 galaxies only, where validation galaxies preferred it. Photometry had the same settings throughout; for few galaxies boosted trees are ahead of its network, and shorter trainings did not help that. And all sizes share the validation galaxies, which choose the step that is kept and calibrate, so the smallest saw more masses than the axis says.
# Where a curve still falls at its end, the network has not yet said what its *input* knows, only what it has learnt of it so far.
#
# ## How good is the mass?
#
# One number hides a lot. For each model, on test galaxies of its sample: the *bias* is the mean of predicted less catalogue mass; *scatter* is {term}`sigma_MAD`, that of the typical galaxy; *outliers* is the share of galaxies beyond
# three of those; the {term}`CRPS` judges the whole distribution; and *coverage* is how often the catalogue mass lies in the central interval that should hold it 50%, 68% or 95% of the time. Cross-entropies are in nats, all other measures of masses in {term}`dex`.

# %%
qualities = {}
for key, model in models.items():
    rows, mass = test_part(key[0])
    qualities[key] = quality_table(
        distributions[key][rows],
        model.bins,
        mass,
        {"all": np.ones(len(rows), bool)},
        seed=seed,
    ).loc["all"]
quality = pd.DataFrame(qualities).T
shown_columns = {
    "bias": "bias",
    "sigma_mad": "scatter",
    "outlier_share": "outliers",
    "rmse": "RMSE",
    "crps": "CRPS",
    "cross_entropy": "cross-entropy",
    "coverage_50": "50%",
    "coverage_68": "68%",
    "coverage_95": "95%",
}
shown = quality[list(shown_columns)].rename(columns=shown_columns).astype(float)
shown.round({name: 2 if "%" in name else 3 for name in shown})

# %% tags=["hide-input"] mystnb={"image": {"alt": "Predicted against catalogue stellar mass of test galaxies, a panel for each model of photometry and one for a model of pictures, with the one-to-one line."}}
last_picture = groups["pictures"][-1]
compared = [(catalogue_of, "Mopt"), (pictures_of, "Mopt"), groups["pictures"][0]]
compared = [key for key in dict.fromkeys(compared) if key in models]
figure, axes = panels(
    len(compared),
    columns=3,
    width=2.9,
    title="Masses are right to "
    + ", ".join(
        f"{quality.loc[key, 'rmse']:.2f} dex ({key[1]}, {key[0]})" for key in compared
    ),
)
for axis, key in zip(axes, compared, strict=True):
    rows, mass = test_part(key[0])
    # Wide enough for all but the outermost hundredth of whatever galaxies these are.
    ends = min(8.5, np.quantile(mass, 0.01)), max(12.1, np.quantile(mass, 0.99))
    axis.scatter(
        mass,
        estimates[key][rows],
        s=3,
        alpha=0.4,
        color=COLOURS["blue"],
        linewidths=0,
    )
    axis.plot(ends, ends, color=COLOURS["black"], linewidth=1)
    axis.set(xlim=ends, ylim=ends)
    axis.set_title(
        f"{key[1]}, {key[0]}: RMSE {quality.loc[key, 'rmse']:.3f} dex",
        fontsize=10,
        fontweight="normal",
    )
axes[0].set(ylabel="predicted log10 mass")
figure.supxlabel("catalogue log10 mass (solar masses)", fontsize=11)
plt.show()

# %% [markdown]
# Where predictions lean towards the middle at both ends, that alone is no failure of training: even the best estimate, the mean of what the mass could be given
# noisy data, must lie nearer the typical galaxy than the extreme one. Masses of `sdss-mini` are themselves a fit to these fluxes at the known redshift; those of the mock are true. So compare numbers only within a sample.
#
# ### For whom does it fail?
#
# The same measures by class, mass and redshift, as far as the catalogue knows them, for the sample with pictures: in the published run the mock, so this section, and those on what S contains and on a galaxy's neighbours, are not about real ones. {term}`Passive <passive galaxy>` are galaxies whose specific star formation rate is below $10^{-11}$ a year, {term}`star-forming <star-forming galaxy>` those above
# $10^{-10.5}$, and *other* what lies between. (The cuts are round numbers of ours.) Quarters of the sample carry their median.

# %%
test_catalog = pictures.catalog.iloc[pictures.rows("test")]
test_mass = pictures.mass[pictures.rows("test")]


def quarters(values, decimals):
    """Four groups of equal size, and the median of each."""
    edges = np.nanquantile(values, [0.25, 0.5, 0.75])
    number = np.where(np.isfinite(values), np.digitize(values, edges), -1)
    return {
        f"{np.median(values[number == i]):.{decimals}f}": number == i for i in range(4)
    }


divisions = {}
if "specsfr_tot_p50" in test_catalog:
    classes = star_formation_class(test_catalog["specsfr_tot_p50"])
    divisions["class"] = {
        name: np.asarray(classes == name)
        for name in ("passive", "other", "star-forming")
    }
by_solar_masses = "log10 mass (solar masses), quarters"
divisions[by_solar_masses] = quarters(test_mass, 2)
if "z" in test_catalog:
    divisions["redshift, quarters"] = quarters(test_catalog["z"].to_numpy(), 3)
by_group = {
    (key[1], division): quality_table(
        distributions[key][pictures.rows("test")],
        models[key].bins,
        test_mass,
        members,
        seed=seed,
    )
    for key in models
    if key[0] == pictures_of
    for division, members in divisions.items()
}

# %% tags=["hide-input"] mystnb={"image": {"alt": "A grid of panels, a column each for class, mass and redshift. In the upper row the bias of the predicted mass, in the lower one its scatter sigma_MAD, for a model of photometry and models of pictures, with intervals over galaxies."}}
measured_by = [name for name in wanted[pictures_of] if name in ("Mopt", "Iopt")]
measured_by += [last_picture[1]] * (last_picture[1] not in measured_by)
figure, axes = plt.subplots(
    2,
    len(divisions),
    figsize=(2.7 * len(divisions), 5),
    sharey="row",
    sharex="col",
    squeeze=False,
)
for column, division in enumerate(divisions):
    for row, measure in enumerate(("bias", "sigma_mad")):
        axis = axes[row, column]
        for i, (name, colour) in enumerate(zip(measured_by, COLOURS, strict=False)):
            table = by_group[name, division]
            value = table[measure].to_numpy()
            ends = np.stack(
                [value - table[f"{measure}_low"], table[f"{measure}_high"] - value]
            )
            axis.errorbar(
                np.arange(len(table)) + 0.16 * (i - (len(measured_by) - 1) / 2),
                value,
                np.clip(ends, 0, None),
                fmt=markers[i],
                color=COLOURS[colour],
                capsize=2,
                label=name,
                markersize=5,
                linewidth=1.2,
            )
        axis.set_xticks(np.arange(len(table)), table.index, fontsize=9)
        axis.grid(visible=False, axis="x")
    axes[0, column].axhline(0, color=COLOURS["black"], linewidth=1)
    axes[1, column].set_xlabel(division, fontsize=10)
axes[0, 0].set_ylabel("bias (dex)")
axes[1, 0].set(ylabel="sigma_MAD (dex)", ylim=(0, None))
figure.legend(
    *axes[0, 0].get_legend_handles_labels(),
    loc="outside lower center",
    ncols=3,
    fontsize=10,
)
by_mass = by_group[measured_by[0], by_solar_masses]["bias"]
low_end, high_end = by_mass.iloc[0], by_mass.iloc[-1]
figure.suptitle(
    f"{pictures_of}: the lightest quarter is predicted {abs(low_end):.2f} dex too {'heavy' if low_end > 0 else 'light'} by {measured_by[0]},\n"
    f"the heaviest {abs(high_end):.2f} too {'heavy' if high_end > 0 else 'light'}",
    x=0.01,
    ha="left",
    fontsize=12,
    fontweight="bold",
)
plt.show()

# %% [markdown]
# The lightest and the heaviest quarter by catalogue mass show the pull to the middle once more. It is not all: `Mopt` and `Iopt` predict the two quarters between too light as well. A bias by class or redshift means something else. Only groups that are made from the input itself must come out without bias. Class and redshift are in neither `Mopt` nor `Iopt`, and are tied to the mass at a given input; so a bias by them need not be a
# fault of the network: it can be what the input does not tell, which {ref}`chapter 4 <chapter-causal-discovery>` asks about. With the redshift in the input, a bias by redshift would be a fault.
#
# ### Can the predicted distributions be believed?
#
# If predicted distributions are {term}`calibrated <calibration>`, as wide as the errors are large, their {term}`probability integral transform` (PIT), the predicted probability of a mass below the catalogue's, is uniform over the test
# galaxies. If they are too narrow, its histogram is a U; too wide, a hump; shifted, it is tilted. The converse does not hold: the histogram of all masses, given to every galaxy, passes too. So look at groups and at the cross-entropy as well.
# The estimates above are calibrated already, on validation galaxies and with two numbers: a *temperature* that divides the logits, the numbers that become probabilities ({term}`temperature scaling`), and mends a width, and a share of
# *contamination*, usually small: with that probability a mass is drawn from all masses, so that a galaxy whose photometry or mass went wrong does not come as an endless surprise. What they changed (the departure of the PIT from uniform, and the cross-entropy in nats):

# %%
transforms, departure, as_trained = {}, {}, {}
for key, model in models.items():
    rows, mass = test_part(key[0])
    plain, _ = predict_mass(model, samples[key[0]], device=device, calibrated=False)
    transforms[key] = [
        probability_integral_transform(probability[rows], model.bins, mass)
        for probability in (plain, distributions[key])
    ]
    departure[key] = [pit_departure(values)[0] for values in transforms[key]]
    as_trained[key] = cross_entropy(plain[rows], model.bins, mass).mean()
critical = {key[0]: pit_departure(values[0])[1] for key, values in transforms.items()}
print(
    "5% critical value of the departure: "
    + ", ".join(f"{value:.3f} ({where})" for where, value in critical.items())
)
pd.DataFrame(
    {
        key: {
            ("", "temperature"): model.calibration.temperature,
            ("", "contamination"): model.calibration.contamination,
            ("departure", "as trained"): departure[key][0],
            ("departure", "calibrated"): departure[key][1],
            ("cross-entropy", "as trained"): as_trained[key],
            ("cross-entropy", "calibrated"): losses[key].mean(),
        }
        for key, model in models.items()
    }
).T.round(4)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Histograms of the probability integral transform for a model of photometry and models of pictures, as trained and calibrated, with the band expected of a uniform one."}}
judged = [(catalogue_of, "Mopt"), groups["pictures"][0], last_picture]
judged = list(dict.fromkeys(judged))
departing = [
    sum(departure[key][i] > pit_departure(transforms[key][i])[1] for key in models)
    for i in range(2)
]
figure, axes = panels(
    len(judged),
    columns=3,
    width=2.9,
    title=f"Of {len(models)} models {departing[0]} {'departs' if departing[0] == 1 else 'depart'} from calibration as trained, {departing[1]} once calibrated",
)
for axis, key in zip(axes, judged, strict=True):
    for values, colour, words in zip(
        transforms[key],
        ("orange", "blue"),
        ("as trained", "calibrated"),
        strict=True,
    ):
        pit_histogram(axis, values, label=words, colour=COLOURS[colour])
    axis.autoscale(axis="y")  # high enough for both
    axis.set_ylim(0, None)
    axis.set_title(f"{key[1]}, {key[0]}", fontsize=10, fontweight="normal")
handles = dict(zip(*axes[0].get_legend_handles_labels()[::-1], strict=True))
figure.legend(
    handles.values(),
    handles.keys(),
    loc="outside lower center",
    ncols=3,
    fontsize=9,
)
plt.show()

# %% [markdown]
# Calibration lowers the cross-entropy of all seven models, by less than 0.01 nats each. That is what it was fitted for, if on other galaxies; the PIT of the test galaxies departs from uniform a little more than before in six of the seven.
#
# The departure is the largest difference between the cumulative distribution of the PIT and a straight line (Kolmogorov and
# Smirnov's statistic). A temperature mends a width that is wrong for all galaxies alike, and no shift; and two numbers from validation galaxies carry those galaxies' own luck. Nor does it mend bins that are wider than the errors, as they are where the redshift is in the input: within a bin the mass is spread evenly, and the histogram has a hump. Chapter 5 calibrates its own models on validation data, because an
# information estimate is only as good as the calibration.
#
# ## What does S contain?
#
# The first two {term}`principal components <principal component>` of S of the test galaxies, for the network of pictures alone, each panel coloured by another property. The network was told the mass. It was told nothing of the others. Above each panel stands how much of the variance of that property a linear function of all 16 numbers of S (a *plane*), fitted to training galaxies, explains in test galaxies.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four panels of the same cloud of test galaxies on the first two principal components of S of the picture model, coloured by stellar mass, redshift, axis ratio and specific star formation rate, as far as the catalogue has them."}}
latents = {
    key: embed(model, samples[key[0]], device=device) for key, model in models.items()
}
picture_key = groups["pictures"][0]
s = latents[picture_key].to_numpy()
test_rows = pictures.rows("test")
components = PCA(2).fit(s[train_rows])
projected = components.transform(s[test_rows])
properties = {
    pictures.target: "log10 mass (solar masses)",
    "z": "redshift",
    "expAB_r": "axis ratio in r",
    "specsfr_tot_p50": "log10 SFR / mass (1/yr)",
}
properties = {name: text for name, text in properties.items() if name in test_catalog}
# Of S, not of the picture of it: how much of each property a plane through all numbers of S explains.
explained = {}
for name in properties:
    value = pictures.catalog[name].to_numpy(np.float64)
    fitted, judged = (
        rows[np.isfinite(value[rows])] for rows in (train_rows, test_rows)
    )
    design = np.column_stack([s, np.ones(len(s))])
    weights = np.linalg.lstsq(design[fitted], value[fitted], rcond=None)[0]
    residual = value[judged] - design[judged] @ weights
    explained[name] = 1 - residual.var() / value[judged].var()
figure, axes = panels(
    len(properties),
    width=3.5,
    height=2.9,
    title=f"{pictures_of}: a plane in S explains {explained[pictures.target]:.0%} of the variance of the mass"
    + (f", and {explained['z']:.0%} of that of redshift" if "z" in explained else ""),
)
for axis, (name, text) in zip(axes, properties.items(), strict=True):
    colour = test_catalog[name].to_numpy(np.float64)
    low, high = np.nanquantile(colour, [0.02, 0.98])
    points = axis.scatter(
        *projected.T, s=5, c=colour, vmin=low, vmax=high, linewidths=0
    )
    figure.colorbar(points, ax=axis).set_label(text, fontsize=10)
    axis.set_title(f"plane: {explained[name]:.0%}", fontsize=10, fontweight="normal")
share = components.explained_variance_ratio_
figure.supxlabel(f"first component of S ({share[0]:.0%} of its variance)", fontsize=11)
figure.supylabel(f"second component ({share[1]:.0%})", fontsize=11)
plt.show()

# %% [markdown]
# S is not *only* mass, nor should it be: two galaxies of equal expected mass may differ in how uncertain it is, and S must
# tell the estimator both. What else it holds, and whether that is more than the mass brings along, is the question of {ref}`chapter 4 <chapter-causal-discovery>`; a colour in a map is a hint and no test.
#
# ### Who stands next to whom?
#
# Three test galaxies, a light one, a typical one and a heavy one, and the six training galaxies nearest to each in S.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three rows of seven small colour pictures. The first of each row is a test galaxy, the others are the training galaxies nearest to it in S, each with its mass written above."}}
queries = np.argsort(test_mass)[
    (np.array([0.1, 0.5, 0.9]) * len(test_mass)).astype(int)
]
six = nearest_neighbours(s[train_rows], s[test_rows[queries]], 6)
figure, axes = plt.subplots(3, 7, figsize=(8.4, 4.3), squeeze=False)
scatter = []
for row, (query, index) in enumerate(zip(queries, six.index, strict=True)):
    members = np.concatenate([[test_rows[query]], train_rows[index]])
    in_colour = galaxy_pictures(pictures.images[members], pictures.bands)
    for axis, picture, value in zip(
        axes[row], in_colour, pictures.mass[members], strict=True
    ):
        show_picture(axis, picture, f"{value:.2f}")
    for side in axes[row, 0].spines.values():
        side.set(visible=True, color=COLOURS["vermilion"], linewidth=3)
    scatter.append(pictures.mass[members[1:]].std(ddof=1))
figure.suptitle(
    f"{pictures_of}: neighbours in S of {picture_key[1]}, whose log10 masses scatter by {min(scatter):.2f} to {max(scatter):.2f} dex",
    x=0.01,
    ha="left",
    fontsize=12,
    fontweight="bold",
)
plt.show()

# %% [markdown]
# The framed picture is the galaxy asked about; its neighbours have no frame. Above each picture stands its log10 mass. The network was asked for an S from which the mass can be told, *as far as a picture shows it*; nobody told it which galaxies are alike. Where neighbours look different to you and their masses agree, the difference is what S has learnt to ignore.
#
# ## Galaxies that the encoder has not seen
#
# The encoder was trained on the masses of the training galaxies. If it has memorised some, a training galaxy stands in S among galaxies that are too like it, and what chapters 3 and 4 measure
# there is too good. The remedy is {term}`cross-fitting`: train two encoders, each on one half of the training galaxies. Each training galaxy is then seen by one and unseen by the other, and the same galaxy, as its own control, is
# asked twice: how well do its neighbours know its mass? Neighbours are always galaxies that the encoder *has* seen, the galaxy itself left out. These encoders learn from half as many galaxies as the one above and may remember more of each; what they show is theirs, and a guide for the other.

# %%
crossed = cross_fit(
    sample,
    "Mopt",
    profile,
    n_folds=2,
    seed=seed,
    device=device,
    checkpoint_dir=checkpoints,
)
training_rows, mass = sample.rows("train"), sample.mass
counts = [k for k in (5, 10, 20, 50, 100) if k < len(training_rows) // 4]
squares = {
    (status, k): np.full(len(training_rows), np.nan)
    for status in ("seen", "unseen")
    for k in counts
}
for number, latent in enumerate(crossed.latents):
    encoded, unseen = latent.to_numpy(), crossed.unseen[training_rows, number]
    seen_rows = training_rows[~unseen]
    found = nearest_neighbours(
        encoded[seen_rows],
        encoded[training_rows],
        counts[-1],
        reference_id=seen_rows,
        query_id=training_rows,
    )
    for k in counts:
        guess = mass[seen_rows][found.first(k).index].mean(axis=1)
        error = (guess - mass[training_rows]) ** 2
        squares["seen", k][~unseen] = error[~unseen]
        squares["unseen", k][unseen] = error[unseen]
by_k = pd.DataFrame(
    {
        k: {
            "seen": np.sqrt(squares["seen", k].mean()),
            "unseen": np.sqrt(squares["unseen", k].mean()),
            **dict(
                zip(
                    ("difference of squares", "low", "high"),
                    paired_difference(
                        squares["unseen", k], squares["seen", k], seed=seed
                    ),
                    strict=True,
                )
            ),
        }
        for k in counts
    }
).T.rename_axis("neighbours")
by_k.round(4)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Root mean square error of the mean mass of a galaxy's neighbours against the number of neighbours, for the same galaxies in the S of an encoder that was trained on them and in the S of one that was not."}}
flattery = 1 - by_k["seen"] / by_k["unseen"]
at = counts[-1]
figure, axis = plt.subplots()
for status, colour, marker in (("unseen", "blue", "o"), ("seen", "orange", "s")):
    axis.plot(
        by_k.index,
        by_k[status],
        f"{marker}-",
        color=COLOURS[colour],
        label=f"{status} by the encoder",
    )
axis.set(
    xscale="log",
    xlabel="number of neighbours k",
    ylabel="RMSE of their mean mass (dex)",
)
axis.set_xticks(counts, [str(k) for k in counts])
axis.minorticks_off()
if by_k.loc[at, "low"] > 0:
    title = f"Seen galaxies flatter the encoder by {flattery[at]:.1%} at k = {at}"
elif by_k.loc[at, "high"] < 0:
    title = f"Unseen galaxies do better by {-flattery[at]:.1%} at k = {at}"
else:
    title = f"Seen or unseen: no difference beyond chance at k = {at}"
axis.set_title(title)
axis.legend()
plt.show()

# %% [markdown]
# The neighbours' mean mass looks 8 to 10% better for seen galaxies than for unseen ones, at every k. So chapter 3 compares seen and unseen neighbours of test galaxies, which neither encoder has learnt from, and chapter 4 repeats its tests with both.
#
# Both S are stored for the chapters to come, with a table that says which galaxy was unseen by which encoder. Their numbers must never be mixed: the axes of S mean something else in every training.

# %% [markdown]
# ## How long would it take on a GPU?
#
# For a GPU set one parameter, `profile = "paper"`, and give the run a name of its own; `device = "auto"` finds the GPU. Then the networks and the schedule are the published ones. In Colab choose a runtime with a GPU; this chapter does without chapter 1 there and
# loads its galaxies itself. Do the arithmetic before you start.
#
# A network's cost can be counted without running it: the multiplications and additions of one step, every pass through the network that the loss asks for included, and the numbers that must be kept for the way back. Divided by the operations that a machine does in a second this gives a time. The rate of the
# machine that executes this page is measured, with one convolution like those of the published network; *time, here* divides by it. Those of the two GPUs are *nominal*, the peaks in the manufacturer's data sheets: for a T4 (the usual GPU of a free Colab) 8.1 × 10¹² a second in float32 and 65 in half precision, for an A100 19.5 and 312 (and 156 for convolutions of float32 numbers, which PyTorch computes there
# in TF32 unless told otherwise). No training reaches the peak, so take those times as what it cannot beat. Profile `book` computes in half precision for networks of pictures, where the
# device has it, and in float32 for those of photometry; `paper` computes in float32 throughout, and `train(..., precision="auto")` would change that. Below, `32-true` is float32, `bf16-mixed` and `16-mixed` are the two kinds of half precision, and `auto` is the kind that suits the device.

# %% tags=["hide-input"]
nominal = {
    "T4": {"32-true": 8.1e12, "16-mixed": 65e12},
    "A100": {
        "32-true": 19.5e12,
        "tf32": 156e12,
        "16-mixed": 312e12,
        "bf16-mixed": 312e12,
    },
}
chosen = choose_precision(pick_device(device))
rate_here = {how: machine_rate(device, how) for how in {"32-true", chosen}}


def duration(seconds):
    """Seconds in the unit that suits them."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def arithmetic_of(name, of_profile):
    """What a training costs by arithmetic alone."""
    config = settings_for(pictures, name, of_profile)
    side = 64 if config.encoder == "inception" else None
    n_extra = None
    if config.standardise:  # then a column with nulls brings a flag
        of_training = pictures.catalog.iloc[pictures.rows("train")]
        n_extra = fit_scaling(resolved(pictures, name), of_training).n_extra
    network, form, n_extra = network_of(
        pictures, name, of_profile, n_extra=n_extra, size=side
    )
    how = chosen if config.precision == "auto" else config.precision
    cost = contrastive_cost(
        network, form, n_extra, bytes_per_value=4 if how == "32-true" else 2
    )
    together = 2 * config.batch_size
    on_gpu = {"T4": how if how in nominal["T4"] else "32-true", "A100": how}
    if config.precision == "auto":
        on_gpu = {"T4": "16-mixed", "A100": "bf16-mixed"}
    elif len(form) == 3 and how == "32-true":
        on_gpu["A100"] = "tf32"
    rates = {"here": rate_here.get(how, rate_here["32-true"])}
    rates |= {gpu: nominal[gpu][on_gpu[gpu]] for gpu in nominal}
    return {
        "parameters": cost.parameters,
        "10⁹ operations a galaxy and step": cost.step_operations / 1e9,
        "galaxies a step": together,
        "steps": config.steps,
        "precision": config.precision,
        "memory of a step (GB)": cost.memory_bytes(together) / 1e9,
        **{
            f"time, {machine}": expected_time(cost, together, config.steps, rate)
            for machine, rate in rates.items()
        },
    }


counted = [name for name in ("Mopt", "Iopt") if name in wanted[pictures_of]]
arithmetic = {
    (of_profile, name): arithmetic_of(name, of_profile)
    for of_profile in ("book", "paper")
    for name in counted
}
for name in counted:
    cost, alone = models[pictures_of, name].cost, arithmetic_of(name, profile)
    print(
        f"measured, profile {profile}, {name}: {cost['seconds'] / 60:.2f} minutes, of which arithmetic {alone['time, here'] / 60:.2f}; "
        f"{1000 * cost['seconds_per_step']:.0f} ms a step, {cost['galaxies_per_second']:.0f} galaxies a second; "
        f"largest memory of the process so far {cost['peak_memory_bytes'] / 1e9:.1f} GB; {cost['device']}, {cost['precision']}"
    )
print(
    "rate measured here: "
    + ", ".join(
        f"{rate / 1e9:.0f} x 10⁹ a second ({how})" for how, rate in rate_here.items()
    )
)
formats = {
    "parameters": "{:,}".format,
    "10⁹ operations a galaxy and step": "{:.3g}".format,
    "steps": "{:,}".format,
    "memory of a step (GB)": "{:.2g}".format,
    **{f"time, {machine}": duration for machine in ("here", *nominal)},
}
pd.DataFrame(
    {
        key: {name: formats.get(name, str)(value) for name, value in row.items()}
        for key, row in arithmetic.items()
    }
)

# %% [markdown]
# Where the measured time is longer than *time, here*, the rest went into what is not arithmetic: a step has hundreds of small operations, and starting each may cost more than doing it. How much a GPU gains therefore depends on the network. On an NVIDIA H100 a step of 128 galaxies took us 13 ms for the compact network of pictures, against 99 ms on two cores of an AMD EPYC; for photometry it was 8 ms on either, no gain (pictures in bf16; November 2026). Neither fills that GPU: fifteen trainings of pictures side by side took 25 ms a step each, together about eight times the work of one, which is what `make study PER_GPU=15` does. The larger the network, the nearer a training comes to its
# arithmetic. If the memory of a step is more than your GPU has, set `accumulate` to cut each batch into parts; several GPUs share a batch with `devices`.
#
# ## What do the parts of the method buy?
#
# An {term}`ablation` takes away one thing and looks at what is missed. The same stored study took away a term of the loss, the whole contrastive idea (a network of the same encoder, trained on the mass of $x$ alone), and the architecture, in whose place came one of another family. If another architecture predicts the mass better, the first has not found all that the input says.
# Three more rows change how long and how strictly the network is trained, and how sharp its pictures are: they tell whether the terms matter more or less than such plain things.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Change of the test cross-entropy of the picture network under several changes of the method, one row each: the mean with its interval over galaxies, and below it a diamond for each pair of seeds. A vertical line at zero marks the unchanged method. A note under the figure says when and where it was computed."}}
ablations = pd.DataFrame(study["ablations"]).set_index("variant")
reference = ablations.loc[["contrastive"]]
words = ablations.groupby(level=0)["words"].first()
gaps = pd.DataFrame(study["ablation_gaps"]).set_index("variant")
gaps["words"] = words
lowest, highest = (gaps["seeds"].map(end) for end in (min, max))
worse = (gaps["low"] > 0) & (lowest > 0)
better = (gaps["high"] < 0) & (highest < 0)
figure, axis = plt.subplots(figsize=(6.6, 2.2 + 0.4 * len(gaps)))
forest(
    axis,
    gaps["words"].tolist(),
    gaps["mean"],
    gaps["low"],
    gaps["high"],
    label="mean, 95% over galaxies",
)
for row, seeds in enumerate(gaps["seeds"]):
    axis.plot(
        seeds,
        np.full(len(seeds), len(gaps) - 1.25 - row),
        "D",
        color=COLOURS["orange"],
        markersize=5,
        label="seed against seed" if row == 0 else None,
    )
axis.axvline(0, color=COLOURS["black"], linewidth=1)
axis.set(
    xlabel=f"change of the test cross-entropy of {reference['inputs'].iloc[0]} (nats)"
)
figure.suptitle(
    f"In the mock, of {len(gaps)} changes {worse.sum()} make the mass worse\nand {better.sum()} better, beyond the luck of galaxies and seeds",
    x=0.01,
    ha="left",
    fontsize=12.5,
    fontweight="bold",
)
axis.legend(fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
footnote(figure, f"{source} {reference['n_train'].iloc[0]:,} training galaxies.")
plt.show()
print(
    f"unchanged: {reference['cross_entropy'].mean():.3f} nats, mean of {len(reference)} seeds, weight decay {plan['ablation_weight_decay']}"
)
of_the_loss = gaps.index.isin(
    ["no contrast", "no consistency", "no reconstruction", "supervised"]
)
print(
    f"largest change: {gaps['mean'][of_the_loss].abs().max():.3f} nats by what the loss asks, {gaps['mean'][~of_the_loss].abs().max():.3f} by architecture, training or pixels"
)
gaps.set_index("words")[["mean", "low", "high"]].rename_axis("change").add_suffix(
    " (nats)"
).round(3)

# %% [markdown]
# Positive: the mass is predicted worse after the change. Negative: better, so that for predicting the mass alone the part that was taken away costs something. Contrast, consistency and reconstruction are there for S, and this book does not measure what S becomes without them. Where weight decay, steps or the size of a pixel change more than any term of the loss, a network that predicts badly should be mended there first.
#
# Differences are taken on the same test galaxies; the diamonds show what the luck of the seeds adds. Where the changed method was trained once, its one training meets each of the unchanged ones. The unchanged method here has the stronger weight decay; the row *a fifth of the weight decay* is the setting of the learning curve at this size.
# Equal cross-entropies of two architectures do not show that their S are the same; unequal ones show that at least one has not got all.
#
# ## An encoder of your own
#
# Every encoder of pictures is one class: built from the number of bands, of extras and of latent numbers and the size of the picture, it turns pictures and extras into a latent vector. Yours fits if it does the same. Here is one
# that an astronomer might write: beside the extras it sees nothing but the mean of the stretched pixels in rings around the centre, the galaxy's {term}`light profile <Sérsic profile>` in each band.


# %%
class RingEncoder(nn.Module):
    """Encoder that sees the mean stretched pixel in rings, and so no direction."""

    def __init__(self, n_bands, n_extra, n_latent, size):
        super().__init__()
        from_centre = torch.arange(size) - (size - 1) / 2
        radius = torch.hypot(from_centre[:, None], from_centre[None, :]).flatten()
        n_rings = size // 2
        ring = radius.long().clamp(max=n_rings - 1)
        member = nn.functional.one_hot(ring, n_rings).float()  # [pixel, ring]
        self.register_buffer("weight", member / member.sum(dim=0))
        self.layers = nn.Sequential(
            nn.Linear(n_bands * n_rings + n_extra, 128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, n_latent),
        )

    def forward(self, images, extra):
        light_profile = images.flatten(2) @ self.weight  # [batch, band, ring]
        return self.layers(torch.cat([light_profile.flatten(1), extra], dim=1))


quick = {"steps": min(100, image_config.steps), "batch_size": 32}
of_rings = train(
    pictures,
    "Iopt",
    profile,
    seed=seed,
    device=device,
    encoder=RingEncoder,
    **quick,
)
rows, mass = test_part(pictures_of)
probability, _ = predict_mass(of_rings, pictures, device=device)
loss = cross_entropy(probability[rows], of_rings.bins, mass)
gap = paired_difference(loss, losses[picture_key], seed=seed)
print(
    f"{count_parameters(of_rings.network.encoder):,} parameters in the encoder, {of_rings.cost['seconds']:.0f} s for {quick['steps']} steps\n"
    f"test cross-entropy {loss.mean():.3f} nats: {gap.mean:+.3f} (95% {gap.low:+.3f} to {gap.high:+.3f}) beside the fully trained {picture_key[1]}"
)

# %% [markdown]
# Rings do not change when a picture is turned, so for this encoder $x$ and $\tilde x$ are one and the same. What the others must learn from many turned galaxies is here true by construction. The price is that directions are lost: of a disc's inclination, a bar or
# spiral arms only what they change in these means remains. A hundred steps are a trial, not a comparison: train both to the end before you conclude.
#
# ## Check yourself

# %%
# What is asked of values holds for the published data set: other galaxies may be harder.
if profile not in ("smoke", "paper") and dataset == "sdss-mini":
    by_optical = worst.xs("Mopt", level="input")
    assert (by_optical <= 0.05).all(), standings
    for key in groups["photometry"]:
        assert models[key].verdict["converged"], models[key].verdict
for key, probability in distributions.items():
    assert np.allclose(probability.sum(axis=1), 1), key
# Turned pictures look the same to rings, and S is the same to rounding.
stamps = to_network(of_rings.images, measured[:8])
beside = torch.zeros(8, len(of_rings.resolved.extra) + len(of_rings.scaling.flagged))
with torch.no_grad():
    once, turned = (
        of_rings.network.encode(seen, beside)[0]
        for seen in (stamps, rotate_or_flip(stamps, torch.arange(8)))
    )
assert torch.allclose(once, turned, atol=1e-3)
# In two folds every training galaxy is unseen by exactly one encoder, and test galaxies by both.
assert (crossed.unseen[training_rows].sum(axis=1) == 1).all()
assert crossed.unseen[sample.rows("test")].all()

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-contrast-of-equals
# *Look.* What is the contrast term when positive and negative distances are equal? Does an encoder gain by shrinking all of S, and what stops it?
# :::

# %% tags=["hide-cell"]
# Solution: log 2, at any size of S. Where pairs are told apart the term is smaller, and shrinking all of S takes it back to log 2: it costs.
from helpers.contrastive.losses import contrast

s = torch.from_numpy(np.random.default_rng(seed).normal(size=(64, 8)))
for size in (1.0, 0.1, 0.0):
    equal = contrast([(s, s + size)], (s, s + size))
    apart = contrast([(s, s + 0.1 * size)], (s, s + size))
    print(f"distance {size:g}: equal {equal:.3f}, told apart {apart:.3f}")

# %% [markdown]
# :::{exercise}
# :label: exercise-shuffled-mass
# *Change.* Shuffle the masses among the training galaxies and train `Mopt` again for a few hundred steps. What should the validation cross-entropy
# approach, and what does S look like then?
# :::

# %% tags=["hide-cell"]
# Solution: nothing can be learnt but the prior, so the cross-entropy stays near the entropy of the mass histogram.
shuffled = sample.catalog.copy()
rows = sample.rows("train")
shuffled.loc[shuffled.index[rows], sample.target] = np.random.default_rng(
    seed
).permutation(sample.mass[rows])
null_model = train(
    Sample.from_frame(shuffled, split=sample.split),
    "Mopt",
    profile,
    seed=seed,
    device=device,
    steps=300,
)
histogram = np.bincount(
    null_model.bins.labels(sample.mass[rows]), minlength=null_model.bins.count
) / len(rows)
entropy = -np.sum(histogram[histogram > 0] * np.log(histogram[histogram > 0]))
# The decoder still reads S, so S may tell of the input, and by that of the real mass.
s_null = embed(null_model, sample, device=device).to_numpy()
design, test = np.column_stack([s_null, np.ones(len(s_null))]), sample.rows("test")
weights = np.linalg.lstsq(design[rows], sample.mass[rows], rcond=None)[0]
left = (sample.mass[test] - design[test] @ weights).var() / sample.mass[test].var()
print(
    f"validation cross-entropy {null_model.history['validation_cross_entropy'].min():.2f}, entropy of the masses {entropy:.2f} nats; "
    f"a plane in this S explains {1 - left:.0%} of the variance of the real masses"
)

# %% [markdown]
# :::{exercise}
# :label: exercise-rings-infrared
# *Build.* Give the rings the infrared magnitudes too, where your pictures have them, and compare with the rings alone, galaxy by galaxy. Why does the class need no change for that?
# :::

# %% tags=["hide-cell"]
# Solution: beside pictures every column is an extra, and the encoder is told how many there are.
with_infrared = [name for name in wanted[pictures_of] if name.startswith("Iopt+")]
if with_infrared:
    rings_and_more = train(
        pictures,
        with_infrared[0],
        profile,
        seed=seed,
        device=device,
        encoder=RingEncoder,
        **quick,
    )
    rows, mass = test_part(pictures_of)
    probability, _ = predict_mass(rings_and_more, pictures, device=device)
    more = cross_entropy(probability[rows], rings_and_more.bins, mass)
    gap = paired_difference(loss, more, seed=seed)
    print(
        f"{with_infrared[0]} in {quick['steps']} steps: {gap.mean:+.3f} nats better (95% {gap.low:+.3f} to {gap.high:+.3f})"
    )

# %% [markdown]
# ## What could be wrong
#
# - S is learnt by a finite network from a few thousand galaxies. It may miss what the input holds, and then chapter 4 will find "information beyond
#   the input" that is only information beyond *S*. That holds for pictures more than for photometry: look at the end of the learning curve.
# - The converse also happens: S of a training galaxy has seen its own mass. Cross-fitting shows how much that is for photometry; for pictures it was not tried here.
# - The contrast asks that a redrawn galaxy stay close in S, not that galaxies of equal mass do. Whether S is really all that matters is tested, not assumed.
# - The rivals of the network read tables. No rival was held against the networks of pictures but photometry itself.
# - The masses of `sdss-mini` are no truth but a fit to the same fluxes (chapter 1), so a network may learn the fit's habits with the galaxies' properties.
# - Intervals are over galaxies. Except in the stored study nothing was trained twice, so differences of a few hundredths of a nat between two models may be luck.
# - A profile that has no place for nulls leaves galaxies out, and not at random: those without W3, say, are the faint and the passive ones.
# - Pictures of the mock are as rich as its equations: smooth bulges and discs, without arms, bars or neighbours. Real ones hold more, both to find and to be misled by.
#
# ## Summary
#
# A network is taught to keep in S what its input says about the mass, by predicting the mass from S alone and by being asked that S survive a redrawing and a turn. Photometry and pictures go through the same loss. Held against boosting and neighbours on the same bins, a model of a table can be
# shown to know as much as they do, or by how much less: on `sdss-mini` boosting is 0.03 to 0.04 nats ahead. That nothing was missed cannot be shown; for pictures the learning curve says how far they have come. The latent vectors are stored for the chapters to come.


# %% tags=["hide-input"]
def on_all_rows(frame, where):
    """A table on all galaxies of the sample: null for those that were left out."""
    return frame.reindex(whole[where].catalog.index)


for (where, name), model in models.items():
    latent = on_all_rows(latents[where, name], where)
    if where == catalogue_of and name in inputs:
        this_run.save(f"model_{name}.safetensors", model.pack())
        this_run.save(f"latent_{name}.parquet", latent)
    if where == pictures_of:
        this_run.save(f"pictures_model_{name}.safetensors", model.pack())
        this_run.save(f"pictures_latent_{name}.parquet", latent)
for where, names, file in (
    (catalogue_of, inputs, "mass_estimates.parquet"),
    (pictures_of, wanted[pictures_of], "pictures_mass_estimates.parquet"),
):
    index = samples[where].catalog.index
    of_sample = pd.DataFrame(
        {name: estimates[where, name] for name in names}, index=index
    )
    this_run.save(file, on_all_rows(of_sample, where))
this_run.save(
    "pictures_catalog.parquet",
    whole[pictures_of].catalog.assign(split=whole[pictures_of].split),
)
unseen = pd.DataFrame(crossed.unseen, index=sample.catalog.index)
unseen = unseen.reindex(whole[catalogue_of].catalog.index, fill_value=True)
for number, latent in enumerate(crossed.latents):
    this_run.save(
        f"latent_crossfit_Mopt_{number}.parquet", on_all_rows(latent, catalogue_of)
    )
this_run.save("unseen_Mopt.npz", {"unseen": unseen.to_numpy()})
this_run.save(
    "learning_curves.parquet",
    pd.concat(
        [
            model.history.assign(sample=where, input=name)
            for (where, name), model in models.items()
        ],
        ignore_index=True,
    ),
)


def of(where, values):
    """What is known of a sample's models, by input."""
    return {name: value for (place, name), value in values.items() if place == where}


headline = {
    where: {
        "rmse_dex": {
            name: {
                "network": quality.loc[(where, name), "rmse"],
                "boosting": boosted_rmse.get((where, name)),
            }
            for name in wanted[where]
        },
        "verdict": of(where, {key: model.verdict for key, model in models.items()}),
        "cost": of(where, {key: model.cost for key, model in models.items()}),
        "n_bins": of(where, {key: model.bins.count for key, model in models.items()}),
        "test_cross_entropy_nats": of(
            where, {key: loss.mean() for key, loss in losses.items()}
        ),
        "rival_cross_entropy_nats": of(
            where,
            {
                key: {rival: loss.mean() for rival, loss in found.items()}
                for key, found in rival_losses.items()
            },
        ),
        "quality": {
            name: quality.loc[(where, name)].to_dict() for name in wanted[where]
        },
        "pit_departure": of(where, {key: pair[1] for key, pair in departure.items()}),
        "temperature": {
            name: models[where, name].calibration.temperature for name in wanted[where]
        },
    }
    for where in samples
}
this_run.save_results(
    headline[catalogue_of]
    | {
        "pictures": {"sample": pictures_of} | headline[pictures_of],
        "seen_and_unseen_rmse_dex": by_k[["seen", "unseen"]].to_dict(orient="index"),
    }
)
print(
    f"stored in runs/{run}/02_contrastive_training: {len(models)} models and their latent tables, two cross-fitted ones, mass estimates, learning curves, results.json"
)

# %% [markdown]
# **What's next**: {ref}`chapter-knn-estimation`.
#
# **References**: {cite:t}`khosla2020`, {cite:t}`zhang2025`, {cite:t}`lin2024`, {cite:t}`guo2017`, {cite:t}`gneiting2007`, {cite:t}`dawid1984`.
