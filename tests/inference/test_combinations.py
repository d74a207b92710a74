"""Every family with every way of knowing its rows, alone and together, against direct maximisation of the same NLL.

A new family is covered by being registered; one without a distribution function has no censored or truncated rows.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from likelihoods import LAWS, Problem, Rows, law

import mlefit
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.censored import Censored
from mlefit.families.truncated import Truncated
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.regression import Options as RegressionOptions
from mlefit.sample import Sample

# Parameters to draw from, where those of `truth` give a sample that says little.
TRUTH = {
    "negative-binomial": [4.0, 1.5], "zero-inflated-poisson": [3.0, 0.3], "poisson": [4.5], "geometric": [0.2],
    "zero-inflated-negative-binomial": [5.0, 3.0, 0.3], "discrete-uniform": [2.0, 9.0], "student-t": [1.5, 1.0, 2.0],
    "gev": [1.0, 2.0, 0.2], "generalized-pareto": [2.0, 0.3], "skew-normal": [1.0, 2.0, 3.0],
    "gompertz": [0.3, 0.2], "gamma": [2.0, 0.5], "inverse-gamma": [3.0, 2.0], "weibull": [1.6, 4.0],
    "inverse-gaussian": [2.0, 5.0], "beta": [2.0, 3.5], "chi-squared": [5.0], "lomax": [1.5, 3.0],
    "burr12": [0.6, 3.0, 3.0], "von-mises": [0.5, 4.0], "pareto": [1.0, 2.0], "beta-binomial": [1.0, 1.5],
    "hurdle:gamma": [2.0, 0.5, 0.3], "zero-inflated:weibull": [1.6, 4.0, 0.3],
}  # fmt: skip

SINGLE = ("weighted", "censored", "truncated", "pinned", "grouped")
COMBINATIONS = (
    ("plain",), *((one,) for one in SINGLE), *combinations(SINGLE, 2), ("importance",), ("importance", "censored"),
    ("weighted", "censored", "grouped"), SINGLE,
)  # fmt: skip
# Densities written down are to fit as the families that they are.
WRITTEN = {
    "density:log(k) - k*log(b) + (k - 1)*log(y) - (y/b)**k; k>0 & b>0": "weibull",
    "density:y*log(m) - m - lgamma(y + 1); m>0": "poisson",
}
for text, name in WRITTEN.items():
    LAWS[text], TRUTH[text] = LAWS[name], TRUTH[name]
COMPOSED = ["zero-inflated:binomial", "hurdle:poisson", "hurdle:gamma", "zero-inflated:weibull"]
NAMES = [*registry.BUILT_IN, *COMPOSED, *WRITTEN]

# Tails by sums, integrals and their differences, many times the cost of the others: their pairs run with -m slow.
COSTLY = (
    "beta-binomial", "von-mises", "zero-inflated-negative-binomial", "zero-inflated:binomial", "hurdle:poisson",
    "inverse-gaussian", "beta", "negative-binomial", *WRITTEN,
)  # fmt: skip


def truth(family):
    """(K,) parameters: numbers at which a unit of every parameter is ordinary."""
    if family.labels:
        return np.arange(1.0, 1 + len(family.names)) / np.arange(1.0, 1 + len(family.names)).sum()
    ordinary = [0.4 if p.link.upper == 1 else 1.0 + j for j, p in enumerate(family.parameters)]
    return np.array(TRUTH.get(family.name, ordinary))


def get(name):
    family = registry.get(name)
    return family.bind(("a", "b", "c")) if family.labels else family


def held(family, how):
    """Names to fix: one where asked for, and those that only exact values tell; None where nothing is left to fit."""
    names = set(family.irregular) if {"censored", "truncated"} & set(how) else set()
    if "pinned" in how and (free := [name for name in family.names if name not in names]):
        names.add(free[0] if how == ("pinned",) else free[-1])
    if ("pinned" in how and not names) or len(names) == len(family.names):
        return None
    return names


def has_distribution_function(family):
    return type(family).log_cdf is not Family.log_cdf and type(family).log_sf is not Family.log_sf


def cases():
    for name in NAMES:
        family = get(name)
        for how in COMBINATIONS:
            if {"censored", "truncated"} & set(how) and not has_distribution_function(family):
                continue
            if held(family, how) is not None:
                marks = [pytest.mark.slow] if name in COSTLY and len(how) > 1 else []
                yield pytest.param(name, how, id=f"{name.partition(';')[0]}-{'+'.join(how)}", marks=marks)


def drawn(family, n, generator):
    """n exact rows of the family."""
    others = np.zeros((0, n))
    if len(family.columns) > 1:
        others = generator.integers(3, 9, (1, n)).astype(float)
    y = family.given(*others).sample(generator, family.forward(truth(family)[:, None]), n)
    return Rows(family.discrete, y[0] if y.ndim > 1 else y, others)


def known(rows, how, n, generator):
    """The first n of the rows that were seen, as well known as `how` says."""
    if "truncated" in how:
        low, high = np.quantile(rows.y if rows.discrete else rows.y[rows.y != 0], [0.04, 0.96])
        place = np.arange(rows.y.size)
        below, above = np.where(place % 2, low, -np.inf), np.where(place % 3, np.inf, high)
        rows = replace(rows, below=below, above=above).take((rows.y >= below) & (rows.y <= above))
    rows = rows.take(slice(0, n))
    y = rows.y
    if "censored" in how:
        lower, upper = y.copy(), y.copy()
        kind = generator.random(n)
        width = 1.0 if rows.discrete else 0.5 * np.quantile(np.abs(y - np.median(y)), 0.5)
        right, left, both = kind < 0.12, (kind >= 0.12) & (kind < 0.2), kind > 0.85
        upper[right] = np.inf
        lower[right] -= 1.0 if rows.discrete else width
        lower[left] = -np.inf
        lower[both], upper[both] = y[both] - width, y[both] + width
        rows = replace(rows, y=lower, upper=upper)
    weighted = {"weighted", "importance"} & set(how)
    return replace(rows, weight=generator.uniform(0.5, 2.0, n) if weighted else None)


def response(rows):
    """The rows as mlefit's wrapped families take them."""
    parts = [rows.y, *([] if rows.upper is None else [rows.upper]), *rows.others]
    if rows.below is not None:
        parts += [rows.below, rows.above]
    return np.stack(parts) if len(parts) > 1 else rows.y


def wrapped(family, how):
    if "censored" in how:
        family = Censored(family)
    return Truncated(family) if "truncated" in how else family


@pytest.mark.parametrize(("name", "how"), list(cases()))
def test_agrees_with_direct_maximisation(name, how):
    family = get(name)
    generator = np.random.default_rng([7, *name.encode()])
    fixed = {p: v for p, v in zip(family.names, truth(family), strict=True) if p in held(family, how)}
    n = 40 * family.size
    counts = (n, n + 9) if "grouped" in how else (n,)
    parts = [known(drawn(family, 2 * n, generator), how, n, generator) for n in counts]
    codes = generator.permutation(np.repeat(np.arange(len(parts)), [part.y.size for part in parts]))
    mixed = np.argsort(np.argsort(codes, kind="stable"), kind="stable")
    y = np.concatenate([response(part) for part in parts], axis=-1)[..., mixed]
    weight = None if parts[0].weight is None else np.concatenate([part.weight for part in parts])[mixed]
    bare = family.pin(fixed) if fixed else family
    options = Options(weight_kind="importance" if "importance" in how else "frequency")
    sample = Sample.of(y, weight, codes if "grouped" in how else None)
    fits = fit_sample(wrapped(bare, how), sample, options)
    for fit, rows in zip(fits, parts, strict=True):
        check(fit, family, bare, fixed, rows, robust="importance" in how)


def check(fit, family, bare, fixed, rows, robust):
    assert fit.converged, fit.warnings
    assert fit.n == rows.y.size
    weight = np.ones(rows.y.size) if rows.weight is None else rows.weight
    assert fit.weight == pytest.approx(weight.sum())
    place = [family.names.index(p) for p in bare.names]

    def rows_nll(eta):
        theta = np.empty((len(family.names), len(eta), 1))
        for p, value in fixed.items():
            theta[family.names.index(p)] = value
        theta[place] = bare.inverse(eta.T[:, :, None])
        return rows.nll(law(family, theta, rows.others))

    problem = Problem(rows_nll, weight)
    eta = bare.forward(fit.theta[:, None])[:, 0]
    assert float(problem.value(eta)[0]) == pytest.approx(fit.nll, rel=1e-9, abs=1e-9)

    scores = bare.names if bare.size == len(bare.names) else [""] * bare.size
    regular = np.array([p not in bare.irregular for p in scores], dtype=bool)
    for j in np.flatnonzero(~regular):  # an endpoint or a kink: no value near it is better
        moves = np.zeros((4, eta.size))
        moves[:, j] = [-0.05, -1e-4, 1e-4, 0.05]
        if family.discrete:
            moves[:, j] = [-2, -1, 1, 2]
        assert (problem.value(eta + moves) >= fit.nll - 1e-9).all()
    if not regular.any():
        return
    begin = bare.forward(truth(family)[place][:, None])[:, 0]
    covariance = at_maximum(problem, eta, begin, fit.nll, regular, robust)
    jacobian = bare.jacobian(eta[:, None])[..., 0][:, regular]
    covariance = jacobian @ covariance @ jacobian.T
    known = regular if bare.size == len(bare.names) else slice(None)
    errors = np.sqrt(np.diag(covariance))[known]
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance))[known], errors, rtol=1e-4)


def at_maximum(problem, eta, begin, nll, regular, robust):
    """The covariance of the regular scores at `eta`, after making sure that the NLL is lowest there.

    `begin` (k,) is where direct maximisation starts; `robust` asks for the sandwich.
    """
    inner, scale = problem.about(eta, regular)
    middle = np.zeros(scale.size)
    curve, slope = inner.hessian(middle), inner.gradient(middle)
    inverse = np.linalg.inv(curve)
    assert np.sqrt(abs(slope @ inverse @ slope)) < 1e-5
    reached = inner.minimise((begin - eta)[regular] / scale)[0]
    if reached > nll + 1e-7:  # BFGS has stopped early, or in another valley
        reached = inner.minimise(0.3 * np.sqrt(np.diag(inverse)))[0]
    assert reached == pytest.approx(nll, abs=1e-7)
    if robust:
        slopes = inner.slopes(middle) * problem.weight
        inverse = inverse @ slopes @ slopes.T @ inverse
    return inverse * scale * scale[:, None]


# -- regressions ----------------------------------------------------------------------------------------------------


def _logit(p):
    return np.log(p / (1 - p))


def _expit(z):
    return 1 / (1 + np.exp(-z))


IDENTITY, LOG, LOGIT = (np.array, np.array), (np.log, np.exp), (_logit, _expit)

# Parameters in order with their links; the one with the formula; what makes them the parameters of `LAWS`.
MODELS = {
    "normal": ({"mu": IDENTITY, "sigma": LOG}, "mu", lambda mu, sigma: (mu, sigma)),
    "logistic": ({"loc": IDENTITY, "scale": LOG}, "loc", lambda loc, scale: (loc, scale)),
    "lognormal": ({"mu": IDENTITY, "sigma": LOG}, "mu", lambda mu, sigma: (mu, sigma)),
    "weibull": ({"shape": LOG, "scale": LOG}, "scale", lambda shape, scale: (shape, scale)),
    "gamma": ({"mean": LOG, "shape": LOG}, "mean", lambda mean, shape: (shape, shape / mean)),
    "inverse-gaussian": ({"mean": LOG, "shape": LOG}, "mean", lambda mean, shape: (mean, shape)),
    "beta": ({"mean": LOGIT, "precision": LOG}, "mean", lambda mean, size: (mean * size, (1 - mean) * size)),
    "bernoulli": ({"p": LOGIT}, "p", lambda p: (p,)),
    "poisson": ({"mu": LOG}, "mu", lambda mu: (mu,)),
    "negative-binomial": ({"mu": LOG, "size": LOG}, "mu", lambda mu, size: (mu, size)),
}  # fmt: skip
OTHER = 2.0  # what the parameter without a formula is


def regressions():
    for name, (links, _, _) in MODELS.items():
        for how in COMBINATIONS:
            if "pinned" not in how or len(links) > 1:
                marks = [pytest.mark.slow] if name in COSTLY and len(how) > 1 else []
                yield pytest.param(name, how, id=f"{name}-{'+'.join(how)}", marks=marks)


@pytest.mark.parametrize(("name", "how"), list(regressions()))
def test_regression_agrees_with_direct_maximisation(name, how):
    links, main, native = MODELS[name]
    family = registry.get(name)
    generator = np.random.default_rng([11, *name.encode()])
    fixed = {p: OTHER for p in links if p != main} if "pinned" in how else {}
    free = [p for p in links if p not in fixed]
    begin = np.concatenate([[0.6, 0.8] if p == main else [links[p][0](OTHER)] for p in free])

    def parameters(theta, x):
        """Scipy's parameters (K, P, n) from coefficients and scores (P, p)."""
        scores, values = iter(theta.T[:, :, None]), {}
        for p in links:
            if p in fixed:
                values[p] = np.full((len(theta), 1), fixed[p])
            else:
                values[p] = links[p][1](next(scores) + next(scores) * x if p == main else next(scores))
        return np.stack(np.broadcast_arrays(*native(*values.values())))

    parts = []
    for n in (60, 45) if "grouped" in how else (60,):
        x = generator.uniform(-1, 1, (1, 2 * n))
        theta = np.broadcast_to(parameters(begin[None], x[0])[:, 0], (len(family.names), 2 * n))
        y = family.sample(generator, family.forward(theta), 2 * n)
        parts.append(known(Rows(family.discrete, y, x), how, n, generator))
    columns = {"x": np.concatenate([part.others[0] for part in parts])}
    for role in ("y", "upper", "below", "above", "weight"):
        if getattr(parts[0], role) is not None:
            column = np.concatenate([getattr(part, role) for part in parts])
            columns[role] = np.where(np.isfinite(column), column, np.nan)
    if family.discrete and "censored" in how:  # the lower end that a user writes belongs to an open interval, too
        columns["y"] = columns["y"] + np.isnan(columns["upper"])
    columns["g"] = np.repeat(["a", "b"][: len(parts)], [part.y.size for part in parts])
    roles = {role: role for role in ("below", "above", "weight") if role in columns}
    if "censored" in how:
        roles |= {"lower": "y", "upper": "upper"}
    robust = "importance" in how
    fits = mlefit.regress(
        columns, "~ x" if "censored" in how else "y ~ x", name, fix=fixed, by="g",
        options=RegressionOptions(weight_kind="importance" if robust else "frequency"), **roles,
    )  # fmt: skip
    assert len(fits) == len(parts)
    for fit, rows in zip(fits, parts, strict=True):
        assert fit.converged, fit.warnings
        assert fit.n == rows.y.size
        weight = np.ones(rows.y.size) if rows.weight is None else rows.weight
        problem = Problem(lambda theta, rows=rows: rows.nll(LAWS[name](*parameters(theta, rows.others[0]))), weight)
        plain = np.array([column == "" for _, column in fit.terms])
        forward = [links[p][0] if column == "" else np.array for p, column in fit.terms]
        theta = np.array([link(value) for link, value in zip(forward, fit.coefficients, strict=True)], dtype=float)
        assert float(problem.value(theta)[0]) == pytest.approx(fit.nll, rel=1e-9, abs=1e-9)
        every = np.ones(theta.size, dtype=bool)
        covariance = at_maximum(problem, theta, begin, fit.nll, every, robust)
        slope = np.where(plain, fit.coefficients, 1.0)  # plain parameters here all have a log link
        np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), slope * np.sqrt(np.diag(covariance)), rtol=1e-4)
