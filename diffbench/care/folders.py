"""Folders of runs: which is one, what in it is diffbench's own, how large and old it is.

Symbolic links are never followed: what they point to belongs to somebody else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from diffbench.errors import RunError
from diffbench.records.export import FILES
from diffbench.records.run import (
    ENVIRONMENT,
    EXPORTS,
    FORMATS,
    PLAN,
    REPORTS,
    TWO_EXPORTS,
    TWO_RUNS,
    Run,
)
from diffbench.records.salvage import TORN
from diffbench.records.store import FILE, reading
from diffbench.running.folder import SCRATCH
from diffbench.running.platform import locked

__all__ = [
    "HOME",
    "WRITTEN",
    "at_work",
    "entries",
    "is_folder",
    "is_run",
    "last_written",
    "leftover",
    "own",
    "runs_in",
    "shards",
    "tree_bytes",
]

HOME = Path("runs")
DRAFTS = tuple(f"{name}.new" for name in (PLAN, ENVIRONMENT))
SHARED = f"{FILE}-shm"  # what reads the log writes to this, too
LOGS = (f"{FILE}-wal", f"{FILE}-journal", SHARED)
SHOWN = (*REPORTS.values(), TWO_RUNS)
EXPORTED = (*EXPORTS.values(), TWO_EXPORTS)
WRITTEN = frozenset({PLAN, ENVIRONMENT, FILE, *SHOWN, *LOGS, *DRAFTS, *FILES.values()})
SHARD = re.compile(r"shard-(\d+)-of-(\d+)")


def is_run(folder: Path) -> bool:
    """Whether diffbench began a run there: a plan or a database of its own, or shards."""
    return folder.is_dir() and (_planned(folder) or _stored(folder) or bool(shards(folder)))


def _planned(folder: Path) -> bool:
    try:
        return {"format", "run"} <= Run(folder).plan.keys()
    except RunError:
        return False


def _stored(folder: Path) -> bool:
    try:
        with reading(folder):
            return True
    except RunError:
        return False


def runs_in(home: Path) -> list[Path]:
    """The runs that lie directly in a folder, by name."""
    return [Path(e.path) for e in entries(home) if is_folder(e) and is_run(Path(e.path))]


def shards(folder: Path) -> dict[tuple[int, int], Path]:
    """The shards of a run by (which, of how many), those that are runs themselves."""
    found = {}
    for entry in entries(folder):
        name = SHARD.fullmatch(entry.name)
        if name and is_folder(entry) and is_run(Path(entry.path)):
            found[int(name[1]), int(name[2])] = Path(entry.path)
    return dict(sorted(found.items()))


def own(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a run's folder was written by diffbench; shards apart."""
    if entry.name == SCRATCH:
        return is_folder(entry)
    if entry.name in EXPORTED:
        return is_folder(entry) and {e.name for e in entries(Path(entry.path))} <= {*FORMATS}
    known = entry.name in WRITTEN or entry.name.startswith(TORN)
    return known and entry.is_file(follow_symlinks=False)


def leftover(entry: os.DirEntry[str]) -> bool:
    """Whether it is of no use once nobody is at work."""
    return own(entry) and entry.name in (SCRATCH, *DRAFTS)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """A real one, no link to one."""
    return entry.is_dir(follow_symlinks=False)


def at_work(folder: Path) -> bool | None:
    """Whether a process holds the run; None where that cannot be seen."""
    try:
        with locked(folder) as alone:
            return not alone
    except OSError:
        return None


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, by name; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def tree_bytes(path: Path) -> int:
    """The size of a file, or of all files below a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(tree_bytes(Path(entry.path)) for entry in entries(path))


def last_written(folder: Path) -> float:
    """When diffbench last wrote to a run or one of its shards, seconds since 1970."""
    return max(_times(folder), default=0.0)


def _times(folder: Path) -> Iterator[float]:
    for entry in entries(folder):
        if own(entry) and entry.name != SHARED:
            yield entry.stat(follow_symlinks=False).st_mtime
    for shard in shards(folder).values():
        yield from _times(shard)
