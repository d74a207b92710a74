"""Data in parts give what the whole gives: every family, groups, weights, missing values, temporary files."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit import api, reading
from mlefit.families import registry
from mlefit.inference import stream
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

N = 600


def table(name, generator):
    """Columns y, trials, w, site and the rows with something missing, simulated from the family."""
    family = registry.get(name)
    if family.labels:
        y = generator.choice(["red", "green", "blue"], N, p=[0.5, 0.3, 0.2])
    else:
        theta = [0.4 if p.link.upper == 1 else 1.0 + j for j, p in enumerate(family.parameters)]
        if name in ("gev", "generalized-pareto"):
            theta[-1] = 0.1
        if name == "gompertz":
            theta = [0.3, 0.5]
        if len(family.columns) > 1:
            family = family.given(np.full(N, 9.0))
        drawn = family.sample(generator, family.forward(np.array(theta)[:, None]), N)
        y = drawn if drawn.ndim == 1 else drawn[0]
    site = generator.choice(["north", "south", "10", "9"], N)
    weight = generator.integers(0, 4, N)
    texts = [str(v) if family.labels else repr(float(v)) for v in y]
    cells = [[text, "9", str(w), s] for text, w, s in zip(texts, weight, site, strict=True)]
    for i, (row, column) in enumerate(zip(generator.integers(0, N, 12), [0, 0, 2, 3] * 3, strict=True)):
        cells[row][column] = ["", "NA"][i % 2]
    return "y,trials,w,site\n" + "".join(",".join(row) + "\n" for row in cells)


def both(tmp_path, monkeypatch, name, *, by=(), weight=None, **options):
    """Fits of one file read whole, and read in small parts."""
    path = tmp_path / "data.csv"
    path.write_text(table(name, np.random.default_rng([7, *name.encode()])), encoding="utf-8")
    family = registry.get(name)
    further = ("trials",) if len(family.columns) > 1 else ()
    roles = api.Roles(("y",), by, weight, further)
    request = reading.Request(str(path))
    whole = api.estimate(family, request, roles, Options(**options))
    original = reading.read_chunks
    monkeypatch.setattr(reading, "read_chunks", lambda request: original(request, 64))
    monkeypatch.setattr(api, "LARGE", 1)
    monkeypatch.setattr(stream, "MERGE", 100)
    return whole, api.estimate(family, request, roles, Options(**options))


def assert_same(whole, parts):
    assert [fit.group for fit in parts] == [fit.group for fit in whole]
    for one, other in zip(whole, parts, strict=True):
        assert (other.n, other.dropped, other.weight) == (one.n, one.dropped, one.weight)
        assert other.converged == one.converged
        assert other.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-9, nan_ok=True)
        if one.converged:
            np.testing.assert_allclose(other.theta, one.theta, rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", list(registry.BUILT_IN))
@pytest.mark.parametrize(
    ("by", "weight"), [((), None), (("site",), None), ((), "w"), (("site",), "w")], ids=["plain", "by", "w", "by-w"]
)
def test_parts_give_what_the_whole_gives(tmp_path, monkeypatch, name, by, weight):
    assert_same(*both(tmp_path, monkeypatch, name, by=by, weight=weight))


@pytest.mark.parametrize("name", ["normal", "poisson", "student-t"])
def test_importance_weights_in_parts(tmp_path, monkeypatch, name):
    assert_same(*both(tmp_path, monkeypatch, name, weight="w", weight_kind="importance"))


@pytest.mark.parametrize("name", ["weibull", "logistic", "student-t"])
@pytest.mark.parametrize(("by", "weight"), [((), None), (("site",), "w")])
def test_rows_in_temporary_files(tmp_path, monkeypatch, name, by, weight):
    monkeypatch.setattr(stream, "KEPT", 100 * 8)
    assert_same(*both(tmp_path, monkeypatch, name, by=by, weight=weight))


def test_a_column_is_what_was_appended(monkeypatch):
    monkeypatch.setattr(stream, "KEPT", 50 * 4)
    pieces = [np.arange(i, i + 13) for i in range(0, 130, 13)]
    column = stream._Column(np.int32)
    for piece in pieces:
        column.append(piece)
    assert column.file is not None
    np.testing.assert_array_equal(column.array(), np.arange(130))


@pytest.mark.parametrize("name", ["normal", "gamma", "weibull", "student-t", "negative-binomial"])
def test_large_groups_in_chunks_on_several_threads(name):
    """Two groups far larger than a chunk equal their single fits, and a second run gives the same bits."""
    family = registry.get(name)
    generator = np.random.default_rng(2)
    parts = [family.sample(generator, np.full((family.size, 1), 0.3), n) for n in (400_000, 150_000)]
    codes = np.repeat([0, 1], [400_000, 150_000])
    together = [fit_sample(family, Sample.of(np.concatenate(parts), None, codes)) for _ in range(2)]
    for i, part in enumerate(parts):
        assert together[0][i].theta.tolist() == together[1][i].theta.tolist()
        alone = fit_sample(family, Sample(part))[0]
        np.testing.assert_allclose(together[0][i].theta, alone.theta, rtol=1e-8)
        assert together[0][i].log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-12)
        assert together[0][i].converged
