"""`mlefit regress`: formulas, refusals, exit statuses, and models that predict."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

LINES = ("y,x,g,n,w", *(f"{(i * 7) % 5},{i},{'abc'[i % 3]},{i % 4 + 5},{i % 2 + 1}" for i in range(30)))


def parameters(ran):
    assert ran.status == 0, ran.err
    return json.loads(ran.out)["parameters"]


def test_the_json_has_the_words_of_estimate(mlefit, table):
    ran = mlefit("regress", table(*LINES), "y ~ x + C(g)", "--format", "json")
    record = json.loads(ran.out)
    assert list(record["parameters"]) == ["mu[Intercept]", "mu[x]", "mu[C(g)[T.b]]", "mu[C(g)[T.c]]", "sigma"]
    assert {"family", "column", "n", "dropped", "weight", "interval", "log_likelihood", "nll", "nll_per_observation",
            "aic", "aicc", "bic", "covariance", "solver", "iterations", "converged", "certificate", "warnings",
            "deviance", "null_deviance", "null_log_likelihood"} <= set(record)  # fmt: skip
    assert record["parameters"]["sigma"]["z"] is None
    assert record["parameters"]["mu[x]"]["p"] == pytest.approx(0.8, abs=0.2)


def test_csv_is_tidy(mlefit, table):
    ran = mlefit("regress", table(*LINES), "y ~ x", "--by", "g", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [r["parameter"] for r in rows] == ["mu[Intercept]", "mu[x]", "sigma"] * 3
    assert [r["g"] for r in rows[::3]] == ["a", "b", "c"]


def test_groups_are_fits_of_their_rows(mlefit, table):
    path = table(*LINES)
    both = json.loads(mlefit("regress", path, "y ~ x", "--dist", "poisson", "--by", "g", "--format", "json").out)
    alone = json.loads(
        mlefit("regress", path, "y ~ x", "--dist", "poisson", "--where", "g = 'b'", "--format", "json").out
    )
    for name, row in both[1]["parameters"].items():
        assert row == pytest.approx(alone["parameters"][name], rel=1e-11)
    assert both[1]["group"] == {"g": "b"}


def test_rows_left_out_are_counted_in_their_group(mlefit, table):
    lines = [*LINES, "1,,a,5,1", "NA,2,a,5,1", "3,NA,c,5,1", "2,2,,5,1"]
    fits = json.loads(mlefit("regress", table(*lines), "y ~ x", "--by", "g", "--format", "json").out)
    assert [fit["dropped"] for fit in fits] == [2, 0, 1]
    assert all("1 row has no value of 'g'" in fit["warnings"][0] for fit in fits)
    assert json.loads(mlefit("regress", table(*lines), "y ~ x", "--format", "json").out)["dropped"] == 3


def test_a_weight_of_two_is_the_row_twice(mlefit, table):
    weighted = mlefit("regress", table(*LINES), "y ~ x", "--dist", "poisson", "--weights", "w", "--format", "json")
    twice = [line for line in LINES[1:] for _ in range(int(line.rsplit(",", 1)[1]))]
    repeated = mlefit(
        "regress", table(LINES[0], *twice, name="t.csv"), "y ~ x", "--dist", "poisson", "--format", "json"
    )
    for name, row in parameters(weighted).items():
        assert row["estimate"] == pytest.approx(parameters(repeated)[name]["estimate"], rel=1e-9)
        assert row["std_error"] == pytest.approx(parameters(repeated)[name]["std_error"], rel=1e-9)


def test_exponentiate_adds_ratios(mlefit, table):
    found = parameters(
        mlefit("regress", table(*LINES), "y ~ x", "--dist", "poisson", "--exponentiate", "--format", "json")
    )
    assert found["mu[x]"]["ratio"] == pytest.approx(np.exp(found["mu[x]"]["estimate"]))
    assert found["mu[x]"]["ratio_lower"] < found["mu[x]"]["ratio"] < found["mu[x]"]["ratio_upper"]


def test_the_formula_alone_takes_piped_data(program):
    data = "\n".join(LINES).encode()
    piped = program("regress", "y ~ x", "--format", "json", stdin=data)
    assert piped.status == 0
    assert json.loads(piped.out)["n"] == 30


def test_a_fixed_parameter_is_held(mlefit, table):
    ran = mlefit("regress", table(*LINES), "y ~ x", "--fix", "sigma=2", "--format", "json")
    record = json.loads(ran.out)
    assert list(record["parameters"]) == ["mu[Intercept]", "mu[x]", "sigma"]
    nothing = dict.fromkeys(("std_error", "z", "p", "ci_lower", "ci_upper"))
    assert record["parameters"]["sigma"] == {"estimate": 2.0, **nothing, "fixed": True}
    assert record["fixed"] == {"sigma": 2.0}


def test_missing_values_are_dropped_counted_or_refused(mlefit, table):
    path = table("y,x", "1,1", "2,", "3,2", "2,3", "NA,4")
    assert json.loads(mlefit("regress", path, "y ~ x", "--format", "json").out)["dropped"] == 2
    refused = mlefit("regress", path, "y ~ x", "--missing", "error")
    assert refused.status == 1
    assert "'x' has no value on line 3" in refused.err


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("y ~ xx", "no column 'xx'.*did you mean 'x'"),
        ("yy ~ x", "no column 'yy'"),
        ("y ~ x +", "cannot be read"),
        ("y ~ log(x", "cannot be read"),
        ("y ~ x ~ g", "one tilde"),
        ("y", "a formula"),
        ("~ x", "names no response"),
        ("y ~ x | g", "several parts"),
        ("y ~ sqr(x)", "did you mean sqrt"),
        ("y ~ x^2", r"which is x alone; for the power write I\(x\*\*2\) or poly\(x, 2\)"),
        ("y ~ x + x ** 3", r"which is x alone; for the power write I\(x\*\*3\)"),
        ("y ~ I(x^2)", r"a power is written \*\*"),
        ("y ~ factor(g)", r"a column of labels is C\(...\) here"),
        ("y ~ __import__('os').system('true')", "columns, numbers, operators and functions only"),
        ("y ~ open('data.csv')", "may not call open"),
        ("y ~ eval('1')", "may not call eval"),
        ("y ~ {x.values}", "columns, numbers, arithmetic and functions"),
        ("y ~ x.values", "no column 'x.values'"),
        ("y ~ I(x.sum())", "may not call"),
        ("y ~ np.load(x)", "may not call np.load"),
        ("y ~ {[i for i in range(9)]}", "columns, numbers, arithmetic and functions"),
        ("y ~ {(lambda: 1)()}", "may not call"),
        ("y ~ {'a' * 999999999}", "multiplies"),
        ("y ~ {9 ** 9 ** 9 ** 9}", "power"),
        ("y ~ I(x ** 99)", "above 20"),
        ("y ~ C(g, [1] * 10)", "multiplies"),
        ("y ~ x[0]", "cannot be read|columns, numbers"),
        ("y ~ `x`.real", "cannot be read|no column|columns, numbers"),
        ("y ~ log(`my x`)", "no column 'my x'"),
        ("y ~ log(`x`.real)", "columns, numbers"),
        ("y ~ hashed(x)", "may not call hashed"),
        ("y ~ .", "name the columns"),
    ],
)
def test_a_formula_holds_columns_and_known_functions_only(mlefit, table, formula, sentence):
    ran = mlefit("regress", table(*LINES), formula)
    assert ran.status == 2
    assert ran.out == ""
    assert len(ran.err.strip().splitlines()) == 1
    import re

    assert re.search(sentence, ran.err), ran.err


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        (("y ~ log(x - 3)",), "not a finite number in row 1", 1),
        (("g ~ x",), "the response 'g' is text", 1),
        (("y ~ x", "--dist", "gamma"), "'0' in column 'y' on line 2 .* outside the support of gamma", 1),
        (("y ~ x + I(2 * x + 1)",), r"I\(2 \* x \+ 1\) is a combination of x", 1),
        (("y ~ x + I(x > 100)",), "is zero in every row", 1),
        (("y ~ x + I(0 * x + 3)",), "is 3 in every row, the same as the intercept", 1),
        (("y ~ C(x)",), "the formula has 30 columns and the data 30|every row exactly", 3),
        (("y ~ x * C(x)",), "columns and the data 30 rows", 1),
        (("y ~ x", "--link", "mu=probit"), "does not suit mu", 2),
        (("y ~ x", "--link", "mu=logg"), "no link called 'logg'", 2),
        (("y ~ x", "--link", "nu=log"), "no parameter 'nu'", 2),
        (("y ~ x", "--formula", "tau ~ x"), "no free parameter 'tau'", 2),
        (("y ~ x", "--formula", "sigma"), "parameter ~ terms", 2),
        (("n ~ x", "--dist", "gamma", "--fix", "mean=3"), '"n ~ 1" and --formula "shape ~ x"', 2),
        (("n ~ x", "--dist", "normal", "--fix", "mu=3"), "'n ~ x' models mu, which --fix mu=3 holds", 2),
        (("n ~ 1", "--fix", "mu=3", "--offset", "x"), "add to a parameter that --fix holds", 2),
        (("n ~ 1", "--fix", "mu=3", "--fix", "sigma=1"), "every parameter of normal is fixed", 2),
        (("y ~ x", "--dist", "binomial"), "needs --trials", 2),
        (("w ~ x", "--dist", "laplace", "--robust"), "kinks or ends along loc; leave --robust and --cluster out", 2),
        (("w ~ x", "--dist", "scipy:laplace", "--event", "y > 1"), "another family, or take --dist laplace", 2),
        (("w ~ x", "--dist", "laplace", "--link", "loc=log"), "with the link identity alone; leave --link loc out", 2),
        (("y ~ x", "--dist", "poisson", "--exposure", "y"), "'0' in column 'y' .* no exposure", 1),
        (("y ~ x", "--exposure", "n"), "--exposure multiplies", 2),
        (("y ~ x", "--event", "n"), "1 means observed, 0 right-censored: write the condition", 1),
        (("y ~ x", "--lower", "x", "--upper", "n"), "are the response", 2),
        (("~ x", "--lower", "y", "--upper", "w"), "lower end .* above the upper", 1),
        (("~ x", "--lower", "x"), "need both", 2),
        (("y ~ x", "--interval", "wild"), "did you mean", 2),
        (("y ~ x", "--interval", "profile", "--weights", "w", "--weight-kind", "importance"), "ask for wald limits", 2),
        (("y ~ x", "--interval", "profile", "--robust"), "ask for wald limits", 2),
        (("y ~ x", "--interval", "profile", "--cluster", "g"), "ask for wald limits", 2),
        (("y ~ x", "--dist", "bernoulli"), "outside the support of bernoulli", 1),
        (("y ~ x", "--by", "g", "--save", "m.mle"), "one model", 2),
        (("y ~ x", "--dist", "ordinal", "--levels", "0,1"), "must name every label", 2),
        (("n ~ x", "--dist", "binomial", "--trials", "w"), "'5' in column 'n' on line 2 of .* that row's trials", 1),
        (("0-x ~ n", "--dist", "binomial", "--trials", "n"), "outside the support of binomial", 1),
        (("y ~ x", "--dist", "discrete-uniform"), "lower of discrete-uniform is a whole number, which", 2),
        (("y ~ x", "--dist", "uniform", "--formula", "width ~ x"), "a width of uniform that varies", 2),
        (("y ~ x", "--dist", "uniform", "--fix", "width=2"), "= 2 held some rows are impossible: .* is 4 wide", 1),
        (("y ~ x", "--dist", "scipy:triang"), "where no way to a regression is known; hold loc by --fix", 2),
    ],
)
def test_refusals(mlefit, table, arguments, sentence, status):
    import re

    ran = mlefit("regress", table(*LINES), *arguments)
    assert ran.status == status, ran.err
    text = ran.err if status != 3 else ran.out
    assert re.search(sentence, text), text


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["0,1", "0,2", "0,3", "1,4", "1,5"], r"x predicts some outcomes perfectly \(complete separation\)"),
        (["0,1", "0,2", "0,3", "1,3", "1,4", "1,5"], "quasi-complete separation: 4 of 6 rows"),
    ],
)
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_separation_is_named(mlefit, table, rows, sentence, link):
    import re

    ran = mlefit(
        "regress", table("y,x", *rows), "y ~ x", "--dist", "bernoulli", "--link", f"p={link}", "--format", "json"
    )
    record = json.loads(ran.out)
    assert ran.status == 3
    assert re.search(sentence, " ".join(record["warnings"])), record["warnings"]
    assert record["parameters"]["p[x]"]["std_error"] is None


def test_a_column_that_separates_several_labels_is_named_once(mlefit):
    cars = Path(__file__).parents[2] / "sample_data" / "cars.csv"
    record = json.loads(mlefit("regress", cars, "dist ~ speed", "--dist", "categorical", "--format", "json").out)
    assert len(record["warnings"]) == 1
    assert record["warnings"][0].startswith("speed predicts some outcomes perfectly (quasi-complete separation")


def test_a_level_without_events_is_named(mlefit, table):
    rows = ["0,a", "0,a", "0,a", "1,b", "0,b", "1,c", "0,c", "2,c"]
    ran = mlefit("regress", table("y,g", *rows), "y ~ C(g, contr.treatment('b'))", "--dist", "poisson")
    assert ran.status == 3
    assert "[T.a] predicts some outcomes perfectly" in ran.out


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + C(g)", "y ~ bs(x, df=4) + g", "y ~ poly(x, 2):g", "y ~ center(x) + scale(n) + np.sqrt(x)", "y ~ 1"],
)
def test_a_saved_model_scores_the_rows_it_was_fitted_to(mlefit, table, tmp_path, formula):
    path, model = table(*LINES), tmp_path / "m.mle"
    fit = mlefit("regress", path, formula, "--dist", "poisson", "--save", model, "--format", "json")
    evaluated = json.loads(mlefit("evaluate", model, path, "--format", "json").out)
    assert evaluated["nll_per_observation"] == pytest.approx(json.loads(fit.out)["nll_per_observation"], rel=1e-12)
    # A part of the rows is scored with what all of them taught: knots, means, levels.
    part = table(LINES[0], *LINES[4:9], name="part.csv")
    whole = list(csv.DictReader(io.StringIO(mlefit("predict", model, path).out)))
    few = list(csv.DictReader(io.StringIO(mlefit("predict", model, part).out)))
    assert [float(r["mu"]) for r in few] == pytest.approx([float(r["mu"]) for r in whole[3:8]], rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (("y ~ x", "--formula", "sigma ~ x"), {"mu", "sigma"}),
        (("I ~ x", "--dist", "bernoulli", "--link", "p=probit"), {"p"}),
        (("y ~ x", "--dist", "binomial", "--trials", "n"), {"p"}),
        (("g ~ x", "--dist", "categorical"), {"p[a]", "p[b]", "p[c]", "class"}),
        (("g ~ x", "--dist", "ordinal", "--levels", "b,a,c"), {"p[a]", "p[b]", "p[c]", "class"}),
        (("n ~ x", "--dist", "gamma", "--link", "mean=inverse"), {"shape", "rate", "mean"}),
        (("n ~ x", "--dist", "gamma", "--fix", "shape=2", "--exposure", "n"), {"shape", "rate", "mean"}),
        (("y ~ x", "--dist", "poisson", "--exposure", "n", "--offset", "x"), {"mu"}),
        (("n ~ x", "--dist", "weibull", "--event", "y > 0"), {"shape", "scale"}),
        (("log(n) ~ x",), {"mu", "sigma"}),
        (
            ("n ~ x", "--dist", "gamma", "--truncate-below", "2", "--truncate-above", "x + 10"),
            {"shape", "rate", "mean"},
        ),
        (("y ~ x + C(g)", "--dist", "laplace", "--formula", "scale ~ x"), {"loc", "scale"}),
        (("y ~ x + I(x**2)", "--dist", "uniform"), {"lower", "upper", "mean"}),
        (("n ~ x", "--dist", "pareto"), {"scale", "shape"}),
        (("n ~ x", "--dist", "pareto", "--formula", "scale ~ x + I((x + 1950)**2)"), {"scale", "shape"}),
        (("~ x", "--lower", "nullif(y, 0)", "--upper", "nullif(y + w - 1, 5)"), {"mu", "sigma"}),
    ],
)
def test_models_of_every_kind_predict(mlefit, table, tmp_path, arguments, columns):
    lines = [LINES[0] + ",I", *(line + f",{i * i % 3 % 2}" for i, line in enumerate(LINES[1:]))]
    path, model = table(*lines), tmp_path / "m.mle"
    fit = mlefit("regress", path, *arguments, "--save", model, "--format", "json")
    assert fit.status == 0, fit.err + fit.out
    rows = list(csv.DictReader(io.StringIO(mlefit("predict", model, path).out)))
    assert columns <= set(rows[0])
    assert all(row[name] != "" for row in rows for name in columns)
    evaluated = json.loads(mlefit("evaluate", model, path, "--format", "json").out)
    assert evaluated["nll_per_observation"] == pytest.approx(json.loads(fit.out)["nll_per_observation"], rel=1e-9)
    constant = -json.loads(fit.out)["null_log_likelihood"] / json.loads(fit.out)["weight"]
    assert evaluated["constant_nll_per_observation"] == pytest.approx(constant, rel=1e-7)


def test_censored_rows_are_evaluated_and_compared_as_they_were_seen(mlefit, tmp_path):
    lung = Path(__file__).parents[2] / "sample_data/lung.csv"
    event = ("--event", "status = 2")
    constant, weibull, gamma, plain = (
        str(tmp_path / f"{name}.mle") for name in ("constant", "weibull", "gamma", "plain")
    )
    fit = json.loads(mlefit("estimate", lung, "--column", "time", "--dist", "weibull", *event, "--save", constant,
                            "--format", "json").out)  # fmt: skip
    spelt = ("--event", "STATUS=2")  # the same
    for name, path, more in (("weibull", weibull, spelt), ("gamma", gamma, event), ("weibull", plain, ())):
        assert mlefit("regress", lung, "time ~ age", "--dist", name, *more, "--save", path).status == 0
    found = mlefit("evaluate", constant, lung, "--format", "json")
    assert json.loads(found.out)["nll_per_observation"] == pytest.approx(fit["nll_per_observation"], rel=1e-12)
    assert "63 of 228 rows are censored" in found.err
    assert "rmse" not in json.loads(found.out)
    observed = json.loads(mlefit("evaluate", weibull, lung, "--where", "status = 2", "--format", "json").out)
    assert observed["rmse"] > 0
    ranked = json.loads(mlefit("compare", constant, weibull, gamma, lung, "--format", "json").out)["models"]
    by_name = {Path(row["model"]).stem: row["nll_per_observation"] for row in ranked}
    assert by_name["constant"] == pytest.approx(fit["nll_per_observation"], rel=1e-12)
    assert by_name["weibull"] < by_name["constant"]
    other = mlefit("compare", weibull, plain, lung)
    assert (other.status, other.out) == (1, "")
    assert "otherwise censored" in other.err
    drawn = mlefit("evaluate", weibull, lung, "--plot", tmp_path / "x.png")
    assert drawn.status == 1
    assert "no calibration" in drawn.err
    gone = tmp_path / "gone.csv"
    gone.write_text(lung.read_text(encoding="utf-8").replace("3,306,2,74", "3,306,2,"), encoding="utf-8")
    refused = mlefit("evaluate", weibull, gone, "--missing", "error")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("mlefit: line 2 of ")
    assert json.loads(mlefit("evaluate", weibull, gone, "--format", "json").out)["dropped"] == 1


def test_ordered_labels_are_predicted_as_in_r(mlefit, tmp_path):
    # R: MASS::polr(sat ~ infl + cont, housing, weights = freq), predict(type = "probs"), and by hand the share of
    # right classes and the sum over labels of squared differences.
    path, model = Path(__file__).parents[1] / "reference/regressions/data/housing.csv", tmp_path / "m.mle"
    fitted = mlefit(
        "regress", path, "sat ~ C(infl) + C(cont)", "--dist", "ordinal", "--levels", "Low,Medium,High", "--weights",
        "freq", "--save", model,
    )  # fmt: skip
    assert fitted.status == 0
    first = next(csv.DictReader(io.StringIO(mlefit("predict", model, path, "--only").out)))
    assert first.pop("class") == "Low"
    expected = {"p[Low]": 0.4919815, "p[Medium]": 0.2624489, "p[High]": 0.2455697}
    assert {name: float(value) for name, value in first.items()} == pytest.approx(expected, abs=1e-5)
    found = json.loads(mlefit("evaluate", model, path, "--weights", "freq", "--format", "json").out)
    assert found["accuracy"] == pytest.approx(0.4610351, abs=1e-7)
    assert found["brier"] == pytest.approx(0.6333186, abs=1e-6)


def test_an_unseen_level_is_said_and_left_empty(mlefit, table, tmp_path):
    model = tmp_path / "m.mle"
    mlefit("regress", table(*LINES), "y ~ x + g", "--dist", "poisson", "--save", model)
    ran = mlefit("predict", model, table("x,g", "1,a", "2,zebra", name="new.csv"))
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert rows[0]["mu"] != ""
    assert rows[1]["mu"] == ""
    assert "zebra" in ran.err


def test_column_names_may_be_anything(mlefit, table):
    path = table("the y,my x,[red]", *(f"{(i * 7) % 5},{i},{i % 3}" for i in range(12)))
    ran = mlefit("regress", path, "the y ~ `my x`")
    assert ran.status == 0, ran.err
    assert "mu[my x]" in ran.out


def test_backticks_name_columns_within_functions_too(mlefit, table, tmp_path):
    rows = [f"{(i * 7) % 5},{i + 1},{'uvw'[i % 3]}" for i in range(12)]
    plain, odd = table("y,x,g", *rows, name="plain.csv"), table("y,my x,[g]-1", *rows, name="odd.csv")
    expected = parameters(mlefit("regress", plain, "y ~ log(x) + center(x) + C(g)", "-f", "json"))
    model = tmp_path / "m.mle"
    ran = mlefit("regress", odd, "y ~ log(`my x`) + center(`my x`) + C(`[g]-1`)", "-f", "json", "--save", model)
    assert list(parameters(ran).values()) == list(expected.values())
    assert "mu[C(`[g]-1`)[T.v]]" in parameters(ran)
    whole = [row["mu"] for row in csv.DictReader(io.StringIO(mlefit("predict", model, odd).out))]
    part = mlefit("predict", model, odd, "--where", '"my x" < 3').out
    assert [row["mu"] for row in csv.DictReader(io.StringIO(part))] == whole[:2]


def test_columns_that_read_alike_within_functions_are_refused(mlefit, table):
    path = table("y,a b,a-b,a_b", *(f"{(i * 7) % 5},{i + 1},{i % 3},{i % 4}" for i in range(12)))
    for formula in ("y ~ exp(`a b`)", "y ~ exp(`a b` + `a-b`)"):
        ran = mlefit("regress", path, formula)
        assert (ran.status, ran.out) == (2, "")
        assert "rename one of the two columns" in ran.err
    assert mlefit("regress", path, "y ~ `a b` + `a-b` + a_b").status == 0


def test_text_of_two_labels_is_bernoulli(mlefit, table, tmp_path):
    lines = ["y,x", *(f"{'yes' if i * 7 % 5 > 2 else 'no'},{i}" for i in range(20))]
    path, model = table(*lines), tmp_path / "m.mle"
    fit = mlefit("regress", path, "y ~ x", "--dist", "bernoulli", "--save", model, "--format", "json")
    assert "p is the probability that y is yes" in fit.err
    evaluated = json.loads(mlefit("evaluate", model, path, "--format", "json").out)
    assert evaluated["nll_per_observation"] == pytest.approx(json.loads(fit.out)["nll_per_observation"], rel=1e-12)


def test_the_link_of_ordered_labels_is_the_distribution_behind_them(mlefit, table):
    path = table("y,x", *(f"{'abc'[(i * i % 7 + i) % 3]},{i}" for i in range(21)))
    linked = mlefit("regress", path, "y ~ x", "--dist", "ordinal", "--link", "location=probit", "--format", "json")
    named = mlefit("regress", path, "y ~ x", "--dist", "ordinal-probit", "--format", "json")
    assert parameters(linked) == parameters(named)


def test_a_plugin_with_nothing_but_its_nll(mlefit, table, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "import numpy as np\n"
        "from mlefit.families.base import Family, Parameter\n"
        "from mlefit.families.links import identity, log\n"
        "class Mine(Family):\n"
        "    name = 'mine'\n"
        "    parameters = (Parameter('mu', identity), Parameter('sigma', log))\n"
        "    def nll(self, y, eta):\n"
        "        return 0.9189385332046727 + eta[1] + 0.5 * ((y - eta[0]) * np.exp(-eta[1])) ** 2\n",
        encoding="utf-8",
    )
    mine = mlefit("regress", table(*LINES), "y ~ x", "--dist", "mine", "--plugin", plugin, "--format", "json")
    normal = mlefit("regress", table(*LINES), "y ~ x", "--format", "json")
    for name, row in parameters(mine).items():
        assert row["estimate"] == pytest.approx(parameters(normal)[name]["estimate"], rel=1e-6)
        assert row["std_error"] == pytest.approx(parameters(normal)[name]["std_error"], rel=1e-5)


@pytest.mark.parametrize(
    ("dist", "main"), [("mixture:normal*2", "mu1"), ("scipy:gumbel_r", "loc"), ("hurdle:poisson", "mu")]
)
def test_composed_families(mlefit, table, dist, main):
    ran = mlefit("regress", table(*LINES), "y ~ x", "--dist", dist, "--format", "json")
    assert ran.status in (0, 3), ran.err
    assert any(name.endswith("[x]") for name in json.loads(ran.out)["parameters"])


def test_a_factor_of_thousands_of_levels_is_refused_before_it_fills_the_memory(mlefit, table):
    path = table("y,g,h", *(f"{i % 7},g{i},h{i // 2}" for i in range(3000)))
    ran = mlefit("regress", path, "y ~ C(g) * C(h)")
    assert ran.status == 1
    assert "more than can be fitted" in ran.err


def test_markup_and_escapes_in_labels_print_as_text(mlefit, table):
    path = table("y,g", *(f"{i % 5},{'[red]x' if i % 2 else chr(27) + '[31m'}" for i in range(12)))
    ran = mlefit("regress", path, "y ~ g")
    assert ran.status == 0
    assert "\x1b[" not in ran.out
    assert "[red]" in ran.out or "\\x1b[31m" in ran.out


def test_a_parameter_that_is_held_stands_last_in_the_table(mlefit, table):
    ran = mlefit("regress", table(*LINES), "w ~ x", "--dist", "gamma", "--fix", "shape=1")
    assert ran.status == 0, ran.err
    rows = [line.split() for line in ran.out.splitlines()]
    at = rows.index(["shape", "1", "fixed"])
    assert [row[0] for row in rows[at - 2 : at]] == ["mean[Intercept]", "mean[x]"]


def test_a_second_formula_for_the_parameter_of_the_response_is_refused(mlefit, table):
    ran = mlefit("regress", table(*LINES), "y ~ x", "--dist", "poisson", "--formula", "mu ~ w")
    assert ran.status == 2
    assert "mu is what 'y ~ x' models" in ran.err


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ C(g)", "1 of the rows have a g never seen in training ('z'); the predictions there are empty"),
        ("y ~ bs(x, df=4)", "1 of the rows have a value at which bs(x, df=4) is not defined"),
        ("y ~ log(x + 1)", "1 of the rows have a value at which log(x + 1) is not defined"),
    ],
)
def test_a_row_that_a_formula_cannot_take_costs_its_own_prediction(mlefit, table, tmp_path, formula, said):
    model, constant, new = tmp_path / "m.mle", tmp_path / "c.mle", tmp_path / "new.csv"
    new.write_text("y,x,g,w\n1,3,a,1\n2,-9,z,1\n3,,,1\n1,4,b,1\n")
    for right, saved in ((formula, model), ("y ~ 1", constant)):
        assert mlefit("regress", table(*LINES), right, "--save", saved).status == 0
    ran = mlefit("predict", model, new)
    assert ran.status == 0, ran.err
    means = [row["mean"] for row in csv.DictReader(io.StringIO(ran.out))]
    assert [bool(mean) for mean in means] == [True, False, False, True]
    assert said in ran.err
    assert "average" not in ran.err
    assert "1 row misses a feature" in ran.err
    evaluated, kept = mlefit("evaluate", model, new), mlefit("evaluate", model, new, "--where", "x > 0")
    assert "left out" in evaluated.err
    nll = [next(line for line in one.out.splitlines() if "NLL" in line) for one in (evaluated, kept)]
    assert nll[0] == nll[1]
    compared = json.loads(mlefit("compare", model, constant, new, "--format", "json").out)
    assert (compared["n"], compared["dropped"]) == (2, 2)


def test_one_label_told_apart_is_no_complete_separation(mlefit, table):
    rows = [f"{'abc'[min(i // 5, 1 + i % 2)]},{i if i > 4 else i - 20}" for i in range(20)]
    ran = mlefit("regress", table("y,x", *rows), "y ~ x", "--dist", "categorical")
    assert ran.status == 3
    assert "predicts some outcomes perfectly (quasi-complete separation)" in ran.out


def test_a_link_that_is_none_is_not_named(mlefit, table):
    out = mlefit("regress", table(*LINES), "y ~ x", "--formula", "sigma ~ x").out
    assert "linear in mu, log(sigma);" in out


@pytest.mark.parametrize("command", [("regress", "y ~ x", "--dist"), ("train", "-t", "y", "--features", "x", "--loss")])
def test_a_number_of_trials_is_a_column_of_them(mlefit, table, tmp_path, command):
    lines = [f"{line},{'m' if i == 0 else 9}" for i, line in enumerate(LINES)]
    found = []
    for trials in ("9", "m"):
        model = tmp_path / f"{trials}.mle"
        ran = mlefit(command[0], table(*lines), *command[1:], "binomial", "--trials", trials, "--save", model)
        assert ran.status in (0, 3), ran.err
        evaluated = mlefit("evaluate", model, table(*lines), "--format", "json")
        drawn = mlefit("sample", model, table(*lines), "--seed", "1")
        assert (evaluated.status, drawn.status) == (0, 0), (evaluated.err, drawn.err)
        found.append((evaluated.out.replace(str(model), ""), drawn.out))
    assert found[0] == found[1]


@pytest.mark.parametrize("formula", ["1", "x"])
def test_weights_of_three_components_are_modelled_against_the_last(mlefit, table, formula):
    """As by scipy's BFGS; flexmix gives the same with a multinomial concomitant model. No weight is a constant."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=150).round(3)
    shares = np.exp(np.stack([0.2 + 0.8 * x, -0.3 - 0.9 * x, 0 * x]))
    part = (generator.random(150) > np.cumsum(shares / shares.sum(axis=0), axis=0)).sum(axis=0)
    y = (np.array([0, 5, 11])[part] + generator.normal(size=150)).round(3)
    path = table("x,y", *(f"{a},{b}" for a, b in zip(x, y, strict=True)))
    ran = mlefit("regress", path, "y ~ x", "--dist", "mixture:normal*3", "--formula", f"weight_2 ~ {formula}",
                 "--format", "json")  # fmt: skip
    saved = path.with_suffix(".mle")
    plain = mlefit("regress", path, "y ~ x", "--dist", "mixture:normal*3", "--save", saved)
    told = [*csv.DictReader(io.StringIO(mlefit("predict", saved, path).out))]  # every weight, the last one too
    weights = np.array([[float(row[f"weight_{i}"]) for i in (1, 2, 3)] for row in told])
    assert np.all(weights > 0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    assert ran.status == plain.status == 0
    assert "linear in log(weight_1 / weight_3), log(weight_2 / weight_3);" in plain.out
    assert "weight_2[Intercept]" in plain.out
    record = json.loads(ran.out)

    def nll(p):
        slope = p[9] if formula == "x" else 0.0
        scores = np.stack([p[0] + p[1] * x, p[2] + slope * x, 0 * x])
        shares = np.exp(scores) / np.exp(scores).sum(axis=0)
        parts = (w * norm.pdf(y, m, np.exp(s)) for w, m, s in zip(shares, p[3:6], p[6:9], strict=True))
        return -np.log(sum(parts)).sum()

    first = [0, 0, 0, 0, 5, 11, 0, 0, 0] + [0] * (formula == "x")
    best = minimize(nll, first, method="BFGS", options={"gtol": 1e-6})
    assert record["nll"] == pytest.approx(best.fun, rel=1e-9)
    found = {name: value["estimate"] for name, value in record["parameters"].items()}
    assert found["weight_1[x]"] == pytest.approx(best.x[1], abs=1e-4)
    assert found["weight_2[Intercept]"] == pytest.approx(best.x[2], abs=1e-4)


def test_the_link_of_weights_of_three_components_cannot_be_chosen(mlefit, table):
    path = table("x,y", "1,1", "2,2", "3,5")
    ran = mlefit("regress", path, "y ~ x", "--dist", "mixture:normal*3", "--link", "weight_1=probit")
    assert ran.status == 2
    assert "logarithms of their ratios to weight_3" in ran.err


@pytest.mark.parametrize(
    ("levels", "said"), [((), "the labels of g are taken in the order a < b < c; --levels gives another"),
                         (("--levels", "c,a,b"), ""), (("-q",), "")],
)  # fmt: skip
def test_the_order_of_labels_that_nobody_gave_is_said(mlefit, table, levels, said):
    ran = mlefit("regress", table(*LINES), "g ~ x", "--dist", "ordinal", *levels)
    assert ran.status == 0
    assert ran.err.strip().removeprefix("mlefit: ") == said


def test_a_further_parameter_is_modelled_while_that_of_the_response_is_held(mlefit, table, tmp_path):
    path, model = table(*LINES), tmp_path / "m.mle"
    held = ("n ~ 1", "--dist", "gamma", "--fix", "mean=6.5", "--formula", "shape ~ x", "--save", model)
    record = json.loads(mlefit("regress", path, *held, "--format", "json").out)
    assert list(record["parameters"]) == ["shape[Intercept]", "shape[x]", "mean"]
    rows = list(csv.DictReader(io.StringIO(mlefit("predict", model, path).out)))
    intercept, slope, _ = (each["estimate"] for each in record["parameters"].values())
    shape = np.exp([intercept + slope * float(row["x"]) for row in rows])
    assert [float(row["shape"]) for row in rows] == pytest.approx(shape)
    assert [float(row["mean"]) for row in rows] == pytest.approx([6.5] * 30)


@pytest.mark.parametrize(
    ("family", "further", "has"),
    [("normal", "sigma", True), ("gamma", "shape", True), ("negative-binomial", "size", True),
     ("inverse-gaussian", "shape", True), ("beta", "precision", False)],
)  # fmt: skip
def test_a_deviance_is_of_the_mean_alone(mlefit, table, family, further, has):
    arguments = ("w/9 ~ x" if family == "beta" else "n ~ x", "--dist", family)
    for formula, here in ((), has), (("--formula", f"{further} ~ 1"), has), (("--formula", f"{further} ~ x"), False):
        table_ = mlefit("regress", table(*LINES), *arguments, *formula).out
        record = json.loads(mlefit("regress", table(*LINES), *arguments, *formula, "--format", "json").out)
        assert (record["deviance"] is not None) == (record["null_deviance"] is not None) == here
        assert ("deviance" in table_) == here


@pytest.mark.parametrize("command", [("regress", "y ~ x + g", "--dist"), ("train", "-t", "y", "--loss")])
def test_rows_left_out_are_counted_alike_by_predict_and_evaluate(mlefit, table, tmp_path, command):
    model = tmp_path / "m.mle"
    fitted = ["y,x,g", *(f"{i % 5},{i},{'abc'[i % 3]}" for i in range(30))]
    more = ("--hidden", "", "--epochs", "5", "-q") if command[0] == "train" else ()
    ran = mlefit(command[0], table(*fitted), *command[1:], "poisson", *more, "--save", model)
    assert ran.status == 0, ran.err
    new = table(fitted[0], "1,2,a", "1,,d", "2,3,d", "3,4,e", "1,,a", name="new.csv")
    predicted, evaluated = mlefit("predict", model, new), mlefit("evaluate", model, new, "--format", "json")
    said = "2 of the rows have a g never seen in training ('d', 'e')"
    assert said in predicted.err
    assert "2 rows miss a feature" in predicted.err
    record = json.loads(evaluated.out)
    assert said in evaluated.err
    left = 2 if command[0] == "regress" else 0  # a network takes such labels for average ones
    assert (record["n"], record["dropped"], record["refused"]) == (3 - left, 2, left)
    assert ("1 rows, 2 missing dropped, 2 left out" in mlefit("evaluate", model, new).out) == bool(left)


@pytest.mark.parametrize(
    ("arguments", "lines", "place", "reason"),
    [
        (("n ~ x", "--dist", "gamma"), ("3,1", ",", "-2,4"), "'-2' in column 'n' on line 4 of ", "outside the support"),
        (
            ("n ~ x", "--dist", "binomial", "--trials", "9"), ("3,1", "12,4"),
            "'12' in column 'n' on line 3 of ", "cannot come of 9 trials",
        ),
    ],
)  # fmt: skip
def test_outcomes_that_no_model_allows_are_told_by_their_line(mlefit, table, tmp_path, arguments, lines, place, reason):
    model = tmp_path / "m.mle"
    assert mlefit("regress", table(*LINES), *arguments, "--save", model).status == 0
    ran = mlefit("evaluate", model, table("n,x", *lines, name="new.csv"))
    assert (ran.status, ran.out) == (1, "")
    assert place in ran.err
    assert reason in ran.err


def test_a_group_that_cannot_be_fitted_is_shown_and_the_others_are_fitted(mlefit, table):
    arguments = (table(*LINES, "1,4,d,5,1"), "y ~ x", "--by", "g", "--format")
    ran = mlefit("regress", *arguments, "json")
    fits = json.loads(ran.out)
    assert ran.status == 3
    assert [fit["group"]["g"] for fit in fits if fit["converged"]] == ["a", "b", "c"]
    assert (fits[3]["n"], fits[3]["parameters"]["mu[x]"]["estimate"]) == (1, None)
    reason = "x is 4 in every row, the same as the intercept; leave it out"
    assert fits[3]["warnings"] == [reason]
    assert f"! {reason}" in mlefit("regress", *arguments, "table").out
    tidy = mlefit("regress", *arguments, "csv")
    assert [row["g"] for row in csv.DictReader(io.StringIO(tidy.out)) if not row["estimate"]] == ["d"] * 3
    assert f"g = d: {reason}" in tidy.err


def test_groups_without_a_complete_row_are_named_by_every_command(mlefit, table):
    path = table("y,g", "1,a", "2,a", "3,b", "4,b", ",c", ",d", ",d", "6,")
    for arguments in (("estimate", path, "--column", "y"), ("regress", path, "y ~ 1"), ("compare", path, "-c", "y")):
        dist = ("--dist", "exponential", *(("--replicates", "0") if arguments[0] == "compare" else ()))
        ran = mlefit(*arguments, "--by", "g", *dist, "--format", "csv")
        assert ran.status == 0
        assert "no fit of g = c; g = d: their 3 rows all miss a value" in ran.err
        assert "1 row has no value of 'g' and so belongs to no group" in ran.err


def test_a_group_of_one_row_has_no_null_likelihood_where_it_has_none(mlefit, table):
    ran = mlefit("regress", table("y,g", "1,a", "2,a", "3,b"), "y ~ 1", "--by", "g", "--format", "json")
    first, second = json.loads(ran.out)
    assert first["null_log_likelihood"] == first["log_likelihood"]
    assert second["null_log_likelihood"] is None
    assert second["log_likelihood"] is None
