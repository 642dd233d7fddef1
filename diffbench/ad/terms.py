"""Terms: numbers that remember how they were written, and scalars that write a trace.

A partial of the rule table, given terms instead of arrays, yields its value, its equation in
symbols, its equation in numbers and its LaTeX at once. A program, given :class:`Scalar` entries
in object arrays, yields its evaluation trace operation by operation, as it is done by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from diffbench.ad.errors import ADError
from diffbench.ad.namespace import Namespace, object_backend
from diffbench.ad.rules import ENTRYWISE, RULES, Rule

__all__ = ["Scalar", "ScalarTrace", "Step", "Term", "TermNamespace"]

Parts = tuple[str | float, ...]
_ADD, _MULTIPLY, _UNARY, _ATOM = 1, 2, 3, 4  # how tightly an expression binds
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_BINDS = {"add": _ADD, "subtract": _ADD, "multiply": _MULTIPLY, "divide": _MULTIPLY}


@final
@dataclass(frozen=True, slots=True)
class Term:
    """A value with its symbols (``v1 * v2``), its numbers (parts to be formatted) and its LaTeX."""

    value: Any
    text: str
    numbers: Parts
    latex: str
    binds: int = _ATOM
    negated: Term | None = None  # of -a the term a, so that b + -a is written b - a

    @staticmethod
    def named(value: Any, text: str, latex: str) -> Term:
        """A variable, with its name and value."""
        return Term(value, text, (value,), latex)

    @staticmethod
    def of(value: Any) -> Term:
        """A term as it is; a number as its own name."""
        if isinstance(value, Term):
            return value
        value = float(value)
        short = f"{value:g}"
        return Term(value, short if float(short) == value else repr(value), (value,), short)

    def within(self, binds: int) -> Term:
        """The term in brackets where it binds less tightly than asked."""
        if self.binds >= binds:
            return self
        numbers = ("(", *self.numbers, ")")
        return Term(self.value, f"({self.text})", numbers, rf"\left({self.latex}\right)")

    def __add__(self, other: Any) -> Term:
        if isinstance(other, Term) and other.negated is not None:
            return _combined("subtract", self, other.negated)
        return _combined("add", self, other)

    def __radd__(self, other: Any) -> Term:
        return _combined("add", other, self)

    def __sub__(self, other: Any) -> Term:
        return _combined("subtract", self, other)

    def __rsub__(self, other: Any) -> Term:
        return _combined("subtract", other, self)

    def __mul__(self, other: Any) -> Term:
        return _combined("multiply", self, other)

    def __rmul__(self, other: Any) -> Term:
        return _combined("multiply", other, self)

    def __truediv__(self, other: Any) -> Term:
        return _combined("divide", self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return _combined("divide", other, self)

    def __pow__(self, other: Any) -> Term:
        return written(RULES["pow"], self, other)

    def __neg__(self) -> Term:
        inner = self.within(_UNARY)
        numbers = ("-", *inner.numbers)
        return Term(-self.value, f"-{inner.text}", numbers, f"-{inner.latex}", _ADD, inner)

    def __eq__(self, other: object) -> Any:
        return self.value == Term.of(other).value

    def __ne__(self, other: object) -> Any:
        return self.value != Term.of(other).value

    def __lt__(self, other: Any) -> Any:
        return self.value < Term.of(other).value

    def __gt__(self, other: Any) -> Any:
        return self.value > Term.of(other).value

    def __bool__(self) -> bool:
        return bool(self.value)

    __hash__ = None  # type: ignore[assignment]  # == compares values


def _combined(name: str, a: Any, b: Any) -> Term:
    binds, sign = _BINDS[name], _SIGNS[name]
    left = Term.of(a).within(binds)
    right = Term.of(b).within(binds + 1)  # a + (b + c) rounds otherwise than a + b + c
    value = RULES[name].numpy(left.value, right.value)
    numbers = (*left.numbers, f" {sign} ", *right.numbers)
    latex = RULES[name].latex.format(left.latex, right.latex)
    return Term(value, f"{left.text} {sign} {right.text}", numbers, latex, binds)


def written(rule: Rule, *operands: Any) -> Term:
    """The value of a row on terms, written as its operator or as a call of its name."""
    terms = [Term.of(a) for a in operands]
    if rule.name in _SIGNS:
        return _combined(rule.name, *terms)
    if rule.name == "negative":
        return -terms[0]
    value = rule.numpy(*(t.value for t in terms))
    text = f"{rule.name}({', '.join(t.text for t in terms)})"
    numbers: list[str | float] = [f"{rule.name}("]
    for i, t in enumerate(terms):
        numbers += [", ", *t.numbers] if i else t.numbers
    latex = rule.latex.format(*(t.within(_ATOM).latex for t in terms))
    return Term(value, text, (*numbers, ")"), latex, _UNARY)


@final
class TermNamespace:
    """The names that partials use, over terms: a choice shows only the branch that is taken."""

    def __init__(self) -> None:
        self.pi = Term.named(RULES["acos"].numpy(-1.0), "pi", r"\pi")

    def __getattr__(self, name: str) -> Callable[..., Term]:
        if name not in ENTRYWISE:
            raise ADError(f"a partial cannot be written with {name!r}: it is not elementwise")
        return lambda *args: written(RULES[name], *args)

    def where(self, condition: Any, a: Any, b: Any) -> Term:
        """The branch that is taken."""
        return Term.of(a if condition else b)

    def masked(self, g: Term, c: Term) -> Term:
        """The term, or zero for a zero direction with a singular partial."""
        lost = g.value == 0 and not math.isfinite(c.value)
        return Term.of(0.0) if lost else c


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One line of a scalar trace: a rule on operands, each a step's index or a plain number."""

    rule: Rule | None
    operands: tuple[int | float, ...]
    constant: tuple[bool, ...]
    value: Any


@final
@dataclass(slots=True)
class ScalarTrace:
    """The evaluation trace of a program, one scalar operation a step; inputs come first."""

    steps: list[Step] = field(default_factory=list)

    def input(self, value: float) -> Scalar:
        """A new input."""
        self.steps.append(Step(None, (), (), value))
        return Scalar(self, len(self.steps) - 1, value)

    def record(self, rule: Rule, *args: Any) -> Any:
        """Evaluate one primitive; comparisons give plain truth values."""
        values = [a.value if isinstance(a, Scalar) else a for a in args]
        y = rule.numpy(*values)
        if rule.kind is RULES["sign"].kind or not any(isinstance(a, Scalar) for a in args):
            return y
        operands = tuple(a.index if isinstance(a, Scalar) else float(a) for a in args)
        constant = tuple(not isinstance(a, Scalar) for a in args)
        self.steps.append(Step(rule, operands, constant, y))
        return Scalar(self, len(self.steps) - 1, y)

    def namespace(self) -> Namespace:
        """``xp`` over object arrays of this trace's scalars."""
        xp: Namespace = object_backend(
            "scalars",
            lambda rule: lambda *args: self.record(rule, *args),
            RULES["acos"].numpy(-1.0),
        ).traced
        return xp


def _operator(name: str) -> Callable[[Any, Any], Any]:
    rule = RULES[name]

    def apply(self: Scalar, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented  # numpy then asks entry by entry
        return self.trace.record(rule, self, other)

    return apply


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    rule = RULES[name]
    return lambda self, other: self.trace.record(rule, other, self)


@final
class Scalar:
    """A number of a scalar trace; unlike a traced array, numpy holds it in object arrays."""

    __slots__ = ("index", "trace", "value")
    shape: tuple[int, ...] = ()
    ndim, size = 0, 1

    def __init__(self, trace: ScalarTrace, index: int, value: Any) -> None:
        self.trace = trace
        self.index = index
        self.value = value

    __add__, __radd__ = _operator("add"), _reflected("add")
    __sub__, __rsub__ = _operator("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _operator("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _operator("divide"), _reflected("divide")
    __mod__ = _operator("remainder")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__ = _operator("equal")
    __ne__ = _operator("not_equal")
    __hash__ = None  # type: ignore[assignment]  # == compares values

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        square = not isinstance(other, Scalar) and other == 2
        return self.trace.record(
            *((RULES["square"], self) if square else (RULES["pow"], self, other))
        )

    def __rpow__(self, other: Any) -> Any:
        return self.trace.record(RULES["pow"], other, self)

    def __neg__(self) -> Any:
        return self.trace.record(RULES["negative"], self)

    def __abs__(self) -> Any:
        return self.trace.record(RULES["abs"], self)
