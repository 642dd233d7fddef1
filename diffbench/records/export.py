"""CSV files of a run: every number as ``repr`` writes it, so that reading it back loses nothing.

A text that a spreadsheet would take for a formula gets a leading apostrophe; numbers never do.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from diffbench.records.store import held, reading

__all__ = ["FILES", "export", "safe"]

FILES = {"records": "records.csv", "samples": "samples.csv", "studies": "studies.csv"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe(value: Any) -> Any:
    """None as empty, floats by repr, texts without the power to be a formula."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else value


def export(folder: Path) -> list[Path]:
    """Write all CSV files beside the database; the paths written."""
    return [_write(folder, table, folder / name) for table, name in FILES.items()]


def _write(folder: Path, table: str, path: Path) -> Path:
    with reading(folder) as db, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(held(db, table))
        rows = db.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
        writer.writerows([safe(value) for value in row] for row in rows)
    return path
