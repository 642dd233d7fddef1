"""CSV files of a run, there and back: every number as ``repr`` writes it, so that nothing is lost.

A text that a spreadsheet would take for a formula gets a leading apostrophe; numbers never do.
One that has apostrophes before such a sign gets one more, so that there is one way back.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from diffbench.columns import meanings
from diffbench.errors import RunError
from diffbench.records.record import Record, Sample
from diffbench.records.store import FILE, SAMPLE_KEY, TABLES, held, reading
from diffbench.study import StudyRow

__all__ = ["DICTIONARY", "FILES", "dictionary", "export", "exported", "read_csv", "safe", "unsafe"]

FILES = {"records": "records.csv", "samples": "samples.csv", "studies": "studies.csv"}
DICTIONARY = "dictionary.csv"
ENTRY = ("table", "column", "type", "unit", "meaning")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
DEFUSED = "'"
END = "\r\n"
FIRST = ", ".join(str(ord(sign)) for sign in FORMULA)


def safe(value: Any) -> Any:
    """None as empty, floats by repr, texts without the power to be a formula."""
    if isinstance(value, str):
        return f"{DEFUSED}{value}" if _formula(value) else value
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else value


def unsafe(text: str) -> str:
    """The text that ``safe`` was given."""
    return text[1:] if text.startswith(DEFUSED) and _formula(text) else text


def _formula(text: str) -> bool:
    return text.lstrip(DEFUSED).startswith(FORMULA)


# --- out ------------------------------------------------------------------------------------------


def export(folder: Path, into: Path | None = None) -> list[Path]:
    """Write all CSV files, by default beside the database; the paths written."""
    into = folder if into is None else into
    return [_write(folder, table, into / name) for table, name in FILES.items()]


def _write(folder: Path, table: str, path: Path) -> Path:
    with reading(folder) as db, path.open("w", encoding="utf-8", newline="") as file:
        names = held(db, table)
        writer = _writer(file)
        writer.writerow(names)
        fields, _ = TABLES[table]
        shown = ", ".join(_defused(name) if fields[name] is str else f'"{name}"' for name in names)
        writer.writerows(db.execute(f'SELECT {shown} FROM "{table}" ORDER BY rowid'))
    return path


def _writer(file: IO[str]) -> Any:
    """Writes rows that end with a newline: None as empty, floats by repr."""
    # csv quotes a text for the signs that end its lines: with "\n" alone a "\r" would end one, too.
    lines = SimpleNamespace(write=lambda row: file.write(f"{row[: -len(END)]}\n"))
    return csv.writer(lines, lineterminator=END)


def _defused(name: str) -> str:
    """A column of texts as ``safe`` has it, in SQL: rows by the million stay out of Python."""
    sign = f"char({ord(DEFUSED)})"
    formula = f'unicode(ltrim("{name}", {sign})) IN ({FIRST})'
    return f'CASE WHEN {formula} THEN {sign} || "{name}" ELSE "{name}" END'


def dictionary(path: Path) -> Path:
    """Write what every column of every table is: its type, unit and meaning; the path written."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = _writer(file)
        writer.writerow(ENTRY)
        writer.writerows([safe(text) for text in row] for row in _entries())
    return path


def _entries() -> Iterator[tuple[str, ...]]:
    record = meanings(Record)
    known = {
        "records": record,
        "samples": {name: record[name] for name in SAMPLE_KEY} | meanings(Sample),
        "studies": meanings(StudyRow),
    }
    for table, notes in known.items():
        fields, _ = TABLES[table]
        for name, kind in fields.items():
            meaning, unit = notes[name]
            yield table, name, kind.__name__, unit, meaning


# --- back -----------------------------------------------------------------------------------------


def exported(folder: Path) -> bool:
    """Whether a folder holds a run as CSV files and no database."""
    return (folder / FILES["records"]).is_file() and not (folder / FILE).is_file()


def read_csv(folder: Path, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and rows of one table as ``diffbench.records.store.read`` gives them.

    Raises RunError where the file is missing or is none that ``export`` wrote.
    """
    path = folder / FILES[table]
    fields, _ = TABLES[table]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names, *lines = csv.reader(file)
        kinds = [fields[name] for name in names]
        rows = [tuple(_value(*cell) for cell in zip(kinds, line, strict=True)) for line in lines]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise RunError(f"{path} is not readable as the {table} of a run: {error!r}") from error
    return names, rows


def _value(kind: type, text: str) -> Any:
    if kind is str:
        return unsafe(text)
    return kind(text) if text else None
