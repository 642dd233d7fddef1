"""What the report draws and typesets itself: layouts without overlap, trees, graphs, formulas."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import pandas as pd
import pytest
import synthetic

from diffbench.analysis import expressions as read
from diffbench.analysis.traces import Trace, traces
from diffbench.problem import Parts
from diffbench.registry import discover
from diffbench.reports import swell
from diffbench.reports import traces as traces_page
from diffbench.reports.elements import element, markup, subscripts
from diffbench.reports.expression_graphs import graph, tree
from diffbench.reports.formulas import typeset
from diffbench.reports.layout import layered
from diffbench.reports.sections import Drawing, Table
from diffbench.reports.trace_graph import LABEL, LETTER, drawn
from diffbench.study import StudyRow

SMALL = ("chebyshev", "lecture", "logistic", "lse", "piecewise", "rosenbrock", "speelpenning")
Box = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def found() -> list[Trace]:
    """The traces that a run of these families holds."""
    families = discover(kinds=("problems",)).families
    study = discover(kinds=("studies",)).studies["traces"]
    assert study.over is not None
    rows = [*study.run(), *study.over([families[name] for name in SMALL], "quick")]
    return traces(synthetic.frame(rows, StudyRow))


@pytest.fixture(scope="module")
def written() -> list[read.Expression]:
    return read.expressions(synthetic.run().studies)


def inside(root: Element, tag: str, **having: str) -> list[Element]:
    return [e for e in root.iter(tag) if all(e.get(k.rstrip("_")) == v for k, v in having.items())]


def text_of(root: Element) -> str:
    return "".join(root.itertext())


# --- layout -----------------------------------------------------------------------------------


def test_layers_follow_the_longest_path_and_nothing_overlaps() -> None:
    widths = [40.0, 80.0, 20.0, 60.0, 30.0]
    edges = [(0, 2), (1, 2), (1, 3), (2, 4), (0, 4), (3, 4)]
    placed = layered(widths, edges, 10.0)
    assert placed.layer == [0, 0, 1, 1, 2]
    assert [len(bends) for bends in placed.bends] == [0, 0, 0, 0, 1, 0]
    for a, b in combinations(range(5), 2):
        if placed.layer[a] == placed.layer[b]:
            apart = abs(placed.x[a] - placed.x[b]) - (widths[a] + widths[b]) / 2
            assert apart >= 10.0 - 1e-9
    assert min(x - w / 2 for x, w in zip(placed.x, widths, strict=True)) >= 0.0
    assert max(x + w / 2 for x, w in zip(placed.x, widths, strict=True)) <= placed.width


def test_edges_that_need_not_cross_do_not() -> None:
    """Two strands that are listed crosswise are drawn side by side."""
    placed = layered([20.0] * 4, [(0, 3), (1, 2)], 5.0)
    assert (placed.x[0] < placed.x[1]) == (placed.x[3] < placed.x[2])


def test_a_layer_may_keep_its_order() -> None:
    placed = layered([20.0] * 5, [(0, 1), (0, 2), (1, 3), (2, 4)], 5.0, ordered=True)
    assert placed.x[1] < placed.x[2]
    assert placed.x[3] < placed.x[4]


def test_rows_that_two_runs_hold_alike_count_once() -> None:
    studies = synthetic.run().studies
    (once,) = traces(studies)
    (twice,) = traces(pd.concat([studies, studies], ignore_index=True))
    assert twice == once
    assert len(once.lines) == 30


# --- the graph of a trace ---------------------------------------------------------------------


def _boxes(svg: Element) -> list[Box]:
    """What may not overlap: nodes, and the texts on edges."""
    boxes = []
    for rect in inside(svg, "rect"):
        x, y, w, h = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
        boxes.append((x, y, x + w, y + h))
    for text in inside(svg, "text", class_="part"):
        half = LETTER * len(text[0].tail or "") / 2
        x, y = float(text.get("x", "")), float(text.get("y", "")) - 14
        boxes.append((x - half, y, x + half, y + LABEL))
    return boxes


def test_no_node_or_label_of_any_small_instance_covers_another(found: list[Trace]) -> None:
    assert len(found) == len(SMALL)
    for number, trace in enumerate(found):
        svg = drawn(trace, f"g{number}")
        boxes = _boxes(svg)
        left, _, width, height = map(float, str(svg.get("viewBox")).split())
        assert all(left <= a and c <= left + width and d <= height for a, _, c, d in boxes)
        assert len(boxes) == len(trace.role("primal")) + len(trace.partials)
        for a, b in combinations(boxes, 2):
            clear = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
            assert clear, (trace.name, a, b)


def test_the_lecture_s_graph_holds_values_adjoints_and_partials(found: list[Trace]) -> None:
    svg = drawn(found[0], "g")
    nodes = [[text_of(t) for t in g.iter("text")] for g in inside(svg, "g", class_="node")]
    assert nodes[1] == ["v₀ = x₂", "5", "v̄₀ = 1.716"]
    assert nodes[4] == ["v₃ = sin(v₀)", "-0.959", "v̄₃ = -1"]
    assert nodes[6] == ["v₅ = v₄ - v₃", "11.652", "v̄₅ = 1"]
    shown = {t.get("data-e"): (t[0].text, t[0].tail) for t in inside(svg, "text", class_="part")}
    assert shown["4.0"] == ("partial cos(v₀) = 0.28366218546322625", "0.284")
    assert shown["6.1"] == ("partial -1 = -1.0", "-1")
    assert len(shown) == len(inside(svg, "path", class_="edge")) == 8
    named = {e.get("id") for e in svg.iter() if e.get("id")}
    assert set(str(svg.get("aria-labelledby")).split()) <= named


def test_a_variable_used_twice_by_a_step_has_two_edges(found: list[Trace]) -> None:
    (trace,) = [t for t in found if t.name == "rosenbrock[n=2]"]
    twice = [e.get("d") for e in inside(drawn(trace, "g"), "path", class_="edge")]
    assert len(set(twice)) == len(twice) == len(trace.partials)


@pytest.mark.parametrize("f", [lambda x, xp: x[0], lambda x, xp: 2.0, lambda x, xp: 2])
def test_a_function_without_an_operation_is_drawn_as_well(f: Any) -> None:
    family = replace(
        discover(kinds=("problems",)).families["logistic"],
        name="bare",
        build=lambda params, rng: Parts(f=f, x=np.array([3.0]), prepare_x=np.array([2.0])),
    )
    study = discover(kinds=("studies",)).studies["traces"]
    assert study.over is not None
    (trace,) = traces(synthetic.frame(list(study.over([family], "quick")), StudyRow))
    nodes = inside(drawn(trace, "g"), "g", class_="node")
    assert [text_of(node)[:8] for node in nodes] == ["v₀ = x₁3"]
    assert trace.program.endswith(f"return ({'v0_bar' if f(x=[1.0], xp=None) == 1.0 else 0.0},)\n")


# --- trees and graphs of expressions ----------------------------------------------------------


@pytest.mark.parametrize(("place", "nodes", "unique"), [(0, 5, 5), (1, 44, 17), (2, 166, 26)])
def test_tree_and_graph_have_the_nodes_that_sympy_counts(
    written: list[read.Expression], place: int, nodes: int, unique: int
) -> None:
    one = written[place]
    whole, once = tree(one, "t"), graph(one, "g")
    assert len(inside(whole, "rect")) == len(one.tree()) == sum(one.occurrences.values()) == nodes
    assert len(inside(once, "rect")) == len(one.nodes) == unique
    assert inside(whole, "path")[0].get("d", "").count("M") == nodes - 1
    shared = sum(times for times in one.occurrences.values() if times > 1)
    assert len(inside(whole, "rect", class_="shared")) == shared
    often = sum(times > 1 for times in one.occurrences.values())
    assert len(inside(once, "rect", class_="shared")) == often
    assert text_of(whole).count("x") == one.occurrences[_x(one)]


def _x(one: read.Expression) -> int:
    return next(i for i, (symbol, _) in enumerate(one.nodes) if symbol == "x")


def test_shared_nodes_differ_in_shape_as_well(written: list[read.Expression]) -> None:
    corners = {e.get("class"): e.get("rx") for e in inside(graph(written[2], "g"), "rect")}
    assert corners == {"shared": "2", "single": "11"}


def test_nothing_covers_anything_in_the_largest_tree(written: list[read.Expression]) -> None:
    for draw in (tree, graph):
        boxes = _boxes(draw(written[2], "t"))
        for a, b in combinations(boxes, 2):
            assert a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] or b[3] <= a[1]


def test_the_page_tells_the_survey_s_sizes() -> None:
    blocks = swell.render(synthetic.run())  # type: ignore[arg-type]  # it offers what a Run does
    (table,) = [b for b in blocks if isinstance(b, Table)]
    rows = [[cell.value for cell in row] for row in table.cells()]
    assert [row[:5] + row[6:] for row in rows] == [
        [2, 5, 2, 7, 5, 2],
        [3, 44, 21, 80, 17, 12],
        [4, 166, 82, 315, 26, 27],
    ]
    assert [b.name for b in blocks if isinstance(b, Drawing)] == ["formulas", "trees and graphs"]


# --- formulas ---------------------------------------------------------------------------------


def _plain(root: Element) -> str:
    text = text_of(root).replace("\N{MINUS SIGN}", "-")
    return re.sub(r"[\s\N{INVISIBLE TIMES}]", "", text)


@pytest.mark.parametrize(
    ("place", "form", "expected"),
    [
        (0, "function", "l2=4x(1-x)"),
        (0, "derivative", "l2=4-8x"),
        (1, "function", "l2=16x(1-x)(1-2x)2"),
        (1, "derivative", "l2=16(1-x)(1-2x)2+16x(1-x)(-4+8x)-16x(1-2x)2"),
        (1, "simplified", "l2=16(1-10x+24x2-16x3)"),
        (
            2,
            "simplified",
            "l2=64(1-42x+504x2-2640x3+7040x4-9984x5+7168x6-2048x7)",
        ),
    ],
)
def test_formulas_read_as_on_paper(
    written: list[read.Expression], place: int, form: str, expected: str
) -> None:
    assert _plain(typeset("l_2", written[place].forms[form][0])) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (-3, "l1=-3"),
        (["*", -1, "x"], "l1=-x"),
        (["^", ["+", "x", -1], 2], "l1=(x-1)2"),
        (["*", 2, ["^", "x", -1]], "l1=2x-1"),
        (["^", ["*", 2, "x"], 3], "l1=(2x)3"),
    ],
)
def test_signs_and_brackets(parts: Any, expected: str) -> None:
    assert _plain(typeset("l_1", parts)) == expected


def test_a_formula_is_mathml_core_alone(written: list[read.Expression]) -> None:
    for one in written:
        for parts, _ in one.forms.values():
            made = typeset("l_4'", parts)
            tags = {e.tag for e in made.iter()}
            assert tags <= {"span", "math", "mrow", "mi", "mn", "mo", "msub", "msup"}
            assert all(len(e) == 2 for e in made.iter() if e.tag in ("msub", "msup"))


def test_text_from_rows_is_never_markup() -> None:
    evil = "</mi><script>alert(1)</script>"
    assert "<script" not in markup(typeset("l_1", ["+", evil, 1]))
    assert "<script" not in markup(element("text", evil, data_x=f'"{evil}'))
    with pytest.raises(KeyError):
        typeset("l_1", ["+", ["script", "x"], 1])


def test_indices_are_lowered_in_names_alone() -> None:
    assert subscripts("v̄-1 + 0.5 * log1p(x12)") == "v̄₋₁ + 0.5 × log1p(x₁₂)"


def test_what_a_killed_study_left_is_shown_as_far_as_it_is_whole() -> None:
    """The last rows of both studies never came; the page says why, and the rest stands."""
    run, why = synthetic.run(), "not done after 10 s"
    keys = run.studies["key"]
    cut = keys.str.startswith(("program|", "cse_ops|4", "string_length|4"))
    killed = [
        StudyRow(study=study, key="status|timeout", reason=why)
        for study in ("traces", "expressions")
    ]
    studies = pd.concat([run.studies[~cut], synthetic.frame(killed, StudyRow)], ignore_index=True)
    assert [one.depth for one in read.expressions(studies)] == [2, 3]
    assert traces(studies) == []
    left = replace(run, studies=studies)
    (told,) = traces_page.render(left)  # type: ignore[arg-type]  # it offers what a Run does
    assert told.paragraphs == (f"The study ended early: timeout: {why}.",)
    lesson, *_ = swell.render(left)  # type: ignore[arg-type]  # it offers what a Run does
    assert lesson.paragraphs[1:] == (f"Not written out: timeout: {why}.",)


def test_a_run_without_the_studies_draws_nothing() -> None:
    none = synthetic.run().studies.iloc[:0]
    assert traces(none) == []
    assert read.expressions(none) == []
