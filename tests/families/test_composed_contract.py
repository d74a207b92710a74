"""The contract of a family, kept by those that are made of others or of a formula."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.families.density import Density
from mlefit.families.truncated import Truncated
from mlefit.testing import check_family


@pytest.mark.parametrize(
    "name",
    ["mixture:normal*2", "mixture:normal*3", "mixture:poisson*2", "mixture:gamma+lognormal", "scipy:gumbel_r",
     "scipy:gamma", "hurdle:gamma", "hurdle:normal", "zero-inflated:beta", "hurdle:lognormal", "hurdle:exponential",
     "hurdle:mixture:gamma*2"],
)  # fmt: skip
def test_by_name(name):
    check_family(registry.get(name))


def test_formulas():
    check_family(Density("log(rate) - rate*y", ["rate>0"]))
    check_family(Density("-(y - mu)**2/(2*s**2) - log(s) - log(2*pi)/2", ["mu", "s>0"]))


@pytest.mark.parametrize("name", ["weibull", "normal", "logistic", "exponential", "gamma", "poisson"])
def test_scores_of_one_row_each_or_of_many_models_at_once(name):
    """(k, n) and (k, P, 1) scores give what (k, 1) gives, censored and truncated."""
    family = registry.get(name)
    theta = {"exponential": [0.5], "poisson": [3.0]}.get(name, [1.5, 2.0])
    eta = family.forward(np.array(theta)[:, None])
    y = np.array([[1.0, 2.0, -np.inf, 1.0, 3.0], [1.0, np.inf, 3.0, 4.0, 3.0]])
    limits = np.array([[-np.inf, 1.0, 1.0, -np.inf, 2.0], [np.inf, 9.0, np.inf, 6.0, np.inf]])
    for wrapped, rows in ((Censored(family), y), (Truncated(Censored(family)), np.concatenate([y, limits]))):
        plain = wrapped.derivatives(rows, eta)
        spread = wrapped.derivatives(rows, np.repeat(eta, 5, axis=1))
        many = wrapped.derivatives(rows, np.stack([eta, eta + 0.1, eta], axis=1))
        np.testing.assert_allclose(wrapped.nll(rows, eta), plain[0], rtol=1e-12)
        for one, other, models in zip(plain, spread, many, strict=True):
            np.testing.assert_allclose(np.broadcast_to(one, other.shape), other, rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(models[..., 2, :], np.broadcast_to(one, other.shape), rtol=1e-9, atol=1e-10)
