"""The report as text: complete, self-contained, and everything that came from outside escaped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import synthetic

from diffbench.page import Page
from diffbench.reports import build, traces
from diffbench.reports.formats import ranked
from diffbench.reports.sections import Choice, Column, Figure, Grid, Steps, Table, Text
from diffbench.reports.words import answers

PAGES = [
    "overview",
    "lecture",
    "accuracy",
    "conditioning",
    "conventions",
    "programs",
    "error_prone",
    "step_size",
    "swell",
    "scaling",
    "crossover",
    "cost",
    "engines",
    "traces",
    "environment",
]
FIGURES, DRAWN, LEGENDS = 57, 20, 15
LOADS = {"src", "href", "srcset", "poster", "action", "background", "xlink:href"}


class Reader(HTMLParser):
    """Collects what a browser would see: elements with attributes, ids, and plain text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside = ""
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.text).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def evil() -> str:
    return build.html(synthetic.evil_run())


@pytest.fixture(scope="module")
def seen(evil: str) -> Reader:
    return Reader(evil)


@cache
def synthetic_blocks() -> list[Any]:
    return blocks(synthetic.run())


def blocks(run: Any, only: str = "") -> list[Any]:
    """Every block of every built-in page, or of one, grids and choices opened."""
    pages = [page for page in build._built_in() if only in ("", page.name)]
    return [b for page in pages for block in page.render(run) for b in opened(block)]


def opened(block: Any) -> list[Any]:
    if isinstance(block, Choice):
        return [figure for option in block.options for figure in option.figures]
    return list(block.blocks) if isinstance(block, Grid) else [block]


# --- completeness -----------------------------------------------------------------------------


def test_every_page_is_there_in_its_order_and_none_failed(seen: Reader) -> None:
    assert [page.name for page in sorted(build._built_in(), key=lambda p: p.order)] == PAGES
    assert [s["id"] for s in seen.of("section")] == [p.replace("_", "-") for p in PAGES]
    assert "This page failed" not in "".join(seen.text)


def test_every_chart_has_a_sentence_a_table_a_legend_and_a_static_picture(evil: str) -> None:
    parts = re.findall(r"<figure.*?</figure>", evil, re.S)
    chosen = [part for part in parts if 'class="static"' in part]
    assert (len(parts), len(chosen)) == (FIGURES, DRAWN)
    assert evil.count('<ul class="legend">') == LEGENDS
    for part in parts:
        caption = re.search(r"<figcaption[^>]*>(.*?)</figcaption>", part, re.S)
        assert caption is not None
        assert len(caption[1].split()) >= 12
        assert caption[1].strip().endswith(".")
        assert len(re.findall("<tr>", part)) >= 2
    for part in chosen:
        assert re.search(r'<div class="static".*<svg aria-hidden="true".*</svg>', part, re.S)


def test_the_data_behind_each_chart_is_json_of_finite_numbers(seen: Reader) -> None:
    data = json.loads(max((s for s in seen.scripts if s.startswith('{"config"')), key=len))
    figures = [f["data-name"] for f in seen.of("figure")]
    assert sorted(data["specs"]) == sorted(str(name) for name in figures)
    assert len(set(figures)) == len(figures)


def test_headings_never_skip_a_level(seen: Reader) -> None:
    levels = [int(tag[1]) for tag, _ in seen.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_every_link_within_the_report_leads_somewhere(seen: Reader) -> None:
    ids = {attrs["id"] for _, attrs in seen.elements if "id" in attrs}
    links = [str(a["href"]) for a in seen.of("a")]
    assert len(links) > len(PAGES)
    assert {link.removeprefix("#") for link in links} <= ids


def test_every_number_column_of_time_has_its_unit() -> None:
    titles = {
        c.title
        for b in synthetic_blocks()
        for t in ([b.table] if isinstance(b, Figure) else [b])
        if isinstance(t, Table)
        for c in t.columns
    }
    timed = [title for title in titles if title.startswith("Time")]
    assert timed
    assert all(re.search(r"µs|×|evaluations of f", title) for title in timed)


def test_rows_have_a_cell_for_every_column_and_names_are_unique() -> None:
    tables = [b.table if isinstance(b, Figure) else b for b in synthetic_blocks()]
    tables = [t for t in tables if isinstance(t, Table)]
    assert all(len(row) == len(t.columns) for t in tables for row in t.rows)
    figures = [b.name for b in synthetic_blocks() if isinstance(b, Figure)]
    assert len(set(figures)) == len(figures)
    assert len({t.name for t in tables}) == len(tables)


def test_the_page_is_small_enough(evil: str) -> None:
    assert 1_000_000 < len(evil.encode()) < 4_000_000


# --- what it says -----------------------------------------------------------------------------


def cells_of(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.cells()]


def table(name: str, run: Any = None, page: str = "") -> Table:
    found = blocks(run, page) if run else synthetic_blocks()
    tables = [b.table if isinstance(b, Figure) else b for b in found]
    return next(t for t in tables if isinstance(t, Table) and t.name == name)


def test_the_first_lines_tell_what_was_measured_where() -> None:
    (page,) = [p for p in build._built_in() if p.name == "overview"]
    (told,) = page.render(synthetic.run())[0].paragraphs
    assert told.startswith(f"{len(synthetic.records())} cells: 8 families, ")
    assert told.endswith("Profile standard, seed 0; a processor, Linux, python 3.11.7.")


def test_the_swell_table_is_the_surveys() -> None:
    rows = cells_of(table("swell logistic"))
    titles = [c.title for c in table("swell logistic").columns]
    tree = [row[titles.index("tree operations")].replace("\u202f", "") for row in rows]
    assert tree == ["2", "21", "82", "264", "768", "2096", "5472"]
    assert [row[0] for row in rows] == ["2", "3", "4", "5", "6", "7", "8"]


def test_the_traces_show_every_digit() -> None:
    (steps,) = [b for b in synthetic_blocks() if isinstance(b, Steps)]
    tables = {caption: [line.value for line in lines] for caption, lines in steps.tables}
    assert tables["Primal"][-1] == 11.652071455223084
    assert tables["Adjoint"][-2:] == [1.7163378145367738, 5.5]
    text = "".join(Reader(build.html(synthetic.run(), [traces.PAGE])).text)
    assert text.count("11.652071455223084") == 1
    assert text.count("1.7163378145367738") == 2


def test_slopes_stand_beside_theory_with_their_verdict() -> None:
    rows = {(row[0], row[1]): row[2:] for row in cells_of(table("slopes"))}
    assert rows["differences (forward)", "truncation"] == [
        "0.9980",
        "0.9975 to 0.9985",
        "1",
        "holds",
    ]
    assert rows["differences (central)", "truncation"][2:] == ["2", "holds"]


def test_exponents_are_fitted_within_one_machine() -> None:
    run = synthetic.run()
    records = run.records.copy()
    apart = records["n"] == 8
    records.loc[apart, "machine"] = "another"
    records.loc[apart, "run_s"] *= 1000.0  # a machine so slow bends any line that it is part of
    key = ("rosenbrock", "manual", "n")
    one, two = (
        {tuple(row[:3]): row for row in cells_of(table("exponents", found, "scaling"))}[key]
        for found in (run, replace(run, records=records))
    )
    assert (one[10], two[10]) == ("6 of 6", "5 of 5")
    low, high = map(float, one[4].split(" to "))
    assert low - 0.2 < float(two[3]) < high + 0.2


def test_exponents_stand_beside_theory() -> None:
    rows = {tuple(row[:3]): row for row in cells_of(table("exponents"))}
    assert rows["rosenbrock", "differences (forward)", "calls of f"][7] == "1"
    assert rows["affine_tanh", "forward", "n"][7:9] == ["1", "holds"]
    assert rows["affine_tanh", "reverse", "n"][7:9] == ["0", "holds"]
    assert rows["rosenbrock", "manual", "n"][8] == "no claim"
    assert not any(row[1] == "zero (control)" for row in rows.values())


def test_the_matrix_has_a_cell_with_a_command_for_every_pair() -> None:
    run = synthetic.evil_run()
    found = table("matrix", run, "overview")
    assert len(found.rows) == run.records["family"].nunique()
    assert len(found.columns) == 1 + run.records["method"].nunique()
    assert all(cell.code.startswith("diffbench run") for row in found.cells() for cell in row[1:])
    by_family = {row[0].text: row for row in found.cells()}
    titles = [c.title for c in found.columns]
    assert by_family["helmholtz"][titles.index("autograd")].text == "wrong"
    assert by_family["rosenbrock"][titles.index("zero (control)")].text == "wrong"
    assert "timeout" in by_family["speelpenning"][titles.index("autograd")].text


def test_the_words_count_every_instance_whatever_the_order_of_the_records() -> None:
    said = list(answers(synthetic.records()))
    assert [question.split("?")[0] for question, _, _ in said] == [
        "Which mode for one output (m = 1, n > 1)",
        "Which mode for more outputs than inputs (m > n)",
        "Which mode for more inputs than outputs (n > m > 1)",
        "How exact are approximations",
        "How exact is everything else",
        "What does a gradient by reverse mode cost",
        "How big does a derivative get",
        "What did not work",
    ]
    for _, _, evidence in said[:3]:
        instances, tally = re.match(r"(\d+) instances measured: (.*?)\.", evidence).groups()  # type: ignore[union-attr]  # it matches
        assert sum(int(times) for times in re.findall(r" in (\d+)", tally)) == int(instances)
    assert said[0][1] == "For n ≥ 512, m = 1, reverse mode wins: alone in 10 of 10 instances."
    assert "The border lies between n = 128 and 512. Alone by jax (reverse) (10)." in said[0][2]
    assert said[1][1] == (
        "No mode holds from some size on; most often it is numerical differentiation, alone in 10 "
        "of 16 instances."
    )
    assert said[2][1].startswith("For n ≥ 16 m, m > 1, reverse mode wins: alone in 6 of 6")
    assert said[4][1] == "Exact to rounding in 474 of 475 first derivatives."
    assert (
        said[7][1] == "4 wrong answers, 4 failures, 210 refusals among 2101 cells, controls apart."
    )
    told = synthetic.records().assign(run_s_low=1e-9, run_s_high=9.0)
    assert next(answers(told))[1] == (
        "No mode can be told from the others: ties in 30 of 30 instances."
    )
    shuffled = synthetic.records().sample(frac=1.0, random_state=1)
    assert list(answers(shuffled)) == said
    assert ranked({"b": 2, "c": 3, "a": 2}) == [("c", 3), ("a", 2), ("b", 2)]


def test_the_machines_of_a_cluster_have_a_table_of_their_own() -> None:
    facts = {"machine": "a", "cpu": "fast", "cpus": 8, "memory_gib": 16, "workers": {"zero": {}}}
    run = replace(synthetic.run(), environment={"python": "3.11.7", "machines": {"a": facts}})
    assert cells_of(table("machines", run, "environment")) == [["a", "fast", "8", "16", "–", "–"]]
    assert cells_of(table("environment", run, "environment")) == [["python", "3.11.7"]]


def test_workers_have_a_table_of_their_own() -> None:
    hello = {"cpus": [1], "cpu_share": 0.98, "clock_s": 4e-8, "empty_call_s": 3.3e-8}
    workers = {" reference": hello, "zero": {**hello, "cpus": []}, "reverse": hello}
    run = replace(synthetic.run(), environment={"python": "3.11.7", "workers": workers})
    assert cells_of(table("workers", run, "environment")) == [
        ["reverse", "1", "0.98", "40", "33"],
        ["zero (control)", "no processor", "0.98", "40", "33"],
        ["reference", "1", "0.98", "40", "33"],
    ]
    assert cells_of(table("environment", run, "environment")) == [["python", "3.11.7"]]


def test_the_time_of_the_run_has_a_table() -> None:
    spent = {"wall": 200.0, "inside": 130.0, "prepare": 60.0, "rounds": 90.0, "certify": 1.0}
    run = replace(synthetic.run(), environment={"python": "3.11.7", "spent": spent})
    found = table("spent", run, "environment")
    assert "of 200 seconds" in found.caption
    assert "65 % passed while" in found.caption
    assert cells_of(found) == [
        ["rounds", "90", "45"], ["prepare", "60", "30"], ["certify", "1", "0.50"],
    ]  # fmt: skip
    assert cells_of(table("environment", run, "environment")) == [["python", "3.11.7"]]


def test_the_same_run_gives_the_same_page() -> None:
    pages = [page for page in build._built_in() if page.name in ("overview", "traces")]
    assert build.html(synthetic.run(), pages) == build.html(synthetic.run(), pages)


# --- safety -----------------------------------------------------------------------------------


def test_nothing_is_loaded_from_anywhere(seen: Reader) -> None:
    for tag, attrs in seen.elements:
        for name in LOADS & set(attrs):
            assert re.match(r"#|data:,", attrs[name] or ""), (tag, name, attrs[name])
    assert not seen.of("img")
    assert not seen.of("iframe")
    assert "@import" not in "".join(seen.text)
    assert "url(" not in "".join(seen.text)


def test_the_policy_lets_nothing_out_and_only_our_scripts_run(seen: Reader) -> None:
    policy = next(m["content"] for m in seen.of("meta") if "Content-Security" in str(m))
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert len(re.findall("'sha256-", policy)) == 2


def test_names_and_reasons_from_outside_are_text(evil: str, seen: Reader) -> None:
    assert "<script>alert(1)" not in evil
    assert '"><img src=x' not in evil
    assert all("onerror" not in attrs for _, attrs in seen.elements)
    text = "".join(seen.text)
    assert synthetic.EVIL_METHOD in text
    assert synthetic.EVIL_REASON in text
    assert len(seen.of("script")) == 3


def test_evil_tables_in_plugins_pages_are_text() -> None:
    title = '<b onmouseover="alert(1)">'
    made = Table(title, title, (Column(title),), [[title]])
    page = Page(name=title, title=title, order=1, render=lambda run: [Text(title, (title,)), made])
    seen = Reader(build.html(synthetic.run(), [page]))
    assert not seen.of("b")
    assert "".join(seen.text).count(title) >= 6


# --- robustness -------------------------------------------------------------------------------


def raises(run: Any) -> Any:
    raise ValueError("<no luck>")


FAILING: dict[str, tuple[Any, str]] = {
    "raises": (raises, "ValueError: <no luck>"),
    "text": (lambda run: ["just text"], "TypeError: 'just text' is no section (Text, Table, "),
    "within": (lambda run: [Grid(("text",))], "TypeError: 'text' is no section (Text, Table, "),
    "nothing": (lambda run: None, "TypeError: 'NoneType' object is not iterable"),
    "numbers": (lambda run: [Text("a", (1,))], "AttributeError: 'int' object has no attribute"),  # type: ignore[arg-type]  # what a plugin may do
}


@pytest.mark.parametrize("name", FAILING)
def test_a_page_that_fails_does_not_take_the_others_down(name: str) -> None:
    render, said = FAILING[name]
    others = [page for page in build._built_in() if page.name == "overview"]
    pages = [Page(name="mine", title="Mine", order=1, render=render), *others]
    text = "".join(Reader(build.html(synthetic.run(), pages)).text)
    assert f"This page failed: {said}" in text
    assert "Every family by every method" in text


def test_an_empty_run_still_makes_a_page(tmp_path: Path) -> None:
    full = synthetic.run()
    empty = replace(
        full, records=full.records.iloc[:0], studies=full.studies.iloc[:0], environment={}, plan={}
    )
    path = build.write(empty, tmp_path / "report.html")
    text = "".join(Reader(path.read_text(encoding="utf-8")).text)
    assert "This run holds no records yet." in text
    assert "This page failed" not in text


def test_a_run_without_any_answer_still_makes_a_page() -> None:
    full = synthetic.run()
    records = full.records.copy()
    numbers = records.select_dtypes("number").columns.difference(["n", "m", "depth", "seed"])
    records["status"], records["reason"], records["verdict"] = "crashed", "no", ""
    records[numbers] = float("nan")
    text = "".join(Reader(build.html(replace(full, records=records))).text)
    assert "This page failed" not in text
    assert f"{len(records)} crashed" in text
