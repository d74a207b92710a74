"""`mlefit compare`: families and saved models, in every format, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from math import exp

import numpy as np
import pytest

import mlefit as package
from mlefit.report import comparison_plots, figure

BEEF = package.sample_data("groundbeef")


def test_the_best_family_comes_first_and_a_failure_is_said(mlefit):
    ran = mlefit("compare", BEEF, "--dist", "weibull,beta", "--dist", "gamma", "--replicates", 0)
    assert ran.status == 0
    lines = [line.split()[0] for line in ran.out.splitlines() if line.strip()]
    assert lines.index("gamma") < lines.index("weibull") < lines.index("beta")
    assert "✗ beta: serving = 30 and 253 more outside its support (0 < y < 1)" in ran.out


def test_json_keeps_the_contract(mlefit):
    ran = mlefit("compare", BEEF, "--dist", "gamma,exponential,beta", "--replicates", 19, "--format", "json")
    record = json.loads(ran.out)
    assert [model["family"] for model in record["models"]] == ["gamma", "exponential", "beta"]
    gamma, exponential, beta = record["models"]
    assert set(beta) == {"family", "error"}
    assert gamma["delta_aic"] == 0
    assert gamma["akaike_weight"] == pytest.approx(1)
    assert gamma["parameters"]["shape"]["estimate"] == pytest.approx(4.00834, abs=1e-4)
    assert set(gamma["goodness"]) == {"kolmogorov_smirnov", "cramer_von_mises", "anderson_darling", "replicates"}
    assert 0 < gamma["goodness"]["anderson_darling"]["p_value"] <= 1
    [test] = record["tests"]
    assert (test["test"], test["first"], test["second"], test["boundary"]) == (
        "likelihood-ratio", "exponential", "gamma", False,
    )  # fmt: skip
    assert test["statistic"] == pytest.approx(exponential["aic"] - gamma["aic"] + 2)


@pytest.mark.parametrize("form", ["table", "ndjson", "csv", "tsv", "markdown", "latex"])
def test_every_format(mlefit, form):
    ran = mlefit("compare", BEEF, "--dist", "gamma,beta", "--replicates", 0, "--format", form)
    assert ran.status == 0
    assert "gamma" in ran.out
    assert "beta" in ran.out


def test_csv_has_a_row_a_family(mlefit):
    ran = mlefit("compare", BEEF, "--dist", "gamma,beta", "--folds", 4, "--format", "csv")
    gamma, beta = csv.DictReader(io.StringIO(ran.out))
    assert (gamma["rank"], gamma["family"], beta["family"]) == ("1", "gamma", "beta")
    assert float(gamma["held_out_nll_per_observation"]) == pytest.approx(4.95, abs=0.02)
    assert "support" in beta["error"]


def test_groups_and_counts(mlefit):
    spray = package.sample_data("insect_sprays")
    ran = mlefit("compare", spray, "--column", "count", "--by", "spray", "--dist", "poisson,geometric", "-f", "json")
    records = json.loads(ran.out)
    assert [record["group"]["spray"] for record in records] == list("ABCDEF")
    assert all(record["models"][0]["family"] in ("poisson", "geometric") for record in records)


def test_trials(mlefit):
    ran = mlefit("compare", package.sample_data("menarche"), "--column", "menarche", "--trials", "total", "-f", "json")
    assert json.loads(ran.out)["models"][0]["family"] == "beta-binomial"


def test_nothing_that_fits_is_not_to_be_trusted(mlefit, table):
    ran = mlefit("compare", table("y", "1", "1", "1"), "--dist", "normal,gamma", "--replicates", 0)
    assert ran.status == 3
    assert "unbounded" in ran.out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--dist", "gama"), 2, "gamma"),
        (("--rank", "bix"), 2, "bic"),
        (("--rank", "held-out"), 2, "--folds"),
        (("--folds", "300"), 1, "254 rows cannot be parted"),
        (("--column", "weight"), 2, "weight"),
        (("--plot", "x.doc"), 2, ".png"),
    ],
)
def test_one_sentence_for_what_is_wrong(mlefit, arguments, status, message):
    ran = mlefit("compare", BEEF, *(arguments if "--dist" in arguments else ("--dist", "gamma", *arguments)))
    assert ran.status == status
    assert ran.out == ""
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_standard_input(program):
    ran = program("compare", "--dist", "normal,exponential", stdin=b"y\n1\n2\n4\n3\n")
    assert ran.status == 0, ran.err
    assert "n = 4" in ran.out


def test_a_picture(mlefit, tmp_path):
    mlefit("compare", BEEF, "--dist", "gamma,weibull", "--replicates", 0, "--plot", tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    for word in ("gamma is best by AIC", "weibull", "quantiles (QQ)", "probabilities (PP)", "distribution functions"):
        assert word in text


@pytest.mark.parametrize(
    ("lines", "arguments", "words"),
    [
        (None, ("--column", "time", "--event", "status = 2"), ("63 censored", "Kaplan–Meier", "survival", "weibull")),
        (["y", "1", "1", "2", "3", "1", "5"], ("--truncate-below", "1", "-d", "poisson"), ("poisson", "probabilities")),
        (["t,e", "1,0", "2,1", "4,2", "3,1", "9,4"], ("-c", "t", "--truncate-below", "e"), ("Kaplan–Meier", "weibull")),
        (["t,e", "0,1", "2,2", "4,4", ",3", "9,9"], ("--lower", "t", "--upper", "e"), ("Kaplan–Meier", "2 censored")),
    ],
)
def test_a_picture_of_rows_that_are_not_whole(mlefit, table, tmp_path, lines, arguments, words):
    data = table(*lines) if lines else package.sample_data("lung")
    more = () if "-d" in arguments else ("-d", "weibull")
    ran = mlefit("compare", data, *arguments, *more, "--replicates", 0, "--plot", tmp_path / "a.svg")
    assert ran.status == 0, ran.err
    text = (tmp_path / "a.svg").read_text()
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (["a,b,t", "1,2,5", "2,2,6", "3,,7"], ("--lower", "a", "--upper", "b", "--truncate-above", "t"),
         "limit of their own"),
        (["t,e", "1,9", "2,8", "1,7", "3,9"], ("-c", "t", "--truncate-above", "e"), "limit of their own"),
        (["y,n", "1,2", "2,3", "4,9"], ("-c", "y", "--trials", "n", "-d", "binomial"), "--trials"),
    ],
)  # fmt: skip
def test_pictures_that_cannot_be_drawn_are_refused(mlefit, table, tmp_path, lines, arguments, message):
    more = () if "-d" in arguments else ("-d", "exponential")
    ran = mlefit("compare", table(*lines), *arguments, *more, "--replicates", 0, "--plot", tmp_path / "a.svg")
    assert ran.status == 2
    assert message in ran.err
    assert not (tmp_path / "a.svg").exists()


def test_a_picture_of_the_best_says_of_how_many(mlefit, tmp_path):
    families = "normal,logistic,gumbel,laplace,cauchy,student-t"
    for names, said in ((families, ", the best 5 of 6 families are drawn"), ("normal,gumbel", None)):
        path = tmp_path / "a.svg"
        ran = mlefit("compare", package.sample_data("groundbeef"), "-d", names, "--replicates", 0, "--plot", path)
        assert ran.status == 0, ran.err
        assert (said or " are drawn") in path.read_text() if said else " are drawn" not in path.read_text()


def test_weights_are_said_in_table_and_picture(mlefit, tmp_path):
    data = package.sample_data("rutherford_geiger")
    options = ("--weights", "intervals", "-d", "poisson", "--replicates", 0, "--plot", tmp_path / "a.svg")
    ran = mlefit("compare", data, "-c", "scintillations", *options)
    assert ran.out.splitlines()[0] == "scintillations   n = 14, weight 2608, 1 of 1 families fitted"
    assert "scintillations, n = 14, weight 2608: poisson is best" in (tmp_path / "a.svg").read_text()


def test_equal_curves_are_both_seen():
    """Each that may lie over another is thinner, and dashed where the one below is not."""
    assert list(comparison_plots.WIDTHS) == sorted(set(comparison_plots.WIDTHS), reverse=True)
    assert list(comparison_plots.SIZES) == sorted(set(comparison_plots.SIZES), reverse=True)
    assert len(set(comparison_plots.LINES)) == len(comparison_plots.COLOURS)


@pytest.mark.parametrize("families", [["poisson", "negative-binomial", "zero-inflated-poisson"], ["gamma", "weibull"]])
def test_names_stand_above_the_curves(families, tmp_path, monkeypatch):
    axes = []
    monkeypatch.setattr(figure, "save", lambda drawn, path: axes.extend([drawn.canvas.draw(), *drawn.axes]))
    y = np.random.default_rng(2).negative_binomial(3, 0.3, 80) + float(families[0] == "gamma")
    found = package.compare(y, families, replicates=0)
    comparison_plots.comparison_plot([(found, found.best.sample)], str(tmp_path / "a.png"))
    axis = axes[1]
    low = axis.get_legend().get_window_extent().transformed(axis.transData.inverted()).y0
    assert low >= max(float(np.nanmax(line.get_ydata())) for line in axis.lines)
    assert low >= max(bar.get_height() for bar in axis.patches)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    data = package.sample_data("diabetes")
    for name, features in (("none", ["bmi"]), ("several", ["bmi", "bp", "ltg"])):
        model = package.train(data, "mse", "progression", features=features, hidden=())
        model.save(folder / f"{name}.mle")
    return folder


def test_saved_models_rank_by_nll(mlefit, models):
    data = package.sample_data("diabetes")
    ran = mlefit("compare", models / "none.mle", models / "several.mle", data, "--format", "json")
    record = json.loads(ran.out)
    best, other = record["models"]
    assert best["model"].endswith("several.mle")
    assert record["n"] == 442
    found = package.load(models / "none.mle").evaluate(data)
    assert other["nll_per_observation"] == pytest.approx(found.nll, rel=1e-12)
    assert other["delta_nll"] == pytest.approx(other["nll_per_observation"] - best["nll_per_observation"])
    assert other["p_value"] < 0.001
    assert mlefit("compare", models / "none.mle", data).status == 0


@pytest.mark.parametrize(("option", "value"), [("--dist", "gamma"), ("--folds", "3"), ("--by", "sex")])
def test_options_of_families_are_refused_for_models(mlefit, models, option, value):
    ran = mlefit("compare", models / "none.mle", package.sample_data("diabetes"), option, value)
    assert ran.status == 2
    assert option in ran.err


def test_two_sources_of_data_are_refused(mlefit):
    ran = mlefit("compare", BEEF, BEEF.with_name("coin.csv"))
    assert ran.status == 2
    assert "one source of data" in ran.err


LUNG = ("lung", "--column", "time", "--event", "status = 2")
FISH = ("smoked_fish", "--lower", "left", "--upper", "right")
FIRE = ("danish_fire", "--column", "loss", "--truncate-below", "1")
TRIALS = ("menarche", "--column", "menarche", "--trials", "total")


@pytest.mark.parametrize(
    ("arguments", "best"),
    [
        ((*LUNG, "--dist", "exponential,weibull"), "weibull"),
        ((*FISH, "--dist", "weibull,lognormal"), "lognormal"),
        ((*FIRE, "--dist", "weibull,lognormal"), "lognormal"),
        (("lung", "-c", "time", "--event", "status = 2", "--truncate-above", "1100", "-d", "weibull"), "weibull"),
        (TRIALS, "beta-binomial"),
    ],
)
def test_rows_that_are_not_whole(mlefit, arguments, best):
    name, *rest = arguments
    ran = mlefit("compare", package.sample_data(name), *rest, "--replicates", 19, "--folds", 3, "--format", "json")
    assert ran.status == 0, ran.err
    record = json.loads(ran.out)
    assert record["models"][0]["family"] == best
    for model in record["models"]:
        assert model["held_out_nll_per_observation"] > 0
        known = [one for one in model["goodness"].values() if isinstance(one, dict)]
        assert any(one["p_value"] is not None for one in known)
    assert not any("no goodness of fit" in note for note in record["warnings"])


def test_groups_of_censored_rows(mlefit):
    motors = package.sample_data("motors")
    arguments = ("--column", "time", "--event", "cens", "--by", "temp", "--where", "temp > 150", "-d", "weibull")
    ran = mlefit("compare", motors, *arguments, "--replicates", 19, "-f", "json")
    records = json.loads(ran.out)
    assert [record["group"]["temp"] for record in records] == ["170", "190", "220"]
    alone = mlefit("estimate", motors, *arguments, "-f", "json")
    for record, fit in zip(records, json.loads(alone.out), strict=True):
        assert record["models"][0]["log_likelihood"] == pytest.approx(fit["log_likelihood"], rel=1e-12)


@pytest.mark.parametrize(
    ("option", "value"), [("--event", "status"), ("--truncate-below", "1"), ("--lower", "a"), ("--trials", "9")]
)
def test_what_is_known_of_rows_is_refused_for_models(mlefit, models, option, value):
    ran = mlefit("compare", models / "none.mle", package.sample_data("diabetes"), option, value)
    assert ran.status == 2
    assert option in ran.err


def test_an_event_without_its_coding_is_refused(mlefit):
    ran = mlefit("compare", package.sample_data("lung"), "--column", "time", "--event", "status")
    assert ran.status == 1
    assert "1 means observed" in ran.err


@pytest.mark.parametrize(("rank", "title"), [("aic", "AIC"), ("aicc", "AICc"), ("bic", "BIC"), ("nll", "AIC")])
def test_differences_and_weights_are_of_the_criterion_that_ranks(mlefit, rank, title):
    one, two = (package.fit(BEEF, family) for family in ("gamma", "exponential"))
    given = ("compare", BEEF, "--column", "serving", "--dist", "exponential,gamma,beta", "--replicates", 0)
    ran = mlefit(*given, "--rank", rank)
    assert f" {title} " in ran.out
    assert f"Δ{title} " in ran.out
    assert "Cramer-von Mises" in ran.out
    behind = getattr(two, title.lower()) - getattr(one, title.lower())
    assert f" {behind:.2f}   <0.001 " in next(line for line in ran.out.splitlines() if "exponential" in line)
    record = json.loads(mlefit(*given, "--rank", rank, "-f", "json").out)
    assert record["models"][1]["delta_aic"] == pytest.approx(two.aic - one.aic)


def test_weights_by_hand(mlefit, table):
    path = table("y", *"1322614925")
    ran = mlefit("compare", path, "--dist", "gamma,exponential", "--rank", "bic", "--replicates", 0)
    bic = [package.fit(path, family).bic for family in ("gamma", "exponential")]
    weight = 1 / (1 + exp((bic[0] - bic[1]) / 2))
    assert f" {weight:.3f} " in next(line for line in ran.out.splitlines() if line.strip().startswith("gamma"))


def test_saved_models_of_successes_agree_on_the_trials(mlefit, table, tmp_path):
    """A likelihood of 3 in 7 and one of 3 in 8 do not compare; a model of counts alone does, in any order."""
    path = table("y,n,m,x", "3,7,8,0", "1,4,5,1", "5,6,7,2", "2,6,7,3", "4,9,10,4")
    saved = {}
    for name, given in {
        "a": ("--dist", "binomial", "--trials", "n"), "b": ("--dist", "beta-binomial", "--trials", " n"),
        "other": ("--dist", "binomial", "--trials", "m"), "ten": ("--dist", "binomial", "--trials", "10"),
        "counts": ("--dist", "poisson"),
    }.items():  # fmt: skip
        saved[name] = str(tmp_path / f"{name}.mle")
        mlefit("regress", path, "y ~ x", *given, "--save", saved[name])
    for pair in (("a", "b"), ("a", "counts"), ("counts", "a")):
        ran = mlefit("compare", *(saved[name] for name in pair), path)
        assert ran.status == 0, ran.err
    for name, shown in (("other", "m"), ("ten", "10")):
        ran = mlefit("compare", saved["a"], saved[name], path)
        assert ran.status == 1
        assert ran.out == ""
        assert f"counts successes in n trials, {saved[name]} in {shown}" in " ".join(ran.err.split())
    few = table("y,n,m,x", "3,2,9,1", "1,4,5,2", name="few.csv")
    ran = mlefit("compare", saved["a"], saved["b"], few)
    assert ran.status == 1
    assert "'3' in column 'y' on line 2" in ran.err
    assert "cannot come of 2 trials" in ran.err


@pytest.mark.parametrize("also", [(), ("exponential",), ("exponential", "normal")])
def test_intervals_of_counts_mean_what_they_mean_to_estimate(mlefit, tmp_path, also):
    """Both ends belong to an interval of counts, an open one's too, whatever stands beside them; a saved fit agrees."""
    path, model = tmp_path / "a.csv", tmp_path / "m.mle"
    path.write_text("lo,hi\n0,1\n2,3\n3,\n0,\n,4\n5,\n4,4\n2,2\n3,5\n1,2\n")
    words = ("--lower", "lo", "--upper", "hi")
    names = ("poisson", "geometric", *also)
    ran = mlefit("compare", path, "--dist", ",".join(names), *words, "--replicates", "0", "--format", "json")
    found = {one["family"]: one["log_likelihood"] for one in json.loads(ran.out)["models"]}
    assert found.keys() == set(names)
    for name, value in found.items():
        alone = json.loads(mlefit("estimate", path, "--dist", name, *words, "--save", model, "--format", "json").out)
        assert value == pytest.approx(alone["log_likelihood"], rel=1e-9)
        rated = json.loads(mlefit("evaluate", model, path, "--format", "json").out)
        assert rated["nll_per_observation"] == pytest.approx(-value / 10, rel=1e-9)
