"""CasADi: f as a graph of scalar expressions, and its derivative as another, run by its machine."""

from __future__ import annotations

import importlib
import math
import numbers
import operator as op
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

import diffbench.ad as ad
from diffbench.ad.namespace import Namespace, object_backend
from diffbench.ad.rules import Rule
from diffbench.errors import Unsupported
from diffbench.method import Instance, Kernel
from diffbench.operators import OPERATORS

Array = NDArray[np.float64]

MOST_OPS = 100_000  # of f: a few seconds to write down
MOST_WORK = 2_000_000  # operations of f times sweeps: a few seconds to derive
NO_EXPRESSION = "casadi: {name} is no expression, a loop or branch depends on values"
MOST_INPUTS = {"hessian": 256}  # colouring a full pattern grows with their cube

# Rows of the table that casadi knows by another name, or by others; the rest by the row's own.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    # name of the row -> (casadi, expressions) -> expression
    "abs": lambda ca, x: ca.fabs(x),
    "square": lambda ca, x: x * x,
    "reciprocal": lambda ca, x: 1.0 / x,
    "log2": lambda ca, x: ca.log(x) / math.log(2.0),
    "positive": lambda ca, x: x,
    "expit": lambda ca, x: 1.0 / (1.0 + ca.exp(-x)),
    "xlogx": lambda ca, x: x * ca.log(x),
    "xlogy": lambda ca, x, y: x * ca.log(y),
    "logaddexp": lambda ca, x, y: ca.fmax(x, y) + ca.log1p(ca.exp(-ca.fabs(x - y))),
    "maximum": lambda ca, x, y: ca.fmax(x, y),
    "minimum": lambda ca, x, y: ca.fmin(x, y),
    "remainder": lambda ca, x, y: x - y * ca.floor(x / y),
    "where": lambda ca, c, x, y: ca.if_else(c, x, y),
    "logical_and": lambda ca, x, y: ca.logic_and(x, y),
    "logical_or": lambda ca, x, y: ca.logic_or(x, y),
    "logical_not": lambda ca, x: ca.logic_not(x),
    "less": lambda ca, x, y: x < y,
    "less_equal": lambda ca, x, y: x <= y,
    "greater": lambda ca, x, y: x > y,
    "greater_equal": lambda ca, x, y: x >= y,
    "equal": lambda ca, x, y: x == y,
    "not_equal": lambda ca, x, y: x != y,
}
ARITHMETIC = ("add", "sub", "mul", "truediv", "pow")

# operator -> (casadi, y, x, seed) -> expression
DERIVE: Mapping[str, Callable[..., Any]] = {
    "value": lambda ca, y, x, s: y,
    "gradient": lambda ca, y, x, s: ca.gradient(y, x),
    "jacobian": lambda ca, y, x, s: ca.jacobian(y, x),
    "jvp": lambda ca, y, x, s: ca.jtimes(y, x, s, False),
    "vjp": lambda ca, y, x, s: ca.jtimes(y, x, s, True),
    "hvp": lambda ca, y, x, s: ca.jtimes(ca.gradient(y, x), x, s, False),
    "hessian": lambda ca, y, x, s: ca.hessian(y, x)[0],
}
SWEEPS: Mapping[str, Callable[[int, int], int]] = {
    # operator -> how often deriving walks over f
    "jacobian": lambda n, m: min(n, m),
    "hessian": lambda n, m: n,
}


# --- one entry ------------------------------------------------------------------------------------


class Entry:
    """One scalar expression inside a numpy object array.

    casadi's own scalars are matrices that take part in numpy's protocols: beside an array they
    become one matrix. An Entry leaves arrays to numpy, which meets it entry by entry.
    """

    __slots__ = ("sx",)
    __hash__ = None  # type: ignore[assignment]  # entries compare as expressions

    def __init__(self, sx: Any) -> None:
        self.sx = sx

    def __neg__(self) -> Entry:
        return Entry(-self.sx)

    def __bool__(self) -> bool:
        raise TypeError("an expression is neither true nor false")


def _bare(value: Any) -> Any:
    return value.sx if isinstance(value, Entry) else value


def _operators(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``a + b`` and ``b + a`` for entries and numbers; of arrays numpy takes care."""
    apply = getattr(op, name)

    def left(self: Entry, other: Any) -> Any:
        known = isinstance(other, Entry | numbers.Real)
        return Entry(apply(self.sx, _bare(other))) if known else NotImplemented

    def right(self: Entry, other: Any) -> Any:
        return Entry(apply(other, self.sx)) if isinstance(other, numbers.Real) else NotImplemented

    return left, right


for _name in ARITHMETIC:
    for _prefix, _method in zip(("", "r"), _operators(_name), strict=True):
        setattr(Entry, f"__{_prefix}{_name}__", _method)


def namespace() -> Namespace:
    """The names over object arrays of entries, made from the rule table."""
    ca = importlib.import_module("casadi")

    def scalar(rule: Rule) -> Callable[..., Any]:
        function = FUNCTIONS.get(rule.name)
        own = getattr(ca, rule.name, None)

        def apply(*args: Any) -> Entry:
            bare = [_bare(a) for a in args]
            if function is not None:
                return Entry(function(ca, *bare))
            if own is None:
                raise Unsupported(f"casadi: {rule.name} has no expression there")
            return Entry(own(*bare))

        return apply

    xp: Namespace = object_backend("casadi", scalar, math.pi).traced
    return xp


# --- f and its derivative -------------------------------------------------------------------------


def _symbols(ca: Any, name: str, like: Any) -> tuple[Any, Any]:
    """A column of symbols, and the same as entries of an array of that shape."""
    column = ca.SX.sym(name, np.size(like))
    entries = np.empty(np.size(like), dtype=object)
    entries[:] = [Entry(column[i]) for i in range(np.size(like))]
    return column, entries.reshape(np.shape(like))


def function_of(instance: Instance, operator: str) -> Any:
    """The casadi function (x, seed, constants) -> answer, dense; x and all others as columns."""
    ca = importlib.import_module("casadi")
    columns, arrays = zip(
        *(_symbols(ca, "x", each) for each in (instance.x, *instance.constants)), strict=True
    )
    arguments = [a if a.shape else a.item() for a in arrays]
    try:
        y = instance.f(arguments[0], namespace(), *arguments[1:])
    except TypeError as error:
        raise Unsupported(NO_EXPRESSION.format(name=instance.family)) from error
    column = ca.vertcat(*map(_bare, np.asarray(y, dtype=object).ravel()))
    given = instance.seed_of(operator)
    seed = ca.SX.sym("seed", 0 if given is None else given.size)
    answer = DERIVE[operator](ca, column, columns[0], seed)
    return ca.Function(operator, [columns[0], seed, *columns[1:]], [ca.densify(answer)])


def _run(trigger: Callable[[], None], result: Array, *kept: Any) -> Array:
    """The timed call: numbers are read from and written to the arrays themselves."""
    trigger()
    return result


@final
@dataclass(frozen=True)
class Casadi:
    """Writes f down as a graph of scalars, derives a graph from it, and runs that.

    Formula: reverse mode over the graph (gradient, vjp), forward mode (jvp, hvp), and for full
    matrices the fewer of both by colouring what is not zero. Constants are arguments. Cost: one
    evaluation of the derived graph, which shares every subexpression; no call of f. Reference:
    Andersson et al., CasADi: a software framework for nonlinear optimization and optimal
    control, 2019.
    """

    name: ClassVar[str] = "casadi"
    title: ClassVar[str] = "CasADi"
    category: ClassVar[str] = "AD"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "one evaluation of the derived graph"
    reference: ClassVar[str] = "Andersson et al., CasADi: a software framework, 2019"
    native: ClassVar[frozenset[str]] = frozenset(DERIVE)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {"casadi": "pip install 'diffbench[casadi]'"}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where values decide a branch, or deriving f entry by entry takes too long."""
        limit = MOST_INPUTS.get(operator, instance.n)
        if instance.n > limit:
            return f"casadi: a {operator} of n = {instance.n} inputs; n may be {limit}"
        trace = ad.trace(instance.f, instance.x, *instance.constants)
        if trace.guards:
            return NO_EXPRESSION.format(name=instance.family)
        count = trace.ops()
        sweeps = SWEEPS[operator](instance.n, instance.m) if operator in SWEEPS else 1
        if count <= MOST_OPS and count * sweeps <= MOST_WORK:
            return None
        return (
            f"casadi: {operator} of {instance.name} is {count} operations in {sweeps} sweeps; "
            f"operations may be {MOST_OPS}, times sweeps {MOST_WORK}"
        )

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Derive and compile for the virtual machine; raises Unsupported for what it lacks."""
        made = function_of(instance, operator)
        shape = OPERATORS[operator].shape(instance.n, instance.y_shape)

        def stage(x: Array, seed: Array | None, constants: tuple[Any, ...]) -> tuple[Any, ...]:
            given = (x, () if seed is None else seed, *constants)
            arrays = [np.array(a, dtype=np.float64).ravel() for a in given]
            result, (buffer, trigger) = np.empty(math.prod(shape)), made.buffer()
            for i, array in enumerate(arrays):
                buffer.set_arg(i, array.data)
            buffer.set_res(0, result.data)
            return (trigger, result, buffer, arrays)

        def collect(out: Array) -> Array:
            return out.reshape(shape, order="F").copy()

        return Kernel(_run, stage, collect, lambda: {"dag_nodes": made.n_nodes()})
