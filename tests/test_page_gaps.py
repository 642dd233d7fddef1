"""What pages say where a run does not decide: no rank, no map, no depth, no half sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import synthetic

from diffbench.page import Page
from diffbench.reports import (
    cost,
    crossover,
    environment,
    overview,
    scaling,
    slides,
    step_size,
    words,
)
from diffbench.reports.sections import Choice, Column, Figure, Grid, Table, Text
from diffbench.study import StudyRow

CENTRAL = "finite_difference[scheme=central]"


def run(records: pd.DataFrame) -> synthetic.SyntheticRun:
    return replace(synthetic.run(), records=records)


def of(methods: tuple[str, ...], *families: str) -> pd.DataFrame:
    records = synthetic.records()
    asked = records["family"].isin(families) & records["method"].isin(methods)
    return records[asked & (records[["n", "m"]].max(axis=1) <= 256)].copy()


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.cells()]


def options(page: Page, records: pd.DataFrame, name: str) -> dict[tuple[str, ...], list[Figure]]:
    """The figures of a choice by their keys; of no such choice none."""
    blocks = page.render(run(records))
    found = [b for b in blocks if isinstance(b, Choice) and b.name == name]
    return {option.key: list(option.figures) for choice in found for option in choice.options}


def glance(records: pd.DataFrame) -> tuple[Any, Table]:
    """What stands beside the answers, and the matrix."""
    _, grid, matrix = overview.PAGE.render(run(records))
    assert isinstance(grid, Grid)
    return grid.blocks[1], matrix


# --- at a glance ------------------------------------------------------------------------------


def test_what_shares_one_instance_or_none_has_no_rank_and_leaves_the_others_theirs() -> None:
    records = of(("manual", "reverse", "autograd", "forward", "complex_step"), "rosenbrock")
    of_one = (records["method"] == "forward") & (records["n"] != 2)
    records.loc[of_one | (records["method"] == "complex_step"), "run_s"] = float("nan")
    ranking, _ = glance(records)
    both, _ = glance(records[records["method"].isin(["manual", "reverse", "autograd"])])
    assert {row[0] for row in texts(both)} == {"1", "2"}
    assert texts(ranking)[:2] == texts(both)
    (last,) = texts(ranking)[2:]
    assert (last[0], last[1], last[3], last[4]) == ("–", "forward", "–", "1")
    records.loc[records["method"] == "manual", "instance"] += " elsewhere"
    apart, _ = glance(records)
    assert {(row[0], row[4]) for row in texts(apart)} == {("–", "0")}


def test_without_the_hand_written_derivatives_a_sentence_says_so() -> None:
    ranking, _ = glance(of(("reverse", "autograd"), "rosenbrock"))
    assert isinstance(ranking, Text)
    assert ranking.paragraphs == ("No ranking: the hand-written derivatives did not run.",)


@pytest.mark.parametrize(("status", "tone"), [("skipped", "mute"), ("timeout", "bad")])
def test_what_was_skipped_is_refused_and_did_not_fail(status: str, tone: str) -> None:
    records = of(("manual", "reverse"), "rosenbrock")
    records.loc[records["method"] == "reverse", ["status", "verdict"]] = [status, ""]
    _, matrix = glance(records)
    (row,) = matrix.cells()
    assert [(cell.text, cell.tone) for cell in row[1:]] == [("exact", "good"), (status, tone)]


def test_no_answer_ends_in_the_middle() -> None:
    records = of(("reverse",), "rosenbrock")
    told = {question: evidence for question, _, evidence in words.answers(records)}
    price = "What does a gradient by reverse mode cost?"
    assert "By time it is 30 times" in told[price]
    records["ratio_own_primal"] = float("nan")
    told = {question: evidence for question, _, evidence in words.answers(records)}
    assert told[price].endswith(" by reverse.")
    assert "By time" not in told[price]


# --- scaling, crossover, cost -----------------------------------------------------------------


def test_a_family_has_a_curve_against_n_and_one_against_depth() -> None:
    records = of(("reverse", "forward"), "rosenbrock", "logistic")
    records["family"] = "both"
    records["params"] = [
        f'{{"n": {n}, "depth": {depth}}}'
        for n, depth in zip(records["n"], records["depth"], strict=True)
    ]
    assert list(options(scaling.PAGE, records, "scaling n")) == [("both",)]
    assert list(options(scaling.PAGE, records, "scaling depth")) == [("both",)]


def test_a_map_needs_winners_at_two_sizes_of_each_kind() -> None:
    records = of((CENTRAL,), "affine_tanh")
    assert list(options(crossover.PAGE, records, "map")) == [("affine_tanh", "all methods")]
    told = ("affine_tanh", "those exact to rounding")
    for kept, maps in (({4}, 0), ({4, 16}, 1)):
        records.loc[records["m"].isin(kept), "verdict"] = "exact to rounding"
        found = options(crossover.PAGE, records, "map")
        assert list(found).count(told) == maps
    rows = [r for r in found[told][0].spec["datasets"]["rows"] if r["k"] == "tile"]
    assert {row["y"] for row in rows} == {4, 16}


def test_memory_is_not_drawn_against_a_depth_that_n_goes_beside() -> None:
    records = of(("reverse",), "speelpenning")
    assert list(options(cost.PAGE, records, "memory")) == [("speelpenning",)]
    records["depth"] += 1
    assert options(cost.PAGE, records, "memory") == {}


def test_the_hand_written_derivative_alone_has_no_break_even() -> None:
    alone, both = (of(names, "lecture") for names in (("manual",), ("manual", "reverse")))
    ((drawn,),) = options(cost.PAGE, alone, "calls").values()
    assert drawn.name.startswith("split ")
    ((_, calls),) = options(cost.PAGE, both, "calls").values()
    assert "Cheapest in all: reverse from call 1." in calls.sentence
    tables = [b.name for b in cost.PAGE.render(run(alone)) if isinstance(b, Table)]
    assert "break-even" not in tables


def test_step_sizes_that_ended_early_say_so() -> None:
    row = StudyRow(study="step_size", key="status|timeout", reason="not done")
    ended, whole = (
        synthetic.frame([row], StudyRow),
        synthetic.frame(synthetic.step_size(), StudyRow),
    )
    both = pd.concat([whole, ended])
    (alone,) = step_size.PAGE.render(replace(synthetic.run(), studies=ended))
    assert alone.paragraphs == ("No error was measured.",)
    told, figure, *_ = step_size.PAGE.render(replace(synthetic.run(), studies=both))
    assert told.items == alone.items == ("the study: timeout, not done",)
    assert isinstance(figure, Figure)


# --- environment, slides, editions ------------------------------------------------------------


@pytest.mark.parametrize(("generations", "said"), [(None, True), (5, False)])
def test_generations_that_were_asked_for_are_not_left_out(
    generations: int | None, said: bool
) -> None:
    rows = {"lecture": {"sizes": "n=2", "full": "n=2, 4", "more": 1}}
    plan = {"profile": "standard", "left_out": rows, "generations": generations}
    blocks = environment.PAGE.render(replace(synthetic.run(), plan=plan))
    (left,) = [b for b in blocks if isinstance(b, Table) and b.name == "left out"]
    assert ("all but one generation" in left.caption) is said
    assert left.caption.endswith(" --profile full takes all")


def test_a_variable_of_a_plugin_stays_as_it_is_in_a_slide() -> None:
    spec = {
        "data": {"values": [{"x": 1}]},
        "mark": {"type": "point", "stroke": "var(--accent)", "fill": "var(--ink)"},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
    figure = Figure("mine", "Mine", "It shows.", spec, Table("mine", "", (Column("x"),), []))
    drawn = slides.drawn(figure)
    assert 'stroke="var(--accent)"' in drawn
    assert "var(--ink)" not in drawn
