"""Regressions against R, NIST's certified values, and their own definitions."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

import mlefit
from mlefit.families import registry
from mlefit.families.base import Family, Parameter
from mlefit.families.censored import Censored
from mlefit.families.links import identity, log
from mlefit.families.reparameterised import modelled
from mlefit.inference.regression import Options, score_names
from mlefit.regressing import MAIN

HERE = Path(__file__).parent.parent / "reference"
DATA = HERE / "regressions" / "data"
SAMPLES = HERE.parent.parent / "sample_data"


def tables(name):
    """(model, {term: (estimate, std_error)}, log-likelihood) of a reference table."""
    models: dict[str, dict[str, tuple[float, float]]] = {}
    values: dict[str, float] = {}
    with open(HERE / "regressions" / f"{name}.csv", encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            error = float(row["std_error"] or "nan")
            models.setdefault(row["model"], {})[row["term"]] = (float(row["estimate"]), error)
            values[row["model"]] = float(row["log_likelihood"])
    return [(model, terms, values[model]) for model, terms in models.items()]


def parts(model):
    """`birthwt logit: low ~ age` as data set, what stands between, and formula."""
    head, _, formula = model.partition(": ")
    data, _, middle = head.partition(" ")
    return DATA / f"{data}.csv", middle, formula


def agree(fit, terms, value, *, estimates=1e-7, errors=1e-6):
    """Every term, error and the log-likelihood; estimates to a share of their standard error."""
    assert fit.converged, fit.warnings
    assert set(fit.names) == set(terms)
    assert fit.log_likelihood == pytest.approx(value, rel=1e-9, abs=1e-8)
    for name, (estimate, std_error) in terms.items():
        assert fit.estimates[name] == pytest.approx(estimate, abs=estimates * std_error, rel=1e-12), name
        assert fit.std_errors[name] == pytest.approx(std_error, rel=errors), name


def named(terms, main, plain=()):
    """The reference's terms under mlefit's names."""
    return {term if term in plain else f"{main}[{term}]": value for term, value in terms.items()}


def each(name):
    return pytest.mark.parametrize(("model", "terms", "value"), [pytest.param(*t, id=t[0]) for t in tables(name)])


@each("binomial")
def test_binomial_as_in_r(model, terms, value):
    path, link, formula = parts(model)
    grouped = "y/trials" in formula
    fit = mlefit.regress(
        path, formula.replace("y/trials", "y"), "binomial" if grouped else "bernoulli", links={"p": link},
        **({"trials": "trials"} if grouped else {}),
    )  # fmt: skip
    agree(fit, named(terms, "p"), value)


@each("poisson")
def test_poisson_as_in_r(model, terms, value):
    path, middle, formula = parts(model)
    fit = mlefit.regress(path, formula, "poisson", **({"exposure": "holders"} if "offset" in middle else {}))
    agree(fit, named(terms, "mu"), value)


@each("normal")
def test_normal_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    agree(mlefit.regress(path, formula), named(terms, "mu", {"sigma"}), value)


@each("gamma")
def test_gamma_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    agree(mlefit.regress(path, formula, "gamma"), named(terms, "mean", {"shape"}), value)


@each("negative-binomial")
def test_negative_binomial_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    agree(mlefit.regress(path, formula, "negative-binomial"), named(terms, "mu", {"size"}), value)


@each("multinomial")
def test_multinomial_as_in_r(model, terms, value):
    path, middle, formula = parts(model)
    fit = mlefit.regress(
        path, formula, "categorical", **({"weight": middle.split()[-1]} if "weighted" in middle else {})
    )
    renamed = {}
    for term, numbers in terms.items():
        column, _, level = term.rpartition("[")
        renamed[f"p[{level}[{column}]"] = numbers
    agree(fit, renamed, value)


@each("ordered")
def test_ordered_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    fit = mlefit.regress(path, formula, "ordinal", weight="freq", levels=("Low", "Medium", "High"))
    cuts = {term for term in terms if term.startswith("cut")}
    agree(fit, named(terms, "location", cuts), value)


@each("survival")
def test_survival_as_in_r(model, terms, value):
    path, middle, formula = parts(model)
    family = middle.split()[0]
    if family == "normal":
        fit = mlefit.regress(path, "~ age + quant", "normal", lower="nullif(durable, 0)", upper="durable")
        agree(fit, named(terms, "mu", {"sigma"}), value)
        return
    fit = mlefit.regress(path, formula, family, event="event")
    main = {"weibull": "scale", "loglogistic": "scale", "lognormal": "mu", "exponential": "mean"}[family]
    found = named(terms, main, {"sigma"})
    if family in ("weibull", "loglogistic"):  # survreg's scale is one over the shape
        sigma, error = found.pop("sigma")
        found["shape"] = (1 / sigma, error / sigma**2)
    agree(fit, found, value)


@pytest.mark.parametrize(
    ("name", "model", "terms", "value"),
    [pytest.param(name, *t, id=f"{name} {t[0]}") for name in ("laplace", "uniform", "pareto") for t in tables(name)],
)
def test_kinks_and_ends_as_in_r(name, model, terms, value):
    """Least absolute deviations by quantreg, bands and frontiers by going through all of them, paretoff."""
    path, middle, formula = parts(model)
    main, other = {"laplace": ("loc", "scale"), "uniform": ("mean", "width"), "pareto": ("shape", "scale")}[name]
    right, further = formula.partition(" ~ ")[2], {}
    if middle == "scale":
        further = {"scale": "air" if model.startswith("stackloss") else right}
        if name == "pareto":
            further, formula = {"scale": right}, formula.replace(right, "1")
    fit = mlefit.regress(path, formula, name, formulas=further)
    wanted = {}
    for term, numbers in terms.items():
        of, _, column = term.partition(" ")
        wanted[term if term == other else f"{of}[{column}]" if column else f"{main}[{term}]"] = numbers
    assert fit.converged, fit.warnings
    assert set(fit.names) == set(wanted)
    assert fit.log_likelihood == pytest.approx(value, rel=1e-12)
    for term, (estimate, std_error) in wanted.items():
        assert fit.estimates[term] == pytest.approx(estimate, rel=1e-9, abs=1e-12), term
        assert fit.std_errors[term] == pytest.approx(std_error, rel=1e-8, nan_ok=True), term


# -- NIST's certified regressions ------------------------------------------------------------------------------------

POWERS = {
    "norris": 1,
    "pontius": 2,
    "filip": 10,
    "wampler1": 5,
    "wampler2": 5,
    "wampler3": 5,
    "wampler4": 5,
    "wampler5": 5,
}


def certified(name):
    """{B0: (estimate, std_error)} and the residual standard deviation."""
    with open(HERE / "nist" / "certified_regressions.csv", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(line for line in file if not line.startswith("#")) if r["name"] == name]
    return [(float(r["estimate"]), float(r["std_error"])) for r in rows], float(rows[0]["residual_std_dev"])


def nist_formula(name):
    if name == "longley":
        return "y ~ x1 + x2 + x3 + x4 + x5 + x6"
    return "y ~ x" + "".join(f" + I(x**{k})" for k in range(2, POWERS[name] + 1))


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("norris", 12),
        ("pontius", 12),
        ("longley", 12),
        ("wampler3", 12),
        ("wampler4", 10),
        ("wampler5", 9),
        ("filip", 7),
    ],
)
def test_certified_digits(name, digits):
    coefficients, residual = certified(name)
    fit = mlefit.regress(HERE / "nist" / f"{name}.csv", nist_formula(name))
    assert fit.converged, fit.warnings
    p = len(coefficients)
    share = np.sqrt(fit.n / (fit.n - p))  # NIST divides by n - p
    for value, error, (estimate, std_error) in zip(
        fit.coefficients, np.sqrt(np.diag(fit.covariance)), coefficients, strict=False
    ):
        assert value == pytest.approx(estimate, rel=10**-digits)
        assert error * share == pytest.approx(std_error, rel=max(10**-digits, 1e-8))
    assert fit.estimates["sigma"] * share == pytest.approx(residual, rel=max(10**-digits, 1e-9))


@pytest.mark.parametrize("name", ["wampler1", "wampler2"])
def test_an_exact_fit_is_right_and_said(name):
    coefficients, _ = certified(name)
    fit = mlefit.regress(HERE / "nist" / f"{name}.csv", nist_formula(name))
    np.testing.assert_allclose(fit.coefficients[:6], [b for b, _ in coefficients], rtol=1e-9)
    assert not fit.converged
    assert "every row exactly" in fit.warnings[0]


# -- every family and link against its own definition ------------------------------------------------------------------

N = 120


def simulated(name, seed=3):
    """Columns with a response that the family could have given, its mean rising with x."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=N), np.array(list("abc"))[rng.integers(0, 3, N)]
    eta = 0.4 + 0.5 * x + 0.3 * (g == "b")
    family = registry.get(name)
    support = family.support
    trials = rng.integers(3, 12, N)
    if family.labels:
        codes = np.digitize(eta + rng.logistic(size=N), [-0.5, 0.8])
        y = np.array(["low", "mid", "top"])[codes]
    elif family.columns[1:]:
        y = rng.binomial(trials, 1 / (1 + np.exp(-eta - 0.7 * rng.normal(size=N))))
    elif family.discrete and support.upper == 1:
        y = (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(float)
    elif family.discrete:
        y = rng.negative_binomial(2, 2 / (2 + np.exp(eta))).astype(float)
    elif support.upper == 1:
        y = rng.beta(3 / (1 + np.exp(-eta)), 3 / (1 + np.exp(eta)))
    elif support.lower == 0:
        y = np.exp(eta) * rng.gamma(2.0, 0.5, N)
    else:
        y = eta + rng.gumbel(size=N) * 0.7
    event = (rng.random(N) < 0.7).astype(int)
    return {"y": y, "x": x, "g": g, "trials": trials, "w": rng.integers(1, 4, N), "d": event}


def direct(fit, data, family, roles):
    """The NLL of a regression at given values, from the family's own `nll` and nothing else of the regression."""
    scored = family
    if "event" in roles:
        scored = Censored(family)
    blocks = [(block, [n for n, (p, _) in enumerate(fit.terms) if p == block]) for block in score_names(family)]
    columns = {"Intercept": np.ones(N), "x": data["x"], "C(g)[T.b]": data["g"] == "b", "C(g)[T.c]": data["g"] == "c"}
    y = data["y"]
    if family.labels:
        y = np.searchsorted(np.array(["low", "mid", "top"]), y).astype(float)
    rows = [y]
    if "event" in roles:
        rows = [y, np.where(data["d"] == 1, y, np.inf)]
    if "trials" in roles:
        rows.append(data["trials"])
    y = np.stack(rows).astype(float) if len(rows) > 1 else y
    weight = data["w"] if "weight" in roles else np.ones(N)

    def nll(theta):
        eta = np.zeros((family.size, N))
        for j, (_, places) in enumerate(blocks):
            for i in places:
                column = fit.terms[i][1]
                eta[j] += theta[i] * (columns[column] if column else 1.0)
        with np.errstate(all="ignore"):
            return float((scored.nll(y, eta) * weight).sum())

    return nll


CASES = [
    ("normal", {}, {}),
    ("normal", {}, {"event": "d"}),
    ("normal", {}, {"weight": "w"}),
    ("logistic", {}, {}),
    ("student-t", {}, {}),
    ("gumbel", {}, {}),
    ("skew-normal", {}, {}),
    ("gamma", {}, {}),
    ("gamma", {}, {"event": "d"}),
    ("gamma", {"mean": "identity"}, {}),
    ("gamma", {"mean": "inverse"}, {}),
    ("inverse-gaussian", {}, {}),
    ("weibull", {}, {"event": "d", "weight": "w"}),
    ("lognormal", {}, {"event": "d"}),
    ("loglogistic", {}, {}),
    ("exponential", {}, {"event": "d"}),
    ("gompertz", {}, {"event": "d"}),
    ("inverse-gamma", {}, {}),
    ("beta", {}, {}),
    ("beta", {"mean": "probit"}, {}),
    ("beta", {"mean": "cloglog"}, {"weight": "w"}),
    ("kumaraswamy", {}, {}),
    ("poisson", {}, {}),
    ("geometric", {}, {}),
    ("negative-binomial", {}, {"weight": "w"}),
    ("zero-inflated-poisson", {}, {}),
    ("hurdle:poisson", {}, {}),
    ("bernoulli", {"p": "probit"}, {"weight": "w"}),
    ("bernoulli", {"p": "cloglog"}, {}),
    ("binomial", {}, {"trials": "trials"}),
    ("binomial", {"p": "probit"}, {"trials": "trials"}),
    ("beta-binomial", {}, {"trials": "trials"}),
    ("categorical", {}, {}),
    ("ordinal", {}, {}),
    ("ordinal-probit", {}, {"weight": "w"}),
    ("ordinal-cloglog", {}, {}),
]


@pytest.mark.parametrize(("name", "links", "roles"), CASES, ids=[f"{n}-{links}-{r}" for n, links, r in CASES])
@pytest.mark.parametrize("every", [False, True], ids=["mean", "all parameters"])
def test_nothing_near_is_likelier(name, links, roles, every):
    """The value is the sum of the family's own NLL, its gradient vanishes, and errors are the inverse curvature."""
    data = simulated(name)
    base = registry.get(name)
    if base.labels:
        base = base.bind(("low", "mid", "top"))
    family = modelled(base, links)
    main = next((p for p in MAIN if p in score_names(family)), score_names(family)[0])
    others = [p for p in score_names(family) if p != main and not base.labels]
    formulas = dict.fromkeys(others[:1], "x") if every and len(others) and base.name != "skew-normal" else {}
    if every and not formulas:
        pytest.skip("no further parameter")
    fit = mlefit.regress(data, "y ~ x + C(g)", name, links=links, formulas=formulas, **roles)
    assert fit.converged, fit.warnings
    nll = direct(fit, data, family, roles)
    theta = np.array(
        [
            v if column or base.labels else float(family.parameters[family.names.index(p)].link.forward(np.asarray(v)))
            for v, (p, column) in zip(fit.coefficients, fit.terms, strict=True)
        ]
    )
    assert nll(theta) == pytest.approx(fit.nll, rel=1e-10)
    scale = np.sqrt(np.diag(fit.covariance))
    for j, (p, column) in enumerate(fit.terms):
        if not column and not base.labels:
            scale[j] /= abs(float(family.parameters[family.names.index(p)].link.derivative(np.asarray(theta[j]))))
    steps = 0.02 * np.diag(scale)
    up, down = np.array([nll(theta + s) for s in steps]), np.array([nll(theta - s) for s in steps])
    assert (up > fit.nll).all()
    assert (down > fit.nll).all()
    half = np.array([nll(theta + s / 2) - nll(theta - s / 2) for s in steps])
    np.testing.assert_allclose(8 * half - (up - down), 0, atol=1e-6)
    curve = np.array(
        [
            [nll(theta + a + b) - nll(theta + a - b) - nll(theta - a + b) + nll(theta - a - b) for b in steps]
            for a in steps
        ]
    ) / (4 * 0.02**2)
    errors = np.sqrt(np.diag(np.linalg.inv(curve))) * scale
    np.testing.assert_allclose(errors, scale, rtol=5e-3)


# Families whose estimates lie at kinks or ends, where nothing can be differenced: model, what it may do with rows.
ENDED = [
    ("laplace", "y ~ x + C(g)", {}),
    ("laplace", "y ~ x", {"weight": "w", "offset": "z"}),
    ("laplace", "y ~ x", {"fix": {"scale": 0.5}}),
    ("laplace", "y ~ x", {"formulas": {"scale": "x"}}),
    ("laplace", "y ~ 1", {"formulas": {"scale": "x + C(g)"}, "weight": "w"}),
    ("uniform", "y ~ x + C(g)", {}),
    ("uniform", "y ~ x", {"offset": "z", "weight": "w"}),
    ("uniform", "y ~ 1", {"fix": {"mean": 0.3}}),
    ("pareto", "y ~ x + C(g)", {}),
    ("pareto", "y ~ x", {"fix": {"scale": 0.01}, "weight": "w"}),
    ("pareto", "y ~ x", {"formulas": {"scale": "x"}, "offset": "z"}),
    ("pareto", "y ~ 1", {"formulas": {"scale": "0 + w + C(g)"}, "weight": "w"}),
    ("pareto", "y ~ x", {"links": {"shape": "identity"}}),
    ("scipy:expon", "y ~ x", {}),
]


def with_ends(name):
    data = simulated("gamma" if name in ("pareto", "scipy:expon") else name)
    return data | {"z": 0.2 * np.cos(5 * data["x"])}


def summed(fit, data, roles):
    """The NLL at coefficients, plain parameters on their own scale: the family's `nll` over columns written here."""
    family = fit.family
    columns = {
        "Intercept": 1.0, "": 1.0, "x": data["x"], "w": data["w"],
        **{f"C(g)[{t}{level}]": data["g"] == level for level in "abc" for t in ("T.", "")},
    }  # fmt: skip
    weight = data["w"] if "weight" in roles else np.ones(N)

    def nll(theta):
        eta = np.zeros((family.size, N))
        for value, (p, column) in zip(theta, fit.terms, strict=True):
            j = family.names.index(p)
            score = value if column else float(family.parameters[j].link.forward(np.asarray(value)))
            eta[j] += score * columns[column]
        if "offset" in roles:
            eta[fit.scorer.main[0]] += data["z"]
        with np.errstate(all="ignore"):
            total = (family.nll(data["y"], eta) * weight).sum()
        return float(total) if np.isfinite(total) else np.inf

    return nll


@pytest.mark.parametrize(("name", "formula", "roles"), ENDED, ids=[f"{n} {f} {sorted(r)}" for n, f, r in ENDED])
def test_nothing_is_likelier_than_kinks_and_ends(name, formula, roles):
    data = with_ends(name)
    fit = mlefit.regress(data, formula, name, **roles)
    assert fit.converged, fit.warnings
    nll = summed(fit, data, roles)
    assert nll(fit.coefficients) == pytest.approx(fit.nll, rel=1e-11)
    generator = np.random.default_rng(1)
    size = np.where(np.isfinite(fit.covariance.diagonal()), np.sqrt(fit.covariance.diagonal()), 0.1)
    plain = np.array([column == "" for _, column in fit.terms])
    for reach in (1e-4, 1e-2, 1.0):
        for _ in range(200):
            move = reach * size * generator.normal(size=size.size)
            move *= generator.random(size.size) < generator.choice([0.4, 1.0])
            theta = np.where(plain, fit.coefficients * np.exp(move), fit.coefficients + move)
            assert nll(theta) >= fit.nll - 1e-9
    # Nelder and Mead's simplex goes nowhere lower either.
    lowest = minimize(lambda t: min(nll(t), 1e10), fit.coefficients, method="Nelder-Mead", options={"maxiter": 300})
    assert lowest.fun >= fit.nll - 1e-7


@pytest.mark.parametrize("name", ["laplace", "uniform", "pareto"])
@pytest.mark.parametrize("roles", [{}, {"weight": "w"}, {"weight": "w", "kind": "importance"}], ids=str)
@pytest.mark.parametrize("interval", ["wald", "profile"])
def test_an_intercept_alone_is_what_estimate_gives(name, roles, interval):
    data = with_ends(name)
    weight, kind = roles.get("weight"), roles.get("kind", "frequency")
    if interval == "profile" and kind == "importance":
        pytest.skip("refused")
    constant = mlefit.fit(data, name, column="y", weights=weight, weight_kind=kind, interval=interval)
    fit = mlefit.regress(data, "y ~ 1", name, weight=weight, options=Options(weight_kind=kind, interval=interval))
    assert fit.log_likelihood == pytest.approx(constant.log_likelihood, rel=1e-14)
    assert fit.null_log_likelihood == pytest.approx(constant.log_likelihood, rel=1e-14)
    assert (fit.converged, fit.aic, fit.bic) == (True, pytest.approx(constant.aic), pytest.approx(constant.bic))
    mine, theirs = fit.parameters(), constant.parameters()
    if name == "uniform":
        assert mine["mean[Intercept]"]["estimate"] == np.mean(list(constant.estimates.values()))
        assert mine["width"]["estimate"] == pytest.approx(np.ptp(list(constant.estimates.values())), rel=1e-14)
        assert all(row["std_error"] is None and row["ci_lower"] is None for row in mine.values())
        return
    main, other = ("loc", "scale") if name == "laplace" else ("shape", "scale")
    ends = ("ci_lower", "ci_upper") if name == "pareto" or interval == "profile" else ()
    forward = np.log if name == "pareto" else np.array
    row, wanted = mine[f"{main}[Intercept]"], theirs[main]
    slope = wanted["estimate"] if name == "pareto" else 1.0
    assert row["estimate"] == pytest.approx(forward(wanted["estimate"]), rel=1e-12, abs=1e-14)
    assert row["std_error"] == pytest.approx(wanted["std_error"] / slope, rel=1e-10)
    for end in ends:
        assert row[end] == pytest.approx(forward(wanted[end]), rel=1e-7, abs=1e-7)
    row, wanted = mine[other], theirs[other]
    for key in ("estimate", "std_error", "ci_lower", "ci_upper"):
        assert row[key] == (None if wanted[key] is None else pytest.approx(wanted[key], rel=1e-7)), key


@pytest.mark.parametrize("roles", [{}, {"formulas": {"scale": "x"}}, {"weight": "w"}, {"fix": {"scale": 0.6}}], ids=str)
def test_profile_limits_at_kinks_are_where_the_likelihood_has_dropped(roles):
    """The other coefficients maximised by a simplex search from several starts, which needs no slopes."""
    data = with_ends("laplace")
    fit = mlefit.regress(data, "y ~ x", "laplace", options=Options(interval="profile", level=0.9), **roles)
    nll = summed(fit, data, roles)
    for j in (1, len(fit.names) - 1):
        others = np.delete(fit.coefficients, j)
        for limit in (fit.lower[j], fit.upper[j]):
            best = np.inf
            for turn in range(3):
                begin = others * (1 + 0.1 * turn)
                found = minimize(
                    lambda v, at=limit, j=j: min(nll(np.insert(v, j, at)), 1e10), begin, method="Nelder-Mead",
                    options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 1500},
                )  # fmt: skip
                best = min(best, found.fun)
            assert 2 * (best + fit.log_likelihood) == pytest.approx(2.705543454095404, rel=2e-4)


def test_errors_at_kinks_are_those_of_laplaces_law():
    """Koenker and Bassett (1978): 1 / (2 f(0)) is the scale, so the covariance is scale^2 (X'X)^-1."""
    data = with_ends("laplace")
    fit = mlefit.regress(data, "y ~ x", "laplace", weight="w")
    x = np.column_stack([np.ones(N), data["x"]])
    wanted = fit.estimates["scale"] ** 2 * np.linalg.inv(x.T @ (data["w"][:, None] * x))
    np.testing.assert_allclose(fit.covariance[:2, :2], wanted, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "roles", "sentence"),
    [
        ("laplace", {}, "loc is fitted by least absolute deviations"),
        ("laplace", {"fix": {"scale": 1.0}}, "not unique: other coefficients of loc"),
        ("uniform", {}, "not unique: other coefficients of mean"),
        ("uniform", {"fix": {"width": 9.0}}, "not unique: other coefficients of mean"),
        ("pareto", {}, "up to the smallest value"),
        ("pareto", {"formulas": {"scale": "x"}}, "scale is a frontier through rows"),
    ],
)
def test_what_is_not_unique_is_said(name, roles, sentence):
    """Two groups of four values: the medians are free between the middle two."""
    data = {"y": np.array([1.0, 2, 4, 8, 1.5, 2.5, 4, 6]), "x": np.repeat([0.0, 1.0], 4)}
    fit = mlefit.regress(data, "y ~ x", name, **roles)
    assert fit.converged
    assert any(sentence in said for said in fit.warnings), fit.warnings
    if name == "laplace":
        assert fit.coefficients[:2] == pytest.approx([3.0, 0.25])


@pytest.mark.parametrize(
    ("name", "roles", "sentence"),
    [
        ("laplace", {"options": Options(errors="robust")}, "kinks or ends along loc; leave robust"),
        ("laplace", {"cluster": "g"}, "kinks or ends along loc; leave robust"),
        ("uniform", {"options": Options(errors="robust")}, "kinks or ends along mean"),
        ("scipy:laplace", {"event": "d"}, "censored or truncated no way to a regression is known; hold loc by fix"),
        ("laplace", {"links": {"loc": "log"}}, "found with the link identity alone"),
        ("uniform", {"formulas": {"width": "x"}}, "a width of uniform that varies"),
        ("uniform", {"fix": {"mean": 0.0}}, "a width of uniform that varies"),
        ("scipy:triang", {}, "loc of scipy:triang has its estimate at an end"),
    ],
)
def test_what_no_programme_solves_is_refused(name, roles, sentence):
    with pytest.raises(mlefit.UsageError, match=sentence):
        mlefit.regress(with_ends("laplace"), "y ~ x", name, **roles)


@pytest.mark.parametrize(
    ("name", "roles", "sentence"),
    [
        ("uniform", {"fix": {"width": 0.001}}, "the narrowest band that holds them all is .* wide"),
        ("pareto", {"formulas": {"scale": "0 + x"}}, "no coefficients of scale leave every row possible"),
    ],
)
def test_ends_that_no_coefficients_keep_are_an_error(name, roles, sentence):
    data = with_ends("pareto")
    data["y"] = data["y"] / 1e3
    with pytest.raises(mlefit.DataError, match=sentence):
        mlefit.regress(data, "y ~ x" if name == "uniform" else "y ~ 1", name, **roles)


@pytest.mark.parametrize("roles", [{"event": "d"}, {"below": "t"}, {"event": "d", "weight": "w"}], ids=str)
def test_a_least_value_beside_a_regression_of_incomplete_rows(roles):
    """Pareto's scale is the least value that was seen; the shape is that of the same rows with the scale held there."""
    data = with_ends("pareto")
    data["t"] = 0.5 * data["y"]
    fit = mlefit.regress(data, "y ~ x", "pareto", **roles)
    assert fit.converged, fit.warnings
    held = mlefit.regress(data, "y ~ x", "pareto", fix={"scale": fit.estimates["scale"]}, **roles)
    assert fit.log_likelihood == pytest.approx(held.log_likelihood, rel=1e-12)
    assert fit.estimates["shape[x]"] == pytest.approx(held.estimates["shape[x]"], rel=1e-8)
    assert fit.std_errors["shape[x]"] == pytest.approx(held.std_errors["shape[x]"], rel=1e-8)
    if "below" not in roles:
        assert fit.estimates["scale"] == pytest.approx(data["y"][data["d"] == 1].min(), rel=1e-12)


class Checked(Family):
    """As a plugin might write it: a quantile of the response by its check function, and a scale."""

    name = "checked"
    parameters = (Parameter("q", identity, "quantile"), Parameter("scale", log, "scale"))
    irregular = frozenset({"q"})
    irregular_note = "q is a quantile of the data"

    def __init__(self, tau):
        self.tau = tau

    def nll(self, y, eta):
        return (y - eta[0]) * (self.tau - (y < eta[0])) * np.exp(-eta[1]) + eta[1] - np.log(self.tau * (1 - self.tau))

    def start(self, rows):
        q = rows.quantile(rows.y, self.tau)
        rest = rows.y - rows.spread(q)
        return np.stack([q, np.log(rows.mean(rest * (self.tau - (rest < 0))))])


class Bending(Checked):
    """The same, saying how."""

    def bend(self, name, y, eta):
        return y, self.tau * np.exp(-eta[1]), (1 - self.tau) * np.exp(-eta[1])


@pytest.mark.parametrize(
    ("tau", "coefficients"),
    [(0.1, (110.141574, 0.40176576)), (0.5, (81.4822474, 0.56018055)), (0.9, (67.3508721, 0.68629948))],
)
def test_a_family_that_says_how_it_bends_is_regressed(tau, coefficients):
    """As rq(food ~ income, tau) of R's quantreg 5.94 (Engel's data: Koenker and Bassett 1982)."""
    fit = mlefit.regress(DATA / "engel.csv", "food ~ 1", Bending(tau), formulas={"q": "income"})
    assert fit.converged, fit.warnings
    assert fit.coefficients[:2] == pytest.approx(coefficients, rel=1e-8)
    assert fit.std_errors["scale[Intercept]"] == pytest.approx(1 / np.sqrt(235), rel=1e-5)


def test_a_family_that_does_not_say_may_have_a_constant_there():
    """Its start is the maximum where the other parameters are constants too; where they are not, that is noticed."""
    data = with_ends("laplace")
    fit = mlefit.regress(data, "y ~ 1", Checked(0.3))
    assert fit.converged, fit.warnings
    assert fit.log_likelihood == pytest.approx(mlefit.fit(data["y"], Checked(0.3)).log_likelihood, rel=1e-12)
    fit = mlefit.regress(data, "y ~ x", Checked(0.3))
    assert not fit.converged
    assert "rises still with q" in fit.warnings[0]
    exact = mlefit.regress(data, "y ~ x", Bending(0.3))
    assert exact.converged
    assert exact.log_likelihood > fit.log_likelihood
    with pytest.raises(mlefit.UsageError, match="hold q by fix"):
        mlefit.regress(data, "y ~ 1", Checked(0.3), formulas={"q": "x"})


SANDWICHED = [
    "pareto",
    "poisson",
    "normal",
    "gamma",
    "weibull",
    "beta",
    "negative-binomial",
    "bernoulli",
    "categorical",
    "ordinal",
]


@pytest.mark.parametrize("name", SANDWICHED)
def test_robust_and_clustered_errors_are_the_sandwich(name):
    data = simulated(name)
    plain = mlefit.regress(data, "y ~ x", name)
    robust = mlefit.regress(data, "y ~ x", name, options=Options(errors="robust"))
    by_group = mlefit.regress(data, "y ~ x", name, cluster="g")
    base = registry.get(name)
    family = modelled(base.bind(("low", "mid", "top")) if base.labels else base)
    columns = {"Intercept": np.ones(N), "x": data["x"], "": np.ones(N)}
    scores = [score_names(family).index(parameter) for parameter, _ in plain.terms]
    slope, eta = np.ones(len(scores)), np.zeros((family.size, N))
    for i, (j, (_, column)) in enumerate(zip(scores, plain.terms, strict=True)):
        value = plain.coefficients[i]
        if not column and not base.labels:  # plain parameters from their link's scale
            link = family.parameters[j].link
            value = float(link.forward(np.asarray(value)))
            slope[i] = float(link.derivative(np.asarray(value)))
        eta[j] += value * columns[column]
    known = ~np.isnan(plain.covariance.diagonal())  # ends of the likelihood have no errors
    y = np.searchsorted(np.array(["low", "mid", "top"]), data["y"]).astype(float) if base.labels else data["y"]
    gradient = np.broadcast_to(family.gradient(y, eta), eta.shape)
    rows = np.stack([gradient[j] * columns[column] for j, (_, column) in zip(scores, plain.terms, strict=True)], axis=1)
    bread = np.nan_to_num(plain.covariance / slope[:, None] / slope)
    for fit, sums, factor in (
        (robust, rows, 1.0),
        (by_group, np.stack([rows[data["g"] == g].sum(axis=0) for g in "abc"]), 3 / 2),
    ):
        expected = bread @ (factor * sums.T @ sums) @ bread * slope[:, None] * slope
        expected = np.where(known[:, None] & known, expected, np.nan)
        np.testing.assert_allclose(fit.covariance, expected, rtol=1e-6, atol=1e-9 * np.nanmax(np.abs(expected)))
    assert by_group.errors == {"kind": "cluster", "clusters": 3, "factor": 1.5}


@pytest.mark.parametrize("cluster", [None, "g"])
@pytest.mark.parametrize("name", SANDWICHED)
def test_a_weight_is_so_many_equal_rows_in_the_sandwich_too(name, cluster):
    data = simulated(name)
    times = np.random.default_rng(3).integers(1, 4, N)
    repeated = {column: np.repeat(values, times) for column, values in data.items()}
    options = Options(errors="robust") if cluster is None else None
    data["w"] = times.astype(float)
    weighted = mlefit.regress(data, "y ~ x", name, weight="w", cluster=cluster, options=options)
    whole = mlefit.regress(repeated, "y ~ x", name, cluster=cluster, options=options)
    np.testing.assert_allclose(weighted.covariance, whole.covariance, rtol=1e-6)


LIMITS = [*csv.DictReader((HERE / "regressions" / "limits.csv").read_text(encoding="utf-8").splitlines()[1:])]


@pytest.mark.parametrize(
    ("model", "formula", "roles"),
    [
        (
            "housing", "sat ~ C(infl) + C(type) + C(cont)",
            {"family": "ordinal", "weight": "freq", "levels": ("Low", "Medium", "High")},
        ),
        ("birthwt", "race ~ age + lwt + smoke", {"family": "categorical"}),
    ],
    ids=["ordinal", "categorical"],
)  # fmt: skip
def test_limits_and_errors_of_labels_as_in_r(model, formula, roles):
    path = DATA / f"{model}.csv"
    profiled = mlefit.regress(path, formula, options=Options(interval="profile"), **roles)
    wanted = [row for row in LIMITS if row["model"] == model]
    for row in wanted:
        j = profiled.names.index(row["term"])
        error = float(np.sqrt(profiled.covariance[j, j]))
        assert profiled.lower[j] == pytest.approx(float(row["lower"]), abs=1e-6 * error)
        assert profiled.upper[j] == pytest.approx(float(row["upper"]), abs=1e-6 * error)
    if model == "birthwt":
        for kind, more in (("robust", {"options": Options(errors="robust")}), ("cluster", {"cluster": "age"})):
            errors = mlefit.regress(path, formula, **roles, **more).std_errors
            for row in wanted:
                assert errors[row["term"]] == pytest.approx(float(row[kind]), rel=1e-7)


@pytest.mark.parametrize("name", ["bernoulli", "gamma", "weibull"])
def test_profile_limits_are_where_the_likelihood_has_dropped(name):
    data = simulated(name)
    fit = mlefit.regress(data, "y ~ x + C(g)", name, options=Options(interval="profile", level=0.9))
    j = [column for _, column in fit.terms].index("x")
    for limit in (fit.lower[j], fit.upper[j]):
        held = mlefit.regress({**data, "known": limit * data["x"]}, "y ~ C(g)", name, offset="known")
        assert 2 * (fit.log_likelihood - held.log_likelihood) == pytest.approx(2.705543454095404, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "roles"),
    [(n, r) for n, links, r in CASES if not links],
    ids=[f"{n}-{r}" for n, links, r in CASES if not links],
)
def test_profile_limits_of_every_family(name, roles):
    """With the coefficient held at its limit, the best of the other parameters is as far below as it should be."""
    data = simulated(name)
    base = registry.get(name)
    family = modelled(base.bind(("low", "mid", "top")) if base.labels else base)
    fit = mlefit.regress(data, "y ~ x", name, options=Options(interval="profile"), **roles)
    nll = direct(fit, data, family, roles)
    theta = np.array(
        [
            v if column or base.labels else float(family.parameters[family.names.index(p)].link.forward(np.asarray(v)))
            for v, (p, column) in zip(fit.coefficients, fit.terms, strict=True)
        ]
    )
    j = [column for _, column in fit.terms].index("x")
    others = np.delete(theta, j)
    for limit in (fit.lower[j], fit.upper[j]):
        found = minimize(lambda v, at=limit: min(nll(np.insert(v, j, at)), 1e10), others, method="BFGS")
        assert 2 * (found.fun + fit.log_likelihood) == pytest.approx(3.841458820694124, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"interval": "profile", "weight_kind": "importance"}, "so many rows, which importance weights are not"),
        ({"interval": "profile", "errors": "robust"}, "sandwich"),
        ({"level": 1.5}, "between 0 and 1"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, sentence):
    with pytest.raises(mlefit.UsageError, match=sentence):
        Options(**options)


def test_the_same_columns_in_other_units_give_the_same_fit():
    data = simulated("poisson")
    year = 1950 + np.round(20 * data["x"])
    near = mlefit.regress({**data, "t": (year - 1950) / 20}, "y ~ t + I(t**2)", "poisson")
    far = mlefit.regress({**data, "t": year}, "y ~ t + I(t**2)", "poisson")
    assert far.converged
    assert far.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-12)
    assert far.coefficients[2] * 400 == pytest.approx(near.coefficients[2], rel=1e-8)
    assert far.z[2] == pytest.approx(near.z[2], rel=1e-8)


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("y ~ x + a + b", r"b is a combination of x and a \(b = 2 \+ x - 3 a\)"),
        ("y ~ x + C(g) + C(h)", r"C\(h\)\[T.z\] is a combination of C\(g\)\[T.c\]"),
        ("y ~ x + tiny", r"tiny is a combination of x \(tiny = 1e-12 x\), .* identified; leave one of them out"),
        ("y ~ x + I(2*x) + a + b", r"b is a combination of .* \(and so is I\(2\s*\*\s*x\)\)"),
        ("y ~ C(g) + C(h)", r"leave C\(h\) out, or merge levels"),
        ("y ~ C(g) * C(h)", r"leave C\(g\):C\(h\) out, or merge levels"),
        ("y ~ cs(x, df=3)", r"write - 1 .* intercept out, or centre the basis: cs\(x, df=3, constraints='center'\)"),
        ("y ~ C(g) + cs(x, df=3) - 1", r"identified; centre the basis: cs\(x, df=3, constraints='center'\)"),
    ],
)
def test_dependent_columns_are_named(formula, sentence):
    data = simulated("normal")
    a = np.round(data["x"] * 8) ** 2
    data |= {"a": a, "b": 2 + data["x"] - 3 * a, "tiny": 1e-12 * data["x"]}
    data["h"] = np.where(data["g"] == "c", "z", "y")
    with pytest.raises(mlefit.DataError, match=sentence):
        mlefit.regress(data, formula)


@pytest.mark.parametrize("n", [3, 5])
def test_more_columns_than_rows_is_said(n):
    data = {f"x{i}": np.random.default_rng(i).normal(size=n) for i in range(8)} | {"y": np.arange(n)}
    with pytest.raises(mlefit.DataError, match=f"the formula has 8 columns and the data {n} rows"):
        mlefit.regress(data, "y ~ x0 + x1 + x2 + x3 + x4 + x5 + x6")


def test_counts_without_overdispersion_say_so():
    data = {"y": [1, 2, 1, 2, 1, 2, 1, 2], "x": [1, 2, 3, 4, 5, 6, 7, 8]}
    fit = mlefit.regress(data, "y ~ x", "negative-binomial")
    assert not fit.converged
    assert "poisson" in fit.warnings[0]
    assert fit.coefficients[-1] == np.inf


def test_a_regression_on_nothing_is_the_constant_fit():
    data = simulated("gamma")
    fit = mlefit.regress(data, "y ~ 1", "gamma")
    constant = mlefit.fit(data, "gamma", column="y")
    assert fit.log_likelihood == pytest.approx(constant.log_likelihood, rel=1e-12)
    assert np.exp(fit.coefficients[0]) == pytest.approx(constant.estimates["shape"] / constant.estimates["rate"])
    assert fit.null_log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "normal", "gamma", "lognormal", "weibull", "student-t", "logistic", "poisson", "bernoulli", "negative-binomial",
        "laplace", "uniform", "pareto",
    ],
)  # fmt: skip
def test_a_constant_response_is_no_fit(name):
    value = 0.0 if name in ("poisson", "bernoulli") else 1.0
    fit = mlefit.regress({"y": np.full(20, value), "x": np.linspace(-1, 1, 20)}, "y ~ x", name)
    assert not fit.converged
    assert len(fit.warnings[0]) > 20


# -- groups ----------------------------------------------------------------------------------------------------------

BY = [
    ("poisson", "y ~ x + C(g)", {"exposure": "w"}),
    ("normal", "y ~ x", {"formulas": {"sigma": "x"}}),
    ("normal", "y ~ scale(x)", {}),  # what it learns differs by group
    ("gamma", "y ~ x + g", {"weight": "w"}),
    ("gamma", "y ~ 0 + x + I(x**2)", {}),
    ("weibull", "y ~ x", {"event": "d", "options": Options(interval="profile")}),
    ("negative-binomial", "y ~ x", {}),
    ("student-t", "y ~ x", {"fix": {"df": 4.0}}),  # several starts
    ("binomial", "y ~ x", {"trials": "trials", "options": Options(errors="robust")}),
    ("bernoulli", "y ~ x", {"links": {"p": "probit"}, "cluster": "g"}),
    ("categorical", "y ~ x", {}),
    ("ordinal", "y ~ x", {}),
    ("lognormal", "y ~ log(w)", {"fix": {"sigma": 1.0}}),
    ("laplace", "y ~ x + C(g)", {"weight": "w"}),
    ("laplace", "y ~ x", {"formulas": {"scale": "x"}}),
    ("laplace", "y ~ x", {"options": Options(interval="profile")}),
    ("uniform", "y ~ x", {"offset": "w"}),
    ("pareto", "y ~ x", {"formulas": {"scale": "x"}}),
]


@pytest.mark.parametrize(("name", "formula", "roles"), BY, ids=[f"{n} {f}" for n, f, _ in BY])
def test_groups_are_a_batch_with_the_numbers_of_each_alone(name, formula, roles):
    sets = [simulated(name, seed) for seed in (3, 4, 5)]
    sets[1]["g"] = np.where(sets[1]["g"] == "c", "a", sets[1]["g"])  # not every level in every group
    rows = {key: np.concatenate([s[key] for s in sets]) for key in sets[0]}
    rows["k"] = np.repeat(["one", "three", "two"], N)
    shuffled = np.random.default_rng(0).permutation(3 * N)
    fits = mlefit.regress({key: v[shuffled] for key, v in rows.items()}, formula, name, by="k", **roles)
    for fit, data in zip(fits, sets, strict=True):
        alone = mlefit.regress(data, formula, name, **roles)
        assert fit.names == alone.names
        assert (fit.n, fit.converged, fit.warnings) == (N, alone.converged, alone.warnings)
        errors = np.nan_to_num(np.sqrt(np.diag(alone.covariance)), nan=1.0)
        np.testing.assert_allclose((fit.coefficients - alone.coefficients) / errors, 0, atol=1e-7)
        np.testing.assert_allclose(fit.covariance, alone.covariance, rtol=1e-6, atol=1e-9 * errors.max() ** 2)
        for ours, theirs in ((fit.lower, alone.lower), (fit.upper, alone.upper)):
            np.testing.assert_allclose(ours / errors, theirs / errors, atol=1e-6)
        both = [(f.log_likelihood, f.null_log_likelihood, f.deviance, f.null_deviance) for f in (fit, alone)]
        assert both[0] == pytest.approx(both[1], rel=1e-10, nan_ok=True)


def test_a_group_that_cannot_be_fitted_is_named():
    data = simulated("normal")
    data["k"] = np.where(np.arange(N) < 60, "p", "q")
    data["z"] = np.where(data["k"] == "q", 2 * data["x"], data["x"] ** 2)
    able, not_able = mlefit.regress(data, "y ~ x + z", by="k")
    assert (able.converged, not_able.converged) == (True, False)
    assert not_able.warnings[0].startswith("z is a combination of x")
    data["x"] = np.where(data["k"] == "q", -1.0, 1.0 + np.arange(N))
    able, not_able = mlefit.regress(data, "y ~ log(x)", by="k")
    assert (able.converged, not_able.converged) == (True, False)
    assert not_able.warnings[0].startswith("the term 'log(x)' is not a finite number in row 1")


def test_groups_of_any_size_in_one_call():
    rng = np.random.default_rng(2)
    sizes = [5, 3_000, 40, 20_000, 7]
    k = np.repeat(np.arange(5), sizes)
    x = rng.normal(size=k.size)
    y = rng.poisson(np.exp(0.3 + 0.2 * x))
    fits = mlefit.regress({"y": y, "x": x, "k": k}, "y ~ x", "poisson", by="k")
    for i, fit in enumerate(fits):
        alone = mlefit.regress({"y": y[k == i], "x": x[k == i]}, "y ~ x", "poisson")
        assert fit.coefficients == pytest.approx(alone.coefficients, abs=1e-9)


def test_the_null_deviance_of_a_negative_binomial_has_the_fitted_size():
    """As glm.nb(days ~ sex * age + eth) of R's MASS 7.3: null.deviance and deviance."""
    fit = mlefit.regress(SAMPLES / "quine.csv", "days ~ sex*age + eth", "negative-binomial")
    assert (fit.null_deviance, fit.deviance) == pytest.approx((203.16518287, 167.73463191), rel=1e-6)


@pytest.mark.parametrize("name", ["poisson", "bernoulli", "normal", "negative-binomial", "gamma"])
def test_a_level_that_a_part_of_many_rows_lacks(name):
    """Many rows are solved by a part of them first; each level's mean is its own rows', in closed form."""
    generator = np.random.default_rng(5)
    n, rare = 70_000, np.array([1, 9_999, 30_001, 45_103, 69_998])
    draws = {"poisson": generator.poisson(3.0, n), "bernoulli": generator.random(n) < 0.3}
    y = np.asarray(draws.get(name, generator.negative_binomial(3, 0.4, n)), dtype=float) + (name == "gamma")
    level = np.zeros(n)
    level[rare] = 1
    y[rare] = [0, 1, 1, 0, 1] if name == "bernoulli" else [9, 11, 8, 12, 10]
    fit = mlefit.regress({"y": y, "x": level}, "y ~ x", name)
    assert fit.converged, fit.warnings
    main = next(p for p in fit.family.parameters if f"{p.name}[x]" in fit.estimates)
    intercept, slope = (fit.estimates[f"{main.name}[{term}]"] for term in ("Intercept", "x"))
    means = main.link.inverse(np.array([intercept, intercept + slope]))
    np.testing.assert_allclose(means, [y[level == 0].mean(), y[rare].mean()], rtol=1e-8)


def test_a_basis_is_the_same_without_intercept_and_centred():
    data = simulated("normal")
    bare, centred = (mlefit.regress(data, f"y ~ cs(x, df={of}") for of in ("3) - 1", "2, constraints='center')"))
    assert bare.converged
    assert bare.log_likelihood == pytest.approx(centred.log_likelihood, rel=1e-12)


def test_a_group_without_a_regression_stands_beside_the_others():
    data = {"k": [*"aaaaaabbbbbbc"], "x": [*range(12), 5], "y": [(i * 7) % 5 for i in range(13)]}
    fits = mlefit.regress(data, "y ~ x", "poisson", by="k")
    assert [fit.converged for fit in fits] == [True, True, False]
    none = fits[2]
    assert (none.group, none.n, none.names) == ({"k": "c"}, 1, fits[0].names)
    assert none.warnings == ("x is 5 in every row, the same as the intercept; leave it out",)
    record = none.to_dict()
    assert record["log_likelihood"] is record["aic"] is record["null_log_likelihood"] is None
    assert {value for row in record["parameters"].values() for value in row.values()} == {None}
    alone = mlefit.regress({k: v[6:12] for k, v in data.items()}, "y ~ x", "poisson")
    assert fits[1].coefficients == pytest.approx(alone.coefficients, rel=1e-12)
    with pytest.raises(mlefit.DataError, match=r"^where k = c: x is 5 in every row"):
        mlefit.regress({k: v[12:] for k, v in data.items()}, "y ~ x", "poisson", by="k")


def test_a_parameter_at_infinity_leaves_the_others_their_errors():
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, 200)
    data = {"x": x, "y": 1 + 2 * x + rng.uniform(-1, 1, 200)}  # lighter tails than the normal's
    heavy, normal = (mlefit.regress(data, "y ~ x", family) for family in ("student-t", "normal"))
    assert heavy.estimates["df"] == np.inf
    assert np.isnan(heavy.std_errors["df"])
    for name, like in (("loc[Intercept]", "mu[Intercept]"), ("loc[x]", "mu[x]"), ("scale", "sigma")):
        assert heavy.std_errors[name] == pytest.approx(normal.std_errors[like], rel=1e-5)


@pytest.mark.parametrize(
    ("family", "link", "y", "said"),
    [
        ("poisson", "identity", [0, 0, 0, 5, 9, 1, 0, 12, 20, 16], "mu comes to 0 .* the identity link .*mu.: .log"),
        ("bernoulli", "identity", [0, 0, 0, 0, 1, 0, 1, 1, 1, 1], "p comes to [01] .* the identity link .*p.: .logit"),
        ("bernoulli", "log", [0, 0, 0, 0, 1, 0, 1, 1, 1, 1], "p comes to 1 .* does not keep it below"),
    ],
)
def test_a_link_that_leaves_the_domain_is_named_and_the_estimates_stay_inside(family, link, y, said):
    name, x = "mu" if family == "poisson" else "p", np.arange(10.0)
    fit = mlefit.regress({"y": y, "x": x}, "y ~ x", family, links={name: link})
    assert not fit.converged
    assert re.search(said, fit.warnings[0]), fit.warnings
    eta = fit.coefficients[0] + fit.coefficients[1] * x
    value = np.exp(eta) if link == "log" else eta
    law = stats.poisson(value) if family == "poisson" else stats.bernoulli(value)
    assert fit.log_likelihood == pytest.approx(law.logpmf(y).sum(), rel=1e-12)


def test_clusters_that_are_terms_leave_no_errors_and_few_are_said():
    """The variances of R's sandwich::vcovCL are zero to rounding here too; that is no error at all."""
    fit = mlefit.regress(SAMPLES / "solder.csv", "skips ~ C(opening) + C(panel)", "poisson", cluster="panel")
    errors = list(fit.std_errors.values())
    assert np.isnan(errors[3:]).all()
    assert np.isfinite(errors[:3]).all()
    assert np.isnan(fit.p[3:]).all()
    assert np.isnan(fit.lower[3:]).all()
    none, singular, few = fit.warnings
    assert none.startswith("mu[C(panel)[T.2]], mu[C(panel)[T.3]] have no errors by cluster")
    assert singular.startswith("3 clusters are no more than the 5 coefficients")
    assert "3 clusters are few" in few


@pytest.mark.parametrize("clusters", [12, 40])
def test_errors_by_many_clusters_are_not_doubted(clusters):
    data = simulated("normal") | {"k": np.arange(N) % clusters}
    fit = mlefit.regress(data, "y ~ x", cluster="k")
    assert all(np.isfinite(error) for error in fit.std_errors.values())
    assert len(fit.warnings) == (clusters < 20)


INF, FREE = np.inf, np.nan
CELLS = {"g": [*"aabbcc"] * 5, "h": [*"uv"] * 15, "x": [*range(1, 31)], "z": [*range(-15, 15)]}


@pytest.mark.parametrize(
    ("family", "y", "formula", "limits"),
    [
        ("poisson", 0, "y ~ x", [-INF, FREE]),
        ("bernoulli", 0, "y ~ x", [-INF, FREE]),
        ("bernoulli", 1, "y ~ x", [INF, FREE]),
        ("bernoulli", 1, "y ~ z", [INF, FREE]),
        ("poisson", 0, "y ~ x - 1", [-INF]),
        ("bernoulli", 0, "y ~ C(h) - 1", [-INF, -INF]),
        # A group of zeros: its own columns run off, what tells apart its rows alone is free.
        ("poisson", "g != 'a'", "y ~ C(g)", [-INF, INF, INF]),
        ("poisson", "g != 'b'", "y ~ C(g) * C(h)", [0, -INF, 0, 0, FREE, 0]),
        ("poisson", "g != 'a'", "y ~ C(g) * C(h)", [-INF, INF, INF, FREE, FREE, FREE]),
        ("poisson", "g != 'b'", "y ~ C(g) + C(h)", [0, -INF, 0, 0]),
    ],
)
def test_what_runs_off_has_its_sign_and_what_can_be_anything_has_none(family, y, formula, limits):
    """The recession cones can be written down: those of a group are the signs of its cells' linear predictors."""
    value = y if isinstance(y, int) else 0
    counts = np.where(np.array(CELLS["g"]) == y[-2], 0, 1 + np.arange(30) % 4) if isinstance(y, str) else [value] * 30
    fit = mlefit.regress({**CELLS, "y": counts}, formula, family)
    assert not fit.converged
    found = [value if not np.isfinite(value) else 0 for value in fit.coefficients]
    assert found == pytest.approx(limits, nan_ok=True)
    free = [name for name, limit in zip(fit.names, limits, strict=True) if np.isnan(limit)]
    said = [warning for warning in fit.warnings if "not determined" in warning]
    assert bool(said) == bool(free)
    assert len(set(fit.warnings)) == len(fit.warnings)
    assert all(name in said[0] for name in free)
    assert [fit.to_dict()["parameters"][name]["estimate"] for name in free] == [None] * len(free)


def test_a_level_where_a_label_never_is_leaves_it_undetermined():
    """No Chinstrap lives on Biscoe or Torgersen: beside an intercept of -inf the second of these has no say."""
    fit = mlefit.regress(SAMPLES / "penguins.csv", "species ~ C(island)", "categorical")
    assert fit.coefficients[:3] == pytest.approx([-INF, INF, FREE], nan_ok=True)
    assert fit.coefficients[4:] == pytest.approx([-INF, -INF])
    table = {("Biscoe", "Gentoo"): 124, ("Biscoe", "Adelie"): 44}  # rows of the file
    assert fit.coefficients[3] == pytest.approx(np.log(table["Biscoe", "Gentoo"] / table["Biscoe", "Adelie"]))
    assert any(w.startswith("p[Chinstrap][C(island)[T.Torgersen]] is not determined") for w in fit.warnings)


# -- families with several parameters of shape ----------------------------------------------------------------------


def _slanted(seed, draw):
    generator = np.random.default_rng(seed)
    x, group = generator.normal(size=40), generator.integers(0, 3, 40)
    y = draw(0.6 * x + 0.2 * (group == 1), generator)
    design = np.column_stack([np.ones(40), x, group == 1, group == 2]).astype(float)
    return {"x": x, "g": np.array(list("abc"))[group], "y": y}, design


@pytest.mark.parametrize("seed", [3, 6, 14, 15])
def test_skew_normal_regressions_find_the_maximum_beside_saddles_and_ridges(seed):
    """Samples on which Newton's steps from the first start stop at shape 0, or run off with it."""
    data, design = _slanted(seed, lambda e, g: stats.skewnorm(3, 1 + e, 1.6).rvs(random_state=g))

    def nll(theta):
        return -stats.skewnorm.logpdf(data["y"], theta[5], design @ theta[:4], np.exp(theta[4])).sum()

    line = np.linalg.lstsq(design, data["y"], rcond=None)[0]
    starts = [np.r_[line[0] - side, line[1:], 0.4, 2 * side] for side in (1.0, -1.0)]
    best = min((minimize(nll, start, method="BFGS") for start in starts), key=lambda found: found.fun)
    fit = mlefit.regress(data, "y ~ x + g", "skew-normal")
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-6)
    assert list(fit.estimates.values()) == pytest.approx([*best.x[:4], np.exp(best.x[4]), best.x[5]], rel=2e-3)


@pytest.mark.parametrize(
    ("family", "seed", "draw", "sentence"),
    [
        ("skew-normal", 13, lambda e, g: stats.skewnorm(3, 1 + e, 1.6).rvs(random_state=g),
         "shape runs off to infinity, where skew-normal becomes a half-normal"),
        ("gev", 1, lambda e, g: stats.genextreme(0.2, 1 + e, 1.3).rvs(random_state=g),
         "the likelihood of gev is unbounded as shape falls to -1"),
        ("generalized-pareto", 9, lambda e, g: stats.genpareto(0.2, scale=np.exp(1 + e)).rvs(random_state=g),
         "the likelihood of generalized-pareto is unbounded as shape falls to -1"),
        ("lomax", 0, lambda e, g: stats.gamma(3, scale=np.exp(1 + e)).rvs(random_state=g),
         "shape runs off to infinity, where lomax becomes exponential"),
        ("burr12", 1, lambda e, g: stats.burr12(2, 0.8, scale=np.exp(1 + e)).rvs(random_state=g),
         "shape1 runs off to infinity, where burr12 becomes weibull"),
        ("burr12", 9, lambda e, g: stats.burr12(2, 0.8, scale=np.exp(1 + e)).rvs(random_state=g),
         "shape1 runs off to infinity, where burr12 becomes weibull"),
    ],
)  # fmt: skip
def test_a_shape_at_its_limit_is_named_in_a_regression(family, seed, draw, sentence):
    """As `estimate` names it; no standard errors beside it."""
    data, _ = _slanted(seed, draw)
    fit = mlefit.regress(data, "y ~ x + g", family)
    assert not fit.converged
    assert len(fit.warnings) == 1
    assert fit.warnings[0].startswith(sentence)
    assert np.isnan([error for name, error in fit.std_errors.items() if family != "lomax" or name == "shape"]).all()


LOCATED = ["normal", "lognormal", "logistic", "student-t", "gumbel", "cauchy", "weibull", "loglogistic", "gamma"]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("name", LOCATED)
def test_a_level_whose_rows_are_all_censored_is_named(name, unit):
    """Whatever the link and the unit: its coefficient is infinite, and the others are those without its rows."""
    generator = np.random.default_rng(1)
    group = np.array(list("abc") * 10)
    data = {"y": unit * generator.normal(5, 1, 30), "g": group, "e": (group != "c").astype(float)}
    fit = mlefit.regress(data, "y ~ g", name, event="e")
    assert not fit.converged
    assert fit.warnings[0].startswith("the 10 of 30 rows that g[T.c] concerns are all censored on one side")
    lost = next(term for term in fit.names if term.endswith("[g[T.c]]"))
    assert fit.estimates.pop(lost) == np.inf
    assert np.isnan(fit.std_errors[lost])
    others = mlefit.regress(data, "y ~ g", name, event="e", where="g <> 'c'")
    for term, value in others.estimates.items():
        assert fit.estimates[term] == pytest.approx(value, rel=1e-3)
        assert fit.std_errors[term] == pytest.approx(others.std_errors[term], rel=2e-2)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("name", ["logistic", "gumbel"])
def test_truncated_regressions_without_a_maximum_are_told(name, unit):
    """Tails no shorter than an exponential's of the same scale: a group of shorter ones has its middle at -infinity."""
    generator = np.random.default_rng(3)
    group = np.repeat(list("ab"), 40)
    y = unit * np.where(group == "a", generator.normal(3, 1, 80), generator.exponential(0.4, 80))
    data = {"y": y[y > 0], "g": group[y > 0]}
    fit = mlefit.regress(data, "y ~ g", name, below=0.0)
    assert not fit.converged
    assert fit.warnings[0].startswith(f"under truncation the likelihood of {name} keeps rising")
    assert "g[T.b]" in fit.warnings[0]


def near_values(seed, n=12):
    """Values of which three are equal: the first start of a mixture leads to a component on these alone."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n).round(2)
    y = (x + generator.normal(size=n)).round(2)
    y[:3] = y[0]
    return x, y


@pytest.mark.parametrize("seed", [3, 5])
@pytest.mark.parametrize("formulas", [{}, {"mu_1": "x", "mu_2": "x"}], ids=str)
def test_a_mixture_is_kept_off_spikes(seed, formulas):
    """As `estimate` is: the same maximum without predictors, no lower one with them; equal values have none."""
    import mlefit

    x, y = near_values(seed)
    alone = mlefit.fit(y, "mixture:normal*2")
    assert alone.converged
    constant = mlefit.regress({"x": x, "y": y}, "y ~ 1", "mixture:normal*2")
    assert constant.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-8)
    fit = mlefit.regress({"x": x, "y": y}, "y ~ x", "mixture:normal*2", formulas=formulas)
    assert fit.log_likelihood >= alone.log_likelihood - 1e-8
    if fit.converged:
        assert min(fit.estimates["sigma_1"], fit.estimates["sigma_2"]) > 1e-3
    flat = mlefit.regress({"x": x, "y": 0 * y + 2.0}, "y ~ x", "mixture:normal*2", formulas=formulas)
    assert not flat.converged
    assert "unbounded" in flat.certificate.problem
    assert np.isnan(flat.log_likelihood)
