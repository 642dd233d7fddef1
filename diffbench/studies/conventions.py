"""What each method answers at kinks, ties and overflows, beside the set of right answers.

The cases are the pitfalls of FACTS 3.4, in its order; a number may have several spellings. Each
is a function at a point where a derivative has several right answers, is infinite, or is easily
lost. Rows: ``case|number name`` says what is right and why it may be missed; ``number
name|method|i`` is entry i of a method's gradient with its interval, the verdict as its unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffbench.errors import Unsupported
from diffbench.measure.subgradients import Right, ball, exactly, hull, ties, verdict
from diffbench.method import Method, gradient_by, variant_name
from diffbench.problem import Instance, Parts, lone
from diffbench.study import Study, StudyRow

__all__ = ["CASES", "STUDY", "Case", "instance_of"]

NAME = "conventions"
SEPARATOR = " ⟂ "
INF, NONE = math.inf, math.nan
TANH_20 = 1.6993417021166355e-17  # 1 / cosh(20)^2
LOST = (
    "In double precision 1 - cos x is exactly 0 here: f itself has lost every digit, and the "
    "derivative is right for the program that was rounded. Only more digits or another formula "
    "help."
)
HIDDEN = (
    "At this one point the program returns a constant, and a method that differentiates what runs "
    "answers 0. Differences, which look at the neighbours, are right."
)
OVER = (
    "An intermediate result is 1e400, which no double holds: f itself is infinite. The tangents "
    "overflow with it, the adjoints underflow on the way back; only scaling f helps, or a compiler "
    "that folds the factors together."
)


@final
@dataclass(frozen=True, slots=True)
class Case:
    """A function at a point ``x``, its set of right gradients there, and why they are missed."""

    number: int  # of the row in FACTS 3.4
    name: str
    f: Callable[[Any, Any], Any]
    x: tuple[float, ...]
    right: Right
    why: str = ""  # where no automatic differentiation in double precision can be right

    @property
    def key(self) -> str:
        """Number and name, which is unique."""
        return f"{self.number} {self.name}"


def _softplus(x: Any, xp: Any) -> Any:
    return xp.log(1.0 + xp.exp(x[0]))


def _constant_at_zero(x: Any, xp: Any) -> Any:
    return 0.0 * x[0] if x[0] == 0 else x[0]


def _lecture(x: Any, xp: Any) -> Any:
    return xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1])


CASES = (
    Case(1, "√x at 0", lambda x, xp: xp.sqrt(x[0]), (0.0,), exactly(INF)),
    Case(2, "√(x²) at 0", lambda x, xp: xp.sqrt(x[0] ** 2), (0.0,), hull(-1, 1, 0)),
    Case(2, "norm(x) at (0, 0)", lambda x, xp: xp.linalg.vector_norm(x), (0.0, 0.0), ball(2)),
    Case(2, "√(Σ x²) at (0, 0)", lambda x, xp: xp.sqrt(xp.sum(x * x)), (0.0, 0.0), ball(2)),
    Case(3, "abs(x) at 0", lambda x, xp: abs(x[0]), (0.0,), hull(-1, 1, 0)),
    Case(3, "abs(x) at -0", lambda x, xp: abs(x[0]), (-0.0,), hull(-1, 1, 0)),
    Case(4, "maximum(x, y) at (1, 1)", lambda x, xp: xp.maximum(x[0], x[1]), (1.0, 1.0), ties(2)),
    Case(5, "max(x) at (1, 1, 1)", lambda x, xp: xp.max(x), (1.0, 1.0, 1.0), ties(3)),
    Case(6, "maximum(x, 0) at 0", lambda x, xp: xp.maximum(x[0], 0.0), (0.0,), hull(0, 1, 0.5)),
    Case(
        6,
        "where(x > 0, x, 0) at 0",
        lambda x, xp: xp.where(x[0] > 0, x[0], 0.0),
        (0.0,),
        hull(0, 1, 0),
    ),
    Case(6, "clip(x, 0, 1) at 0", lambda x, xp: xp.clip(x[0], 0.0, 1.0), (0.0,), hull(0, 1, 0.5)),
    Case(7, "x**0. at 0", lambda x, xp: x[0] ** 0.0, (0.0,), exactly(0)),
    Case(8, "x**y at (0, 2)", lambda x, xp: x[0] ** x[1], (0.0, 2.0), exactly(0, 0)),
    Case(8, "x**y at (-2, 2)", lambda x, xp: x[0] ** x[1], (-2.0, 2.0), exactly(-4, NONE)),
    Case(9, "x ln x at 0", lambda x, xp: x[0] * xp.log(x[0]), (0.0,), exactly(-INF)),
    Case(9, "xlogy(x, x) at 0", lambda x, xp: xp.xlogy(x[0], x[0]), (0.0,), exactly(-INF)),
    Case(
        10,
        "where(x > 0, √x, 0) at -1",
        lambda x, xp: xp.where(x[0] > 0, xp.sqrt(x[0]), 0.0),
        (-1.0,),
        exactly(0),
    ),
    Case(
        11,
        "where(x = 0, 1, sin x / x) at 0",
        lambda x, xp: xp.where(xp.equal(x[0], 0.0), 1.0, xp.sin(x[0]) / x[0]),
        (0.0,),
        exactly(0),
    ),
    Case(12, "log1p(eˣ) at 1000", lambda x, xp: xp.log1p(xp.exp(x[0])), (1000.0,), exactly(1)),
    Case(12, "ln(1 + eˣ) at 1000", _softplus, (1000.0,), exactly(1)),
    Case(
        12,
        "1/(1 + e⁻ˣ) at -1000",
        lambda x, xp: 1.0 / (1.0 + xp.exp(-x[0])),
        (-1000.0,),
        exactly(0),
    ),
    Case(
        12,
        "logaddexp(x, 0) at 1000",
        lambda x, xp: xp.logaddexp(x[0], 0.0),
        (1000.0,),
        exactly(1),
    ),
    Case(13, "tanh x at 20", lambda x, xp: xp.tanh(x[0]), (20.0,), exactly(TANH_20)),
    Case(14, "Π x at (0, 2, 3)", lambda x, xp: xp.prod(x), (0.0, 2.0, 3.0), exactly(6, 0, 0)),
    Case(
        15,
        "(1 - cos x)/x² at 1e-8",
        lambda x, xp: (1.0 - xp.cos(x[0])) / x[0] ** 2,
        (1e-8,),
        exactly(-1e-8 / 12),
        LOST,
    ),
    Case(16, "0 if x = 0 else x, at 0", _constant_at_zero, (0.0,), exactly(1), HIDDEN),
    Case(
        16,
        "where(x = 0, 0, x) at 0",
        lambda x, xp: xp.where(xp.equal(x[0], 0.0), 0.0, x[0]),
        (0.0,),
        exactly(1),
        HIDDEN,
    ),
    Case(
        17,
        "(1e200 x)²/1e300/1e100 at 1",
        lambda x, xp: (1e200 * x[0]) ** 2 / 1e300 / 1e100,
        (1.0,),
        exactly(2),
        OVER,
    ),
    Case(18, "exp(ln x) at 1e-320", lambda x, xp: xp.exp(xp.log(x[0])), (1e-320,), exactly(1)),
    Case(
        19,
        "std(x) at (1, 1)",
        lambda x, xp: xp.std(x),
        (1.0, 1.0),
        Right((-0.5, -0.5), (0.5, 0.5), (0.0, 0.0), "t, -t with |t| at most 0.5", total=0.0),
    ),
    Case(19, "hypot(x, y) at (0, 0)", lambda x, xp: xp.hypot(x[0], x[1]), (0.0, 0.0), ball(2)),
    Case(
        19,
        "atan2(x, y) at (0, 0)",
        lambda x, xp: xp.atan2(x[0], x[1]),
        (0.0, 0.0),
        exactly(NONE, NONE),
    ),
    Case(
        20,
        "ln x + x y - sin y at (2, 5), in float64",
        _lecture,
        (2.0, 5.0),
        exactly(5.5, 2.0 - math.cos(5.0)),
    ),
)


def instance_of(case: Case) -> Instance:
    """The case as an instance; methods prepare it at another point."""
    x = np.array(case.x)
    parts = Parts(f=case.f, x=x, prepare_x=np.abs(x) + np.linspace(0.25, 0.75, x.size))
    return lone(case.key, parts)


def run() -> Iterator[StudyRow]:
    """What is asked: each case, its right answers in words, why they may be missed."""
    for case in CASES:
        reason = SEPARATOR.join((case.right.says, case.why))
        yield StudyRow(study=NAME, key=f"case|{case.key}", value=case.number, reason=reason)


def each(method: Method) -> Iterator[StudyRow]:
    """The gradient of one method in every case, with its verdict; or why there is none."""
    for case in CASES:
        answer, said, reason = _answered(method, case)
        for i, number in enumerate(answer):
            yield StudyRow(
                study=NAME,
                key=f"{case.key}|{variant_name(method)}|{i}",
                value=number,
                unit=said,
                low=case.right.low[i],
                high=case.right.high[i],
                reason=reason,
            )


def _answered(method: Method, case: Case) -> tuple[list[float | None], str, str]:
    """(entries, verdict, sentence); without an answer one entry that is None."""
    instance = instance_of(case)
    try:
        answer = gradient_by(method, instance)
    except Unsupported as error:
        return [None], "unsupported", str(error)
    except Exception as error:
        return [None], "error", f"{type(error).__name__}: {error}"
    said = verdict(answer, case.right, method.claim)
    return answer.tolist(), said, case.why if said in ("outside the set", "NaN") else ""


STUDY = Study(name=NAME, title="Answers at kinks, ties and overflows", run=run, each=each)
