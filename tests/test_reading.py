"""The input floor: every format gives the same columns, and every failure one sentence with its line."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlefit import reading
from mlefit.errors import DataError, MlefitError, UsageError
from mlefit.reading import Request


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def numbers(path: Any, column: str = "y", **options: Any) -> list[float]:
    return reading.read(Request(path, {"y": column}, **options)).numeric["y"].tolist()


def labels(path: Any, column: str = "g", **options: Any) -> list[str]:
    found = reading.read(Request(path, labels={"g": column}, **options)).labels["g"]
    return [found.levels[code] for code in found.codes]


# ------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("y,g\n1,a\n2.5,b\n", {}),
        ("y\tg\n1\ta\n2.5\tb\n", {}),
        ("y;g\r\n1;a\r\n2.5;b\r\n", {}),
        ("y|g\r1|a\r2.5|b", {}),
        ("y g\n1 a\n2.5 b\n", {}),
        ('"y","g"\n"1","a"\n"2.5","b"\n', {}),
        ("'y','g'\n'1','a'\n'2.5','b'\n", {}),
        ("\ufeffy,g\n1,a\n2.5,b\n", {}),
        ("\n\ny,g\n1,a\n\n2.5,b\n\n", {}),
        ("y,g\r\n1,a\n2.5,b\r\n", {}),
        ("y~g\n1~a\n2.5~b\n", {"delimiter": "~"}),
        ("y\tg\n1\ta\n2.5\tb\n", {"delimiter": "tab"}),
        ("y, g\n 1 ,a\n+2.5,b\n", {}),
        ("y,g\n1,a\n2.5,b\n".encode("utf-16"), {"encoding": "utf-16"}),
        (gzip.compress(b"y,g\n1,a\n2.5,b\n", mtime=0), {}),
        (b'{"y": 1, "g": "a"}\n\n{"y": 2.5, "g": "b"}\n', {}),
        (b'[{"y": 1, "g": "a"}, {"y": 2.5, "g": "b"}]', {}),
    ],
)
def test_every_dialect_gives_the_same_columns(write: Any, content: Any, options: Any) -> None:
    path = write(content)
    if isinstance(content, bytes) and content[:1] in b"{[":
        path = write(content, "data.json")
    assert numbers(path, **options) == [1, 2.5]
    assert labels(path, **options) == ["a", "b"]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.json", "t.csv.zst", "t.csv.gz", "t.json.gz", "odd"])
def test_formats_and_compressions_that_duckdb_writes(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    kind = "parquet" if "parquet" in name or name == "odd" else "json" if "json" in name else "csv"
    compression = {".zst": ", compression zstd", ".gz": ", compression gzip"}.get(Path(name).suffix, "")
    duckdb.sql(
        f"COPY (SELECT i / 2 AS y, 'g' || i % 2 AS g FROM range(5) t(i)) TO '{path}' (format {kind}{compression})"
    )
    assert numbers(path) == [0, 0.5, 1, 1.5, 2]
    assert labels(path) == ["g0", "g1", "g0", "g1", "g0"]


@pytest.mark.parametrize(("name", "place"), [("t.xlsx", "row 3"), ("t.dta", "observation 2")])
def test_errors_of_office_files_name_the_file(tmp_path: Path, name: str, place: str) -> None:
    import pandas as pd

    path = str(tmp_path / name)
    frame = pd.DataFrame({"y": ["1.5", "odd", "3"]})
    frame.to_excel(path, index=False) if name == "t.xlsx" else frame.to_stata(path, write_index=False)
    with pytest.raises(DataError, match=f"'odd' in column 'y' on {place} of {re.escape(path)} is not a number"):
        numbers(path)


@pytest.mark.parametrize("name", ["t.xlsx", "t.dta", "t.sav", "t.xpt"])
@pytest.mark.filterwarnings("ignore")
def test_office_formats(tmp_path: Path, name: str) -> None:
    import pandas as pd

    path = str(tmp_path / name)
    frame = pd.DataFrame({"y": [1.0, np.nan, 3.0], "g": ["a", "b", "b"]})
    if name == "t.xlsx":
        frame.to_excel(path, index=False)
    elif name == "t.dta":
        frame.to_stata(path, write_index=False)
    elif name == "t.sav":
        pyreadstat = pytest.importorskip("pyreadstat")
        pyreadstat.write_sav(frame, path)
    else:
        pyreadstat = pytest.importorskip("pyreadstat")
        pyreadstat.write_xport(frame, path, file_format_version=5)
    table = reading.read(Request(path, {"y": "y"}, {"g": "g"}))
    assert table.numeric["y"].tolist() == [1, 3]
    assert table.labels["g"].levels == ("a", "b")
    assert table.dropped == 1
    assert numbers(path, "y * 2", where="g = 'b'") == [6]


def test_excel_names_the_sheets_row(tmp_path: Path) -> None:
    import pandas as pd

    path = str(tmp_path / "t.xlsx")
    pd.DataFrame({"y": [1, "many", 3]}).to_excel(path, index=False)
    with pytest.raises(DataError, match=r"'many' in column 'y' on row 3 of .*t\.xlsx is not a number"):
        numbers(path)


def test_without_a_header_columns_go_by_number(write: Any) -> None:
    path = write("5,a\n6,b\n")
    assert numbers(path, "1", no_header=True) == [5, 6]
    assert numbers(path, '"1" * 2', no_header=True) == [10, 12]
    assert reading.columns(reading.Request(path, no_header=True)) == {"1": "number", "2": "text"}


@pytest.mark.parametrize(
    ("content", "levels"),
    [("coin\nheads\ntails\n", ("heads", "tails")), ("coin\n0\n1\n10\n2\n", ("0", "1", "2", "10"))],
)
def test_the_first_line_is_the_header_and_levels_are_in_order(write: Any, content: str, levels: Any) -> None:
    assert reading.read(Request(write(content), labels={"g": "coin"})).labels["g"].levels == levels


def test_a_number_is_a_header_where_it_is_named(write: Any) -> None:
    path = write("2020,2021\n1,2\n3,4\n")
    assert numbers(path, "2021") == [2, 4]
    assert numbers(path, '"2020" + "2021"') == [3, 7]


def test_labels_print_as_in_the_file(write: Any) -> None:
    path = write("g\n007\ntrue\n1.0\n1e3\n x \n")
    assert labels(path) == ["007", "true", "1.0", "1e3", " x "]


def test_globs_are_one_table(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"part{i}.csv").write_text(f"x,y\n0,{i}\n0,{i + 10}\n")
    request = Request(str(tmp_path / "part*.csv"), {"y": "y"})
    assert reading.read(request).numeric["y"].tolist() == [0, 10, 1, 11, 2, 12]
    assert str(reading.locate(request, "y", 3)) == f"line 3 of {tmp_path / 'part1.csv'}"
    (tmp_path / "part9.csv").write_text("x,z\n0,1\n")
    with pytest.raises(DataError, match="do not have the same columns"):
        reading.read(request)


def test_a_name_with_magic_characters_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a[1]'.csv").write_text("y\n4\n")
    assert numbers(str(tmp_path / "a[1]'.csv")) == [4]


# ------------------------------------------------------------------------------------------ standard input


SCRIPT = """
import sys
from mlefit import reading
request = reading.Request("-", {"y": "y"})
print(reading.columns(request), reading.read(request).numeric["y"].tolist(), reading.locate(request, "y", 1))
"""


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("redirected", [False, True])
def test_standard_input_is_read_as_often_as_needed(tmp_path: Path, compress: bool, redirected: bool) -> None:
    content = gzip.compress(b"y\n1\n2\n", mtime=0) if compress else b"y\n1\n2\n"
    file = tmp_path / "in"
    file.write_bytes(content)
    before = set(os.listdir(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with file.open("rb") as stream:
        source: Any = {"stdin": stream} if redirected else {"input": content}
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, env=environment, **source)
    assert done.stdout.decode() == "{'y': 'number'} [1.0, 2.0] line 3 of standard input\n", done.stderr
    assert set(os.listdir(tmp_path)) == before


def test_the_happy_path_imports_neither_pandas_nor_scipy(write: Any) -> None:
    path = write("y,g\n1,a\n")
    script = (
        "import sys; from mlefit import reading; "
        f"reading.read(reading.Request({path!r}, {{'y': 'y'}}, {{'g': 'g'}}));"
        "print(sorted({'pandas', 'scipy', 'pyarrow', 'formulaic', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# ------------------------------------------------------------------------------------------ cells


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3.5", 3.5),
        (" 3.5 ", 3.5),
        ("+5", 5),
        ("-0", -0.0),
        (".5", 0.5),
        ("1e-400", 0),
        ("1E5", 1e5),
        ('"7"', 7),
        ("9007199254740993", 9007199254740992.0),
        ("0.1", 0.1),
        ("179769313486231570000000000000000000000e270", 1.7976931348623157e308),
    ],
)
def test_a_cell_is_a_number(write: Any, cell: str, value: float) -> None:
    assert numbers(write(f"y\n{cell}\n1\n")) == [value, 1]


@pytest.mark.parametrize(
    "cell",
    [
        "abc",
        "1.2.3",
        "0x10",
        "1 000",
        "5%",
        "'5'",
        "1_000",
        "TRUE",
        "None",
        "2020-01-01",
        "1;2",
        "--5",
        "é",
        "\x1b[31m5",
        "٣",
    ],
)
def test_other_text_is_an_error_with_line_column_and_value(write: Any, cell: str) -> None:
    with pytest.raises(DataError) as caught:
        numbers(write(f'x,y\n"two\nlines",1\n\n0,2\n0,{cell}\n0,worse\n'))
    assert f"{cell!r} in column 'y' on line 6 of" in str(caught.value)
    assert "not a number" in str(caught.value)


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e400", "9" * 400])
def test_infinities_are_an_error(write: Any, cell: str) -> None:
    with pytest.raises(DataError, match=f"'{cell[:57]}.* in column 'y' on line 3 of .* is not a finite number"):
        numbers(write(f"y\n1\n{cell}\n"))


def test_a_decimal_comma_is_an_error_with_its_remedy(write: Any) -> None:
    path = write("y;x\n1,5;2\n2;3\n")
    with pytest.raises(DataError, match="for a decimal comma, name the column as") as caught:
        numbers(path)
    remedy = str(caught.value).split(" as ")[1].removesuffix(")")
    assert numbers(path, remedy) == [1.5, 2]


@pytest.mark.parametrize(
    ("cell", "value", "ambiguous"),
    [("1,000", 1000, True), ("-12,345,678", -12345678, False), ("12,345.5", 12345.5, False)],
)
def test_commas_between_thousands_are_an_error_with_its_remedy(
    write: Any, cell: str, value: float, ambiguous: bool
) -> None:
    path = write(f'y\n"{cell}"\n2\n')
    with pytest.raises(DataError, match="for commas between thousands, name the column as") as caught:
        numbers(path)
    remedy = str(caught.value).split("column as ")[1].split(";")[0].removesuffix(".").replace("''))", "'')")
    assert numbers(path, remedy) == [value, 2]
    assert ("for a decimal comma" in str(caught.value)) == ambiguous


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ("x~y\n1~2\n3~{}\n", {}),
        ("sep=;\nx;y\n1;2\n3;{}\n", {}),
        ("\ufeffsep=|\nx|y\n1|2\n3|{}\n", {}),
        ('# by me, "again"\n\n# 2020\nx,y\n1,2\n3,{}\n', {}),
        ("#x,y\n1,2\n3,{}\n", {}),
        ("# made\n1,2\n3,{}\n", {"no_header": True}),
    ],
)
def test_what_stands_before_the_header_is_passed_over(write: Any, lines: str, options: Any) -> None:
    name = "2" if options else "y"
    assert numbers(write(lines.format("5")), name, **options) == [2, 5]
    assert numbers(write(lines.format("5")), f'"{name}" + 1', **options) == [3, 6]
    line = lines.count("\n")
    with pytest.raises(DataError, match=f"'oops' in column '{name}' on line {line} of"):
        numbers(write(lines.format("oops")), name, **options)


def test_a_wrong_delimiter_is_suspected(write: Any) -> None:
    with pytest.raises(UsageError, match=r"only 'x;y', for nothing is divided at ','; .* --delimiter"):
        numbers(write("x;y\n1;2\n"), delimiter=",")


def test_a_header_that_looks_like_data_is_doubted(write: Any) -> None:
    path = write("1,2\n3,5\n4,4\n")
    with pytest.warns(UserWarning, match=r"the first line of .* \(1, 2\) is taken for the header"):
        assert numbers(path, "2") == [5, 4]
    assert numbers(path, "2", no_header=True) == [2, 5, 4]
    assert numbers(write("2019,2020\n3,5\n"), "2020") == [5]


@pytest.mark.parametrize(("name", "labels"), [("smokes", ("no", "yes")), ("the sex", ("female", "male's"))])
def test_two_labels_are_an_error_with_its_remedy(write: Any, name: str, labels: tuple[str, str]) -> None:
    path = write(f"{name}\n{labels[0]}\nNA\n{labels[1]}\n{labels[0]}\n")
    with pytest.raises(DataError, match="is not a number") as caught:
        numbers(path, name)
    remedy = str(caught.value).split("name the column as ")[1].removesuffix(")")[1:-1]
    assert numbers(path, remedy) == [0, 1, 0]


@pytest.mark.parametrize("name", ["y", "the-y", "order"])
@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("5%", "12.5 %", "7%"), [0.05, 0.125, 0.07]),
        (("5 kg", "12.5 kg", "-7 kg"), [5, 12.5, -7]),
        (("$5", "$ 12.5", "$7"), [5, 12.5, 7]),
        (("2024-01-01", "2024-01-03", "2023-12-31"), [19723, 19725, 19722]),
        (("1", "n/d", "3"), [1, 3]),
    ],
)
def test_text_among_numbers_is_an_error_with_its_remedy(
    write: Any, name: str, cells: tuple[str, ...], values: list[float]
) -> None:
    path = write(f"{name}\n" + "\n".join(cells) + "\n")
    with pytest.raises(DataError, match="is not a number") as caught:
        numbers(path, name)
    said = str(caught.value).removesuffix(")")
    if "--where" in said:
        assert numbers(path, name, where=said.split("--where ")[1][1:-1]) == values
    else:
        assert numbers(path, said.split("name the column as ")[1]) == pytest.approx(values)


@pytest.mark.parametrize(
    ("cells", "said"), [(("<0.5", "2"), "--lower and --upper"), (("a", "b", "c"), "--dist categorical fits labels")]
)
def test_bounds_and_labels_are_told_where_they_belong(write: Any, cells: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        numbers(write("y\n" + "\n".join(cells) + "\n"), "y")


def test_truth_is_numbers_in_a_column_of_its_own(write: Any) -> None:
    assert numbers(write("y\nNA\nTrue\n FALSE\n\ntrue\n")) == [1, 0, 1]
    with pytest.raises(DataError, match=r"'1' in column 'y' on line 4 of .* is neither TRUE nor FALSE"):
        numbers(write("y\nNA\nTrue\n1\n"))


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "NA",
        "na",
        "Na",
        "NaN",
        "nan",
        "NAN",
        "null",
        "NULL",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        ".",
        r"\N",
        '""',
        '"NA"',
        " NA ",
    ],
)
def test_missing_cells_are_dropped_and_counted(write: Any, cell: str) -> None:
    path = write(f"x,y\n1,1\n2,{cell}\n3,3\n")
    table = reading.read(Request(path, {"y": "y", "x": "x"}))
    assert (table.numeric["y"].tolist(), table.numeric["x"].tolist()) == ([1, 3], [1, 3])
    assert (table.n, table.dropped) == (2, 1)
    with pytest.raises(DataError, match=r"the value of 'y' on line 3 of .* is missing"):
        reading.read(Request(path, {"x": "x", "y": "y"}, missing="error"))
    kept = reading.read(Request(path, {"x": "x", "y": "y"}, missing="keep"))
    np.testing.assert_array_equal(kept.numeric["y"], [1, np.nan, 3])

    for kind in ("a", "1"):  # the same marks among labels, in expressions and far from the small files' own reader
        path = write(f"g,y\n{kind},1\n{cell},2\nb,3\n")
        assert (labels(path), numbers(path, "y", where="g is not null")) == ([kind, "b"], [1, 3])
    many = reading.read(Request(write("y\n1.5\n" + f"{cell}\n" * 90_000), {"y": "y"}))
    assert (many.n, many.dropped) == (1, 90_000)


def test_missing_labels_drop_their_row_and_levels_without_rows_vanish(write: Any) -> None:
    path = write("g,y\na,1\nNA,2\nb,\nc,4\n")
    table = reading.read(Request(path, {"y": "y"}, {"g": "g"}))
    assert table.labels["g"].levels == ("a", "c")
    assert table.labels["g"].codes.tolist() == [0, 1]
    assert table.dropped == 2
    kept = reading.read(Request(path, {"y": "y"}, {"g": "g"}, missing="keep"))
    assert kept.labels["g"].codes.tolist() == [0, -1, 1, 2]


def test_texts_are_carried_along_as_written(write: Any) -> None:
    path = write('t,y\nNA,1\n"a,b",2\n,3\n')
    assert reading.read(Request(path, {"y": "y"}, texts={"t": "t"})).texts["t"].tolist() == ["NA", "a,b", None]


def test_dates_are_no_numbers(write: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "d.parquet")
    duckdb.sql(f"COPY (SELECT DATE '2020-01-01' AS y) TO '{path}' (format parquet)")
    with pytest.raises(DataError, match="holds dates or times"):
        numbers(path)
    assert numbers(path, "epoch(y)") == [1577836800]
    assert reading.columns(reading.Request(path)) == {"y": "date"}


def test_columns_are_described(write: Any) -> None:
    path = write("a,b,c,d,e\n1,x,true,2020-01-01,\n2.5,1,FALSE,2020-02-01,\n")
    assert reading.columns(reading.Request(path)) == {
        "a": "number",
        "b": "text",
        "c": "boolean",
        "d": "date",
        "e": "text",
    }


# ------------------------------------------------------------------------------------------ broken files


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "nothing but blank lines"),
        (b"y\n", "has a header but no rows"),
        (b"x,y\n1,2\n3\n", "line 3 of .* has 1 value where the header has 2"),
        (b'x,y\n"a\n\nb",2\n\n3,4,5\n', "line 6 of .* has 3 values where the header has 2"),
        (b'x,y\n1,"2\n', "line 2 holds a quote that is never closed"),
        (b"x,y\n1,caf\xe9\n", "line 2 of .* is not valid UTF-8; say its encoding"),
        (b"x\xe9,y\na,1\n", "line 1 of .* is not valid UTF-8"),
        ("y\n1\n".encode("utf-16"), "is UTF-16"),
        (bytes(range(256)) * 9, "is binary"),
        (b"%PDF-1.7\n...", "is a PDF"),
        (b"PK\x03\x04....", "zip archive"),
        (gzip.compress(b"y\n1\n" * 999, mtime=0)[:-20], "cannot be unpacked|cannot be read|damaged"),
        (b"\x28\xb5\x2f\xfd rubbish", "ends before its zstd data do"),
        (b"PAR1 rubbish", "cannot be read"),
        (b"y\nNA\n\n", "every one of the 2 rows of .* has a missing value in 'y'"),
    ],
)
def test_a_broken_file_is_one_sentence(write: Any, content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        numbers(write(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["t.csv.zst", "t.json.zst"])
def test_a_zstd_file_is_refused_wherever_it_is_cut(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    kind = name.split(".")[1]
    duckdb.sql(f"COPY (SELECT 1 AS y FROM range(99000)) TO '{path}' (format {kind}, compression zstd)")
    frame = Path(path).read_bytes()
    # A frame that may be skipped, as parallel writers leave them, ends the file.
    data = frame + bytes.fromhex("522a4d18 03000000") + b"abc"
    Path(path).write_bytes(data)
    assert sum(numbers(path)) == 99_000
    for cut in range(4, len(data)):
        Path(path).write_bytes(data[:cut])
        if cut != len(frame):
            with pytest.raises(DataError, match="ends before its zstd data do"):
                numbers(path)


def test_malformed_json_names_its_line(write: Any) -> None:
    with pytest.raises(DataError, match=r"cannot be read: Malformed JSON, at byte \d+ in line 3"):
        numbers(write('{"y":1}\n{"y":2\n{"y":3}\n', "data.jsonl"))
    with pytest.raises(DataError, match="'x' in column 'y' on line 4 of"):
        numbers(write('{"y":1}\n\n{"y":2}\n{"y":"x"}\n', "data.ndjson"))


@pytest.mark.parametrize(
    ("path", "sentence"), [("none.csv", "there is no file"), ("*.none", "no file matches"), (".", "is a directory")]
)
def test_no_such_file(path: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=sentence):
        reading.columns(reading.Request(path))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"encoding": "klingon"}, "no text encoding 'klingon'"),
        ({"encoding": "base64"}, "no text encoding 'base64'"),
        ({"delimiter": ",,"}, "must be one character"),
        ({"where": "g"}, "'g' is text, not a condition; write one, such as g = '...'"),
    ],
)
def test_impossible_options(write: Any, options: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        numbers(write("y,g\n1,a\n"), **options)


def test_wrong_encoding(write: Any) -> None:
    path = write("g\ncafé\n".encode("latin-1"))
    assert labels(path, encoding="latin-1") == ["café"]
    with pytest.raises(DataError, match="is not ascii"):
        labels(path, encoding="ascii")
    with pytest.raises(DataError, match="is not utf-16"):
        labels(path, encoding="utf-16")


# ------------------------------------------------------------------------------------------ names


def test_an_unknown_column_lists_the_columns_and_suggests(write: Any) -> None:
    path = write("serving,site\n1,a\n")
    with pytest.raises(
        UsageError, match=r"no column 'servng'; the columns are 'serving', 'site'; did you mean 'serving'"
    ):
        numbers(path, "servng")
    with pytest.raises(UsageError, match="has 2 columns; name one of them: 'serving', 'site'"):
        reading.only_column(reading.Request(path))


def test_a_missing_header_is_suspected(write: Any) -> None:
    with pytest.raises(UsageError, match=r"looks like data.*--no-header"):
        numbers(write("1,2\n3,4\n"))
    with pytest.raises(UsageError, match=r"first line of .* \(5\) looks like data.*--no-header"):
        reading.only_column(reading.Request(write("5\n6\n")))
    assert reading.only_column(reading.Request(write("y\n6\n"))) == "y"
    assert reading.only_column(reading.Request(write("5\n6\n"), no_header=True)) == "1"


HOSTILE = [
    'a"b',
    "a'b",
    "x; DROP TABLE t",
    "ln(y)",
    "two\nlines",
    "\x1b[31mred",
    "[bold]",
    "c0",
    "x_0",
    "rows",
    "*",
    "?",
    "é日",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_the_file_is_that_column_never_sql(write: Any, name: str) -> None:
    header = '"' + name.replace('"', '""') + '"'
    path = write(f"y,{header},c1,x_1\n1,2,3,4\n")
    assert numbers(path, name) == [2]
    assert numbers(path, header + ' + y + "x_1"') == [7]
    assert labels(path, name) == ["2"]
    assert str(reading.locate(Request(path, {"y": name}), "y", 0)).startswith(f"line {2 + name.count(chr(10))} of")


def test_names_that_differ_in_case_only(write: Any) -> None:
    path = write("y,Y,z\n1,2,3\n")
    assert (numbers(path, "y"), numbers(path, "Y"), numbers(path, "Y * 10 + y")) == ([1], [2], [21])
    assert numbers(path, "Z") == [3]


def test_repeated_and_empty_names(write: Any) -> None:
    path = write("y,y,,y_1\n1,2,3,4\n")
    assert list(reading.columns(reading.Request(path))) == ["y_2", "y_3", "column3", "y_1"]
    assert numbers(path, "column3") == [3]
    with pytest.raises(UsageError, match="columns are called 'y'"):
        numbers(path, "y")


# ------------------------------------------------------------------------------------------ expressions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ln(price)", np.log([1.5, 2, 4]).tolist()),
        ("status = 2", [0, 1, 1]),
        ("name = 'b'", [0, 1, 0]),
        ("price * 2 -- twice", [3, 4, 8]),
        ("CASE WHEN name IN ('a', 'c') THEN price ELSE 0 END", [1.5, 0, 4]),
        ("status % 2", [1, 0, 0]),
        ("year(day)", [2020, 2021, 2022]),
        ("length(name || status)", [2, 2, 2]),
        ("list_sum([price, status])", [2.5, 4, 6]),
        ("if(price > 1.7, 1, 0)", [0, 1, 1]),
    ],
)
def test_expressions(write: Any, expression: str, expected: list[float]) -> None:
    path = write("price,status,name,day\n1.5,1,a,2020-01-05\n2,2,b,2021-01-05\n4,2,c,2022-01-05\n")
    np.testing.assert_allclose(numbers(path, expression), expected)


def test_where(write: Any) -> None:
    path = write("x,y\n1,10\n2,oops\n3,30\nNA,40\n")
    assert numbers(path, where="x <> 2") == [10, 30]
    request = Request(path, {"y": "y"}, where="x <> 2")
    assert reading.locate(request, "y", 1) == reading.Place(f"line 4 of {path}", 4, "30")
    with pytest.raises(DataError, match=r"no row of .* meets the condition 'x > 9'"):
        numbers(path, where="x > 9")
    with pytest.raises(UsageError, match="no column 'q' used in 'q > 9'"):
        numbers(path, where="q > 9")
    with pytest.raises(UsageError, match="no column 'q'"):
        numbers(path, where="q")


FORBIDDEN = [
    "(SELECT 1) + y",
    "y IN (SELECT 1)",
    "EXISTS (FROM read_csv('/etc/passwd'))",
    "y) FROM read_csv('/etc/passwd') WHERE (1 = 1",
    "y); COPY (SELECT 1) TO 'stolen.csv'; SELECT (1",
    "y; SELECT 1",
    "y UNION SELECT 1",
    "read_text('/etc/passwd') || y",
    "read_csv('/etc/passwd') || y",
    "getenv('HOME') || y",
    "current_setting('threads') + y",
    "getvariable('x') + y",
    "query('SELECT 1') + y",
    "random() + y",
    "nextval('s') + y",
    "sleep_ms(10) + y",
    "sum(y)",
    "avg(y) OVER ()",
    "row_number() OVER () + y",
    "COLUMNS('y')",
    "*",
    "? + y",
    "$1 + y",
    "pg_get_viewdef(y)",
    "PRAGMA version",
    "SET threads = 1",
    "INSTALL httpfs",
    "ATTACH 'x.db'",
    "1",
    "'text'",
    "",
    "   ",
    "y +",
    "ln(y",
    "\x00",
    "nosuchfunction(y)",
    "\ud800",
]


@pytest.mark.parametrize("expression", FORBIDDEN)
def test_an_expression_reaches_nothing_but_the_columns(write: Any, expression: str) -> None:
    path = write("y\n1\n2\n")
    for request in (Request(path, {"y": expression}), Request(path, {"y": "y"}, where=expression)):
        with pytest.raises(UsageError) as caught:
            reading.read(request)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO 'mlefit-test.csv'",
        "ATTACH 'mlefit-test.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
    ],
)
def test_the_connection_itself_is_locked(write: Any, sql: str) -> None:
    connection = reading.open_source(write("y\n1\n")).connection
    with pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()


def test_an_expression_that_fails_names_the_line(write: Any) -> None:
    path = write("a,b\n1,2\n3,x\n5,6\n")
    with pytest.raises(DataError, match=r"'ln\(b\)' cannot be computed: column 'b' is not a number .*line 3 .*'x'"):
        numbers(path, "ln(b)")
    with pytest.raises(DataError, match=r"'CAST\(b AS INTEGER\)' cannot be computed on line 3 of"):
        numbers(path, "CAST(b AS INTEGER)")
    with pytest.raises(DataError, match=r"on line 3 of"):
        numbers(path, "ln(2 - a)")


def test_a_late_fraction_widens_the_type(write: Any) -> None:
    path = write("y\n" + "1\n" * 25_000 + "1.5\n")
    assert numbers(path, "y * 2")[-1] == 3
    path = write("y\n" + "1\n" * 25_000 + "oops\n")
    with pytest.raises(DataError, match="line 25002"):
        numbers(path, "ln(y)")


# ------------------------------------------------------------------------------------------ size


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("long") / "long.csv"
    path.write_text("i,g,y\n" + "".join(f"{i},g{i % 7},{i / 8}\n" for i in range(400_000)))
    return str(path)


def test_chunks_are_the_whole_in_order(long_file: str) -> None:
    request = Request(long_file, {"y": "y"}, {"g": "g"}, texts={"i": "i"}, where="i % 10 <> 3")
    whole = reading.read(request)
    chunks = list(reading.read_chunks(request, rows=50_000))
    assert max(chunk.n for chunk in chunks) <= 50_000
    assert len(chunks) >= 8
    np.testing.assert_array_equal(np.concatenate([c.numeric["y"] for c in chunks]), whole.numeric["y"])
    np.testing.assert_array_equal(np.concatenate([c.labels["g"].codes for c in chunks]), whole.labels["g"].codes)
    assert np.all(np.diff(whole.numeric["y"]) > 0)
    assert whole.texts["i"][-1] == "399999"
    assert [c.first for c in chunks] == np.cumsum([0, *(c.n for c in chunks)])[:-1].tolist()
    assert reading.locate(request, "y", 270_000).line == 300_002


def test_an_abandoned_stream_leaves_the_source_usable(long_file: str) -> None:
    request = Request(long_file, {"y": "y"})
    stream = reading.read_chunks(request, rows=1000)
    assert next(stream).n == 1000
    assert reading.locate(request, "y", 5).line == 7
    del stream
    assert reading.read(request).n == 400_000


# ------------------------------------------------------------------------------------------ memory


def test_frames_and_mappings_follow_the_same_policy() -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "y": [1.0, np.nan, 3.0, 4.0],
            "n": pd.array([1, 2, None, 4], dtype="Int64"),
            "g": pd.Categorical(["b", "a", "b", "b"]),
            "s": ["u", None, "NA", "w"],
            "t": [True, False, True, True],
            "d": pd.date_range("2020-01-01", periods=4),
            "k": [1, 2, 2, 10],
        }
    )
    source = reading.from_frame(frame)
    table = reading.read(Request(source, {"y": "y", "t": "t"}, {"g": "g", "k": "k"}))
    assert table.numeric["y"].tolist() == [1, 3, 4]
    assert table.numeric["t"].tolist() == [1, 1, 1]
    assert table.labels["k"].levels == ("1", "2", "10")
    assert table.dropped == 1
    assert labels(source, "n") == ["1", "2", "4"]
    assert labels(source, "s") == ["u", "w"]
    assert numbers(source, "n + y") == [2, 8]
    assert numbers(source, where="g = 'b' AND y > 2") == [3, 4]
    assert labels(source, "d", where="k = 1")[0].startswith("2020-01-01")
    with pytest.raises(DataError, match="'u' in column 's' on row 0 is not a number"):
        numbers(source, "s")
    with pytest.raises(DataError, match="the value of 'y' on row 1 is missing"):
        numbers(source, missing="error")
    assert str(reading.locate(Request(source, {"y": "y"}), "y", 1)) == "row 2"
    assert numbers(reading.from_frame({"y": [1, 2], "x": ["a", "b"]}), where="x = 'b'") == [2]
    assert numbers(reading.from_values([True, None, False]), "value") == [1, 0]


@pytest.mark.parametrize(
    ("data", "error"),
    [({"a": [1], "b": [1, 2]}, DataError), ({}, DataError), (3, UsageError), ({"a": np.ones((2, 2))}, DataError)],
)
def test_no_table(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        reading.from_frame(data)


def test_infinite_values_in_memory() -> None:
    with pytest.raises(DataError, match="'inf' in column 'value' on row 1 is not a finite number"):
        numbers(reading.from_values(np.array([1, np.inf])), "value")


# ------------------------------------------------------------------------------------------ anything


CELL = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", "1", "-2.5", "NA", "1e999", '"', '"a\nb"', "'", ",", "\r", "\n", "\x00", "\ufeff", "true"]),
    st.floats(allow_nan=True).map(str),
)
TABLE = (
    st.lists(st.lists(CELL, max_size=4).map(",".join), max_size=6)
    .map("\n".join)
    .map(lambda text: text.encode("utf-8", "surrogatepass"))
)


@pytest.mark.filterwarnings("ignore:the first line of")  # such as 0,0, that names columns and looks like data
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(st.binary(max_size=300), TABLE, TABLE.map(lambda b: b"x,y\n" + b)),
    name=st.sampled_from(["a.csv", "a.json", "a.parquet", "a", "a.csv.gz"]),
    column=st.one_of(st.sampled_from(["y", "x", "1", "x + 1", "y > 2"]), st.text(max_size=8)),
    no_header=st.booleans(),
    missing=st.sampled_from(["drop", "error", "keep"]),
)
def test_nothing_but_a_sentence_or_a_table(
    tmp_path: Path, content: bytes, name: str, column: str, no_header: bool, missing: Any
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    request = Request(str(path), {"y": column}, {"g": column}, no_header=no_header, missing=missing)
    try:
        kinds = reading.columns(reading.Request(str(path), no_header=no_header))
        for wanted in (request, Request(str(path), labels={"g": next(iter(kinds))}, no_header=no_header)):
            table = reading.read(wanted)
            assert all(len(values) == table.n for values in table.numeric.values())
            if missing == "drop":
                assert all(np.isfinite(values).all() for values in table.numeric.values())
    except MlefitError as error:
        sentence = str(error)
    else:
        sentence = "read"
    assert sentence.strip()
    assert "Traceback" not in sentence


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_survive_to_the_last_bit(tmp_path: Path, values: list[float]) -> None:
    path = tmp_path / "v.csv"
    path.write_text("y\n" + "\n".join(map(repr, values)) + "\n")
    assert numbers(str(path)) == values


@given(
    rows=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), min_size=1, max_size=8
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_label_with_its_line(tmp_path: Path, rows: list[str]) -> None:
    path = tmp_path / "t.csv"
    lines = ["k,g"]
    expected: list[tuple[str, int]] = []
    for row in rows:
        line = 1 + io.StringIO("\n".join(lines), newline=None).read().count("\n") + 1
        lines.append('1,"' + row.replace('"', '""') + '"')
        if row.strip(" ").lower() not in reading.plan.MISSING:
            expected.append((row, line))
    path.write_bytes("\n".join(lines).encode())
    if not expected or "\r" in "".join(rows):
        return
    request = Request(str(path), labels={"g": "g"})
    assert labels(str(path)) == [text for text, _ in expected]
    for n, (text, line) in enumerate(expected):
        place = reading.locate(request, "g", n)
        assert (place.value, place.line) == (text, line)


def test_json_numbers_as_labels(write: Any) -> None:
    path = write(
        json.dumps({"g": 3}) + "\n" + json.dumps({"g": "x"}) + "\n" + json.dumps({"g": True}) + "\n", "a.jsonl"
    )
    assert sorted(labels(path)) == ["3", "true", "x"]
