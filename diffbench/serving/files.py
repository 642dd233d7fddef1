"""Which files of a run a served page may give: those that a run writes for readers, no others."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

__all__ = ["TYPES", "found"]

# By the end of the name; the database and what a run scribbles have none of these.
TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".svg": "image/svg+xml",
    ".tex": "text/x-tex; charset=utf-8",
}
# Segments that begin with a letter, a digit or a line: no dots first, no empty ones.
PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.+ -]*)+")


def found(root: Path, target: str) -> Path | None:
    """The file that the target of a request names, or None.

    It lies within ``root`` whatever links there are, and its name ends as in TYPES.
    """
    try:
        name = unquote(target.partition("?")[0], errors="strict")
        if not PATH.fullmatch(name):
            return None
        path = (root / name[1:]).resolve(strict=True)
    except (OSError, ValueError):
        return None
    inside = path.is_relative_to(root.resolve()) and path.is_file()
    return path if inside and path.suffix in TYPES else None
