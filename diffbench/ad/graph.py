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

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np

from diffbench.ad import tape
from diffbench.ad.errors import numpy_given
from diffbench.ad.origins import NOTES, TELLING
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

    def __exit__(self, kind: object, error: BaseException | None, place: object) -> None:
        _open_levels.pop()
        if self._flags is not None:
            self._flags.__exit__(None, None, None)
        if given := numpy_given(error):
            raise given from None


def highest(args: tuple[Any, ...]) -> Any:
    """The trace of the highest level among operands, None where none is traced."""
    top: Any = None
    for a in args:
        if type(a) is Traced and (top is None or a.trace.level > top.level):
            top = a.trace
    return top


def apply(rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...], kernels: Kernels) -> Any:
    """A primitive on any operands: the highest trace records it, else it is computed."""
    top = highest(args)
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
        self.inner = backend.traced if self.nested else backend.plain  # over the values
        self.rules: list[Rule | None] = []
        self.operands: list[tuple[int, ...]] = []
        self.params: list[tuple[Any, ...]] = []
        self.values: list[Any] = []
        self.constants: list[Any] = []
        self.guards: list[tuple[int, bool]] = []
        self.output: int | None = None
        self.given: tuple[Any, ...] = ()  # arrays of the caller
        self.checkpoints = False  # a checkpointed loop is one node: for sweeps, not for reading

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
        values: tuple[Any, ...]
        operands: tuple[int, ...]
        a, b = args[0], args[-1]
        if len(args) == 1:
            values, operands, telling = (a.value,), (a.node,), a.origin is not None
        elif len(args) > 2 or (type(a) is type(b) is Traced and a.trace is not b.trace):
            top = highest(args)
            if top is not self:
                return top.record(rule, args, params)
            values, operands, telling = self._operands(args)
        elif type(b) is not Traced:  # two operands, as most have, are looked at without a loop
            self.constants.append(b)
            values, operands = (a.value, b), (a.node, -len(self.constants))
            telling = a.origin is not None
        elif type(a) is not Traced:
            self.constants.append(a)
            values, operands = (a, b.value), (-len(self.constants), b.node)
            telling = b.origin is not None
        else:
            values, operands = (a.value, b.value), (a.node, b.node)
            telling = a is b or a.origin is not None or b.origin is not None
        name = rule.name
        if telling and name in self.rewrites:
            better = rewritten(rule, args, params)
            if better is not None:
                return self.record(*better)
        if self.nested:
            y = apply(rule, values, params, self.kernels)
        else:
            y = self.kernels[name](*values, *params) if params else self.kernels[name](*values)
        out = Traced(self, y, len(self.rules))
        self.rules.append(rule)
        self.operands.append(operands)
        self.params.append(params)
        self.values.append(y)
        if name in (NOTES if telling else TELLING):
            out.origin = NOTES[name](args, params)
        return out

    def _operands(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[int, ...], bool]:
        """Values and indices of operands, and whether notes and rewrites may find a form."""
        values: list[Any] = []
        operands: list[int] = []
        telling = False
        for a in args:
            if type(a) is Traced and a.trace is self:
                values.append(a.value)
                operands.append(a.node)
                telling = telling or a.origin is not None
            else:
                self.constants.append(a)
                operands.append(-len(self.constants))
                values.append(a)
        return tuple(values), tuple(operands), telling

    def append(self, rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...], y: Any) -> Traced:
        """A node whose value is known; an operand that is not traced here is a constant of it."""
        out = Traced(self, y, len(self.rules))
        self.rules.append(rule)
        self.operands.append(self._operands(args)[1])
        self.params.append(params)
        self.values.append(y)
        return out

    def guard(self, condition: Traced, outcome: bool) -> None:
        """Note that the program took a branch on a value."""
        self.guards.append((condition.node, outcome))

    def value(self, j: int) -> Any:
        """The value of an operand: a node, or a constant for negative ``j``."""
        return self.values[j] if j >= 0 else self.constants[~j]

    def arguments(self, i: int) -> list[Any]:
        """The operand values of node i."""
        values, constants, operands = self.values, self.constants, self.operands[i]
        if len(operands) == 1:
            return [values[operands[0]]]
        return [values[j] if j >= 0 else constants[~j] for j in operands]

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
        """Scalar operations of the nodes that the output needs, by the cost column of the table.

        What adds a scattered part to a whole costs the entries of the part: the rest adds zeros,
        and a sweep adds in place.
        """
        used = zip(self.rules, self.needed(), strict=True)
        return sum(
            self._cost(i, rule) for i, (rule, is_used) in enumerate(used) if rule and is_used
        )

    def _cost(self, i: int, rule: Rule) -> int:
        shape = shape_of(self.values[i])
        cost = rule.cost(shape, [shape_of(a) for a in self.arguments(i)], self.params[i])
        if rule is not RULES["add"]:
            return cost
        return int(min([cost, *map(self._scattered, self.operands[i])]))

    def _scattered(self, j: int) -> float:
        """The entries of the part that operand j is a scattered copy of; infinite if it is none."""
        if j < 0 or self.rules[j] is not RULES["scatter"]:
            return math.inf
        return math.prod(shape_of(self.arguments(j)[0]))

    def names(self) -> set[str]:
        """The primitives that the program used."""
        return {rule.name for rule in self.rules if rule is not None}

    def kept(self) -> tuple[Any, ...]:
        """The lists that the trace keeps."""
        return self.rules, self.operands, self.params, self.values, self.constants, self.guards

    @property
    def nbytes(self) -> int:
        """Bytes that the trace keeps alive, beside the arrays that it was given."""
        return tape.nbytes([self], self.given)

    def replay(self, x: Any) -> Any:
        """The output at another point, by the recorded operations alone."""
        values = list(self.values)
        values[0] = x
        for i, rule in enumerate(self.rules):
            if rule is not None:
                args = [values[j] if j >= 0 else self.constants[~j] for j in self.operands[i]]
                values[i] = self.kernels[rule.name](*args, *self.params[i])
        return None if self.output is None else values[self.output]
