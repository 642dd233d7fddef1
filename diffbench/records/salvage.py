"""A torn database: what can still be read of it, put into a new one.

A file is torn by a failing disk or a copy that was cut short, not by the death of a run. What is
unreadable is made again by ``--resume``; the torn file is kept beside the new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from diffbench.records.record import Record, Sample
from diffbench.records.store import FILE, RECORD, SAMPLE, SAMPLE_KEY, Store

__all__ = ["TORN", "salvage", "torn"]

TORN = f"{FILE}.torn"
LOGS = ("-wal", "-shm")
Row = dict[str, Any]


def torn(folder: Path) -> bool:
    """Whether the database of a run is there and damaged."""
    path = folder / FILE
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with closing(sqlite3.connect(path)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError:  # locked, or no permission: whoever opens it will tell
        return False
    except sqlite3.DatabaseError:
        return True


def salvage(folder: Path, run: str) -> int:
    """Begin a new database with every whole cell of that run in the torn one; how many those are.

    A cell that was timed is whole with all its samples; what a study left is made again.
    """
    old = _set_aside(folder)
    found = (_record(row) for row in _readable(old, "records", RECORD) if _written(row))
    records = [record for record in found if record and record.run == run]
    samples: dict[tuple[Any, ...], list[Sample]] = {}
    for row in _readable(old, "samples", SAMPLE):
        if sample := _sample(row):
            samples.setdefault(tuple(row[name] for name in SAMPLE_KEY), []).append(sample)
    kept = 0
    with Store(folder) as store:
        for record in {record.key: record for record in records}.values():
            mine = samples.get(tuple(getattr(record, name) for name in SAMPLE_KEY), [])
            if _whole(record, mine):
                store.save(record, mine)
                kept += 1
    return kept


def _set_aside(folder: Path) -> Path:
    """The torn file under a name that nobody has yet; its log holds nothing that is safe."""
    number = next(k for k in range(1, 1000) if not (folder / f"{TORN}{k}").exists())
    for end in LOGS:
        (folder / f"{FILE}{end}").unlink(missing_ok=True)
    return (folder / FILE).rename(folder / f"{TORN}{number}")


def _readable(path: Path, table: str, fields: Iterable[str]) -> Iterator[Row]:
    """Rows from the front as far as they can be read, then from the back."""
    names = ", ".join(f'"{name}"' for name in fields)
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error), closing(_opened(path)) as db:
            for row in db.execute(f'SELECT {names} FROM "{table}" ORDER BY rowid {order}'):
                yield dict(zip(fields, row, strict=True))


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    db.execute("PRAGMA writable_schema = ON")  # else a file that is too short is refused
    return db


def _written(row: Row) -> bool:
    """Whether it is what was written: pages that are gone read as zeros."""
    return not any(isinstance(value, str) and "\0" in value for value in row.values())


def _record(row: Row) -> Record | None:
    with suppress(msgspec.ValidationError):
        return msgspec.convert(row, Record)
    return None


def _sample(row: Row) -> Sample | None:
    with suppress(msgspec.ValidationError):
        return msgspec.convert({name: row[name] for name in Sample.__struct_fields__}, Sample)
    return None


def _whole(record: Record, samples: Iterable[Sample]) -> bool:
    found = {(s.generation, s.round) for s in samples if s.kind == "run"}
    return len(found) == (record.samples or 0)
