"""Method against method: the paired ratios on made-up rounds whose answer is known."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic
from made_rounds import Made, Rounds, rounds, two
from scipy import stats

from diffbench.analysis import ratios
from diffbench.analysis.book import Book
from diffbench.analysis.compare import DERIVATIVES, Comparison, compare
from diffbench.comparison import COLUMNS, DIFFERENT, HEADINGS, render, short
from diffbench.errors import BadSelection, UnknownName
from diffbench.measure.intervals import Interval, p_value

# --- one cell ---------------------------------------------------------------------------------


def test_a_ratio_is_the_median_of_paired_rounds() -> None:
    """The machine slows down fivefold: medians of times would give 2, 3, 5 over 1, 1.5, 5."""
    made = Made()
    made.cell("a", ("f", 2), rounds(2.0, 3.0, 25.0, 9.0))
    made.cell("b", ("f", 2), rounds(1.0, 1.0, 5.0))
    (cell,) = compare(made.book(), "a", "b").cells
    assert cell.value == pytest.approx(3.0)
    assert cell.low < 3.0 < cell.high
    assert (cell.family, cell.instance, cell.operator, cell.n) == ("f", "f[n=2]", "gradient", 2)
    (turned,) = compare(made.book(), "b", "a").cells
    assert turned.value == pytest.approx(1 / cell.value)
    assert turned.high == pytest.approx(1 / cell.low)


def test_generations_are_the_unit_of_replication() -> None:
    made, medians = Made(), [2.0, 2.1, 2.3, 1.9, 2.2]
    above = {(g, k): 1e-4 * v * s for g, v in enumerate(medians) for k, s in enumerate((0.5, 1, 3))}
    made.cell("a", ("f", 2), above)
    made.cell("b", ("f", 2), dict.fromkeys(above, 1e-4))
    (cell,) = compare(made.book(), "a", "b").cells
    logs = np.log(medians)
    half = stats.t.ppf(0.975, 4) * stats.sem(logs)
    assert cell.generations == 5
    assert cell.value == pytest.approx(2.1)
    assert math.log(cell.high) == pytest.approx(logs.mean() + half)
    assert cell.p == pytest.approx(stats.ttest_1samp(logs, 0.0).pvalue)
    assert cell.outcome == "slower"


def test_one_generation_carries_the_spread_between_processes() -> None:
    made = two(("f", 2), generations=1, noise=0.0)
    book = made.book()
    calm = compare(book, "a", "b").cells[0]
    assert math.log(calm.high / 2.0) == pytest.approx(math.sqrt(2) * book.spread.half_width)
    for row in made.samples:
        if row["kind"] == "numpy_primal" and row["method"] == "a":
            row["seconds"] *= 1.5  # the same f in another process
    wide = compare(made.book(), "a", "b").cells[0]
    assert calm.value == wide.value == pytest.approx(2.0)
    assert wide.high / wide.low > 1.5 * calm.high / calm.low > 1.5
    assert wide.p > calm.p


def test_below_5_percent_is_exactly_outside_the_interval() -> None:
    rng = np.random.default_rng(5)
    for centre, half, freedom in rng.uniform((-1, 0.01, 1), (1, 1, 40), (300, 3)):
        ends = (math.exp(centre - half), math.exp(centre + half))
        found = Interval(math.exp(centre), *ends, freedom)
        assert (p_value(found) < 0.05) == (abs(centre) > half)
    assert p_value(Interval(1.0, 1.0, 1.0, 4)) == 1.0
    assert p_value(Interval(2.0, 2.0, 2.0, 4)) == 0.0
    normal = 2 * stats.norm.sf(math.log(2) / math.log(4 / 3) * stats.norm.ppf(0.975))
    assert p_value(Interval(2.0, 1.5, 8 / 3, 1e9)) == pytest.approx(normal, rel=1e-6)


def test_holms_adjusted_p_values() -> None:
    assert ratios.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert ratios.holm([0.9, 0.6]) == [1.0, 1.0]
    assert ratios.holm([]) == []


def test_many_cells_ask_more_of_each() -> None:
    """The same rounds: a difference alone, and a tie among forty."""
    made = Made()
    for method, values in (("a", (1.1, 1.2, 1.15, 1.05, 1.22)), ("b", (1.0,) * 5)):
        times = {(g, 0): 1e-4 * value for g, value in enumerate(values)}
        made.cell(method, ("f", 2), times)
    assert compare(made.book(), "a", "b").cells[0].outcome == "slower"
    for n in range(3, 42):
        for method in ("a", "b"):
            made.cell(method, ("f", n), {(g, 0): 1e-4 * (1 + g / 50) for g in range(5)})
    many = compare(made.book(), "a", "b")
    assert [cell.outcome for cell in many.cells] == ["tie"] * 40
    assert min(cell.low for cell in many.cells if cell.n == 2) > 1.0


def test_copies_of_one_method_are_ties() -> None:
    """Layout moves each process by 3 %: with five generations hardly a cell is called different."""
    rng, different, covered, trials = np.random.default_rng(1), 0, 0, 20
    for _ in range(trials):
        made = Made()
        for family in ("f", "g", "h"):
            for n in range(2, 12):
                for method in ("a", "b"):
                    layout = rng.normal(0, 0.03, 5)
                    keys = [(g, k) for g in range(5) for k in range(3)]
                    noise = [layout[g] + rng.normal(0, 0.01) for g, _ in keys]
                    times = 1e-4 * np.exp(noise)
                    made.cell(method, (family, n), dict(zip(keys, times.tolist(), strict=True)))
        found = compare(made.book(), "a", "b")
        different += sum(cell.outcome != "tie" for cell in found.cells)
        covered += sum(g.ratio.low <= 1.0 <= g.ratio.high for g in found.families)
    assert different <= 3  # of 600
    assert covered >= 0.88 * 3 * trials


# --- what is left out -------------------------------------------------------------------------

HERE: Rounds = rounds(1.0, 2.0)
UNFIT: dict[str, tuple[Rounds, dict[str, Any]] | None] = {
    "b was not asked": None,
    "b: out of memory": ({}, {"status": "out_of_memory", "reason": "the cap"}),
    "b: wrong answer": (HERE, {"verdict": "wrong"}),
    "b: not timed": (HERE, {"run_s": None}),
    "b: shorter than 10 empty calls": (HERE, {"empty_call_s": 2e-5}),
    "no round in common": (rounds(1.0, generation=1), {}),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_a_cell_without_a_ratio_is_counted_by_its_reason(reason: str) -> None:
    made, other = two(("f", 4)), UNFIT[reason]
    made.cell("a", ("f", 2), HERE)
    if other is not None:
        times, facts = other
        made.cell("b", ("f", 2), times, **facts)
    found = compare(made.book(), "a", "b")
    assert found.left_out == {reason: 1}
    assert [cell.instance for cell in found.cells] == ["f[n=4]"]


def test_degraded_answers_stay_and_values_are_not_asked_for() -> None:
    made = Made()
    for operator in ("value", "gradient", "hvp"):
        for method in ("a", "b"):
            made.cell(method, ("f", 2), rounds(1.0), operator, verdict="degraded", origin="derived")
    book = made.book()
    found = compare(book, "a", "b")
    assert [cell.operator for cell in found.cells] == ["gradient", "hvp"]
    assert all(cell.derived for cell in found.cells)
    assert "value" not in DERIVATIVES
    assert len(compare(book, "a", "b", ("value",)).cells) == 1


def test_without_a_common_cell_there_are_no_groups() -> None:
    found = compare(two(("f", 2)).book(), "a", "c")
    assert (found.cells, found.families, found.totals) == ((), (), ())
    assert found.left_out == {"c was not asked": 1}


# --- means ------------------------------------------------------------------------------------


def test_means_by_family_and_size_with_their_worst_cells() -> None:
    made = two(("f", 2), ("f", 64), ("g", 8), ("g", 65))
    for method, times in (("a", 8.0), ("b", 1.0)):
        made.cell(method, ("g", 128), {(g, 0): 1e-4 * times for g in range(5)})
    found = compare(made.book(), "a", "b")
    assert [(g.name, len(g.cells)) for g in found.families] == [("f", 2), ("g", 3)]
    sizes = [(g.name, len(g.cells)) for g in found.totals]
    assert sizes == [("all", 5), ("n <= 64", 3), ("n > 64", 2)]
    assert found.totals[0].worst == found.totals[2].worst == found.families[1].worst
    assert found.totals[0].worst.cell == "g[n=128] gradient"
    assert all(cell.value <= found.totals[1].worst.value for cell in found.totals[1].cells)
    values = [cell.value for cell in found.cells]
    assert found.totals[0].ratio.value == pytest.approx(stats.gmean(values))
    assert found.families[0].ratio.value == pytest.approx(2.0, rel=0.02)
    assert found.totals[0].count("slower") == 5


def test_groups_of_one_value_give_the_plain_mean() -> None:
    values = [1.0, 2.0, 5.0]
    plain, grouped = ratios.geometric_mean(values), ratios.grouped_mean([[v] for v in values])
    for name in ("value", "low", "high", "count"):
        assert getattr(grouped, name) == pytest.approx(getattr(plain, name))
    assert ratios.grouped_mean([values]) == plain


def test_equal_groups_give_the_interval_of_their_means() -> None:
    groups = [[1.0, 4.0], [2.0, 8.0], [9.0, 4.0]]
    means = ratios.geometric_mean([math.sqrt(a * b) for a, b in groups])
    found = ratios.grouped_mean(groups)
    assert found.value == pytest.approx(means.value)
    assert (found.low, found.high) == (pytest.approx(means.low), pytest.approx(means.high))
    assert found.count == 6


def test_what_other_groups_show_moderates_a_small_one() -> None:
    variance, freedom = ratios.pooled([[1.0, math.e], [2.0], [1.0, math.e**2]])
    assert (variance, freedom) == (pytest.approx((0.5 + 2.0) / 2), 2)
    assert ratios.pooled([[3.0]]) == (0.0, 0)
    values = [2.0, 2.0 * math.e]
    found = ratios.geometric_mean(values, variance, freedom)
    half = stats.t.ppf(0.975, 3) * math.sqrt((0.5 + 2 * variance) / 3 / 2)
    assert math.log(found.high / found.value) == pytest.approx(half)
    many = ratios.geometric_mean(values, variance, 1000)
    half = stats.t.ppf(0.975, 5) * math.sqrt((0.5 + 4 * variance) / 5 / 2)
    assert math.log(many.value / many.low) == pytest.approx(half)


def test_the_interval_of_a_family_leans_on_the_others() -> None:
    made = two(("f", 2), ("f", 4), ("g", 8), ("g", 65), noise=0.1)
    found = compare(made.book(), "a", "b")
    mine, others = ([cell.value for cell in group.cells] for group in found.families)
    assert found.families[0].ratio == ratios.geometric_mean(mine, *ratios.pooled([others]))


def test_one_generation_widens_the_means_by_what_processes_share() -> None:
    made = two(("f", 2), ("f", 4), ("f", 8), generations=1, noise=0.0)
    book = made.book()
    (family,) = compare(book, "a", "b").families
    shared = book.spread.of_ratios().half_width
    assert shared > 0
    assert math.log(family.ratio.high / 2.0) == pytest.approx(shared)
    several = compare(two(("f", 2), ("f", 4), noise=0.0).book(), "a", "b").families[0]
    assert several.ratio.high == pytest.approx(2.0)


def test_a_single_cell_stands_for_its_family() -> None:
    found = compare(two(("f", 2), generations=1).book(), "a", "b")
    (cell,) = found.cells
    for group in (*found.families, *found.totals):
        assert (group.ratio.low, group.ratio.value) == (cell.low, cell.value)


# --- names ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.of(synthetic.run())  # type: ignore[arg-type]  # it offers what a Run does


def test_a_method_is_named_by_its_selection(book: Book) -> None:
    assert book.method("autograd") == "autograd"
    assert book.method(" jax[ mode = reverse ] ") == "jax[mode=reverse]"
    only = replace(book, records={"jax[mode=reverse]": {}})
    assert only.method("jax") == "jax[mode=reverse]"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("jax", BadSelection, r"name one of: jax\[mode=forward\], jax\[mode=reverse\]"),
        ("reverse,forward", BadSelection, "names 2 methods"),
        ("jax[mode=forward|reverse]", BadSelection, "names 2 methods"),
        ("revers", UnknownName, "did you mean 'reverse'.*there are: autograd, complex_step"),
        ("jaxx", UnknownName, "did you mean 'jax'"),
        ("jax[mode=sideways]", UnknownName, r"there are: jax\[mode=forward\], jax\[mode=reverse\]"),
        ("reverse[", BadSelection, "never closed"),
    ],
)
def test_a_name_that_is_no_method_of_the_run(
    book: Book, text: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        book.method(text)


# --- written out ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(book: Book) -> Comparison:
    return compare(book, "reverse", "autograd")


def test_the_text_has_a_line_a_family_the_means_and_the_worst(pair: Comparison) -> None:
    lines = render(pair).splitlines()
    assert lines[0].startswith("time of reverse over time of autograd, paired; below 1, reverse")
    assert re.split(r" {2,}", lines[2]) == list(HEADINGS)
    rows = {line.split()[0]: re.split(r" {2,}", line) for line in lines[3:11]}
    assert list(rows) == [g.name for g in pair.families]
    for group in pair.families:
        counts = [str(group.count(outcome)) for outcome in ("faster", "tie", "slower")]
        assert rows[group.name][1:3] == [str(len(group.cells)), short(group.ratio.value)]
        assert rows[group.name][4:] == [*counts, group.worst.cell, short(group.worst.value)]
    assert set(lines[11]) == {"-"}
    assert [line.split("  ")[0] for line in lines[12:15]] == ["all", "n <= 64", "n > 64"]
    worst = pair.totals[0].worst
    assert any(line.startswith(f"worst: {worst.cell}, {short(worst.value)} (") for line in lines)
    assert lines[-1].startswith("left out: ")
    assert "autograd: timeout" in lines[-1]
    assert "autograd: wrong answer" in lines[-1]


def test_markdown_has_the_same_rows(pair: Comparison) -> None:
    rows = [line for line in render(pair, "markdown").splitlines() if line.startswith("|")]
    table = rows[: 2 + len(pair.families) + len(pair.totals)]
    assert {row.count("|") for row in table} == {len(HEADINGS) + 1}
    assert "| **all** | " in table[-3]
    assert {row.count("|") for row in rows[len(table) :]} == {len(DIFFERENT) + 1}


def test_the_csv_holds_every_cell_with_all_digits(pair: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(render(pair, "csv"))))
    assert list(rows[0]) == list(COLUMNS)
    cells = [row for row in rows if row["kind"] == "cell"]
    for row, cell in zip(cells, pair.cells, strict=True):
        assert (row["name"], row["operator"]) == (cell.instance, cell.operator)
        assert [float(row[k]) for k in ("ratio", "low", "high", "p_holm")] == [
            cell.value, cell.low, cell.high, cell.p,
        ]  # fmt: skip
    assert sum(row["kind"] == "family" for row in rows) == len(pair.families)
    (whole,) = [row for row in rows if row["name"] == "all"]
    assert int(whole["cells"]) == len(pair.cells) == int(whole["faster"]) + int(whole["tie"])
    left = {row["name"]: int(row["cells"]) for row in rows if row["kind"] == "left out"}
    assert left == pair.left_out


def test_an_unknown_format(pair: Comparison) -> None:
    with pytest.raises(UnknownName, match="there are: csv, markdown, text"):
        render(pair, "html")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (12.0, "12.0"), (123.4, "123"), (999.9, "1000"), (12345.0, "12345"),
     (0.0002, "2.0e-04"), (3e7, "3.0e+07")],
)  # fmt: skip
def test_how_a_ratio_is_written(value: float, text: str) -> None:
    assert short(value) == text
