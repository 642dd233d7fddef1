"""The report's other formats: complete, readable by what they are made for, and read back."""

from __future__ import annotations

import csv
import json
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
from small_runs import plain_record, stored_run

import diffbench
from diffbench import api
from diffbench.cli import options
from diffbench.columns import meanings
from diffbench.errors import BadSelection, RunError, UnknownName
from diffbench.page import Page
from diffbench.records import parquet, run
from diffbench.records.export import export, read_csv, safe, unsafe
from diffbench.records.record import Record
from diffbench.records.store import TABLES, Store
from diffbench.reports import build, editions, exports, latex, latex_text, markdown, slides
from diffbench.reports.sections import Cell, Column, Steps, Table, Text

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
    tables = [table for page in pages for table in build.tables_of(page["blocks"])]
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
    tables = [t for page in pages for t in build.tables_of(page["blocks"]) if t.columns]
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
    figures = [figure for page in pages for figure in build.figures_of(page["blocks"])]
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


# --- formats, editions and places -----------------------------------------------------------------


def test_the_words_of_the_command_line_are_those_of_the_library() -> None:
    assert options.FORMATS == run.FORMATS
    assert {*run.FORMATS} == {*exports.DATA, *exports.SHOWN}
    assert set(options.EDITIONS) == set(run.REPORTS) == {editions.ALL, *editions.EDITIONS}


def test_the_command_writes_where_it_says(tmp_path: Path, cli: Any) -> None:
    mine, out = stored_run(tmp_path / "run", reverse=1e-3), tmp_path / "x"
    done: Outcome = cli("report", mine, "--format", "markdown,html,csv,html", "--out", out)
    assert done.code == 0
    assert done.out.split() == [str(out / name) for name in ("markdown", "report.html", "csv")]
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert (out / "csv" / "records.csv").exists()
    done = cli("report", mine, "--format", "html,markdown", "--edition", "engineer")
    assert done.out.split() == [str(mine / n) for n in ("report-engineer.html", "export/markdown")]
    (tmp_path / "file").write_text("")
    refused: Outcome = cli("report", mine, "--format", "csv", "--out", tmp_path / "file" / "x")
    assert refused.code == 2
    assert "cannot write" in refused.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "pdf"), "'pdf' is none of html, csv, parquet, latex, markdown, svg"),
        (("--format", "csv,"), "'' is none of html"),
        (("--edition", "kids"), "'kids' is not one of 'all', 'course', 'engineer'"),
    ],
)
def test_a_mistyped_word_is_one_line(folder: Path, cli: Any, arguments: Any, said: str) -> None:
    refused: Outcome = cli("report", folder, *arguments)
    assert refused.code == 2
    assert said in refused.err
    assert refused.err.count("\n") == 1


def test_the_library_names_what_there_is(folder: Path) -> None:
    with pytest.raises(UnknownName, match="unknown format 'pdf'"):
        api.export(folder, ["pdf"])
    with pytest.raises(UnknownName, match="did you mean 'course'"):
        api.report(folder, edition="curse")
    with pytest.raises(BadSelection, match="leave RUN_B out"):
        api.export(folder, ["csv", "svg"], beside=folder)


def page(name: str, order: int) -> Page:
    return Page(name, name.title(), order, lambda run: [Text(name)])


def test_editions_choose_and_order_pages_and_keep_those_of_plugins() -> None:
    found = [page("environment", 90), page("mine", 1), page("swell", 40), page("traces", 60)]
    found.append(page("engines", 55))
    order = {edition: [p.name for p in editions.ordered(found, edition)] for edition in run.REPORTS}
    assert order["all"] == ["mine", "swell", "engines", "traces", "environment"]
    assert order["course"] == ["traces", "swell", "environment", "mine"]
    assert order["engineer"] == ["engines", "environment", "mine"]


def test_every_page_of_ours_is_in_an_edition() -> None:
    named = {name for names in editions.EDITIONS.values() for name in names}
    assert {page.name for page in build._built_in()} <= named


def test_an_edition_has_a_file_of_its_own(tmp_path: Path) -> None:
    mine = stored_run(tmp_path / "run", reverse=1e-3)
    path = api.report(mine, edition="course")
    assert path == mine / "report-course.html"
    assert not (mine / "report.html").exists()
    ids = re.findall(r'<section class="page" id="([\w-]+)"', path.read_text())
    shown = [build.identifier(name) for name in editions.EDITIONS["course"]]
    assert ids == [name for name in shown if name in ids]
    assert {"traces", "swell", "step-size"} <= {*ids}
    assert "engines" not in ids


def test_two_names_alike_make_two_files(tmp_path: Path) -> None:
    table = Table("a b", "", (Column("x"),), [["1"]])
    twice = [{"id": "p", "title": "p", "blocks": [table, Table("a-B", "", (Column("y"),), [])]}]
    latex.write("t", twice, tmp_path)
    assert sorted(p.name for p in (tmp_path / "tables").iterdir()) == ["a-B-2.tex", "a-b.tex"]
    slides.write("t", twice, tmp_path)


def test_what_is_exported_counts_as_ours_when_a_run_is_cleaned(tmp_path: Path, cli: Any) -> None:
    kept, gone = (stored_run(tmp_path / name, name, reverse=1e-3) for name in ("kept", "gone"))
    for run_folder in (kept, gone):
        (run_folder / "plan.json").write_text(json.dumps({"format": 1, "run": run_folder.name}))
        assert cli("report", run_folder, "--format", "csv").code == 0
    (kept / "export" / "notes.txt").write_text("mine")
    assert cli("clean", kept, gone, "--keep", "0", "--yes").code == 0
    assert not gone.exists()
    assert (kept / "export" / "notes.txt").read_text() == "mine"


# --- two runs -------------------------------------------------------------------------------------


def test_two_runs_make_one_page(tmp_path: Path, cli: Any) -> None:
    old = stored_run(tmp_path / "old", "old", reverse=1e-3, manual=1e-3)
    new = stored_run(tmp_path / "new", "new", reverse=2e-3, manual=1e-3)
    done: Outcome = cli("report", old, new)
    assert done.out.strip() == str(old / "two-runs.html")
    text = (old / "two-runs.html").read_text()
    assert "<h1>diffbench: A is old, B is new</h1>" in text
    blocks = {b.name: b for b in two_blocks(old, new) if isinstance(b, Table)}
    (row,) = blocks["cells that differ"].cells()
    assert [cell.text for cell in row[:4]] == ["lecture[n=2]", "gradient", "reverse", "2"]
    assert row[-1].text == "slower"
    (whole, small) = blocks["means"].cells()
    assert [cell.text for cell in whole[:3]] == ["all", "2", "1.41"]
    assert whole[2].value == pytest.approx(2**0.5)
    assert small[0].text == "n <= 64"
    assert "RUN_" not in text.replace("RUN_A RUN_B", "")


def two_blocks(old: Path, new: Path) -> list[Any]:
    (page,) = build.laid_out(diffbench.load(old), None, diffbench.load(new))
    blocks: list[Any] = page["blocks"]
    return blocks


def test_the_figure_of_two_runs_holds_every_cell(tmp_path: Path) -> None:
    old = stored_run(tmp_path / "old", "old", reverse=1e-3, manual=1e-3)
    new = stored_run(tmp_path / "new", "new", reverse=1e-3, forward=1e-3, manual=1e-3)
    blocks = two_blocks(old, new)
    (figure,) = build.figures_of(blocks)
    assert [row[2].text for row in figure.table.cells()] == ["manual", "reverse"]
    left_out = next(b for b in blocks if isinstance(b, Table) and b.name == "cells left out")
    assert [[cell.text for cell in row] for row in left_out.cells()] == [["A was not asked", "1"]]


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path, cli: Any) -> None:
    one = stored_run(tmp_path / "one", "one", "here", reverse=1e-3)
    other = stored_run(tmp_path / "other", "other", "there", reverse=1e-3)
    for second, said in ((other, "measured on different machines"), (one, "are the same run")):
        refused: Outcome = cli("report", one, second)
        assert (refused.code, refused.out) == (2, "")
        assert said in refused.err
