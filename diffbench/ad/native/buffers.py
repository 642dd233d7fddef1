"""Where stored values stand: their order, which may overwrite which, and who gets a gap when.

Values are made in an order that keeps little alive at a time. A value that is read entry by entry
for the last time gives its place to what is made of it. Pieces of the answer are made in the
answer itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, final

from diffbench.ad.native.program import REDUCTIONS, Node, Program

if TYPE_CHECKING:
    from diffbench.ad.native.layout import Layout

__all__ = ["ITEM", "assign", "used_by"]

ITEM = {"f": 8, "i": 8, "b": 1}
MOST_ORDERED = 400  # values; a longer program is made in the order of its trace


def nbytes(node: Node) -> int:
    """Of a stored value, in whole words."""
    return -(-node.size * ITEM[node.kind] // 8) * 8


def used_by(layout: Layout, node: Node) -> Iterable[Node]:
    """The stored arrays and the scalars that the making of a node reads."""
    seen: set[int] = set()
    stack = list(node.args)
    while stack:
        a = stack.pop()
        if a.index in seen:
            continue
        seen.add(a.index)
        if a.index in layout.memory or a.size == 1:
            yield a
        else:
            stack += a.args


def assign(program: Program, layout: Layout) -> None:
    """Give every stored array its memory."""
    _Assignment(program, layout).run()


@final
class _Assignment:
    def __init__(self, program: Program, layout: Layout) -> None:
        from diffbench.ad.native.layout import Memory

        self.program, self.layout, self.memory = program, layout, Memory
        tasks = layout.tasks
        self.arrays = {n.index: n for n in tasks if n.size > 1 or n.op == "python"}
        for index, node in self.arrays.items():
            layout.memory[index] = Memory("space", -1, node.kind)
        numpys = [n for n in tasks if n.op == "python"]  # they read and write the workspace only
        self.fixed = {n.index for n in numpys} | {a.index for n in numpys for a in n.args}
        self.reads = {n.index: list(used_by(layout, n)) for n in tasks}

    def run(self) -> None:
        self.layout.tasks = self._ordered()
        self.time = {n.index: i for i, n in enumerate(self.layout.tasks)}
        self.last = self._last_uses()
        group = self._groups()
        output = self.program.output
        if output.index in self.arrays:
            for index in group.pop(output.index):
                self.layout.memory[index] = self.memory("output", 0, self.arrays[index].kind)
        for index, offset in self._pieces().items():
            self.layout.memory[index] = self.memory("output", offset, "f")
            group.pop(index, None)
        self._share(group)

    # --- order ---------------------------------------------------------------------------------

    def _ordered(self) -> list[Node]:
        """Scalars as soon as they can be, then the array that adds least to what is alive."""
        tasks = self.layout.tasks
        if len(tasks) > MOST_ORDERED:
            return tasks
        mine = {n.index for n in tasks}
        needs = {n.index: {a.index for a in self.reads[n.index]} & mine for n in tasks}
        users = {n.index: 0 for n in tasks}
        for n in tasks:
            for index in needs[n.index]:
                users[index] += 1
        waiting, order = list(tasks), []
        done: set[int] = set()
        while waiting:
            ready = [n for n in waiting if needs[n.index] <= done]
            chosen = min(ready, key=lambda n: (self._growth(n, needs, users), n.index))
            for index in needs[chosen.index]:
                users[index] -= 1
            done.add(chosen.index)
            waiting.remove(chosen)
            order.append(chosen)
        return order

    def _growth(self, node: Node, needs: dict[int, set[int]], users: dict[int, int]) -> int:
        """Bytes that making a value takes, less those that it sets free."""
        taken = nbytes(node) if node.index in self.arrays else 0
        freed = sum(
            nbytes(self.arrays[i]) for i in needs[node.index] if users[i] == 1 and i in self.arrays
        )
        return taken - freed

    def _last_uses(self) -> dict[int, int]:
        last: dict[int, int] = {}
        for time, node in enumerate(self.layout.tasks):
            last[node.index] = time
            for a in self.reads[node.index]:
                last[a.index] = time
        for condition, _ in self.program.guards:
            last[condition.index] = len(self.layout.tasks)
        return last

    # --- values in the place of others -----------------------------------------------------------

    def _groups(self) -> dict[int, list[int]]:
        """The arrays by the value that has their memory last; each overwrites the one before."""
        group: dict[int, list[int]] = {}
        home: dict[int, int] = {}
        for node in self.layout.tasks:
            if node.index not in self.arrays:
                continue
            group[node.index] = [node.index]
            operand = self._overwritten(node)
            if operand is not None:
                group[node.index] += group.pop(operand)
                self.layout.in_place.add(node.index)
            home[node.index] = node.index
        return group

    def _overwritten(self, node: Node) -> int | None:
        """An operand that is read here for the last time, each entry where the result's goes."""
        if node.op in (*REDUCTIONS, "contract", "python", "place", "view", "flat", "gather"):
            return None
        for a in self.reads[node.index]:
            mine = a.index in self.arrays and a.index not in self.fixed
            fits = mine and a.shape == node.shape and a.kind == node.kind
            dies = self.last[a.index] == self.time[node.index] and a is not self.program.output
            if fits and dies and self._entrywise(node, a):
                return a.index
        return None

    def _entrywise(self, node: Node, operand: Node) -> bool:
        """Whether the operand is reached through elementwise operations of one shape only."""
        straight: set[int] = set()
        stack = [node]
        while stack:
            top = stack.pop()
            for a in top.args:
                if a.shape == node.shape and top.op not in ("view", "place", "flat", "gather"):
                    if a.index in self.layout.memory:
                        continue
                    if a.index not in straight:
                        straight.add(a.index)
                        stack.append(a)
                elif operand.index in {r.index for r in self._reached(a)}:
                    return False
        return True

    def _reached(self, a: Node) -> Iterable[Node]:
        return [a] if a.index in self.layout.memory else used_by(self.layout, a)

    def _pieces(self) -> dict[int, int]:
        """Stored values that are pieces of the answer, with their offset in it."""
        whole = self.program.output
        if whole.op != "place" or len(whole.shape) != 1:
            return {}
        found: dict[int, int] = {}
        for number, (part, (axis,)) in enumerate(zip(whole.args, whole.params, strict=True)):
            source = part.args[0] if part.op == "flat" else part
            moves = [step for _, step in axis.terms]
            mine = source.index in self.arrays and source.index not in found
            mine = mine and source.index not in self.fixed
            if mine and moves == [1] and source.kind == "f" and self._alone(source, whole):
                found[source.index] = 8 * axis.offset
                self.layout.settled.add((whole.index, number))
        if found and _covers(whole):
            self.layout.pushed.add(whole.index)
            return found
        self.layout.settled.clear()
        return {}

    def _alone(self, source: Node, whole: Node) -> bool:
        """Whether a value keeps its own memory, as one of none that overwrite each other."""
        others = self.layout.in_place
        return source.index not in others and not any(
            source.index in self._group_of(i) for i in others
        )

    def _group_of(self, index: int) -> list[int]:
        return [a.index for a in self.reads[index]]

    # --- the workspace -------------------------------------------------------------------------

    def _share(self, groups: dict[int, list[int]]) -> None:
        """Memory from the first making to the last use of each group."""
        starts: dict[int, list[list[int]]] = {}
        for members in groups.values():
            starts.setdefault(min(self.time[i] for i in members), []).append(members)
        free, ends = _Free(), dict[int, list[tuple[int, int]]]()
        for time in range(len(self.layout.tasks)):
            for place, size in ends.pop(time - 1, ()):
                free.give(place, size)
            for members in starts.get(time, ()):
                size = max(nbytes(self.arrays[i]) for i in members)
                place = free.take(size)
                for i in members:
                    self.layout.memory[i] = self.memory("space", place, self.arrays[i].kind)
                ends.setdefault(max(self.last[i] for i in members), []).append((place, size))
        self.layout.space = free.size


def _covers(whole: Node) -> bool:
    """Whether the pieces of a vector fill it, each entry once."""
    spans = []
    for part, (axis,) in zip(whole.args, whole.params, strict=True):
        if [step for _, step in axis.terms] not in ([1], []):
            return False
        spans.append((axis.offset, axis.offset + (part.size if axis.terms else 1)))
    spans.sort()
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), whole.size]
    return starts == ends


@final
class _Free:
    """The gaps of the workspace, by offset; first fit, and neighbours join."""

    def __init__(self) -> None:
        self.size = 0
        self._gaps: list[tuple[int, int]] = []

    def take(self, want: int) -> int:
        """An offset with so many bytes; the smallest gap that is large enough."""
        fitting = [(size, start) for start, size in self._gaps if size >= want]
        if not fitting:
            return self._grown(want)
        size, start = min(fitting)
        self._gaps.remove((start, size))
        if size > want:
            self._gaps.append((start + want, size - want))
        return start

    def _grown(self, want: int) -> int:
        """At the end, from the last gap if it touches the end."""
        for start, size in self._gaps:
            if start + size == self.size:
                self._gaps.remove((start, size))
                self.size = start + want
                return start
        start, self.size = self.size, self.size + want
        return start

    def give(self, start: int, size: int) -> None:
        """Back, joined with the gaps beside it."""
        before = next((g for g in self._gaps if g[0] + g[1] == start), None)
        after = next((g for g in self._gaps if g[0] == start + size), None)
        for gap in (before, after):
            if gap is not None:
                self._gaps.remove(gap)
                start, size = min(start, gap[0]), size + gap[1]
        self._gaps.append((start, size))
