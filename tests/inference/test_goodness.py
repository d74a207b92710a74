"""Statistics of fit of rows between two ends, of counts known in part and of masses at zero; how rows are seen anew."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import mlefit as package
from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.families.truncated import Truncated
from mlefit.inference import bootstrap as b
from mlefit.inference.cells import cells, chi_squared
from mlefit.inference.compare import Plan, compare_sample
from mlefit.inference.edf import edf, interval_edf, ramp_edf, residual_edf
from mlefit.inference.fit import fit_sample
from mlefit.inference.goodness import goodness
from mlefit.inference.mechanism import Mechanism
from mlefit.inference.turnbull import turnbull
from mlefit.sample import Sample

REFERENCE = Path(__file__).parents[1] / "reference" / "censored"
WEIBULL = registry.get("weibull")
ETA = WEIBULL.forward(np.array([[1.6], [5.0]]))


def rows(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def visited(kind, generator, n=60):
    """A family and rows of it, seen in one of several ways."""
    x = WEIBULL.sample(generator, ETA, n)
    if kind == "calendar":
        times = np.append(np.arange(0, 20, 1.0), np.inf)
        place = np.searchsorted(times, x)
        return Censored(WEIBULL), np.stack([times[place - 1], times[place]])
    if kind == "once":
        at = generator.exponential(5, n)
        return Censored(WEIBULL), np.stack([np.where(x <= at, -np.inf, at), np.where(x <= at, at, np.inf)])
    if kind == "both sides":
        lower = np.where(x < 2, -np.inf, np.where(x > 8, 8, x))
        return Censored(WEIBULL), np.stack([lower, np.where(x < 2, 2, np.where(x > 8, np.inf, x))])
    if kind == "visits":
        times = np.cumsum(generator.uniform(0.5, 4, (n, 12)), axis=1)
        times = np.column_stack([np.zeros(n), times, np.full(n, np.inf)])
        place = (times < x[:, None]).sum(axis=1)
        return Censored(WEIBULL), np.stack([times[np.arange(n), place - 1], times[np.arange(n), place]])
    if kind == "late visits":
        family, seen = visited("calendar", generator, 2 * n)
        seen = seen[:, seen[0] >= 2][:, :n]
        return Truncated(family), np.concatenate(
            [seen, np.full((1, seen.shape[1]), 2.0), np.full((1, seen.shape[1]), np.inf)]
        )
    if kind == "zeros":
        return registry.get("hurdle:weibull"), np.where(generator.random(n) < 0.3, 0.0, x)
    if kind == "censored zeros":
        y, until = np.where(generator.random(n) < 0.3, 0.0, x), generator.exponential(12, n)
        return Censored(registry.get("hurdle:weibull")), np.stack(
            [np.minimum(y, until), np.where(y <= until, y, np.inf)]
        )
    poisson = registry.get("poisson")
    y = generator.poisson(4.0, 3 * n).astype(float)
    if kind == "censored counts":
        until = generator.integers(1, 12, n).astype(float)
        y = y[:n]
        return Censored(poisson), np.stack([np.minimum(y, until), np.where(y <= until, y, np.inf)])
    if kind == "counts between":
        width = generator.integers(1, 5, n)
        low = y[:n] - y[:n] % width
        return Censored(poisson), np.stack([low, low + width - 1])
    assert kind == "counts within limits"
    least = generator.integers(0, 4, 3 * n)
    y, least = y[y >= least][:n], least[y >= least][:n]
    return Truncated(poisson), np.stack([y, least, np.full(y.size, np.inf)])


LATE = [[1.0, 2, 3, 4, 2], [2.0, 2, 5, 6, 3], [0.0, 1, 2, 1, 1], [np.inf] * 5]
KINDS = (
    "calendar", "once", "both sides", "visits", "late visits", "zeros", "censored zeros", "censored counts",
    "counts between", "counts within limits",
)  # fmt: skip


@pytest.mark.parametrize("name", ["inspections", "smokedfish", "salinity"])
def test_turnbulls_estimate_is_that_of_npsurv(name):
    data = rows(REFERENCE / f"data_{name}.csv")
    ends = np.array([[row[end] for row in data] for end in ("lower", "upper")])
    ends = np.where(ends == "NA", [["-inf"], ["inf"]], ends).astype(float)
    low, high, p = turnbull(*ends, np.ones(len(data)))
    expected = [row for row in rows(REFERENCE / "turnbull.csv") if row["data"] == name]
    held = p > 1e-9
    assert high[held].tolist() == [float(row["upper"]) for row in expected]
    np.testing.assert_allclose(p[held], [float(row["probability"]) for row in expected], atol=1e-7)
    begin = np.where(ends[0] == ends[1], np.nextafter(ends[0], -np.inf), ends[0])
    total = np.concatenate([[0.0], np.cumsum(p)])
    chance = total[np.searchsorted(high, ends[1], side="right")] - total[np.searchsorted(low, begin)]
    assert np.log(chance).sum() == pytest.approx(float(expected[0]["log_likelihood"]), abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_statistics_of_a_function_that_climbs_evenly_are_the_integrals(seed):
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.random(8)) if seed else np.array([0, 0.2, 0.2, 0.5, 0.6, 0.6, 0.7, 1])
    p = generator.dirichlet(np.ones(4))
    low, high = ends[::2], ends[1::2]

    def height(u):
        with np.errstate(all="ignore"):
            part = np.where(high > low, np.clip((u - low) / (high - low), 0, 1), u >= high)
        return p @ part

    with np.errstate(divide="ignore"):
        found = ramp_edf(np.log(low), np.log1p(-low), np.log(high), np.log1p(-high), p, 7.0)
    inner = np.unique(ends[(ends > 0) & (ends < 1)])
    pieces = np.concatenate([[0.0], inner, [1.0]])

    def integral(function):
        return sum(quad(function, *ends, epsabs=1e-13, epsrel=1e-11)[0] for ends in pairwise(pieces))

    assert found[1] == pytest.approx(7 * integral(lambda u: (height(u) - u) ** 2), rel=1e-9)
    assert found[2] == pytest.approx(7 * integral(lambda u: (height(u) - u) ** 2 / (u * (1 - u))), rel=1e-7)
    points = np.concatenate([ends, ends - 1e-12])
    assert found[0] == pytest.approx(max(abs(height(u) - u) for u in points), abs=1e-9)


def test_narrow_and_far_climbs_lose_no_digits():
    """A climb within a width of 1e-13 is a jump; one far in a tail has the integral of its limit."""
    with np.errstate(divide="ignore"):
        narrow = ramp_edf(
            *(np.array([f(0.3 + d)]) for d in (0, 1e-13) for f in (np.log, lambda u: np.log1p(-u))), np.ones(1), 1.0
        )
    jump = edf(
        registry.get("uniform"), Sample(np.array([0.3])), registry.get("uniform").forward(np.array([[0.0], [1.0]])).T
    )
    np.testing.assert_allclose(narrow, jump[:, 0], rtol=1e-9)
    # F is 0 until all but 1e-20 of u: A2 is the integral of u/(1 - u), the rest of it being at most 1e-20 long.
    far = ramp_edf(*(np.array([v]) for v in (-1e-20, np.log(1e-20), -1e-30, np.log(1e-30))), np.ones(1), 1.0)
    assert far[2] == pytest.approx(20 * np.log(10) - 1, abs=1.0)


@pytest.mark.parametrize("name", ["weibull", "normal", "gamma"])
def test_rows_known_exactly_have_the_usual_statistics(name):
    family, y = registry.get(name), np.random.default_rng(2).gamma(2.0, size=40)
    weight = np.random.default_rng(3).integers(1, 4, 40).astype(float)
    eta = fit_sample(family, Sample(y, weight))[0].eta[None]
    plain = edf(family, Sample(y, weight), eta)
    np.testing.assert_allclose(interval_edf(Censored(family), Sample(np.stack([y, y]), weight), eta), plain, rtol=1e-9)
    limits = np.stack([np.full(40, -np.inf), np.linspace(90, 99, 40)])  # limits of each row, far beyond
    late = interval_edf(Truncated(Censored(family)), Sample(np.concatenate([[y, y], limits]), weight), eta)
    np.testing.assert_allclose(late, plain, rtol=1e-6)


def test_right_censored_rows_differ_from_residuals_in_the_last_step_alone():
    """The product-limit estimate is Turnbull's; beyond the last value one stops, and the other goes on as the fit."""
    generator = np.random.default_rng(4)
    x, until = generator.weibull(1.6, 50) * 5, generator.exponential(9, 50)
    sample = Sample(np.stack([np.minimum(x, until), np.where(x <= until, x, np.inf)]))
    one, other = (f(Censored(WEIBULL), sample, ETA.T)[:, 0] for f in (interval_edf, residual_edf))
    assert one[0] == pytest.approx(other[0], rel=1e-7)
    assert one[1] == pytest.approx(other[1], rel=0.3)


@pytest.mark.parametrize("prefix", ["hurdle", "zero-inflated"])
def test_a_mass_at_zero_shrinks_the_distance_of_the_rest(prefix):
    generator = np.random.default_rng(5)
    y = np.where(generator.random(200) < 0.3, 0.0, generator.gamma(2, 3, 200))
    mixed = registry.get(f"{prefix}:gamma")
    found = goodness(fit_sample(mixed, Sample(y))[0], Sample(y))
    alone = goodness(fit_sample(registry.get("gamma"), Sample(y[y > 0]))[0], Sample(y[y > 0]))
    share = (y > 0).mean()
    assert found.statistics["kolmogorov_smirnov"] == pytest.approx(share * alone.statistics["kolmogorov_smirnov"])
    # n share^2 of the squares over share of the line
    assert found.statistics["cramer_von_mises"] == pytest.approx(share**2 * alone.statistics["cramer_von_mises"])


def test_a_mass_inside_the_line_is_no_distance():
    """hurdle:normal has values on both sides of its mass; the distance is that of the values in between."""
    y = np.array([-1.5, -0.5, 0.0, 0.0, 0.0, 0.4, 1.1])
    family = registry.get("hurdle:normal")
    eta = family.forward(np.array([[0.1], [1.0], [0.4]]))
    found = interval_edf(family, Sample(y), eta.T)[:, 0]
    base = registry.get("normal").log_cdf(y, eta[:2])
    upto = 0.6 * np.exp(base) + 0.4 * (y >= 0)
    before = np.where(y == 0, upto - 0.4, upto)
    values, counts = np.unique(y, return_counts=True)
    after = np.cumsum(counts) / 7
    earlier = after - counts / 7
    first = np.searchsorted(y, values)
    assert found[0] == pytest.approx(max(np.abs(after - upto[first]).max(), np.abs(earlier - before[first]).max()))


@pytest.mark.parametrize("kind", KINDS)
def test_p_values_are_uniform_under_the_family_itself(kind):
    generator, found = np.random.default_rng(6), []
    for _ in range(30):
        family, y = visited(kind, generator)
        judged = goodness(fit_sample(family, Sample(y))[0], Sample(y), 19, generator)
        found.append(list(judged.p_values.values()))
    assert np.all(np.abs(np.mean(found, axis=0) - 0.525) < 4 * 0.289 / np.sqrt(30))
    assert np.all(np.mean(np.array(found) <= 0.1, axis=0) < 0.33)


@pytest.mark.parametrize("kind", ["calendar", "once", "visits", "zeros", "counts between"])
def test_a_wrong_family_is_found_out(kind):
    wrong = {"zeros": "hurdle:exponential", "counts between": "geometric"}.get(kind, "exponential")
    family, y = visited(kind, np.random.default_rng(8), 300)
    other = registry.get(wrong) if not family.censored else Censored(registry.get(wrong))
    p = [min(goodness(fit_sample(f, Sample(y))[0], Sample(y), 49).p_values.values()) for f in (other, family)]
    assert p[0] == 0.02
    assert p[1] > 0.05


def test_new_rows_are_seen_at_the_times_of_the_old():
    """Those of a calendar between its own times; those looked at once at the very times of the rows."""
    generator = np.random.default_rng(9)
    for kind in ("calendar", "once"):
        family, y = visited(kind, generator, 400)
        drawn = Mechanism.of(family, y).draw(generator, ETA, 20).reshape(2, 20, 400)
        assert set(np.unique(drawn[np.isfinite(drawn)])) <= set(np.unique(y))
        if kind == "calendar":
            known = np.isfinite(drawn).all(axis=0)
            assert ((drawn[1] - drawn[0])[known] == 1).mean() > 0.97  # a cell without rows may be spanned
        else:
            times, again = (np.where(np.isfinite(r[0]), r[0], r[1]) for r in (y, drawn))
            np.testing.assert_array_equal(again, np.broadcast_to(times, again.shape))
        expected = np.exp(WEIBULL.log_cdf(np.array([5.0]), ETA))[0] if kind == "calendar" else np.isinf(y[1]).mean()
        share = (drawn[1] <= 5).mean() if kind == "calendar" else np.isinf(drawn[1]).mean()
        assert share == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("kind", ["calendar", "once", "both sides", "visits", "late visits"])
def test_parametric_bootstrap_of_rows_between_ends_agrees_with_the_observed_information(kind):
    family, y = visited(kind, np.random.default_rng(10), 300)
    fit = fit_sample(family, Sample(y))[0]
    found = b.bootstrap(fit, Sample(y), b.Plan(400, 1, "parametric"))
    np.testing.assert_allclose(found.theta.std(axis=0), np.array(list(fit.std_errors.values())), rtol=0.2)


def test_censored_counts_are_shared_out_by_hand():
    """Values 0, 1, 2 and rows known to exceed 1: of these, the fit puts P(2)/P(>1) into the cell of 2."""
    y = np.repeat(np.array([[0.0, 1, 2, 1], [0.0, 1, 2, np.inf]]), [30, 35, 20, 15], axis=1)
    family = Censored(registry.get("poisson"))
    mu = 1.3
    sample, edges = Sample(y), np.array([0.0, 1, 2])
    found = chi_squared(family, sample, np.log([[mu]]), edges)[0, 0]
    p = np.exp(-mu) * np.array([1, mu, mu**2 / 2])
    p = np.append(p, 1 - p.sum())
    observed = np.array([30, 35, 20 + 15 * p[2] / p[2:].sum(), 15 * p[3] / p[2:].sum()])
    assert found == pytest.approx(((observed - 100 * p) ** 2 / (100 * p)).sum())
    assert cells(family, sample, np.log([mu])).tolist() == [0, 1, 2]


def test_counts_within_limits_of_their_own_expect_the_sum():
    y = np.array([[1.0, 1, 2, 3, 0, 1, 2, 4], [1, 1, 1, 1, 0, 0, 0, 0], [np.inf] * 8])
    found = chi_squared(Truncated(registry.get("poisson")), Sample(y), np.log([[1.5]]), np.array([1.0]))[0, 0]
    p = np.exp(-1.5) * np.array([1, 1.5])
    expected = 4 * (p.sum() + p[1] / (1 - p[0]))
    assert found == pytest.approx((4 - expected) ** 2 * (1 / expected + 1 / (8 - expected)))


@pytest.mark.parametrize(
    ("family", "y", "reason", "statistics"),
    [
        (Censored(registry.get("exponential")), [[1.0, 2, 3], [np.inf] * 3], "every value", False),
        (registry.get("poisson"), [0.0, 1, 2], "two cells", False),
        (Truncated(Censored(registry.get("gamma"))), LATE, "its own", True),
    ],
)  # fmt: skip
def test_what_is_lacking_is_said(family, y, reason, statistics):
    sample = Sample(np.array(y))
    found = compare_sample([family], sample, Plan(replicates=19))[0]
    if found.entries[0].fit is not None:
        assert any(reason in note for note in found.notes)
        judged = found.entries[0].goodness
    else:
        judged = goodness(fit_sample(family, sample)[0], sample, 19)
    assert reason in judged.lacking
    assert bool(judged.statistics) == statistics
    assert not judged.p_values


@pytest.mark.parametrize(
    ("file", "arguments", "basis", "foot"),
    [
        (
            "smoked_fish.csv",
            ["--lower", "left", "--upper", "right", "-d", "lognormal"],
            "turnbull",
            "Turnbull's estimate",
        ),
        ("lung.csv", ["-c", "time", "--event", "status = 2", "-d", "weibull"], "kaplan-meier", "Kaplan-Meier"),
        ("quine.csv", ["-c", "Days", "--event", "Days < 30", "-d", "negative-binomial"], "expected", "shares out"),
    ],
)
def test_the_table_says_what_the_statistics_stand_on(mlefit, file, arguments, basis, foot):
    path = package.sample_data(file.removesuffix(".csv"))
    out = mlefit("compare", path, *arguments, "--replicates", "19").out
    assert foot in " ".join(out.split())
    record = json.loads(mlefit("compare", path, *arguments, "--replicates", "19", "-f", "json").out)
    judged = record["models"][0]["goodness"]
    assert judged["basis"] == basis
    assert 0 < next(iter(judged.values()))["p_value"] <= 1
