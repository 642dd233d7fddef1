"""The report's other formats: complete, readable by what they are made for, and read back."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import latex_syntax
import pandas as pd
import pytest
import synthetic
from conftest import Outcome
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from small_runs import plain_record

import diffbench
from diffbench import api
from diffbench.columns import meanings
from diffbench.errors import RunError
from diffbench.records import parquet, run
from diffbench.records.export import export, read_csv, safe, unsafe
from diffbench.records.record import Record
from diffbench.records.store import TABLES, Store
from diffbench.reports import build, contents, latex, latex_text, markdown
from diffbench.reports.sections import Cell, Column, Steps, Table

NAMES = ("records", "samples", "studies")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = synthetic.part(synthetic.run(), ("lecture", "logistic"))
    return synthetic.stored(made, tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    """The folder of all formats but html."""
    made = api.export(folder, [name for name in run.FORMATS if name != "html"])
    assert made == [folder / "export" / name for name in run.FORMATS[1:]]
    return folder / "export"


@pytest.fixture(scope="module")
def pages(folder: Path) -> list[dict[str, Any]]:
    return build.laid_out(diffbench.load(folder))


# --- CSV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_csv_is_loaded_as_the_run_itself(exported: Path, folder: Path, name: str) -> None:
    there, back = diffbench.load(folder), diffbench.load(exported / "csv")
    assert len(getattr(there, name)) > 10
    pd.testing.assert_frame_equal(getattr(there, name), getattr(back, name))
    assert (back.plan, back.environment) == (there.plan, there.environment)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12))
def test_every_text_comes_back(text: str) -> None:
    written = safe(text)
    assert unsafe(written) == text
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


TEXTS = [
    "=1+1",
    "+1",
    "-1",
    "@a",
    "\tt",
    "\rr",
    "'=1",
    "''",
    "it's",
    "'a",
    "",
    "a\r\nb",
    'q"',
    "é,;",
]


def test_texts_that_look_like_formulas_come_back_through_files(tmp_path: Path) -> None:
    rows = [plain_record(method=f"m{i}", reason=text, run_s=-0.5) for i, text in enumerate(TEXTS)]
    with Store(tmp_path) as store:
        store.save_cells((row, ()) for row in rows)
        store.finish()
    (tmp_path / "csv").mkdir()
    export(tmp_path, tmp_path / "csv")
    back = diffbench.load(tmp_path / "csv").records
    assert back["reason"].tolist() == TEXTS
    with (tmp_path / "csv" / "records.csv").open(newline="") as file:
        for row, text in zip(csv.DictReader(file), TEXTS, strict=True):
            assert row["run_s"] == "-0.5"
            assert row["reason"] == (f"'{text}" if text.lstrip("'")[:1] in [*"=+-@\t\r"] else text)


@pytest.mark.parametrize(
    ("text", "said"),
    [("n,none\n1,2\n", "KeyError('none')"), ("n\nx\n", "invalid literal"), ("", "not enough")],
)
def test_a_csv_that_is_none_of_ours_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "records.csv").write_text(text)
    with pytest.raises(RunError, match=re.escape(said)):
        read_csv(tmp_path, "records")


def test_the_dictionary_tells_every_column(exported: Path) -> None:
    with (exported / "csv" / "dictionary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for table in NAMES:
        mine = [row for row in rows if row["table"] == table]
        fields, _ = TABLES[table]
        assert [(row["column"], row["type"]) for row in mine] == [
            (name, kind.__name__) for name, kind in fields.items()
        ]
        with (exported / "csv" / f"{table}.csv").open(newline="") as file:
            assert next(csv.reader(file)) == [row["column"] for row in mine]
    assert all(row["meaning"] for row in rows)
    seconds = [row for row in rows if row["column"].endswith("_s") or row["column"] == "seconds"]
    assert {row["unit"] for row in seconds} == {"s"}
    assert meanings(Record)["n"] == ("inputs", "")


# --- Parquet --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_parquet_has_the_right_types(exported: Path, folder: Path, name: str) -> None:
    back = pd.read_parquet(exported / "parquet" / f"{name}.parquet")
    there = getattr(diffbench.load(folder), name)
    fields, _ = TABLES[name]
    assert list(back.columns) == list(there.columns)
    for column, kind in fields.items():
        wanted = {int: pd.api.types.is_integer_dtype, float: pd.api.types.is_float_dtype}
        check = wanted.get(kind, pd.api.types.is_string_dtype)
        assert check(back[column].dtype), (column, back[column].dtype)
        missing = there[column].isna()
        assert (back[column].isna() == missing).all()
        same = back[column][~missing].astype(there[column].dtype) == there[column][~missing]
        assert same.all(), column
    assert name != "records" or str(back["sweeps"].dtype) == "Int64"


def test_without_pyarrow_it_says_what_to_type(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cli: Any
) -> None:
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    refused: Outcome = cli("report", folder, "--format", "parquet")
    assert (refused.code, refused.out) == (2, "")
    assert "pip install 'diffbench[parquet]'" in refused.err


# --- LaTeX ----------------------------------------------------------------------------------------


def test_the_latex_has_every_table_and_no_fault(
    exported: Path, pages: list[dict[str, Any]]
) -> None:
    report = (exported / "latex" / "report.tex").read_text(encoding="ascii")
    assert latex_syntax.faults(report) == []
    inputs = re.findall(r"\\input\{(.*?)\}", report)
    tables = [table for page in pages for table in contents.tables_of(page["blocks"])]
    assert len(inputs) == len(set(inputs)) == len(tables) > 15
    assert len({build.identifier(table.name) for table in tables}) == len(tables)
    for name, table in zip(inputs, tables, strict=True):
        text = (exported / "latex" / name).read_text(encoding="ascii")
        assert latex_syntax.faults(text) == []
        assert text.count(r"\begin{longtable}") >= bool(table.rows and table.columns)
        assert latex_text.escaped(table.caption) in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("answers", r"\caption{The run in a few answers}"),
        ("claims", "Verdicts by claim"),
        ("cheapest-with-chosen-digits", "At least 12 digits"),
        ("break-even-of-two-methods", "Until the first answer"),
        ("trace-lecture-n-2-Tangent-seed-1-0", r"$\dot v_{5} =$"),
        ("trace-lecture-n-2-Adjoint", r"$\bar v_{0} +=$"),
        ("partials-lecture-n-2", "Partial"),
    ],
)
def test_blocks_that_are_no_tables_are_set_as_tables(exported: Path, name: str, said: str) -> None:
    assert said in (exported / "latex" / "tables" / f"{name}.tex").read_text(encoding="ascii")


def test_wide_tables_are_set_in_parts_that_repeat_their_first_column(exported: Path) -> None:
    text = (exported / "latex" / "tables" / "exponents.tex").read_text()
    heads = re.findall(r"\\toprule (.*?) \\\\ \\midrule \\endfirsthead", text)
    assert len(heads) == text.count(r"\begin{longtable}") == 2
    assert all(head.startswith("Family & ") for head in heads)
    assert sum(len(head.split(" & ")) - 1 for head in heads) == 10


def test_the_equations_of_traces_are_mathematics(exported: Path) -> None:
    text = (exported / "latex" / "tables" / "trace-lecture-n-2-Primal.tex").read_text()
    assert r"$v_{-1} =$ & $x_{1}$ & $2.0$ & 2.0 \\" in text
    assert r"$v_{2} =$ & $v_{-1}  \cdot  v_{0}$" in text
    assert r"$\mathop{\mathrm{log}}(v_{-1})$" in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("v̄-1 += ", r"$\bar v_{-1} +=$"),
        ("v̇3 * (-0.5)", r"$\dot v_{3}  \cdot  (-0.5)$"),
        ("dx1/dx2", r"$\partial x_{1}/\partial x_{2}$"),
        ("a$b", r"$\mbox{a}\mbox{\$}\mbox{b}$"),
    ],
)
def test_how_an_equation_is_written(text: str, written: str) -> None:
    assert latex_text.formula(text) == written


@given(st.text(max_size=20))
def test_no_text_breaks_the_latex(text: str) -> None:
    for written in (latex_text.escaped(text), latex_text.formula(text)):
        assert latex_syntax.faults(written) == []
    row = [[text, Cell(text, text)]]
    table = Table("trace x", text, (Column(text), Column("b", number=True)), row)
    assert latex_syntax.faults("\n".join(latex._table(table))) == []


def test_faults_of_latex_are_found() -> None:
    broken = [r"\input{/etc/passwd}{", "50 %", "a_b", r"\begin{longtable}{ll}", "é", "$x", "}"]
    assert all(latex_syntax.faults(text) for text in broken)
    assert latex_syntax.faults("\\begin{longtable}{ll}\na \\\\\n\\end{longtable}")
    assert latex_syntax.faults("\\begin{longtable}{l}\n[a \\\\\n\\end{longtable}")


def test_the_latex_compiles(exported: Path, tmp_path: Path) -> None:
    engine = next((name for name in ("pdflatex", "tectonic") if shutil.which(name)), None)
    if engine is None:
        pytest.skip("no TeX here")
    shutil.copytree(exported / "latex", tmp_path / "latex")
    stop = ["-interaction=nonstopmode", "-halt-on-error"] if engine == "pdflatex" else []
    command = [engine, *stop, "report.tex"]
    done = subprocess.run(
        command, cwd=tmp_path / "latex", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "latex" / "report.pdf").read_bytes()[:5] == b"%PDF-"


# --- Markdown -------------------------------------------------------------------------------------


def parsed(text: str) -> list[Any]:
    """All tokens, those within lines, too."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def rows_of(tokens: list[Any]) -> Iterator[list[str]]:
    row: list[str] = []
    for i, token in enumerate(tokens):
        if token.type in ("th_open", "td_open"):
            row.append("".join(t.content for t in tokens[i + 1].children))
        elif token.type == "tr_close":
            yield row
            row = []


def test_the_markdown_is_the_pages_as_any_viewer_reads_them(
    exported: Path, pages: list[dict[str, Any]]
) -> None:
    tokens = parsed((exported / "markdown" / "report.md").read_text(encoding="utf-8"))
    titles = [
        tokens[i + 1].content for i, t in enumerate(tokens) if t.tag == "h2" and t.nesting == 1
    ]
    assert titles == [page["title"] for page in pages]
    found = list(rows_of(tokens))
    tables = [t for page in pages for t in contents.tables_of(page["blocks"])]
    expected = []
    for table in tables:
        expected.append([column.title for column in table.columns])
        expected += [[cell.text.strip() for cell in row] for row in table.cells()]
    assert len(found) > 200
    assert found == expected
    assert not [t for t in tokens if t.type.startswith(("html", "link", "image", "code", "em"))]


def test_a_program_of_a_trace_stays_within_its_fences(
    exported: Path, pages: list[dict[str, Any]]
) -> None:
    tokens = parsed((exported / "markdown" / "report.md").read_text(encoding="utf-8"))
    programs = [b.program for p in pages for b in p["blocks"] if isinstance(b, Steps)]
    assert [t.content for t in tokens if t.type == "fence"] == [f"{p.rstrip()}\n" for p in programs]
    assert programs
    ticks = "a = 1\n````\n# b"
    (fence,) = [t for t in parsed("\n".join(markdown._program(ticks))) if t.type == "fence"]
    assert fence.content == f"{ticks}\n"


@given(st.text(max_size=20))
def test_no_text_is_markup(text: str) -> None:
    tokens = parsed(f"| a |\n| --- |\n| {markdown.escaped(text)} |")
    assert [len(row) for row in rows_of(tokens)] == [1, 1]
    types = {token.type for token in parsed(f"{markdown.escaped(text)}")}
    assert types <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


# --- SVG ------------------------------------------------------------------------------------------


def test_every_figure_is_a_file_that_stands_alone(
    exported: Path, pages: list[dict[str, Any]]
) -> None:
    figures = [figure for page in pages for figure in contents.figures_of(page["blocks"])]
    assert len(figures) > 5
    for figure in figures:
        path = exported / "svg" / f"{build.identifier(figure.name)}.svg"
        root = ET.parse(path).getroot()
        texts = ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]
        said = " ".join(texts)
        assert figure.title in said
        assert figure.sentence in said
        assert all(style.label in texts for style in figure.series)
        sizes = [
            float(e.get("font-size", "99").removesuffix("px")) for e in root.iter(f"{SVG}text")
        ]
        assert min(sizes) >= 19
        assert "var(" not in path.read_text()
    assert len(list((exported / "svg").iterdir())) == len(figures)
