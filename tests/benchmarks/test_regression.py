"""Four generalized linear models of 100,000 rows and 20 columns beside R's glm and statsmodels.

    pytest -m benchmark -s tests/benchmarks/test_regression.py

prints one table. R and statsmodels are left out where they are not installed. Every program gets the same numbers in
memory; what is timed is the fit with its standard errors, the best of the rounds, the programs in turn.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from importlib.util import find_spec

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from mlefit.families import registry
from mlefit.families.reparameterised import modelled
from mlefit.inference.regression import Block, fit_regression

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]

N, P, ROUNDS = 100_000, 20, 3
FAMILIES = {"poisson": "poisson", "bernoulli": "binomial", "normal": "gaussian", "gamma": "Gamma(log)"}

R = """
x <- matrix(readBin("{folder}/x", "double", {n} * {p}), {n}); colnames(x) <- c("Intercept", paste0("x", 1:{last}))
families <- list(poisson = poisson(), bernoulli = binomial(), normal = gaussian(), gamma = Gamma("log"))
y <- readBin("{folder}/{name}", "double", {n})
best <- Inf
for (i in 1:2) best <- min(best, system.time({{
  fit <- glm.fit(x, y, family = families$`{name}`); error <- summary.glm(fit)$coefficients[, 2] }})[["elapsed"]])
cat(best, sprintf("%.15g", coef(fit)[2]))
"""


def data():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(N), rng.standard_normal((N, P - 1))])
    eta = x @ np.r_[0.5, rng.standard_normal(P - 1) * 0.1]
    return x, {
        "poisson": rng.poisson(np.exp(eta)).astype(float),
        "bernoulli": (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(float),
        "normal": eta + rng.standard_normal(N),
        "gamma": rng.gamma(2.0, np.exp(eta) / 2),
    }


def ours(name, x, y):
    family = modelled(registry.get(name))
    names = ("Intercept", *(f"x{i}" for i in range(1, P)))
    first, *rest = family.names
    plain = [Block(other, (other,), np.ones((N, 1)), plain=True) for other in rest]
    fit = fit_regression(family, y, [Block(first, names, x), *plain])
    return fit.coefficients[1]


def statsmodels(name, x, y):
    import statsmodels.api as sm

    families = {
        "poisson": sm.families.Poisson(),
        "bernoulli": sm.families.Binomial(),
        "normal": sm.families.Gaussian(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
    }
    fit = sm.GLM(y, x, family=families[name]).fit()
    assert fit.bse.size == P
    return fit.params[1]


def timed(function, *arguments):
    begin = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - begin, result


def in_r(folder, name):
    """Best of two within R, and a coefficient."""
    script = R.format(folder=folder, n=N, p=P, last=P - 1, name=name)
    out = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout
    return [float(word) for word in out.split()]


def test_no_slower_than_glm_and_statsmodels(tmp_path):
    x, ys = data()
    peers = {"statsmodels": statsmodels} if find_spec("statsmodels") else {}
    with_r = shutil.which("Rscript") is not None
    for name, values in {"x": x.T.ravel(), **ys}.items():
        values.tofile(tmp_path / name)
    printed = Table("glm", "mlefit, s", *(f"{p}, s" for p in peers), *(["R, s"] if with_r else []), "ratios")
    slow = []
    for name, title in FAMILIES.items():
        best = dict.fromkeys(["mlefit", *peers], np.inf)
        found = {}
        for _ in range(ROUNDS):
            for program, function in {"mlefit": ours, **peers}.items():
                seconds, found[program] = timed(function, name, x, ys[name])
                best[program] = min(best[program], seconds)
            if with_r:
                seconds, found["R"] = in_r(tmp_path, name)
                best["R"] = min(best.get("R", np.inf), seconds)
        for program, value in found.items():
            assert value == pytest.approx(found["mlefit"], rel=1e-5), program
        ratios = {program: seconds / best["mlefit"] for program, seconds in best.items() if program != "mlefit"}
        printed.add_row(
            title, *(f"{s:.3f}" for s in best.values()), ", ".join(f"{r:.1f} x {p}" for p, r in ratios.items())
        )
        slow += [f"{title}: {r:.2f} of {p}" for p, r in ratios.items() if r < 1]
    Console(width=110).print(printed)
    assert not slow


# -- groups ----------------------------------------------------------------------------------------------------------

GROUPS, ROWS = 2_000, 50
IN_R = """
d <- read.csv("{path}")
t <- system.time(f <- by(d, d$k, function(p) summary(glm(y ~ a + b + c, poisson, p))$coefficients))
cat(t[["user.self"]] + t[["sys.self"]], sprintf("%.15g", f[[2]][2, 1]))
"""


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_groups_beside_r(tmp_path):
    """2,000 poisson regressions of 50 rows on three columns, in processor seconds; R has read the file already."""
    import mlefit

    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, GROUPS * ROWS))
    data = {"y": rng.poisson(np.exp(0.5 + 0.3 * a - 0.2 * b + 0.1 * c)), "a": a, "b": b, "c": c}
    data["k"] = np.repeat(np.arange(GROUPS) + 10_000, ROWS)
    path = tmp_path / "groups.csv"
    np.savetxt(path, np.column_stack(list(data.values())), "%.17g", ",", header=",".join(data), comments="")
    mlefit.regress({k: v[:100] for k, v in data.items()}, "y ~ a + b + c", "poisson", by="k")
    best, peer = np.inf, np.inf
    for _ in range(2):
        begin = time.process_time()
        fits = mlefit.regress(path, "y ~ a + b + c", "poisson", by="k")
        best = min(best, time.process_time() - begin)
        out = subprocess.run(["Rscript", "-e", IN_R.format(path=path)], capture_output=True, text=True, check=True)
        seconds, coefficient = map(float, out.stdout.split())
        peer = min(peer, seconds)
    assert len(fits) == GROUPS
    assert fits[1].coefficients[1] == pytest.approx(coefficient, rel=1e-5)
    Console(width=110).print(
        f"{GROUPS} groups: mlefit {best:.2f} s, R's by() and glm {peer:.2f} s: {peer / best:.1f} x"
    )
    assert peer > best
