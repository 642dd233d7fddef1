"""Which values stand in memory, where, and for how long: the memory plan.

Elementwise values are computed inside the loops that use them. A value is *stored* where a loop
cannot give it entry by entry (reductions, products of matrices, numpy's own functions), or where
computing it again in every loop that needs it would cost more than reading it back. Buffers live
from their first to their last use and then give their place to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from diffbench.ad.native import blas, buffers
from diffbench.ad.native.program import LEAVES, REDUCTIONS, Node, Program

__all__ = ["Layout", "Memory", "laid_out"]

ALWAYS = frozenset({*REDUCTIONS, "contract", "python"})
COSTLY = 16.0  # additions' worth of recomputation that storing and loading again is worth
CHEAP = 4000.0  # additions' worth, over all entries, that is recomputed rather than stored
SHORT = 40  # operations of a value of which that is true: longer ones make long loops longer
LARGEST_BODY = 200  # operations in one loop
MOST_PIECES = 6  # that a loop over the whole reads piece by piece; more are written one by one
SMALL, FEW_PIECES = 16, 2  # entries, and the pieces of so small a whole
COSTS = {
    "divide": 4.0,
    "sqrt": 4.0,
    "root": 4.0,
    "explog": 1.0,
    "reciprocal": 4.0,
    "add": 1.0,
    "subtract": 1.0,
    "multiply": 1.0,
    "negative": 1.0,
    "where": 1.0,
    "masked": 1.0,
    "maximum": 1.0,
    "minimum": 1.0,
    "abs": 1.0,
}
FUNCTION = 20.0  # of any other elementwise function


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """Where an array stands: the base (an input, a static array, the output or the workspace)."""

    base: str  # "input", "array", "output" or "space"
    place: int  # which input or array; the offset in bytes in the output or the workspace
    kind: str


@final
@dataclass(slots=True)
class Layout:
    """The stored nodes in the order of their making, their memory, and the bytes of it all."""

    tasks: list[Node]
    memory: dict[int, Memory]
    pushed: set[int]  # places that are written piece by piece
    settled: set[tuple[int, int]] = field(default_factory=set)  # (place, piece) that is there
    in_place: set[int] = field(default_factory=set)  # values that overwrite an operand
    space: int = 0
    slots: dict[int, int] = field(default_factory=dict)  # scalars that need an address

    def stored(self, node: Node) -> bool:
        """Whether the value can be loaded."""
        return node.index in self.memory

    def slot(self, node: Node) -> int:
        """The offset of a scalar in the workspace."""
        if node.index not in self.slots:
            self.slots[node.index] = self.space
            self.space += 8
        return self.slots[node.index]


def laid_out(program: Program) -> Layout:
    """The plan of a program."""
    nodes = program.nodes()
    chosen, pushed = _Choice(program, nodes).made()
    tasks = [n for n in nodes if n.index in chosen or (n.size == 1 and n.op not in LEAVES)]
    layout = Layout(tasks, {}, pushed)
    for node in nodes:
        if node.op in ("input", "array"):
            place = node.params if node.op == "input" else node.params[0]
            layout.memory[node.index] = Memory(node.op, place, node.kind)
    buffers.assign(program, layout)
    return layout


# --- what is stored ------------------------------------------------------------------------------


@final
class _Choice:
    """Walks from results to operands, so that the fate of all users of a value is known."""

    def __init__(self, program: Program, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.output = program.output.index
        self.folds = {n.index for n in nodes if n.op in REDUCTIONS}  # their loops have no seams
        self.stored: set[int] = set()
        self.pushed: set[int] = set()
        self.cost: dict[int, float] = {}
        self.length: dict[int, int] = {}
        self.contexts: dict[int, dict[tuple[int, ...], float]] = {}

    def made(self) -> tuple[set[int], set[int]]:
        """Twice: first as if everything were computed anew, then with what that stored."""
        known: set[int] = set()
        for _ in range(2):
            self.stored = {n.index for n in self._needed_in_memory() if n.op not in LEAVES}
            self.pushed, self.cost, self.contexts = set(), {}, {}
            self._weigh(known)
            for node in reversed(self.nodes):
                if self._decide(node):
                    self.stored.add(node.index)
                self._spread(node)
            known = set(self.stored)
        return self.stored, self.pushed

    def _needed_in_memory(self) -> Iterable[Node]:
        for node in self.nodes:
            if node.op == "flat":
                yield node.args[0]
            elif node.op == "contract":
                yield from map(blas.must_be_stored, node.args)
            elif node.op == "python":
                yield from node.args
            elif node.op == "gather":
                yield node.args[0]

    def _weigh(self, known: set[int]) -> None:
        """What a value costs inside a loop; one whose loop would be too long is stored."""
        body: dict[int, set[int]] = {}
        for node in self.nodes:
            free = node.op in ("view", "place", "flat", *LEAVES)
            own = 0.0 if free else COSTS.get(node.op, FUNCTION)
            self.cost[node.index] = min(1e9, own + sum(self.cost[a.index] for a in node.args))
            body[node.index] = {node.index}.union(*(body[a.index] for a in node.args))
            self.length[node.index] = len(body[node.index])
            if len(body[node.index]) > LARGEST_BODY and node.op not in LEAVES:
                self.stored.add(node.index)
            made_before = node.index in known or node.index in self.stored
            if node.op in ALWAYS or node.size == 1 or made_before:
                self.cost[node.index], body[node.index] = 0.0, set()

    def _decide(self, node: Node) -> bool:
        if node.op in LEAVES or node.index in self.stored:
            return node.op not in LEAVES
        if node.size == 1 or node.op in ALWAYS or node.index == self.output:
            return True
        if node.op in ("flat", "view"):
            return False
        contexts = self.contexts.get(node.index, {})
        if node.op == "place" and (self._many(node) or any(c[0] in self.folds for c in contexts)):
            return True
        uses = sum(contexts.values())
        own = COSTS.get(node.op, FUNCTION) + sum(self.cost[a.index] for a in node.args)
        again = own * (uses - 1.0)
        cheap = again * node.size <= CHEAP and self.length[node.index] <= SHORT
        pieces = any(c[0] in self.pushed for c in contexts)  # each writes all of its code again
        return again > (COSTLY / 4 if pieces else COSTLY) and (pieces or not cheap)

    def _many(self, node: Node) -> bool:
        """Whether it is written piece by piece: every seam writes the loops of its users again."""
        return len(node.args) > (MOST_PIECES if node.size > SMALL else FEW_PIECES)

    def _spread(self, node: Node) -> None:
        """Tell the operands in which loops, and how often, they would be computed."""
        if node.op == "place" and self._many(node):
            self.pushed.add(node.index)
        mine = self.contexts.get(node.index, {})
        if node.index in self.stored or node.size == 1:
            mine = {(node.index,): 1.0}
        for place, arg in enumerate(node.args):
            if node.index in self.pushed:
                mine = {(node.index, place): 1.0}
            repeat = self._domain(node) / max(1, arg.size) if node.op != "place" else 1.0
            told = self.contexts.setdefault(arg.index, {})
            for context, times in mine.items():
                path = (*context, place) if node.op == "place" else context
                path = (*path, node.index) if node.op == "view" else path
                told[path] = max(told.get(path, 0.0), times * max(1.0, repeat))

    def _domain(self, node: Node) -> int:
        return node.args[0].size if node.op in REDUCTIONS else node.size
