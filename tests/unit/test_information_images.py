"""Information of images: which inputs are whose, what is exchanged, hidden, guessed and started from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.information import decompose_inputs, decompose_pairs, estimate_information, estimate_inputs
from helpers.information.config import InformationConfig
from helpers.information.laboratory import Laboratory, contents, exchange_order
from helpers.information.networks import image_encoder
from helpers.information.observations import make_subsets
from helpers.information.pictures import Channel, Pictures, channels_of
from helpers.survey import Sample

TINY = {
    "encoder_hidden": (16,),
    "estimator_hidden": (16,),
    "n_shared": 4,
    "n_folds": 2,
    "n_corrections": 1,
    "steps": 40,
    "batch_size": 32,
    "n_bins": 20,
    "evaluate_every": 20,
    "bin_pixels": 1,
    "learning_rate": 5e-3,
    "precision": "32-true",
}
BANDS = tuple("ugriz")


def pictured(n_galaxies: int = 300, seed: int = 0) -> Sample:
    """Galaxies whose r and i images show a blob as bright as a third of the mass; a column tells another third."""
    rng = np.random.default_rng(seed)
    shown, hidden, scatter = rng.standard_normal((3, n_galaxies))
    images = 0.2 * rng.standard_normal((n_galaxies, 5, 16, 16)).astype(np.float32)
    images[:, 2:4, 6:10, 6:10] += (3 + shown)[:, None, None, None].astype(np.float32)
    frame = pd.DataFrame(
        {
            "z": 5 + hidden,
            "EBV": rng.uniform(0.01, 0.1, n_galaxies),
            "lgm_tot_p50": 10 + 0.4 * (shown + hidden + scatter),
        }
    )
    for band in BANDS:
        frame[f"petroFlux_{band}"] = 100.0 + rng.uniform(-5, 5, n_galaxies)
    counts = [n_galaxies * 6 // 10, n_galaxies * 2 // 10, n_galaxies - n_galaxies * 8 // 10]
    frame["split"] = np.repeat(["train", "validation", "test"], counts)
    return Sample.from_frame(frame, split="split", images=images, bands=BANDS)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return pictured()


def laboratory(sample: Sample, **settings) -> Laboratory:
    return Laboratory(sample, InformationConfig(**TINY | settings), device="cpu", resample=False, reuse=None)


def test_contents_tell_images_from_images_divided_by_flux(sample):
    room = laboratory(sample)
    assert channels_of(room.resolve("Ig+Ir")) == (Channel("g", False), Channel("r", False))
    assert contents(room.resolve("Ir")) < contents(room.resolve("Iopt")) < contents(room.resolve("Iopt+Zspec"))
    assert not contents(room.resolve("Ioptnorm")) & contents(room.resolve("Iopt")) - {"EBV"}


@pytest.mark.parametrize("memory", [8.0, 0.0], ids=["kept", "read when asked for"])
def test_pictures_are_those_of_the_channels_and_of_whom_they_are_exchanged_with(sample, memory):
    room = laboratory(sample, image_memory=memory)
    pictures = room.pictures([Channel("z", False), Channel("r", False)])
    name = room.fingerprint(pictures.channels)
    assert pictures.channels == (Channel("r", False), Channel("z", False)) and (pictures.kept is not None) == (
        memory > 0
    )
    rows = np.array([7, 3, 11])
    stretched = np.sign(sample.images[rows][:, [2, 4]]) * np.log1p(np.abs(sample.images[rows][:, [2, 4]]))
    deviation = np.array(pictures.scalings[0].deviation)[:, None, None]
    np.testing.assert_allclose(pictures.read(rows), stretched / deviation, atol=1e-5)
    order = exchange_order(len(sample), list(room.rows.values()), 0)
    exchanged = pictures.exchange(order, [Channel("z", False)]).read(rows)
    torch.testing.assert_close(exchanged[:, 0], pictures.read(rows)[:, 0])
    torch.testing.assert_close(exchanged[:, 1], pictures.read(order[rows])[:, 1])
    assert (order[rows] != rows).all()
    # A part is what would have been read alone, and a fingerprint is of the pixels.
    whole = room.pictures([Channel(band, False) for band in BANDS])
    torch.testing.assert_close(whole.part(pictures.channels).read(rows), pictures.read(rows))
    images = sample.images.copy()
    images[299, 4, 0, 0] += 1e-3
    assert name != laboratory(replace(sample, images=images)).fingerprint(pictures.channels)


def test_images_and_images_by_flux_are_channels_of_one_network(sample):
    room = laboratory(sample)
    channels = [*channels_of(room.resolve("Ir")), *channels_of(room.resolve("Ioptnorm"))]
    pictures = room.pictures(channels)
    assert isinstance(pictures, Pictures) and pictures.channels == tuple(channels)
    alone = laboratory(sample).pictures(channels[1:])
    torch.testing.assert_close(pictures.read(np.arange(5))[:, 1:], alone.read(np.arange(5)))


def test_a_hidden_column_is_the_best_linear_guess_from_those_shown():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((5000, 3)) @ rng.standard_normal((3, 3))
    subsets = make_subsets([((), ["a", "c"]), ((), ["b"])], (), ["a", "b", "c"], ["b"], x, torch.device("cpu"))
    np.testing.assert_array_equal(subsets.shown, [[1, 0, 1, 0], [0, 1, 0, 1]])  # columns, then b's missing flag
    found = x @ subsets.imputation[0].double().numpy()
    centred = x - x.mean(axis=0)
    slopes = np.linalg.lstsq(centred[:, [0, 2]], centred[:, 1], rcond=None)[0]
    np.testing.assert_allclose(found[:, [0, 2]], x[:, [0, 2]], atol=1e-6)
    np.testing.assert_allclose(found[:, 1], x[:, [0, 2]] @ slopes, atol=1e-3)


@pytest.mark.parametrize("estimator", ["nested", "separate", "amortised"])
def test_the_image_and_the_column_tell_their_halves(estimator):
    # At more than twice this rate, every other start still knows nothing of the image after as many steps.
    settings = TINY | {"steps": 400, "learning_rate": 2e-3, "patience": 20, "n_folds": 3}
    pair = decompose_inputs(pictured(900), "Ir", "Zspec", estimator=estimator, seeds=(1,), device="cpu", **settings)
    table = pair.mean(bootstrap=0)["mean"]
    assert pair.estimates[2].name == "Zspec+Ir"
    # Of three equal shares of the variance each input tells one: ln(3/2)/2 nats alone, ln(3)/2 both. The small network
    # of few steps learns a part of what the image tells, once it has the rest.
    assert table["I(X2)"] == pytest.approx(np.log(1.5) / 2, abs=0.1)
    assert 0.3 * np.log(2) / 2 < table["conditional_1"] < np.log(2) / 2 + 0.1
    assert table["I(X1,X2)"] < np.log(3) / 2 + 0.1
    if estimator == "nested":
        assert abs(table["placebo_1"]) < 0.05 and abs(table["placebo_2"]) < 0.05


def test_a_union_starts_its_image_encoder_from_a_part(sample, monkeypatch):
    room = laboratory(sample)
    begun = []
    fit = room.fit

    def record(ensemble, data, *arguments):
        begun.append([image_encoder(network) for network in ensemble.members])
        begun[-1] = [None if one is None else {k: v.clone() for k, v in one.state_dict().items()} for one in begun[-1]]
        return fit(ensemble, data, *arguments)

    monkeypatch.setattr(room, "fit", record)
    room.union("Zspec", "Zspec+Ir", 0)
    part = room.part("Ir", 0)
    assert len(begun) == 3 and len(part.image_encoders) == 2  # the base, images alone, the union
    for name, values in part.image_encoders[0].items():
        np.testing.assert_array_equal(begun[2][0][name], values)
    room.union("Ir", "Zspec+Ir", 0)
    assert len(begun) == 4  # the base has the images
    for name, values in part.image_encoders[0].items():
        np.testing.assert_array_equal(begun[3][0][name], values)


def test_a_later_process_finds_fits_of_images(sample, tmp_path, monkeypatch):
    options = {"device": "cpu", "checkpoint_dir": tmp_path, **TINY}
    first = decompose_inputs(sample, "Zspec", "Ir", **options)
    monkeypatch.setattr("helpers.information.laboratory.fit_ensemble", None)
    again = decompose_inputs(sample, "Zspec", "Ir", **options)
    pd.testing.assert_frame_equal(first.mean(bootstrap=20), again.mean(bootstrap=20))
    other = replace(sample, images=np.ascontiguousarray(sample.images[:, :, ::-1]))
    with pytest.raises(TypeError):  # other pixels: it would be trained anew
        decompose_inputs(other, "Zspec", "Ir", **options)


def test_nothing_that_is_chosen_depends_on_test_images(sample):
    images = sample.images.copy()
    images[sample.rows("test")] = 5.0
    settings = TINY | {"steps": 150, "estimator": "separate"}
    before, after = (
        estimate_information(one, "Zspec+Ir", device="cpu", **settings)
        for one in (sample, replace(sample, images=images))
    )
    for name in ("temperature", "contamination", "validation_cross_entropy"):
        assert getattr(before, name) == getattr(after, name)
    assert before.settings["best_steps"] == after.settings["best_steps"] and before.mean != after.mean


def test_equal_inputs_are_estimated_once_and_networks_are_shared_by_kind(sample, monkeypatch):
    names = []
    module = "helpers.information.laboratory.fit_ensemble"
    from helpers.information.laboratory import fit_ensemble

    monkeypatch.setattr(module, lambda *a, **k: names.append(k["name"]) or fit_ensemble(*a, **k))
    inputs = {"a": "Ir+Zspec", "b": "Zspec+Ir", "c": ["z"], "d": "Zspec", "e": "Ir"}
    found = estimate_inputs(sample, inputs, device="cpu", **TINY)
    assert list(found) == list(inputs) and found["a"] is found["b"] and found["c"] is found["d"]
    assert len(names) == 2  # one network of columns, one of images
    names.clear()
    estimate_inputs(sample, inputs, device="cpu", estimator="separate", **TINY)
    assert sorted(names) == ["Ir", "Ir+Zspec", "z"]
    names.clear()
    pairs = {"one": ("Ir", "Zspec"), "two": ("Zspec", "Ir")}
    both = decompose_pairs(sample, pairs, device="cpu", placebo=False, **TINY)
    assert len(names) == 3  # two parts and a union, for both
    np.testing.assert_array_equal(both["one"].unique_1, both["two"].unique_2)
    with pytest.raises(ValueError, match="inputs: found none"):
        estimate_inputs(sample, {})


@pytest.mark.parametrize("estimator", ["nested", "amortised"])
def test_a_cross_fit_holds_every_galaxy_out_once(sample, estimator):
    options = {"estimator": estimator, "device": "cpu", **TINY}
    found = estimate_information(sample, "Zspec", cross_fit=3, seeds=(0, 1), **options)
    assert np.isfinite(found.pointwise).all() and np.isfinite(found.repeats).all()
    assert found.settings["cross_fit"] == 3 and len(found.settings["best_steps"]) == 6
    pair = decompose_inputs(sample, ["z"], ["petroFlux_r"], cross_fit=2, device="cpu", **TINY)
    assert pair.held_out.all() and np.isfinite(pair.table()["conditional_2_net"]).all()
    with pytest.raises(ValueError, match="cross_fit: found 0, expected 1, or from 2"):
        estimate_information(sample, "Zspec", cross_fit=0, device="cpu", **TINY)


def test_columns_may_join_images_in_the_first_layer(sample):
    found = estimate_information(sample, "Ir+Zspec", estimator="separate", device="cpu", fusion="first", **TINY)
    assert found.settings["fusion"] == "first" and np.isfinite(found.mean)
    with pytest.raises(ValueError, match="encoder: found 'none'"):
        estimate_information(sample, "Ir", estimator="separate", device="cpu", **TINY | {"encoder": "none"})
