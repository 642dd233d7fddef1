"""Trace, simplify, write, load: one compiled program for one set of arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from diffbench.ad.errors import ADError
from diffbench.ad.graph import Backend, Graph, Traced, opened, shape_of
from diffbench.ad.guarded import TRACED_AS
from diffbench.ad.namespace import FLOATS
from diffbench.ad.native.binding import Captured
from diffbench.ad.native.entry import Argument, Contract, callable_of
from diffbench.ad.native.lowering import lowered
from diffbench.ad.native.program import Builder, Program
from diffbench.ad.native.segments import written
from diffbench.ad.native.shapes import GHOSTS, NeedsValues, ghost

__all__ = ["Bound", "bound", "is_read", "simplified"]

Function = Callable[..., Any]
Derive = Callable[[Function], Function]


class Bound(NamedTuple):
    """A compiled program: the machine code, what stands for each argument, the memory plan."""

    call: Any
    objects: tuple[Any, ...]  # one an argument: what it must equal, or None where it is read
    program: Program
    nbytes: int


def bound(
    derive: Derive,
    f: Function,
    args: tuple[Any, ...],
    slow: Callable[..., Any],
    *,
    lift: bool,
    sweeps: str,
) -> Bound:
    """``derive(f)`` compiled for such arguments; ``lift`` traces the arrays that f captures.

    ``slow`` is called, with the same arguments, where a check of the machine code fails. With
    ``sweeps`` "plain" an answer that is not finite is such a failure; with "guarded" the rules
    keep zero directions zero, and it is none.
    """
    program, builder, held, shape = simplified(derive, f, args, lift, sweeps)
    text = written(program, builder.arrays)
    arguments = [_argument(a) for a in args]
    call = callable_of(Contract(text, arguments, held, shape, slow, finite=sweeps == "plain"))
    objects = tuple(a.bound if a.kind in ("object", "content") else None for a in arguments)
    return Bound(call, objects, program, text.bytes)


def simplified(
    derive: Derive, f: Function, args: tuple[Any, ...], lift: bool, sweeps: str = "plain"
) -> tuple[Program, Builder, Captured, tuple[int, ...]]:
    """The program, what made it, what f captures, and the shape of the answer."""
    held = Captured(f, lift)
    said = TRACED_AS.set(sweeps)
    try:
        graph, y = _traced(derive, held, args, GHOSTS)
    except NeedsValues:
        graph, y = _traced(derive, held, args, FLOATS)
    finally:
        TRACED_AS.reset(said)
    if 0 in shape_of(y):
        raise ADError(f"the answer has shape {shape_of(y)}: there is nothing to compile")
    inputs = sum(map(is_read, args)) + len(held.arrays)
    program, builder = lowered(graph, inputs, y)
    return program, builder, held, shape_of(y)


def _traced(
    derive: Derive, held: Captured, args: tuple[Any, ...], backend: Backend
) -> tuple[Graph, Any]:
    """The trace whose first nodes are all that is read at each call, and its answer."""
    with opened() as level:
        graph = Graph(level, backend)

        def node(a: Any) -> Any:
            return graph.input(ghost(np.shape(a)) if backend is GHOSTS else a)

        given = [node(a) if is_read(a) else a for a in args]
        more = tuple(map(node, held.arrays.values()))
        y = derive(held.rebuilt(more))(*given)
        if isinstance(y, list | tuple | dict) or y is None:
            raise ADError(f"f must return one array, it returned {type(y).__name__}")
        if type(y) is Traced and y.trace is graph:
            graph.output, y = y.node, y.value
    return graph, y


def is_read(a: Any) -> bool:
    """Whether an argument is read at each call; others are compared."""
    if isinstance(a, np.ndarray):
        return a.dtype == np.float64 and a.size > 0
    return type(a) in (float, np.float64)


def _argument(a: Any) -> Argument:
    if isinstance(a, np.ndarray):
        return Argument("array", a.shape) if is_read(a) else Argument("content", a, a.copy())
    return Argument("number", type(a)) if is_read(a) else Argument("object", a)
