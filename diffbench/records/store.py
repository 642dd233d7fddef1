"""The run's database: one transaction a cell, and what was acknowledged survives any death.

While a run writes, sqlite keeps a write-ahead log with full synchronisation; ``finish`` folds it
back, so that a finished run is a single file that any reader of sqlite opens. The columns are the
fields of the structs, in their order.
"""

from __future__ import annotations

import json
import sqlite3
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, final

import msgspec

from diffbench.errors import RunError
from diffbench.records.record import KEY, SCHEMA, Record, Sample
from diffbench.study import StudyRow

__all__ = ["SAMPLE_KEY", "Store", "columns", "read", "reading"]

FILE = "run.sqlite"
SAMPLE_KEY = ("instance", "seed", "operator", "method", "machine")
TYPES = {int: "INTEGER", float: "REAL", str: "TEXT"}

# What to do about an error of sqlite, by how its name begins.
OTHER = "take another --out"
REMEDIES = {
    "SQLITE_FULL": "what is stored is safe: free some room, then go on with --resume",
    "SQLITE_IOERR": "what is stored is safe: look after the disk, then go on with --resume",
    "SQLITE_CORRUPT": "the file is torn: --resume saves what can be read",
    "SQLITE_NOTADB": "the file is torn: --resume saves what can be read",
}


def _plain(annotation: Any) -> type:
    """int, float or str: what a field holds when it is not None."""
    if typing.get_origin(annotation) is typing.Literal:
        return str
    if isinstance(annotation, types.UnionType):
        (annotation,) = (part for part in annotation.__args__ if part is not type(None))
    return typing.cast(type, annotation)


def columns(kind: type[msgspec.Struct]) -> dict[str, type]:
    """The fields of a struct with int, float or str each."""
    hints = typing.get_type_hints(kind)
    return {name: _plain(hints[name]) for name in kind.__struct_fields__}


def _named(table: str, fields: Mapping[str, type], unique: Sequence[str]) -> str:
    body = ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in fields.items())
    return f'CREATE TABLE IF NOT EXISTS "{table}" ({body}, UNIQUE ({", ".join(unique)}))'


RECORD = columns(Record)
SAMPLE = {name: RECORD[name] for name in SAMPLE_KEY} | columns(Sample)
STUDY = columns(StudyRow)
TABLES: dict[str, tuple[dict[str, type], Sequence[str]]] = {
    "records": (RECORD, KEY),
    "samples": (SAMPLE, (*SAMPLE_KEY, "generation", "round", "kind")),
    "studies": (STUDY, ("study", "key")),
    "meta": ({"key": str, "value": str}, ("key",)),
}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """sqlite's errors as one clear line."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunError(f"{path} cannot be used: {error}; {_remedy(error)}") from error


def _remedy(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    return next((text for start, text in REMEDIES.items() if name.startswith(start)), OTHER)


@final
class Store:
    """Writes one run; use it as a context manager or call ``close``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        with _explained(self.path):
            self._db = sqlite3.connect(self.path, isolation_level=None)
            _check_version(self._db, self.path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            for name, (fields, unique) in TABLES.items():
                self._db.execute(_named(name, fields, unique))
            _check_tables(self._db, self.path)
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on return it is on the disk."""
        with _explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _upsert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        fields, _ = TABLES[table]
        marks = ", ".join("?" * len(fields))
        self._db.executemany(f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})', rows)

    def save(self, record: Record, samples: Iterable[Sample] = ()) -> None:
        """One cell in one transaction: its record, in place of an earlier one, and new samples."""
        self.save_cells([(record, samples)])

    def save_cells(self, cells: Iterable[tuple[Record, Iterable[Sample]]]) -> None:
        """The same for several cells, all in one transaction."""
        with self.transaction():
            for record, samples in cells:
                of = tuple(getattr(record, name) for name in SAMPLE_KEY)
                self._upsert("records", [msgspec.structs.astuple(record)])
                self._upsert("samples", [(*of, *msgspec.structs.astuple(row)) for row in samples])

    def save_records(self, records: Iterable[Record]) -> None:
        """Many records in one transaction."""
        with self.transaction():
            self._upsert("records", map(msgspec.structs.astuple, records))

    def save_study(self, name: str, status: str, rows: Iterable[StudyRow]) -> None:
        """All rows of one study and how it ended, in one transaction."""
        with self.transaction():
            self._db.execute('DELETE FROM "studies" WHERE study = ?', (name,))
            self._upsert("studies", map(msgspec.structs.astuple, rows))
            self._upsert("meta", [(f"study {name}", json.dumps(status))])

    def save_meta(self, key: str, value: Any) -> None:
        """One fact about the run, as JSON."""
        with self.transaction():
            self._upsert("meta", [(key, json.dumps(value))])

    def meta(self) -> dict[str, Any]:
        """All facts about the run."""
        with _explained(self.path):
            rows = self._db.execute('SELECT * FROM "meta"').fetchall()
        try:
            return {key: json.loads(value) for key, value in rows}
        except ValueError as error:
            raise RunError(f"{self.path} is damaged: {error} in its table meta") from error

    def records(self) -> list[Record]:
        """All records."""
        with _explained(self.path):
            rows = self._db.execute('SELECT * FROM "records"').fetchall()
        return [Record(**dict(zip(RECORD, row, strict=True))) for row in rows]

    def samples(self) -> Iterator[tuple[tuple[Any, ...], Sample]]:
        """(the values of SAMPLE_KEY, sample), in the order in which they were saved."""
        split = len(SAMPLE_KEY)
        names = Sample.__struct_fields__
        with _explained(self.path):
            rows = self._db.execute('SELECT * FROM "samples" ORDER BY rowid').fetchall()
        for row in rows:
            yield row[:split], Sample(**dict(zip(names, row[split:], strict=True)))

    def finish(self) -> None:
        """Fold the log back: one file in DELETE journal mode."""
        with _explained(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Release the file."""
        self._db.close()


def _check_version(db: sqlite3.Connection, path: Path) -> int:
    version: int
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise RunError(
            f"{path} was written by a newer diffbench (schema {version}, this one reads up to "
            f"{SCHEMA}); upgrade: pip install --upgrade diffbench"
        )
    return version


def _check_tables(db: sqlite3.Connection, path: Path, older: bool = False) -> None:
    """Every table must have its columns, in order; in one of an ``older`` schema some may lack."""
    for table, (fields, _) in TABLES.items():
        found = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
        expected = [name for name in fields if name in found] if older and found else list(fields)
        if found != expected:
            wrong = ", ".join(sorted(set(found) ^ set(fields))) or "order"
            why = f"has other columns ({wrong})" if found else "is missing"
            raise RunError(f"{path} is damaged or of another version: its table {table} {why}")


def read(folder: Path, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and rows of one table, opened read-only.

    Raises RunError where there is no run, it is broken, or a newer diffbench wrote it.
    """
    with reading(folder) as db:
        cursor = db.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
        return [row[0] for row in cursor.description], cursor.fetchall()


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A run's database, read-only and checked; raises as ``read`` does, for the body too."""
    path = folder / FILE
    if not path.is_file():
        raise RunError(f"no run in {folder} (no {FILE}); give the folder of a run, as runs/NAME")
    with _readable(path), closing(_open_read_only(path)) as db:
        _check_tables(db, path, older=_check_version(db, path) < SCHEMA)
        yield db


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RunError(f"{path} is not readable as a run: {error}; {_remedy(error)}") from error


def _open_read_only(path: Path) -> sqlite3.Connection:
    """Immutable where nothing can be written beside it: sqlite else wants its lock files."""
    quoted = path.resolve().as_uri()
    left = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if left.exists() else "immutable=1"
    return sqlite3.connect(f"{quoted}?{mode}", uri=True)
