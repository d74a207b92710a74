"""A small fully connected network of the columns, its outputs one row a score.

All weights lie in one flat buffer and all gradients in another, so that an optimiser is a few passes over one
array. Activations are feature-major, (width + 1, B), and their last row is constant one: the bias is a column of
the weight matrix, and one matrix product gives the layer with its bias, another the gradient of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlefit.errors import UsageError
from mlefit.predictors.activations import ACTIVATIONS, Activation, Array

Backward = Callable[[Array], Array | None]

# Batch sizes whose buffers a layer keeps.
KEPT: Final = 8


class Dense:
    """One layer: activation(weight @ inputs), with buffers for the batch sizes it has met.

    `weight` and `gradient` are (outputs, inputs + 1) views of the network's flat buffers; the last column is the
    bias. The `first` layer does not pass a gradient on to the data.
    """

    def __init__(self, weight: Array, gradient: Array, activation: Activation | None, first: bool) -> None:
        self.weight = weight
        self.gradient = gradient
        self.activation = activation
        self.first = first
        self._to_inputs = weight[:, :-1].T
        self._buffers: dict[int, tuple[Array, Array, Array, Array]] = {}

    def forward(self, inputs: Array) -> tuple[Array, Backward]:
        """(inputs + 1, B) to (outputs + 1, B), for the last layer (outputs, B), and the way back.

        The function returned takes the gradient with respect to this layer's outputs, (outputs, B), which it
        overwrites; it writes the gradient of the weights and returns that with respect to the inputs. Both
        results are buffers that the next batch of this size overwrites.
        """
        buffers = self._buffers.get(inputs.shape[1])
        if buffers is None:
            buffers = self._allocate(inputs.shape[1])
        output, z, slope, upstream = buffers
        np.matmul(self.weight, inputs, z)
        if self.activation is not None:
            self.activation(z, slope)

        def backward(delta: Array) -> Array | None:
            if self.activation is not None:
                np.multiply(delta, slope, delta)
            np.matmul(delta, inputs.T, self.gradient)
            return None if self.first else np.matmul(self._to_inputs, delta, upstream)

        return output, backward

    def _allocate(self, batch: int) -> tuple[Array, Array, Array, Array]:
        rows, columns = self.weight.shape
        dtype = self.weight.dtype
        hidden = self.activation is not None
        output = np.ones((rows + hidden, batch), dtype)
        slope = np.empty((rows if hidden else 0, batch), dtype)
        upstream = np.empty((0 if self.first else columns - 1, batch), dtype)
        if len(self._buffers) >= KEPT:
            self._buffers.clear()
        self._buffers[batch] = buffers = (output, output[:rows], slope, upstream)
        return buffers


class Network:
    """Dense layers from `inputs` columns over the `hidden` widths to `outputs` scores; no widths: linear.

    Attributes:
        theta: every weight, flat; layer after layer, row after row, each row's bias last.
        gradient: the same for the gradient that the last backward pass wrote.
        decayed: 1 where theta is a weight, 0 where it is a bias.

    Raises:
        UsageError: an unknown activation, or a width below 1.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: str = "relu",
        dtype: DTypeLike = np.float64,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise UsageError(f"there is no activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
        if any(width < 1 for width in hidden):
            raise UsageError("a hidden layer needs at least one unit")
        self.hidden = tuple(hidden)
        self.activation = activation
        sizes = [inputs, *hidden, outputs]
        shapes = [(after, before + 1) for before, after in pairwise(sizes)]
        total = sum(rows * columns for rows, columns in shapes)
        self.theta: Array = np.zeros(total, dtype)
        self.gradient: Array = np.zeros(total, dtype)
        self.decayed: Array = np.ones(total, dtype)
        self.layers: list[Dense] = []
        begin = 0
        for i, shape in enumerate(shapes):
            part = slice(begin, begin + shape[0] * shape[1])
            begin = part.stop
            self.decayed[part].reshape(shape)[:, -1] = 0
            chosen = ACTIVATIONS[activation] if i < len(hidden) else None
            self.layers.append(
                Dense(self.theta[part].reshape(shape), self.gradient[part].reshape(shape), chosen, i == 0)
            )

    @property
    def dtype(self) -> np.dtype[np.floating]:
        return self.theta.dtype

    def initialise(self, generator: np.random.Generator) -> None:
        """He's weights for relu, gelu and silu, Glorot's for tanh and sigmoid; the output layer starts at zero.

        With a zero output layer every row starts at the same scores, the constant model's (He et al. 2015,
        equation 10; Glorot and Bengio 2010, equation 16).
        """
        self.theta[:] = 0
        for layer in self.layers[:-1]:
            outputs, inputs = layer.weight.shape[0], layer.weight.shape[1] - 1
            if self.activation in ("tanh", "sigmoid"):
                limit = np.sqrt(6 / (inputs + outputs)) * (4 if self.activation == "sigmoid" else 1)
                layer.weight[:, :-1] = generator.uniform(-limit, limit, (outputs, inputs))
            else:
                layer.weight[:, :-1] = generator.standard_normal((outputs, inputs)) * np.sqrt(2 / max(inputs, 1))

    def forward(self, x: NDArray[np.floating]) -> tuple[Array, Callable[[Array], None]]:
        """Rows (B, inputs + 1), the last column ones, to outputs (outputs, B) and the way back.

        The function returned takes the gradient with respect to the outputs, which it overwrites, and fills
        `gradient`. The outputs are a buffer that the next batch of this size overwrites.
        """
        backwards: list[Backward] = []
        values: Array = x.T
        for layer in self.layers:
            values, back = layer.forward(values)
            backwards.append(back)

        def backward(delta: Array | None) -> None:
            for back in reversed(backwards):
                assert delta is not None
                delta = back(delta)

        return values, backward
