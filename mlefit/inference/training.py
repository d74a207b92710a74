"""Training a network: epochs of mini-batches, a validation set watched, the best weights kept.

The network gives raw outputs u; a family's scores are `start + scale * u`, so that weights near zero stand for
the constant model and a target of any magnitude is learnt at the same pace. All that decides the weights comes
from one random generator, and a checkpoint holds its state: a run taken up again ends with the same bits.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError
from mlefit.families.base import Family
from mlefit.families.losses import Loss
from mlefit.inference.fit import limited
from mlefit.predictors.activations import ACTIVATIONS
from mlefit.predictors.network import Network
from mlefit.solvers.adam import Adam
from mlefit.solvers.lbfgs import minimize
from mlefit.solvers.optimizer import Optimizer
from mlefit.solvers.rmsprop import RMSprop
from mlefit.solvers.schedules import SCHEDULES
from mlefit.solvers.sgd import SGD

Array = NDArray[np.float64]

OPTIMIZERS: Final[dict[str, type[Optimizer]]] = {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}

# Rows a pass through the network where no step is taken after it.
CHUNK: Final = 2048
# L-BFGS starts afresh after so many iterations, the only places where a run can be taken up again.
ROUND: Final = 100
# Mini-batch steps of a run when the number of epochs is left to us.
STEPS: Final = 20_000


@dataclass(frozen=True)
class Settings:
    """How to train. What is None is chosen from the data by `resolve`.

    Attributes:
        hidden: widths of the hidden layers; empty for the linear model.
        activation: of the hidden layers.
        optimizer: adam, rmsprop, sgd or lbfgs (full batch).
        learning_rate: of the first step; lbfgs has none.
        schedule: how the rate changes: constant or cosine.
        epochs: passes over the training rows; iterations of lbfgs.
        batch_size: rows a step.
        weight_decay: pull of the weights (not the biases) towards zero; see `Optimizer`. By default none for the
            linear model, and for networks one that fades as rows are added, as a prior's does.
        momentum, nesterov: of sgd.
        validation: share of the rows held out to watch, 0 for none.
        patience: epochs without a better validation NLL before training stops; 0 never stops.
        precision: float32 or float64 arithmetic in the network.
        seed: of everything random.
    """

    hidden: tuple[int, ...] = (32, 32)
    activation: str = "relu"
    optimizer: str | None = None
    learning_rate: float | None = None
    schedule: str = "constant"
    epochs: int | None = None
    batch_size: int | None = None
    weight_decay: float | None = None
    momentum: float = 0.9
    nesterov: bool = True
    validation: float | None = None
    patience: int | None = None
    precision: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("activation", self.activation, ACTIVATIONS),
            ("schedule", self.schedule, SCHEDULES),
            ("optimizer", self.optimizer or "adam", [*OPTIMIZERS, "lbfgs"]),
            ("precision", self.precision or "float32", ["float32", "float64"]),
        ):
            if value not in choices:
                raise UsageError(f"there is no {option} {value!r}; choose one of {', '.join(choices)}")
        for option, number, low, high in (
            ("learning rate", self.learning_rate, 1e-300, np.inf),
            ("number of epochs", self.epochs, 1, np.inf),
            ("batch size", self.batch_size, 1, np.inf),
            ("weight decay", self.weight_decay, 0, np.inf),
            ("momentum", self.momentum, 0, 1 - 1e-12),
            ("validation share", self.validation, 0, 1 - 1e-12),
            ("patience", self.patience, 0, np.inf),
            ("seed", self.seed, 0, np.inf),
        ):
            if number is not None and not low <= number <= high:
                raise UsageError(f"a {option} of {number:g} makes no sense here")
        if any(width < 1 for width in self.hidden):
            raise UsageError("a hidden layer needs at least one unit")

    def resolve(self, rows: int) -> Settings:
        """Every choice made, for so many training rows."""
        optimizer = self.optimizer or ("adam" if self.hidden else "lbfgs")
        full = optimizer == "lbfgs"
        batch = rows if full else min(self.batch_size or (32 if rows < 20_000 else 128), rows)
        steps = max(1, -(-rows // max(batch, 1)))
        epochs = self.epochs or (1000 if full else int(np.clip(STEPS // steps, 20, 1000)))
        patience = self.patience if self.patience is not None else max(10, min(epochs // 10, 50))
        rate = None if full else self.learning_rate or OPTIMIZERS[optimizer].rate
        precision = self.precision or ("float64" if full else "float32")
        decay = min(0.5, 50 / max(rows, 1)) if self.hidden and not full else 0.0
        return replace(
            self, optimizer=optimizer, batch_size=batch, epochs=epochs, patience=patience, learning_rate=rate,
            precision="float64" if full else precision,
            weight_decay=decay if self.weight_decay is None else self.weight_decay,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"hidden": list(self.hidden)}

    @staticmethod
    def from_dict(record: dict[str, Any]) -> Settings:
        return Settings(**{**record, "hidden": tuple(record["hidden"])})


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows: x (n, width + 1) with ones last, y (n,) or (d, n), weight (n,) or None."""

    x: NDArray[np.floating[Any]]
    y: Array
    weight: Array | None = None

    @property
    def n(self) -> int:
        return int(self.y.shape[-1])

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.n if self.weight is None else self.weight.sum())

    def take(self, index: NDArray[np.intp]) -> Rows:
        return Rows(self.x[index], self.y[..., index], None if self.weight is None else self.weight[index])


@dataclass(frozen=True, eq=False)
class Scores:
    """From a network's raw outputs u (m, n) to the family's scores, start + scale * u.

    Attributes:
        family: the whole family, of k scores.
        loss: what is minimised; its `shared` parameter, if any, is no output of the network.
        start: (k,) scores of the constant model.
        scale: (k,) what one unit of output means for each score.
    """

    family: Family
    loss: Loss
    start: Array
    scale: Array

    @property
    def free(self) -> NDArray[np.bool_]:
        """(k,) which scores the network gives."""
        free = np.ones(self.start.size, dtype=bool)
        if self.loss.shared:
            free[self.family.names.index(self.loss.shared)] = False
        return free

    @property
    def trained(self) -> Family:
        """The family on the scores that the network gives, the shared one held at the constant model's."""
        if not self.loss.shared:
            return self.family
        return self.family.pin({self.loss.shared: float(self.family.inverse(self.start[:, None])[~self.free, 0][0])})

    def of(self, outputs: NDArray[np.floating[Any]]) -> Array:
        """(m, n) outputs to all k scores, the shared one as in the constant model."""
        eta = np.empty((self.start.size, outputs.shape[1]))
        eta[:] = self.start[:, None]
        eta[self.free] += self.scale[self.free, None] * outputs
        return eta

    def share(self, y: Array, weight: Array | None, eta: Array) -> Scores:
        """The shared parameter at its estimate, given the other scores of these rows; put into `eta` too."""
        if self.loss.profile is None:
            return self
        held = ~self.free
        link = self.family.parameters[int(np.flatnonzero(held)[0])].link
        value = self.loss.profile(y - eta[~held][0], np.ones(y.size) if weight is None else weight)
        start = self.start.copy()
        start[held] = link.forward(np.array(value))
        eta[held] = start[held, None]
        return replace(self, start=start)


@dataclass(frozen=True)
class Epoch:
    """One line of the history; NLL per unit of weight, with all constants. `validation` is None without one."""

    epoch: int
    train: float
    validation: float | None
    rate: float


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be minimised: scores of training rows, with rows to watch beside them."""

    scores: Scores
    train: Rows
    validation: Rows | None


@dataclass(eq=False)
class State:
    """All a run remembers between epochs; a checkpoint is this, written down."""

    theta: NDArray[np.floating[Any]]
    best: NDArray[np.floating[Any]]
    best_value: float
    best_epoch: int
    generator: np.random.Generator
    history: list[Epoch]
    optimizer: dict[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    count: int = 0
    stopped: str = ""


Watch = Callable[[Epoch], None]
Keep = Callable[[State], None]


def run(
    problem: Problem,
    settings: Settings,
    *,
    watch: Watch | None = None,
    keep: Keep | None = None,
    every: int = 5,
    resume: State | None = None,
) -> State:
    """Train until the epochs are used up, the patience is, or Ctrl-C is pressed.

    Args:
        problem: the rows and their scores.
        settings: resolved.
        watch: told of every epoch.
        keep: given the state every `every` epochs, to write it down.
        resume: a state to go on from.

    Returns:
        The last state; its `best` are the weights to use.

    Raises:
        DataError: the loss is no longer finite, or an epoch took longer than a fit of the family may.
    """
    network = Network(
        problem.train.x.shape[1] - 1, settings.hidden, int(problem.scores.free.sum()), settings.activation,
        np.dtype(settings.precision or "float64"),
    )  # fmt: skip
    if resume is None:
        generator = np.random.default_rng([settings.seed, 1])
        network.initialise(generator)
        state = State(network.theta.copy(), network.theta.copy(), np.inf, 0, generator, [])
    else:
        state = resume
        network.theta[:] = state.theta
    runner = _Runner(problem, settings, network, state, watch, keep, every)
    with np.errstate(all="ignore"), interruptible() as interrupted:
        if not state.history:
            with limited(problem.scores.family):
                runner.record(0, *measure(network, problem.scores, runner.train), 0.0)
        if settings.optimizer == "lbfgs":
            runner.full(interrupted)
        else:
            runner.mini(interrupted)
    return state


class _Runner:
    """The loop over epochs."""

    def __init__(
        self,
        problem: Problem,
        settings: Settings,
        network: Network,
        state: State,
        watch: Watch | None,
        keep: Keep | None,
        every: int,
    ) -> None:
        self.problem, self.settings, self.network, self.state = problem, settings, network, state
        self.watch, self.keep, self.every = watch, keep, every
        dtype = network.dtype
        self.train = replace(problem.train, x=problem.train.x.astype(dtype))
        self.validation = problem.validation and replace(problem.validation, x=problem.validation.x.astype(dtype))
        # Weights of mean one: the loss is a mean over rows whatever the unit of the weights.
        self.unit = None if self.train.weight is None else self.train.weight * (self.train.n / self.train.total)

    # -- epochs of mini-batches -------------------------------------------------------------------------------

    def mini(self, interrupted: threading.Event) -> None:
        state, settings, network = self.state, self.settings, self.network
        optimizer = OPTIMIZERS[settings.optimizer or "adam"](
            network.theta, network.gradient, settings.weight_decay or 0.0, network.decayed
        )
        if isinstance(optimizer, SGD):
            optimizer.momentum, optimizer.nesterov = settings.momentum, settings.nesterov and settings.momentum > 0
        if state.optimizer:
            optimizer.restore(state.count, state.optimizer)
        epochs = settings.epochs or 1
        for epoch in range(len(state.history), epochs + 1):
            if state.stopped:
                break
            with limited(self.problem.scores.family):
                scores, seen, rate = self._epoch(optimizer, interrupted)
            if interrupted.is_set():
                state.stopped = "interrupted"
            self.record(epoch, scores, seen, rate)
            if self.keep is not None and (epoch % self.every == 0 or epoch == epochs or state.stopped):
                state.theta, state.optimizer, state.count = network.theta.copy(), optimizer.state(), optimizer.count
                self.keep(state)
        state.theta = network.theta.copy()

    def _epoch(self, optimizer: Optimizer, interrupted: threading.Event) -> tuple[Scores, float, float]:
        """One pass over the shuffled rows. The loss is what the rows had as they went by."""
        problem, network, train = self.problem, self.network, self.train
        scores, family = problem.scores, problem.scores.trained
        free = scores.free
        start, scale = scores.start[free, None], scores.scale[free, None]
        n, size = train.n, self.settings.batch_size or train.n
        steps = -(-n // size)
        total = steps * (self.settings.epochs or 1)
        schedule, base = SCHEDULES[self.settings.schedule], self.settings.learning_rate or 0.0
        order = self.state.generator.permutation(n)
        y = train.y[..., order]
        weight = None if self.unit is None else self.unit[order]
        eta_all = np.empty((start.shape[0], n))
        take, forward, gradient, step = train.x.take, network.forward, family.gradient, optimizer.step
        batch = np.empty((size, train.x.shape[1]), network.dtype)
        delta = np.empty((start.shape[0], size), network.dtype)
        factor = scale / size
        rate, passed = base, 0
        for low in range(0, n, size):
            high = low + size
            if high > n:
                high = n
                batch, delta, factor = (
                    batch[: n - low],
                    np.empty((start.shape[0], n - low), network.dtype),
                    scale / (n - low),
                )
            take(order[low:high], 0, batch, "clip")
            u, backward = forward(batch)
            eta = eta_all[:, low:high]
            np.multiply(u, scale, eta)
            np.add(eta, start, eta)
            g = gradient(y[..., low:high], eta)
            if weight is not None:
                g = g * weight[low:high]
            np.multiply(g, factor, delta, casting="unsafe")
            backward(delta)
            rate = base * schedule(optimizer.count, total)
            step(rate)
            passed = high
            if interrupted.is_set():
                break
        y, weight = y[..., :passed], None if weight is None else weight[:passed]
        full = np.empty((scores.start.size, passed))
        full[free] = eta_all[:, :passed]
        shared = scores.share(y, weight, full)
        return shared, mean_nll(shared.family, y, weight, full), rate

    # -- iterations of the full batch --------------------------------------------------------------------------

    def full(self, interrupted: threading.Event) -> None:
        state, settings, network = self.state, self.settings, self.network
        decay, epochs = settings.weight_decay or 0.0, settings.epochs or 1

        def function(theta: Array) -> tuple[float, Array]:
            network.theta[:] = theta
            with limited(self.problem.scores.family):
                value, gradient = total(network, self.problem.scores, self.train)
            if decay:
                shrunk = decay * network.decayed * theta
                value, gradient = value + 0.5 * float(shrunk @ theta), gradient + shrunk
            return value, gradient

        def iteration(theta: Array) -> bool:
            network.theta[:] = theta
            if interrupted.is_set():
                state.stopped = "interrupted"
            self.record(len(state.history), *measure(network, self.problem.scores, self.train), 0.0)
            return bool(state.stopped)

        while not state.stopped and len(state.history) <= epochs:
            left = min(ROUND, epochs + 1 - len(state.history))
            found = minimize(function, state.theta.astype(float), max_iterations=left, watch=iteration)
            state.theta = found.theta
            network.theta[:] = found.theta
            if found.iterations < left and not state.stopped:
                state.stopped = "converged"
            if self.keep is not None:
                self.keep(state)

    # -- what both share --------------------------------------------------------------------------------------

    def record(self, epoch: int, scores: Scores, seen: float, rate: float) -> None:
        """Measure an epoch, keep the weights if they are the best yet, and stop where patience ends."""
        state = self.state
        rows, validation = self.validation, None
        if rows is not None:
            validation = mean_nll(scores.family, rows.y, rows.weight, scores_of(self.network, scores, rows))
        if not np.isfinite(seen) or not np.isfinite(self.network.theta).all():
            raise DataError(self._diverged(epoch, seen))
        line = Epoch(epoch, seen, validation, rate)
        state.history.append(line)
        value = validation if validation is not None else -float(epoch)
        if value < state.best_value:
            state.best_value, state.best_epoch, state.best = value, epoch, self.network.theta.copy()
        patience = self.settings.patience or 0
        if validation is not None and patience and epoch - state.best_epoch >= patience and not state.stopped:
            state.stopped = "early"
        if self.watch is not None:
            self.watch(line)

    def _diverged(self, epoch: int, seen: float) -> str:
        if self.problem.scores.loss.shared and seen == -np.inf:
            return (
                "the network reproduces every training value, so the likelihood is unbounded; use more rows, fewer "
                "features or weight decay (--weight-decay 0.01)"
            )
        remedy = "use a smaller learning rate (--learning-rate)" if self.settings.optimizer != "lbfgs" else (
            "use --optimizer adam with a small --learning-rate"
        )  # fmt: skip
        return (
            f"the loss is no longer finite in epoch {epoch}: {remedy}, or a loss that large residuals upset less; "
            "nothing was saved"
        )


def total(network: Network, scores: Scores, rows: Rows) -> tuple[float, Array]:
    """Mean NLL over rows (or weight) and its gradient with respect to the weights, (p,)."""
    family, free = scores.trained, scores.free
    start, scale = scores.start[free, None], scores.scale[free, None]
    value, gradient = 0.0, np.zeros(network.theta.size)
    weight = rows.total
    for low in range(0, rows.n, CHUNK):
        part = slice(low, min(low + CHUNK, rows.n))
        u, backward = network.forward(rows.x[part])
        eta = start + scale * u
        y = rows.y[..., part]
        share = 1.0 if rows.weight is None else rows.weight[part]
        value += float((family.nll(y, eta) * share).sum()) / weight
        delta = np.ascontiguousarray(np.broadcast_to(family.gradient(y, eta), eta.shape) * share * (scale / weight))
        backward(delta.astype(network.dtype))
        gradient += network.gradient
    return value, gradient


def scores_of(network: Network, scores: Scores, rows: Rows) -> Array:
    """All scores of the rows, (k, n)."""
    eta = np.empty((scores.start.size, rows.n))
    for low in range(0, rows.n, CHUNK):
        part = slice(low, min(low + CHUNK, rows.n))
        eta[:, part] = scores.of(network.forward(rows.x[part])[0])
    return eta


def measure(network: Network, scores: Scores, rows: Rows) -> tuple[Scores, float]:
    """The scores with their shared parameter estimated on these rows, and the NLL per unit of weight."""
    eta = scores_of(network, scores, rows)
    shared = scores.share(rows.y, rows.weight, eta)
    return shared, mean_nll(shared.family, rows.y, rows.weight, eta)


def mean_nll(family: Family, y: Array, weight: Array | None, eta: Array) -> float:
    """NLL per unit of weight, every constant included."""
    value = 0.0
    n = y.shape[-1]
    for low in range(0, n, 8 * CHUNK):
        part = slice(low, min(low + 8 * CHUNK, n))
        nll = family.nll(y[..., part], eta[:, part])
        value += float(nll.sum() if weight is None else nll @ weight[part])
    return value / float(n if weight is None else weight.sum())


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C sets the event instead of raising; a second Ctrl-C raises as usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    if before is None:  # installed by something other than Python: leave it alone
        yield event
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
