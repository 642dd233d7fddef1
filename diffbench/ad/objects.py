"""Kernels over numpy object arrays: any number type that knows arithmetic and the table's names.

Balls, sympy expressions and the scalars of the trace table all run through these; structural
primitives are numpy's own.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from diffbench.ad.contraction import contract
from diffbench.ad.kinds import Fixed
from diffbench.ad.rules import ENTRYWISE, RULES, Rule

__all__ = ["kernels"]

Axes = tuple[int, ...]
_OPERATORS = {
    # numpy's object loops call the entries' own operators: no Python frame an entry
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "pow": np.power,
}


def kernels(scalar: Callable[[Rule], Any], **overrides: Any) -> dict[str, Any]:
    """The kernel of every rule, elementwise ones from ``scalar(rule)``; overrides win."""
    table = {name: rule.numpy for name, rule in RULES.items()}
    for name in ENTRYWISE:
        rule = RULES[name]
        arity = getattr(rule.numpy, "nin", len(rule.partials))
        function = np.frompyfunc(scalar(rule), arity, 1)
        table[name] = _truths(function) if isinstance(rule.kind, Fixed) else function
    table.update(_OPERATORS)
    table["sum"] = lambda x, axes: np.sum(as_objects(x), axis=axes)
    table["prod"] = lambda x, axes: np.prod(as_objects(x), axis=axes)
    table["max"] = _folder(table["maximum"])
    table["min"] = _folder(table["minimum"])
    table["norm"] = lambda x, axes: table["sqrt"](np.sum(as_objects(x) * x, axis=axes))
    table["solve"], table["cholesky"] = _solve, functools.partial(_cholesky, table["sqrt"])
    table["inv"] = lambda a: _solve(a, np.eye(len(a)))
    table["det"] = lambda x, axes: _det(x)
    table["logabsdet"] = lambda x, axes: table["log"](table["abs"](_det(x)))
    table["contract"] = lambda x, y, *spec: contract(as_objects(x), as_objects(y), *spec)
    return {**table, **overrides}


def _truths(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same with truth values as numpy's own: ``~`` of Python's True is -2, which is true."""

    def call(*args: Any) -> Any:
        out = function(*args)
        if isinstance(out, bool):
            return np.bool_(out)
        if isinstance(out, np.ndarray) and all(isinstance(v, bool) for v in out.flat):
            return out.astype(bool)
        return out  # of expressions: relations that nobody has decided

    return call


def as_objects(x: Any) -> Any:
    """An object array of the same entries."""
    return np.asarray(x, dtype=object)


def _folder(pairwise: Callable[[Any, Any], Any]) -> Callable[[Any, Axes], Any]:
    def fold(x: Any, axes: Axes) -> Any:
        rest = tuple(i for i in range(x.ndim) if i not in axes)
        flat = np.transpose(x, (*axes, *rest)).reshape(-1, *(x.shape[i] for i in rest))
        return functools.reduce(pairwise, flat)

    return fold


def _eliminated(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Gaussian elimination without row exchanges unless a pivot is zero: (U, b', determinant)."""
    a, b, n, sign = as_objects(a).copy(), as_objects(b).copy(), len(a), 1
    for i in range(n):
        pivot = next((r for r in range(i, n) if a[r, i] != 0), None)
        if pivot is None:
            return a, b, a[i, i]
        if pivot != i:
            a[[i, pivot]], b[[i, pivot]], sign = a[[pivot, i]], b[[pivot, i]], -sign
        for r in range(i + 1, n):
            factor = a[r, i] / a[i, i]
            a[r] = a[r] - factor * a[i]
            b[r] = b[r] - factor * b[i]
    return a, b, functools.reduce(operator.mul, (a[i, i] for i in range(n))) * sign


def _solve(a: Any, b: Any) -> Any:
    upper, right, _ = _eliminated(a, b)
    y: list[Any] = [None] * len(upper)
    for i in reversed(range(len(upper))):
        known = sum((upper[i, j] * y[j] for j in range(i + 1, len(upper))), start=0 * right[i])
        y[i] = (right[i] - known) / upper[i, i]
    return np.stack([as_objects(v) for v in y])


def _det(a: Any) -> Any:
    return _eliminated(a, np.zeros(len(a)))[2]


def _cholesky(sqrt: Callable[[Any], Any], a: Any) -> Any:
    a, n = as_objects(a), len(a)
    lower = np.zeros((n, n), dtype=object)
    for j in range(n):
        for i in range(j, n):
            rest = a[i, j] - sum((lower[i, k] * lower[j, k] for k in range(j)), start=0)
            lower[i, j] = sqrt(rest) if i == j else rest / lower[j, j]
    return lower
