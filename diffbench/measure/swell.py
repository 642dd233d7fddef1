"""The sizes of a derivative in all representations that its method knows, and those of f.

Counting can cost more than answering, so it runs apart from every timed phase.
"""

from __future__ import annotations

from collections.abc import Mapping

from diffbench import ad
from diffbench.errors import DiffbenchError
from diffbench.method import Prepared
from diffbench.problem import Instance

__all__ = ["FIELDS", "primal_ops", "sizes"]

FIELDS = (
    "tree_ops",
    "string_length",
    "dag_nodes",
    "cse_ops",
    "graph_ops",
    "jaxpr_eqns",
    "tape_bytes",
)


def sizes(prepared: Prepared) -> dict[str, int | None]:
    """What the method says of its own expressions, by record field."""
    found: Mapping[str, int | None] = prepared.sizes()
    unknown = set(found) - set(FIELDS)
    if unknown:
        raise DiffbenchError(
            f"sizes() gave {', '.join(sorted(unknown))}; a record has {', '.join(FIELDS)}"
        )
    return {name: None if size is None else int(size) for name, size in found.items()}


def primal_ops(instance: Instance) -> int:
    """Scalar operations of f at x, counted on its evaluation trace."""
    return ad.trace(instance.f, instance.x, *instance.constants).ops()
