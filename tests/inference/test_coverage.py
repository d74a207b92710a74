"""Recovery and coverage: each family simulated many times, and the limits cover the truth as often as they say.

The replicates are the groups of one sample, so a family is one batch. Run with `pytest -m slow`.
"""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.families import registry
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

pytestmark = pytest.mark.slow

REPLICATES, ROWS = 6000, 400
# Shapes of tails whose estimates are near normal only with more rows.
MORE = {"student-t": 3000, "lomax": 3000}
# Parameters at which the estimates are near normal with this many rows.
TRUTH = {
    "bernoulli": (0.4,), "binomial": (0.4,), "geometric": (0.4,), "poisson": (3,), "negative-binomial": (5, 2),
    "zero-inflated-poisson": (3, 0.3), "zero-inflated-negative-binomial": (5, 3, 0.3), "normal": (1, 2),
    "student-t": (4, 1, 2), "cauchy": (1, 2), "logistic": (1, 2), "gumbel": (1, 2), "gev": (1, 2, 0.1),
    "generalized-pareto": (2, 0.2), "skew-normal": (1, 2, 4), "exponential": (2,), "gompertz": (0.5, 0.5),
    "gamma": (3, 2), "inverse-gamma": (4, 3), "weibull": (1.7, 3), "lognormal": (1, 0.5), "loglogistic": (3, 2),
    "inverse-gaussian": (2, 3), "beta": (2, 3), "kumaraswamy": (2, 3), "rayleigh": (2,), "half-normal": (2,),
    "maxwell": (2,), "chi-squared": (5,), "lomax": (3, 2), "burr12": (2, 3, 2), "von-mises": (1, 2),
    "beta-binomial": (2, 3),
}  # fmt: skip
# Endpoints, kinks and labels have no Wald limits of the ordinary kind; tests of their own are in tests/families.
APART = {"categorical", "discrete-uniform", "laplace", "uniform", "pareto"}


def simulated(name, replicates):
    family, rows = registry.get(name), MORE.get(name, ROWS)
    if len(family.columns) > 1:
        family = family.given(np.array(12.0)) if name == "beta-binomial" else family.given(np.full(1, 12.0))
    eta = family.forward(np.array(TRUTH[name], dtype=float)[:, None])
    y = family.sample(np.random.default_rng([3, *name.encode()]), eta, replicates * rows)
    if y.ndim == 2:
        y = np.stack([y[0], np.full(y.shape[-1], 12.0)])
    return Sample.of(y, None, np.repeat(np.arange(replicates), rows))


def test_every_family_is_here():
    assert set(TRUTH) | APART == set(registry.BUILT_IN)


@pytest.mark.parametrize(
    ("name", "method", "replicates"),
    [(name, "wald", REPLICATES) for name in TRUTH]
    + [(name, "profile", 2000) for name in ("gamma", "weibull", "negative-binomial", "poisson")],
)
def test_limits_cover_the_truth(name, method, replicates):
    """95 % limits miss 5 % of the time, within four Monte-Carlo errors (1.1 points) and half a point for 400 rows."""
    fits = fit_sample(registry.get(name), simulated(name, replicates), Options(interval=method))
    usable = [fit for fit in fits if fit.converged]
    assert len(usable) >= 0.98 * replicates
    for j, truth in enumerate(TRUTH[name]):
        estimates = np.array([fit.theta[j] for fit in usable])
        errors = np.sqrt([fit.covariance[j, j] for fit in usable])
        inside = np.array([fit.lower[j] <= truth <= fit.upper[j] for fit in usable])
        noise = np.sqrt(0.05 * 0.95 / len(usable))
        assert abs(inside.mean() - 0.95) <= 4 * noise + 0.005, (registry.get(name).names[j], inside.mean())
        middle = np.nanmedian(estimates)
        typical = np.nanmedian(errors)
        assert abs(middle - truth) <= 5 * typical / np.sqrt(len(usable)) + 0.1 * typical
