"""Joins the shards of a run, or several runs of one request, into one run.

The joined database is made aside and takes its place when it is whole: a merge that dies leaves
nothing that could be taken for a run. Its memory does not grow with the number of cells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import msgspec

from diffbench.errors import RunError
from diffbench.records.environment import MIXED, differences, lasting, parts, together
from diffbench.records.joining import absorb
from diffbench.records.run import ENVIRONMENT, PLAN, Run, load
from diffbench.records.shards import Shard, shards
from diffbench.records.store import FILE, Store, reading
from diffbench.running.executor import Progress
from diffbench.running.folder import (
    begun,
    check_free,
    named,
    plan_of,
    request_of,
    scratch,
    share,
    write_facts,
)
from diffbench.running.platform import locked
from diffbench.running.refresh import refresh

__all__ = ["merge"]

RENEWING, EXPORTING = "intervals", "CSV files and report"  # as progress tells
SHOWN = 5  # missing shards by number
RESOLVED = ("instances", "variants", "studies")  # of a plan: what its selections came to
Tell = Callable[[Progress], None]


def merge(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    partial: bool = False,
    mixed: bool = False,
    report: bool = True,
    progress: Tell | None = None,
) -> Run:
    """Join runs into one in the folder ``out``; the joined run.

    Each path is the folder of a run, or one that holds shards; where it is one of shards alone,
    ``out`` may be left out and is that folder. With ``partial`` shards and cells may be missing:
    the joined run can be resumed. With ``mixed`` the environments may differ, and the joined run
    is marked. ``report`` says whether to write the report.

    Raises RunError where a part cannot be read or is at work, where parts do not belong together,
    where a cell stands in two of them with different content, and where ``out`` holds a run.
    """
    target = _target(paths, out)
    folders = _folders(paths, partial)
    first, cells = _checked(folders, partial)
    environment = _environment(folders, mixed)
    run, tell = named(target), _Counting(cells, progress or (lambda p: None))
    with _place(target), scratch(target) as room:
        with Store(room, draft=True) as store:
            joined = _join(store, folders, run, tell)
            if not partial:
                _check_cells(first, joined)
            if environment.get(MIXED):
                store.save_meta(MIXED, True)
            tell(joined, RENEWING)
            refresh(store)
            store.finish()
        write_facts(target / ENVIRONMENT, environment)
        write_facts(target / PLAN, _plan(first, run))
        (room / FILE).replace(target / FILE)
        tell(cells, EXPORTING)
        _shown(target, report)
    return load(target)


def _folders(paths: Sequence[str | Path], partial: bool) -> list[Path]:
    """The shards of folders that hold some, else the folders; of a part, those with anything."""
    found = [folder for path in paths for folder in shards(Path(path)) or [Path(path)]]
    begun = [folder for folder in found if (folder / FILE).exists()]
    return begun if partial and begun else found


def _target(paths: Sequence[str | Path], out: str | Path | None) -> Path:
    """Where the joined run goes, which must be free."""
    alone = len(paths) == 1
    if alone and not shards(Path(paths[0])):
        raise RunError(
            f"{paths[0]} holds no shards (folders like shard-1-of-4); give the folder that does, "
            f"or several runs"
        )
    if out is None and not alone:
        raise RunError("several runs are joined into a new folder: add --out DIR")
    target = Path(paths[0] if out is None else out)
    check_free(target, "join into another folder: --out DIR")
    return target


@contextmanager
def _place(folder: Path) -> Iterator[None]:
    """A folder for this process alone; one that stays empty goes again."""
    begun(folder)
    try:
        with _alone(folder):
            yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _shown(folder: Path, report: bool) -> None:
    from diffbench import api
    from diffbench.records.export import export

    export(folder)
    if report:
        api.report(folder)


# --- what belongs together ------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """One run to be joined, as its folder tells; ``cells`` are those that it holds."""

    folder: Path
    plan: dict[str, Any]
    shard: Shard | None
    cells: int

    @classmethod
    def of(cls, folder: Path) -> _Part:
        """Read it; raises RunError where it is at work, or no run that can be read."""
        if folder.is_dir():
            with _alone(folder), reading(folder) as db:
                (cells,) = db.execute('SELECT COUNT(*) FROM "records"').fetchone()
                plan = plan_of(folder)
            return cls(folder, plan, share(plan, folder), cells)
        raise RunError(f"there is no folder {folder}; give folders of runs or shards")

    @property
    def asked(self) -> dict[str, Any]:
        """What parts of one run have in common."""
        request = msgspec.structs.asdict(request_of(self.plan, self.folder))
        return {**request, **{name: self.plan.get(name) for name in RESOLVED}}


def _checked(folders: Sequence[Path], partial: bool) -> tuple[_Part, int]:
    """(the first part, the cells of all); raises RunError where they do not make up one run."""
    first, numbers, cells = _Part.of(folders[0]), set[int](), 0
    for folder in folders:
        part = _Part.of(folder)
        _check_alike(first, part)
        if not partial:
            _check_finished(part)
        numbers.add(part.shard.index if part.shard else 0)
        cells += part.cells
    if not partial and 0 not in numbers:
        _check_shards(first, numbers)
    return first, cells


def _check_alike(first: _Part, part: _Part) -> None:
    asked = part.asked
    wrong = next((name for name, was in first.asked.items() if asked[name] != was), None)
    if wrong is not None:
        raise RunError(
            f"{part.folder} was begun with other {wrong} than {first.folder}: they are parts of "
            f"different runs"
        )
    if first.shard and part.shard and first.shard.count != part.shard.count:
        raise RunError(
            f"{part.folder} is one of {part.shard.count} shards, but {first.folder} one of "
            f"{first.shard.count}: they are parts of different runs"
        )


def _check_finished(part: _Part) -> None:
    wanted = part.plan.get("cells")
    if part.shard and (wanted is None or part.cells < wanted):
        number = f"{part.shard.index}/{part.shard.count}"
        raise RunError(
            f"{part.folder} is not finished: it has {part.cells} of {wanted or 'its'} cells; add "
            f"--partial, or go on with it: "
            f"diffbench run --out {part.folder.parent} --shard {number} --resume"
        )


def _check_shards(first: _Part, numbers: set[int]) -> None:
    count = first.shard.count if first.shard else 0
    missing = sorted({*range(1, count + 1)} - numbers)
    if missing:
        shown = ", ".join(map(str, missing[:SHOWN])) + ", ..." * (len(missing) > SHOWN)
        raise RunError(
            f"of {count} shards there is none of number {shown}; make each with the options of the "
            f"others and --shard {missing[0]}/{count}, or add --partial"
        )


def _check_cells(first: _Part, cells: int) -> None:
    wanted = first.plan.get("cells_of_run")
    if wanted is None or cells < wanted:
        raise RunError(f"{cells} of {wanted or 'all'} cells are there; add --partial")


def _environment(folders: Sequence[Path], mixed: bool) -> dict[str, Any]:
    """The environment of all parts; raises RunError where they differ and may not."""
    found = together(part for folder in folders for part in _measured_in(folder))
    if found.get(MIXED) and not mixed:
        (first, before), (other, now), *_ = parts(found, "")
        raise RunError(
            f"{other[0]} was measured in another environment than {first[0]}: "
            f"{'; '.join(differences(before, now))}; add --mixed to join them all the same"
        )
    return found


def _measured_in(folder: Path) -> Iterator[tuple[list[str], dict[str, Any]]]:
    facts = Run(folder).environment
    return parts(lasting(facts), folder.name)


# --- joining --------------------------------------------------------------------------------------


@final
class _Counting:
    """Tells how many cells are joined."""

    def __init__(self, total: int, tell: Tell) -> None:
        self._total, self._tell, self._began = total, tell, time.monotonic()

    def __call__(self, done: int, now: str) -> None:
        """So many are."""
        self._tell(Progress(done, done, self._total, now, time.monotonic() - self._began))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder; raises RunError where another process does."""
    with locked(folder) as alone:
        if not alone:
            raise RunError(f"another diffbench is at work in {folder}; wait until it is done")
        yield


def _join(store: Store, folders: Sequence[Path], run: str, tell: _Counting) -> int:
    """Fill the store with all parts; the cells in it."""
    done = 0
    for folder in folders:
        tell(done, folder.name)
        with _alone(folder):
            done += absorb(store, folder, run)
    return done


def _plan(first: _Part, run: str) -> dict[str, Any]:
    """The plan of the joined run: that of its parts, for all cells."""
    plan = {name: fact for name, fact in first.plan.items() if name not in ("shard", "cells")}
    cells = first.plan.get("cells_of_run")
    return {**plan, "run": run, **({} if cells is None else {"cells": cells})}
