"""Contrastive training on images: what the network reads, and a loop that resumes, streams, stops and refuses."""

from __future__ import annotations

import logging
import resource

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.contrastive import (
    ImageScaling,
    LossTerms,
    MassBins,
    TrainedModel,
    contrastive_config,
    count_parameters,
    cross_fit,
    embed,
    fit_image_scaling,
    fit_scaling,
    fitting,
    predict_mass,
    train,
)
from helpers.contrastive.config import ContrastiveConfig, learning_rate
from helpers.contrastive.devices import keep_freed_memory, make_fabric
from helpers.contrastive.images import draw_views, read_images, rotate_or_flip, stretch, to_network
from helpers.contrastive.model import build_network
from helpers.inputs import INPUTS, resolve
from helpers.survey import Sample

BANDS = ("u", "g", "r", "i", "z")
QUICK = {"steps": 12, "evaluate_every": 4, "checkpoint_every": 4, "bin_pixels": 1}


def pictures(n: int = 120, size: int = 16, seed: int = 0) -> Sample:
    """Round blobs in five bands whose flux tells the mass."""
    rng = np.random.default_rng(seed)
    flux = 10 ** rng.uniform(1, 3, n)
    mass = 9 + np.log10(flux) + 0.05 * rng.normal(size=n)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    blob = np.exp(-(x**2 + 2 * y**2) / 8)
    images = flux[:, None, None, None] * (blob / blob.sum()) * np.arange(1, 6)[:, None, None]
    images = (images + 0.05 * rng.normal(size=images.shape)).astype(np.float32)
    catalog = pd.DataFrame({"ra": rng.uniform(0, 360, n), "dec": rng.uniform(0, 60, n), "EBV": rng.uniform(0, 0.1, n)})
    for band, factor in zip(BANDS, range(1, 6), strict=True):
        catalog[f"petroFlux_{band}"] = factor * flux
    return Sample.from_frame(catalog.assign(lgm_tot_p50=mass), images)


def prepared(sample: Sample, inputs: str = "Iopt", **options):
    rows = sample.rows("train")
    return fit_image_scaling(resolve(inputs, sample.catalog, bands=sample.bands), sample, rows, **options)


def test_the_eight_views_are_the_rotations_and_flips_of_the_square():
    image = np.arange(9.0).reshape(1, 1, 3, 3)
    found = {rotate_or_flip(torch.from_numpy(image), torch.tensor([element])).numpy().tobytes() for element in range(8)}
    turned = [np.rot90(image, k, (2, 3)) for k in range(4)]
    expected = {np.ascontiguousarray(each).tobytes() for view in turned for each in (view, view[..., ::-1])}
    assert found == expected and len(found) == 8
    # Each image gets its own element.
    two = torch.from_numpy(np.repeat(image, 2, axis=0))
    mixed = rotate_or_flip(two, torch.tensor([0, 5]))
    assert torch.equal(mixed[0], two[0]) and torch.equal(mixed[1], rotate_or_flip(two[1:], torch.tensor([5]))[0])


def test_second_views_are_never_the_first_and_all_elements_come():
    first, further = draw_views(3, 4000, seed=0)
    assert set(first) == set(range(8)) and set(further) == set(range(1, 8))
    assert np.array_equal(draw_views(3, 4000, seed=0)[0], first) and not np.array_equal(
        draw_views(4, 4000, seed=0)[0], first
    )


def test_stretch_is_odd_linear_near_zero_and_logarithmic_far_out():
    x = torch.tensor([-5.0, -1e-4, 0.0, 1e-4, 1e6])
    assert torch.allclose(stretch(x), torch.tensor([-np.log(6.0), -1e-4, 0, 1e-4, np.log(1e6 + 1)]).float(), rtol=1e-4)
    assert torch.equal(stretch(-x), -stretch(x))


def test_images_are_scaled_by_what_the_training_galaxies_show():
    sample = pictures()
    scaling = prepared(sample)
    train_rows = sample.rows("train")
    read = to_network(scaling, torch.from_numpy(read_images(scaling, sample, train_rows)))
    assert torch.allclose(read.transpose(0, 1).flatten(1).std(dim=1), torch.ones(5), atol=1e-4)
    plain = np.log1p(np.abs(sample.images[train_rows])) * np.sign(sample.images[train_rows])
    np.testing.assert_allclose(scaling.deviation, plain.std(axis=(0, 2, 3)), rtol=1e-4)
    assert prepared(sample, standardise=False).deviation == (1.0,) * 5


def test_binning_sums_the_flux_of_squares():
    sample = pictures()
    binned = read_images(prepared(sample, bin_pixels=2), sample, np.arange(4))
    assert binned.shape == (4, 5, 8, 8)
    np.testing.assert_allclose(binned[2, 1, 3, 4], sample.images[2, 1, 6:8, 8:10].sum(), rtol=1e-5)


def test_images_divided_by_flux_do_not_tell_the_flux():
    sample = pictures()
    brighter = Sample.from_frame(
        sample.catalog.assign(**{f"petroFlux_{b}": 10 * sample.catalog[f"petroFlux_{b}"] for b in BANDS}),
        10 * sample.images,
        split=sample.split,
    )
    rows = np.arange(20)
    plain, bright = (read_images(prepared(each, "Ioptnorm"), each, rows) for each in (sample, brighter))
    np.testing.assert_allclose(plain, bright, rtol=1e-4)
    assert plain[:, 2].sum(axis=(1, 2)) == pytest.approx(1, rel=0.2)


def test_one_band_of_five_is_the_right_one():
    sample = pictures()
    np.testing.assert_array_equal(read_images(prepared(sample, "Ir"), sample, np.arange(3))[:, 0], sample.images[:3, 2])


def test_training_on_images_learns_the_mass_and_repeats_itself():
    sample = pictures()
    options = {"steps": 80, "bin_pixels": 1, "batch_size": 16, "learning_rate": 3e-3, "n_bins": 26}
    model = train(sample, "Iopt", "smoke", **options)
    _, mean = predict_mass(model, sample)
    test = sample.rows("test")
    assert np.corrcoef(mean[test], sample.mass[test])[0, 1] > 0.9
    twin = train(sample, "Iopt", "smoke", **options)
    pd.testing.assert_frame_equal(twin.history, model.history)
    pd.testing.assert_frame_equal(embed(twin, sample), embed(model, sample))


def test_an_estimate_depends_on_one_galaxy_alone():
    sample = pictures()
    model = train(sample, "Iopt", "smoke", **QUICK)
    alone = embed(model, sample.take(np.array([7])))
    np.testing.assert_allclose(alone, embed(model, sample).iloc[[7]], rtol=1e-4, atol=1e-5)


def interrupt_at_validation(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the first validations pass, and stop the training at this one, once."""
    evaluate, calls = fitting.evaluate, []

    def stop(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(fitting, "evaluate", stop)


@pytest.mark.parametrize("image_memory", [2.0, 0.0])
def test_interrupted_training_ends_as_an_uninterrupted_one(tmp_path, monkeypatch, image_memory):
    sample, options = pictures(), {**QUICK, "image_memory": image_memory}
    whole = train(sample, "Iopt", "smoke", **options)
    interrupt_at_validation(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **options)
    (checkpoint,) = tmp_path.glob("*.pt")
    assert torch.load(checkpoint, weights_only=True)["step"] == 8
    resumed = train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **options)
    pd.testing.assert_frame_equal(resumed.history, whole.history)
    pd.testing.assert_frame_equal(embed(resumed, sample), embed(whole, sample))


def test_images_read_from_where_they_lie_give_what_those_in_memory_give():
    sample = pictures()
    kept, streamed = (train(sample, "Iopt", "smoke", **QUICK, image_memory=memory) for memory in (2.0, 0.0))
    pd.testing.assert_frame_equal(kept.history, streamed.history)
    assert 0 <= streamed.cost["waiting_share"] <= 1 and streamed.cost["galaxies_per_second"] > 0


def test_dropout_of_an_own_encoder_resumes_too(tmp_path, monkeypatch):
    class Dropping(nn.Module):
        def __init__(self, n_bands: int, n_extra: int, n_latent: int, size: int) -> None:
            super().__init__()
            self.dense = nn.Linear(n_bands * size**2 + n_extra, n_latent)

        def forward(self, images: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
            pixels = nn.functional.dropout(images.flatten(1), 0.2, self.training)
            return self.dense(torch.cat([pixels, extra], dim=1))

    sample = pictures()
    before = torch.get_rng_state()
    whole = train(sample, "Iopt", "smoke", encoder=Dropping, **QUICK)
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers are left alone"
    interrupt_at_validation(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train(sample, "Iopt", "smoke", encoder=Dropping, checkpoint_dir=tmp_path, **QUICK)
    resumed = train(sample, "Iopt", "smoke", encoder=Dropping, checkpoint_dir=tmp_path, **QUICK)
    pd.testing.assert_frame_equal(resumed.history, whole.history)

    weights, texts = whole.pack()
    again = TrainedModel.unpack(weights, texts, encoder=Dropping)
    pd.testing.assert_frame_equal(embed(again, sample), embed(whole, sample))
    with pytest.raises(ValueError, match=r"encoder: found None, expected the class .*Dropping"):
        TrainedModel.unpack(weights, texts)


def test_packed_image_model_is_the_same_model():
    sample = pictures()
    model = train(sample, "Ioptnorm", "smoke", encoder="residual", **QUICK)
    again = TrainedModel.unpack(*model.pack())
    assert again.images == model.images and again.config == model.config
    pd.testing.assert_frame_equal(embed(again, sample), embed(model, sample))


def test_accumulated_parts_of_a_supervised_step_are_the_whole_step():
    sample = pictures()
    options = {**QUICK, "objective": "supervised", "schedule": "step", "batch_size": 16}

    def without_images(parts: int) -> pd.DataFrame:
        # Photometry, because the views of images are drawn part by part.
        return train(sample, ["petroFlux_g", "petroFlux_r"], "smoke", **{**options, "accumulate": parts}).history

    pd.testing.assert_frame_equal(without_images(1), without_images(4), rtol=1e-3, atol=1e-4)


def test_two_devices_share_a_batch():
    sample = pictures()
    options = {**QUICK, "objective": "supervised", "batch_size": 16, "encoder_hidden": (8,)}
    inputs = ["petroFlux_g", "petroFlux_r"]
    one = train(sample, inputs, "smoke", device="cpu", **options)
    two = train(sample, inputs, "smoke", device="cpu", devices=2, **options)
    assert two.cost["n_devices"] == 2
    # The loss of the first device's half differs; what the weights do does not.
    columns = ["validation_cross_entropy", "validation_rmse"]
    pd.testing.assert_frame_equal(one.history[columns], two.history[columns], rtol=1e-3)


def test_supervised_training_leaves_the_decoder_alone():
    sample = pictures()
    model = train(sample, "Iopt", "smoke", **QUICK, objective="supervised")
    untouched = train(sample, "Iopt", "smoke", **{**QUICK, "steps": 1, "learning_rate": 1e-12}, objective="supervised")
    for trained, first in zip(model.network.decoder.parameters(), untouched.network.decoder.parameters(), strict=True):
        assert torch.equal(trained, first)
    assert (model.history[["reconstruction", "contrast", "consistency"]] == 0).all().all()


def test_training_stops_when_nothing_gets_better():
    sample = pictures()
    shuffled = sample.catalog.assign(lgm_tot_p50=np.random.default_rng(1).permutation(sample.mass))
    hopeless = Sample.from_frame(shuffled, sample.images, split=sample.split)
    model = train(
        hopeless, "Iopt", "smoke", **{**QUICK, "steps": 400, "learning_rate": 1e-2}, patience=3, schedule="step"
    )
    last = model.history["step"].iloc[-1]
    assert last < 400 and last == model.verdict["best_step"] + 3 * 4


def test_one_cycle_rises_then_falls_to_almost_nothing():
    config = ContrastiveConfig(steps=1000, learning_rate=1.0, schedule="one-cycle", warm_up=0.2)
    rates = np.array([learning_rate(step, config) for step in range(1000)])
    assert rates.argmax() in (199, 200) and rates.max() == pytest.approx(1, abs=1e-3)
    assert rates[99] == pytest.approx(0.5) and rates[599] == pytest.approx(0.5, abs=1e-3) and 0 < rates[-1] < 2e-3


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(tmp_path, monkeypatch):
    sample, real = pictures(), fitting.learning_rate
    # A rate that is sane for eight steps.
    monkeypatch.setattr(fitting, "learning_rate", lambda step, config: real(step, config) if step < 8 else 1e30)
    with pytest.raises(FloatingPointError, match=r"Iopt.*not finite at step 12.*last good checkpoint, of step 8, is"):
        train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **QUICK)
    (checkpoint,) = tmp_path.glob("*.pt")
    weights = torch.load(checkpoint, weights_only=True)["network"]
    assert all(torch.isfinite(weight).all() for weight in weights.values())


@pytest.mark.parametrize("parts", [1, 2])
def test_a_bad_loss_between_two_validations_spoils_no_checkpoint(tmp_path, monkeypatch, parts):
    sample, real, calls = pictures(), fitting.contrastive_loss, []

    def once_bad(*arguments):
        calls.append(1)
        terms = real(*arguments)
        # The first part of the sixth step.
        return LossTerms(*(value * np.nan for value in vars(terms).values())) if len(calls) == 5 * parts + 1 else terms

    monkeypatch.setattr(fitting, "contrastive_loss", once_bad)
    options = {**QUICK, "checkpoint_every": 3, "accumulate": parts}
    with pytest.raises(FloatingPointError, match=r"not finite at step 6.*last good checkpoint, of step 3, is"):
        train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **options)


def test_an_edited_encoder_is_another_one(tmp_path):
    def encoder(scale: float) -> type[nn.Module]:
        class Own(nn.Module):
            def __init__(self, n_bands: int, n_extra: int, n_latent: int, size: int) -> None:
                super().__init__()
                self.dense = nn.Linear(n_bands + n_extra, n_latent)
                self.dense.weight.data.mul_(scale)

            def forward(self, images: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
                return self.dense(torch.cat([images.mean((2, 3)), extra], dim=1))

        return Own

    sample = pictures()
    for scale in (1.0, 2.0):
        train(sample, "Iopt", "smoke", encoder=encoder(scale), checkpoint_dir=tmp_path, **QUICK)
    assert len(list(tmp_path.glob("*.pt"))) == 2
    with pytest.raises(ValueError, match=r"(?s)encoder: found Own.*expected a name, or a class"):
        train(sample, "Iopt", "smoke", encoder=encoder(1.0)(5, 1, 32, 16), **QUICK)


def test_out_of_memory_says_what_would_need_less(tmp_path, monkeypatch):
    sample, real, calls = pictures(), fitting.contrastive_loss, []

    def full(*arguments):
        calls.append(1)
        if len(calls) == 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(*arguments)

    monkeypatch.setattr(fitting, "contrastive_loss", full)
    with pytest.raises(MemoryError, match=r"Iopt.*no memory left at step 6.*raise accumulate.*of step 4, is"):
        train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **QUICK)


def test_damaged_checkpoint_is_named(tmp_path):
    sample = pictures()
    train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **QUICK)
    (checkpoint,) = tmp_path.glob("*.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint: .*cannot be read.*remove it"):
        train(sample, "Iopt", "smoke", checkpoint_dir=tmp_path, **QUICK)


def test_cross_fitted_encoders_have_not_seen_what_they_say_so():
    sample = pictures()
    crossed = cross_fit(sample, ["petroFlux_g"], "smoke", seed=3, steps=4, evaluate_every=2)
    training, test = sample.rows("train"), sample.rows("test")
    assert crossed.unseen[test].all() and not crossed.unseen[sample.rows("validation")].any()
    assert (crossed.unseen[training].sum(axis=1) == 1).all()
    # A galaxy an encoder has not seen may have any mass: nothing of that encoder changes.
    victim = training[crossed.unseen[training, 0]][0]
    changed = sample.catalog.copy()
    changed.loc[changed.index[victim], "lgm_tot_p50"] = 12.0
    other = cross_fit(
        Sample.from_frame(changed, sample.images, split=sample.split),
        ["petroFlux_g"],
        "smoke",
        seed=3,
        steps=4,
        evaluate_every=2,
    )
    pd.testing.assert_frame_equal(crossed.latents[0], other.latents[0])
    assert not crossed.latents[1].equals(other.latents[1])
    with pytest.raises(ValueError, match="n_folds: found 1, expected a whole number, 2 or more"):
        cross_fit(sample, "Iopt", "smoke", n_folds=1)


def test_bad_images_are_refused_by_name():
    sample = pictures()
    model = train(sample, "Iopt", "smoke", **QUICK)
    smaller = Sample.from_frame(sample.catalog, sample.images[:, :, 2:-2, 2:-2], split=sample.split)
    with pytest.raises(ValueError, match="images: found 12 x 12 pixels, expected 16 x 16"):
        embed(model, smaller)
    four = Sample.from_frame(sample.catalog, sample.images[:, :4], bands=BANDS[:4], split=sample.split)
    with pytest.raises(ValueError, match="images: the sample lacks the band z, found u, g, r, i"):
        embed(model, four)
    with pytest.raises(ValueError, match="images: the sample has none"):
        embed(model, Sample.from_frame(sample.catalog, split=sample.split))
    with pytest.raises(ValueError, match="Iopt.*images"):
        train(Sample.from_frame(sample.catalog, split=sample.split), "Iopt", "smoke")
    with pytest.raises(ValueError, match="z"):
        train(four, "Iz", "smoke")
    with pytest.raises(ValueError, match="sample: found no galaxies"):
        predict_mass(model, sample.take(np.arange(0)))
    dark = Sample.from_frame(sample.catalog.assign(EBV=np.nan), sample.images, split=sample.split)
    with pytest.raises(ValueError, match="column 'EBV' is null for all 120 galaxies"):
        embed(model, dark)
    with pytest.raises(ValueError, match="column 'EBV' is null for all"):
        train(dark, "Iopt", "smoke", **QUICK)
    alike = Sample.from_frame(sample.catalog, np.repeat(sample.images[:1], 120, axis=0), split=sample.split)
    with pytest.raises(ValueError, match="images: those of band 'u' are the same for all"):
        train(alike, "Iopt", "smoke", **QUICK)
    empty = sample.images.copy()
    empty[:, 3] = 0
    with pytest.raises(ValueError, match="images: all pixels of band 'i' are equal"):
        train(Sample.from_frame(sample.catalog, empty, split=sample.split), "Iopt", "smoke", **QUICK)
    with pytest.raises(ValueError, match="bin_pixels: found 3, expected a divisor of the images' 16 pixels"):
        train(sample, "Iopt", "smoke", **{**QUICK, "bin_pixels": 3})
    fluxless = sample.catalog.assign(petroFlux_g=sample.catalog["petroFlux_g"].where(sample.catalog.index > 0))
    with pytest.raises(ValueError, match="column 'petroFlux_g': 1 nulls"):
        train(Sample.from_frame(fluxless, sample.images, split=sample.split), "Ioptnorm", "smoke", **QUICK)


def test_too_few_galaxies_and_odd_requests_are_refused():
    sample = pictures()
    with pytest.raises(ValueError, match="found 1 training galaxies, expected at least 20"):
        train(sample, "Iopt", "smoke", rows=sample.rows("train")[:1])
    with pytest.raises(ValueError, match="found 0 validation galaxies"):
        train(sample.take(np.concatenate([sample.rows("train"), sample.rows("test")])), "Iopt", "smoke")
    with pytest.raises(ValueError, match="encoder: .*has no images"):
        train(sample, ["petroFlux_g"], "smoke", encoder=nn.Identity)
    with pytest.raises(ValueError, match="encoder: found 'spiral', expected .*compact"):
        train(sample, "Iopt", "smoke", encoder="spiral", **QUICK)
    with pytest.raises(ValueError, match="batch_size: found 16, expected a multiple of 1 x 3"):
        train(sample, ["petroFlux_g"], "smoke", device="cpu", devices=3, batch_size=16)
    with pytest.raises(ValueError, match="devices: found 0"):
        train(sample, ["petroFlux_g"], "smoke", devices=0)
    with pytest.raises(ValueError, match="objective: found 'guess', expected 'contrastive' or 'supervised'"):
        train(sample, ["petroFlux_g"], "smoke", objective="guess")


@pytest.mark.parametrize(
    ("inputs", "total"),
    [
        ("Mopt", 685_597),
        ("Mopt+Mir", 686_624),
        ("Iopt", 7_135_069),
        ("Iopt+Mir", 7_135_549),
        ("Iopt+Mir+Zspec", 7_135_645),
    ],
)
def test_profile_paper_trains_the_published_networks(inputs, total):
    columns = {name for each in ("Mopt", "Mir", "Zspec") for name in (*INPUTS[each].main, *INPUTS[each].errors)}
    catalog = pd.DataFrame({name: np.arange(1.0, 6.0) for name in (*columns, "EBV")})
    resolved = resolve(inputs, catalog, bands=BANDS)
    config = contrastive_config("paper", resolved)
    scaling = fit_scaling(resolved, catalog, standardise=config.standardise)
    images = ImageScaling(BANDS, 64 // config.bin_pixels, config.bin_pixels, (), (), (1.0,) * 5)
    network = build_network(scaling, images if resolved.images else None, MassBins(config.n_bins), config, None, None)
    assert count_parameters(network) == total and (resolved.images or not config.whiten)
    weight = {True: 100.0, False: 1.0}[bool(resolved.images)]
    published = (180_000, 32, 1e-4, 1 / 3, 0.2, weight, "last", "step", 0.0, 0.0)
    names = ("steps", "batch_size", "learning_rate", "decay_at", "decay_factor", "reconstruction_weight")
    more = ("keep", "schedule", "weight_decay", "largest_gradient")
    assert tuple(getattr(config, name) for name in names + more) == published


def test_what_a_step_frees_is_there_for_the_next_one():
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")

    def page_faults(n_times: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(n_times):
            torch.ones(2**20) + torch.ones(2**20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    page_faults(5)
    # Three times 4 MB are 3,072 pages, each of which would be a fault were it fetched from the system.
    assert page_faults(20) < 20 * 3072 / 10


def test_advice_on_what_precision_says_is_not_given_at_every_training() -> None:
    make_fabric("cpu", "32-true")
    logger = logging.getLogger("lightning.fabric.utilities.rank_zero")
    advice, news = (logging.makeLogRecord({"msg": text}) for text in ("set_float32_matmul_precision('high')", "other"))
    assert not logger.filter(advice) and logger.filter(news)
