"""`estimate` beside scipy.stats' fit, the command `fitter`, R's fitdistrplus and the reader alone.

    pytest -m benchmark -s tests/benchmarks/test_estimating.py

prints the tables. Peers that are not there are left out and said: `fitter` is looked for on the path or in the
environment variable FITTER, fitdistrplus through Rscript.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from beside import Cost, geometric_mean, process, processes_in_turn, show
from scipy_peers import PEERS, fresh_processes, mlefit_alone, scipy_alone, simulated

import mlefit

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]

ROOT = Path(mlefit.__file__).parents[1]
PYTHON = sys.executable
BARE = [PYTHON, "-c", "import numpy, duckdb, typer, rich.table"]
PATIENCE = 6.0  # seconds that scipy may be expected to take at the larger size
FITTER = os.environ.get("FITTER") or shutil.which("fitter")


def test_whole_process(tmp_path):
    """A CSV of 1,000 rows, from the shell to the printed table."""
    subprocess.run([PYTHON, "-m", "compileall", "-q", str(ROOT / "mlefit")], check=True)
    rows, ratios = [], []
    for name in ("normal", "bernoulli", "gamma", "weibull", "poisson", "student-t", "beta"):
        if name in PEERS:
            y = simulated(name, 1000)
        else:
            y = np.random.default_rng(0).poisson(0.4, 1000).clip(0, 1 if name == "bernoulli" else 9)
        np.savetxt(tmp_path / f"{name}.csv", y, header="y", comments="", fmt="%.17g")
        command = [PYTHON, "-m", "mlefit", "estimate", str(tmp_path / f"{name}.csv"), "--dist", name]
        bare, ours, ratio = processes_in_turn(BARE, command)
        ratios.append(ratio)
        rows.append([name, ours.cpu, ours.wall, bare.cpu, bare.wall, ratio, ours.peak])
    show(
        "Whole process, 1,000 rows, beside `python -c 'import numpy, duckdb, typer, rich.table'`",
        ["family", "mlefit cpu s", "wall s", "imports cpu s", "wall s", "ratio of cpu (wanted: 1.3)", "peak MB"],
        rows,
    )
    assert max(ratios) <= 1.3


@pytest.mark.skipif(not FITTER, reason="fitter is not installed")
def test_whole_process_beside_fitter(tmp_path):
    rows, ratios = [], []
    for name, peer in (("normal", "norm"), ("gamma", "gamma"), ("weibull", "weibull_min"), ("student-t", "t")):
        y = simulated(name, 1000)
        data, bare = tmp_path / f"{name}.csv", tmp_path / f"{name}.txt"
        np.savetxt(data, y, header="y", comments="", fmt="%.17g")
        np.savetxt(bare, y, fmt="%.17g")  # fitter takes no header
        ours = [PYTHON, "-m", "mlefit", "estimate", str(data), "--dist", name]
        other = [FITTER, "fitdist", str(bare), "--distributions", peer, "--no-progress"]
        mine, theirs, ratio = processes_in_turn(ours, other, runs=2, folder=tmp_path)
        ratios.append(ratio)
        rows.append([name, mine.cpu, mine.wall, theirs.cpu, theirs.wall, ratio, mine.peak, theirs.peak])
    show(
        "Whole process, 1,000 rows, beside the command `fitter`",
        ["family", "mlefit cpu s", "wall s", "fitter cpu s", "wall s", "times faster (wanted: 8)", "peak MB", "its MB"],
        rows,
    )
    assert min(ratios) >= 8


def test_whole_process_beside_fitdistrplus(tmp_path):
    if not shutil.which("Rscript"):
        pytest.skip("R is not installed")
    if subprocess.run(["Rscript", "-e", "library(fitdistrplus)"], capture_output=True, check=False).returncode:
        pytest.skip("fitdistrplus is not installed")
    rows = []
    for name, peer in (("normal", "norm"), ("gamma", "gamma"), ("weibull", "weibull"), ("lognormal", "lnorm")):
        data = tmp_path / f"{name}.csv"
        np.savetxt(data, simulated(name, 1000), header="y", comments="", fmt="%.17g")
        r = (f'suppressMessages(library(fitdistrplus)); f <- fitdist(read.csv("{data}")$y, "{peer}"); '
             "print(summary(f)); write(sprintf('%.12f', f$loglik), 'loglik')")  # fmt: skip
        command = [PYTHON, "-m", "mlefit", "estimate", str(data), "--dist", name]
        mine, theirs, ratio = processes_in_turn(command, ["Rscript", "-e", r], runs=3, folder=tmp_path)
        reached = float((tmp_path / "loglik").read_text())
        own = mlefit.fit(data, name).log_likelihood
        rows.append([name, mine.cpu, theirs.cpu, ratio, f"{own:.6f}", f"{reached:.6f}"])
        assert own >= reached - 1e-6
    show(
        "Whole process, 1,000 rows, beside R's fitdistrplus",
        ["family", "mlefit cpu s", "R cpu s", "times faster", "log-likelihood", "R's"],
        rows,
    )


def test_in_process():
    """Every continuous family that scipy can fit, the same data, every fit in a new process.

    scipy's fit is timed as it comes (where mlefit has no location, scipy then fits one more parameter) and with the
    same model (its location held at zero).
    """
    rows, worse = [], []
    ratios = {"free": [], "same": [], "large": []}
    with fresh_processes() as pool:
        for name in PEERS:
            mine, closed, own = pool.submit(mlefit_alone, name, 100_000, 5).result()
            free, reached = pool.submit(scipy_alone, name, 100_000, True).result()
            same = free
            if PEERS[name][2]:
                same, reached = pool.submit(scipy_alone, name, 100_000).result()
            if own < reached - 1e-9 * abs(reached):
                worse.append((name, own, reached))
            big, _, own_large = pool.submit(mlefit_alone, name, 1_000_000, 3).result()
            known = 10 * free.cpu < PATIENCE
            slow = Cost(10 * free.cpu, 10 * free.wall)
            if known:
                slow, _ = pool.submit(scipy_alone, name, 1_000_000, True).result()
                if not PEERS[name][2]:
                    large = pool.submit(scipy_alone, name, 1_000_000).result()[1]
                    if own_large < large - 1e-9 * abs(large):
                        worse.append((name, own_large, large))
            if not closed:
                ratios["free"].append(free.cpu / mine.cpu)
                ratios["same"].append(same.cpu / mine.cpu)
                ratios["large"].append(slow.cpu / big.cpu)
            rows.append(
                [name + (" (closed)" if closed else ""), mine.cpu * 1e3, free.cpu * 1e3, free.cpu / mine.cpu,
                 same.cpu / mine.cpu, big.cpu * 1e3, ("" if known else "~") + f"{slow.cpu * 1e3:.0f}",
                 slow.cpu / big.cpu, f"{own:.4f}", f"{reached:.4f}"]
            )  # fmt: skip
    means = {key: geometric_mean(values) for key, values in ratios.items()}
    rows.append(
        ["geometric mean, no closed form", "", "", means["free"], means["same"], "", "", means["large"], "", ""]
    )
    show(
        "In process, processor milliseconds, beside scipy.stats' fit (~: extrapolated from 100,000 rows)",
        ["family", "1e5: mlefit", "scipy", "times faster (wanted: 20)", "same model", "1e6: mlefit", "scipy",
         "times faster", "log-likelihood, 1e5", "scipy's, same model"],
        rows,
    )  # fmt: skip
    assert not worse
    assert means["free"] >= 20


def scipy_groups(name, rows, held):
    """Seconds a group, and each group's log-likelihood, by pandas' groupby."""
    distribution = PEERS[name][1]
    begun = time.process_time()
    theta = rows.groupby("g")["y"].apply(lambda y: distribution.fit(y, **held))
    seconds = (time.process_time() - begun) / len(theta)
    return seconds, [distribution.logpdf(y, *theta[g]).sum() for g, y in rows.groupby("g")["y"]]


def test_groups():
    """Many small groups; scipy's time is that of the first few, extrapolated."""
    count, some, size = 100_000, 40, 20
    rows, ratios = [], []
    for name in ("gamma", "weibull", "student-t"):
        held = PEERS[name][2]
        frame = pd.DataFrame({"g": np.repeat(np.arange(count), size), "y": simulated(name, count * size)})
        first = frame[frame["g"] < some]
        cpu = time.process_time()
        fits = mlefit.fit(frame, name, column="y", by="g")
        cpu = time.process_time() - cpu
        same, reached = scipy_groups(name, first, held)
        plain = scipy_groups(name, first, {})[0] if held else same
        over = [f.log_likelihood - v for f, v in zip(fits, reached, strict=False) if f.converged]
        assert len(fits) == count
        assert min(over) > -1e-6
        ratios.append(plain * count / cpu)
        shown = [f"~{seconds * count:.0f}" for seconds in (same, plain)]
        rows.append([name, cpu, *shown, same * count / cpu, plain * count / cpu, f"{min(over):.2g} to {max(over):.2g}"])
    show(
        f"{count:,} groups of {size} rows by --by, beside pandas' groupby with scipy's fit (~: from {some} groups)",
        ["family", "mlefit cpu s", "scipy, same model", "scipy, as it comes (a location too)", "times faster, same",
         "times faster, as it comes", "log-likelihood over scipy's"],
        rows,
    )  # fmt: skip
    assert min(ratios) >= 30


def test_ten_million_rows(tmp_path):
    """One column of a CSV of five, beside reading that column with mlefit's reader and doing nothing with it."""
    data = tmp_path / "ten_million.csv"
    make = f"""
import duckdb
duckdb.sql("SET enable_progress_bar = false")
tail = "sqrt(-2*ln(random()+1e-12))*cos(6.283185307*random())"
duckdb.sql(f\"\"\"COPY (SELECT 10+2*{{tail}} AS normal, -2*ln(random()+1e-15)-2*ln(random()+1e-15) AS gamma,
  3*pow(-ln(random()+1e-15), 0.6) AS weibull, floor(-3*ln(random()+1e-12))::INT AS poisson,
  {{tail}}/sqrt((-ln(random()+1e-12)-ln(random()+1e-12))/2) AS "student-t" FROM range(10000000))
  TO '{data}' (HEADER)\"\"\")
"""
    subprocess.run([PYTHON, "-c", make], check=True)
    rows = []
    for name in ("normal", "gamma", "weibull", "poisson", "student-t"):
        read = (
            "import sys; from mlefit import reading; "
            f"r = reading.Request({str(data)!r}, numeric={{'y': {name!r}}}); "
            "print(sum(t.n for t in reading.read_chunks(r)))"
        )
        command = [PYTHON, "-m", "mlefit", "estimate", str(data), "--column", name, "--dist", name]
        reader, ours, ratio = processes_in_turn([PYTHON, "-c", read], command, runs=1)
        rows.append([name, ours.cpu, ours.wall, reader.cpu, reader.wall, ratio, ours.peak, reader.peak])
    size = data.stat().st_size / 1e6
    show(
        f"10,000,000 rows ({size:.0f} MB, five columns), beside the reader alone",
        ["family", "mlefit cpu s", "wall s", "reader cpu s", "wall s", "ratio (wanted: 1.5)", "peak MB", "its MB"],
        rows,
    )
    data.unlink()
    for row in rows[:2]:
        assert row[5] <= 1.5
    assert max(row[6] for row in rows) < 400


def test_memory_of_a_small_fit(tmp_path):
    """The whole process at its peak, beside Python with the imports alone."""
    data = tmp_path / "y.csv"
    np.savetxt(data, simulated("gamma", 1000), header="y", comments="", fmt="%.17g")
    ours = process([PYTHON, "-m", "mlefit", "estimate", str(data), "--dist", "gamma"])
    assert ours.peak < process([PYTHON, "-c", "import scipy.stats"]).peak
