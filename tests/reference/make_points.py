"""Log-density, log-cdf, log-sf and quantiles of every family at chosen points, by mpmath at 50 digits.

Run from anywhere: `python tests/reference/make_points.py [family ...]`. Points are doubles: the outcomes sit
at given probabilities of each tail (to e^-500 where the support reaches), rounded to twelve digits, so both
tails are met with small, ordinary and huge parameters. At every point cdf + sf = 1 is checked to 40 digits, and
that the density is the slope (discrete: the step) of each tail.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import mpmath
from distributions import FAMILIES, Family
from mpmath import mp, mpf

HERE = Path(__file__).parent

THETA: dict[str, list[tuple[float, ...]]] = {
    "bernoulli": [(0.5,), (0.3,), (1e-12,), (0.999999,), (1e-300,), (0.75,), (1 / 3,), (0.9,)],
    "binomial": [(0.3,), (1e-6,), (0.999,), (0.5,)],
    "geometric": [(0.3,), (1e-6,), (0.999,), (0.5,)],
    "poisson": [(0.01,), (2.5,), (40.0,), (1000.0,)],
    "negative-binomial": [(3.0, 0.5), (0.01, 2.0), (250.0, 8.0), (20.0, 1e6), (5.0, 0.01)],
    "zero-inflated-poisson": [(2.5, 0.3), (40.0, 0.01), (0.05, 0.9), (300.0, 1e-8)],
    "zero-inflated-negative-binomial": [(3.0, 0.5, 0.3), (250.0, 8.0, 0.05), (0.05, 2.0, 0.9), (20.0, 1e5, 1e-6)],
    "discrete-uniform": [(0, 9), (-5, 5), (100, 100), (0, 1000000)],
    "beta-binomial": [(2.0, 3.0), (0.1, 0.2), (500.0, 20.0), (1e4, 3e4)],
    "normal": [(0.0, 1.0), (1e6, 0.1), (-3.0, 1e-8), (2.0, 1e9)],
    "student-t": [(1.0, 0.0, 1.0), (4.5, 2.0, 0.1), (0.3, -1.0, 5.0), (200.0, 1e6, 2.0), (10000.0, 0.0, 1.0)],
    "cauchy": [(0.0, 1.0), (1e6, 0.1), (-3.0, 1e-8), (2.0, 1e9)],
    "laplace": [(0.0, 1.0), (1e6, 0.1), (-3.0, 1e-8), (2.0, 1e9)],
    "logistic": [(0.0, 1.0), (1e6, 0.1), (-3.0, 1e-8), (2.0, 1e9)],
    "gumbel": [(0.0, 1.0), (1e6, 0.1), (-3.0, 1e-8), (2.0, 1e9)],
    "gev": [(0.0, 1.0, 0.2), (1e4, 2.0, -0.3), (5.0, 0.1, 1e-9), (0.0, 3.0, 0.0), (-2.0, 1.0, 1.5), (0.0, 1.0, -1e-5)],
    "generalized-pareto": [(1.0, 0.2), (50.0, -0.4), (2.0, 1e-9), (3.0, 0.0), (0.01, 2.0), (1.0, -1e-5)],
    "skew-normal": [(0.0, 1.0, 0.0), (1.0, 2.0, 3.0), (-5.0, 0.5, -8.0), (1e4, 10.0, 0.7)],
    "lognormal": [(0.0, 1.0), (3.0, 0.01), (-10.0, 3.0), (50.0, 20.0)],
    "exponential": [(1.0,), (1e-9,), (1e6,), (0.3,)],
    "gamma": [(0.01, 1.0), (0.5, 2.0), (4.0, 0.05), (200.0, 1e3), (1e5, 1.0)],
    "inverse-gamma": [(0.1, 1.0), (3.0, 2.0), (50.0, 1e4), (1000.0, 0.5)],
    "weibull": [(0.1, 1.0), (1.0, 2.0), (3.5, 1e6), (50.0, 1e-3)],
    "loglogistic": [(0.2, 1.0), (1.0, 2.0), (3.5, 1e6), (50.0, 1e-3)],
    "inverse-gaussian": [(1.0, 1.0), (3.0, 0.1), (100.0, 5e3), (0.01, 50.0), (2.0, 1e-3)],
    "rayleigh": [(1.0,), (1e-6,), (1e6,), (3.7,)],
    "half-normal": [(1.0,), (1e-6,), (1e6,), (3.7,)],
    "maxwell": [(1.0,), (1e-6,), (1e6,), (3.7,)],
    "chi-squared": [(0.05,), (1.0,), (7.5,), (300.0,), (1e4,)],
    "pareto": [(1.0, 0.5), (100.0, 3.0), (1e-3, 30.0), (1e6, 1.2)],
    "lomax": [(0.5, 1.0), (3.0, 100.0), (30.0, 1e-3), (1e4, 1e4)],
    "burr12": [(1.0, 1.0, 1.0), (0.3, 5.0, 100.0), (20.0, 0.4, 1e-3), (2.0, 30.0, 1e6)],
    "gompertz": [(0.1, 1e-4), (2.0, 3.0), (1e-9, 0.5), (20.0, 1e-8)],
    "beta": [(0.5, 0.5), (2.0, 5.0), (0.01, 3.0), (300.0, 200.0), (1.0, 1.0)],
    "kumaraswamy": [(0.5, 0.5), (2.0, 5.0), (0.1, 3.0), (30.0, 200.0)],
    "uniform": [(0.0, 1.0), (-1e6, 1e6), (1e6, 1000000.5), (1e-9, 2e-9)],
    "von-mises": [(0.0, 1.0), (2.5, 0.01), (-1.0, 30.0), (0.5, 500.0), (-3.0, 4.0)],
}  # fmt: skip
TRIALS = {"binomial": [20, 1000, 7, 300], "beta-binomial": [20, 7, 200, 50]}
TAILS = [(-1, "1e-100"), (-1, "1e-12"), (-1, "0.03"), (1, "0.5"), (1, "0.04"), (1, "1e-12"), (1, "exp(-500)")]
QUANTILES = [1e-12, 0.001, 0.1, 0.5, 0.9, 0.999, 0.99999999]
LONG = {"skew-normal", "von-mises"}  # their cdf is an integral


def bounds(family: Family, theta: tuple[Any, ...]) -> tuple[Any, Any]:
    match family.support:
        case "positive":
            return mpf(0), mp.inf
        case "unit":
            return mpf(0), mpf(1)
        case "angle":
            return -mp.pi, +mp.pi
        case "uniform":
            return theta[0], theta[1]
        case "pareto":
            return theta[0], mp.inf
        case "gpd":
            return mpf(0), mp.inf if theta[1] >= 0 else -theta[0] / theta[1]
        case "gev":
            loc, scale, shape = theta
            edge = loc - scale / shape if shape != 0 else mp.inf
            return (edge, mp.inf) if 0 < shape != mp.inf else ((-mp.inf, edge) if shape < 0 else (-mp.inf, mp.inf))
        case _:
            return -mp.inf, mp.inf


def anchor(family: Family, theta: tuple[Any, ...]) -> tuple[Any, Any]:
    """A centre and a width for the real line, to bracket from."""
    named = dict(zip(family.parameters, theta, strict=True))
    return named.get("loc", named.get("mu", mpf(0))), named.get("scale", named.get("sigma", mpf(1)))


def solve(family: Family, theta: tuple[Any, ...], side: int, log_p: Any, digits: int) -> Any:
    """y with log cdf(y) = log_p (side -1) or log sf(y) = log_p (side +1): bracket, then Illinois."""
    low, high = bounds(family, theta)
    centre, width = anchor(family, theta)
    if mp.isinf(low) and mp.isinf(high):
        place = lambda x: centre + width * mp.sinh(x)  # noqa: E731
    elif mp.isinf(high):
        place = lambda x: low + (width if low != 0 else 1) * mp.exp(x)  # noqa: E731
    elif mp.isinf(low):
        place = lambda x: high - width * mp.exp(-x)  # noqa: E731
    else:
        place = lambda x: low + (high - low) / (1 + mp.exp(-x))  # noqa: E731
    tail = family.cdf if side < 0 else family.sf

    def miss(x: Any) -> Any:
        p = tail(place(x), *theta)
        return -side * ((mp.log(p) if p > 0 else mpf(-(10**9))) - log_p)

    with mp.workdps(digits):
        a, b = mpf(-1), mpf(1)
        while miss(a) > 0:
            a *= 2
            if a < -(2**10):
                return None
        while miss(b) < 0:
            b *= 2
            if b > 2**10:
                return None
        for turn in range(200):
            if turn >= 12 and max(abs(miss(a)), abs(miss(b))) < 1000:
                break
            middle = (a + b) / 2
            left = miss(middle)
            if abs(left) < mpf(10) ** (4 - digits):
                return place(middle)
            a, b = (middle, b) if left < 0 else (a, middle)
        try:
            x = mp.findroot(
                miss, (a, b), solver="anderson", tol=mpf(10) ** (8 - 2 * digits), maxsteps=200, verify=False
            )
        except ZeroDivisionError:  # flat: the tail is out of reach at these digits
            return None
        return place(x)


def rounded(y: Any) -> Any:
    return mpf(float(mp.nstr(y, 12)))


def outcomes(name: str, family: Family, theta: tuple[Any, ...], trials: int | None) -> list[Any]:
    if name == "bernoulli":
        return [mpf(0), mpf(1)]
    if name == "discrete-uniform":
        lower, upper = int(theta[0]), int(theta[1])
        return [
            mpf(k)
            for k in sorted({lower, lower + 1, (lower + upper) // 2, upper - 1, upper} & set(range(lower, upper + 1)))
        ]
    if trials is not None:
        return [mpf(k) for k in sorted({0, 1, trials // 3, trials // 2, trials - 1, trials})]
    if family.discrete:
        mean = (1 - theta[0]) / theta[0] if name == "geometric" else theta[0]
        size = theta[1] if "negative" in name else mpf(10) ** 9
        spread = mp.sqrt(mean + mean**2 / min(size, 10**9))
        return [
            mpf(k)
            for k in sorted(
                {0, 1, int(mean / 2), int(mean + spread), int(mean + 6 * spread) + 2, int(mean + 25 * spread) + 9}
            )
        ]
    if name == "uniform":
        lower, upper = theta
        return [mpf(float(lower + (upper - lower) * mpf(q))) for q in ("0", "0.001", "0.25", "0.5", "0.875", "1")]
    tails = TAILS if name not in LONG else [TAILS[k] for k in (1, 2, 3, 4, 5)]
    low, high = bounds(family, theta)
    found = set()
    for side, p in tails:
        log_p = mpf(-500) if p.startswith("exp") else mp.log(mpf(p))
        y = solve(family, theta, side, log_p, 15 if name in LONG else 25)
        if y is None or abs(y) > mpf(10) ** 300 or (y != 0 and abs(y) < mpf(10) ** -300):
            continue
        y = rounded(y) if mp.isfinite(low) or abs(y) > mpf(10) ** -20 * anchor(family, theta)[1] else mpf(0)
        if low < y < high:
            found.add(y)
    if name in LONG:  # the far upper tail by hand
        found.add(mpf(float(theta[0] + 30 * theta[1])) if name == "skew-normal" else mpf("3.140625"))
    return sorted(found)


def quantile(family: Family, theta: tuple[Any, ...], p: float, trials: int | None, long: bool) -> Any:
    exact = mpf(p)
    if family.discrete:
        extra = {} if trials is None else {"trials": trials}
        below = lambda k: family.cdf(mpf(k), *theta, **extra) < exact  # noqa: E731
        start = int(theta[0]) if "lower" in family.parameters else 0
        if not below(start):
            return mpf(start)
        step = 1
        while below(start + step):
            step *= 2
        a, b = start + step // 2, start + step
        while b - a > 1:
            middle = (a + b) // 2
            a, b = (middle, b) if below(middle) else (a, middle)
        return mpf(b)
    if "lower" in family.parameters:
        return theta[0] + exact * (theta[1] - theta[0])
    side, log_p = (-1, mp.log(exact)) if p <= 0.5 else (1, mp.log1p(-exact))
    if long:
        y, f = solve(family, theta, side, log_p, 15), family.log_density(*theta)
        for _ in range(3):  # Newton doubles the digits: 15, 30, 60
            p_y = family.cdf(y, *theta) if side < 0 else family.sf(y, *theta)
            y += side * (mp.log(p_y) - log_p) * p_y / mp.exp(f(y))
    else:
        y = solve(family, theta, side, log_p, 50)
    if y is not None and mpf(10) ** -300 < abs(y) < mpf(10) ** 300:
        tail = family.cdf(y, *theta) if side < 0 else family.sf(y, *theta)
        assert abs(mp.log(tail) - log_p) < mpf(10) ** -30 * (1 + abs(log_p)), (theta, p)
        centred = bounds(family, theta)[0] < 0 and abs(y) < mpf(10) ** -40 * anchor(family, theta)[1]
        return mpf(0) if centred else y
    return None


def show(x: Any) -> str:
    if x is None:
        return ""
    return ("-inf" if x < 0 else "inf") if mp.isinf(x) else mp.nstr(x, 20, strip_zeros=True, min_fixed=-5, max_fixed=17)


def double(x: Any) -> str:
    value = float(x)
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def log(p: Any, rest: Any) -> Any:
    """log p, from the other tail where p is nearly one."""
    if p > 0.5:
        return mp.log1p(-rest)
    return mp.log(p) if p > 0 else -mp.inf


def check_density(
    name: str, family: Family, theta: tuple[Any, ...], y: Any, density: Any, extra: dict[str, int]
) -> None:
    """The density must be the slope (or the step) of both tails, each relative to itself."""
    if family.discrete:
        before = family.cdf(y - 1, *theta, **extra) if y >= 1 or "lower" in family.parameters else mpf(0)
        assert abs(family.cdf(y, *theta, **extra) - before - density) < mpf(10) ** -40, (name, theta, y)
        return
    low, high = bounds(family, theta)
    centre, width = anchor(family, theta)
    if y in (low, high) or (name == "laplace" and y == centre):
        return
    h = mpf(10) ** -18 * min([abs(y - centre) or width, *(abs(y - edge) for edge in (low, high) if mp.isfinite(edge))])
    for tail, sign in ((family.cdf, 1), (family.sf, -1)):
        slope = sign * (tail(y + h, *theta) - tail(y - h, *theta)) / (2 * h)
        value = tail(y, *theta)
        if value > mpf(10) ** -20 and density < mpf(10) ** -15 * value / abs(y or 1):
            continue  # the other tail shows it; this one has no digits for it
        assert abs(slope / density - 1) < mpf(10) ** -12, (name, theta, y, slope, density)


def rows(name: str) -> list[str]:
    family, lines = FAMILIES[name], []
    turn = 0
    for number, raw in enumerate(THETA[name]):
        theta = tuple(mpf(x) for x in raw)
        trials = TRIALS[name][number] if family.trials else None
        extra = {} if trials is None else {"trials": trials}
        f = family.log_density(*theta)
        for y in outcomes(name, family, theta, trials):
            cdf, sf = family.cdf(y, *theta, **extra), family.sf(y, *theta, **extra)
            assert abs(cdf + sf - 1) < mpf(10) ** -40, (name, raw, y, cdf + sf - 1)
            check_density(name, family, theta, y, mp.exp(f(y) if trials is None else f(y, mpf(trials))), extra)
            p = QUANTILES[turn % len(QUANTILES)]
            turn += 1
            q = quantile(family, theta, p, trials, name in LONG)
            density = f(y) if trials is None else f(y, mpf(trials))
            cells = [double(x) for x in raw] + ([str(trials)] if trials is not None else [])
            lines.append(
                ",".join([*cells, double(y), show(density), show(log(cdf, sf)), show(log(sf, cdf)), repr(p), show(q)])
            )
    return lines


def main(names: list[str]) -> None:
    mp.dps = 60
    for name in names or list(THETA):
        family = FAMILIES[name]
        columns = [*family.parameters, *(["trials"] if family.trials else [])]
        lines = [
            f"# made by tests/reference/make_points.py with mpmath {mpmath.__version__}, 50 digits",
            ",".join([*columns, "y", "log_density", "log_cdf", "log_sf", "quantile_p", "quantile"]),
            *rows(name),
        ]
        (HERE / "points" / f"{name}.csv").write_text("\n".join(lines) + "\n")
        print(name, len(lines) - 2, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
