"""What pictures of fits say and show, read from their text as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlefit.report import figure

DATA = Path(__file__).parents[2] / "sample_data"
LONG = "body_mass_g + bill_length_mm * 1000 + bill_depth_mm * 2000 - flipper_length_mm"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("estimate", DATA / "menarche.csv", "-c", "menarche", "--trials", "total", "-d", "binomial"),
         [">menarche / trials<", ">share of rows<", ">1.0<"]),
        (("estimate", DATA / "insect_sprays.csv", "-c", "count", "--trials", "30", "-d", "binomial"),
         [">probability<"]),
        (("estimate", DATA / "rutherford_geiger.csv", "-c", "scintillations", "--weights", "intervals",
          "-d", "poisson"),
         ["n = 14, weight 2608"]),
        (("estimate", DATA / "penguins.csv", "-c", LONG), ["body_mass_g + bill_length_mm", "…"]),
        (("estimate", DATA / "penguins.csv", "-c", "body_mass_g", "--by", "species,sex,island"),
         [">species = Adelie   sex = female<", ">island = Dream   n = 27<"]),
        (("compare", DATA / "smoked_fish.csv", "--lower", "left", "--upper", "right", "-d", "weibull,lognormal",
          "--replicates", "0"), [">Turnbull<", "known between two ends: lognormal is best", "no quantiles (QQ)"]),
        (("likelihood", DATA / "groundbeef.csv", "-d", "gamma", "--over", "shape"), [">rate = 0.05443 held<"]),
        (("likelihood", DATA / "groundbeef.csv", "-d", "gamma", "--over", "shape", "--profile"),
         [">rate re-maximised at every point<", "95 % limits"]),
        (("likelihood", DATA / "coin.csv", "-d", "bernoulli"), [">likelihood of bernoulli for y, n = 5<"]),
        (("likelihood", DATA / "iris.csv", "-c", "species", "-d", "categorical"), ["others keeping their proportions"]),
    ],
)  # fmt: skip
def test_pictures_say_what_they_show(
    mlefit: Callable, tmp_path: Path, arguments: tuple[object, ...], said: list[str]
) -> None:
    target = tmp_path / "plot.svg"
    ran = mlefit(*arguments, "--plot", target)
    assert ran.status == 0, ran.err
    text = target.read_text()
    assert not [words for words in said if words not in text]


def test_the_expected_proportions_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlefit
    from mlefit.report import plots
    from mlefit.sample import Sample

    y, trials = np.array([2.0, 5, 30, 0]), np.array([4.0, 5, 100_000, 7])
    fit = mlefit.fit(y, "binomial", trials=trials)
    axis = figure.new()[1][0]
    plots._proportions(axis, fit, Sample.of(np.stack([y, trials])), np.ones(4), "binomial")
    drawn = np.asarray(axis.lines[0].get_ydata())
    assert drawn.sum() == pytest.approx(1)
    assert sum(bar.get_height() for bar in axis.patches) == pytest.approx(1)


@pytest.mark.parametrize("family", ["bernoulli", "discrete-uniform", "poisson"])
def test_probabilities_of_values_are_not_joined(family: str) -> None:
    import mlefit
    from mlefit.report import plots
    from mlefit.sample import Sample

    y = np.array([0.0, 1, 1])
    axis = figure.new()[1][0]
    plots._counts(axis, mlefit.fit(y, family), Sample.of(y), np.ones(3), family)
    assert [line.get_linestyle() for line in axis.lines] == ["None"]


def test_labels_are_cut_and_put_on_lines() -> None:
    assert figure.short("a" * 100, 10) == "a" * 9 + "…"
    assert figure.short("\x1b[31m") == "\\x1b[31m"
    assert figure.lines(["a = 1 2", "b = 3"], 8) == "a = 1 2\nb = 3"
    assert figure.lines(["a = 1 2", "b = 3"], 20) == "a = 1 2   b = 3"


@pytest.mark.parametrize("fixed", [{}, {"mu_1": 54.0}])
def test_components_of_a_mixture_add_up_to_its_density(fixed: dict[str, float]) -> None:
    import mlefit
    from mlefit.report import plots
    from mlefit.sample import Sample

    y = np.loadtxt(DATA / "old_faithful.csv", delimiter=",", skiprows=1)[:, 1]
    fit = mlefit.fit(y, "mixture:normal*2", fix=fixed)
    axis = figure.new()[1][0]
    plots._one(axis, fit, Sample.of(y))
    whole, *parts = (np.asarray(line.get_ydata()) for line in axis.lines)
    assert len(parts) == 2
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-9, atol=1e-300)
    shares = [np.trapezoid(part, axis.lines[0].get_xdata()) for part in parts]
    assert shares[0] == pytest.approx(fit.estimates["weight_1"], abs=0.01)  # the axis has nearly all of it
    assert {line.get_linestyle() for line in axis.lines[1:]} == {"--"}


@pytest.mark.parametrize("family", ["normal", "mixture:poisson*2"])
def test_other_families_and_counts_have_parts_of_their_own(family: str) -> None:
    import mlefit
    from mlefit.report import plots
    from mlefit.sample import Sample

    y = np.array([0.0, 1, 0, 2, 1, 9, 11, 8, 10, 12])
    axis = figure.new()[1][0]
    plots._one(axis, mlefit.fit(y, family), Sample.of(y))
    whole, *parts = (np.asarray(line.get_ydata()) for line in axis.lines)
    assert len(parts) == (0 if family == "normal" else 2)
    if parts:
        np.testing.assert_allclose(sum(parts), whole, rtol=1e-9)


def test_a_spread_of_zero_has_no_curve() -> None:
    import mlefit
    from mlefit.report import plots
    from mlefit.sample import Sample

    y = np.array([3.0, 3, 3])
    axis = figure.new()[1][0]
    plots._one(axis, mlefit.fit(y), Sample.of(y))
    assert not any(len(line.get_xdata()) for line in axis.lines)
    assert any("no density" in text.get_text() for text in axis.get_legend().get_texts())
    assert axis.patches[0].get_height() > 0


@pytest.mark.parametrize(("family", "step"), [("gamma", 0.0), ("poisson", 1.0)])
def test_a_comparison_of_intervals_draws_turnbulls_estimate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, family: str, step: float
) -> None:
    """Rows of intervals side by side: survival at their ends is the share of rows beyond. Counts have both ends."""
    from mlefit.families import registry
    from mlefit.families.censored import Censored
    from mlefit.inference.compare import Plan, compare_sample
    from mlefit.report import comparison_plots
    from mlefit.sample import Sample

    drawn = []
    monkeypatch.setattr(figure, "save", lambda made, path: drawn.append(made))
    lower = np.array([1.0, 1.0, 4.0, 7.0, 7.0, 7.0])
    rows = Sample(np.stack([lower, lower + 3.0 - step]))
    found = compare_sample([Censored(registry.get(family))], rows, Plan(replicates=0))[0]
    comparison_plots.comparison_plot([(found, rows)], str(tmp_path / "a.png"))
    densities, survival = drawn[0].axes
    assert len(densities.lines) == 1
    line = survival.lines[0]
    assert line.get_label() == "Turnbull"
    x, height = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    for at, share in ((1.0, 1.0), (4.0, 4 / 6), (7.0, 3 / 6), (10.0, 0.0)):
        assert height[x == at - step].tolist() == pytest.approx([share] * (x == at - step).sum())
        assert (x == at - step).any()
