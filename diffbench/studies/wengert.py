"""Evaluation traces taken apart: derivatives from (operands, local partials) alone.

A program is recorded one scalar operation a line. What is kept of each line is a rule, the places
of its operands and the numbers of its partials; value and gradient are then made anew from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.ad.terms import ScalarTrace, Step
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import certify
from diffbench.studies.corpus import PROGRAMS, Program
from diffbench.studies.parts import row
from diffbench.studies.programs import instance_of
from diffbench.study import StudyRow

__all__ = ["ACCUMULATE", "Line", "accumulation", "gradient", "lines", "replayed", "replays"]

Array = NDArray[np.float64]
SCALAR = ("straight line", "fixed loop", "while loop on values", "branch on values", "recursion",
          "recursion on values")  # fmt: skip
LECTURE = replace(PROGRAMS[0], x=(2.0, 5.0))
ACCUMULATE: Mapping[str, Callable[[float | None, float], float]] = {
    # what becomes of the adjoint so far and one more contribution
    "add": lambda have, part: part if have is None else have + part,
    "overwrite": lambda have, part: part,
    "keep the first": lambda have, part: part if have is None else have,
}


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One operation: its step, and the number of the partial for each operand that is a line."""

    step: Step
    partials: Mapping[int, float]  # place among the operands -> partial


def lines(program: Program) -> tuple[list[Line], int]:
    """The trace of a program at its point, inputs first, and the place of its output."""
    trace = ScalarTrace()
    x = np.empty(len(program.x), dtype=object)
    x[:] = [trace.input(value) for value in program.x]
    output = program.f(x, trace.namespace()).index
    return [Line(step, _partials(trace.steps, step)) for step in trace.steps], output


def _arguments(step: Step, values: list[float]) -> list[float]:
    pairs = zip(step.operands, step.constant, strict=True)
    return [float(j) if fixed else values[int(j)] for j, fixed in pairs]


def _partials(steps: list[Step], step: Step) -> dict[int, float]:
    if step.rule is None:
        return {}
    args = _arguments(step, [s.value for s in steps])
    return {
        place: float(step.rule.partials[place](NUMPY, 1.0, step.value, *args))
        for place, fixed in enumerate(step.constant)
        if not fixed
    }


def replayed(trace: list[Line], x: tuple[float, ...], output: int) -> float:
    """The value, by the recorded rules and operands alone."""
    values: list[float] = list(x)
    for step in (line.step for line in trace[len(x) :]):
        if step.rule is not None:
            values.append(step.rule.numpy(*_arguments(step, values)))
    return float(values[output])


def gradient(trace: list[Line], n: int, output: int, accumulate: str = "add") -> Array:
    """The adjoints of the inputs, by the recorded operands and partials alone."""
    adjoints: list[float | None] = [None] * len(trace)
    adjoints[output] = 1.0
    for i in range(output, n - 1, -1):
        g = adjoints[i]
        if g is not None:
            for place, partial in trace[i].partials.items():
                j = int(trace[i].step.operands[place])
                adjoints[j] = ACCUMULATE[accumulate](adjoints[j], g * partial)
    return np.array([a or 0.0 for a in adjoints[:n]])


def replays() -> Iterator[StudyRow]:
    """Of each program its operations and edges, and what differs bitwise when made anew."""
    for program in PROGRAMS:
        if program.name in SCALAR:
            yield from _replay(program.name, program)


def _replay(name: str, program: Program) -> Iterator[StudyRow]:
    trace, output = lines(program)
    x = np.array(program.x)
    steps = [line.step for line in trace if line.step.rule is not None]
    edges = sum(len(line.partials) for line in trace)
    primitives = sorted({step.rule.name for step in steps if step.rule is not None})
    yield row(f"replay|operations|{name}", len(steps), "operations", ", ".join(primitives))
    yield row(f"replay|edges|{name}", edges, "local partials")
    value = replayed(trace, program.x, output)
    differs = value != float(program.f(x, NUMPY))
    yield row(f"replay|value|{name}", differs, "values that differ", repr(value))
    again, known = gradient(trace, len(x), output), ad.grad(program.f)(x)
    differ = int(np.sum(again != known))
    shown = ", ".join(map(repr, again.tolist()))
    yield row(f"replay|gradient|{name}", differ, "entries that differ", shown)


def accumulation() -> Iterator[StudyRow]:
    """The lecture's gradient at (2, 5) by each way to accumulate, with its verdict as its unit."""
    trace, output = lines(LECTURE)
    reference = certify(instance_of(LECTURE), "gradient")
    for way in ACCUMULATE:
        answer = gradient(trace, len(LECTURE.x), output, way)
        said: Any = judge(answer, reference).verdict
        for i, entry in enumerate(answer.tolist()):
            yield row(f"accumulate|{way}|{i}", entry, said)
