"""Derivatives that are rounding error, or differences across an edge, are not believed against the likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlefit.families import registry
from mlefit.families.base import Family, Parameter
from mlefit.families.links import log
from mlefit.inference.certificate import certify
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample
from mlefit.solvers.solution import Solution, Sums


class Flat(Family):
    name = "flat"
    parameters = (Parameter("b", log),)

    def nll(self, y, eta):
        return np.zeros(y.shape)


class Decline:
    """nll = 20 exp(-side x), which falls to 0 as x goes to that side."""

    def __init__(self, side):
        self.side = side

    def value(self, theta, which):
        return 20 * np.exp(-self.side * theta[:, 0])

    def sums(self, theta, which):
        value = self.value(theta, which)
        return Sums(value, -self.side * value[:, None], value[:, None, None])


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("step", [1.0, -1.0])
def test_a_parameter_runs_off_to_where_the_likelihood_does_not_fall(side, step):
    """Far out on the plain the derivatives are rounding error, and their step points anywhere."""
    target = Decline(side)
    theta = np.array([[side * 9.0]])
    noise = Sums(target.value(theta, np.arange(1)), np.array([[-step * 1e-7]]), np.array([[[1e-7]]]))
    solution = Solution(theta, noise, np.array([3e-4]), np.array([20]), "newton")
    verdict = certify(
        Flat(), solution, weight=np.array([50.0]), scale=np.ones(1), constant=np.array([False]),
        counts=np.array([50]), objective=target,
    )  # fmt: skip
    assert verdict.edge.tolist() == [[side]]
    assert ("b runs off to infinity" if side > 0 else "b = 0 lies on the boundary") in verdict.warnings[0][0]
    assert verdict.converged[0] == (side < 0)


def test_a_fit_that_was_stopped_by_overflow_has_not_converged():
    """Scipy's 2**(a + b - 1) is none from a + b = 1025 on; differences across that edge say that a is known to 0.03."""
    y = np.sort(stats.jf_skew_t.rvs(8, 4, loc=2, scale=3, size=60, random_state=np.random.default_rng(12)))
    family = registry.get("scipy:jf_skew_t")
    fit = fit_sample(family, Sample(y))[0]
    assert sum(fit.theta[:2]) == pytest.approx(1025, abs=0.1)
    assert not fit.converged
    fewer = fit_sample(family.pin({"a": 8.0}), Sample(y))[0]
    assert fewer.converged
    assert fewer.log_likelihood < fit.log_likelihood
