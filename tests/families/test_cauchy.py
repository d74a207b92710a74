"""The Cauchy likelihood with its scale held has several modes; the highest is found."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.families.cauchy import Cauchy
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample


@pytest.mark.parametrize(("low", "high"), [(4, 5), (5, 4), (3, 4), (6, 3)])
def test_highest_mode_with_the_scale_held(low, high):
    y = np.concatenate([-10 + 0.1 * np.arange(low), 10 + 0.1 * np.arange(high)])
    family = Cauchy().pin({"scale": 0.5})
    fit = fit_sample(family, Sample(y))[0]
    grid = np.linspace(-12, 12, 20001)
    best = family.nll(y[:, None], grid[None, None, :]).sum(axis=0).min()
    assert fit.nll <= best + 1e-6
