"""First-order optimisers: what they share.

An optimiser owns no parameters: it walks over the flat buffers of parameters and gradient it was given, block by
block, so that the several passes of one step find a block still in the core's cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Elements a block: 4 arrays of 32 KiB in float32 stay in a second-level cache.
BLOCK: Final = 8192


class Optimizer(ABC):
    """Steps downhill along mini-batch gradients.

    Args:
        theta: (p,) parameters, changed in place.
        gradient: (p,) the buffer in which each batch's gradient will be found; a step may overwrite it.
        decay: each step also shrinks the parameters by this fraction of the rate (decoupled weight decay,
            Loshchilov and Hutter 2019).
        decayed: (p,) 1 for the parameters that decay, 0 for the others; all by default.
    """

    name: ClassVar[str]
    # The learning rate that suits standardised data and small networks.
    rate: ClassVar[float]
    # The names of the arrays that, with `count`, are all an optimiser remembers.
    memory: ClassVar[tuple[str, ...]]

    def __init__(self, theta: Array, gradient: Array, decay: float = 0.0, decayed: Array | None = None) -> None:
        self.count = 0
        self.decay = decay
        for name in self.memory:
            setattr(self, name, np.zeros_like(theta))
        mask = np.ones_like(theta) if decayed is None else decayed.astype(theta.dtype)
        spare = np.empty(min(theta.size, BLOCK), theta.dtype)
        self._blocks = []
        for begin in range(0, theta.size, BLOCK):
            part = slice(begin, min(begin + BLOCK, theta.size))
            arrays = [a[part] for a in (theta, gradient, *(getattr(self, name) for name in self.memory))]
            self._blocks.append((mask[part], spare[: part.stop - begin], *arrays))

    def step(self, rate: float) -> None:
        """Move `theta` by one step."""
        self.count += 1
        self.prepare(rate)
        for mask, spare, theta, *rest in self._blocks:
            if self.decay:
                np.multiply(mask, rate * self.decay, spare)
                np.multiply(spare, theta, spare)
                np.subtract(theta, spare, theta)
            self.move(theta, spare, *rest)

    def prepare(self, rate: float) -> None:
        """Work out what is the same for every block of this step."""
        self._rate = rate

    @abstractmethod
    def move(self, theta: Array, spare: Array, gradient: Array, *memory: Array) -> None:
        """Step one block; `spare` is scratch space of its size."""

    def state(self) -> dict[str, Array]:
        """A copy of what it remembers, by name."""
        return {name: getattr(self, name).copy() for name in self.memory}

    def restore(self, count: int, state: Mapping[str, Array]) -> None:
        """Take up where a `state` was left after `count` steps."""
        self.count = count
        for name in self.memory:
            getattr(self, name)[:] = state[name]
