"""Deep loops in little memory: hold few states of the loop, recompute the others.

Reverse mode stores every operation of a loop. A checkpointed loop is one node of the trace
instead: it holds at most ``slots`` states and the tape of one step, and on the way back it
recomputes the states that it does not hold by the schedule of :mod:`diffbench.ad.binomial`.
Source: A. Griewank and A. Walther, Algorithm 799: revolve, ACM Trans. Math. Software 26, 2000.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffbench.ad import reverse
from diffbench.ad.binomial import split
from diffbench.ad.counters import COUNTERS
from diffbench.ad.errors import ADError
from diffbench.ad.graph import Graph, Traced, highest
from diffbench.ad.namespace import NUMPY
from diffbench.ad.rules import Rule

__all__ = ["Loop", "checkpoint"]

Step = Callable[..., Any]


def checkpoint(step: Step, steps: int, slots: int) -> Callable[..., Any]:
    """``run(state, *constants)``: the state after ``steps`` applications of ``step``.

    ``step(state, xp, i, *constants) -> state`` is written over a namespace like any f; its first
    constant is its number i = 0, 1, ..., and the state is one array. ``run`` belongs into a
    program that is differentiated:

    - reverse mode records one node. It holds at most ``slots`` states, the first included, and
      the tape of one step. The first sweep takes ``steps`` taped evaluations of ``step`` and
      ``binomial.advances(steps, slots)`` whose tape is dropped at once. State and constants get
      the adjoints that the plain loop would give; that of the state is bitwise the same.
    - forward over reverse (``ad.hvp``, ``ad.hessian``) holds states with their tangents;
    - forward mode and plain arrays loop, as do traces that are read (``ad.trace``, ``ad.compile``,
      ``ad.sparsity``) and, of nested reverse modes, all but the innermost.

    Plain arrays other than numpy's numbers need their namespace: ``run(state, xp=xp)``. Raises
    ADError for impossible numbers, and for a step that gives no array or closes over a traced one.
    """
    for name, number, least in (("steps", steps, 0), ("slots", slots, 1)):
        if not isinstance(number, int | np.integer) or number < least:
            raise ADError(f"checkpoint needs a whole number of {name} >= {least}, got {number!r}")

    def run(state: Any, *constants: Any, xp: Any = None) -> Any:
        args = (state, *constants)
        top = highest(args)
        if isinstance(top, Graph) and top.checkpoints and steps:
            loop = Loop(step, steps, slots, top, args)
            return top.append(RULE, args, (loop,), loop.value)
        xp = top.xp if top is not None else xp or _plain_namespace(state)
        return _plain_loop(step, steps, state, xp, constants)

    return run


def _plain_loop(step: Step, steps: int, state: Any, xp: Any, constants: tuple[Any, ...]) -> Any:
    for i in range(steps):
        state = step(state, xp, i, *constants)
    return state


def _plain_namespace(state: Any) -> Any:
    kind = np.asarray(state).dtype
    if kind.kind in "fiuc":
        return NUMPY
    raise ADError(f"checkpoint cannot tell the namespace of dtype {kind}; call run(state, xp=xp)")


def _captured(step: Any) -> list[Any]:
    """What a function closes over, as far as it can be seen."""
    if isinstance(step, functools.partial):
        return [*step.args, *step.keywords.values(), *_captured(step.func)]
    return [cell.cell_contents for cell in getattr(step, "__closure__", None) or ()]


def _closes_over(step: Any) -> ADError:
    name = getattr(step, "__name__", type(step).__name__)
    return ADError(
        f"step {name!r} closes over a traced array, whose derivative would be lost; pass it as "
        "a constant: checkpoint(step, steps, slots)(state, array)"
    )


@final
class Loop:
    """A recorded loop: its value, the states it holds, and the way back.

    ``held`` is a stack of (i, state before step i) that begins with step 0; ``end`` is the number
    of steps that are not reversed yet, and ``last`` the tape of the last of these if it is there.
    """

    def __init__(
        self, step: Step, steps: int, slots: int, graph: Graph, args: tuple[Any, ...]
    ) -> None:
        self.step, self.steps, self.slots = step, steps, slots
        self.level, self.backend = graph.level, graph.backend
        ours = [type(a) is Traced and a.trace is graph for a in args]
        values = [a.value if mine else a for a, mine in zip(args, ours, strict=True)]
        self.first, self.constants = values[0], values[1:]
        self.traced = ours[1:]
        self.seed: Any = None
        self.adjoints: list[Any] = []
        self.last: Graph | None
        self.last, self.value = self._begin()

    def kept(self) -> tuple[Any, ...]:
        """What counts as the memory of the loop."""
        return self.held, self.last, self.adjoints

    # --- the way forward -------------------------------------------------------------------------

    def _begin(self) -> tuple[Graph, Any]:
        """Hold the first state, and tape the last step."""
        self.held: list[tuple[int, Any]] = [(0, self.first)]
        self.end = self.steps
        return self._tape()

    def _tape(self) -> tuple[Graph, Any]:
        """The tape of step ``end - 1`` and its value; free slots are filled on the way to it."""
        target = self.end - 1
        at, state = self.held[-1]
        while at < target:
            free = self.slots - len(self.held)
            stop = at + split(self.end - at, free + 1) if free else target
            for i in range(at, stop):
                state = self._taped(i, state)[1]
            at = stop
            if free:
                self.held.append((at, state))
        return self._taped(target, state)

    def _taped(self, i: int, state: Any) -> tuple[Graph, Any]:
        """The trace of step i, whose inputs are the state and the traced constants; its value."""
        COUNTERS.steps += 1
        graph = Graph(self.level, self.backend)
        graph.checkpoints = True  # of loops within the step
        traced_state = graph.input(state)
        constants = [
            graph.input(c) if traced else c
            for c, traced in zip(self.constants, self.traced, strict=True)
        ]
        y = self._called(traced_state, graph.xp, i, *constants)
        if type(y) is Traced and y.trace is graph:
            graph.output, y = y.node, y.value
        if type(y) is Traced and y.trace.level >= self.level:
            raise _closes_over(self.step)
        return graph, y

    def _called(self, *args: Any) -> Any:
        try:
            y = self.step(*args)
        except TypeError as error:
            if any(type(c) is Traced for c in _captured(self.step)):
                raise _closes_over(self.step) from error
            raise
        if y is None or isinstance(y, list | tuple | dict):
            raise ADError(f"a step must return one array, it returned {type(y).__name__}")
        return y

    # --- the way back ----------------------------------------------------------------------------

    def reverse(self, seed: Any) -> list[Any]:
        """The adjoints of the state and of each constant, None for zero; asked once an operand."""
        if self.seed is not seed:
            self.adjoints = self._reversed(seed)
            self.seed = seed
        return self.adjoints

    def _reversed(self, adjoint: Any) -> list[Any]:
        graph, self.last = self.last or self._begin()[0], None
        totals: list[Any] = [None] * sum(self.traced)
        while True:
            adjoint, *totals = reverse.adjoints_of(graph, adjoint, [None, *totals])
            del graph  # before the next tape is there
            self.end -= 1
            if self.held[-1][0] == self.end:
                self.held.pop()
            if not self.end or adjoint is None:
                break
            graph = self._tape()[0]
        rest = iter(totals)
        return [adjoint, *(next(rest) if traced else None for traced in self.traced)]


@final
class Looped:
    """The kind of a recorded loop."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        """Never asked: forward mode runs through the loop itself."""
        raise ADError("a checkpointed loop is a node of reverse mode alone")

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        """The adjoint of operand i; the loop is reversed once for all of them."""
        loop: Loop = params[0]
        return loop.reverse(g)[i]


RULE = Rule("checkpoint", lambda *args: args[-1].value, Looped())  # no row: it has no partials
