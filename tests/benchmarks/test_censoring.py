"""Censored and truncated fits of 100,000 rows beside R's survreg and scipy's fit of `CensoredData`.

    pytest -m benchmark -s tests/benchmarks/test_censoring.py

prints two tables. Every program gets the same numbers in memory. R is timed inside R, by `system.time` around its own
fit; each figure is the least processor time of a few runs, the programs in turn. R is left out where it is not there.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from math import inf, nan

import numpy as np
import pytest
from beside import show
from scipy import stats

import mlefit
from mlefit.families import registry
from mlefit.families.censored import Censored

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]

N, COLUMNS, ROUNDS, EACH = 100_000, 5, 3, 2
# Family -> parameters of the simulation, scipy's distribution.
FAMILIES = {
    "weibull": ((1.7, 3.0), stats.weibull_min),
    "lognormal": ((1.0, 0.5), stats.lognorm),
    "loglogistic": ((3.0, 2.0), stats.fisk),
}
KINDS = ("intervals", "mixed", "right-censored", "right-censored, whole units", "delayed entry")

R = """
suppressMessages(library(survival))
m <- matrix(readBin(commandArgs(TRUE)[1], "double", 1e8), {n}); m[is.nan(m)] <- NA
d <- data.frame(lower = m[, 1], upper = m[, 2], m[, -(1:2)])
best <- Inf
for (i in 1:{each}) best <- min(best, sum(system.time(
  fit <- survreg({response} ~ {terms}, d, dist = commandArgs(TRUE)[2]))[1:2]))
cat(best, sprintf("%.10f", fit$loglik[2]), "\\n")
"""


def rows(kind, y, width, generator):
    """Lower and upper ends, (2, n), NaN where there is none; for delayed entry the value and its limit below."""
    n = y.size
    if kind.startswith("right-censored"):
        end = generator.uniform(0.3, 2.0, n) * np.median(y)
        if "whole" in kind:
            y, end = np.ceil(50 * y), np.ceil(50 * end)
        return np.stack([np.minimum(y, end), np.where(y <= end, y, nan)])
    if kind == "delayed entry":
        return np.stack([y, y * generator.random(n)])
    lower = np.maximum(y - width * generator.random(n), y / 10)
    upper = lower + width
    if kind == "mixed":  # a quarter each exact, right-censored, left-censored, between two ends
        which = generator.integers(0, 4, n)
        lower, upper = np.where(which == 0, y, lower), np.where(which == 0, y, upper)
        lower, upper = np.where(which == 2, nan, lower), np.where(which == 1, nan, upper)
    return np.stack([lower, upper])


def simulated(name, kind):
    family, generator = registry.get(name), np.random.default_rng([1, *name.encode()])
    y = family.sample(generator, family.forward(np.array(FAMILIES[name][0])[:, None]), N)
    return rows(kind, y, generator.uniform(0.1, 1.0, N), generator)


def ours(name, kind, data):
    if kind.startswith("right-censored"):
        event = (data[0] == data[1]).astype(float)
        return mlefit.fit(data[0], name, event=event)
    if kind == "delayed entry":
        return mlefit.fit(data[0], name, truncate_below=data[1])
    return mlefit.fit(data[0], name, upper=data[1])


def ends(data):
    """As mlefit's families take them: infinite where there is no end."""
    return np.stack([np.where(np.isnan(data[0]), -inf, data[0]), np.where(np.isnan(data[1]), inf, data[1])])


def in_scipy(name, data):
    """The log-likelihood of the parameters that scipy's fit finds."""
    lower, upper = ends(data)
    exact, left, right = lower == upper, lower == -inf, upper == inf
    both = ~exact & ~left & ~right
    intervals = np.stack([lower[both], upper[both]], axis=1)
    censored = stats.CensoredData(lower[exact], left=upper[left], right=lower[right], interval=intervals)
    shape, _, scale = FAMILIES[name][1].fit(censored, floc=0)
    theta = (np.log(scale), shape) if name == "lognormal" else (shape, scale)
    family = registry.get(name)
    return -float(Censored(family).nll(ends(data), family.forward(np.array(theta)[:, None])).sum())


def in_r(folder, name, response, terms="1"):
    """Least processor seconds of a few fits within R, and the log-likelihood reached."""
    script = folder / "survreg.R"
    script.write_text(R.format(n=N, each=EACH, response=response, terms=terms))
    command = ["Rscript", script, folder / "data", name]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, reached = map(float, out.split())
    return seconds, reached


def timed(call):
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


def best(call, runs=EACH):
    """The least processor time of a few runs, and the last result."""
    found = [timed(call) for _ in range(runs)]
    return min(seconds for seconds, _ in found), found[-1][1]


def in_turn(call, folder, name, response, terms="1"):
    """mlefit and R in turn: the least seconds of each, mlefit's result, R's log-likelihood."""
    mine, theirs, reached = inf, nan, nan
    for _ in range(ROUNDS):
        seconds, fit = best(call)
        mine = min(mine, seconds)
        if shutil.which("Rscript"):
            seconds, reached = in_r(folder, name, response, terms)
            theirs = float(np.fmin(theirs, seconds))
    return mine, theirs, fit, reached


def test_beside_survreg_and_scipy(tmp_path):
    table, wanted = [], []
    for name in FAMILIES:
        for kind in KINDS:
            data = simulated(name, kind)
            response = "Surv(lower, upper, type = 'interval2')"
            if kind.startswith("right-censored"):
                response = "Surv(lower, !is.na(upper))"
            data.tofile(tmp_path / "data")
            if kind == "delayed entry":  # neither of the two knows it
                mine, fit = best(lambda name=name, kind=kind, data=data: ours(name, kind, data))
                table.append([f"{name}, {kind}", mine, "", "", "", "", f"{fit.log_likelihood:.6f}", "", ""])
                continue
            mine, theirs, fit, reached = in_turn(
                lambda name=name, kind=kind, data=data: ours(name, kind, data), tmp_path, name, response
            )
            scipy, other = timed(lambda name=name, data=data: in_scipy(name, data))
            table.append(
                [f"{name}, {kind}", mine, theirs, theirs / mine, scipy, scipy / mine,
                 f"{fit.log_likelihood:.6f}", f"{reached:.6f}", f"{other:.6f}"]
            )  # fmt: skip
            assert fit.converged
            for found in (reached, other):
                assert np.isnan(found) or fit.log_likelihood >= found - 1e-9 * abs(found)
            if name == "weibull" and kind in ("intervals", "mixed"):
                wanted += [theirs / mine, scipy / mine]
            else:
                assert scipy / mine > 4
                assert np.isnan(theirs) or theirs / mine > 2
    header = ("100,000 rows", "mlefit s", "survreg s", "ratio", "scipy s", "ratio", "log-likelihood", "R's", "scipy's")
    show("Censored and truncated fits, processor time (wanted of weibull's intervals: 10 and 10)", header, table)
    assert np.nanmin(wanted) >= 10


def test_regression_beside_survreg(tmp_path):
    """Accelerated failure times, five columns."""
    table = []
    for name in FAMILIES:
        family, generator = registry.get(name), np.random.default_rng([2, *name.encode()])
        x = generator.standard_normal((COLUMNS, N))
        y = family.sample(generator, family.forward(np.array(FAMILIES[name][0])[:, None]), N)
        y *= np.exp(np.array([0.3, -0.2, 0.1, 0.0, 0.5]) @ x)
        for kind in ("intervals", "mixed", "right-censored"):
            lower, upper = rows(kind, y, y * generator.uniform(0.1, 0.8, N), generator)
            np.stack([lower, upper, *x]).tofile(tmp_path / "data")
            columns = {"lower": lower, "upper": upper, **{f"x{i}": column for i, column in enumerate(x)}}
            terms = " + ".join(f"x{i}" for i in range(COLUMNS))
            r_terms = " + ".join(f"X{i + 1}" for i in range(COLUMNS))
            response = "Surv(lower, upper, type = 'interval2')"
            left, roles = "", {"lower": "lower", "upper": "upper"}
            if kind == "right-censored":
                columns["event"] = (~np.isnan(upper)).astype(float)
                response, left, roles = "Surv(lower, !is.na(upper))", "lower ", {"event": "event"}
            mine, theirs, fit, reached = in_turn(
                lambda columns=columns, name=name, left=left, terms=terms, roles=roles: mlefit.regress(
                    columns, f"{left}~ {terms}", name, **roles
                ),
                tmp_path, name, response, r_terms,
            )  # fmt: skip
            table.append(
                [f"{name}, {kind}", mine, theirs, theirs / mine, f"{fit.log_likelihood:.6f}", f"{reached:.6f}"]
            )
            assert np.isnan(reached) or fit.log_likelihood >= reached - 1e-9 * abs(reached)
    header = ("100,000 rows, five columns", "mlefit s", "survreg s", "ratio", "log-likelihood", "survreg's")
    show("regress with censored rows, processor time", header, table)
