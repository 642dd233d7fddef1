"""Symbolic differentiation: an expression of f, its derivative as an expression, then code."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

import diffbench.ad as ad
from diffbench.ad.namespace import sympy_namespace
from diffbench.errors import Unsupported
from diffbench.method import Instance, Kernel
from diffbench.operators import OPERATORS

Array = NDArray[np.float64]
Expressions = list[Any]

MOST_WORK = 8_000  # nodes of f's tree times inputs: about a second to derive
MOST_NODES = 12_000  # of a tree that is printed whole: about a second
MOST_COMPARED = 4  # entries of one max or min: sympy compares every two of them, again and again
NO_CLOSED_FORM = "symbolic: {name} has no closed form, a loop or branch depends on values"
TOO_LARGE = "symbolic: {what} of {name} has {count:.0f} nodes as a tree; at most {limit} are {done}"


# --- expressions ----------------------------------------------------------------------------------


def _symbols(name: str, like: Any) -> Any:
    """An object array of real symbols of the same shape; a lone one has the bare name."""
    sp = importlib.import_module("sympy")
    size = np.size(like)
    names = [name] if size == 1 else [f"{name}{i}" for i in range(size)]
    symbols = np.empty(size, dtype=object)
    symbols[:] = [sp.Symbol(each, real=True) for each in names]
    return symbols.reshape(np.shape(like))


def tree_nodes(expressions: Iterable[Any], known: dict[Any, int]) -> int:
    """The nodes of all trees; ``known`` collects every distinct subexpression with its count."""

    def count(node: Any) -> int:
        if node not in known:
            known[node] = 1 + sum(map(count, node.args))
        return known[node]

    return sum(map(count, expressions))


def _whole_numbers(expression: Any) -> Any:
    """The same expression with 4.0 written as 4, as on paper; the values are equal."""
    sp = importlib.import_module("sympy")
    floats = expression.atoms(sp.Float)
    return expression.xreplace({a: sp.Integer(int(a)) for a in floats if float(a).is_integer()})


def _limit(instance: Instance, what: str, count: int, limit: int, done: str) -> None:
    if count > limit:
        raise Unsupported(
            TOO_LARGE.format(what=what, name=instance.name, count=count, limit=limit, done=done)
        )


def expressions_of(instance: Instance) -> tuple[Expressions, Any, list[Any]]:
    """f over symbols: the entries of y, the symbols of x, those of each constant."""
    sp = importlib.import_module("sympy")
    x = _symbols("x", instance.x)
    constants = [_symbols(f"c{i}_", c) for i, c in enumerate(instance.constants)]
    arguments = [c if c.shape else c.item() for c in constants]
    try:
        y = instance.f(x, sympy_namespace(), *arguments)
    except TypeError as error:
        raise Unsupported(NO_CLOSED_FORM.format(name=instance.family)) from error
    entries = [sp.sympify(e) for e in np.asarray(y, dtype=object).ravel()]
    count = tree_nodes(entries, {})
    _limit(instance, "f", count, MOST_WORK // instance.n, "differentiated")
    return [_whole_numbers(e) for e in entries], x, constants


def _first(y: Expressions, x: Any, instance: Instance) -> Expressions:
    return [e.diff(v) for e in y for v in x]


def _second(y: Expressions, x: Any, instance: Instance) -> Expressions:
    """The upper triangle, row by row."""
    gradient = _first(y, x, instance)
    count = tree_nodes(gradient, {})
    _limit(instance, "the gradient", count, MOST_WORK // instance.n, "differentiated")
    return [gradient[i].diff(v) for i in range(len(x)) for v in x[i:]]


EXTREMES = frozenset({"max", "min", "maximum", "minimum"})
DERIVE: Mapping[str, Callable[[Expressions, Any, Instance], Expressions]] = {
    "value": lambda y, x, instance: y,
    "gradient": _first,
    "jacobian": _first,
    "hessian": _second,
}


def _extremes(trace: Any, family: str, operator: str) -> str | None:
    """The sentence where sympy cannot do a maximum or minimum of f, or its derivative."""
    extremes = [i for i, rule in enumerate(trace.rules) if rule and rule.name in EXTREMES]
    if extremes and operator == "hessian":
        return f"symbolic: {family} has an extreme, whose second derivative holds a Dirac delta"
    for i in extremes:
        each = np.size(trace.arguments(i)[0]) // np.size(trace.values[i])
        if each > MOST_COMPARED:
            return (
                f"symbolic: {family} has an extreme of {each} entries, of which sympy compares "
                f"every two; at most {MOST_COMPARED} are done"
            )
    return None


# --- sizes and answers ----------------------------------------------------------------------------


def sizes(derivative: Expressions) -> dict[str, int | None]:
    """The derivative as a tree, as a text, as a graph, and after common subexpressions."""
    sp = importlib.import_module("sympy")
    known: dict[Any, int] = {}
    printable = tree_nodes(derivative, known) <= MOST_NODES
    replaced, rest = sp.cse(derivative)
    shared = itertools.chain((e for _, e in replaced), rest)
    return {
        "tree_ops": sum(int(sp.count_ops(e)) for e in derivative) if printable else None,
        "string_length": sum(len(str(e)) for e in derivative) if printable else None,
        "dag_nodes": len(known),
        "cse_ops": sum(int(sp.count_ops(e)) for e in shared),
    }


def _stage(x: Array, seed: Array | None, constants: tuple[Any, ...]) -> tuple[Any, ...]:
    """Flat lists of Python floats: generated code of scalars is fastest on them."""
    return (x.tolist(), *(np.ravel(c).tolist() for c in constants))


def _shaped(shape: tuple[int, ...]) -> Callable[[Any], Array]:
    return lambda out: np.array(out, dtype=np.float64).reshape(shape)


def _mirrored(n: int) -> Callable[[Any], Array]:
    def collect(out: Any) -> Array:
        full = np.empty((n, n))
        rows, columns = np.triu_indices(n)
        full[rows, columns] = full[columns, rows] = out
        return full

    return collect


@final
@dataclass(frozen=True)
class Symbolic:
    """Derives an expression once by sympy, turns it into Python code, and calls that.

    Formula: the rules of calculus on expression trees. Constants stay symbols and are arguments
    of the code. With ``cse=yes`` common subexpressions are computed once. Cost: one evaluation
    of the derived expression, which may be far larger than f; no call of f. Reference: Meurer et
    al., SymPy: symbolic computing in Python, 2017.
    """

    cse: str

    name: ClassVar[str] = "symbolic"
    title: ClassVar[str] = "Symbolic (sympy)"
    category: ClassVar[str] = "symbolic"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "one evaluation of the derived expression"
    reference: ClassVar[str] = "Meurer et al., SymPy: symbolic computing in Python, 2017"
    native: ClassVar[frozenset[str]] = frozenset(DERIVE)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {"cse": ("no", "yes")}
    requires: ClassVar[Mapping[str, str]] = {"sympy": "pip install sympy"}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where f alone is too long, by its operations; the tree is counted in build.

        A branch on values shows in the trace; sympy would take one by the look of an expression:
        its ``x == 0`` is False for any x.
        """
        try:
            trace = ad.trace(instance.f, instance.x, *instance.constants)
        except ad.TracedArrayError:
            return None  # sympy's arrays may take what traced ones refuse; build will tell
        if trace.guards:
            return NO_CLOSED_FORM.format(name=instance.family)
        count = trace.ops()
        if count * instance.n <= MOST_WORK:
            return _extremes(trace, instance.family, operator)
        return (
            f"symbolic: {instance.name} has {count} operations of {instance.n} inputs; "
            f"their product may be at most {MOST_WORK}"
        )

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Derive and compile; raises Unsupported where there is no closed form or no room."""
        sp = importlib.import_module("sympy")
        y, x, constants = expressions_of(instance)
        derivative = DERIVE[operator](y, x, instance)
        if self.cse == "no":
            _limit(instance, operator, tree_nodes(derivative, {}), MOST_NODES, "printed")
        arguments = [list(x), *(list(c.ravel()) for c in constants)]
        code = sp.lambdify(arguments, derivative, "math", cse=self.cse == "yes")
        shape = OPERATORS[operator].shape(instance.n, instance.y_shape)
        collect = _mirrored(instance.n) if operator == "hessian" else _shaped(shape)
        return Kernel(code, _stage, collect, lambda: sizes(derivative))
