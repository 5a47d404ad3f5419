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
# (appendix-scale)=
# # Appendix B. Scale
#
# *What fits a laptop, what asks for a GPU, what for a cluster, and which step will be the first to say no?*
#
# The book runs on some ten thousand galaxies. SDSS has half a million that its method suits, and the surveys that follow will have a
# billion. Before you carry the method there, do the arithmetic: measure each step where it is small, see how it grows, and multiply.
# Everything below was measured or counted for this book, or follows from that by multiplication, but for the peak of a GPU, which is its maker's, and for guesses that stand where you can change them:
# the share of that peak that a training reaches, the speed of a disk and a line, and how many cores, GPUs and disks there are.

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
# - Read a cost off a {term}`growth exponent`, and say how far to trust it.
# - Estimate the time of a set of trainings on one GPU and on eight.
# - Name the step that will be the bottleneck for a sample of yours, before you start.
# :::
#
# **Before you start**: the summaries of {ref}`chapters 2 <chapter-contrastive-training>` to {ref}`5 <chapter-information-decomposition>`. **Time and memory**: a quarter of a minute, 1 GB. Nothing is timed here: the page reads measurements that
# come with the library, and `make scale` makes them anew on a computer of yours.

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
# The parameters are those of every chapter. They change nothing on this page but the name under which its numbers are stored.

# %%
import heapq

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers.contrastive.costs import contrastive_cost, expected_time, information_cost
from helpers.contrastive.image_networks import image_information_network, image_network
from helpers.information import distinct_inputs
from helpers.information.pictures import channels_of
from helpers.information.tuples import (
    IMAGE_BAND_TUPLES,
    MODALITY_TUPLES,
    PHOTOMETRIC_BAND_TUPLES,
)
from helpers.inputs import resolve
from helpers.plotting import COLOURS, footnote, legend_below, use_style
from helpers.runs import open_run, profile_settings, stored_result
from helpers.survey import load_sample
from helpers.survey.sdss import expected_cost

use_style()
shared = {
    "dataset": dataset,
    "profile": profile,
    "seed": seed,
    "n_galaxies": n_galaxies,
    "column_map": column_map,
}
this_run = open_run(run, chapter="91_scale", parameters=shared)
study = stored_result("scale_study.json")
rows = pd.DataFrame(study["rows"])
origin = study["provenance"]
computer = origin["computer"]
where = f"{computer['cores']} cores of an {computer['processor']}, {computer['memory_gigabytes']} GB of memory, no GPU; commit {origin['commit']}, {origin['date']}"
print(f"measured on {where}")

# %% [markdown]
# ## How does each step grow?
#
# Every step was measured by itself, in a process of its own, with nothing beside it. On a plot of logarithms a power law is a straight line, and its slope is the
# {term}`growth exponent`: at 1, twice the galaxies take twice the time; at 2, four times. Where something is set up first, whatever
# the size, the line is flat at its left end. So the exponent is taken from the two largest sizes. Where even that is below 1, what is set up still counts;
# beyond the largest size such a step is then taken to grow in proportion.

# %%
GROWING = [
    "mock galaxies",
    "neighbours",
    "local tests",
    "local tests, S removed",
    "tests of the sample",
]


def measured(step):
    """Sizes and seconds of a step."""
    own = rows[rows["step"] == step].sort_values("n_galaxies")
    return own["n_galaxies"].to_numpy(), own["seconds"].to_numpy()


def exponent(step):
    """Slope between the two largest sizes, in logarithms."""
    n, seconds = measured(step)
    return np.diff(np.log(seconds[-2:]))[0] / np.diff(np.log(n[-2:]))[0]


def extrapolated(step, n):
    """Seconds at a larger size, along the slope, which is taken as 1 if it is less."""
    sizes, seconds = measured(step)
    return seconds[-1] * (n / sizes[-1]) ** max(exponent(step), 1)


growth = pd.DataFrame(
    {
        step: {
            "galaxies": f"{measured(step)[0][-1]:,}",
            "seconds": f"{measured(step)[1][-1]:.3g}",
            "growth exponent": f"{exponent(step):.2f}",
            "largest memory (GB)": f"{rows.loc[rows['step'] == step, 'peak_gigabytes'].max():.2f}",
        }
        for step in GROWING
    }
).T
growth.rename_axis("step, at its largest size")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Seconds against number of galaxies, both axes logarithmic, for making mock galaxies, searching neighbours, local tests with and without S removed, and tests of the sample. The line of the neighbours is the steepest; those of the tests and of the mock are as steep as the dotted line of proportional growth, or less."}}
steepest = max(GROWING, key=exponent)
figure, axis = plt.subplots()
names = ("black", "blue", "orange", "green", "purple")
for step, name in zip(GROWING, names, strict=True):
    axis.loglog(*measured(step), marker="o", color=COLOURS[name], label=step)
span = np.array([1e3, 1e5])
for power, style in ((1, ":"), (2, "--")):
    axis.loglog(
        span,
        0.02 * (span / span[0]) ** power,
        style,
        color=COLOURS["grey"],
        label=f"growth exponent {power}",
    )
axis.set(xlabel="galaxies", ylabel="time (seconds)")
legend_below(figure, axis, columns=3)
axis.set_title(
    f"Of all steps, {steepest} grow fastest: exponent {exponent(steepest):.1f}"
)
footnote(figure, where)
plt.show()

# %% [markdown]
# The search for neighbours compares each galaxy with all others, and so grows with the square of the sample; everything else visits each galaxy or each neighbourhood once. That is the whole theory of this page: **what
# compares pairs will stop you first**, unless one side of the pair stands still. In {ref}`chapter 3 <chapter-knn-estimation>` it does: neighbours are sought among the *training* galaxies, and a survey may grow while those remain.
#
# ## May one extrapolate?
#
# An extrapolation is a claim, so here is a check. The largest sizes of neighbours and local tests above are three to six times smaller than a survey. The same calls were also made at the size of one: so many galaxies, each compared with so many others.

# %%
survey = study["survey"]
n_query, n_reference = survey["n_query"], survey["n_reference"]
predictions = {
    "neighbours": (
        extrapolated("neighbours", np.sqrt(n_query * n_reference)),
        survey["neighbours"]["seconds"],
    ),
    "local tests": (
        extrapolated("local tests", n_query),
        survey["published form"]["seconds"],
    ),
    "local tests, S removed": (
        extrapolated("local tests, S removed", n_query),
        survey["S removed"]["seconds"],
    ),
}
print(f"{n_query:,} galaxies, neighbours among {n_reference:,}")
check = pd.DataFrame(predictions, index=["predicted (s)", "measured (s)"]).T
check["measured / predicted"] = check.iloc[:, 1] / check.iloc[:, 0]
check.round(2)

# %% [markdown]
# Ratios of one to one and a half mean that nothing new happens on the way, such as a memory that overflows into the disk. Seconds that are extrapolated sixfold are not to be trusted further than that. The highest memory of that process is printed below, since it decides more often than time does whether a laptop will do. It comes from what is
# made for every galaxy: a hundred neighbours, and for every property its efficiency and its p-value.

# %%
parts = {
    "before": "before",
    "neighbours": "neighbours",
    "published form": "local tests",
    "S removed": "local tests, S removed",
}
for part, words in parts.items():
    print(f"{words:22s} {survey[part]['peak_gigabytes']:5.2f} GB at most so far")

# %% [markdown]
# ## Trainings do not grow, they are long
#
# A training takes as many steps as you give it, and a step has as many galaxies as its batch. The sample's size is not in the product: twice the galaxies want more steps to be learned, but nothing makes them. What counts is the network: where a step was timed with fewer galaxies too, it takes about as long.

# %%
TRAININGS = [
    "contrastive step, magnitudes",
    "contrastive step, pictures",
    "published step, magnitudes",
    "published information step, magnitudes",
    "published step, pictures",
]
steps = pd.DataFrame(
    {
        step: {
            "milliseconds a step": f"{1000 * measured(step)[1][-1]:,.0f}",
            "galaxies of the sample": f"{measured(step)[0][-1]:,}",
            "with fewer galaxies": " ".join(
                f"{1000 * seconds:,.0f} at {n:,}"
                for n, seconds in zip(*measured(step), strict=True)
                if n < measured(step)[0][-1]
            ),
            "largest memory (GB)": f"{rows.loc[rows['step'] == step, 'peak_gigabytes'].max():.2f}",
        }
        for step in TRAININGS
    }
).T
steps.rename_axis("one step of training")

# %%
published = image_network(5, 1, 520)
picture_cost = contrastive_cost(published, (5, 64, 64), 1)
here = rows[rows["step"] == "published step, pictures"].iloc[-1]
paper = profile_settings("paper")
together = 2 * paper["contrastive_images"]["batch_size"]
reached_here = (
    expected_time(picture_cost, together, 1, here["operations_per_second"])
    / here["seconds"]
)
months = here["seconds"] * paper["contrastive_images"]["steps"] / 86400 / 30.4
print(
    f"one published training of pictures would take these cores {months:.1f} months;\n"
    f"its steps reach {reached_here:.0%} of the rate of a convolution by itself"
)

# %% [markdown]
# So the published network of pictures is out of reach of a laptop: there are dozens of such trainings. The compact one, which this book trains, takes minutes.
#
# ## The grid
#
# Trainings do not wait for one another, so several computers share them with little loss ({ref}`reproduce-studies`). What the sharing costs was measured too: a task that does nothing, hundreds of times, and long tasks on two workers against the same in a loop.

# %%
grid = study["grid"]
added = grid["added_milliseconds_per_task"]
print(
    f"{grid['tasks']} tiny tasks: {added:.1f} ms added to each;\n{grid['start_seconds']:.1f} s to start {grid['workers']} workers"
)
print(
    f"{grid['long_tasks']} tasks of {grid['long_task_seconds']:.1f} s: {grid['speed_up']:.2f} times as fast with {grid['workers']} workers, {1 - grid['speed_up'] / grid['workers']:.0%} lost"
)
print(
    f"a task should take {100 * added / 1000:.1f} s or more for the grid to add less than 1%"
)

# %% [markdown]
# The long tasks lost more than such milliseconds explain. The scheduler shared the two cores with both workers; how much of the loss is its doing was not measured.
#
# ## Half a million galaxies, as published
#
# Now the arithmetic for SDSS with profile `paper`: its networks, its 180,000 steps, its batches. How many trainings are there? The five contrastive ones of {ref}`chapter 2 <chapter-contrastive-training>`; and for {ref}`chapter 5 <chapter-information-decomposition>` one for each distinct
# input of all pairs, each several times on samples drawn anew, for the intervals.

# %%
few = load_sample("mock", 50, seed, cache_dir=data_dir or None)
pairs = [*MODALITY_TUPLES, *IMAGE_BAND_TUPLES, *PHOTOMETRIC_BAND_TUPLES]
inputs = {
    name: resolve(one, few.catalog, errors_as_main=True, bands=few.bands)
    for name, one in distinct_inputs(pairs, few).items()
}
n_pictures = sum(bool(channels_of(one)) for one in inputs.values())
n_columns = len(inputs) - n_pictures
n_refits = paper["decomposition"]["n_refits"]
print(
    f"{len(pairs)} pairs ask for {3 * len(pairs)} estimates, which are {len(inputs)} distinct inputs:\n"
    f"{n_pictures} with pictures, {n_columns} of columns; {n_refits} times each"
)

# %% [markdown]
# For pictures the operations are counted, as in {ref}`chapter 2 <chapter-contrastive-training>`, and divided by a GPU's rate: the *nominal* peak of an NVIDIA A100 for float32 numbers in convolutions (TF32), 156 × 10¹² a second, times the share of it that a training reaches.
# That share is a guess, 30%. Networks of magnitudes are too small for it to matter: their time is that of starting operations, which is the processor's, and so the time measured above is taken as it is. They train on the processor cores beside each GPU, sixteen let us say, one each,
# while the GPU sees to the pictures.

# %%
PEAK, REACHED, CORES = 156e12, 0.30, 16
HOURS = 3600.0
rate = PEAK * REACHED
schedule = paper["information"]
information_batch = schedule["batch_size"]
information_picture_cost = information_cost(
    image_information_network(5, 1, 520), (5, 64, 64), 1
)
hours = {
    "contrastive, pictures": expected_time(
        picture_cost, together, paper["contrastive_images"]["steps"], rate
    )
    / HOURS,
    "information, pictures": expected_time(
        information_picture_cost, information_batch, schedule["steps"], rate
    )
    / HOURS,
    "contrastive, magnitudes": measured("published step, magnitudes")[1][-1]
    * paper["contrastive"]["steps"]
    / HOURS,
    "information, magnitudes": measured("published information step, magnitudes")[1][-1]
    * schedule["steps"]
    / HOURS,
}
counts = {
    "contrastive, pictures": 3,
    "information, pictures": n_pictures * n_refits,
    "contrastive, magnitudes": 2,
    "information, magnitudes": n_columns * n_refits,
}


def makespan(durations, n_workers):
    """When the last of several workers is done, if each takes the longest task that is left."""
    ends = [0.0] * n_workers
    for duration in sorted(durations, reverse=True):
        heapq.heappush(ends, heapq.heappop(ends) + duration)
    return max(ends)


def durations(kind):
    """Hours of every training of pictures or of magnitudes."""
    return [
        hours[name]
        for name, n in counts.items()
        if name.endswith(kind)
        for _ in range(n)
    ]


table = pd.DataFrame(
    {
        name: {
            "how many": counts[name],
            "hours each": hours[name],
            "one GPU (days)": makespan([hours[name]] * counts[name], own) / 24,
            "eight GPUs (days)": makespan([hours[name]] * counts[name], 8 * own) / 24,
        }
        for name in counts
        for own in [1 if name.endswith("pictures") else CORES]
    }
).T
n_survey = 500_000
tests_hours = (
    5
    * (
        extrapolated("neighbours", np.sqrt(n_survey * n_reference))
        + extrapolated("local tests", n_survey)
        + extrapolated("local tests, S removed", n_survey)
    )
    * computer["cores"]
    / HOURS
)
table.loc["neighbours and local tests"] = [
    5,
    tests_hours / 5 / CORES,
    tests_hours / CORES / 24,
    tests_hours / (8 * CORES) / 24,
]
table.map("{:.2g}".format).assign(
    **{"how many": table["how many"].map("{:.0f}".format)}
)

# %%
days = {
    n: max(
        makespan(durations("pictures"), n), makespan(durations("magnitudes"), n * CORES)
    )
    / 24
    + tests_hours / (n * CORES) / 24
    for n in (1, 2, 4, 8, 16, 32, 64)
}
stamp_bytes = 4 * 5 * 64 * 64
feed = rate / information_picture_cost.step_operations * stamp_bytes
download = expected_cost(n_survey)
longest = table["one GPU (days)"].idxmax()
print(f"all of it: {days[1]:.1f} days on one GPU, {days[8]:.1f} on eight")
print(f"the longest part: {longest}")
of_sample = extrapolated("tests of the sample", n_survey) / 60
print(
    f"not in it: tests of the sample, {of_sample:.0f} minutes for one input here, with all galaxies"
)
print(
    f"memory of a step: {picture_cost.memory_bytes(together) / 1e9:.1f} GB; of all pictures: {n_survey * stamp_bytes / 1e9:.0f} GB;\n"
    f"a GPU at work reads {feed / 1e9:.2f} GB of them a second"
)
print(
    f"fetching them frame by frame at 5 MB/s: {download.gigabytes / 1000:.1f} TB, {download.hours / 24:.0f} days"
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Days of the whole method for half a million galaxies against the number of GPUs, both axes logarithmic, for three shares of the peak rate that a training may reach. The lines fall in proportion to the number of GPUs; a dashed horizontal line shows how long it takes to fetch the pictures, which more GPUs do not shorten."}}
figure, axis = plt.subplots()
gpus = np.array(list(days))
for share, name in ((0.15, "orange"), (0.30, "blue"), (0.60, "green")):
    total = [
        max(
            makespan(durations("pictures"), n) * REACHED / share,
            makespan(durations("magnitudes"), n * CORES),
        )
        / 24
        + tests_hours / (n * CORES) / 24
        for n in gpus
    ]
    axis.loglog(
        gpus, total, marker="o", color=COLOURS[name], label=f"{share:.0%} of the peak"
    )
axis.axhline(
    download.hours / 24,
    linestyle="--",
    color=COLOURS["grey"],
    label="fetching the pictures at 5 MB/s",
)
axis.set(xlabel="GPUs", ylabel="time of all of it (days)")
axis.set_xticks(gpus, [str(n) for n in gpus])
axis.minorticks_off()
axis.legend(fontsize=9)
crossing = next((n for n in days if days[n] < download.hours / 24), None)
axis.set_title(
    f"At {REACHED:.0%} of the peak, fetching the pictures takes longer\n"
    + (
        "than computing, even on one GPU"
        if crossing == 1
        else f"than computing from {crossing} GPUs on"
    )
)
footnote(figure, f"counted and extrapolated, not run; {where}")
plt.show()

# %% [markdown]
# The bottleneck has a name, and its place depends on what you have. If the pictures lie on your disk it is **the information networks of pictures**: there are many of them, though each takes less time than a contrastive one. One
# amortised network for all subsets of bands ({ref}`chapter 5 <chapter-information-decomposition>`) takes the place of most of them. If the pictures have yet to come, it is **the line**, and no GPU helps. The test of the sample as a whole is not in these sums: it has one answer for all galaxies, and a few thousand of them, the number that {ref}`chapter 4 <chapter-causal-discovery>` gives it, need not become more.
#
# ## A billion galaxies
#
# Trainings need no billion: a sample of half a million teaches the networks, and its galaxies remain the ones among which neighbours are sought. What is left for the billion is to pass each picture through an encoder once, to find neighbours in $S$, and to test.
# Each is proportional to the number of galaxies and needs none of the others, so it goes chunk by chunk ({py:func}`helpers.grid.map_chunks`): the catalogue's part through Dask, the pictures' part streamed to the GPUs. The half million would come frame by frame over one connection, at 5 MB a second; the billion would come as cutouts, over a line that
# carries 100. Both speeds are guesses. On paper:

# %%
N = 1_000_000_000
DISK, LINE = 1e9, 1e8  # bytes a second, guesses
HANDS = {"cores": 100, "GPUs": 8, "disks": 8, "lines": 1}
N_INPUTS = 5
core_seconds = {
    f"neighbours among {n_reference:,}": survey["neighbours"]["processor_seconds"],
    "local tests": survey["published form"]["processor_seconds"],
    "local tests, S removed": survey["S removed"]["processor_seconds"],
}
catalogue_hours = {
    name: N_INPUTS * N * seconds / n_query / HOURS
    for name, seconds in core_seconds.items()
}
encoding = (
    counts["contrastive, pictures"] * N * picture_cost.forward_operations / rate / HOURS
)
hands_and_hours = {
    **{name: ("cores", value) for name, value in catalogue_hours.items()},
    "encoding by three networks of pictures": ("GPUs", encoding),
    "reading stored pictures": ("disks", N * stamp_bytes / DISK / HOURS),
    "fetching cutouts": ("lines", N * stamp_bytes / LINE / HOURS),
}
billion = pd.DataFrame(
    {
        name: {"hours of one": value, "shared by": HANDS[kind], "of": kind}
        for name, (kind, value) in hands_and_hours.items()
    }
).T
billion["days"] = billion["hours of one"] / billion["shared by"] / 24
volumes = {
    "pictures, float32": 4 * 5 * 64 * 64,
    "neighbours, 100 of each": 4 * 100,
    "S, 16 numbers": 4 * 16,
    "catalogue, 40 columns": 4 * 40,
}
for name, size in volumes.items():
    print(f"{name}: {N * size / 1e12:.2f} TB")
billion.assign(
    **{
        "hours of one": billion["hours of one"].map("{:,.0f}".format),
        "days": billion["days"].map("{:.2f}".format),
    }
)

# %%
bottleneck = billion["days"].astype(float).idxmax()
of_one = catalogue_hours[f"neighbours among {n_reference:,}"] / N_INPUTS
among_all = of_one * N / n_reference
print(f"the longest: {bottleneck}")
print(
    f"catalogue part: {sum(catalogue_hours.values()):,.0f} core hours for twenty properties and {N_INPUTS} inputs"
)
print(
    f"neighbours of each among all the others instead: {among_all / 24 / 365:,.0f} core years for one input"
)

# %% [markdown]
# Two things hold this together. Pictures are never all in one place: a worker reads a chunk, keeps sixteen numbers of each picture for each network, and forgets it. And neighbours are sought among a sample of fixed size; among all the others they would take more than a century of a core for each input, and an approximate index would have to take the place of the exact one. Neighbours and local tests are work for a
# cluster of ordinary cores. The line is again the slowest where there is only one of it: cutouts have to be made, and encoded, where the survey keeps its pictures.
#
# ## What fits where?
#
# Take your patience as the measure. How many galaxies does a step get through? That is time alone, beyond what was measured along the slope, or in proportion to the galaxies where the slope is below 1; memory stops most steps earlier, unless they go chunk by chunk. Most of these numbers lie far beyond the sixfold that was checked; read them as powers of ten.


# %%
def within(step, seconds):
    """Galaxies that a step is done with in a time."""
    n, own = measured(step)
    return n[-1] * (seconds / own[-1]) ** (1 / max(exponent(step), 1))


fits = pd.DataFrame(
    {
        step: {
            "a coffee (5 minutes)": within(step, 300),
            "an hour": within(step, HOURS),
            "a night (10 hours)": within(step, 10 * HOURS),
        }
        for step in GROWING
    }
).T
fits.map(lambda n: f"{float(f'{n:.1g}'):,.0f}")

# %% [markdown]
# | you have | it does | what stops you |
# |---|---|---|
# | a laptop, two cores, 6 GB | this book; catalogue, neighbours and local tests of all SDSS; compact networks of pictures for some ten thousand galaxies | trainings of pictures |
# | one GPU with 8 GB or more | profiles `full` and `paper`; the published networks, some ten trainings a day on an A100 at 30% of its peak, fewer on a slower one | the line that brings the pictures; where they are there, the number of trainings |
# | a node of eight GPUs, or a cluster through `SCHEDULER=` | all pairs of inputs at survey size, with refits | the line that brings the pictures |
# | eight GPUs and a hundred cores beside the survey's own disks | a billion galaxies, streamed | the search for neighbours, then the encoding of the pictures |
#
# ## Check yourself

# %%
assert 1.5 < exponent("neighbours") < 2.3
assert all(0.5 < exponent(step) < 1.5 for step in GROWING if step != "neighbours")
assert check["measured / predicted"].between(0.5, 2).all()
assert added < 50 and grid["speed_up"] > 1.5
assert makespan([3, 3, 2, 2, 2], 2) == 7  # not the best there is, which is 6
assert longest == "information, pictures" and days[8] < days[1] / 6
assert bottleneck == "fetching cutouts"
beside_the_disks = billion[billion["of"] != "lines"]["days"].astype(float)
assert list(beside_the_disks.nlargest(2).index) == [
    f"neighbours among {n_reference:,}",
    "encoding by three networks of pictures",
]

# %% [markdown]
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-scale-neighbours
# *Look.* At what number of training galaxies would the search for a billion galaxies' neighbours take as many core hours as the local tests with $S$ removed? Why is the answer no reason to take fewer?
# :::

# %% tags=["hide-cell"]
# Solution: the search is proportional to the number of training galaxies, the tests are not.
ratio = (
    survey["S removed"]["processor_seconds"] / survey["neighbours"]["processor_seconds"]
)
print(
    f"at {ratio * n_reference:,.0f} training galaxies. A neighbourhood of 100 among fewer galaxies is\n"
    "wider, and what varies inside it is mistaken for dependence (chapter 4)."
)

# %% [markdown]
# :::{exercise}
# :label: exercise-scale-amortised
# *Change.* Let one amortised network answer all 18 inputs of image bands, at the cost of two of the separate ones, and leave the rest as it is. How many days are left on one GPU?
# :::

# %% tags=["hide-cell"]
# Solution: 18 of the inputs with pictures are divisions of bands. Each refit needs two trainings' time for them instead of 18.
of_bands = len(distinct_inputs(IMAGE_BAND_TUPLES, few))
of_bands -= sum(
    name in distinct_inputs(MODALITY_TUPLES, few)
    for name in distinct_inputs(IMAGE_BAND_TUPLES, few)
)
left = hours["contrastive, pictures"] * 3 + hours[
    "information, pictures"
] * n_refits * (n_pictures - of_bands + 2)
before = sum(durations("pictures"))
print(
    f"{of_bands} inputs of image bands; pictures take {left / 24:.0f} days on one GPU instead of {before / 24:.0f}"
)
assert left < 0.6 * before

# %% [markdown]
# :::{exercise}
# :label: exercise-scale-own
# *Build.* Add a step of your own to the billion: a photometric redshift that takes 2 ms of a core for each galaxy. How many core hours is that, and what does it do to the bottleneck?
# :::

# %% tags=["hide-cell"]
# Solution: it is one of many that fit into a week of a hundred cores; fetching the pictures stays the bottleneck.
own_hours = N * 2e-3 / HOURS
own_days = own_hours / HANDS["cores"] / 24
print(
    f"{own_hours:,.0f} core hours, {own_days:.2f} days of {HANDS['cores']} cores; {bottleneck}: {billion.loc[bottleneck, 'days']:.1f} days"
)

# %% [markdown]
# ## What could be wrong
#
# - One computer was measured, once. Such times vary by a quarter from hour to hour on a shared machine, and more between machines; exponents vary less.
# - No GPU was measured here with the published networks. The share of the peak is a guess, drawn at a half and at twice its value; a network with many small operations reaches less.
# - The steps' number is the published one at any size. Whether 180,000 are enough for half a million galaxies, or too many, is for a learning curve to say.
# - The vectors of the searches are made up, in clumps of few dimensions as trained ones are. Exact search does not depend on that; an approximate index would.
# - A billion is arithmetic. What breaks at that size, such as files too many for a file system or a worker lost every hour, does not show on paper.
#
# ## Summary
#
# Searching for neighbours grows with the square of the sample unless the galaxies searched among stand still; tests and pictures grow with it; trainings do not grow with it at all. For half a million galaxies whose pictures are on the disk the time goes into the information networks of pictures, and shrinks with the number of GPUs; where they have yet to come, and for a billion,
# it goes into moving pictures, and the method is to go to them.

# %%
this_run.save_results(
    {
        "provenance": origin,
        "growth_exponent": {step: float(exponent(step)) for step in GROWING},
        "measured_over_predicted": check["measured / predicted"].to_dict(),
        "grid_added_milliseconds": added,
        "grid_speed_up": grid["speed_up"],
        "half_a_million": {
            "days_by_gpus": {str(n): value for n, value in days.items()},
            "longest": longest,
            "hours_each": hours,
            "trainings": counts,
        },
        "a_billion": {
            "days": billion["days"].astype(float).to_dict(),
            "bottleneck": bottleneck,
        },
    }
)
print(f"stored in runs/{run}/91_scale: results.json")

# %% [markdown]
# **What comes next**: {ref}`reproduce`, for the commands. **References**: the costs are our own measurements; the method is that of {cite:t}`zhang2025`.
