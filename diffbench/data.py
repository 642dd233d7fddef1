"""Data files given by a user: named by path and content, read as a table of numbers.

A selection has ``file=points.csv``; the canonical value is the absolute path and the first digits
of the content's sha256, ``/data/points.csv#9f2c01ab77d0``. So whatever carries an instance by
its name (a resumed run, a shard, a pasted command) finds the same numbers, or notices the change.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.errors import BadData

__all__ = ["ACCEPTED", "carried", "named", "read"]

Columns = tuple[int, int | None]
MOST_BYTES = 2**24
FORBIDDEN = "[]|,:#"  # they mean something else in a selection
ACCEPTED = (
    "accepted are lines of equally many finite numbers with commas between them, after at most "
    "one line of titles"
)
_NAMED = re.compile(r"(/.*)#([0-9a-f]{12})")


def named(path: str) -> str:
    """The canonical name of a file, read for its content; a canonical name stays as it is."""
    if _NAMED.fullmatch(path):
        return path
    whole = os.path.abspath(os.path.expanduser(path))
    wrong = next((c for c in whole if c in FORBIDDEN or not c.isprintable()), None)
    if wrong is not None:
        raise BadData(
            f"{whole!r} holds {wrong!r}, and a path in a selection holds none of {FORBIDDEN}; "
            f"link the file to another name: ln -s"
        )
    return f"{whole}#{_digits(_content(whole))}"


def read(name: str, columns: Columns, shelf: str | None = None) -> NDArray[np.float64]:
    """The numbers of a canonically named file, shape (rows, columns), float64.

    ``columns`` are at least and at most how many. A ``shelf`` is a folder with the files of
    another machine, each under the digits of its content. Raises BadData with file and line.
    """
    path, digits = _parts(name)
    content = _content(path if shelf is None else f"{shelf}/{digits}")
    if _digits(content) != digits:
        raise BadData(
            f"{path} has changed: its content is now #{_digits(content)}, not #{digits}; "
            f"restore it, or begin a new run with file={path}"
        )
    return _table(path, content, columns)


def carried(params: Mapping[str, Any]) -> dict[str, bytes]:
    """The content of each file among the parameters of an instance, by its digits, to travel."""
    names = [value for value in params.values() if _NAMED.fullmatch(str(value))]
    return {digits: _content(path) for path, digits in map(_parts, names)}


def _parts(name: str) -> tuple[str, str]:
    path, _, digits = name.rpartition("#")
    return path, digits


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _content(path: str) -> bytes:
    try:
        size = os.stat(path).st_size
        if size > MOST_BYTES:
            raise BadData(
                f"{path} has {size / 2**20:.1f} MiB; at most {MOST_BYTES / 2**20:.0f} are read: "
                f"give fewer lines"
            )
        return Path(path).read_bytes()
    except OSError as error:
        raise BadData(f"cannot read {path}: {error.strerror}; give the path of a CSV") from error


def _table(path: str, content: bytes, columns: Columns) -> NDArray[np.float64]:
    rows: list[list[float]] = []
    width = 0
    for line, fields in _lines(path, content):
        if not width:
            width = len(fields)
            _check_width(path, line, width, columns)
            if not any(map(_is_number, fields)):
                continue  # titles
        if len(fields) != width:
            _refuse(path, line, f"{len(fields)} instead of {width} fields")
        rows.append([_number(path, line, field) for field in fields])
    if not rows:
        raise BadData(f"{path} holds no numbers; {ACCEPTED}")
    return np.array(rows)


def _lines(path: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not blank."""
    try:
        reader = csv.reader(content.decode("utf-8-sig").splitlines(), skipinitialspace=True)
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except UnicodeDecodeError:
        raise BadData(f"{path} is no text in UTF-8; {ACCEPTED}") from None
    except csv.Error as error:
        _refuse(path, reader.line_num, str(error))


def _check_width(path: str, line: int, width: int, columns: Columns) -> None:
    least, most = columns
    if width < least or (most is not None and width > most):
        wanted = f"{least}" if least == most else f"at least {least}"
        _refuse(path, line, f"{width} column{'s' * (width != 1)} where {wanted} are needed")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field  # float takes 1_000 and digits of any script


def _number(path: str, line: int, field: str) -> float:
    if not _is_number(field):
        _refuse(path, line, f"{field!r} is no number")
    number = float(field)
    if not math.isfinite(number):
        _refuse(path, line, f"{field!r} is not finite")
    return number


def _refuse(path: str, line: int, what: str) -> None:
    raise BadData(f"{path}, line {line}: {what}; {ACCEPTED}")
