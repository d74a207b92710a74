"""`mlefit explain`: the lecture's examples, a text for everything, and numbers that are those of the commands."""

from __future__ import annotations

import io
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from mlefit.cli import run
from mlefit.explain.page import explain, losses, text
from mlefit.families import registry
from mlefit.report.document import FORMATS
from mlefit.report.pages import page
from mlefit.samples import sample_data

COMPOSED = [
    "zero-inflated:poisson", "zero-inflated:binomial", "hurdle:negative-binomial", "hurdle:geometric",
    "hurdle:gamma", "zero-inflated:lognormal",
    "mixture:normal*2", "mixture:gamma+lognormal", "mixture:poisson*2", "scipy:gamma", "scipy:weibull_min",
    "scipy:t", "scipy:beta", "scipy:poisson",
]  # fmt: skip
NAMES = [*registry.BUILT_IN, *losses(), *COMPOSED]
WIDEST = 62  # a formula in an 80-column terminal beside its label


def normal_surface(mu: float, sigma: float) -> float:
    """The lecture's surface for -1, 0, 1."""
    square = (mu - 1) ** 2 + mu**2 + (mu + 1) ** 2
    return (2 * math.pi * sigma**2) ** (-3 / 2) * math.exp(-(1 / (2 * sigma**2)) * square)


# -- the lecture ------------------------------------------------------------------------------------------------


def test_the_coin_of_the_lecture() -> None:
    example = explain("bernoulli")["example"]
    assert [row["y"] for row in example["rows"]] == [0, 0, 0, 1, 0]
    assert example["likelihood"] == "L(p) = p (1 − p)^4"
    assert example["estimates"]["p"] == pytest.approx(1 / 5, rel=1e-15)
    assert math.exp(-example["total"]["nll"]) == pytest.approx(0.2 * 0.8**4, rel=1e-14)
    family = registry.get("bernoulli")
    y = np.array([0.0, 0, 0, 1, 0])
    for p in (0.05, 0.2, 0.5, 0.9):
        eta = family.forward(np.array([[p]]))
        assert np.exp(-family.nll(y, eta).sum()) == pytest.approx(p * (1 - p) ** 4, rel=1e-13)


def test_the_three_numbers_of_the_lecture() -> None:
    example = explain("normal")["example"]
    assert [row["y"] for row in example["rows"]] == [-1, 0, 1]
    assert example["estimates"]["mu"] == 0
    assert example["estimates"]["sigma"] == pytest.approx(math.sqrt(2 / 3), rel=1e-15)
    assert math.exp(-example["total"]["nll"]) == pytest.approx(normal_surface(0, math.sqrt(2 / 3)), rel=1e-13)
    assert " ".join(example["likelihood"].split()) == (
        "L(μ, σ) = (2πσ²)^(−3/2) · exp(−(1/(2σ²)) ((μ − 1)² + μ² + (μ + 1)²))"
    )
    family, y = registry.get("normal"), np.array([-1.0, 0, 1])
    for mu, sigma in ((0.0, 0.8), (0.5, 1.0), (-2.0, 3.0)):
        eta = family.forward(np.array([[mu], [sigma]]))
        assert np.exp(-family.nll(y, eta).sum()) == pytest.approx(normal_surface(mu, sigma), rel=1e-13)


def test_the_printed_likelihoods_are_the_lectures() -> None:
    pytest.importorskip("mpmath")
    from mpmath import mpf
    from notation import Scope, formula

    coin = formula(explain("bernoulli")["example"]["likelihood"])
    surface = formula(explain("normal")["example"]["likelihood"])
    for p in (0.1, 0.2, 0.7):
        assert float(coin(Scope({"p": mpf(p)}))) == pytest.approx(p * (1 - p) ** 4, rel=1e-14)
    for mu, sigma in ((0.0, 0.8), (1.5, 2.0)):
        assert float(surface(Scope({"μ": mpf(mu), "σ": mpf(sigma)}))) == pytest.approx(normal_surface(mu, sigma), 1e-13)


# -- every page -------------------------------------------------------------------------------------------------


def test_every_built_in_family_has_a_text() -> None:
    assert [name for name in registry.BUILT_IN if text(name) is None] == []


def test_every_text_belongs_to_a_family() -> None:
    folder = Path(explain.__code__.co_filename).parent / "families"
    assert {path.stem for path in folder.glob("*.toml")} <= set(registry.BUILT_IN)


def test_every_loss_can_be_explained() -> None:
    from mlefit.families.losses import LOSSES

    declared = {loss for name in registry.BUILT_IN for loss in registry.get(name).losses}
    for loss in declared | set(LOSSES):
        found = explain(loss)
        assert registry.canonical(loss) in (found["name"], *found["aliases"])
    for name, said in losses().items():
        assert name in registry.get(said["family"]).losses


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole(name: str) -> None:
    record = explain(name)
    keys = ["use", "nll", "loss", "dropped", "source", "example"]
    keys += ["density", "log_likelihood", "closed_form"] if record["kind"] == "family" else ["likelihood", "gradient"]
    for key in keys:
        assert record[key], key
    formulas = [record.get(key, "") for key in ("density", "likelihood", "log_likelihood", "nll", "total")]
    formulas += [*record.get("score", ()), *record.get("gradient", ()), *record.get("where", ())]
    lines = [line for formula in formulas for line in formula.split("\n")]
    assert [line for line in lines if cell_len(line) > WIDEST] == []
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_page_says_what_censored_rows_cost_where_they_can_be_fitted(name: str) -> None:
    record = explain(name)
    family = registry.get(name)
    assert ("censored" in record) is (name not in ("bernoulli", "categorical"))
    if family.irregular:  # neither Newton's method nor the extremes
        assert "sought" in record["censored"] or "search" in record["censored"]
    elif "censored" in record:
        assert "Newton" in record["censored"] or "closed form" in record["censored"]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_adds_up(name: str) -> None:
    """Its total is the fit's NLL; its gradients sum to nothing wherever the maximum is not an end or a kink."""
    record = explain(name)
    example = record["example"]
    family = registry.get(record["name"] if record["kind"] == "family" else losses()[name]["family"])
    assert example["certificate"]["converged"]
    assert example["total"]["nll"] == pytest.approx(-example["log_likelihood"], rel=1e-12)
    if example["n"] == len(example["rows"]):
        assert sum(row["nll"] for row in example["rows"]) == pytest.approx(example["total"]["nll"], rel=1e-14)
    if family.name != "laplace":  # at a median between two rows the signs do cancel
        assert example["score_is_zero"] is not bool(family.irregular)
    closed = record.get("closed_form", "Yes").startswith("Yes")
    if closed:
        assert example["iterations"] == 0


@pytest.mark.parametrize(
    "name", [name for name in NAMES if text(name) is not None or name in losses() or name in COMPOSED]
)
def test_the_command_shown_gives_the_same_fit(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = explain(name)["example"]
    words = shlex.split(example["command"])[1:]
    words[1] = str(sample_data(words[1].removeprefix("sample_data/")))
    assert run([*words, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["log_likelihood"] == pytest.approx(example["log_likelihood"], rel=1e-10)
    for parameter, value in example["estimates"].items():
        assert record["parameters"][parameter]["estimate"] == pytest.approx(value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("inside", ["poisson", "negative-binomial", "geometric"])
def test_the_gradients_of_zeros_apart_are_as_printed(inside: str) -> None:
    base, y = registry.get(inside), np.array([0.0, 1, 4])
    eta = np.linspace(-0.4, 0.7, base.size + 1)[:, None]
    omega, at_zero = 1 / (1 + np.exp(-eta[-1])), np.exp(-base.nll(np.zeros(1), eta[:-1]))
    g, g_zero = base.gradient(y, eta[:-1]), base.gradient(np.zeros(1), eta[:-1])
    q = omega + (1 - omega) * at_zero
    inflated = [*np.where(y == 0, g_zero * (1 - omega) * at_zero / q, g), np.where(y == 0, omega - omega / q, omega)]
    apart = [*np.where(y == 0, 0, g + g_zero * at_zero / (1 - at_zero)), np.where(y == 0, omega - 1, omega)]
    for name, printed in (("zero-inflated", inflated), ("hurdle", apart)):
        found = registry.get(f"{name}:{inside}").gradient(y, eta)
        np.testing.assert_allclose(found, np.array(printed), rtol=1e-12, atol=1e-14)


def test_the_gradients_of_a_mass_at_zero_are_as_printed() -> None:
    base, y, eta = registry.get("gamma"), np.array([0.0, 1, 4]), np.array([0.4, -0.5, 0.1])[:, None]
    omega = 1 / (1 + np.exp(-0.1))
    printed = [*np.where(y == 0, 0, base.gradient(y + (y == 0), eta[:-1])), np.where(y == 0, omega - 1, omega)]
    np.testing.assert_allclose(registry.get("hurdle:gamma").gradient(y, eta), np.array(printed), rtol=1e-12)


def test_the_gradients_of_a_mixture_are_as_printed() -> None:
    family, normal = registry.get("mixture:normal*2"), registry.get("normal")
    y, eta = np.array([-1.0, 0.5, 3]), np.array([0.4, -0.5, 0.1, 2.0, -0.3])[:, None]
    w = np.array([1 / (1 + np.exp(-0.4)), 1 / (1 + np.exp(0.4))])
    parts = [w[c] * np.exp(-normal.nll(y, eta[1 + 2 * c : 3 + 2 * c])) for c in range(2)]
    r = parts / np.sum(parts, axis=0)
    printed = [w[0] - r[0], *(r[c] * g for c in range(2) for g in normal.gradient(y, eta[1 + 2 * c : 3 + 2 * c]))]
    np.testing.assert_allclose(family.gradient(y, eta), np.array(printed), rtol=1e-12, atol=1e-14)


def test_a_family_without_a_maximum_on_its_sample_has_no_example() -> None:
    record = explain("scipy:uniform")
    assert "example" not in record
    assert record["density"] == "f(y) = f₀(z)/scale"


def test_a_density_of_ones_own_has_a_page() -> None:
    record = explain("density: log(Rate) - Rate*y; Rate>0; y>=0")
    assert record["density"] == "log f(y) = log(Rate) - Rate*y"
    assert record["gradient"] == ["∂nll/∂η = −∂log f/∂Rate · ∂Rate/∂η"]
    assert record["closed_form"].startswith("None is looked for")


# -- losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*losses(), "poisson"])
def test_a_loss_is_the_nll_less_what_was_dropped(name: str) -> None:
    example = explain(name)["example"]
    t = example["estimates"]
    for row in example["rows"]:
        match name:
            case "mse":
                rest = (row["nll"] - math.log(2 * math.pi * t["sigma"] ** 2) / 2) * 2 * t["sigma"] ** 2
            case "gaussian-nll":
                rest = row["nll"] - math.log(2 * math.pi) / 2
            case "mae":
                rest = (row["nll"] - math.log(2 * t["scale"])) * t["scale"]
            case "poisson":
                rest = row["nll"] - math.lgamma(row["y"] + 1)
            case _:
                rest = row["nll"]
        assert row["loss"] == pytest.approx(rest, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("name", [*losses(), "poisson"])
def test_the_gradient_at_the_output(name: str) -> None:
    example = explain(name)["example"]
    t = example["estimates"]
    for row in example["rows"]:
        y, gradient = row["y"], row["gradient"]
        match name:
            case "bce":
                assert gradient == pytest.approx({"p": t["p"] - y})
            case "cross-entropy":
                assert gradient == pytest.approx({level: t[level] - (level == f"p[{y}]") for level in t})
            case "mse" | "gaussian-nll":
                assert gradient["mu"] == pytest.approx((t["mu"] - y) / t["sigma"] ** 2)
                assert gradient["sigma"] == pytest.approx(1 - (y - t["mu"]) ** 2 / t["sigma"] ** 2)
            case "mae":
                assert gradient["loc"] == -np.sign(y - t["loc"]) / t["scale"]
            case "poisson":
                assert gradient == pytest.approx({"mu": t["mu"] - y})


def test_the_constant_models() -> None:
    def mean(name: str) -> tuple[dict[str, Any], float]:
        example = explain(name)["example"]
        return example, example["mean_loss"]

    example, loss = mean("bce")
    p = example["estimates"]["p"]
    assert loss == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p), rel=1e-12)
    example, loss = mean("cross-entropy")
    assert loss == pytest.approx(-sum(p * math.log(p) for p in example["estimates"].values()), rel=1e-12)
    example, loss = mean("mse")
    assert example["estimates"]["sigma"] ** 2 == pytest.approx(loss, rel=1e-12)
    assert example["total"]["nll"] == pytest.approx(example["n"] / 2 * (math.log(2 * math.pi * loss) + 1), rel=1e-12)
    example, loss = mean("mae")
    assert example["estimates"]["scale"] == pytest.approx(loss, rel=1e-12)
    assert example["total"]["nll"] == pytest.approx(example["n"] * (math.log(2 * loss) + 1), rel=1e-12)


@pytest.mark.parametrize("levels", [2, 4])
def test_softmax_minus_one_hot(levels: int) -> None:
    family = registry.get("categorical").bind([str(i) for i in range(levels)])
    eta = np.linspace(-1, 2, levels - 1)[:, None]
    y = np.arange(levels, dtype=float)
    scores = np.concatenate([[0.0], eta[:, 0]])
    softmax = np.exp(scores) / np.exp(scores).sum()
    one_hot = np.eye(levels)
    np.testing.assert_allclose(family.gradient(y, eta), (softmax[:, None] - one_hot)[1:], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(family.nll(y, eta), np.log(np.exp(scores).sum()) - scores, rtol=1e-13)


@pytest.mark.parametrize("name", losses())
def test_a_loss_page_ends_in_a_command_that_exists(name: str) -> None:
    from mlefit.cli import COMMANDS

    _, command, option, loss = explain(name)["train"].split()
    assert (command in COMMANDS, option, loss) == (True, "--loss", name)


# -- the command ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["bernoulli", "mse"])
def test_every_format(name: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", name, "--format", form]) == 0
    out = capsys.readouterr().out
    assert "nll" in out.lower()
    assert "\x1b" not in out


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", NAMES)
def test_fits_a_terminal(name: str, width: int) -> None:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(page(explain(name)))
    lines = stream.getvalue().splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= width
    assert [line for line in lines if "…" in line] == []
    assert len(lines) <= 63


def test_a_pipe_gets_lines_of_reading_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "gamma"]) == 0
    assert max(cell_len(line.rstrip()) for line in capsys.readouterr().out.splitlines()) <= 96


@pytest.mark.parametrize(
    ("asked", "found"),
    [("gaussian", "normal"), ("Sparse_Cross_Entropy", "cross-entropy"), ("L2", "mse"), ("t", "student-t")],
)
def test_aliases(asked: str, found: str) -> None:
    assert explain(asked)["name"] == found


@pytest.mark.parametrize(("asked", "near"), [("gama", "gamma"), ("bec", "bce"), ("gausian", "gaussian")])
def test_an_unknown_name_suggests_the_nearest(asked: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", asked]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"did you mean {near}?" in captured.err


@pytest.mark.parametrize(
    ("extra", "score"),
    [
        ("", "by central differences"),
        ("    def gradient(self, y, eta):\n        return (y - y + 1)[None]\n", "written by the family"),
    ],
)
def test_a_plugin_gets_a_page_from_what_it_declares(
    extra: str, score: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    file = tmp_path / "fold.py"
    file.write_text(
        "import mlefit\nfrom mlefit.families.links import log\n\n"
        'class Fold(mlefit.Family):\n    """Folded things."""\n    name = "fold"\n'
        '    parameters = (mlefit.Parameter("width", log, "how [bold]wide"),)\n\n'
        "    def nll(self, y, eta):\n        return eta[0] + y\n" + extra
    )
    assert run(["explain", "fold", "--plugin", str(file), "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["use"] == "Folded things."
    assert record["support"] == "all numbers"
    assert record["parameters"][0]["from_score"] == "width = exp(η)"
    assert score in record["score"][0]
    assert run(["explain", "fold"]) == 0
    assert "how [bold]wide" in capsys.readouterr().out
