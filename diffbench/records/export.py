"""CSV files of a run: every number as ``repr`` writes it, so that reading it back loses nothing.

A text that a spreadsheet would take for a formula gets a leading apostrophe; numbers never do.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from diffbench.records.store import TABLES, held, reading

__all__ = ["FILES", "export", "safe"]

FILES = {"records": "records.csv", "samples": "samples.csv", "studies": "studies.csv"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
DEFUSED = "'"
FIRST = ", ".join(str(ord(sign)) for sign in FORMULA)


def safe(value: Any) -> Any:
    """None as empty, floats by repr, texts without the power to be a formula."""
    if isinstance(value, str):
        return f"{DEFUSED}{value}" if value.startswith(FORMULA) else value
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else value


def export(folder: Path) -> list[Path]:
    """Write all CSV files beside the database; the paths written."""
    return [_write(folder, table, folder / name) for table, name in FILES.items()]


def _write(folder: Path, table: str, path: Path) -> Path:
    with reading(folder) as db, path.open("w", encoding="utf-8", newline="") as file:
        names = held(db, table)
        writer = csv.writer(file, lineterminator="\n")  # None as empty, floats by repr
        writer.writerow(names)
        fields, _ = TABLES[table]
        shown = ", ".join(_defused(name) if fields[name] is str else f'"{name}"' for name in names)
        writer.writerows(db.execute(f'SELECT {shown} FROM "{table}" ORDER BY rowid'))
    return path


def _defused(name: str) -> str:
    """A column of texts as ``safe`` has it, in SQL: rows by the million stay out of Python."""
    formula = f'unicode("{name}") IN ({FIRST})'
    return f'CASE WHEN {formula} THEN char({ord(DEFUSED)}) || "{name}" ELSE "{name}" END'
