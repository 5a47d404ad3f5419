"""Contrastive learning: network sizes, each term of the loss by hand, scaling, and training that resumes."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.contrastive import (
    Batch,
    Calibration,
    ContrastiveConfig,
    ContrastiveNetwork,
    MassBins,
    TrainedModel,
    contrastive_loss,
    count_parameters,
    default_n_bins,
    embed,
    fit_scaling,
    photometry_network,
    predict_mass,
    scale_features,
    train,
)
from helpers.contrastive.config import learning_rate
from helpers.contrastive.data import pair_rows
from helpers.contrastive.fitting import judge_convergence
from helpers.contrastive.losses import consistency, contrast, mean_squared_error
from helpers.contrastive.networks import whitening_of
from helpers.inputs import resolve
from helpers.survey import Sample


def toy_sample(n: int = 400, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    magnitude = rng.normal(17, 1, (n, 2))
    mass = 10.5 - 0.4 * (magnitude[:, 0] - 17) + 0.1 * rng.normal(size=n)
    catalog = pd.DataFrame(
        {
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(0, 60, n),
            "EBV": rng.uniform(0, 0.1, n),
            "a": magnitude[:, 0],
            "b": magnitude[:, 1],
        }
    ).assign(lgm_tot_p50=mass)
    return Sample.from_frame(catalog)


@pytest.mark.parametrize(("n_main", "n_extra", "total"), [(5, 6, 685_597), (8, 8, 686_624)])
def test_published_networks_have_the_published_sizes(n_main, n_extra, total):
    network = photometry_network(n_main, n_extra, 520)
    assert count_parameters(network) == total
    if n_main == 5:
        parts = (network.encoder, network.decoder, network.estimator)
        assert [count_parameters(part) for part in parts] == [317_328, 300_037, 68_232]


def test_first_weights_are_as_published():
    network = photometry_network(5, 6, 520)
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            limit = np.sqrt(6 / (module.in_features + module.out_features))
            assert (module.bias == 0.1).all() and module.weight.abs().max() <= limit


def small_network() -> ContrastiveNetwork:
    torch.manual_seed(0)
    return photometry_network(
        3, 2, 7, n_shared=2, n_ext=3, encoder_hidden=(8,), decoder_hidden=(8,), estimator_hidden=(8,)
    ).double()


def batch_of(seed: int, view: bool = False, nulls: bool = True) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    main = torch.randn(6, 3, generator=draw, dtype=torch.float64)
    present = torch.ones_like(main)
    if nulls:
        present[1, 2] = 0
    main = main * present
    extra = torch.randn(6, 2, generator=draw, dtype=torch.float64)
    label = torch.randint(0, 7, (6,), generator=draw)
    return Batch(main, extra, present if nulls else None, label, main.flip(1) * present if view else None)


@pytest.mark.parametrize(("view", "nulls"), [(False, True), (True, True), (True, False)])
def test_loss_is_the_sum_written_in_the_paper(view, nulls):
    network, a, b = small_network(), batch_of(1, view, nulls), batch_of(2, view, nulls)
    terms = contrastive_loss(network, a, b)

    def rms(first, second):
        return np.sqrt(((first - second) ** 2).mean(axis=1))

    def soft(logits):
        return torch.softmax(logits, dim=1).detach().numpy()

    expected = dict.fromkeys(("cross_entropy", "reconstruction", "consistency"), 0.0)
    positive, shared = [], []
    for side in (a, b):
        present = torch.ones_like(side.main) if side.present is None else side.present
        mask, label = present.numpy(), side.label.numpy()
        s, latent = network.encode(side.main, side.extra)
        redrawn = network.decoder(latent)
        s2, latent2 = network.encode(redrawn * present, side.extra)
        again = network.decoder(latent2)
        p, p2 = soft(network.estimator(s)), soft(network.estimator(s2))
        rows = np.arange(6)
        expected["cross_entropy"] += -np.log(p[rows, label]).mean() - np.log(p2[rows, label]).mean()
        x, r, r2 = (tensor.detach().numpy() for tensor in (side.main, redrawn, again))
        expected["reconstruction"] += (mask * (x - r) ** 2).sum() / mask.sum() + (
            mask * (r - r2) ** 2
        ).sum() / mask.sum()
        expected["consistency"] += -(p * np.log(p2)).sum(1).mean() - (p2 * np.log(p)).sum(1).mean()
        positive.append(rms(s.detach().numpy(), s2.detach().numpy()))
        shared.append(s.detach().numpy())
        if view:
            s3, latent3 = network.encode(side.view, side.extra)
            p3, x3 = soft(network.estimator(s3)), side.view.numpy()
            expected["reconstruction"] += (
                mask * (x3 - network.decoder(latent3).detach().numpy()) ** 2
            ).sum() / mask.sum()
            expected["consistency"] += -(p * np.log(p3)).sum(1).mean() - (p3 * np.log(p)).sum(1).mean()
            positive.append(rms(s.detach().numpy(), s3.detach().numpy()))
    expected["contrast"] = np.log1p(np.exp(np.concatenate(positive).mean() - rms(*shared).mean()))
    for name, value in expected.items():
        assert float(getattr(terms, name).detach()) == pytest.approx(value, abs=1e-9), name
    assert float(terms.total(3.0).detach()) == pytest.approx(
        expected["cross_entropy"] + 3 * expected["reconstruction"] + expected["contrast"] + expected["consistency"]
    )


def test_loss_reaches_every_parameter_and_no_null():
    network, a, b = small_network(), batch_of(1), batch_of(2)
    contrastive_loss(network, a, b).total(1.0).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    before = contrastive_loss(network, a, b).reconstruction
    # The target value behind a null must not matter to the error it is masked from.
    assert float(mean_squared_error(a.main + 100 * (1 - a.present), a.main, a.present)) == 0
    assert torch.isfinite(before)


def test_consistency_holds_its_target_constant():
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    y = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    consistency(x, y).backward()
    # Against a constant target q the gradient in the logits is (softmax - q) / n; with a moving target it is not.
    torch.testing.assert_close(x.grad, (x.softmax(1) - y.softmax(1)).detach() / 4)
    torch.testing.assert_close(y.grad, -x.grad)


def test_contrast_at_equal_distances_is_log_two_and_has_a_finite_gradient():
    s = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    apart = torch.ones(3, 2, dtype=torch.float64)
    # Near twins and far strangers cost little, far twins and near strangers much.
    assert float(contrast([(s, s)], (s, 5 * apart)).detach()) == pytest.approx(np.log1p(np.exp(-5)), abs=1e-6)
    assert float(contrast([(s, 5 * apart)], (s, s)).detach()) == pytest.approx(np.log1p(np.exp(5)), abs=1e-6)
    value = contrast([(s, s.detach())], (s, s.detach()))
    value.backward()
    assert float(value.detach()) == pytest.approx(np.log(2)) and torch.isfinite(s.grad).all()


@given(st.integers(4, 60), st.integers(1, 40), st.integers(0, 200), st.integers(0, 5))
def test_no_galaxy_is_paired_with_itself(n, batch_size, step, seed):
    a, b = pair_rows(step, n, batch_size, seed)
    assert len(a) == len(b) > 0 and not set(a) & set(b) and max(*a, *b) < n


def test_an_epoch_meets_galaxies_once():
    steps = 100 // 20
    seen = np.concatenate([np.concatenate(pair_rows(step, 100, 10, 0)) for step in range(steps)])
    assert sorted(seen) == list(range(100))


def test_learning_rate_falls_once_at_a_third():
    config = ContrastiveConfig(steps=180_000, learning_rate=1e-4)
    assert [learning_rate(step, config) for step in (0, 59_999, 60_000, 179_999)] == pytest.approx(
        [1e-4, 1e-4, 2e-5, 2e-5]
    )


def test_bins_clip_and_hold_their_edges():
    bins = MassBins()
    assert bins.width == pytest.approx(0.0125)
    assert bins.labels(np.array([5.0, 6.0, 6.01249, 6.0126, 12.5, 13.0])).tolist() == [0, 0, 0, 1, 519, 519]
    for count in (26, 130, 520):
        coarse = MassBins(count)
        assert coarse.labels(coarse.edges[:-1]).tolist() == list(range(count))
        assert coarse.labels(np.nextafter(coarse.edges[1:], 0)).tolist() == list(range(count))
    for bad in ({"count": 1}, {"count": 5.5}, {"count": "5"}, {"high": np.inf}, {"low": 13.0}):
        with pytest.raises(ValueError, match="bins: found"):
            MassBins(**bad)
    assert default_n_bins(7_000) == 130 and default_n_bins(110_000) == 520 and 520 % default_n_bins(420) == 0
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        bins.labels(np.array([10.0, np.nan]))


def test_scaling_is_fitted_on_training_and_flags_nulls():
    training = pd.DataFrame(
        {"EBV": [0.0, 0.1, 0.2], "petroMag_r": [16.0, np.nan, 18.0], "petroMagErr_r": [0.01, np.nan, 0.1]}
    )
    resolved = resolve("Mr", training)
    scaling = fit_scaling(resolved, training)
    found = scale_features(scaling, training)
    np.testing.assert_allclose(found.main[:, 0], [-1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found.present[:, 0], [1, 0, 1])
    # extra: reddening, log error, then the flags of the magnitude and of its error.
    np.testing.assert_allclose(found.extra[:, 1], [-1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found.extra[:, 2:], [[0, 0], [1, 1], [0, 0]])
    shifted = scale_features(scaling, training.assign(petroMag_r=[17.0, 17.0, 19.0]))
    np.testing.assert_allclose(shifted.main[:, 0], [0, 0, 2], atol=1e-6)


def test_scaling_refusals():
    good = pd.DataFrame({"EBV": [0.0, 0.1], "petroMag_r": [16.0, 17.0], "petroMagErr_r": [0.01, 0.1]})
    resolved = resolve("Mr", good)
    with pytest.raises(ValueError, match="column 'petroMag_r' is null for all 2 training galaxies"):
        fit_scaling(resolved, good.assign(petroMag_r=np.nan))
    with pytest.raises(ValueError, match="column 'petroMagErr_r': found an error of 0"):
        fit_scaling(resolved, good.assign(petroMagErr_r=[0.0, 0.1]))
    with pytest.raises(ValueError, match="1 nulls, which inputs without standardisation cannot hold"):
        fit_scaling(resolved, good.assign(petroMag_r=[np.nan, 17.0]), standardise=False)
    with pytest.raises(ValueError, match="column 'petroMag_r': found values of type"):
        fit_scaling(resolved, good.assign(petroMag_r=["x", "y"]))
    scaling = fit_scaling(resolved, good)
    with pytest.raises(ValueError, match="columns petroMag_r are missing"):
        scale_features(scaling, good.drop(columns="petroMag_r"))
    with pytest.warns(UserWarning, match=r"nulls in columns that had none in training.*petroMag_r \(1\)"):
        scale_features(scaling, good.assign(petroMag_r=[np.nan, 17.0]))


@pytest.fixture(scope="module")
def trained() -> tuple[Sample, TrainedModel]:
    sample = toy_sample(1200)
    return sample, train(sample, ["a", "b"], "smoke", steps=400)


def test_training_learns_what_is_there(trained):
    sample, model = trained
    probability, mean = predict_mass(model, sample)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    rows = sample.rows("test")
    error = np.sqrt(np.mean((mean[rows] - sample.mass[rows]) ** 2))
    # The noise is 0.1 dex, the masses scatter by 0.41 dex.
    assert error < 0.17


def test_same_seed_gives_the_same_weights_and_another_seed_does_not():
    sample = toy_sample()
    first, second, other = (embed(train(sample, ["a"], "smoke", steps=30, seed=seed), sample) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second)
    assert not np.allclose(first, other)


def test_model_comes_back_from_its_file(trained, tmp_path):
    from helpers.runs import open_run

    sample, model = trained
    parameters = {"profile": "smoke"}
    open_run("t", chapter="02_contrastive_training", parameters=parameters, root=tmp_path).save(
        "m.safetensors", model.pack()
    )
    reader = open_run("t", chapter="03_knn_estimation", parameters=parameters, root=tmp_path)
    again = TrainedModel.unpack(*reader.load("02_contrastive_training/m.safetensors"))
    pd.testing.assert_frame_equal(embed(again, sample), embed(model, sample))
    pd.testing.assert_frame_equal(again.history, model.history, check_dtype=False)
    assert again.resolved == model.resolved and again.config == model.config and again.verdict == model.verdict


def test_killed_training_resumes_and_ends_in_the_same_weights(tmp_path):
    script = f"""
        import sys
        sys.path.insert(0, {str(__file__.rsplit("/", 1)[0])!r})
        from test_contrastive import toy_sample
        from helpers.contrastive import train
        train(toy_sample(), ["a", "b"], "smoke", steps=100000, checkpoint_every=20, checkpoint_dir={str(tmp_path)!r})
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("contrastive-*.pt")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (checkpoint,) = tmp_path.glob("contrastive-*.pt")
    state = torch.load(checkpoint, weights_only=True)
    assert state["step"] >= 20, "a checkpoint is whole at any moment"

    # The same with steps that end: interrupt after 60 of 100 steps, and compare with no interruption.
    sample, options = toy_sample(), {"steps": 100, "checkpoint_every": 20, "evaluate_every": 10}
    whole = embed(train(sample, ["a", "b"], "smoke", **options), sample)
    folder = tmp_path / "resume"
    calls = {"count": 0}

    def stop(*arguments, **keywords):
        calls["count"] += 1
        if calls["count"] == 7:
            raise KeyboardInterrupt
        return evaluate(*arguments, **keywords)

    from helpers.contrastive import fitting

    evaluate = fitting.evaluate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "evaluate", stop)
        with pytest.raises(KeyboardInterrupt):
            train(sample, ["a", "b"], "smoke", checkpoint_dir=folder, **options)
    (checkpoint,) = folder.glob("*.pt")
    assert torch.load(checkpoint, weights_only=True)["step"] == 60
    resumed = embed(train(sample, ["a", "b"], "smoke", checkpoint_dir=folder, **options), sample)
    pd.testing.assert_frame_equal(resumed, whole)


def test_test_galaxies_change_nothing_that_is_learnt():
    sample = toy_sample()
    test = (sample.split == "test").to_numpy()
    changed = sample.catalog.assign(
        a=np.where(test, 100 * sample.catalog["b"], sample.catalog["a"]), lgm_tot_p50=np.where(test, 8.0, sample.mass)
    )
    other = Sample.from_frame(changed, split=sample.split)
    first, second = (train(each, ["a", "b"], "smoke", steps=40) for each in (sample, other))
    assert first.scaling == second.scaling and first.verdict == second.verdict
    pd.testing.assert_frame_equal(first.history, second.history)
    pd.testing.assert_frame_equal(embed(first, sample), embed(second, sample))


def test_validation_galaxies_change_no_scaling():
    sample = toy_sample()
    validation = (sample.split == "validation").to_numpy()
    changed = sample.catalog.assign(a=np.where(validation, 99.0, sample.catalog["a"]))
    scalings = [
        train(Sample.from_frame(each, split=sample.split), ["a"], "smoke", steps=2).scaling
        for each in (sample.catalog, changed)
    ]
    assert scalings[0] == scalings[1]


def test_checkpoint_of_other_settings_is_not_resumed(tmp_path):
    sample = toy_sample()
    for seed, steps in ((0, 20), (1, 20), (0, 30)):
        train(sample, ["a"], "smoke", seed=seed, steps=steps, checkpoint_dir=tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 3


def test_convergence_is_judged_by_the_last_quarter():
    def history(values):
        return [{"step": 10 * (i + 1), "validation_cross_entropy": value} for i, value in enumerate(values)]

    assert judge_convergence(history([3, 2, 1.5, 1.495]), 40)["converged"]
    falling = judge_convergence(history([3, 2, 1.5, 1.0]), 40)
    assert not falling["converged"] and falling["late_gain"] == pytest.approx(0.5)


def test_training_refusals():
    sample = toy_sample()
    with pytest.raises(ValueError, match="device: found 'tpu'"):
        train(sample, ["a"], "smoke", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device: found 'cuda', which this machine does not have"):
            train(sample, ["a"], "smoke", device="cuda")
    for rows in (np.arange(400), np.zeros(40, int), np.ones(400, bool), sample.rows("test")):
        with pytest.raises(ValueError, match="rows: found repeated numbers or rows outside the training split"):
            train(sample, ["a"], "smoke", rows=rows)
    for change in ({"steps": 0}, {"batch_size": -1}, {"evaluate_every": 0}, {"n_shared": 0}, {"encoder_hidden": (0,)}):
        with pytest.raises(ValueError, match=f"ContrastiveConfig.{next(iter(change))}: found"):
            train(sample, ["a"], "smoke", **change)
    with pytest.raises(ValueError, match="precision: found 'bf16-true'"):
        train(sample, ["a"], "smoke", precision="bf16-true")
    with pytest.raises(ValueError, match="seed: found -1"):
        train(sample, ["a"], "smoke", seed=-1)
    with pytest.raises(ValueError, match="holds the target"):
        train(sample, ["a", "lgm_tot_p50"], "smoke")
    with pytest.raises(ValueError, match="keep: found 'first'"):
        train(sample, ["a"], "smoke", keep="first")
    with pytest.raises(ValueError, match="unknown setting 'batchsize'"):
        train(sample, ["a"], "smoke", batchsize=3)
    with pytest.raises(ValueError, match="found 5 training"):
        train(sample, ["a"], "smoke", rows=sample.rows("train")[:5])
    with pytest.raises(FloatingPointError, match="not finite at step"):
        train(sample, ["a"], "smoke", steps=50, learning_rate=1e30)


def test_whitening_makes_correlated_columns_uncorrelated():
    rng = np.random.default_rng(0)
    brightness = rng.normal(size=(5000, 1))
    main = torch.from_numpy(brightness + 0.05 * rng.normal(size=(5000, 3))).float()
    white = main @ whitening_of(main)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(3), atol=1e-3, rtol=0)
    # A column that repeats another has a difference of nothing, which stays small.
    twice = torch.cat([main, main[:, :1]], dim=1)
    assert (
        torch.isfinite(whitening_of(twice)).all() and torch.cov((twice @ whitening_of(twice)).T).diagonal().min() < 1e-2
    )


def test_calibrated_distributions_are_what_a_packed_model_gives():
    sample = toy_sample()
    model = train(sample, ["a", "b"], "smoke", steps=60)
    assert model.calibration != Calibration() and sum(model.prior) == pytest.approx(1)
    plain, _ = predict_mass(model, sample, calibrated=False)
    calibrated, mean = predict_mass(model, sample)
    label = model.bins.labels(sample.mass)
    rows = sample.rows("validation")

    def loss(probability):
        return -np.log(probability[rows, label[rows]]).mean()

    assert loss(calibrated) < loss(plain)
    again = TrainedModel.unpack(*model.pack())
    np.testing.assert_array_equal(predict_mass(again, sample)[1], mean)
    untouched = train(sample, ["a", "b"], "smoke", steps=60, calibrate=False)
    assert untouched.calibration == Calibration()
    np.testing.assert_allclose(predict_mass(untouched, sample)[0], plain, rtol=1e-5)
