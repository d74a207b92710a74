"""The continuous families that scipy.stats can fit too, and each program's fit timed in a new process.

New, because mlefit has the C library keep freed memory, which makes the temporaries of whatever runs after it cheaper.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from math import inf

import numpy as np
from beside import Cost
from scipy import stats

import mlefit
from mlefit.families import registry

# Family -> its parameters in the simulation, scipy's distribution, and what scipy's fit holds fixed.
ZERO = {"floc": 0}
PEERS = {
    "normal": ((10, 2), stats.norm, {}),
    "lognormal": ((1, 0.5), stats.lognorm, ZERO),
    "exponential": ((2,), stats.expon, ZERO),
    "uniform": ((2, 5), stats.uniform, {}),
    "laplace": ((1, 2), stats.laplace, {}),
    "rayleigh": ((2,), stats.rayleigh, ZERO),
    "half-normal": ((2,), stats.halfnorm, ZERO),
    "maxwell": ((2,), stats.maxwell, ZERO),
    "pareto": ((2, 3), stats.pareto, ZERO),
    "gamma": ((3, 2), stats.gamma, ZERO),
    "inverse-gamma": ((4, 3), stats.invgamma, ZERO),
    "weibull": ((1.7, 3), stats.weibull_min, ZERO),
    "loglogistic": ((3, 2), stats.fisk, ZERO),
    "inverse-gaussian": ((2, 3), stats.invgauss, ZERO),
    "beta": ((2, 3), stats.beta, {"floc": 0, "fscale": 1}),
    "student-t": ((4, 1, 2), stats.t, {}),
    "cauchy": ((1, 2), stats.cauchy, {}),
    "logistic": ((1, 2), stats.logistic, {}),
    "gumbel": ((1, 2), stats.gumbel_r, {}),
    "gev": ((1, 2, 0.1), stats.genextreme, {}),
    "generalized-pareto": ((2, 0.2), stats.genpareto, ZERO),
    "skew-normal": ((1, 2, 3), stats.skewnorm, {}),
    "gompertz": ((0.5, 0.3), stats.gompertz, ZERO),
    "chi-squared": ((5,), stats.chi2, {"floc": 0, "fscale": 1}),
    "lomax": ((3, 2), stats.lomax, ZERO),
    "burr12": ((2, 3, 2), stats.burr12, ZERO),
    "von-mises": ((1, 2), stats.vonmises, {"fscale": 1}),
}
EXACT = {"laplace", "pareto"}  # the start is the estimate


def simulated(name, n, seed=0):
    family = registry.get(name)
    eta = family.forward(np.array(PEERS[name][0], dtype=float)[:, None])
    return family.sample(np.random.default_rng([seed, *name.encode()]), eta, n)


def scipy_fit(name, y, free=False):
    """The parameters that scipy's fit finds, `free` of what is held otherwise; None where it gives up."""
    _, distribution, held = PEERS[name]
    try:
        return distribution.fit(y, **({} if free else held))
    except Exception:  # whatever a peer may raise is its answer
        return None


def mlefit_alone(name, n, runs):
    """The least cost of a few fits, whether there is a closed form, and the log-likelihood."""
    y, costs = simulated(name, n), []
    mlefit.fit(y[:500], name)
    for _ in range(runs):
        cpu, wall = time.process_time(), time.perf_counter()
        fit = mlefit.fit(y, name)
        costs.append(Cost(time.process_time() - cpu, time.perf_counter() - wall))
    return min(costs), fit.solver != "newton" or name in EXACT, fit.log_likelihood


def scipy_alone(name, n, free=False):
    """The cost of one fit and the log-likelihood it reaches."""
    warnings.simplefilter("ignore")
    y = simulated(name, n)
    scipy_fit(name, y[:500], free)
    cpu, wall = time.process_time(), time.perf_counter()
    theta = scipy_fit(name, y, free)
    cost = Cost(time.process_time() - cpu, time.perf_counter() - wall)
    return cost, -inf if theta is None else float(PEERS[name][1].logpdf(y, *theta).sum())


@contextmanager
def fresh_processes() -> Iterator[ProcessPoolExecutor]:
    """Each call submitted runs in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        yield pool
