"""`--density` in every command that fits: the same numbers as the family that was written down, and what is refused."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

WEIBULL = ("--density", "log(k) - k*log(scale) + (k - 1)*log(y) - (y/scale)**k", "--parameters", "k>0,scale>0")
POISSON = ("--density", "y*log(mu) - mu - lgamma(y + 1)", "--parameters", "mu>0")


@pytest.fixture(scope="module")
def lines():
    """Lifetimes, some censored, with a covariate, entry times and counts."""
    generator = np.random.default_rng(11)
    x = generator.normal(size=80).round(2)
    y = generator.weibull(1.7, 80) * np.exp(1 + 0.4 * x)
    end = generator.exponential(9.0, 80)
    rows = zip(np.minimum(y, end), y <= end, x, generator.poisson(4, 80), strict=True)
    return ["y,event,x,entry,count,g", *(
        f"{t:.4f},{int(e)},{v},{t / 3:.4f},{c},{'ab'[i % 2]}" for i, (t, e, v, c) in enumerate(rows)
    )]  # fmt: skip


def record(ran):
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def same(found, expected, names):
    """Two records with the same numbers under other names of parameters."""
    assert found["log_likelihood"] == pytest.approx(expected["log_likelihood"], rel=1e-10)
    for name, values in expected["parameters"].items():
        own = found["parameters"][names.get(name, name)]
        for key, value in values.items():
            assert own[key] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-12)), (name, key)
    assert found["converged"]
    assert found["warnings"] == expected["warnings"]


@pytest.mark.parametrize(
    "options",
    [(), ("--event", "event"), ("--truncate-below", "entry"), ("--event", "event", "--truncate-below", "entry"),
     ("--weights", "count"), ("--fix", "scale=3"), ("--interval", "profile"), ("--quantile", "0.1,0.5"),
     ("--interval", "bootstrap", "--replicates", "40", "--seed", "1")],
    ids=" ".join,
)  # fmt: skip
def test_estimates_as_the_family_does(mlefit, table, lines, options):
    path = table(*lines)
    found = record(mlefit("estimate", path, "--column", "y", *WEIBULL, *options, "-f", "json"))
    expected = record(mlefit("estimate", path, "--column", "y", "--dist", "weibull", *options, "-f", "json"))
    same(found, expected, {"shape": "k"})
    for level, values in expected.get("quantiles", {}).items():
        assert found["quantiles"][level] == pytest.approx(values, rel=1e-6)


def test_groups_null_and_derived(mlefit, table, lines):
    path = table(*lines)
    options = ("--column", "count", "--by", "g", "--null", "mu=4", "--derive", "twice=2*mu", "-f", "json")
    found = record(mlefit("estimate", path, *POISSON, *options))
    for one, other in zip(found, record(mlefit("estimate", path, "--dist", "poisson", *options)), strict=True):
        same(one, other, {})
        assert one["derived"]["twice"] == pytest.approx(other["derived"]["twice"], rel=1e-8)
        for test in ("wald", "score", "likelihood_ratio"):
            assert one["tests"][0][test]["p_value"] == pytest.approx(other["tests"][0][test]["p_value"], rel=1e-6)


@pytest.mark.parametrize("options", [(), ("--event", "event"), ("--formula", "{shape} ~ x")], ids=" ".join)
def test_regresses_as_the_family_does_and_the_model_predicts(mlefit, table, lines, tmp_path, options):
    path = table(*lines)
    found, models = [], []
    for name, dist in (("k", WEIBULL), ("shape", ("--dist", "weibull"))):
        given = [o.format(shape=name) for o in options]
        models.append(str(tmp_path / f"{name}.mle"))
        found.append(record(mlefit("regress", path, "y ~ x", *dist, *given, "--save", models[-1], "-f", "json")))
    same(*found, {n: n.replace("shape", "k") for n in found[1]["parameters"]})
    tables = []
    for model in models:
        ran = mlefit("predict", model, path, "--quantile", "0.1", "-f", "csv")
        tables.append([[float(r["mean"]), float(r["q0.1"])] for r in csv.DictReader(io.StringIO(ran.out))])
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-7)
    scores = [record(mlefit("evaluate", model, path, "-f", "json"))["nll_per_observation"] for model in models]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)


def test_compares_and_refuses_what_integrates_to_something_else(mlefit, table, lines):
    path = table(*lines)
    options = ("--column", "y", "--dist", "gamma,weibull", "-f", "json")
    ranked = {m["family"]: m for m in record(mlefit("compare", path, *options, *WEIBULL))["models"]}
    assert ranked["density"]["log_likelihood"] == pytest.approx(ranked["weibull"]["log_likelihood"], rel=1e-10)
    own, other = (ranked[name]["goodness"] for name in ("density", "weibull"))
    for name in ("kolmogorov_smirnov", "anderson_darling"):
        assert own[name]["statistic"] == pytest.approx(other[name]["statistic"], rel=1e-6)
    bare = ("--density", "-(y - m)**2/2/s**2 - log(s)", "--parameters", "m,s>0")
    last = record(mlefit("compare", path, *options, *bare))["models"][-1]
    assert "integrates to 2.50663" in last["error"]


def test_likelihood_sample_and_saved_constants(mlefit, table, lines, tmp_path):
    path, model = table(*lines), str(tmp_path / "constant.mle")
    points = [
        record(mlefit("likelihood", path, "--column", "y", "--event", "event", *dist, "--at", at, "-f", "json"))
        for dist, at in ((WEIBULL, "k=2,scale=3"), (("--dist", "weibull"), "shape=2,scale=3"))
    ]
    assert points[0]["points"][0]["log_likelihood"] == pytest.approx(points[1]["points"][0]["log_likelihood"], rel=1e-9)
    drawn = mlefit("sample", *WEIBULL, "--params", "k=2,scale=3", "-n", "2000", "--seed", "1").out.split()[1:]
    assert np.mean([float(v) for v in drawn]) == pytest.approx(3 * np.sqrt(np.pi) / 2, abs=0.1)
    assert all(float(v).is_integer() for v in mlefit("sample", *POISSON, "--params", "mu=4", "-n", "9").out.split()[1:])
    mlefit("estimate", path, "--column", "y", *WEIBULL, "--save", model)
    assert mlefit("sample", model, "-n", "3").status == 0


def test_the_support_can_be_given(mlefit, table):
    path = table("y", "1.5", "2.5", "4", "3.2", "1.7")
    shifted = ("--density", "log(rate) - rate*(y - 1)", "--parameters", "rate>0", "-f", "json")
    found = record(mlefit("estimate", path, *shifted, "--support", "y>1"))
    assert found["warnings"] == []
    assert found["parameters"]["rate"]["estimate"] == pytest.approx(5 / 7.9)
    ran = mlefit("estimate", path, *shifted)
    assert ran.status == 3  # a formula that is no density has no maximum of a likelihood
    assert "neither its estimates" in json.loads(ran.out)["warnings"][0]
    ran = mlefit("estimate", path, *shifted, "--support", "y>2")
    assert ran.status == 1
    assert "outside the support" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("estimate", "{}", "--density", "log(rte) - rate*y", "--parameters", "rate>0"), "did you mean rate?"),
        (("estimate", "{}", "--parameters", "rate>0"), "belongs to a --density"),
        (("estimate", "{}", "--support", "y>0"), "belongs to a --density"),
        (("estimate", "{}", "--column", "y", "--density", "-a*y", "--parameters", "a", "--support", "x>0"),
         "about y, the column that is fitted"),
        (("regress", "{}", "y ~ x", "--density", "-(y - a*x)**2", "--parameters", "a"), "the formula the others"),
        (("compare", "{}", "--density", "-(y - a*x)**2", "--parameters", "a"), "other families know but one"),
        (("estimate", "{}", "--column", "y", "--dist", "density:-a*y"), "such as density:log(rate)"),
        (("sample", "--density", "-a*y", "--parameters", "a>0", "--dist", "normal"), "one of them"),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_is_refused(mlefit, table, arguments, said):
    path = table("y,x", "1,2", "2,3", "4,3")
    ran = mlefit(*(a.format(path) for a in arguments))
    assert ran.status == 2
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("command", [("estimate", "-c", "y"), ("regress", "y ~ x"), ("likelihood", "-c", "y")])
def test_a_density_and_a_family_are_refused(mlefit, table, lines, command):
    ran = mlefit(command[0], table(*lines), *command[1:], *WEIBULL, "--dist", "weibull")
    assert ran.status == 2
    assert "--density stands in place of --dist weibull" in ran.err
