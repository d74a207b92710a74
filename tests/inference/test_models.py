"""Saved models and checkpoints: what comes back, what is refused, what a kill leaves behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlefit
from mlefit.errors import DataError
from mlefit.inference import container
from mlefit.inference.encoding import Codes, Encoding
from mlefit.inference.evaluation import crps
from mlefit.inference.model import ConstantScorer, Model
from mlefit.inference.target import Target

DATA = Path(__file__).parents[2] / "sample_data"
CASES = [
    ("breast_cancer.csv", "bce", "diagnosis"),
    ("penguins.csv", "cross-entropy", "species"),
    ("motorcycle.csv", "gaussian-nll", "accel"),
    ("diabetes.csv", "mse", "progression"),
    ("solder.csv", "negative-binomial", "skips"),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "iris.mle"
    model = mlefit.train(DATA / "iris.csv", "cross-entropy", "species", epochs=5)
    model.save(path)
    return model, path


@pytest.mark.parametrize(("file", "loss", "target"), CASES)
def test_a_loaded_model_predicts_the_same_bits(file, loss, target, tmp_path):
    model = mlefit.train(DATA / file, loss, target, epochs=5)
    model.save(tmp_path / "m")
    loaded = mlefit.load(tmp_path / "m")
    pd.testing.assert_frame_equal(model.predict(DATA / file), loaded.predict(DATA / file), check_exact=True)
    assert loaded.to_dict() == model.to_dict()
    assert loaded.evaluate(DATA / file).to_dict() == model.evaluate(DATA / file).to_dict()


def test_a_constant_model_in_the_same_file_format(tmp_path):
    fit = mlefit.fit(DATA / "diabetes.csv", "gamma", column="progression")
    model = Model(fit.family, "gamma", Target("progression"), ConstantScorer(fit.eta), fit.eta, {"kind": "constant"})
    model.save(tmp_path / "constant")
    loaded = mlefit.load(tmp_path / "constant")
    found = loaded.evaluate(DATA / "diabetes.csv")
    np.testing.assert_allclose(found.nll, fit.nll / fit.n, rtol=1e-12)
    np.testing.assert_allclose(found.gain, 0, atol=1e-12)
    assert loaded.predict(DATA / "diabetes.csv").shape == (442, 3)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_a_clear_error(saved, tmp_path, share):
    data = saved[1].read_bytes()
    (tmp_path / "m").write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"damaged|not a model"):
        mlefit.load(tmp_path / "m")


def test_any_altered_byte_is_noticed(saved, tmp_path):
    data = bytearray(saved[1].read_bytes())
    for place in np.random.default_rng(0).integers(0, len(data), 200):
        data[place] ^= 0x41
        (tmp_path / "m").write_bytes(data)
        with pytest.raises(DataError, match=r"damaged|not a model"):
            mlefit.load(tmp_path / "m")
        data[place] ^= 0x41


def rewritten(path, change):
    """A file whose header was changed by someone who knows the format, its digest right."""
    data = path.read_bytes()
    begin = len(container.MAGIC) + 8
    end = begin + int.from_bytes(data[len(container.MAGIC) : begin], "little")
    header = json.loads(data[begin:end])
    change(header)
    text = json.dumps(header).encode()
    body = container.MAGIC + len(text).to_bytes(8, "little") + text + data[end:-32]
    return body + hashlib.sha256(body).digest()


def put(*path_and_value):
    *path, value = path_and_value

    def change(header):
        for key in path[:-1]:
            header = header[key]
        header[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put("version", 99), "newer mlefit .*upgrade"),
        (put("contents", "checkpoint"), "is a checkpoint, not a model"),
        (put("kind", "forest"), "upgrade mlefit"),
        (put("family", "galactic"), "family not known here"),
        (put("scorer", "hidden", [7]), "does not hold together"),
        (put("scorer", "hidden", [10**9, 10**9]), "does not hold together"),
        (put("scorer", "columns", []), "does not hold together"),
        (put("scorer", "free", [True] * 9), "does not hold together"),
        (put("scorer", "activation", "softsign"), "does not hold together"),
        (put("target", "levels", ["a"]), "does not hold together"),
        (put("arrays", 0, "shape", [10**12]), "damaged"),
        (put("arrays", 0, "shape", [-1]), "damaged"),
        (put("arrays", 0, "dtype", "|O"), "damaged"),
        (put("arrays", "everything"), "damaged"),
        (lambda header: header.pop("record"), "does not hold together"),
    ],
)
def test_a_hostile_header_is_a_clear_error(saved, tmp_path, change, sentence):
    (tmp_path / "m").write_bytes(rewritten(saved[1], change))
    with pytest.raises(DataError, match=sentence):
        mlefit.load(tmp_path / "m")


def test_other_files_are_not_models(tmp_path):
    with pytest.raises(DataError, match="not a model saved by mlefit"):
        mlefit.load(DATA / "iris.csv")
    with pytest.raises(DataError, match="cannot be read"):
        mlefit.load(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read"):
        mlefit.load(tmp_path)


def test_a_file_that_cannot_be_written_leaves_nothing(saved, tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        saved[0].save(tmp_path / "no" / "where")
    (tmp_path / "taken").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        saved[0].save(tmp_path / "taken")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


# -- resuming -------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, mlefit
from mlefit import reading
from mlefit.inference import checkpoint
from mlefit.inference.training import Settings
from mlefit.modelling import Plan, Run
optimizer, kept, resume, slow = sys.argv[1:5]
request = reading.Request({data!r})
settings = Settings(optimizer=optimizer, epochs=400, patience=0)
found = checkpoint.load(kept) if resume == "resume" else None
run = Run.open(request, Plan("mse", "progression"), settings, found)
import time
watch = (lambda epoch: (time.sleep(0.002), print(epoch.epoch, flush=True))) if slow == "slow" else None
model = run.train(watch, kept if kept != "-" else None, 7)
model.save(sys.argv[5])
"""


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "lbfgs"])
def test_killed_and_resumed_it_ends_with_the_same_weights(optimizer, tmp_path):
    script = SCRIPT.format(data=str(DATA / "diabetes.csv"))
    kept = tmp_path / "kept"

    def command(*arguments):
        return [sys.executable, "-c", script, optimizer, *map(str, arguments)]

    environment = os.environ | {"PYTHONPATH": str(Path(mlefit.__file__).parents[1])}
    subprocess.run(command("-", "new", "fast", tmp_path / "whole"), check=True, env=environment)
    with subprocess.Popen(
        command(kept, "new", "slow", tmp_path / "never"), stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        for line in process.stdout:
            if int(line) >= (210 if optimizer == "lbfgs" else 40):
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    assert not (tmp_path / "never").exists()
    subprocess.run(command(kept, "resume", "fast", tmp_path / "resumed"), check=True, env=environment)
    whole, resumed = (mlefit.load(tmp_path / name) for name in ("whole", "resumed"))
    np.testing.assert_array_equal(whole.scorer.network.theta, resumed.scorer.network.theta)
    assert whole.to_dict() == resumed.to_dict()


# -- encoding and scores --------------------------------------------------------------------------------------


def test_standardised_with_the_training_rows_alone():
    x = np.array([1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 6])
    encoding = Encoding.learn({"x": x})
    coded = encoding.encode({"x": x}, 4).x[:, 0]
    np.testing.assert_allclose([coded.mean(), coded.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(encoding.encode({"x": np.array([1e9 + 3.0])}, 1).x[0], [0, 1], atol=1e-12)


@pytest.mark.parametrize("x", [np.array([1e300, -1e300, 5.0]), np.array([1e-300, 2e-300, 3e-300])])
def test_huge_and_tiny_numbers_are_standardised(x):
    coded = Encoding.learn({"x": x}).encode({"x": x}, 3).x[:, 0]
    np.testing.assert_allclose([coded.mean(), coded.std()], [0, 1], atol=1e-12)


def test_an_unseen_level_counts_as_an_average_row_and_is_said():
    column = Codes(np.array([0, 0, 0, 1]), ("a", "b"))
    encoding = Encoding.learn({"c": column})
    other = Codes(np.array([0, 1, -1, 2]), ("b", "new", "a"))
    found = encoding.encode({"c": other}, 4)
    np.testing.assert_array_equal(found.x, [[0, 1, 1], [0.75, 0.25, 1], [0.75, 0.25, 1], [1, 0, 1]])
    assert found.unseen == {"c": {"new": 1}}
    assert found.missing.tolist() == [False, False, True, False]


def test_missing_features_keep_their_row(saved):
    frame = pd.read_csv(DATA / "iris.csv")
    frame.loc[3, "sepal_width"] = np.nan
    found = saved[0].predict(frame)
    assert len(found) == 150
    assert found.loc[3].isna().all()
    assert not found.drop(index=3).isna().any().any()


def test_a_missing_column_is_named_and_more_columns_do_no_harm(saved):
    frame = pd.read_csv(DATA / "iris.csv").drop(columns=["sepal_width", "petal_width", "species"])
    with pytest.raises(DataError, match="lacks the model's features sepal_width, petal_width"):
        saved[0].predict(frame)
    whole = pd.read_csv(DATA / "iris.csv").assign(more=1)
    pd.testing.assert_frame_equal(saved[0].predict(whole), saved[0].predict(DATA / "iris.csv"))


def test_quantiles_and_intervals():
    model = mlefit.train(DATA / "motorcycle.csv", "gaussian-nll", "accel", epochs=20)
    found = model.predict(DATA / "motorcycle.csv", quantiles=(0.05, 0.5), interval=0.9)
    assert list(found) == ["mu", "sigma", "mean", "q0.05", "q0.5", "lower", "upper"]
    np.testing.assert_allclose(found["q0.5"], found.mu, atol=1e-12)
    np.testing.assert_allclose(found["lower"], found["q0.05"])
    np.testing.assert_allclose(found["upper"] - found["mu"], 1.6448536269514722 * found.sigma)


def test_crps_by_quadrature_agrees_with_the_closed_form():
    from mlefit.families.normal import Normal

    class Plain(Normal):
        crps = None

    y, eta = np.linspace(-4, 4, 41), np.vstack([np.linspace(-1, 1, 41), np.linspace(-1, 1, 41)])
    np.testing.assert_allclose(crps(Plain(), y, eta), crps(Normal(), y, eta), rtol=2e-3)


def test_evaluation_of_known_predictions():
    model = Model(
        mlefit.fit([0.0, 1.0, 1.0, 1.0], "bernoulli").family, "bce", Target("y", ("no", "yes")),
        ConstantScorer(np.array([np.log(3.0)])), np.array([0.0]), {},
    )  # fmt: skip
    found = model.evaluate({"y": ["no", "yes", "yes", "yes"]})
    np.testing.assert_allclose(found.nll, -(3 * np.log(0.75) + np.log(0.25)) / 4)
    np.testing.assert_allclose(found.constant_nll, np.log(2))
    np.testing.assert_allclose([found.scores["accuracy"], found.scores["brier"]], [0.75, (3 * 0.0625 + 0.5625) / 4])
    (only,) = found.calibration
    assert (only.low, only.n, only.predicted, only.observed) == (0.7, 4, 0.75, 0.75)


@pytest.mark.slow
def test_ten_million_rows_in_bounded_memory(saved, tmp_path):
    """The peak of a whole process that predicts 10 million rows."""
    lines = (DATA / "iris.csv").read_text().splitlines(keepends=True)
    big = tmp_path / "big.csv"
    block = "".join(lines[1:]) * 1000
    with big.open("w") as file:
        file.write(lines[0])
        for _ in range(67):
            file.write(block)
    script = (
        "import resource, subprocess, sys; "
        f"subprocess.run([sys.executable, '-m', 'mlefit', 'predict', {str(saved[1])!r}, {str(big)!r}], check=True, "
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(mlefit.__file__).parents[1])}
    before = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment)
    print(f"{time.perf_counter() - before:.0f} s, {int(done.stdout) / 1024:.0f} MB")
    assert int(done.stdout) < 500 * 1024
