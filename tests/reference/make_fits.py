"""Maximum-likelihood estimates of every family at 50 digits, by Newton's method in mpmath.

Run from anywhere: `python tests/reference/make_fits.py [family ...]`; needs mpmath alone. Data are read
as the nearest doubles, so that a program in double precision sees the very same numbers. The derivatives
are central differences with step 1e-25 at 110 digits, hence exact to some 50; several starts are followed
and the highest maximum kept. Standard errors are from the observed information, by the delta method.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import mpmath
from distributions import FAMILIES, Family
from mpmath import mp, mpf

HERE = Path(__file__).parent
DIGITS = 20

DATA = {
    "bernoulli": "coin birthwt_low pima_diabetes",
    "binomial": "tiny_trials snails menarche",
    "geometric": "tiny_counts quine_days ruge",
    "poisson": "tiny_counts discoveries ruge uk_driver_deaths",
    "negative-binomial": "tiny_dispersed quine_days uk_driver_deaths",
    "categorical": "tiny_labels iris_species hair_colour",
    "normal": "three faithful_waiting morley_speed nile_offset",
    "lognormal": "tiny_positive rivers danish",
    "exponential": "tiny_positive leuk_time colon_time",
    "gamma": "tiny_positive groundbeef colon_time",
    "weibull": "tiny_positive groundbeef colon_time",
    "beta": "tiny_unit rock_shape boston_nox",
    "uniform": "tiny_positive faithful_eruptions nile_offset",
    "laplace": "tiny_real abbey abbey_offset dax_returns",
    "logistic": "tiny_real faithful_waiting nile_offset",
    "student-t": "tiny_outlier newcomb newcomb_offset dax_returns",
    "zero-inflated-poisson": "tiny_excess_zero machinists epil_seizures rotterdam_nodes",
    "zero-inflated-negative-binomial": "tiny_zero_inflated quine_days cpu_cache rotterdam_nodes",
    "discrete-uniform": "tiny_counts quine_days uk_driver_deaths",
    "cauchy": "tiny_outlier newcomb newcomb_offset dax_returns",
    "gumbel": "tiny_real venice nile_offset",
    "gev": "tiny_real venice oxtemp groundbeef",
    "generalized-pareto": "tiny_heavy danish_excess_10 danish_excess_1",
    "skew-normal": "tiny_skewed rock_shape wind pima_bmi",
    "gompertz": "tiny_positive faithful_waiting flchain_age",
    "beta-binomial": "tiny_trials_dispersed lirat snails",
    "inverse-gamma": "tiny_positive rivers danish",
    "loglogistic": "tiny_positive groundbeef colon_time",
    "inverse-gaussian": "tiny_positive rivers danish",
    "kumaraswamy": "tiny_unit rock_shape boston_nox",
    "rayleigh": "tiny_positive wind colon_time",
    "half-normal": "tiny_positive ozone colon_time",
    "maxwell": "tiny_positive wind colon_time",
    "chi-squared": "tiny_positive wind colon_time",
    "pareto": "tiny_positive rivers danish",
    "lomax": "tiny_heavy lynx danish_excess_1",
    "burr12": "tiny_long_tailed abbey groundbeef pima_pedigree pbc_copper",
    "von-mises": "tiny_angles birthday_angle volcano_aspect",
}


def read(name: str) -> list[tuple[str, ...]]:
    with open(HERE / "data" / f"{name}.csv", newline="") as file:
        return [tuple(row) for row in list(csv.reader(file))[1:]]


def counted(name: str) -> dict[tuple[Any, ...], int]:
    """Distinct rows and how often each occurs; every number the nearest double."""
    return dict(Counter(tuple(mpf(float(cell)) for cell in row) for row in read(name)))


class Problem:
    """One family on one data set, in coordinates where every parameter is free and of order one."""

    def __init__(self, family: Family, data: dict[tuple[Any, ...], int]) -> None:
        self.family, self.data = family, data
        first = sorted(row[0] for row in data for _ in range(data[row]))
        n = len(first)
        self.median = (first[(n - 1) // 2] + first[n // 2]) / 2
        self.mean = mp.fsum(first) / n
        self.sd = mp.sqrt(mp.fsum((y - self.mean) ** 2 for y in first) / n)
        self.n = n
        if "log-loc" in family.kinds:
            logs = [mp.log(y) for y in first]
            self.log_mean = mp.fsum(logs) / n
            self.log_sd = mp.sqrt(mp.fsum((x - self.log_mean) ** 2 for x in logs) / n)

    def theta(self, u: list[Any]) -> list[Any]:
        def one(kind: str, x: Any) -> Any:
            match kind:
                case "loc":
                    return self.median + self.sd * x
                case "scale":
                    return self.sd * mp.exp(x)
                case "log-loc":
                    return self.log_mean + self.log_sd * x
                case "log-scale":
                    return self.log_sd * mp.exp(x)
                case "rate":
                    return mp.exp(x) / self.mean
                case "mean":
                    return self.mean * mp.exp(x)
                case "positive":
                    return mp.exp(x)
                case "unit":
                    return 1 / (1 + mp.exp(-x))
                case _:  # real, angle
                    return x

        return [one(kind, x) for kind, x in zip(self.family.kinds, u, strict=True)]

    def value(self, u: list[Any]) -> Any:
        f = self.family.log_density(*self.theta(u))
        return mp.fsum(weight * f(*row) for row, weight in self.data.items())

    def derivatives(self, u: list[Any], h: Any) -> tuple[Any, mp.matrix, mp.matrix]:
        """Value, gradient, Hessian by central differences."""
        k = len(u)
        middle = self.value(u)
        gradient, hessian = mp.matrix(k, 1), mp.matrix(k, k)

        def moved(*steps: tuple[int, int]) -> Any:
            v = list(u)
            for i, sign in steps:
                v[i] += sign * h
            return self.value(v)

        for i in range(k):
            up, down = moved((i, 1)), moved((i, -1))
            gradient[i] = (up - down) / (2 * h)
            hessian[i, i] = (up - 2 * middle + down) / h**2
            for j in range(i):
                corners = (
                    moved((i, 1), (j, 1)) - moved((i, 1), (j, -1)) - moved((i, -1), (j, 1)) + moved((i, -1), (j, -1))
                )
                hessian[i, j] = hessian[j, i] = corners / (4 * h**2)
        return middle, gradient, hessian

    def climb(self, u: list[Any], iterations: int = 80) -> list[Any] | None:
        """Damped Newton at 30 digits; None where it runs away."""
        with mp.workdps(30):
            for _ in range(iterations):
                value, gradient, hessian = self.derivatives(u, mpf(10) ** -7)
                if not all(mp.isfinite(x) for x in (value, *gradient, *hessian)):
                    return None
                values, vectors = mp.eigsy(-hessian)
                slope = vectors.T * gradient
                floor = max(abs(v) for v in values) * mpf(10) ** -12
                step = vectors * mp.matrix([s / max(abs(v), floor) for s, v in zip(slope, values, strict=True)])
                biggest = max(abs(s) for s in step)
                if biggest < mpf(10) ** -9 and min(values) > 0:
                    return [x + s for x, s in zip(u, step, strict=True)]
                scale = min(1, 1 / biggest)
                for _ in range(40):
                    trial = [x + scale * s for x, s in zip(u, step, strict=True)]
                    reached = self.value(trial)
                    if mp.isfinite(reached) and reached >= value - abs(value) * mpf(10) ** -25:
                        break
                    scale /= 2
                u = trial
                if max(abs(x) for x in u) > 60:
                    return None
        return None

    def starts(self) -> list[list[Any]]:
        grids: dict[str, tuple[str, ...]] = {
            "loc": ("-0.5", "0", "0.5"), "scale": ("-1.5", "-0.3"), "log-loc": ("0",), "log-scale": ("0",),
            "rate": ("-0.5", "0.5"), "mean": ("0", "0.5"), "positive": ("-1", "0.5", "2"), "unit": ("-1.5", "0", "1.5"),
            "real": ("-2", "-0.2", "0.2", "2"), "angle": ("-2", "0", "2"),
        }  # fmt: skip
        with mp.workdps(20):
            grid = [[mpf(x) for x in u] for u in product(*(grids[kind] for kind in self.family.kinds))]
            ranked = sorted(((self.value(u), u) for u in grid), key=lambda pair: -pair[0])
        return [u for value, u in ranked if mp.isfinite(value)]

    def maximise(self) -> tuple[list[Any], list[Any], Any]:
        """Estimates, standard errors, log-likelihood."""
        candidates = self.starts()
        most = 4 if self.n < 600 else 2
        if set(self.family.kinds) <= {"unit", "rate", "mean"} and len(self.family.kinds) == 1:
            most = 1
        found: list[tuple[Any, list[Any]]] = []
        for u in candidates[:most]:
            top = self.climb(u)
            if top is None:
                print("    a start ran away", file=sys.stderr)
            else:
                found.append((self.value(top), top))
        if not found:
            raise ValueError("no interior maximum")
        found.sort(key=lambda pair: -pair[0])
        if found[0][0] - found[-1][0] > mpf(10) ** -6:
            print("    several maxima:", [mp.nstr(value, 12) for value, _ in found], file=sys.stderr)
        u = found[0][1]
        with mp.workdps(110):
            for _ in range(8):
                value, gradient, hessian = self.derivatives(u, mpf(10) ** -25)
                step = mp.lu_solve(-hessian, gradient)
                u = [x + s for x, s in zip(u, step, strict=True)]
                if max(abs(s) for s in step) < mpf(10) ** -26:  # quadratic: the next step would be 1e-52
                    break
            else:
                raise ValueError("Newton did not settle")
            value, gradient, hessian = self.derivatives(u, mpf(10) ** -25)
            assert max(abs(g) for g in gradient) < mpf(10) ** -40, "no stationary point"
            assert min(mp.eigsy(-hessian, eigvals_only=True)) > 0, "no maximum"
            covariance = mp.inverse(-hessian)
            theta, errors = self.theta(u), []
            for i in range(len(u)):
                h = mpf(10) ** -30
                up, down = list(u), list(u)
                up[i] += h
                down[i] -= h
                errors.append(mp.sqrt(covariance[i, i]) * abs(self.theta(up)[i] - self.theta(down)[i]) / (2 * h))
            if "angle" in self.family.kinds:
                theta[0] = mp.atan2(mp.sin(theta[0]), mp.cos(theta[0]))
            return theta, errors, value


def closed(name: str, data: dict[tuple[Any, ...], int]) -> tuple[list[Any], list[Any], Any]:
    """Families whose maximum is no stationary point of a smooth function: order statistics instead."""
    y = sorted(row[0] for row in data for _ in range(data[row]))
    n = len(y)
    errors: list[Any] = [None, None]
    if name in ("uniform", "discrete-uniform"):
        theta = [y[0], y[-1]]
    elif name == "laplace":
        assert n % 2 == 1 or y[n // 2 - 1] == y[n // 2], "the median is not unique"
        loc = y[n // 2]
        theta = [loc, mp.fsum(abs(x - loc) for x in y) / n]
    else:  # pareto: the minimum, then the shape given it
        shape = n / mp.fsum(mp.log(x / y[0]) for x in y)
        theta, errors = [y[0], shape], [None, shape / mp.sqrt(n)]
    f = FAMILIES[name].log_density(*theta)
    return theta, errors, mp.fsum(f(x) for x in y)


def categorical(name: str) -> list[tuple[str, Any, Any, Any]]:
    counts = Counter(row[0] for row in read(name))
    n = sum(counts.values())
    p = {level: mpf(count) / n for level, count in counts.items()}
    total = mp.fsum(count * mp.log(p[level]) for level, count in counts.items())
    return [(f"p[{level}]", p[level], mp.sqrt(p[level] * (1 - p[level]) / n), total) for level in sorted(counts)]


def fit(name: str, data: str) -> list[tuple[str, Any, Any, Any]]:
    if name == "categorical":
        return categorical(data)
    family = FAMILIES[name]
    rows = counted(data)
    theta, errors, value = closed(name, rows) if "closed" in family.kinds else Problem(family, rows).maximise()
    return [(p, t, e, value) for p, t, e in zip(family.parameters, theta, errors, strict=True)]


def show(x: Any) -> str:
    return "" if x is None else mp.nstr(x, DIGITS, strip_zeros=False, min_fixed=-5, max_fixed=20)


def main(names: list[str]) -> None:
    mp.dps = 60
    for name in names or list(DATA):
        lines = [
            f"# made by tests/reference/make_fits.py with mpmath {mpmath.__version__}, 50 digits; "
            "standard errors from the observed information",
            "data,parameter,estimate,std_error,log_likelihood",
        ]
        for data in DATA[name].split():
            try:
                fitted = fit(name, data)
            except (ValueError, AssertionError, ZeroDivisionError) as error:
                print(f"{name} {data}: {error}", file=sys.stderr)
                continue
            lines += [f"{data},{p},{show(t)},{show(e)},{show(value)}" for p, t, e, value in fitted]
            print(
                name,
                data,
                " ".join(f"{p}={mp.nstr(t, 8)}" for p, t, _, _ in fitted),
                mp.nstr(fitted[0][3], 10),
                flush=True,
            )
        (HERE / "fits" / f"{name}.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
