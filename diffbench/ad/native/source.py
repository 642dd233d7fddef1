"""A simplified program as readable Python over numpy: what the compiler makes into loops.

One line a value; a value that is read through a slice, a transpose or a broadcast is written in
place where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from diffbench.ad.native.program import LEAVES, REDUCTIONS, Node, Program
from diffbench.ad.native.views import View
from diffbench.ad.rules import RULES

__all__ = ["printed"]

SIGNS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "greater": "{} > {}",
    "greater_equal": "{} >= {}",
    "equal": "{} == {}",
    "not_equal": "{} != {}",
    "copy": "np.array({})",
    "where": "np.where({}, {}, {})",
    "masked": "np.where({} == 0, 0.0, {})",
}
TABLE = "RULES[{!r}].numpy"


def printed(program: Program, arrays: list[Any], names: list[str], title: str) -> str:
    """The function ``title(names)`` that computes the program."""
    lines = list(_lines(program, names))
    needs = ["import numpy as np"]
    if any(TABLE[:5] in line for line in lines):
        needs += ["from diffbench.ad.rules import RULES"]
    used = [n.params[0] for n in program.nodes() if n.op == "array"]
    constants = [f"c{i} = np.array({_listed(arrays[i])})" for i in sorted(used)]
    body = "\n".join(f"    {line}" for line in lines)
    head = "\n".join([*needs, "", *constants])
    return f"{head}\n\ndef {title}({', '.join(names)}):\n{body}\n"


def _listed(a: Any) -> str:
    return np.array2string(a, separator=", ", threshold=a.size + 1, floatmode="unique")


def _lines(program: Program, names: list[str]) -> Iterable[str]:
    text = _Texts(names)
    guards = dict(program.guards)
    for node in program.nodes():
        if node.op not in LEAVES and node.op not in ("view", "flat"):
            yield from text.statement(node)
        if node in guards:
            yield f"assert bool({text(node)}) is {guards[node]}, 'another path than was traced'"
    yield f"return {text(program.output)}"


class _Texts:
    """How each value is written where it is used."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __call__(self, node: Node) -> str:
        if node.op == "input":
            return self.names[int(node.params)]
        if node.op == "number":
            value = repr(node.params[1]).replace("inf", "np.inf").replace("nan", "np.nan")
            return f"np.full({node.shape}, {value})" if node.shape else value
        if node.op == "array":
            return f"c{node.params[0]}"
        if node.op == "flat":
            return f"np.reshape({self(node.args[0])}, {node.shape})"
        if node.op == "view":
            (source,) = node.args
            return viewed(self(source), source.shape, node.params, node.shape)
        return f"v{node.index}"

    def statement(self, node: Node) -> Iterable[str]:
        """The line, or lines, that make a value."""
        name, args = f"v{node.index}", [self(a) for a in node.args]
        if node.op == "place":
            yield f"{name} = np.zeros({node.shape})"
            for text, part, place in zip(args, node.args, node.params, strict=True):
                room = tuple(part.shape[axis.terms[0][0]] if axis.terms else 1 for axis in place)
                fitting = text if room == part.shape else f"np.reshape({text}, {room})"
                yield f"{name}[{_key(place, part.shape)}] += {fitting}"
        elif node.op in REDUCTIONS:
            axes = tuple(range(node.params, len(node.args[0].shape)))
            yield f"{name} = np.{node.op}({args[0]}, axis={axes})"
        elif node.op == "contract":
            a, b, out = node.params
            yield f"{name} = np.einsum('{a},{b}->{out}', {args[0]}, {args[1]})"
        elif node.op == "python":
            call = _function(node.params.name)
            yield f"{name} = {call}({', '.join([*args, *map(_parameter, node.params.params)])})"
        else:
            yield f"{name} = {_expression(node.op, args)}"


def _parameter(value: Any) -> str:
    """A parameter of a primitive as Python reads it."""
    if isinstance(value, np.ndarray):
        return f"np.array({_listed(value)})"
    if isinstance(value, tuple):
        return f"({''.join(f'{_parameter(v)}, ' for v in value)})"
    return repr(value)


def _expression(op: str, args: list[str]) -> str:
    if op in SIGNS:
        return SIGNS[op].format(*map(_bracketed, args))
    return f"{_function(op)}({', '.join(args)})"


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _function(op: str) -> str:
    value: Callable[..., Any] = RULES[op].numpy
    name = getattr(value, "__name__", "")
    return f"np.{name}" if getattr(np, name, None) is value else TABLE.format(op)


# --- views ---------------------------------------------------------------------------------------


def viewed(text: str, source: tuple[int, ...], how: View, shape: tuple[int, ...]) -> str:
    """A source read through a view: by slices where they say it, else by arrays of indices."""
    if all(len(axis.terms) < 2 for axis in how):
        return _sliced(text, source, how, shape)
    parts = []
    for axis in how:
        terms = [f"{c} * np.arange({shape[r]}){_along(r, len(shape))}" for r, c in axis.terms]
        parts.append(" + ".join([str(axis.offset), *terms]))
    return f"{text}[{', '.join(parts)}]"


def _along(axis: int, ndim: int) -> str:
    """Indices that lie along one axis of several."""
    if ndim == 1:
        return ""
    return f"[{', '.join(':' if i == axis else 'None' for i in range(ndim))}]"


def _sliced(text: str, source: tuple[int, ...], how: View, shape: tuple[int, ...]) -> str:
    order = [axis.terms[0][0] for axis in how if axis.terms]
    key = [_part(axis, shape, size) for axis, size in zip(how, source, strict=True)]
    if any(part != ":" for part in key):
        text = f"{text}[{', '.join(key)}]"
    if order != sorted(order):
        ranks = [sorted(order).index(r) for r in order]
        text = f"np.transpose({text}, {tuple(ranks.index(i) for i in range(len(order)))})"
    if len(order) < len(shape) and order:
        text = f"{text}[{', '.join(':' if i in order else 'None' for i in range(len(shape)))}]"
    wide = any(s != 1 for i, s in enumerate(shape) if i not in order)
    return f"np.broadcast_to({text}, {shape})" if wide or not order else text


def _part(axis: Any, shape: tuple[int, ...], size: int) -> str:
    """An integer or a slice."""
    if not axis.terms:
        return str(axis.offset)
    ((result, step),) = axis.terms
    stop = axis.offset + step * shape[result]
    if (axis.offset, step, stop) == (0, 1, size):
        return ":"
    if stop < 0:
        return f"{axis.offset}::{step}"
    return f"{axis.offset}:{stop}" + (f":{step}" if step != 1 else "")


def _key(place: View, shape: tuple[int, ...]) -> str:
    """Where a part goes: slices of the whole, one for each of its axes."""
    parts = []
    for axis in place:
        if not axis.terms:
            parts.append(f"{axis.offset}:{axis.offset + 1}")
            continue
        ((source, step),) = axis.terms
        last = axis.offset + step * (shape[source] - 1)
        stop = last + (1 if step > 0 else -1)
        ends = f"{axis.offset}:{stop}" if stop >= 0 else f"{axis.offset}:"
        parts.append(ends + (f":{step}" if step != 1 else ""))
    return ", ".join(parts) or "..."
