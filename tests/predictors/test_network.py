"""Networks: gradients against central differences, initialisation, buffers."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.errors import UsageError
from mlefit.predictors.activations import ACTIVATIONS
from mlefit.predictors.network import Network

HIDDEN = [(), (5,), (4, 3), (3, 4, 2)]


def rows(n, d, seed=0):
    x = np.ones((n, d + 1))
    x[:, :-1] = np.random.default_rng(seed).standard_normal((n, d))
    return x


def randomised(network, seed=1):
    network.theta[:] = 0.7 * np.random.default_rng(seed).standard_normal(network.theta.size)
    return network


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_is_the_derivative_of_forward(activation, hidden):
    network = randomised(Network(3, hidden, 2, activation))
    x, direction = rows(7, 3), np.random.default_rng(2).standard_normal((2, 7))

    def value(theta):
        network.theta[:] = theta
        return float((network.forward(x)[0] * direction).sum())

    theta = network.theta.copy()
    _, backward = network.forward(x)
    backward(direction.copy())
    gradient = network.gradient.copy()
    h = 1e-6
    numeric = np.array([(value(theta + h * e) - value(theta - h * e)) / (2 * h) for e in np.eye(theta.size)])
    np.testing.assert_allclose(gradient, numeric, atol=1e-6 * max(1, np.abs(numeric).max()))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_and_slope(activation):
    z = np.linspace(-6, 6, 1001)[:, None] + 1e-4
    value, slope = z.copy(), np.empty_like(z)
    ACTIVATIONS[activation](value, slope)
    h = 1e-5
    up, down = z + h, z - h
    ACTIVATIONS[activation](up, None)
    ACTIVATIONS[activation](down, None)
    np.testing.assert_allclose(slope, (up - down) / (2 * h), atol=1e-8)
    alone = z.copy()
    ACTIVATIONS[activation](alone, None)
    np.testing.assert_array_equal(alone, value)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_survive_huge_arguments(activation):
    z = np.array([[-1e30, -800.0, 0.0, 800.0, 1e30]])
    slope = np.empty_like(z)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ACTIVATIONS[activation](z, slope)
    assert np.isfinite(z[:, :4]).all()
    assert np.isfinite(slope[:, 1:4]).all()


def test_the_output_is_what_the_matrices_say():
    network = randomised(Network(2, (3,), 1, "tanh"))
    x = rows(4, 2)
    first, last = network.layers[0].weight, network.layers[1].weight
    inner = np.tanh(first[:, :-1] @ x[:, :-1].T + first[:, -1:])
    np.testing.assert_allclose(network.forward(x)[0], last[:, :-1] @ inner + last[:, -1:])


def test_float32_agrees_with_float64():
    wide = randomised(Network(6, (8, 8), 3, "gelu"))
    narrow = Network(6, (8, 8), 3, "gelu", np.float32)
    narrow.theta[:] = wide.theta
    x = rows(32, 6)
    assert narrow.forward(x.astype(np.float32))[0].dtype == np.float32
    np.testing.assert_allclose(narrow.forward(x.astype(np.float32))[0], wide.forward(x)[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 300), ("gelu", 2 / 300), ("tanh", 2 / 500)])
def test_initial_weights_have_the_published_variance(activation, variance):
    network = Network(300, (200,), 1, activation)
    network.initialise(np.random.default_rng(0))
    weights = network.layers[0].weight
    assert np.isclose(weights[:, :-1].var(), variance, rtol=0.02)
    assert not weights[:, -1].any()
    assert not network.layers[-1].weight.any()


def test_only_weights_decay():
    network = Network(2, (3,), 1)
    assert [layer.shape for layer in (network.layers[0].weight, network.layers[1].weight)] == [(3, 3), (1, 4)]
    np.testing.assert_array_equal(network.decayed, [1, 1, 0] * 3 + [1, 1, 1, 0])


def test_many_batch_sizes_do_not_pile_up_buffers():
    network = Network(2, (3,), 1)
    for n in range(1, 100):
        assert network.forward(rows(n, 2))[0].shape == (1, n)
    assert len(network.layers[0]._buffers) <= 8


def test_no_columns_and_no_hidden_layer_is_a_constant():
    network = Network(0, (), 2)
    network.theta[:] = [3, 5]
    np.testing.assert_array_equal(network.forward(np.ones((4, 1)))[0], [[3] * 4, [5] * 4])


def test_what_cannot_be_built_is_refused():
    with pytest.raises(UsageError, match="relu, tanh"):
        Network(1, (2,), 1, "softsign")
    with pytest.raises(UsageError, match="at least one unit"):
        Network(1, (0,), 1)
