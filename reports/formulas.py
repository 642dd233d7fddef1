"""Expressions typeset as MathML Core, from nested lists: [operator, operands ...]."""

from __future__ import annotations

from typing import Any

from diffbench.reports.elements import Element, element

__all__ = ["typeset"]

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly an expression binds
BINDS = {"+": SUM, "*": PRODUCT, "^": POWER}
MINUS, TIMES = "\N{MINUS SIGN}", "\N{INVISIBLE TIMES}"


def typeset(name: str, parts: Any) -> Element:
    """``name = expression``; a sum has one formula a term, so that lines break between them.

    ``parts`` is an integer, a symbol, or a list of ``+``, ``*`` or ``^`` and its operands. Raises
    KeyError for another operator.
    """
    terms = parts[1:] if isinstance(parts, list) and parts[0] == "+" else [parts]
    rows = [_term(term, first=k == 0) for k, term in enumerate(terms)]
    head = [_symbol(name), element("mo", "=")]
    whole = [element("math", *(head if k == 0 else ()), *row) for k, row in enumerate(rows)]
    for one in whole:
        one.tail = " "
    return element("span", *whole, class_="formula")


def _symbol(name: str) -> Element:
    """``l_2`` with its index, ``l_2'`` with its prime."""
    letter, _, index = name.rstrip("'").partition("_")
    symbol = element("msub", element("mi", letter), element("mn", index))
    primed = name.endswith("'")
    return element("msup", symbol, element("mo", "\N{PRIME}")) if primed else symbol


def _negative(parts: Any) -> bool:
    lead = parts[1] if isinstance(parts, list) and parts[0] == "*" else parts
    return isinstance(lead, int) and lead < 0


def _positive(parts: Any) -> Any:
    """The same without its sign; a factor 1 goes."""
    if not isinstance(parts, list):
        return -parts
    operator, lead, *others = parts
    factors = others if lead == -1 else [-lead, *others]
    return factors[0] if len(factors) == 1 else [operator, *factors]


def _term(parts: Any, first: bool) -> list[Element]:
    sign = MINUS if _negative(parts) else "" if first else "+"
    shown = _shown(_positive(parts) if sign == MINUS else parts, PRODUCT)
    form = {"form": "prefix"} if first else {"form": "infix"}
    return [*([element("mo", sign, **form)] if sign else []), *shown]


def _shown(parts: Any, binds: int) -> list[Element]:
    """The elements of an expression, in brackets where it binds less tightly than asked."""
    if not isinstance(parts, list):
        return _term(parts, True) if _negative(parts) else [_leaf(parts)]
    operator, *operands = parts
    row = {"+": _sum, "*": _product, "^": _power}[operator](operands)
    bracketed = [element("mrow", element("mo", "("), *row, element("mo", ")"))]
    return row if BINDS[operator] >= binds else bracketed


def _leaf(part: Any) -> Element:
    return element("mn" if isinstance(part, int) else "mi", str(part))


def _sum(terms: list[Any]) -> list[Element]:
    return [part for k, term in enumerate(terms) for part in _term(term, first=k == 0)]


def _product(factors: list[Any]) -> list[Element]:
    rows = [_shown(factor, POWER) for factor in factors]
    return [part for k, row in enumerate(rows) for part in ([element("mo", TIMES)] * (k > 0) + row)]


def _power(operands: list[Any]) -> list[Element]:
    base, exponent = (
        element("mrow", *_shown(part, binds))
        for part, binds in zip(operands, (ATOM, SUM), strict=True)
    )
    return [element("msup", base, exponent)]
