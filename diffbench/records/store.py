"""The run's database: one transaction a cell, and what was acknowledged survives any death.

While a run writes, sqlite keeps a write-ahead log with full synchronisation (where the disk is
another machine's, which cannot share its memory: a rollback journal); ``finish`` folds it back, so
that a finished run is a single file that any reader of sqlite opens. The columns are the fields of
the structs, in their order.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import sqlite3
import time
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, final

import msgspec

from diffbench.errors import RunError
from diffbench.records.record import KEY, SCHEMA, Record, Sample
from diffbench.records.shards import shards
from diffbench.running.platform import local
from diffbench.study import StudyRow

__all__ = ["SAMPLE_KEY", "Store", "columns", "held", "read", "reading", "stamp"]

FILE = "run.sqlite"
SAMPLE_KEY = ("instance", "seed", "operator", "method", "machine")
TYPES = {int: "INTEGER", float: "REAL", str: "TEXT"}
READERS_S = 5.0  # a reader, as `diffbench serve`, has each table for less than a second
CACHE_KIB = 2**18  # for a draft: an index of millions of rows is filled in no order

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
KINDS = typing.get_args(typing.get_type_hints(Sample)["kind"])
ORDER = (*SAMPLE_KEY, "generation", "round", "kind")
TABLES: dict[str, tuple[dict[str, type], Sequence[str]]] = {
    "records": (RECORD, KEY),
    "samples": (SAMPLE, ORDER),
    "studies": (STUDY, ("study", "key")),
    "meta": ({"key": str, "value": str}, ("key",)),
}


LAST = "SELECT " + ", ".join(f'(SELECT MAX(rowid) FROM "{name}")' for name in TABLES)


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
    """Writes one run; use it as a context manager or call ``close``.

    A ``draft`` is fast and survives nothing: whoever makes one throws it away after a failure, and
    has it whole on the disk after ``finish``.
    """

    def __init__(self, folder: Path, draft: bool = False) -> None:
        self.path = folder / FILE
        log = "WAL" if local(folder) else "DELETE"
        with _explained(self.path):
            self._db = sqlite3.connect(_address(self.path), uri=True, isolation_level=None)
            _check_version(self._db, self.path)
            self._db.execute(f"PRAGMA journal_mode = {'OFF' if draft else log}")
            self._db.execute(f"PRAGMA synchronous = {'OFF' if draft else 'FULL'}")
            if draft:
                self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        with self.transaction():  # a run that is killed here leaves all tables or none
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
        """Many cells in one transaction."""
        with self.transaction():
            for record, samples in cells:
                of = tuple(getattr(record, name) for name in SAMPLE_KEY)
                self._upsert("records", [msgspec.structs.astuple(record)])
                self._upsert("samples", [(*of, *msgspec.structs.astuple(row)) for row in samples])

    def renew(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """New values of these fields of many records in one transaction, each row with its rowid.

        The rows may come from ``cells`` while they are taken: no key changes and no row moves.
        """
        given = ", ".join(f'"{name}" = ?' for name in names)
        with self.transaction():
            self._db.executemany(f'UPDATE "records" SET {given} WHERE rowid = ?', rows)

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
        with _explained(self.path):
            found = self._db.execute('SELECT * FROM "samples" ORDER BY rowid').fetchall()
        return map(_sample, found)

    def sampled(self, kinds: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], list[Sample]]]:
        """(the values of SAMPLE_KEY, its samples of these kinds) of one cell after another.

        They come in the order of the key, and never are more than one cell's in memory.
        """
        marks = ", ".join("?" * len(kinds))
        wanted = f'SELECT * FROM "samples" WHERE kind IN ({marks}) ORDER BY {", ".join(ORDER)}'
        with _explained(self.path):
            found = map(_sample, self._db.execute(wanted, kinds))
            for of, rows in itertools.groupby(found, key=operator.itemgetter(0)):
                yield of, [sample for _, sample in rows]

    def cells(self) -> Iterator[tuple[int, Record, list[Sample]]]:
        """(number of its row, record, samples) of one sampled cell after another."""
        given = " AND ".join(f'"{name}" = ?' for name in SAMPLE_KEY)
        wanted = f'SELECT rowid, * FROM "records" WHERE run = ? AND {given}'
        first = self._db.execute('SELECT run FROM "records" LIMIT 1').fetchone()
        for of, samples in self.sampled(KINDS):
            row = self._db.execute(wanted, (*first, *of)).fetchone()
            yield row[0], Record(**dict(zip(RECORD, row[1:], strict=True))), samples

    def machines(self) -> list[str]:
        """Those that measured."""
        with _explained(self.path):
            return [row[0] for row in self._db.execute('SELECT DISTINCT machine FROM "records"')]

    @contextmanager
    def beside(self, folder: Path) -> Iterator[sqlite3.Connection]:
        """The connection with the database of another run attached, read only, as ``part``.

        What is done inside is one transaction. Raises RunError where there is no run, it is none
        that this diffbench reads, or one of the two fails; the store is then of no more use.
        """
        path = _found(folder)
        with _readable(path):
            self._db.execute("ATTACH ? AS part", (_address(path, _mode(path)),))
            _check_tables(self._db, path, _check_version(self._db, path, "part"), "part")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
            self._db.execute("DETACH part")
        except sqlite3.Error as error:
            raise RunError(f"{path} cannot be joined into {self.path.parent}: {error}") from error

    def finish(self) -> None:
        """Fold the log back: one file in DELETE journal mode, and on the disk.

        Beside somebody who reads and does not end, the log stays: the two files are as good.
        """
        with _explained(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            until = time.monotonic() + READERS_S
            while self._log_is_read() and time.monotonic() < until:
                time.sleep(0.05)  # here sqlite does not wait by itself
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _log_is_read(self) -> bool:
        """Take the journal mode of a finished run; whether a reader keeps it from that."""
        try:
            self._db.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY":
                raise
            return True
        return False

    def close(self) -> None:
        """Release the file."""
        self._db.close()


def _sample(row: tuple[Any, ...]) -> tuple[tuple[Any, ...], Sample]:
    split = len(SAMPLE_KEY)
    fields = zip(Sample.__struct_fields__, row[split:], strict=True)
    return row[:split], Sample(**dict(fields))


def _check_version(db: sqlite3.Connection, path: Path, schema: str = "main") -> int:
    """The version of a database, which is not newer than this diffbench."""
    version: int
    (version,) = db.execute(f"PRAGMA {schema}.user_version").fetchone()
    if version > SCHEMA:
        raise RunError(
            f"{path} was written by a newer diffbench (schema {version}, this one reads up to "
            f"{SCHEMA}); upgrade: pip install --upgrade diffbench"
        )
    return version


def _check_tables(
    db: sqlite3.Connection, path: Path, version: int = SCHEMA, schema: str = "main"
) -> None:
    """Every table must have its columns, in order; in one of an older schema some may lack."""
    older = version < SCHEMA
    for table, (fields, _) in TABLES.items():
        found = held(db, table, schema)
        expected = [name for name in fields if name in found] if older and found else list(fields)
        if found != expected:
            wrong = ", ".join(sorted(set(found) ^ set(fields))) or "order"
            why = f"has other columns ({wrong})" if found else "is missing"
            raise RunError(f"{path} is damaged or of another version: its table {table} {why}")


def held(db: sqlite3.Connection, table: str, schema: str = "main") -> list[str]:
    """The columns of a table as they stand in a database."""
    return [row[1] for row in db.execute(f'PRAGMA {schema}.table_info("{table}")')]


def read(folder: Path, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and rows of one table, opened read-only.

    Raises RunError where there is no run, it is broken, or a newer diffbench wrote it.
    """
    with reading(folder) as db:
        return held(db, table), db.execute(f'SELECT * FROM "{table}" ORDER BY rowid').fetchall()


def stamp(folder: Path) -> str:
    """A text that changes with what can be read of a run; cheap whatever its size.

    Raises RunError where there is no run; one that cannot be read yet has a stamp, too.
    """
    path = _found(folder)
    facts = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(FileNotFoundError):
            at = file.stat()
            facts += [at.st_size, at.st_mtime_ns]
    # What is being written is in the log before anybody can read it: the files alone say too early.
    with suppress(RunError), reading(folder) as db:
        facts += [last or 0 for last in db.execute(LAST).fetchone()]
    return "-".join(f"{fact:x}" for fact in facts)


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads a run; raises as ``read``."""
    path = _found(folder)
    with _readable(path), closing(_open_read_only(path)) as db:
        if not db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            raise RunError(f"{path} is empty: its run was ended before it held anything")
        _check_tables(db, path, _check_version(db, path))
        yield db


def _found(folder: Path) -> Path:
    """The database of a run; raises RunError where there is none."""
    path = folder / FILE
    if not path.is_file():
        raise RunError(f"no run in {folder} (no {FILE}); {instead(folder)}")
    return path


def instead(folder: Path) -> str:
    """What to type where a folder is no run: the newest that lies in it, if any."""
    if shards(folder):
        return f"join its shards first: diffbench merge {folder}"
    inside = sorted(folder.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    newest = next(filter(_is_read, (path.parent for path in inside)), None)
    return "give the folder of a run, as runs/NAME" if newest is None else f"try {newest}"


def _is_read(folder: Path) -> bool:
    with suppress(RunError), reading(folder):
        return True
    return False


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RunError(f"{path} is not readable as a run: {error}; {_remedy(error)}") from error


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(_address(path, _mode(path)), uri=True)


def _mode(path: Path) -> str:
    """Immutable where nothing can be written beside it: sqlite else wants its lock files."""
    left = path.with_name(f"{path.name}-wal")
    return "mode=ro" if left.exists() else "immutable=1"


def _address(path: Path, mode: str = "mode=rwc") -> str:
    return f"{path.resolve().as_uri()}?{mode}"
