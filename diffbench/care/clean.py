"""``diffbench clean``: what dead runs left, and runs that are no longer wanted.

Only what diffbench writes is ever removed, only from folders of runs that nobody is at work in,
and only what is there itself: no link is followed. Whoever put a file of their own into a run's
folder keeps both.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import final

from diffbench.care.folders import (
    HOME,
    entries,
    is_run,
    last_written,
    leftover,
    own,
    runs_in,
    shards,
    tree_bytes,
)
from diffbench.care.info import info
from diffbench.care.words import columns, days, size
from diffbench.errors import BadSize, RunError
from diffbench.records.run import PLAN
from diffbench.running.platform import locked

__all__ = ["Cleaning", "Kept", "Removal", "clean"]


@final
@dataclass(frozen=True, slots=True)
class Removal:
    """Something that goes: a run's folder or a leftover, its bytes, and why."""

    path: Path
    bytes: int
    why: str


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays although one might expect it to go, and why."""

    path: Path
    why: str


@final
@dataclass
class Cleaning:
    """What was removed (``done``) or would be; ``looked`` counts the runs that were looked at."""

    done: bool
    looked: int = 0
    removals: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """All that goes."""
        return sum(row.bytes for row in self.removals)

    def text(self) -> str:
        """Lines to read."""
        verb = "removed" if self.done else "would remove"
        rows = [(str(row.path), size(row.bytes), row.why) for row in self.removals]
        stays = [(str(row.path), row.why) for row in self.kept]
        total = f"{verb} {size(self.bytes)}" if rows else "nothing to remove"
        return "\n".join(
            [
                *([f"{verb}:", *columns(rows, "  ")] if rows else []),
                *(["kept:", *columns(stays, "  ")] if stays else []),
                f"{total}; runs looked at: {self.looked}",
            ]
        )


def clean(
    runs: Iterable[str | Path] = (),
    *,
    home: str | Path = HOME,
    unfinished: bool = False,
    older_than: float | None = None,
    keep: int | None = None,
    yes: bool = False,
) -> Cleaning:
    """Tidy these runs, or those in ``home``; without ``yes`` only tell what would be removed.

    What dead runs left always goes. A whole run goes where every criterion that is given chooses
    it: ``unfinished`` (not complete), ``older_than`` (last written to so many seconds ago), and
    ``keep`` (not among the newest so many of those looked at). Where the system has no locks,
    nobody can tell a run at work from a dead one.

    Raises BadSize and RunError for what makes no sense, before anything is removed.
    """
    chosen = _Criteria(unfinished, older_than, keep).checked()
    found = _named([Path(run) for run in runs]) or _all(Path(home))
    made = Cleaning(yes, len(found))
    choice = chosen.among(found)
    for folder in found:
        with ExitStack() as stack:
            if not _alone(folder, stack):
                made.kept.append(Kept(folder, "at work, or not to be opened"))
            elif folder in choice and (reason := chosen.reason(folder, made)):
                _whole(folder, reason, made)
            else:
                _leftovers(folder, made)
    return made


# --- which runs -----------------------------------------------------------------------------------


def _named(runs: Sequence[Path]) -> list[Path]:
    """These, each once; every one must be a run."""
    for folder in runs:
        if folder.is_symlink():
            target = folder.resolve()
            raise RunError(f"{folder} is a link, which clean does not follow; name {target}")
        if not is_run(folder):
            instead = f"name the runs in it: {folder}/*" if runs_in(folder) else "name runs/NAME"
            raise RunError(f"{folder} is no run, so it stays; {instead}")
    return list({folder.resolve(): folder for folder in runs}.values())


def _all(home: Path) -> list[Path]:
    if not home.is_dir():
        raise RunError(f"no folder {home} here; name the runs to clean, or go where {home} is")
    return runs_in(home)


@final
@dataclass(frozen=True, slots=True)
class _Criteria:
    unfinished: bool
    older_than: float | None
    keep: int | None

    def checked(self) -> _Criteria:
        """Itself; raises BadSize where a number makes no sense."""
        if self.older_than is not None and not (self.older_than > 0):
            raise BadSize(f"older_than must be positive seconds, got {self.older_than:g}")
        if self.keep is not None and self.keep < 0:
            raise BadSize(f"keep must not be negative, got {self.keep}; 0 keeps none")
        return self

    def among(self, folders: Sequence[Path]) -> set[Path]:
        """The runs that may go as a whole: all but the newest; none without any criterion."""
        if not self.unfinished and self.older_than is None and self.keep is None:
            return set()
        return {*sorted(folders, key=last_written, reverse=True)[self.keep or 0 :]}

    def reason(self, folder: Path, made: Cleaning) -> str:
        """Why such a run goes; empty where it stays."""
        age = time.time() - last_written(folder)
        if self.older_than is not None and not (age > self.older_than):
            return ""
        said = f"last written to {days(age)} ago"
        if not self.unfinished:
            return said
        try:
            return "" if info(folder).complete else f"unfinished, {said}"
        except RunError as error:
            made.kept.append(Kept(folder, f"nobody can tell whether it is finished: {error}"))
            return ""


def _alone(folder: Path, stack: ExitStack) -> bool:
    """Whether nobody is at work in a run or its shards; holds all of them for the stack."""
    try:
        return all(stack.enter_context(locked(f)) for f in (folder, *shards(folder).values()))
    except OSError:
        return False


# --- removing -------------------------------------------------------------------------------------


def _leftovers(folder: Path, made: Cleaning) -> None:
    for place in (folder, *shards(folder).values()):
        for entry in filter(leftover, entries(place)):
            path = Path(entry.path)
            removal = Removal(path, tree_bytes(path), "left by a run that died")
            _take(removal, partial(_delete, path), made)


def _whole(folder: Path, reason: str, made: Cleaning) -> None:
    places = [*shards(folder).values(), folder]
    mine = [Path(e.path) for place in places for e in entries(place) if own(e)]
    for stranger in _strangers(folder):
        made.kept.append(Kept(stranger, "not written by diffbench: it stays, and its folder"))
    removal = Removal(folder, sum(map(tree_bytes, mine)), reason)
    _take(removal, partial(_empty, places), made)


def _strangers(folder: Path) -> Iterator[Path]:
    parts = shards(folder).values()
    for entry in entries(folder):
        if Path(entry.path) not in parts and not own(entry):
            yield Path(entry.path)
    for part in parts:
        yield from _strangers(part)


def _take(removal: Removal, remove: Callable[[], None], made: Cleaning) -> None:
    """Remove it, if that is asked for; what the system refuses is kept."""
    try:
        if made.done:
            remove()
    except OSError as error:
        made.kept.append(Kept(removal.path, f"not all of it can be removed: {error.strerror}"))
    else:
        made.removals.append(removal)


def _empty(places: Iterable[Path]) -> None:
    """Remove what is diffbench's in each folder, and the folder if nothing else is there.

    The plan goes last: a folder that is half emptied is still known as a run.
    """
    for folder in places:
        for entry in sorted(filter(own, entries(folder)), key=lambda entry: entry.name == PLAN):
            _delete(Path(entry.path))
        if not entries(folder):
            folder.resolve().rmdir()  # the system removes no folder called "."


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
