"""NIST's univariate series (StRD): mean and standard deviation by every way into the program.

The certified standard deviation divides by n - 1, the maximum-likelihood one by n. Digits are counted as NIST does,
by the log relative error -log10 |value - certified| / |certified|. The certified values are those of the decimal
data; the nearest doubles of NumAcc3 and NumAcc4 (1000000.1, 10000000.1 ...) differ from them by up to 1e-10 and 1e-9,
a part in 1e9 and 1e8 of the deviation 0.1. What these doubles themselves have, to 30 digits, is therefore the second,
sharper standard: nothing may be lost on top of what the doubles have lost.
"""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from math import inf, isqrt, log10, sqrt
from pathlib import Path

import numpy as np
import pytest

import mlefit
from mlefit import api
from mlefit.families import registry
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample

HERE = Path(__file__).parents[1] / "reference" / "nist"
SERIES = ["pidigits", "lottery", "lew", "mavro", "michelso", "numacc1", "numacc2", "numacc3", "numacc4"]
# Digits of mean and standard deviation that the doubles nearest to the data allow.
DIGITS = dict.fromkeys(SERIES, (14.0, 14.0)) | {
    "mavro": (14.0, 13.0),
    "michelso": (14.0, 13.8),
    "numacc3": (14.0, 9.4),
    "numacc4": (14.0, 8.2),
}


def certified(name):
    lines = (line for line in (HERE / "certified.csv").read_text().splitlines() if not line.startswith("#"))
    row = next(row for row in csv.DictReader(lines) if row["name"] == name)
    return int(row["n"]), float(row["mean"]), float(row["std_dev"])


def data(name):
    return [float(line) for line in (HERE / f"{name}.csv").read_text().split()[1:]]


def exact(values):
    """Mean and standard deviation (divisor n) of these very doubles, in rational arithmetic, rounded once."""
    numbers = [Fraction(v) for v in values]
    mean = sum(numbers) / len(numbers)
    variance = sum((v - mean) ** 2 for v in numbers) / len(numbers)
    scale = 10**60
    return float(mean), isqrt(int(variance * scale**2)) / scale


def digits(value, standard):
    return inf if value == standard else -log10(abs(value - standard) / abs(standard))


def in_memory(name, monkeypatch):
    fit = fit_sample(registry.get("normal"), Sample(np.array(data(name))))[0]
    return fit.n, fit.estimates["mu"], fit.estimates["sigma"]


def from_file(name, monkeypatch):
    fit = mlefit.fit(HERE / f"{name}.csv", "normal")
    return fit.n, fit.estimates["mu"], fit.estimates["sigma"]


def in_parts(name, monkeypatch):
    original = api.reading.read_chunks
    monkeypatch.setattr(api, "LARGE", 0)
    monkeypatch.setattr(api.reading, "read_chunks", lambda request: original(request, 37))
    return from_file(name, monkeypatch)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("way", [in_memory, from_file, in_parts])
def test_certified_values(way, name, monkeypatch):
    n, mean, deviation = certified(name)
    count, mu, sigma = way(name, monkeypatch)
    assert count == n
    assert digits(mu, mean) >= DIGITS[name][0]
    assert digits(sigma * sqrt(n / (n - 1)), deviation) >= DIGITS[name][1]
    mean, deviation = exact(data(name))
    assert digits(mu, mean) >= 15
    assert digits(sigma, deviation) >= 14


@pytest.mark.parametrize("name", SERIES)
def test_the_command_prints_every_digit(name, mlefit):
    ran = mlefit("estimate", HERE / f"{name}.csv", "--dist", "normal", "--format", "json")
    assert ran.status == 0
    record = json.loads(ran.out)["parameters"]
    mean, deviation = exact(data(name))
    assert digits(record["mu"]["estimate"], mean) >= 15
    assert digits(record["sigma"]["estimate"], deviation) >= 14
