"""The evaluation trace (Wengert list), and how operations find the trace that records them.

A program runs once over :class:`Traced` arrays; every primitive that touches one is recorded as
a node v_i with its rule, operands, parameters and value. The list is stored in flat parallel
lists: a node adds no object that Python's cyclic garbage collector must visit, so that reverse
mode stays linear in the length of the trace.

Traces nest. Each has a level; an operation belongs to the highest level among its operands, and
sees operands of lower levels as constants. That is what keeps the perturbations of nested
derivatives apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np

from diffbench.ad.origins import NOTES
from diffbench.ad.rewrites import REWRITES, Rewrite
from diffbench.ad.rules import RULES, Rule
from diffbench.ad.traced import Traced, plain, shape_of

__all__ = [
    "Backend",
    "Graph",
    "Trace",
    "Traced",
    "apply",
    "opened",
    "plain",
    "rewritten",
    "shape_of",
]

Kernels = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Backend:
    """An arithmetic: the kernel of each rule, and the namespaces over plain and traced arrays.

    Without ``rewrites`` the nodes of a trace are the primitives that f names. ``numbers`` turns
    floats into the arithmetic's own: a seed of 1.0 divided by 3.0 would be a rounded third.
    """

    name: str
    kernels: Kernels
    plain: Any  # the namespace that rules use on untraced values
    traced: Any  # the namespace that f gets
    rewrites: Mapping[str, tuple[Rewrite, ...]] = field(default_factory=lambda: REWRITES)
    numbers: Callable[[Any], Any] = lambda a: a


class Trace(Protocol):
    """Whatever gives meaning to the operations on its traced arrays."""

    level: int

    def record(self, rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Any:
        """Evaluate a primitive of which at least one operand is traced here."""


_open_levels: list[int] = []


@final
class opened:  # reads as a statement: with opened() as level
    """The level of a new trace, one above those that are open; floating-point flags are quiet."""

    __slots__ = ("_flags",)

    def __enter__(self) -> int:
        level = len(_open_levels)
        _open_levels.append(level)
        self._flags = None if level else np.errstate(all="ignore")
        if self._flags is not None:
            self._flags.__enter__()
        return level

    def __exit__(self, *error: object) -> None:
        _open_levels.pop()
        if self._flags is not None:
            self._flags.__exit__(None, None, None)


def apply(rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...], kernels: Kernels) -> Any:
    """A primitive on any operands: the highest trace records it, else it is computed."""
    top: Any = None
    for a in args:
        if type(a) is Traced and (top is None or a.trace.level > top.level):
            top = a.trace
    if top is None:
        return kernels[rule.name](*args, *params)
    return top.record(rule, args, params)


def rewritten(rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """(rule, args, params) of the better primitive that a rewrite row knows, or None."""
    for row in REWRITES[rule.name]:
        found = row.match(args, params)
        if found is not None:
            return RULES[found[0]], found[1], found[2]
    return None


@final
class Graph:
    """The trace of one program: flat lists of rules, operands, parameters and values.

    Operand ``j >= 0`` is node v_j, ``j < 0`` is constant ``~j``. Node 0 is the input;
    ``output`` is the index of the result, None where it does not depend on the input.
    """

    def __init__(self, level: int, backend: Backend) -> None:
        self.level = level
        self.backend = backend
        self.rewrites = backend.rewrites
        self.kernels = backend.kernels
        self.nested = level > 0
        self.xp = backend.traced
        self.rules: list[Rule | None] = []
        self.operands: list[tuple[int, ...]] = []
        self.params: list[tuple[Any, ...]] = []
        self.values: list[Any] = []
        self.constants: list[Any] = []
        self.guards: list[tuple[int, bool]] = []
        self.output: int | None = None

    def __len__(self) -> int:
        return len(self.rules)

    def input(self, value: Any) -> Traced:
        """A new input node."""
        self.rules.append(None)
        self.operands.append(())
        self.params.append(())
        self.values.append(value)
        return Traced(self, value, len(self.rules) - 1)

    def record(self, rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Any:
        """Evaluate a primitive and append its node; an operand of a higher level goes first."""
        values: list[Any] = []
        operands: list[int] = []
        for a in args:
            if type(a) is Traced:
                if a.trace is self:
                    values.append(a.value)
                    operands.append(a.node)
                    continue
                if a.trace.level > self.level:
                    return a.trace.record(rule, args, params)
            operands.append(~len(self.constants))
            self.constants.append(a)
            values.append(a)
        if rule.name in self.rewrites:
            better = rewritten(rule, args, params)
            if better is not None:
                return self.record(*better)
        if self.nested:
            y = apply(rule, tuple(values), params, self.kernels)
        else:
            y = self.kernels[rule.name](*values, *params)
        self.rules.append(rule)
        self.operands.append(tuple(operands))
        self.params.append(params)
        self.values.append(y)
        out = Traced(self, y, len(self.rules) - 1)
        if rule.name in NOTES:
            out.origin = NOTES[rule.name](args, params)
        return out

    def guard(self, condition: Traced, outcome: bool) -> None:
        """Note that the program took a branch on a value."""
        self.guards.append((condition.node, outcome))

    def value(self, j: int) -> Any:
        """The value of an operand: a node, or a constant for negative ``j``."""
        return self.values[j] if j >= 0 else self.constants[~j]

    def arguments(self, i: int) -> list[Any]:
        """The operand values of node i."""
        return [self.values[j] if j >= 0 else self.constants[~j] for j in self.operands[i]]

    def needed(self) -> list[bool]:
        """Which nodes the output depends on."""
        needed = [False] * len(self)
        if self.output is not None:
            needed[self.output] = True
        for i in range(len(self) - 1, -1, -1):
            if needed[i]:
                for j in self.operands[i]:
                    if j >= 0:
                        needed[j] = True
        return needed

    def ops(self) -> int:
        """Scalar operations of the nodes that the output needs, by the cost column of the table."""
        return sum(
            rule.cost(
                shape_of(self.values[i]), [shape_of(a) for a in self.arguments(i)], self.params[i]
            )
            for i, (rule, used) in enumerate(zip(self.rules, self.needed(), strict=True))
            if rule is not None and used
        )

    def names(self) -> set[str]:
        """The primitives that the program used."""
        return {rule.name for rule in self.rules if rule is not None}

    @property
    def nbytes(self) -> int:
        """Bytes that the trace keeps: its distinct arrays and its lists."""
        arrays = {id(v): v for v in (*self.values, *self.constants)}
        data = sum(getattr(v, "nbytes", 8) for v in arrays.values())
        return data + 8 * (4 * len(self) + sum(map(len, self.operands)))

    def replay(self, x: Any) -> Any:
        """The output at another point, by the recorded operations alone."""
        values = list(self.values)
        values[0] = x
        for i, rule in enumerate(self.rules):
            if rule is not None:
                args = [values[j] if j >= 0 else self.constants[~j] for j in self.operands[i]]
                values[i] = self.kernels[rule.name](*args, *self.params[i])
        return None if self.output is None else values[self.output]
