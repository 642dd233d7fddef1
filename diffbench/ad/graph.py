"""The evaluation trace (Wengert list), and the traced arrays that write it.

A program runs once over :class:`Traced` arrays; every primitive that touches one is recorded as
a node v_i with its rule, operands, parameters and value. The list is stored in flat parallel
lists: a node adds no object that Python's cyclic garbage collector must visit, so that reverse
mode stays linear in the length of the trace.

Traces nest. Each has a level; an operation belongs to the highest level among its operands, and
sees operands of lower levels as constants. That is what keeps the perturbations of nested
derivatives apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from diffbench.ad.errors import TracedArrayError
from diffbench.ad.rewrites import NOTES, REWRITES, Origin
from diffbench.ad.rules import RULES, Rule

__all__ = ["Backend", "Graph", "Trace", "Traced", "apply", "opened", "plain", "shape_of"]

Kernels = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Backend:
    """An arithmetic: the kernel of each rule, and the namespaces over plain and traced arrays."""

    name: str
    kernels: Kernels
    plain: Any  # the namespace that rules use on untraced values
    traced: Any  # the namespace that f gets


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


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array, scalar or traced array; objects without one are scalars."""
    return getattr(value, "shape", ())


def plain(value: Any) -> Any:
    """The value under all levels of tracing."""
    while type(value) is Traced:
        value = value.value
    return value


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


_ADD, _SUB, _MUL, _DIV = (RULES[n] for n in ("add", "subtract", "multiply", "divide"))
_NEG, _POW, _MOD = (RULES[n] for n in ("negative", "pow", "remainder"))
_ABS, _SQUARE, _INDEX = (RULES[n] for n in ("abs", "square", "index"))
_CONTRACT, _RESHAPE = RULES["contract"], RULES["reshape"]


@final
class Traced:
    """An array that a trace watches: its ``value``, and in ``node`` what the trace keeps of it."""

    __array_ufunc__ = None  # numpy arrays leave mixed operations to the methods here
    __slots__ = ("node", "origin", "trace", "value")

    def __init__(self, trace: Any, value: Any, node: Any) -> None:
        self.trace = trace
        self.value = value
        self.node = node
        self.origin: Origin | None = None

    def forgetful(self) -> Traced:
        """The same traced array without its origin."""
        return self if self.origin is None else Traced(self.trace, self.value, self.node)

    # --- what an array tells -----------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return getattr(self.value, "shape", ())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def dtype(self) -> Any:
        """The dtype of the plain value."""
        return getattr(plain(self.value), "dtype", np.dtype(type(plain(self.value))))

    @property
    def T(self) -> Any:
        """The transpose of a matrix."""
        return self.trace.xp.matrix_transpose(self)

    mT = T

    def __len__(self) -> int:
        if not self.shape:
            raise TracedArrayError("a traced array of shape () has no len()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Traced({plain(self.value)!r}, level={self.trace.level})"

    # --- arithmetic --------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        return self.trace.record(_ADD, (self, other))

    def __radd__(self, other: Any) -> Any:
        return self.trace.record(_ADD, (other, self))

    def __sub__(self, other: Any) -> Any:
        return self.trace.record(_SUB, (self, other))

    def __rsub__(self, other: Any) -> Any:
        return self.trace.record(_SUB, (other, self))

    def __mul__(self, other: Any) -> Any:
        return self.trace.record(_MUL, (self, other))

    def __rmul__(self, other: Any) -> Any:
        return self.trace.record(_MUL, (other, self))

    def __truediv__(self, other: Any) -> Any:
        return self.trace.record(_DIV, (self, other))

    def __rtruediv__(self, other: Any) -> Any:
        return self.trace.record(_DIV, (other, self))

    def __mod__(self, other: Any) -> Any:
        return self.trace.record(_MOD, (self, other))

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int | float) and other == 2:
            return self.trace.record(_SQUARE, (self,))
        return self.trace.record(_POW, (self, other))

    def __rpow__(self, other: Any) -> Any:
        return self.trace.record(_POW, (other, self))

    def __matmul__(self, other: Any) -> Any:
        return self.trace.xp.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self.trace.xp.matmul(other, self)

    def __neg__(self) -> Any:
        return self.trace.record(_NEG, (self,))

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.trace.record(_ABS, (self,))

    # --- comparisons: recorded, without derivative -----------------------------------------------

    def __lt__(self, other: Any) -> Any:
        return self.trace.record(RULES["less"], (self, other))

    def __le__(self, other: Any) -> Any:
        return self.trace.record(RULES["less_equal"], (self, other))

    def __gt__(self, other: Any) -> Any:
        return self.trace.record(RULES["greater"], (self, other))

    def __ge__(self, other: Any) -> Any:
        return self.trace.record(RULES["greater_equal"], (self, other))

    def __eq__(self, other: object) -> Any:
        return self.trace.record(RULES["equal"], (self, other))

    def __ne__(self, other: object) -> Any:
        return self.trace.record(RULES["not_equal"], (self, other))

    def __and__(self, other: Any) -> Any:
        return self.trace.record(RULES["logical_and"], (self, other))

    def __or__(self, other: Any) -> Any:
        return self.trace.record(RULES["logical_or"], (self, other))

    def __invert__(self) -> Any:
        return self.trace.record(RULES["logical_not"], (self,))

    __hash__ = None  # type: ignore[assignment]  # == is elementwise, as for numpy arrays

    def __bool__(self) -> bool:
        outcome = bool(plain(self.value))
        self.trace.guard(self, outcome)
        return outcome

    def __index__(self) -> int:
        raise TracedArrayError(
            "a traced array cannot be a Python index or range(): its derivative would be lost; "
            "compare it (x > 0) or index with numbers that do not depend on x"
        )

    def __float__(self) -> float:
        raise TracedArrayError(
            "float() of a traced array would lose its derivative; use xp functions (xp.sin, not "
            "math.sin) and leave it an array"
        )

    __int__ = __index__
    __complex__ = __float__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TracedArrayError(
            "numpy was given a traced array; write xp.sin(x), not np.sin(x), and xp.stack or "
            "xp.asarray, not np.array, so that every method can differentiate the function"
        )

    # --- parts -------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        key = tuple(plain(k) if type(k) is Traced else k for k in key)
        return self.trace.record(_INDEX, (self,), (key,))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TracedArrayError(
            "a traced array cannot be written in place (x[i] = ...); build a new one with "
            "xp.where, xp.concat or xp.stack"
        )

    def reshape(self, *shape: Any) -> Any:
        """The same entries in another shape."""
        return self.trace.xp.reshape(self, shape[0] if len(shape) == 1 else shape)


@final
class Graph:
    """The trace of one program: flat lists of rules, operands, parameters and values.

    Operand ``j >= 0`` is node v_j, ``j < 0`` is constant ``~j``. Node 0 is the input;
    ``output`` is the index of the result, None where it does not depend on the input.
    """

    def __init__(self, level: int, backend: Backend) -> None:
        self.level = level
        self.backend = backend
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
        if rule.name in REWRITES:
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
