"""One run's database taken over into another's, by SQL alone: rows never pass through Python."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from diffbench.errors import RunError
from diffbench.records.record import KEY
from diffbench.records.store import RECORD, TABLES, Store, held

__all__ = ["absorb"]

CELL = tuple(name for name in KEY if name not in ("run", "machine"))
# What follows from the spread of the whole run, which a part does not know, is no content.
RENEWED = {"run", "warnings", *(name for name in RECORD if name.endswith(("_low", "_high")))}
STUDY_IS_NEW = "NOT EXISTS (SELECT 1 FROM main.meta WHERE key = 'study ' || study)"
EMPTY = {int: "NULL", float: "NULL", str: "''"}  # a field that came later than the part


def absorb(store: Store, folder: Path, run: str) -> int:
    """Take over the cells and studies of the run in ``folder``, as those of ``run``; the new cells.

    A study that is there already stays. A cell that is there already must be the same, else
    RunError is raised; so it is where the folder holds no run that this diffbench reads.
    """
    with store.beside(folder) as db:
        found = {table: _taken(db, table) for table in TABLES}
        found["records"]["run"] = "?1"
        if _shared(db, run):
            _check_same(db, folder, run, found)
        new = db.execute(_insert("records", found["records"]), (run,)).rowcount
        db.execute(_insert("samples", found["samples"]))
        db.execute(f"{_insert('studies', found['studies'])} WHERE {STUDY_IS_NEW}")
        db.execute(f"{_insert('meta', found['meta'])} WHERE key LIKE 'study %'")
        return new


def _taken(db: sqlite3.Connection, table: str) -> dict[str, str]:
    """By column, what stands for it in the part's table."""
    there = set(held(db, table, "part"))
    fields, _ = TABLES[table]
    return {name: f'p."{name}"' if name in there else EMPTY[kind] for name, kind in fields.items()}


def _insert(table: str, taken: dict[str, str]) -> str:
    values = ", ".join(taken.values())
    return f'INSERT OR IGNORE INTO main."{table}" SELECT {values} FROM part."{table}" p'


def _equal(names: Iterable[str], taken: dict[str, str]) -> str:
    return " AND ".join(f'm."{name}" IS {taken[name]}' for name in names)


def _shared(db: sqlite3.Connection, run: str) -> bool:
    """Whether the part has a cell that is there already."""
    return db.execute(f"SELECT 1 FROM {_both()} LIMIT 1", (run,)).fetchone() is not None


def _both() -> str:
    cell = " AND ".join(f'm."{name}" = p."{name}"' for name in CELL)
    return f"part.records p CROSS JOIN main.records m ON m.run = ?1 AND {cell}"


def _check_same(
    db: sqlite3.Connection, folder: Path, run: str, found: dict[str, dict[str, str]]
) -> None:
    content = _equal((name for name in RECORD if name not in RENEWED), found["records"])
    sample = _equal(found["samples"], found["samples"])
    cell = " AND ".join(f'p."{name}" = r."{name}"' for name in CELL)
    differing = (
        f"SELECT p.instance, p.operator, p.method FROM {_both()} WHERE NOT ({content})",
        f"SELECT p.instance, p.operator, p.method FROM part.samples p, main.records r "
        f"ON r.run = ?1 AND {cell} WHERE NOT EXISTS (SELECT 1 FROM main.samples m WHERE {sample})",
    )
    for query in differing:
        row = db.execute(f"{query} LIMIT 1", (run,)).fetchone()
        if row is not None:
            raise RunError(
                f"{folder} has the cell {' '.join(row)} otherwise than a run before it: a cell can "
                f"be measured once; leave one of the two out"
            )
