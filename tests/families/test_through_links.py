"""One link's score as another's, with derivatives, against 50 digits; ordered labels against their probabilities."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from mlefit.families.links import cloglog, identity, inverse, log, logit, probit
from mlefit.families.ordinal import Ordinal, OrdinalCloglog, OrdinalProbit

PAIRS = {
    ("probit", "logit"): (probit, logit, lambda z: mp.log(mp.ncdf(z)) - mp.log(mp.ncdf(-z))),
    ("cloglog", "logit"): (cloglog, logit, lambda z: mp.log(mp.expm1(mp.exp(z)))),
    ("identity", "log"): (identity, log, mp.log),
    ("inverse", "log"): (inverse, log, lambda z: -mp.log(z)),
    ("log", "logit"): (log, logit, lambda z: z - mp.log(-mp.expm1(z))),
    ("identity", "logit"): (identity, logit, lambda z: mp.log(z) - mp.log(1 - z)),
}
SCORES = {
    ("probit", "logit"): [-30.0, -8.0, -1.5, 0.0, 0.3, 6.0, 25.0],
    ("cloglog", "logit"): [-40.0, -12.0, -9.0, -1.0, 0.0, 1.2, 4.0],
    ("identity", "log"): [1e-8, 0.3, 5.0, 1e9],
    ("inverse", "log"): [1e-8, 0.3, 5.0, 1e9],
    ("log", "logit"): [-20.0, -3.0, -0.1],
    ("identity", "logit"): [1e-6, 0.2, 0.5, 0.9],
}


@pytest.mark.parametrize(("pair", "score"), [(pair, z) for pair, scores in SCORES.items() for z in scores])
def test_scores_through_links(pair, score):
    link, native, function = PAIRS[pair]
    with mp.workdps(50):
        expected = [float(mp.diff(function, mp.mpf(score), k)) for k in range(3)]
    found = link.through(native, np.array([score]))
    for value, truth in zip(found, expected, strict=True):
        assert value[0] == pytest.approx(truth, rel=1e-9, abs=1e-12 * max(map(abs, expected)))


@pytest.mark.parametrize("link", [probit, cloglog, inverse], ids=lambda link: link.name)
def test_links_have_the_derivatives_they_claim(link):
    eta, h = np.array([-1.3, -0.4, 0.7, 1.1]), 1e-4
    np.testing.assert_allclose(link.forward(link.inverse(eta)), eta, rtol=1e-12)
    first = (link.inverse(eta + h) - link.inverse(eta - h)) / (2 * h)
    second = (link.derivative(eta + h) - link.derivative(eta - h)) / (2 * h)
    np.testing.assert_allclose(link.derivative(eta), first, rtol=1e-6)
    np.testing.assert_allclose(link.curvature(eta), second, rtol=1e-6)


@pytest.mark.parametrize("kind", [Ordinal, OrdinalProbit, OrdinalCloglog])
def test_ordered_labels(kind):
    """Probabilities sum to one, the derivatives are those of the NLL, and cuts out of order are impossible."""
    family = kind(("low", "mid", "high", "top"))
    eta = np.array([[0.3, -2.0, 9.0], [-1.0, -0.5, 2.0], [0.4, 0.1, 2.5], [1.5, 3.0, 4.0]])
    np.testing.assert_allclose(family.probabilities(eta).sum(axis=0), 1, rtol=1e-12)
    h = 1e-5
    for code in range(4):
        y = np.full(3, float(code))
        for j in range(4):
            up, down = eta.copy(), eta.copy()
            up[j] += h
            down[j] -= h
            slope = (family.nll(y, up) - family.nll(y, down)) / (2 * h)
            np.testing.assert_allclose(family.gradient(y, eta)[j], slope, rtol=1e-5, atol=1e-7)
            curve = (family.gradient(y, up) - family.gradient(y, down)) / (2 * h)
            np.testing.assert_allclose(family.hessian(y, eta)[j], curve, rtol=1e-5, atol=1e-6)
    wrong = eta.copy()
    wrong[1] = wrong[2] + 1
    assert np.isinf(family.nll(np.ones(3), wrong)).all()
    np.testing.assert_allclose(
        family.sample(np.random.default_rng(0), eta[:, :1], 20_000).mean(), family.mean(eta)[0], atol=0.03
    )
