"""Trace tables as on the lecture's slides: primal, tangents and adjoints, line by line.

Inputs are v_{1-n} ... v_0, the operations v_1 ... v_l in the order of their execution. Every line
holds its equation in symbols and in numbers, both written by the rule table's own partials, so
that each printed equation recomputes from its printed operands. Notation: Griewank and Walther,
Evaluating Derivatives, 2008; Baydin, Pearlmutter, Radul and Siskind, 2018, tables 2 and 3.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffbench.ad.graph import opened
from diffbench.ad.terms import Scalar, ScalarTrace, Step, Term, TermNamespace, written
from diffbench.errors import BadSize, UnknownName
from diffbench.problem import Instance

__all__ = [
    "BAR",
    "DIGITS",
    "DOT",
    "FORMATS",
    "MODES",
    "Edge",
    "TraceRow",
    "assigned",
    "edges",
    "render",
    "rows",
    "undefined",
]

MODES = ("forward", "reverse")
MOST_STEPS = 400
DOT, BAR = "\u0307", "\u0304"


@final
@dataclass(frozen=True, slots=True)
class TraceRow:
    """One printed line: the variable, its equation, the numbers of that equation, its value.

    ``role`` is primal, ``tangent, seed (1, 0)`` or ``adjoint``; ``update`` marks an accumulation;
    ``edge`` is the (target, place) of the edge that an adjoint is passed back along.
    """

    role: str
    name: str
    equation: str
    numbers: tuple[str | float, ...]
    value: float
    latex_name: str
    latex: str
    update: bool = False
    edge: tuple[int, int] | None = None


@final
@dataclass(frozen=True, slots=True)
class Edge:
    """Operand ``place`` of step ``target`` is step ``source``; the partial, written and valued."""

    source: int
    target: int
    place: int
    text: str
    value: float


# --- names ---------------------------------------------------------------------------------------


def _name(i: int, n: int, mark: str = "") -> str:
    return f"v{mark}{i + 1 - n}"


def _latex_name(i: int, n: int, mark: str = "") -> str:
    symbol = {"": "v", DOT: r"\dot v", BAR: r"\bar v"}[mark]
    return f"{symbol}_{{{i + 1 - n}}}"


def _variable(i: int, n: int, value: Any, mark: str = "") -> Term:
    return Term.named(float(value), _name(i, n, mark), _latex_name(i, n, mark))


def _row(role: str, i: int, n: int, mark: str, term: Term, **facts: Any) -> TraceRow:
    name, latex = _name(i, n, mark), _latex_name(i, n, mark)
    return TraceRow(
        role, name, term.text, term.numbers, float(term.value), latex, term.latex, **facts
    )


# --- the three sweeps ----------------------------------------------------------------------------


def _traced(instance: Instance) -> tuple[list[Step], list[int | float]]:
    """The steps of f, and its outputs as indices of steps (or numbers that do not depend on x)."""
    trace = ScalarTrace()
    x = np.empty(instance.n, dtype=object)
    x[:] = [trace.input(float(v)) for v in instance.x]
    with opened():
        y = instance.f(x, trace.namespace(), *instance.constants)
    if len(trace.steps) - instance.n > MOST_STEPS:
        raise BadSize(
            f"the trace of {instance.name} has {len(trace.steps) - instance.n} lines, a table "
            f"takes at most {MOST_STEPS}; choose a smaller size"
        )
    flat = np.asarray(y, dtype=object).reshape(-1)
    return trace.steps, [v.index if isinstance(v, Scalar) else float(v) for v in flat]


def _operands(steps: list[Step], i: int, n: int) -> list[Term]:
    step = steps[i]
    return [
        Term.of(j) if fixed else _variable(int(j), n, steps[int(j)].value)
        for j, fixed in zip(step.operands, step.constant, strict=True)
    ]


def _partial(steps: list[Step], i: int, place: int, n: int, g: Term) -> Term | None:
    """What the partial of step i for one operand does to a direction, as the table writes it."""
    rule = steps[i].rule
    if rule is None or rule.partials[place] is None:
        return None
    y = _variable(i, n, steps[i].value)
    xp = TermNamespace()
    term: Term = rule.partials[place](xp, g, y, *_operands(steps, i, n))
    return xp.masked(g, term) if rule.singular else term


def _primal(steps: list[Step], n: int) -> Iterator[TraceRow]:
    for i, step in enumerate(steps):
        if step.rule is None:
            given = Term(step.value, f"x{i + 1}", (float(step.value),), f"x_{{{i + 1}}}")
            yield _row("primal", i, n, "", given)
        else:
            yield _row("primal", i, n, "", written(step.rule, *_operands(steps, i, n)))


def _tangents(steps: list[Step], n: int, seed: int) -> Iterator[TraceRow]:
    unit = [1.0 if j == seed else 0.0 for j in range(n)]
    role = f"tangent, seed ({', '.join(f'{u:g}' for u in unit)})"
    values: list[float] = []
    for i, step in enumerate(steps):
        if step.rule is None:
            text = f"dx{i + 1}/dx{seed + 1}"
            latex = rf"\partial x_{{{i + 1}}}/\partial x_{{{seed + 1}}}"
            term = Term(unit[i], text, (unit[i],), latex)
        else:
            term = _tangent(steps, i, n, values)
        values.append(float(term.value))
        yield _row(role, i, n, DOT, term)


def _tangent(steps: list[Step], i: int, n: int, values: list[float]) -> Term:
    total: Term | None = None
    for place, (j, fixed) in enumerate(zip(steps[i].operands, steps[i].constant, strict=True)):
        if not fixed:
            part = _partial(steps, i, place, n, _variable(int(j), n, values[int(j)], DOT))
            if part is not None:
                total = part if total is None else total + part
    return Term.of(0.0) if total is None else total


def _adjoints(steps: list[Step], n: int, output: int, role: str) -> Iterator[TraceRow]:
    values: list[float | None] = [None] * len(steps)
    values[output] = 1.0
    yield _row(role, output, n, BAR, Term(1.0, "dy/dy", (1.0,), r"\partial y/\partial y"))
    for i in range(output, n - 1, -1):
        g = values[i]
        if g is None:
            continue
        for place, (j, fixed) in enumerate(zip(steps[i].operands, steps[i].constant, strict=True)):
            part = None if fixed else _partial(steps, i, place, n, _variable(i, n, g, BAR))
            if part is not None:
                j, have = int(j), values[int(j)]
                term = part if have is None else _variable(j, n, have, BAR) + part
                values[j] = float(term.value)
                yield _row(role, j, n, BAR, term, update=have is not None, edge=(i, place))


def rows(instance: Instance, mode: str) -> list[TraceRow]:
    """All lines of the table: the primal, then n tangent seeds (forward) or m sweeps (reverse).

    Raises BadSize where the trace is too long for a table, UnknownName for another mode.
    """
    if mode not in MODES:
        raise UnknownName("mode", mode, MODES)
    with np.errstate(all="ignore"):  # inf and nan stand in the table, where they arose
        return _table(instance, mode)


def _table(instance: Instance, mode: str) -> list[TraceRow]:
    n = instance.n
    steps, outputs = _traced(instance)
    table = list(_primal(steps, n))
    if mode == "forward":
        return table + [row for seed in range(n) for row in _tangents(steps, n, seed)]
    for k, output in enumerate(outputs):
        role = "adjoint" if instance.scalar else f"adjoint of y{k + 1}"
        if isinstance(output, int):
            table += _adjoints(steps, n, output, role)
    return table


def edges(instance: Instance) -> list[Edge]:
    """The computational graph: each use of a variable by a step, with its partial.

    Steps are counted from 0, inputs first, as the primal rows of :func:`rows` are. Raises BadSize
    as that does.
    """
    n, one = instance.n, Term.named(1.0, "1", "1")
    with np.errstate(all="ignore"):
        steps, _ = _traced(instance)
        return [
            Edge(int(j), i, place, part.text.removeprefix("1 * "), float(part.value))
            for i, step in enumerate(steps)
            for place, (j, fixed) in enumerate(zip(step.operands, step.constant, strict=True))
            if not fixed and (part := _partial(steps, i, place, n, one)) is not None
        ]


# --- printing ------------------------------------------------------------------------------------


def _short(value: float) -> str:
    """Three decimals, as on the slides; three significant digits where those hide or feign some."""
    if 0 < abs(value) < 0.01 or abs(value) >= 1e7:
        return f"{value:.3g}"
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


DIGITS: dict[str, Callable[[float], str]] = {
    "3": _short,
    "17": lambda value: repr(float(value)),
    "hex": lambda value: float(value).hex(),
}


def numbers(row: TraceRow, digits: str) -> str:
    """The equation in numbers; negative operands stand in brackets."""
    texts = [part if isinstance(part, str) else DIGITS[digits](part) for part in row.numbers]
    around = zip(row.numbers, texts, ["(", *texts], [*texts[1:], ")"], strict=False)
    return "".join(_bracketed(part, *text) for part, *text in around)


def _bracketed(part: str | float, text: str, before: str, after: str) -> str:
    """In brackets where it is negative and stands among others, no argument of its own."""
    alone = before.endswith(("(", ", ")) and after.startswith((")", ","))
    return f"({text})" if isinstance(part, float) and text[0] == "-" and not alone else text


def assigned(row: TraceRow) -> tuple[str, str]:
    """The sign of a line and what stands right of it: ``+=`` or ``-=`` where it accumulates."""
    return _assigned(row.update, row.name, row.equation)


def _assigned(update: bool, name: str, written: str) -> tuple[str, str]:
    sign = written[len(name) + 1] if update else ""
    return f"{sign}=", written.removeprefix(f"{name} {sign} ") if update else written


def _cells(row: TraceRow, digits: str) -> tuple[str, str, str, str]:
    sign, equation = assigned(row)
    return f"{row.name} {sign}", equation, numbers(row, digits), DIGITS[digits](row.value)


def _sections(table: list[TraceRow]) -> dict[str, list[TraceRow]]:
    sections: dict[str, list[TraceRow]] = {}
    for row in table:
        sections.setdefault(row.role, []).append(row)
    return sections


def _width(text: str) -> int:
    return len(text) - text.count(DOT) - text.count(BAR)


def _text(table: list[TraceRow], digits: str) -> str:
    lines: list[str] = []
    for role, members in _sections(table).items():
        cells = [_cells(row, digits) for row in members]
        widths = [max(_width(c[k]) for c in cells) for k in range(3)]
        lines += ["", role]
        for cell in cells:
            padded = (c + " " * (w - _width(c)) for c, w in zip(cell[:3], widths, strict=True))
            name, equation, substituted = padded
            lines.append(f"  {name} {equation}  =  {substituted}  =  {cell[3]}")
    return "\n".join(lines[1:])


def _markdown(table: list[TraceRow], digits: str) -> str:
    lines: list[str] = []
    for role, members in _sections(table).items():
        lines += [
            "",
            f"**{role}**",
            "",
            "| variable | equation | numbers | value |",
            "|---|---|---|---|",
        ]
        cells = (_cells(row, digits) for row in members)
        lines += ["| " + " | ".join(f"`{c}`" for c in cell) + " |" for cell in cells]
    return "\n".join(lines[1:])


def _latex(table: list[TraceRow], digits: str) -> str:
    lines: list[str] = []
    for role, members in _sections(table).items():
        lines += [rf"% {role}", r"\begin{tabular}{llr}", r"\hline"]
        lines += [_latex_line(row, digits) for row in members]
        lines += [r"\hline", r"\end{tabular}", ""]
    return "\n".join(lines).rstrip()


def _latex_line(row: TraceRow, digits: str) -> str:
    sign, latex = _assigned(row.update, row.latex_name, row.latex)
    sign = f"{{{sign[0]}}}=" if row.update else sign
    shown = (numbers(row, digits), DIGITS[digits](row.value))
    cells = [rf"${row.latex_name} {sign} {latex}$", *(rf"\texttt{{{text}}}" for text in shown)]
    return " & ".join(cells) + r" \\"


def _csv(table: list[TraceRow], digits: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["role", "variable", "equation", "numbers", "value"])
    for row in table:
        name, equation, substituted, value = _cells(row, digits)
        guarded = (f"'{text}" if text[0] in "=+-@" else text for text in (equation, substituted))
        writer.writerow([row.role, name, *guarded, value])
    return out.getvalue().rstrip("\n")


FORMATS: dict[str, Callable[[list[TraceRow], str], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
}


def undefined(instance: Instance, digits: str = "17") -> str:
    """Where the values leave the domain of an operation, in a sentence; empty where none does."""
    lines = (row for row in rows(instance, "reverse") if row.role == "primal")
    row = next((row for row in lines if math.isnan(row.value)), None)
    if row is None:
        return ""
    return (
        f"{row.name} is no number, for {numbers(row, digits)} is outside the domain of the "
        f"operation; neither is what follows from it"
    )


def render(instance: Instance, mode: str, digits: str = "17", format: str = "text") -> str:
    """The trace table of a small instance: digits 3 (as on slides), 17 or hex; four formats."""
    if digits not in DIGITS:
        raise UnknownName("digits", digits, DIGITS)
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    return FORMATS[format](rows(instance, mode), digits)
