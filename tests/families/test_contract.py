"""Every family keeps the contract; a new one is covered by being registered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlefit.families import registry
from mlefit.families.base import Family, Parameter, stack
from mlefit.families.laplace import Laplace
from mlefit.families.links import identity, log
from mlefit.families.normal import Normal
from mlefit.sample import Sample
from mlefit.testing import check_family

NAMES = registry.names()


@pytest.mark.parametrize("name", NAMES)
def test_family_keeps_the_contract(name):
    check_family(registry.get(name))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_contract_at_drawn_scores(name, data):
    family = registry.get(name)
    if family.labels:
        family = family.bind(("a", "b", "c"))
    moves = st.floats(-1.5, 1.5).map(lambda v: round(v, 3))
    move = np.array(data.draw(st.lists(moves, min_size=family.size, max_size=family.size)))[:, None]
    seed = data.draw(st.integers(0, 1000))
    check_family(family, move=move, seed=seed, quick=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["first", "last"])
def test_pinned_family_keeps_the_contract(name, way):
    family = registry.get(name)
    if family.labels or family.size < 2 or family.irregular:
        pytest.skip("one parameter alone, or parameters that are not scores")
    which = 0 if way == "first" else -1
    theta = family.inverse(np.full((family.size, 1), 0.3))
    check_family(family.pin({family.names[which]: float(theta[which, 0])}), quick=True)


@pytest.mark.parametrize("name", NAMES)
def test_family_says_what_it_is(name):
    family = registry.get(name)
    assert family.name == name
    assert family.summary
    assert all(p.meaning for p in family.parameters)
    assert all(registry.get(alias).name == name for alias in family.aliases)


# -- the checks themselves ----------------------------------------------------------------------------------------


class Plain(Family):
    """A plugin with nothing but its density: the normal, written by someone in a hurry."""

    name = "plain"
    parameters = (Parameter("mu", identity), Parameter("sigma", log))

    def nll(self, y, eta):
        return 0.5 * np.log(2 * np.pi) + eta[1] + (y - eta[0]) ** 2 * np.exp(-2 * eta[1]) / 2


def test_a_density_alone_is_a_family():
    check_family(Plain())


def broken(base=Normal, **methods):
    """A family with some methods replaced."""
    return type("Broken", (base,), methods)()


def twisted_gradient(self, y, eta):
    return Normal.gradient(self, y, eta) * 1.001


def twisted_derivatives(self, y, eta):
    nll, gradient, hessian = Normal.derivatives(self, y, eta)
    return nll, gradient, hessian * (1 + 1e-5)


def twisted_total(self, sums, centre, eta):
    nll, gradient, hessian = Normal.total(self, sums, centre, eta)
    return nll + 1e-5 * sums[0], gradient, hessian


BROKEN = {
    "constant": ({"nll": lambda self, y, eta: Normal.nll(self, y, eta) + 0.01,
                  "derivatives": lambda self, y, eta: (self.nll(y, eta), *Normal.derivatives(self, y, eta)[1:])},
                 "integrates"),
    "gradient": ({"gradient": twisted_gradient}, "gradient"),
    "hessian": ({"derivatives": twisted_derivatives}, "hessian"),
    "not a number": ({"nll": lambda self, y, eta: np.where(y > 1, np.nan, Normal.nll(self, y, eta)),
                      "derivatives": lambda self, y, eta: (self.nll(y, eta), *Normal.derivatives(self, y, eta)[1:])},
                     "NaN"),
    "cdf": ({"log_cdf": lambda self, y, eta: Normal.log_cdf(self, y + 1e-6, eta)}, "sum to"),
    "both tails": ({"log_cdf": lambda self, y, eta: Normal.log_cdf(self, y + 1e-3, eta),
                    "log_sf": lambda self, y, eta: Normal.log_sf(self, y + 1e-3, eta)}, "quantile"),
    "cdf without quantile": ({"log_cdf": lambda self, y, eta: Normal.log_cdf(self, y + 1e-3, eta),
                              "log_sf": lambda self, y, eta: Normal.log_sf(self, y + 1e-3, eta),
                              "quantile": Family.quantile}, "the cdf rises"),
    "quantile": ({"quantile": lambda self, q, eta: Normal.quantile(self, q, eta) + 1e-6}, "quantile"),
    "mean": ({"mean": lambda self, eta: eta[0] + 1e-4}, "mean"),
    "variance": ({"variance": lambda self, eta: np.exp(eta[1])}, "variance"),
    "sample": ({"sample": lambda self, generator, eta, n: generator.normal(eta[0] + 0.3, np.exp(eta[1]), n)}, "draws"),
    "own generator": ({"sample": lambda self, generator, eta, n: np.random.default_rng().normal(eta[0], 1, n)},
                      "generator"),
    "total": ({"total": twisted_total}, "statistics"),
    "start": ({"start": lambda self, rows: Normal.start(self, rows)[:, 0]}, "start"),
    "start without weights": ({"start": lambda self, rows: np.full((2, rows.total_weight.size), 1 / rows.y.size)},
                              "three times"),
    "jacobian": ({"jacobian": lambda self, eta: Normal.jacobian(self, eta) * 1.01}, "jacobian"),
    "shape": ({"gradient": lambda self, y, eta: Normal.gradient(self, y, eta).sum(axis=0)}, "shape|beside"),
    "name": ({"name": ""}, "no name"),
    "irregular": ({"irregular": frozenset({"loc"})}, "irregular"),
    "warning": ({"log_cdf": lambda self, y, eta: np.log(y - y) + Normal.log_cdf(self, y, eta)}, "divide by zero"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_family_is_found(fault):
    methods, message = BROKEN[fault]
    with pytest.raises((AssertionError, RuntimeWarning), match=message):
        check_family(broken(**methods))


@pytest.mark.parametrize(
    ("name", "slopes", "message"),
    [
        ("laplace", (1.0, 2.0), "nll of loc above the number that bend gives"),
        ("laplace", (1.0, np.inf), "nll of loc above .* is finite"),
        ("pareto", (-1.0, np.inf), "bend of scale falls below"),
    ],
)
def test_a_bend_that_is_none_of_the_likelihood_is_found(name, slopes, message):
    class Wrong(type(registry.get(name))):
        def bend(self, name, y, eta):
            knot, below, above = super().bend(name, y, eta)
            return knot, slopes[0] * below, slopes[1] * above

    with pytest.raises(AssertionError, match=message):
        check_family(Wrong(), quick=True)


def test_a_finite_density_beyond_an_end_is_found():
    from mlefit.families.uniform import Uniform

    family = broken(Uniform, nll=lambda self, y, eta: np.log(eta[1] - eta[0]) + 0 * y)
    with pytest.raises(AssertionError, match="beyond the ends"):
        check_family(family)


def test_probabilities_that_do_not_sum_to_one_are_found():
    from mlefit.families.bernoulli import Bernoulli

    def derivatives(self, y, eta):
        nll, gradient, hessian = Bernoulli.derivatives(self, y, eta)
        return nll + 1e-6, gradient, hessian

    with pytest.raises(AssertionError, match="sum to"):
        check_family(broken(Bernoulli, derivatives=derivatives))


def test_the_step_of_a_kink_is_not_taken_for_a_slope():
    """The median of the laplace family is irregular: its second derivative is the Fisher information by design."""
    eta = np.array([[0.3], [0.2]])
    hessian = Laplace().hessian(np.array([1.0, 2.0]), eta)
    np.testing.assert_allclose(hessian[0, 0], np.exp(-0.4))
    rows = Sample.of(np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(Laplace().inverse(Laplace().start(rows))[:, 0], [2.0, 1.0])
    assert stack(*Laplace().start(rows)).shape == (2, 1)
