"""Training: gradients through families, agreement with `estimate` and with R, sigma of the lecture, resuming."""

from __future__ import annotations

import csv
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlefit
from mlefit.errors import DataError, UsageError
from mlefit.families import losses, registry
from mlefit.inference.encoding import Codes
from mlefit.inference.learning import Table, constant_scores, prepare, scales, train_table
from mlefit.inference.training import Problem, Rows, Scores, Settings, run, total
from mlefit.predictors.activations import ACTIVATIONS
from mlefit.predictors.network import Network

DATA = Path(__file__).parents[2] / "sample_data"
REFERENCE = Path(__file__).parents[1] / "reference" / "training"
N = 40
ENDPOINTS = {"uniform", "discrete-uniform", "pareto"}
FAMILIES = [name for name in registry.BUILT_IN if name not in ENDPOINTS]


def bound(name):
    family = registry.get(name)
    return family.bind(("a", "b", "c")) if family.labels else family


def outcomes(family, n=N, seed=0):
    """Values that the family can have given rise to."""
    generator = np.random.default_rng(seed)
    support = family.support
    if family.labels:
        return generator.integers(0, 3, n).astype(float)
    if len(family.columns) > 1:
        trials = generator.integers(5, 20, n).astype(float)
        return np.stack([np.floor(generator.beta(2, 3, n) * (trials + 1)).clip(0, trials), trials])
    if family.discrete:
        y = generator.negative_binomial(2, 0.3, n) * (generator.random(n) < 0.8)
        return np.minimum(y, support.upper).astype(float)
    if np.isfinite(support.upper):
        low = support.lower
        return low + (support.upper - low) * generator.beta(2, 3, n)
    y = generator.gamma(3, 1, n)
    return y if np.isfinite(support.lower) else np.r_[y[: n // 2], -0.4 * y[n // 2 :]]


def problem(name, hidden=(4,), activation="tanh", seed=0, loss=None):
    family = bound(name)
    loss = loss or losses.get(name)
    generator = np.random.default_rng(seed)
    x = np.ones((N, 4))
    x[:, :3] = generator.standard_normal((N, 3))
    y = outcomes(family, seed=seed)
    weight = generator.uniform(0.5, 2, N)
    rows = Rows(x, y, weight)
    constant = constant_scores(family, rows, "y")
    constant = np.clip(constant, -5, 5)
    scores = Scores(family, loss, constant, scales(family, rows, constant))
    network = Network(3, hidden, int(scores.free.sum()), activation)
    # Small, so that no row leaves a support that depends on the parameters.
    network.theta[:] = (0.01 if name in ("gev", "generalized-pareto") else 0.1) * generator.standard_normal(
        network.theta.size
    )
    return network, scores, rows


def difference(network, scores, rows):
    """Largest error of the gradient of the mean NLL against central differences, relative to its size."""
    theta = network.theta.copy()
    with np.errstate(all="ignore"):
        _, gradient = total(network, scores, rows)

        def value(point):
            network.theta[:] = point
            return total(network, scores, rows)[0]

        h = 1e-4
        stencil = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
        numeric = np.array([sum(c * value(theta + s * h * e) for s, c in stencil) / h for e in np.eye(theta.size)])
    assert np.isfinite(gradient).all()
    return np.abs(gradient - numeric).max() / max(1, np.abs(gradient).max())


@pytest.mark.parametrize("name", [*losses.LOSSES, *(f for f in FAMILIES if f not in losses.LOSSES)])
def test_gradient_of_every_loss(name):
    loss = losses.get(name)
    if loss.family not in registry.BUILT_IN:
        pytest.skip(f"{loss.family} is not built in")
    # The kinks of the absolute error are no place for differences: its score keeps clear of the data.
    assert difference(*problem(loss.family, loss=loss)) < 1e-6


@pytest.mark.parametrize("hidden", [(), (5,), (4, 3), (3, 3, 2)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["bce", "gaussian-nll"])
def test_gradient_of_every_activation_and_depth(loss, activation, hidden):
    chosen = losses.get(loss)
    assert difference(*problem(chosen.family, hidden, activation, loss=chosen)) < 1e-6


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_nothing_is_estimate(name):
    """No features and no hidden layer, started away from the answer, ends at the constant model."""
    family = bound(name)
    y = outcomes(family, 60, seed=3)
    rows = Rows(np.ones((60, 1)), y)
    constant = constant_scores(family, rows, "y")
    if np.abs(constant).max() > 15:
        pytest.skip("the estimate lies on the boundary for these data")
    scores = Scores(family, losses.get(name), constant + 0.3, scales(family, rows, constant))
    state = run(Problem(scores, rows, None), Settings(hidden=(), seed=1).resolve(60))
    eta = (scores.start + scores.scale * state.best)[:, None]
    if name != "laplace":  # any value between the two middle ones is a median
        np.testing.assert_allclose(family.inverse(eta), family.inverse(constant[:, None]), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(family.nll(y, eta).sum(), family.nll(y, constant[:, None]).sum(), rtol=1e-9)


def reference(name):
    with open(REFERENCE / f"{name}.csv") as file:
        next(file)
        return {row["term"]: float(row["estimate"]) for row in csv.DictReader(file)}


def raw(model):
    """Coefficients of a linear model on the columns as they are, (k, terms), the intercept first."""
    scorer, encoding = model.scorer, model.scorer.encoding
    weight = scorer.scale[scorer.free, None] * scorer.network.layers[0].weight
    mean = np.array([getattr(c, "mean", 0.0) for c in encoding.columns for _ in range(c.width)])
    scale = np.array([getattr(c, "scale", 1.0) for c in encoding.columns for _ in range(c.width)])
    slopes = weight[:, :-1] * scale
    return np.column_stack([scorer.start[scorer.free] + weight[:, -1] - slopes @ mean, slopes])


def linear(file, loss, target, features, **options):
    return mlefit.train(
        DATA / file, loss, target, features=features, hidden=(), optimizer="lbfgs", validation=0.0, **options
    )


@pytest.mark.parametrize(
    ("name", "file", "loss", "target", "features"),
    [
        ("bernoulli", "birthwt.csv", "bce", "low", ["age", "lwt", "smoke", "ht", "ui"]),
        ("normal", "cars.csv", "mse", "dist", ["speed"]),
        ("normal_diabetes", "diabetes.csv", "mse", "progression",
         ["age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu"]),
    ],
)  # fmt: skip
def test_linear_models_are_those_of_r(name, file, loss, target, features):
    known = reference(name)
    model = linear(file, loss, target, features)
    found = raw(model)[0]
    np.testing.assert_allclose(found, [known["(Intercept)"], *(known[f] for f in features)], rtol=1e-5)
    n = model.record["train"]["n"]
    np.testing.assert_allclose(-n * model.record["train"]["nll_per_observation"], known["log_likelihood"], rtol=1e-9)


def test_poisson_with_labels_is_that_of_r():
    known = reference("poisson")
    model = linear("solder.csv", "poisson", "skips", ["opening", "panel"])
    intercept, large, medium, small, panel = raw(model)[0]
    np.testing.assert_allclose(
        [intercept + large, medium - large, small - large, panel],
        [known["(Intercept)"], known["openingM"], known["openingS"], known["panel"]], rtol=1e-5,
    )  # fmt: skip
    np.testing.assert_allclose(-900 * model.record["train"]["nll_per_observation"], known["log_likelihood"], rtol=1e-9)


def test_categorical_is_multinom_of_r():
    known = reference("categorical")
    model = linear("penguins.csv", "cross-entropy", "island", ["body_mass_g / 1000", "flipper_length_mm / 10"])
    terms = ["(Intercept)", "I(body_mass_g/1000)", "I(flipper_length_mm/10)"]
    wanted = [[known[f"{level}:{term}"] for term in terms] for level in ("Dream", "Torgersen")]
    np.testing.assert_allclose(raw(model), wanted, rtol=1e-5)


def test_sigma_of_the_lecture():
    frame = pd.read_csv(DATA / "diabetes.csv")
    model = mlefit.train(frame, "mse", "progression", epochs=20, validation=0.0)
    predicted = model.predict(frame)
    sse = float(((frame.progression - predicted.mu) ** 2).sum())
    n = len(frame)
    sigma = np.sqrt(sse / n)
    np.testing.assert_allclose(model.record["sigma"], sigma, rtol=1e-10)
    nll = n / 2 * np.log(2 * np.pi * sigma**2) + sse / (2 * sigma**2)
    np.testing.assert_allclose(n * model.record["train"]["nll_per_observation"], nll, rtol=1e-10)


def test_bce_is_the_sum_it_says():
    frame = pd.read_csv(DATA / "breast_cancer.csv")
    model = mlefit.train(frame, "bce", "diagnosis", epochs=20, validation=0.0)
    p = model.predict(frame).p.to_numpy()
    y = (frame.diagnosis == "malignant").to_numpy(dtype=float)
    nll = -((1 - y) * np.log1p(-p) + y * np.log(p)).sum()
    np.testing.assert_allclose(len(frame) * model.record["train"]["nll_per_observation"], nll, rtol=1e-10)


@pytest.mark.parametrize("loss", ["mse", "gaussian-nll", "mae", "student-t"])
@pytest.mark.parametrize("magnitude", [1e-6, 1e6])
def test_the_unit_of_the_target_does_not_matter(loss, magnitude):
    frame = pd.read_csv(DATA / "diabetes.csv")
    plain = mlefit.train(frame, loss, "progression", epochs=30)
    frame["progression"] *= magnitude
    scaled = mlefit.train(frame, loss, "progression", epochs=30)
    gap = scaled.record["train"]["nll_per_observation"] - plain.record["train"]["nll_per_observation"]
    np.testing.assert_allclose(gap, np.log(magnitude), atol=0.05)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "lbfgs"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_optimizer_beats_the_constant_model(optimizer, precision):
    model = mlefit.train(DATA / "diabetes.csv", "mse", "progression", optimizer=optimizer, precision=precision)
    assert model.record["train"]["gain_nats"] > 0.2
    assert model.record["validation"]["gain_nats"] > 0.15


@pytest.mark.parametrize(
    ("file", "loss", "target", "gain"),
    [
        ("breast_cancer.csv", "bce", "diagnosis", 0.4),
        ("iris.csv", "cross-entropy", "species", 0.8),
        ("penguins.csv", "cross-entropy", "species", 0.9),
        ("diabetes.csv", "mse", "progression", 0.2),
        ("motorcycle.csv", "gaussian-nll", "accel", 0.6),
        ("diabetes.csv", "mae", "progression", 0.2),
        ("solder.csv", "poisson", "skips", 3.0),
        ("cars.csv", "mse", "dist", 0.2),
        ("diabetes.csv", "gamma", "progression", 0.2),
        ("solder.csv", "negative-binomial", "skips", 0.3),
    ],
)
def test_defaults_beat_the_constant_model_where_there_is_signal(file, loss, target, gain):
    model = mlefit.train(DATA / file, loss, target)
    assert model.record["validation"]["gain_nats"] > gain


def test_same_seed_same_bits_another_seed_other_bits():
    options = {"epochs": 15}
    runs = [mlefit.train(DATA / "iris.csv", "cross-entropy", "species", seed=s, **options) for s in (4, 4, 5)]
    first, second, third = (m.scorer.network.theta for m in runs)
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_early_stopping_restores_the_best_weights():
    model = mlefit.train(DATA / "iris.csv", "cross-entropy", "species", learning_rate=0.02, patience=10)
    values = [e.validation for e in model.history]
    assert model.record["stopped"] == "early"
    assert model.record["best_epoch"] == int(np.argmin(values)) == len(values) - 11
    np.testing.assert_allclose(model.record["validation"]["nll_per_observation"], min(values), rtol=1e-4)


def test_epoch_zero_is_the_constant_model():
    model = mlefit.train(DATA / "solder.csv", "poisson", "skips", epochs=1)
    constant = model.record["constant"]
    np.testing.assert_allclose(model.history[0].train, constant["train"]["nll_per_observation"], rtol=1e-9)
    np.testing.assert_allclose(model.history[0].validation, constant["validation"]["nll_per_observation"], rtol=1e-9)


def test_a_weight_of_three_is_three_rows():
    generator = np.random.default_rng(0)
    x, weight = generator.standard_normal(50), generator.integers(1, 4, 50).astype(float)
    y = generator.poisson(np.exp(0.5 * x)).astype(float)
    chosen = losses.get("poisson")
    settings = Settings(hidden=())
    weighted = train_table(prepare(Table({"x": x}, y, weight), chosen, settings))
    repeated = np.repeat(np.arange(50), weight.astype(int))
    plain = train_table(prepare(Table({"x": x[repeated]}, y[repeated]), chosen, settings))
    np.testing.assert_allclose(raw(weighted), raw(plain), rtol=1e-6)
    np.testing.assert_allclose(
        weighted.record["train"]["nll_per_observation"], plain.record["train"]["nll_per_observation"], rtol=1e-9
    )


def test_ctrl_c_keeps_the_best_weights():
    seen = []

    def watch(epoch):
        seen.append(epoch)
        if epoch.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    generator = np.random.default_rng(0)
    x = generator.standard_normal(500)
    table = Table({"x": x}, 2 * x + generator.standard_normal(500))
    model = train_table(prepare(table, losses.get("mse"), Settings(epochs=50)), watch=watch)
    assert model.record["stopped"] == "interrupted"
    assert model.record["epochs"] == 4
    assert model.record["validation"]["nll_per_observation"] <= seen[0].validation
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_diverges_is_one_sentence():
    with pytest.raises(DataError, match=r"no longer finite in epoch 1: .*smaller learning rate"):
        mlefit.train(DATA / "diabetes.csv", "poisson", "progression", optimizer="sgd", learning_rate=10.0, epochs=50)


@contextmanager
def allowed(kind, pattern):
    """An exception that may be raised, but only with such words."""
    try:
        yield
    except kind as error:
        if not re.search(pattern, str(error)):
            raise


def table(n, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return {f"x{i}": generator.standard_normal(n) for i in range(d)}


@pytest.mark.parametrize("hidden", [(), (8,)])
@pytest.mark.parametrize("loss", ["bce", "cross-entropy", "mse", "gaussian-nll", "mae", "poisson"])
def test_more_features_than_rows(loss, hidden):
    features = table(12, 40)
    y = np.arange(12.0)
    if loss in ("bce", "cross-entropy"):
        y = Codes(np.arange(12) % (2 if loss == "bce" else 3), ("a", "b", "c"))
    with allowed(DataError, "unbounded|finite"):
        model = train_table(prepare(Table(features, y), losses.get(loss), Settings(hidden=hidden)))
        assert np.isfinite(model.record["train"]["nll_per_observation"])


@pytest.mark.parametrize("loss", ["bce", "cross-entropy", "mse", "gaussian-nll", "mae", "poisson", "gamma"])
def test_one_row(loss):
    y = Codes(np.zeros(1, int), ("a",)) if loss in ("bce", "cross-entropy") else np.array([3.0])
    with allowed(DataError, "single level|constant model|unbounded"):
        model = train_table(prepare(Table(table(1), y), losses.get(loss), Settings()))
        assert np.isfinite(model.record["train"]["nll_per_observation"])


@pytest.mark.parametrize(
    ("loss", "y", "sentence"),
    [
        ("bce", Codes(np.zeros(9, int), ("yes",)), "single level 'yes'"),
        ("bce", Codes(np.arange(9) % 3, ("a", "b", "c")), "two levels; 'y' has 3"),
        ("cross-entropy", Codes(np.zeros(9, int), ("yes",)), "single level"),
        ("poisson", np.arange(9.0) - 3, "needs integers 0, 1, 2"),
        ("poisson", np.arange(9) + 0.5, "needs integers 0, 1, 2"),
        ("gamma", np.arange(9.0), "needs y > 0"),
        ("beta", np.arange(9.0), "needs 0 < y < 1"),
        ("mse", np.full(9, 2.0), "constant model"),
        ("uniform", np.arange(9.0), "endpoint"),
        ("mse", np.zeros(0), "no rows"),
    ],
)
def test_a_target_that_does_not_fit_is_one_sentence(loss, y, sentence):
    n = y.codes.size if isinstance(y, Codes) else y.size
    with pytest.raises(DataError, match=sentence) as caught:
        train_table(prepare(Table(table(n), y), losses.get(loss), Settings()))
    assert "\n" not in str(caught.value)


def test_a_constant_feature_is_said_and_has_no_effect():
    features = {**table(40), "flat": np.full(40, 7.0)}
    generator = np.random.default_rng(0)
    model = train_table(prepare(Table(features, generator.standard_normal(40)), losses.get("mse"), Settings(epochs=5)))
    assert "flat" in model.notes[0]
    here = model.scorer.scores(features, 40).eta
    moved = model.scorer.scores({**features, "flat": np.full(40, -1e9)}, 40).eta
    np.testing.assert_array_equal(here, moved)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"activation": "softsign"}, "no activation"),
        ({"optimizer": "adagrad"}, "no optimizer"),
        ({"schedule": "linear"}, "no schedule"),
        ({"learning_rate": -1.0}, "learning rate"),
        ({"epochs": 0}, "epochs"),
        ({"validation": 1.0}, "validation"),
        ({"hidden": (0,)}, "at least one unit"),
        ({"momentum": 1.0}, "momentum"),
        ({"rate": 1.0}, "train has no option 'rate'"),
        ({"dist": "poisson"}, "train has no option 'dist'; did you mean loss?"),
    ],
)
def test_settings_that_make_no_sense(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        mlefit.train(DATA / "cars.csv", "mse", "dist", **options)
