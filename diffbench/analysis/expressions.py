"""The expressions of a run, read back from the rows of the study ``expressions``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import dicts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Expression", "expressions"]

NAME = "expressions"
LAST = "cse_ops"  # of the rows of a depth


@final
@dataclass
class Expression:
    """One iterate: its ``forms`` as nested lists with their operations, its derivative's nodes.

    A node is (symbol, its operands by number); operands come first, the root last.
    """

    depth: int
    forms: dict[str, tuple[Any, int]] = field(default_factory=dict)
    nodes: list[tuple[str, list[int]]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @cached_property
    def occurrences(self) -> Counter[int]:
        """How often each node occurs in the tree that repeats what is shared."""
        found = Counter({len(self.nodes) - 1: 1})
        for i in reversed(range(len(self.nodes))):
            for operand in self.nodes[i][1]:
                found[operand] += found[i]
        return found

    def tree(self) -> list[tuple[int, int | None]]:
        """(node, place of its parent in this list) of each occurrence, the root first."""
        found: list[tuple[int, int | None]] = [(len(self.nodes) - 1, None)]
        for place, (node, _) in enumerate(found):  # it grows as it is read
            found += [(operand, place) for operand in self.nodes[node][1]]
        return found


def expressions(studies: pd.DataFrame) -> list[Expression]:
    """Each iterate of a run of which all rows are there, by depth."""
    found: dict[int, Expression] = {}
    for row in dicts(studies[studies["study"] == NAME]) if len(studies) else ():
        kind, *name, depth = row["key"].split("|")
        if kind == "status":
            continue
        one = found.setdefault(int(depth), Expression(int(depth)))
        if kind == "form":
            one.forms[name[0]] = (json.loads(row["reason"]), int(row["value"]))
        elif kind == "graph":
            one.nodes = json.loads(row["reason"])
        else:
            one.sizes[kind] = int(row["value"])
    return [found[depth] for depth in sorted(found) if LAST in found[depth].sizes]
