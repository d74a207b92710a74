"""Bootstrap and comparison beside R's fitdistrplus and the package fitter; how often limits cover the truth.

    pytest -m benchmark -s tests/benchmarks/test_comparing.py

prints the tables. Peers that are not there are skipped: the package `fitter` runs under the Python named by the
environment variable FITTER_PYTHON, or this one, its command is looked for on the path or in FITTER; fitdistrplus runs
through Rscript.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from statistics import median

import numpy as np
import pytest
from beside import processes_in_turn, show

from mlefit.families import registry
from mlefit.inference import bootstrap as b
from mlefit.inference.compare import Plan, compare_sample
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]

FITTER_PYTHON = os.environ.get("FITTER_PYTHON", sys.executable)
FITTER = os.environ.get("FITTER") or shutil.which("fitter")
AGAIN = 8  # comparisons of ours, of which fitter does one in the same time
BOOTDIST = """
suppressMessages(library(fitdistrplus)); y <- scan(commandArgs(TRUE)[1], quiet = TRUE); f <- fitdist(y, "gamma")
set.seed(1); t <- system.time(b <- bootdist(f, bootmethod = commandArgs(TRUE)[2], niter = 1000))[["elapsed"]]
cat(t, apply(b$estim, 2, sd), "\\n")
"""
FIT = """
import logging, os, sys, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import numpy as np
from fitter import Fitter
names, y = sys.argv[2].split(","), np.loadtxt(sys.argv[1], skiprows=1)
begin = os.times()
found = Fitter(y, distributions=names, timeout=120)
found.fit(progress=False, max_workers=1)
print(sum(os.times()[:4]) - sum(begin[:4]), len(found.fitted_param))
print(found.summary(plot=False))
"""
# mlefit's name -> scipy's, for positive values.
SAME = {
    "normal": "norm", "student-t": "t", "cauchy": "cauchy", "laplace": "laplace", "logistic": "logistic",
    "gumbel": "gumbel_r", "gev": "genextreme", "skew-normal": "skewnorm", "exponential": "expon",
    "gompertz": "gompertz", "gamma": "gamma", "inverse-gamma": "invgamma", "weibull": "weibull_min",
    "lognormal": "lognorm", "loglogistic": "fisk", "inverse-gaussian": "invgauss", "uniform": "uniform",
    "rayleigh": "rayleigh", "half-normal": "halfnorm", "maxwell": "maxwell", "chi-squared": "chi2",
    "pareto": "pareto", "lomax": "lomax", "burr12": "burr12", "generalized-pareto": "genpareto",
}  # fmt: skip
# Family -> parameters whose limits are checked for coverage.
COVERED = {
    "exponential": (2.0,), "normal": (1.0, 2.0), "gamma": (2.0, 1.0), "weibull": (1.5, 3.0), "lognormal": (0.0, 0.7),
    "logistic": (1.0, 2.0), "gumbel": (1.0, 2.0), "poisson": (3.0,), "negative-binomial": (4.0, 2.0),
    "geometric": (0.3,), "beta": (2.0, 3.0), "inverse-gaussian": (2.0, 3.0), "rayleigh": (2.0,),
}  # fmt: skip


def timed(call, runs=5):
    """The least wall-clock time of a few runs, and the last result."""
    best, result = np.inf, None
    for _ in range(runs):
        begin = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - begin)
    return best, result


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not there")
def test_bootstrap_of_gamma_beside_bootdist(tmp_path):
    y = np.random.default_rng(1).gamma(2.0, size=500)
    np.savetxt(tmp_path / "y.txt", y)
    (tmp_path / "b.R").write_text(BOOTDIST)
    sample = Sample(y)
    fit = fit_sample(registry.get("gamma"), sample)[0]
    lines, ratios = [], []
    for kind, method in (("nonparametric", "nonparam"), ("parametric", "param")):
        command = ["Rscript", tmp_path / "b.R", tmp_path / "y.txt", method]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.skip("fitdistrplus is not there")
        theirs, *spread = map(float, ran.stdout.split())
        plan = b.Plan(1000, 1, kind)
        ours, found = timed(lambda plan=plan: b.with_limits(fit, b.bootstrap(fit, sample, plan)))
        errors = b.bootstrap(fit, sample, plan).theta.std(axis=0)
        np.testing.assert_allclose(errors, spread, rtol=0.15)
        assert found.interval_method == "bootstrap"
        lines.append((kind, ours, theirs, theirs / ours, *errors, *spread))
        ratios.append(theirs / ours)
    header = ("gamma, n = 500, 1,000 replicates", "mlefit s", "bootdist s", "ratio", "se", "se", "R se", "R se")
    show("Bootstrap, BCa limits included", header, lines)
    assert min(ratios) > 100


def test_comparison_of_all_families_beside_fitter(tmp_path):
    """In process, both warm and timed in turn; from the shell to the table; and beside fitter's own command.

    That command draws a picture whether it is wanted or not.
    """
    y = np.random.default_rng(2).gamma(2.5, 1.3, size=10_000)
    np.savetxt(tmp_path / "y.csv", y, header="y", comments="")
    theirs = [FITTER_PYTHON, "-c", FIT, str(tmp_path / "y.csv"), ",".join(SAME.values())]
    if subprocess.run([FITTER_PYTHON, "-c", "import fitter"], capture_output=True, check=False).returncode:
        pytest.skip("fitter is not there")
    families = [registry.get(name) for name in SAME]
    pairs = []
    for _ in range(4):
        begin = time.process_time()
        for _ in range(AGAIN):
            found = compare_sample(families, Sample(y), Plan(replicates=0))
        own = (time.process_time() - begin) / AGAIN
        ran = subprocess.run(theirs, capture_output=True, text=True, check=True)
        pairs.append((own, *map(float, ran.stdout.split()[:2])))
    warm = pairs[1:]  # ours loads scipy.special in the first
    mine = sum(entry.fit is not None for entry in found[0].entries)
    assert found[0].best.family.name == "gamma"
    inside = median(b / a for a, b, _ in warm)
    ours = [sys.executable, "-m", "mlefit", "compare", theirs[3], "-d", ",".join(SAME), "--replicates", "0"]
    one, two, whole = processes_in_turn(ours, theirs, 3)
    header = ("10,000 rows, 25 families", "mlefit s", "fitter s", "ratio", "mlefit fitted", "fitter fitted")
    middle = [median(values) for values in zip(*warm, strict=True)]
    lines = [
        ("in process: mlefit also tests and judges", middle[0], middle[1], inside, mine, int(middle[2])),
        (f"whole process: {one.peak:.0f} MB and {two.peak:.0f} MB", one.cpu, two.cpu, whole, mine, int(middle[2])),
    ]
    beside = np.inf
    if FITTER:
        bare = tmp_path / "bare.csv"  # it reads no header
        bare.write_text((tmp_path / "y.csv").read_text().partition("\n")[2])
        command = [FITTER, "fitdist", str(bare), "--distributions", ",".join(SAME.values()), "--no-progress"]
        one, two, beside = processes_in_turn(ours, command, 3, tmp_path)
        lines += [
            (f"both commands: {one.peak:.0f} MB and {two.peak:.0f} MB", one.cpu, two.cpu, beside, mine, "and a plot"),
            ("both commands, wall clock", one.wall, two.wall, two.wall / one.wall, mine, "and a plot"),
        ]
    show("compare", header, lines)
    assert inside > 10
    assert beside > 10
    assert whole > 4  # half of ours is importing numpy, scipy.special and typer


@pytest.mark.slow
def test_coverage_of_limits():
    """Share of samples whose 95 % limits hold the truth. The bootstrap's are of fewer samples, 400 replicates each."""
    n, runs, bootstrapped = 50, 1000, 200
    lines = []
    for name, theta in COVERED.items():
        family, generator = registry.get(name), np.random.default_rng(7)
        truth = np.array(theta)
        eta = family.forward(truth[:, None])
        y = np.asarray(family.sample(generator, eta, runs * n), dtype=float)
        sample = Sample.of(y, None, np.repeat(np.arange(runs), n), runs)
        share = {}
        for method in ("wald", "profile"):
            fits = fit_sample(family, sample, Options(interval=method))
            share[method] = held(fits, truth)
        for limits in ("bca", "percentile"):
            plan = b.Plan(400, 1, limits=limits)
            rows = [sample.take(np.array([g])) for g in range(bootstrapped)]
            fits = fit_sample(family, sample.take(np.arange(bootstrapped)), Options(interval="none"))
            share[limits] = held(
                [b.with_limits(f, b.bootstrap(f, s, plan)) for f, s in zip(fits, rows, strict=True)], truth
            )
        for j, parameter in enumerate(family.names):
            lines.append((f"{name} {parameter} = {truth[j]:g}", *(float(share[m][j]) for m in share)))
            assert 0.91 < share["wald"][j] < 0.98
            assert 0.92 < share["profile"][j] < 0.98
            assert share["bca"][j] > 0.84
    header = (f"n = {n}", "Wald", "profile", "BCa", "percentile")
    show(f"Coverage of 95 % limits; {runs} samples, {bootstrapped} for the bootstrap", header, lines)


def held(fits, truth):
    """How often each parameter's limits hold its true value, (K,)."""
    return np.mean([(f.lower <= truth) & (truth <= f.upper) for f in fits if f.converged], axis=0)
