"""What two sides must have for their comparison, in one line each where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from diffbench.errors import RunError

if TYPE_CHECKING:
    from diffbench.analysis.compare import Comparison
    from diffbench.records.run import Run

__all__ = ["check_apart", "with_cells"]

SAME = "measure the same in both (diffbench info RUN tells what was asked)"


def check_apart(before: Run, after: Run) -> None:
    """Raise RunError unless they are two runs, not one, with a machine in common."""
    ids, machines = (
        [set(run.records[name]) for run in (before, after)] for name in ("run", "machine")
    )
    if before.folder.resolve() == after.folder.resolve() or (ids[0] and ids[0] == ids[1]):
        raise RunError(
            f"{before.folder} and {after.folder} are the same run; give two, "
            "or compare two methods of one: --of METHOD --to METHOD"
        )
    if all(machines) and machines[0].isdisjoint(machines[1]):
        raise RunError(
            f"{before.folder} and {after.folder} were measured on different machines "
            f"({', '.join(sorted(machines[0]))} and {', '.join(sorted(machines[1]))}); "
            "ratios are formed within one: measure both on it"
        )


def with_cells(found: Comparison, named: Mapping[str, str] | None = None) -> Comparison:
    """The same; raises RunError where nothing could be compared, with the runs as ``named``."""
    if found.cells:
        return found
    of = sum(found.left_out.values())
    why = ", ".join(f"{n} of {of} cells: {reason}" for reason, n in found.left_out.items())
    for word, name in (named or {}).items():
        why = why.replace(word, name)
    raise RunError(
        f"{found.of} and {found.to} have no cell to compare ({why or 'none was asked for'}); "
        f"{SAME if named else 'name other --operators'}"
    )
