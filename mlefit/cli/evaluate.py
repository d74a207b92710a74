"""`mlefit evaluate`: how well a saved model predicts rows whose outcomes are known."""

from __future__ import annotations

from typing import Any

from mlefit.cli import options as o
from mlefit.report.document import Document

HELP = """\
Prints the NLL per row against the constant model's, accuracy and Brier score or RMSE and CRPS, and the calibration:
predicted against observed frequencies for labels, the coverage of central intervals for numbers. A model of censored or
truncated rows reads the same columns again ([bold]--event[/] and the like of its making), and gives their NLL.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit train sample_data/diabetes.csv --loss mse --target progression --save diabetes.mle\n
mlefit evaluate diabetes.mle sample_data/diabetes.csv\n
mlefit evaluate diabetes.mle sample_data/diabetes.csv --where "age > 50" --format json
"""


def command(
    *,
    model: o.Model,
    data: o.Data = None,
    weights: o.Weights = None,
    reading: o.Reading,
    plot: o.Plot = None,
    always: o.Always,
) -> Document:
    from mlefit.inference.model import load
    from mlefit.predicting import evaluate_request

    if plot:
        from mlefit.report.figure import check_path

        check_path(plot)
    loaded = load(model)
    found = evaluate_request(loaded, reading.request(data), weights)
    if plot:
        from mlefit.report.learning import calibration_plot

        calibration_plot(loaded, found, plot)

    def table() -> Any:
        from mlefit.report.models import evaluation_table

        return evaluation_table(loaded, found)

    record = {"loss": loaded.loss, "family": loaded.family.name, "target": loaded.target.name, **found.to_dict()}
    flat = {name: value for name, value in record.items() if name != "calibration"}
    return Document(record, [flat], table, found.notes)
