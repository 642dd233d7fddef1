"""The page that sets the in-house engines against the others, on a made-up run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import synthetic

from diffbench.analysis.book import Book
from diffbench.analysis.compare import Comparison, compare
from diffbench.method import library_of, variant_name
from diffbench.registry import Registry
from diffbench.reports.engines import PAGE
from diffbench.reports.formats import plain
from diffbench.reports.sections import Cell, Choice, Figure, Table, Text
from diffbench.reports.styles import label

HOME = ("forward", "reverse")
FIELD = ("autograd", "jax[mode=forward]", "jax[mode=reverse]")
ALIKE = [("forward", FIELD[1]), ("reverse", FIELD[0]), ("reverse", FIELD[2])]


def only(*methods: str) -> synthetic.SyntheticRun:
    """The made-up run with these methods alone."""
    full = synthetic.run()
    mine = {name: getattr(full, name) for name in ("records", "samples")}
    return replace(full, **{k: rows[rows["method"].isin(methods)] for k, rows in mine.items()})


@cache
def blocks() -> list[Any]:
    return list(PAGE.render(synthetic.run()))


@cache
def pair(of: str, to: str) -> Comparison:
    return compare(Book.of(synthetic.run()), of, to)  # type: ignore[arg-type]  # as a Run


def test_a_method_says_whose_rules_differentiate(registry: Registry) -> None:
    found = {variant_name(method): library_of(method) for method in registry.methods()}
    assert {name for name, library in found.items() if library == "diffbench"} >= set(HOME)
    assert [found[name] for name in FIELD] == ["autograd", "jax", "jax"]
    assert found["manual"] == found["finite_difference[scheme=central]"] == ""
    assert found["symbolic[cse=yes]"] == "sympy"


def texts(row: list[Cell]) -> list[str]:
    return [cell.text for cell in row]


def table(name: str) -> list[list[str]]:
    (found,) = [b for b in blocks() if isinstance(b, Table) and b.name == name]
    return [texts(row) for row in found.cells()]


def choice(found: list[Any]) -> Choice:
    (block,) = [b for b in found if isinstance(b, Choice)]
    return block


def figures(found: list[Any]) -> list[Figure]:
    return [figure for option in choice(found).options for figure in option.figures]


def test_every_engine_of_ours_meets_every_other() -> None:
    rows = table("engines")
    assert [tuple(row[:2]) for row in rows] == [(label(a), label(b)) for a in HOME for b in FIELD]
    for row, (of, to) in zip(rows, [(a, b) for a in HOME for b in FIELD], strict=True):
        made = pair(of, to)
        whole = made.totals[0]
        assert row[2:4] == [str(len(made.cells)), plain(whole.ratio.value)]
        assert row[5:8] == [str(whole.count(name)) for name in ("faster", "tie", "slower")]
        assert row[8] == plain(whole.worst.value)
        assert row[9:11] == [plain(group.ratio.value) for group in made.totals[1:]]
        assert row[11] == str(sum(made.left_out.values()))


def test_what_was_left_out_unfolds_its_reasons() -> None:
    (found,) = [b for b in blocks() if isinstance(b, Table) and b.name == "engines"]
    row = next(r for r in found.cells() if texts(r)[:2] == ["reverse", "autograd"])
    assert set(row[-1].more) == {"3 × autograd: wrong answer", "3 × autograd: timeout"}


def test_a_sentence_for_every_pair_of_one_mode_names_the_worst() -> None:
    (words,) = [b for b in blocks() if isinstance(b, Text) and b.title == "In words"]
    assert len(words.items) == len(ALIKE)
    assert words.items[1].startswith("reverse is faster than autograd: reverse takes 0.5")
    assert words.items[2].startswith("reverse is slower than jax (reverse): reverse takes 3.")
    for sentence, names in zip(words.items, ALIKE, strict=True):
        whole = pair(*names).totals[0]
        assert whole.worst.cell in sentence
        assert f"over {len(whole.cells)} cells of 8 families; up to n = 64 it is" in sentence


def test_families_have_their_means() -> None:
    rows = [row for row in table("engines by family") if row[:2] == ["reverse", "autograd"]]
    groups = pair("reverse", "autograd").families
    assert [row[2] for row in rows] == [group.name for group in groups]
    assert [row[4] for row in rows] == [plain(group.ratio.value) for group in groups]


def test_a_chart_a_family_has_the_pairs_of_one_mode_and_the_line_of_equal_times() -> None:
    found = figures(blocks())
    names = [figure.name.removeprefix("engines ") for figure in found]
    assert names == [group.name for group in pair("reverse", "jax[mode=reverse]").families]
    assert [option.key for option in choice(blocks()).options] == [(name,) for name in names]
    legend = choice(blocks()).series
    assert [s.name for s in legend] == [f"{of} over {to}" for of, to in ALIKE]
    assert len({(s.colour, s.symbol, s.dash) for s in legend}) == len(ALIKE)
    for figure in found:
        assert {row["y"] for row in figure.spec["datasets"]["ghosts"]} == {1.0}
        low, high = figure.spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
        assert low < 1.0 < high
    logistic = found[names.index("logistic")]
    assert logistic.title == "logistic: gradient against depth"
    cells = {cell.cell: cell for cell in pair("reverse", "autograd").cells}
    cell = cells["logistic[depth=5] gradient"]
    rows = logistic.spec["datasets"]["rows"]
    (point,) = [r for r in rows if r["x"] == 5 and r["s"] == "reverse over autograd"]
    assert (point["y"], point["l"], point["h"]) == (cell.value, cell.low, cell.high)


def test_the_line_of_equal_times_is_in_sight_where_all_are_faster() -> None:
    for figure in figures(PAGE.render(only("reverse", "autograd"))):
        assert max(row["h"] for row in figure.spec["datasets"]["rows"]) < 1.0
        assert figure.spec["layer"][1]["encoding"]["y"]["scale"]["domain"][1] > 1.0


def test_without_pairs_of_one_mode_all_pairs_are_drawn() -> None:
    found = PAGE.render(only("forward", "autograd"))
    assert [s.name for s in choice(found).series] == ["forward over autograd"]


def test_an_engine_of_both_modes_meets_those_of_each() -> None:
    made = only("forward", "reverse", "autograd")
    records = made.records.copy()
    records.loc[records["method"] == "autograd", "category"] = "AD"
    found = PAGE.render(replace(made, records=records))
    expected = {"forward over autograd", "reverse over autograd"}
    assert {s.name for s in choice(found).series} == expected


@pytest.mark.parametrize(
    ("known", "library", "sides"),
    [("autograd", "torch", ["reverse", "mine"]), ("reverse", "diffbench", ["mine", "autograd"])],
)
def test_sides_are_taken_by_library_and_not_by_name(
    known: str, library: str, sides: list[str]
) -> None:
    made = only("reverse", "autograd")
    records = made.records.copy()
    records.loc[records["method"] == known, ["method", "library"]] = ["mine", library]
    samples = made.samples.assign(method=made.samples["method"].replace(known, "mine"))
    found = PAGE.render(replace(made, records=records, samples=samples))
    (rows,) = [b for b in found if isinstance(b, Table) and b.name == "engines"]
    assert [texts(row)[:2] for row in rows.cells()] == [sides]


def test_the_engines_of_plugins_differ_in_the_legend() -> None:
    made = only("reverse", "autograd", "forward")
    names = {"autograd": "mine", "forward": "other"}
    records = made.records.copy()
    records["method"] = records["method"].replace(names)
    records.loc[records["method"] == "other", "library"] = "torch"
    samples = made.samples.assign(method=made.samples["method"].replace(names))
    found = choice(PAGE.render(replace(made, records=records, samples=samples)))
    assert [s.name for s in found.series] == ["reverse over mine"]
    records["category"] = "AD"
    found = choice(PAGE.render(replace(made, records=records, samples=samples)))
    assert [s.name for s in found.series] == ["reverse over mine", "reverse over other"]
    assert len({(s.dash, s.symbol) for s in found.series}) == 2


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (("autograd", "manual"), "holds no in-house engine"),
        (("reverse", "manual"), "holds no engine of another library"),
        ((), "holds no in-house engine"),
    ],
)
def test_a_run_without_one_side_says_so(methods: tuple[str, ...], said: str) -> None:
    (block,) = PAGE.render(only(*methods))
    assert said in block.paragraphs[0]


def test_a_run_without_samples_says_so() -> None:
    full = synthetic.run()
    (block,) = PAGE.render(replace(full, samples=full.samples.iloc[:0]))
    assert "was timed for engines of both sides" in block.paragraphs[0]
