"""Traces of the lecture's function and of small instances, to step through and to fill in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import study_rows, unfinished
from diffbench.analysis.traces import Line, Trace, forms, left, traces
from diffbench.page import Page
from diffbench.reports.elements import subscripts
from diffbench.reports.formats import exact
from diffbench.reports.sections import Column, Steps, Table, Text
from diffbench.reports.trace_graph import drawn

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

READING = (
    "Inputs are v₋₁, v₀ and so on down, the operations v₁, v₂, ... in the order of their "
    "execution. Forward mode carries tangents (with a dot) along with the values: one sweep a "
    "seed, n sweeps for n inputs. Reverse mode has the values first, then the adjoints (with a "
    "bar) in one sweep back, read downwards in the order of execution; a variable that is used "
    "twice receives its adjoint in two lines, the second adding to the first (+=). One sweep "
    "gives all partials of one output.",
    "Every line can be recomputed from the numbers printed in it. In the graph each node has its "
    "equation, its value and its adjoint, with three digits as on the slides; beside each edge "
    "stands the partial of the lower node for the upper one.",
)
PARTIALS = (Column("From"), Column("To"), Column("Partial"), Column("Value", True))


def render(run: Run) -> list[Any]:
    """How to read a trace, then each trace of the run, then what has none and why."""
    found = traces(run.studies)
    jobs = unfinished(study_rows(run.studies, "traces"))
    early = tuple(f"The study ended early: {status}: {why}." for _, status, why in jobs)
    if not found:
        return [Text(paragraphs=early or ("The study traces is not in this run.",))]
    told = Text(paragraphs=(*READING, *early))
    blocks = [told, *(_steps(trace, k) for k, trace in enumerate(found))]
    missing = left(run.studies)
    if missing:
        reasons = dict.fromkeys(missing.values())
        lines = (
            f"{', '.join(k for k, v in missing.items() if v == why)}: {why}." for why in reasons
        )
        blocks.append(Text("Families without a trace here", items=tuple(lines)))
    return blocks


def _steps(trace: Trace, number: int) -> Steps:
    return Steps(
        name=trace.name,
        title=f"{trace.name}: {trace.title}",
        graph=drawn(trace, f"trace-{number}"),
        tables=tuple((role[:1].upper() + role[1:], trace.role(role)) for role in trace.roles),
        nodes=_nodes(trace),
        partials=_partials(trace),
        program=trace.program,
        forms=_forms(trace.lines),
    )


def _nodes(trace: Trace) -> list[int]:
    """The node that each line is about, by its name without dot or bar."""
    names = {line.name: i for i, line in enumerate(trace.role("primal"))}
    return [names[line.name.replace("\u0307", "").replace("\u0304", "")] for line in trace.lines]


def _partials(trace: Trace) -> Table:
    names = [subscripts(line.name) for line in trace.role("primal")]
    rows = [
        [names[p.source], names[p.target], subscripts(p.text), exact(p.value)]
        for p in trace.partials
    ]
    return Table(f"partials {trace.name}", f"Edges of {trace.name}", PARTIALS, rows, True)


def _forms(lines: list[Line]) -> str:
    parts = [part for line in lines for part in (line.value, *line.numbers)]
    shown = {forms(part) for part in parts if not isinstance(part, str)}
    return ";".join(" ".join(three) for three in sorted(shown))


PAGE = Page(name="traces", title="Traces", order=60, render=render)
