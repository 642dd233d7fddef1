"""Exports: formats by name, editions, file names, and the page of two runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic
from conftest import Outcome
from small_runs import BROKEN, stored_run

import diffbench
from diffbench import api
from diffbench.cli import options
from diffbench.errors import BadSelection, UnknownName
from diffbench.page import Page
from diffbench.records import run
from diffbench.reports import build, contents, editions, exports, latex, slides
from diffbench.reports.sections import Choice, Column, Figure, Steps, Table, Text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = synthetic.part(synthetic.run(), ("lecture", "logistic"))
    return synthetic.stored(made, tmp_path_factory.mktemp("runs") / "mine")


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
    shown = ("report-engineer.html", "export-engineer/markdown")
    assert done.out.split() == [str(mine / name) for name in shown]
    done = cli("report", mine, "--format", "html", "--edition", "course", "--out", out / "c.html")
    again: Outcome = cli("report", mine, "--out", out / "c.html")  # a report may be written over
    assert (done.code, again.code) == (0, 0)
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


def links(pages: list[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """Where links lead and where they can, of pages without their pictures, which take long."""
    drawn = (Choice, Figure, Steps)
    bare = [{**p, "blocks": [b for b in p["blocks"] if not isinstance(b, drawn)]} for p in pages]
    text = build.whole("t", bare)
    found = re.findall(r'<a [^>]*href="#([^"]+)"', text)
    return {*found}, {*re.findall(r' id="([^"]+)"', text)}


@pytest.mark.parametrize("edition", ["all", *editions.EDITIONS])
def test_every_link_of_an_edition_leads_somewhere(folder: Path, edition: str) -> None:
    found, ids = links(build.laid_out(diffbench.load(folder), None, None, edition))
    assert found <= ids
    assert {"t-matrix", "t-exponents"} <= found or edition == "engineer"


def test_cards_do_not_link_to_what_the_report_has_not(folder: Path) -> None:
    """Of one size there are no exponents; of the page alone there is no matrix."""
    made = diffbench.load(folder)
    few = [page for page in build._built_in() if page.name == "lecture"]
    found, ids = links(build.laid_out(made, few))
    assert found <= ids
    assert "c-1" in found
    one = synthetic.part(synthetic.run(), ("lecture",))
    found, ids = links(build.laid_out(replace(one, records=one.records[one.records["n"] == 2])))
    assert found <= ids
    assert "t-exponents" not in ids


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
        for edition in run.REPORTS:
            done = cli("report", run_folder, "--format", "csv", "--edition", edition)
            assert done.out.strip() == str(run_folder / run.EXPORTS[edition] / "csv")
        (run_folder / run.TWO_EXPORTS / "svg").mkdir(parents=True)
    (kept / "export" / "notes.txt").write_text("mine")
    assert cli("clean", kept, gone, "--keep", "0", "--yes").code == 0
    assert not gone.exists()
    assert (kept / "export" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("format", ["html", "markdown"])
def test_a_report_names_the_plugins_whose_pages_are_lost(
    tmp_path: Path, cli: Any, format: str
) -> None:
    mine = stored_run(tmp_path / "run", reverse=1e-3)
    gone = str(tmp_path / "gone.py")
    (mine / "plan.json").write_text(json.dumps({"plugins": [gone, BROKEN]}))
    done: Outcome = cli("report", mine, "--format", format)
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert done.err.splitlines() == [
        f"without the plugin {gone}: no such file; give the path of a Python file",
        f"without the plugin {BROKEN}: RuntimeError: this plugin is broken",
    ]


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
    done = cli("report", old, new, "--format", "markdown")
    assert done.out.strip() == str(old / "export-two-runs" / "markdown")
    done = cli("report", old, new, "--format", "html,markdown", "--out", tmp_path / "x")
    assert done.out.split() == [
        str(tmp_path / "x" / name) for name in ("two-runs.html", "markdown")
    ]


def two_blocks(old: Path, new: Path) -> list[Any]:
    (page,) = build.laid_out(diffbench.load(old), None, diffbench.load(new))
    blocks: list[Any] = page["blocks"]
    return blocks


def test_the_figure_of_two_runs_holds_every_cell(tmp_path: Path) -> None:
    old = stored_run(tmp_path / "old", "old", reverse=1e-3, manual=1e-3)
    new = stored_run(tmp_path / "new", "new", reverse=1e-3, forward=1e-3, manual=1e-3)
    blocks = two_blocks(old, new)
    (figure,) = contents.figures_of(blocks)
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
