"""Expression swell, spelt out: the logistic map l_2 to l_4 and its derivative as sympy has them.

The survey's table 1 (Baydin, Pearlmutter, Radul and Siskind, 2018) shows l_k with its factors
multiplied out, the derivative by the product rule, and that derivative simplified. Its trees and
graphs are those of the nested form, l <- 4 l (1 - l), which a program has. Rows:
``form|name|k``, an expression with its operations as value, as JSON: an integer, a symbol, or
[operator, operands ...]; ``graph|k``, the nodes of the derivative of the nested form, each once,
operands first: [symbol, numbers of its operands]; ``tree_ops|k``, ``string_length|k`` and
``cse_ops|k``, sizes of that derivative.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

from diffbench.study import Study, StudyRow

__all__ = ["DEPTHS", "STUDY"]

NAME = "expressions"
DEPTHS = (2, 3, 4)
SIGNS = {"Add": "+", "Mul": "*", "Pow": "^"}


def run() -> Iterator[StudyRow]:
    """The forms of each iterate, then graph and sizes of the derivative of the nested one."""
    sp = importlib.import_module("sympy")
    x = sp.Symbol("x", real=True)
    nested = x
    for k in DEPTHS:
        nested = 4 * nested * (1 - nested)
        factored = _factored(sp, x, k)
        derivative = factored.diff(x)
        simple = sp.factor_terms(sp.expand(derivative))
        forms = {"function": factored, "derivative": derivative, "simplified": simple}
        for name, form in forms.items():
            reason = json.dumps(_parts(form, x))
            yield _row(f"form|{name}|{k}", int(sp.count_ops(form)), "operations", reason)
        yield from _sizes(sp, k, nested.diff(x))


def _row(key: str, value: int, unit: str, reason: str = "") -> StudyRow:
    return StudyRow(study=NAME, key=key, value=value, unit=unit, reason=reason)


def _factored(sp: Any, x: Any, k: int) -> Any:
    """4^(k-1) x (1 - x) times the squares (1 - 2 l_j)^2 for j = 1 ... k - 2.

    For 1 - l_(j+1) = (1 - 2 l_j)^2, with l_(j+1) = 4 l_j (1 - l_j).
    """
    product, iterate = sp.Integer(4) ** (k - 1) * x * (1 - x), x
    for _ in range(k - 2):
        product *= sp.expand(1 - 2 * iterate) ** 2
        iterate = 4 * iterate * (1 - iterate)
    return product


def _parts(expression: Any, x: Any) -> Any:
    """The expression as nested lists: terms and factors by growing degree, as on paper."""
    name = expression.func.__name__
    if name not in SIGNS:
        return int(expression) if expression.is_Integer else str(expression)
    operands = list(expression.args)
    if name != "Pow":
        rank = _lowest if name == "Add" else _degree
        operands.sort(key=lambda e: (*rank(e, x), str(e)))
    return [SIGNS[name], *(_parts(e, x) for e in operands)]


def _lowest(term: Any, x: Any) -> tuple[int, bool]:
    return int(term.as_poly(x).degree()) if term.has(x) else 0, term.could_extract_minus_sign()


def _degree(factor: Any, x: Any) -> tuple[int, int]:
    return (int(factor.as_poly(x).degree()) if factor.has(x) else 0, len(str(factor)))


def _sizes(sp: Any, k: int, derivative: Any) -> Iterator[StudyRow]:
    known: dict[Any, int] = {}
    nodes: list[tuple[str, list[int]]] = []
    _collect(derivative, known, nodes)
    yield _row(f"graph|{k}", len(nodes), "unique nodes", json.dumps(nodes))
    replaced, rest = sp.cse(derivative)
    shared = [e for _, e in replaced] + rest
    yield _row(f"tree_ops|{k}", int(sp.count_ops(derivative)), "operations")
    yield _row(f"string_length|{k}", len(str(derivative)), "characters")
    yield _row(f"cse_ops|{k}", sum(int(sp.count_ops(e)) for e in shared), "operations")


def _collect(node: Any, known: dict[Any, int], nodes: list[tuple[str, list[int]]]) -> int:
    """The number of a node; every distinct subexpression is listed once, its operands first."""
    if node not in known:
        operands = [_collect(operand, known, nodes) for operand in node.args]
        known[node] = len(nodes)
        nodes.append((SIGNS.get(node.func.__name__, str(node)), operands))
    return known[node]


STUDY = Study(name=NAME, title="The logistic map and its derivative, written out", run=run)
