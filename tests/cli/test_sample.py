"""`mlefit sample`, and constant models saved by `estimate --save`."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

import mlefit as package
from mlefit.families import registry
from mlefit.sampling import at, draws

DIABETES = package.sample_data("diabetes")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("family", [f for f in registry.every() if not f.labels], ids=lambda f: f.name)
def test_every_family_is_drawn_from_with_its_own_median(family):
    theta = {"p": 0.4, "upper": 9.0, "df": 5.0, "pi": 0.3, "mu": 1.5, "sigma": 0.6, "kappa": 2.0}
    values = {n: theta.get(n, 1.3 if family.name != "discrete-uniform" else 1.0) for n in family.names}
    trials = 9.0 if len(family.columns) > 1 else None
    chosen, eta = at(family, values)
    found = np.concatenate([part["y"] for part in draws(chosen, eta, 70_000, 5, trials)]).astype(float)
    assert found.size == 70_000  # more than one chunk
    given = chosen if trials is None else chosen.given(np.full(1, trials))
    median = float(given.quantile(np.array([0.5]), eta[:, None])[0])
    # Four standard errors of a share of 70,000.
    assert (found <= median).mean() > 0.5 - 0.008
    assert (found < median).mean() < 0.5 + 0.008
    if not family.discrete:
        assert (found <= median).mean() == pytest.approx(0.5, abs=0.008)


def test_the_same_seed_gives_the_same_numbers_and_no_seed_new_ones(mlefit):
    call = ("sample", "--dist", "gamma", "--params", "shape=2,rate=1", "-n", 5)
    assert mlefit(*call, "--seed", 1).out == mlefit(*call, "--seed", 1).out
    assert mlefit(*call, "--seed", 1).out != mlefit(*call, "--seed", 2).out
    assert mlefit(*call).out != mlefit(*call).out


def test_what_is_drawn_is_estimated_back(program):
    drawn = program("sample", "--dist", "weibull", "-p", "shape=2", "-p", "scale=80", "-n", "4000", "--seed", "1")
    fitted = program("estimate", "--dist", "weibull", "--format", "json", stdin=drawn.out.encode())
    for name, truth in (("shape", 2), ("scale", 80)):
        found = json.loads(fitted.out)["parameters"][name]
        assert abs(found["estimate"] - truth) < 4 * found["std_error"]


def test_labels_and_trials(mlefit):
    labels = rows(mlefit("sample", "--dist", "categorical", "-p", "p[a]=0.3,p[b b]=0.7", "-n", 400, "--seed", 1).out)
    assert 80 < sum(row["y"] == "a" for row in labels) < 160
    assert {row["y"] for row in labels} == {"a", "b b"}
    trials = rows(mlefit("sample", "--dist", "binomial", "-p", "p=0.5", "--trials", 6, "-n", 50).out)
    assert all(row["trials"] == "6" and 0 <= int(row["y"]) <= 6 for row in trials)


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "tsv", "markdown", "latex"])
def test_every_format(mlefit, form):
    ran = mlefit("sample", "--dist", "poisson", "-p", "mu=3", "-n", 3, "--format", form)
    assert ran.status == 0
    assert "y" in ran.out


def test_none_is_a_header(mlefit):
    assert mlefit("sample", "--dist", "poisson", "-p", "mu=3", "-n", 0).out == "y\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--dist"),
        (("--dist", "gama"), "gamma"),
        (("--dist", "gamma", "-p", "shape=2"), "needs a value of rate"),
        (("--dist", "gamma", "-p", "shape=2,rat=1"), "no parameter 'rat'"),
        (("--dist", "gamma", "-p", "shape=2,rate=-1"), "outside the domain"),
        (("--dist", "gamma", "-p", "shape"), "name=number"),
        (("--dist", "poisson", "-p", "mu=1", "-n", "-3"), "0 or more"),
        (("--dist", "poisson", "-p", "mu=1", "--seed", "-3"), "seed"),
        (("--dist", "poisson", "-p", "mu=1", "--trials", "3"), "takes no --trials"),
        (("--dist", "binomial", "-p", "p=0.2"), "needs --trials"),
        (("--dist", "categorical", "-p", "p[a]=0.3,p[b]=0.3"), "add up to 0.6"),
    ],
)
def test_one_sentence_for_what_is_wrong(mlefit, arguments, message):
    ran = mlefit("sample", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


def test_a_model_draws_one_value_a_row(mlefit, tmp_path):
    package.train(DIABETES, "mse", "progression", features=["bmi"], hidden=()).save(tmp_path / "m.mle")
    found = rows(mlefit("sample", tmp_path / "m.mle", DIABETES, "--seed", 4).out)
    assert len(found) == 442
    predicted = package.load(tmp_path / "m.mle").predict(DIABETES)
    z = (np.array([float(r["progression_drawn"]) for r in found]) - predicted["mu"]) / predicted["sigma"]
    assert abs(z.mean()) < 4 / np.sqrt(442)
    assert z.std() == pytest.approx(1, abs=4 / np.sqrt(884))


def test_rows_that_miss_a_feature_keep_their_place(mlefit, tmp_path, table):
    package.train(DIABETES, "mse", "progression", features=["bmi"], hidden=()).save(tmp_path / "m.mle")
    found = rows(mlefit("sample", tmp_path / "m.mle", table("bmi,x", "22.5,1", ",2", "30,3"), "--seed", 4).out)
    assert [row["x"] for row in found] == ["1", "2", "3"]
    assert [row["progression"] == "" for row in found] == [False, True, False]


def test_a_saved_fit_predicts_evaluates_compares_and_is_drawn_from(mlefit, tmp_path):
    path = tmp_path / "c.mle"
    ran = mlefit("estimate", DIABETES, "--column", "progression", "--dist", "gamma", "--save", path, "-f", "json")
    fit = json.loads(ran.out)
    assert json.loads(mlefit("evaluate", path, DIABETES, "-f", "json").out)["nll_per_observation"] == pytest.approx(
        fit["nll_per_observation"]
    )
    assert float(rows(mlefit("predict", path, DIABETES).out)[0]["shape"]) == fit["parameters"]["shape"]["estimate"]
    assert json.loads(mlefit("compare", path, DIABETES, "-f", "json").out)["models"][0]["kind"] == "constant"
    assert len(rows(mlefit("sample", path, "-n", 7, "--seed", 1).out)) == 7


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("iris", ("--column", "species", "--dist", "categorical")),
        ("menarche", ("--column", "menarche", "--trials", "total", "--dist", "binomial")),
        ("lung", ("--column", "time", "--event", "status = 2", "--dist", "weibull")),
        ("groundbeef", ("--dist", "normal", "--fix", "mu=70")),
    ],
)
def test_fits_of_every_kind_are_saved_and_drawn_from(mlefit, tmp_path, name, arguments):
    path, data = tmp_path / "m.mle", package.sample_data(name)
    assert mlefit("estimate", data, *arguments, "--save", path).status == 0
    ran = mlefit("sample", path, data, "--seed", 1)
    assert ran.status == 0, ran.err
    column = dict(zip(arguments[::2], arguments[1::2], strict=True)).get("--column", "serving")
    assert all(row[f"{column}_drawn"] for row in rows(ran.out))
    more = ("--trials", 20) if "--trials" in arguments else ()
    alone = mlefit("sample", path, "-n", 2, "--seed", 1, *more)
    assert alone.status == 0, alone.err
    assert alone.out.splitlines()[0].split(",")[0] == column  # its target, as beside the rows


def test_several_fits_or_none_are_not_saved(mlefit, tmp_path, table):
    spray = package.sample_data("insect_sprays")
    ran = mlefit("estimate", spray, "--column", "count", "--by", "spray", "--save", tmp_path / "m.mle")
    assert (ran.status, "one model" in ran.err) == (2, True)
    ran = mlefit("estimate", table("y", "1", "1"), "--save", tmp_path / "m.mle")
    assert (ran.status, "without a maximum" in ran.err) == (1, True)
    assert not (tmp_path / "m.mle").exists()


def test_draws_at_infinity_are_counted(mlefit):
    """A hazard that dies out leaves exp(rate/shape) of the units for ever: exp(-1/2) of them here."""
    ran = mlefit("sample", "--dist", "gompertz", "--params", "shape=-1,rate=0.5", "-n", 1000, "--seed", 1)
    empty = ran.out.splitlines().count('""')
    assert ran.status == 0
    assert abs(empty / 1000 - np.exp(-0.5)) < 0.06
    assert f"{empty} draws are infinite" in ran.err
