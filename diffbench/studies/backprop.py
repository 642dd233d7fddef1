"""Backpropagation as it is written by hand, beside reverse mode on the same network.

Three layers h <- tanh(h W + c) and the loss sum (h - T)^2. The recursion, with delta_l the adjoint
of layer l's argument: delta_l = (delta_{l+1} W_{l+1}') tanh', dW_l = h_{l-1}' delta_l, dc_l = the
sum of delta_l over the examples. Source: Rumelhart, Hinton and Williams, 1986.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.ad.graph import Graph, opened, shape_of
from diffbench.ad.namespace import FLOATS
from diffbench.ad.reverse import adjoints_of
from diffbench.studies.parts import row
from diffbench.study import StudyRow

__all__ = ["by_hand", "by_reverse", "compared", "network", "recorded"]

Array = NDArray[np.float64]
WIDTHS, EXAMPLES = (4, 5, 3, 2), 6
Slope = Callable[[Any, Any, Any], Any]  # (xp, z, tanh z) -> the slope of tanh at z
SLOPES: dict[str, Slope] = {
    "sech^2 z": lambda xp, z, h: xp.sech2(z),
    "1 - tanh^2 z": lambda xp, z, h: 1.0 - h * h,
}


def network(seed: int = 0) -> tuple[list[Array], Array, Array]:
    """Weights and shifts W_1, c_1, W_2, ..., the inputs, and the targets T."""
    rng = np.random.default_rng(seed)
    shapes = pairwise(WIDTHS)
    weights = [rng.standard_normal(s) for a, b in shapes for s in ((a, b), (b,))]
    shape = (EXAMPLES, WIDTHS[0]), (EXAMPLES, WIDTHS[-1])
    return weights, rng.standard_normal(shape[0]), rng.standard_normal(shape[1])


def loss(weights: list[Any], inputs: Array, targets: Array, xp: Any) -> Any:
    """The sum of (h_3 - T)^2."""
    h = inputs
    for w, c in zip(weights[::2], weights[1::2], strict=True):
        h = xp.tanh(xp.matmul(h, w) + c)
    return xp.sum(xp.square(h - targets))


def by_hand(
    weights: list[Any], inputs: Array, targets: Array, xp: Any, slope: Slope = SLOPES["sech^2 z"]
) -> list[Any]:
    """The delta recursion: the loss, then its derivatives by W_1, c_1, W_2, ..."""
    z, h = [], [inputs]
    for w, c in zip(weights[::2], weights[1::2], strict=True):
        z.append(xp.matmul(h[-1], w) + c)
        h.append(xp.tanh(z[-1]))
    residual = h[-1] - targets
    value, back = xp.sum(xp.square(residual)), 1.0 * (2.0 * residual)  # the seed is 1
    parts: list[Any] = []
    for i in reversed(range(len(z))):
        delta = back * slope(xp, z[i], h[i + 1])
        parts += [xp.sum(delta, axis=0), xp.matmul(xp.matrix_transpose(h[i]), delta)]
        if i:  # nobody asks for the derivative by the inputs
            back = xp.matmul(delta, xp.matrix_transpose(weights[2 * i]))
    return [value, *parts[::-1]]


def by_reverse(weights: list[Any], inputs: Array, targets: Array, xp: Any) -> list[Any]:
    """The loss, and its derivatives by one sweep back along the trace of :func:`loss`."""
    with opened() as level:
        graph = Graph(level, FLOATS)
        y = loss([graph.input(w) for w in weights], inputs, targets, xp)
        graph.output = y.node
        return [y.value, *adjoints_of(graph, 1.0, [None] * len(weights))]


def recorded(program: Callable[..., list[Any]], seed: int = 0) -> tuple[list[Any], Counter[str]]:
    """What a program answers, and how often it does which operation on which shape."""
    weights, inputs, targets = network(seed)
    with opened() as level:
        graph = Graph(level, FLOATS)
        answer = program([graph.input(w) for w in weights], inputs, targets, FLOATS.traced)
    done = Counter(
        f"{rule.name} {shape_of(graph.values[i])}"
        for i, rule in enumerate(graph.rules)
        if rule is not None
        and rule.cost(
            shape_of(graph.values[i]),
            [shape_of(a) for a in graph.arguments(i)],
            graph.params[i],
        )
    )
    return [np.asarray(part.value) for part in answer], done


def _apart(a: list[Array], b: list[Array]) -> int:
    return sum(int(np.sum(p != q)) for p, q in zip(a, b, strict=True))


def _ulps(a: list[Array], b: list[Array]) -> float:
    pairs = zip(a, b, strict=True)
    return float(max(np.max(np.abs(p - q) / np.spacing(np.abs(q))) for p, q in pairs))


def compared() -> Iterator[StudyRow]:
    """Operations of both, those that only one does, and entries that differ."""
    mine, tape = recorded(by_hand), recorded(by_reverse)
    for name, (_, done) in (("by hand", mine), ("reverse mode", tape)):
        said = ", ".join(f"{times} {what}" for what, times in sorted(done.items()))
        yield row(f"backprop|operations|{name}", done.total(), "operations on arrays", said)
    alone = (mine[1] - tape[1]) + (tape[1] - mine[1])
    said = ", ".join(f"{times} {what}" for what, times in sorted(alone.items()))
    yield row("backprop|operations of one alone", alone.total(), "operations on arrays", said)
    entries = sum(part.size for part in tape[0])
    said = f"of {entries}, the loss among them"
    yield row("backprop|entries that differ", _apart(mine[0], tape[0]), "entries", said)
    weights, inputs, targets = network()
    common = by_hand(weights, inputs, targets, FLOATS.plain, SLOPES["1 - tanh^2 z"])
    away = _ulps([np.asarray(part) for part in common], tape[0])
    yield row("backprop|with 1 - tanh^2 z", away, "ulp at most", "the slope of tanh by its value")
