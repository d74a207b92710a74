"""Links are inverses of themselves, stay in their domain and have the derivatives they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlefit.families.links import BOUND, expit, identity, log, logit, softplus

LINKS = [identity, log, logit]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
@given(score=st.floats(-30, 30))
def test_round_trip(link, score):
    theta = link.inverse(np.array(score))
    assert link.lower < theta or score < -700
    assert theta <= link.upper
    # 1 - p has lost its digits where p is near 1.
    tolerance = 1e-12 * max(1, abs(score)) + (4e-16 * np.exp(max(score, 0)) if link is logit else 0)
    assert abs(link.forward(theta) - score) <= tolerance


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
@given(score=st.floats(-8, 8))
def test_derivatives(link, score):
    h = 1e-3
    f = [link.inverse(np.array(score + k * h)) for k in (-2, -1, 0, 1, 2)]
    first = (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h)
    second = (-f[0] + 16 * f[1] - 30 * f[2] + 16 * f[3] - f[4]) / (12 * h * h)
    scale = max(1.0, abs(float(f[2])))
    assert abs(link.derivative(np.array(score)) - first) < 1e-9 * scale
    assert abs(link.curvature(np.array(score)) - second) < 1e-7 * scale


@pytest.mark.parametrize(("link", "theta"), [(log, 0.0), (logit, 0.0), (logit, 1.0), (log, np.inf)])
def test_a_boundary_is_a_score_at_its_bound(link, theta):
    assert abs(link.forward(np.array(theta))) == BOUND


@pytest.mark.parametrize("score", [-745.0, -BOUND, -40.0, 0.0, 40.0, BOUND, 745.0])
def test_logistic_functions_at_extremes(score):
    p, q = expit(np.array(score)), expit(np.array(-score))
    assert p + q == 1
    assert min(p, q) == pytest.approx(np.exp(-abs(score)) / (1 + np.exp(-abs(score))), rel=1e-14)
    assert softplus(np.array(score)) == pytest.approx(max(score, 0) + np.log1p(np.exp(-abs(score))), rel=1e-14)
