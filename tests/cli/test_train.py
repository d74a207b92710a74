"""`mlefit train`, `predict` and `evaluate` as whole processes and in this one."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlefit
from mlefit.cli import run
from mlefit.families import losses

DATA = Path(__file__).parents[2] / "sample_data"
ROOT = Path(mlefit.__file__).parents[1]
SHORT = ["--epochs", "3"]


@pytest.fixture
def call(capsys, monkeypatch):
    """Runs one command line; returns its status, standard output and standard error."""
    monkeypatch.setattr("sys.stdin", None)

    def run_it(*arguments):
        status = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_it


def process(*arguments, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "mlefit", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        **options,
    )


@pytest.fixture
def model(call, tmp_path):
    path = tmp_path / "iris.mle"
    assert call("train", DATA / "iris.csv", "-l", "cross-entropy", "-t", "species", *SHORT, "--save", path)[0] == 0
    return path


@pytest.mark.parametrize(
    "loss", [*losses.LOSSES, "gamma", "beta", "weibull", "negative-binomial", "student-t", "binomial"]
)
def test_every_loss_has_a_bundled_sample(call, loss):
    status, out, err = call("train", "--loss", loss, *SHORT, "--format", "json")
    assert status == 0, err
    record = json.loads(out)
    assert record["train"]["nll_per_observation"] is not None
    assert "bundled sample" in err


@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, "closed", "empty"])
def test_no_data_is_closed_or_empty_standard_input(stdin, tmp_path):
    if stdin == "closed":
        shell = f"{sys.executable} -m mlefit train --loss bce --epochs 2 <&-"
        done = subprocess.run(
            shell, shell=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    elif stdin == "empty":
        (tmp_path / "empty").touch()
        with (tmp_path / "empty").open() as file:
            done = process("train", "--loss", "bce", *SHORT, stdin=file)
    else:
        done = process("train", "--loss", "bce", *SHORT, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert "training on the bundled sample breast_cancer.csv" in done.stderr


def test_data_through_a_pipe():
    text = (DATA / "iris.csv").read_text()
    done = process("train", "--loss", "cross-entropy", "--target", "species", *SHORT, input=text)
    assert done.returncode == 0, done.stderr
    assert "bundled" not in done.stderr


def test_the_table_says_what_it_should(call):
    status, out, err = call("train", DATA / "diabetes.csv", "--loss", "mse", "--target", "progression", *SHORT)
    assert status == 0
    for words in (
        "normal family",
        "constant model",
        "gain, nats",
        "gain, bits",
        "RMSE",
        "sigma =",
        "NLL per row",
        "354",
    ):
        assert words in out
    assert "features: age, sex, bmi" in err


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "tsv", "markdown", "latex"])
def test_every_format(call, form):
    status, out, _ = call("train", DATA / "cars.csv", "-l", "mse", "-t", "dist", *SHORT, "--format", form)
    assert status == 0
    if form in ("json", "ndjson"):
        record = json.loads(out)
        assert {"loss", "family", "parameters_count", "epochs", "train", "validation", "constant"} <= set(record)
    elif form in ("csv", "tsv"):
        rows = list(csv.DictReader(io.StringIO(out), delimiter="," if form == "csv" else "\t"))
        assert [row["rows"] for row in rows] == ["train", "validation"]


def test_which_level_is_one_is_said(call):
    _, _, err = call("train", DATA / "breast_cancer.csv", "-l", "bce", "-t", "diagnosis", *SHORT)
    assert "p is the probability that diagnosis is malignant (1), not benign (0)" in err


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["iris.csv", "-l", "bce", "-t", "species"], 1, "two levels"),
        (["iris.csv", "-l", "mse", "-t", "species"], 1, "is text"),
        (["motorcycle.csv", "-l", "poisson", "-t", "accel"], 1, "line 3"),
        (["iris.csv", "-l", "bce"], 2, "--target"),
        (["iris.csv", "-l", "crossentropy", "-t", "species"], 2, "did you mean cross-entropy"),
        (["iris.csv", "-l", "mse", "-t", "sepal"], 2, "no column"),
        (["iris.csv", "-l", "mse", "-t", "sepal_length", "--features", "sepal_length"], 2, "is the target"),
        (["iris.csv", "-l", "mse", "-t", "sepal_length", "--features", "petal"], 2, "no column"),
        (["iris.csv", "-l", "mse", "-t", "sepal_length", "--hidden", "big"], 2, "--hidden"),
        (["iris.csv", "-t", "sepal_length"], 2, "--loss"),
        (["iris.csv", "-l", "mse", "-t", "sepal_length", "--validation", "species = 'x'"], 1, "no row meets"),
        (["iris.csv", "-l", "mse", "-t", "sepal_length", "--validation", "nothing.csv"], 1, "no file"),
        (["iris.csv", "-l", "mse", "-t", "sepal_length", "--resume", "nothing"], 1, "cannot be read"),
        (["menarche.csv", "-l", "binomial", "-t", "menarche"], 2, "--trials"),
        (["iris.csv", "-l", "uniform", "-t", "sepal_length"], 1, "endpoint"),
    ],
)
def test_wrong_requests_are_one_sentence(call, arguments, status, sentence):
    found, out, err = call("train", DATA / arguments[0], *arguments[1:])
    assert found == status, err
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err


def test_a_target_without_data_is_refused(call):
    status, _, err = call("train", "--loss", "bce", "--target", "nothing")
    assert status == 2
    assert "no data" in err


def test_labels_and_columns_that_are_hostile(call, tmp_path):
    path = tmp_path / "hostile.csv"
    rows = "".join(f"[red]a[/red]\x1b[31m,{i},é\n[/],{i + 0.5},\U0001f600\n" for i in range(20))
    path.write_text(f"[bold]y[/bold],x\x1b]0;t\x07,z\n{rows}")
    status, out, err = call("train", path, "-l", "bce", "-t", "[bold]y[/bold]", *SHORT, "--save", tmp_path / "m")
    assert status == 0, err
    assert "\x1b" not in out + err
    assert "[bold]y[/bold]" in out
    status, out, err = call("evaluate", tmp_path / "m", path)
    assert status == 0, err
    assert "\x1b" not in out + err
    assert call("predict", tmp_path / "m", path, "--format", "table")[0] == 0


def test_missing_features_are_dropped_counted_or_refused(call):
    arguments = ("train", DATA / "penguins.csv", "-l", "cross-entropy", "-t", "species", *SHORT)
    assert "11 rows with a missing value dropped" in call(*arguments)[2]
    status, _, err = call(*arguments, "--missing", "error")
    assert status == 1
    assert "line" in err


def test_no_features_at_all(call):
    status, out, _ = call(
        "train", DATA / "cars.csv", "-l", "mse", "-t", "dist", "--features", "none", "--hidden", "none", "-f", "json"
    )
    assert status == 0
    assert abs(json.loads(out)["train"]["gain_nats"]) < 1e-9


def test_a_column_that_marks_the_validation_rows(call):
    status, out, _ = call(
        "train",
        DATA / "penguins.csv",
        "-l",
        "cross-entropy",
        "-t",
        "species",
        "--validation",
        "year = 2009",
        *SHORT,
        "-f",
        "json",
    )
    assert status == 0
    record = json.loads(out)
    assert (record["train"]["n"], record["validation"]["n"]) == (216, 117)


def test_a_validation_file(call):
    status, out, _ = call(
        "train", DATA / "cars.csv", "-l", "mse", "-t", "dist", "--validation", DATA / "cars.csv", *SHORT, "-f", "json"
    )
    assert status == 0
    record = json.loads(out)
    assert record["train"]["n"] == record["validation"]["n"] == 50


def test_history_is_a_line_an_epoch(call, tmp_path):
    path = tmp_path / "h.csv"
    assert call("train", DATA / "cars.csv", "-l", "mse", "-t", "dist", *SHORT, "--history", path)[0] == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert set(rows[0]) == {"epoch", "train", "validation", "rate"}


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "ndjson", "table", "markdown"])
def test_predict_in_every_format(call, model, form):
    status, out, _ = call("predict", model, DATA / "iris.csv", "--format", form)
    assert status == 0
    names = [
        "sepal_length",
        "sepal_width",
        "petal_length",
        "petal_width",
        "species",
        "p[setosa]",
        "p[versicolor]",
        "p[virginica]",
        "class",
    ]
    if form == "json":
        rows = json.loads(out)
        assert len(rows) == 150
        assert list(rows[0]) == names
    elif form == "ndjson":
        rows = [json.loads(line) for line in out.splitlines()]
        assert list(rows[0]) == names
    elif form in ("csv", "tsv"):
        rows = list(csv.DictReader(io.StringIO(out), delimiter="," if form == "csv" else "\t"))
        assert list(rows[0]) == names
        assert rows[0]["sepal_length"] == "5.1"
    else:
        return
    total = sum(float(rows[7][name]) for name in names[5:8])
    assert abs(total - 1) < 1e-12


def test_predictions_alone_in_a_pipe(model):
    done = process("predict", model, "--only", input=(DATA / "iris.csv").read_text())
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "p[setosa],p[versicolor],p[virginica],class"
    assert len(done.stdout.splitlines()) == 151


def test_a_closed_pipe_is_quiet(model, tmp_path):
    big = tmp_path / "big.csv"
    lines = (DATA / "iris.csv").read_text().splitlines(keepends=True)
    big.write_text(lines[0] + "".join(lines[1:]) * 400)
    shell = f"{sys.executable} -m mlefit predict {model} {big} | head -1"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_bad_cells_print_nothing(call, model, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("sepal_length,sepal_width,petal_length,petal_width\n" + "5,3,1,0\n" * 30 + "5,oops,1,0\n")
    status, out, err = call("predict", model, path)
    assert (status, out) == (1, "")
    assert "line 32" in err
    assert "oops" in err


def test_missing_and_unseen_are_said(call, tmp_path):
    model = tmp_path / "m"
    assert (
        call(
            "train",
            DATA / "penguins.csv",
            "-l",
            "mse",
            "-t",
            "body_mass_g",
            "--features",
            "species,island",
            *SHORT,
            "--save",
            model,
        )[0]
        == 0
    )
    path = tmp_path / "new.csv"
    path.write_text("species,island,mean\nAdelie,Dream,1\nEmperor,Dream,2\nAdelie,,3\n")
    status, out, err = call("predict", model, path)
    assert status == 0, err
    assert "never seen in training ('Emperor')" in err
    assert "1 row misses a feature" in err
    assert "mean_predicted" in out.splitlines()[0]
    assert out.splitlines()[3].startswith("Adelie,,3,")
    assert out.splitlines()[3].endswith(",,")


def test_evaluate(call, model):
    status, out, _ = call("evaluate", model, DATA / "iris.csv", "--format", "json")
    assert status == 0
    record = json.loads(out)
    assert record["n"] == 150
    assert {"nll_per_observation", "constant_nll_per_observation", "accuracy", "brier", "calibration"} <= set(record)
    status, out, _ = call("evaluate", model, DATA / "iris.csv")
    assert "calibration" in out
    status, _, err = call("evaluate", model, DATA / "cars.csv")
    assert status == 1
    assert "lacks the model's features" in err


def test_checkpoint_and_resume_from_the_command_line(call, tmp_path):
    arguments = ["train", DATA / "diabetes.csv", "-l", "mse", "-t", "progression", "--patience", "0"]
    assert call(*arguments, "--epochs", "30", "--save", tmp_path / "whole")[0] == 0
    assert call(*arguments, "--epochs", "10", "--checkpoint", tmp_path / "c")[0] == 0
    status, _, err = call(*arguments, "--epochs", "30", "--resume", tmp_path / "c", "--save", tmp_path / "resumed")
    assert status == 0, err
    whole, resumed = (mlefit.load(tmp_path / name) for name in ("whole", "resumed"))
    assert (whole.scorer.network.theta == resumed.scorer.network.theta).all()
    status, _, err = call("train", DATA / "cars.csv", "--resume", tmp_path / "c")
    assert status == 2
    other = tmp_path / "other.csv"
    other.write_text((DATA / "diabetes.csv").read_text().replace("151", "152", 1))
    status, _, err = call("train", other, "--resume", tmp_path / "c")
    assert status == 1
    assert "not those that the checkpoint was trained on" in err


def test_ctrl_c_keeps_the_best_weights(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "mlefit", "train", str(DATA / "solder.csv"), "-l", "poisson", "-t", "skips",
         "--epochs", "100000", "--patience", "0", "--save", str(tmp_path / "m"), "--format", "json",
         "--checkpoint", str(tmp_path / "c")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as running:  # fmt: skip
        for _ in range(600):
            if (tmp_path / "c").exists():
                break
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert json.loads(out)["stopped"] == "interrupted"
    assert "stopped by Ctrl-C" in err
    assert mlefit.load(tmp_path / "m").record["stopped"] == "interrupted"


def test_a_bar_only_on_a_terminal():
    parent, child = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-m", "mlefit", "train", "--loss", "bce", "--epochs", "400", "--patience", "0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=child, env=environment,
    ) as running:  # fmt: skip
        os.close(child)
        seen = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        running.wait()
    os.close(parent)
    assert b"epoch" in seen
    assert b"train 0." in seen
    assert b"\x1b[" not in process("train", "--loss", "bce", *SHORT, stdin=subprocess.DEVNULL).stderr.encode()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["motorcycle.csv", "-l", "gaussian-nll", "-t", "accel"],
        ["iris.csv", "-l", "cross-entropy", "-t", "species", "--features", "petal_length,sepal_width"],
        ["iris.csv", "-l", "cross-entropy", "-t", "species", "--features", "petal_length"],
        ["cars.csv", "-l", "bce", "-t", "dist > 40", "--features", "speed"],
        ["cars.csv", "-l", "mse", "-t", "dist", "--validation", "0"],
        ["petrol.csv", "-l", "beta", "-t", "yield_fraction"],
    ],
)
def test_plots_of_training_and_calibration(call, tmp_path, arguments, ending):
    plot, model = tmp_path / f"p.{ending}", tmp_path / "m"
    status, _, err = call("train", DATA / arguments[0], *arguments[1:], *SHORT, "--plot", plot, "--save", model)
    assert status == 0, err
    assert plot.stat().st_size > 5000
    calibration = tmp_path / f"c.{ending}"
    assert call("evaluate", model, DATA / arguments[0], "--plot", calibration)[0] == 0
    assert calibration.stat().st_size > 5000


def test_what_cannot_be_written_is_refused_before_the_work(call, tmp_path):
    arguments = ("train", DATA / "cars.csv", "-l", "mse", "-t", "dist")
    assert call(*arguments, "--plot", tmp_path / "p.docx")[0] == 2
    for option in ("--save", "--history", "--checkpoint", "--plot"):
        status, out, err = call(*arguments, option, tmp_path / "no" / "where.svg")
        assert (status, out) == (1, "")
        assert "no folder" in err
