"""The folder of a run: begun before anything is measured, resumed for the same request only."""

from __future__ import annotations

import errno
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from diffbench.errors import DiffbenchError, RunError
from diffbench.records.export import FILES
from diffbench.records.run import ENVIRONMENT, PLAN, REPORT, Run
from diffbench.records.shards import Shard, shards
from diffbench.records.store import FILE, read
from diffbench.running.plan import Request
from diffbench.running.platform import locked

__all__ = [
    "begun",
    "check_free",
    "named",
    "new_folder",
    "opened",
    "plan_of",
    "request_of",
    "requested",
    "scratch",
    "share",
    "write_facts",
]

SCRATCH = ".scratch"
FORMAT = 1  # of plan.json
BEGUN = (PLAN, ENVIRONMENT, FILE, f"{FILE}-wal", f"{FILE}-shm")
WRITTEN = (REPORT, ENVIRONMENT, *FILES.values())  # besides the plan and the database
READ = "take another --out (its records can still be read: diffbench report)"
NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


def _name() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def new_folder() -> Path:
    """A folder under ``runs/`` that nobody has yet."""
    return Path("runs") / _name()


def named(folder: Path) -> str:
    """The identity of a run that is to be in that folder."""
    return folder.name if NAME.fullmatch(folder.name) else _name()


@contextmanager
def opened(
    folder: Path, request: Request, resume: bool, shard: Shard | None = None
) -> Iterator[dict[str, Any]]:
    """The plan of a new or resumed run; with ``shard`` of that part of it.

    If the body finds the request wrong (DiffbenchError) before anything was measured, what was
    begun here goes again: the right request can have the same folder. No other process can
    open the folder meanwhile.
    """
    fresh = [path for path in (folder, folder.parent) if not path.exists()]
    plan = _resumed(folder, request) if resume else _begun(folder, request, shard)
    with locked(folder) as alone:
        if not alone:
            raise RunError(f"another diffbench is at work in {folder}; wait, or take another --out")
        try:
            yield plan
        except DiffbenchError:
            if not resume and not _measured(folder):
                _undo(folder, fresh)
            raise


def _measured(folder: Path) -> bool:
    return (folder / FILE).is_file() and bool(read(folder, "records")[1])


def _undo(folder: Path, fresh: Iterable[Path]) -> None:
    for name in BEGUN:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody else has put something there
        for path in fresh:
            path.rmdir()


def begun(folder: Path) -> None:
    """Make the folder, if it is not there; raises RunError where it cannot be."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def check_free(folder: Path, instead: str) -> None:
    """Raise RunError, with what to do instead, where a folder holds a run.

    Neither is a folder free that holds other files under the names that a run writes.
    """
    if (folder / PLAN).exists():
        raise RunError(f"{folder} holds a run already; {instead}")
    _check_planned(folder)
    for name in WRITTEN:
        if (folder / name).exists():
            raise RunError(
                f"{folder} holds {name} and no run, which would write over it; move it away, or "
                f"take another --out"
            )


def _check_planned(folder: Path) -> None:
    """What is left of a run without its plan can be read, and neither begun nor gone on with."""
    if (folder / FILE).exists() and not (folder / PLAN).exists():
        raise RunError(f"{folder} holds a run whose {PLAN} is lost; {READ}")


def _begun(folder: Path, request: Request, shard: Shard | None) -> dict[str, Any]:
    check_free(folder, "add --resume, or take another --out")
    if shard is None:
        _check_whole(folder)
    else:
        _check_beside(folder, shard)
    plan = {"format": FORMAT, "run": named(folder), **msgspec.to_builtins(request)}
    if shard is not None:
        plan["shard"] = msgspec.to_builtins(shard)
    begun(folder)
    write_facts(folder / PLAN, plan)
    return plan


def _check_whole(folder: Path) -> None:
    """A folder of shards is no place for a run that is none of them."""
    if shards(folder):
        raise RunError(
            f"{folder} holds shards and no run of its own; join them: diffbench merge {folder}, "
            f"go on with one: --shard I/K, or take another --out"
        )


def _check_beside(folder: Path, shard: Shard) -> None:
    others = [path.name for path in shards(folder.parent)]
    wrong = [name for name in others if not name.endswith(f"-of-{shard.count}")]
    if wrong:
        raise RunError(
            f"{folder.parent} holds {wrong[0]}: all shards of a run have the same K; "
            f"take another --out for {shard.count} shards"
        )


def requested(folder: Path) -> Request:
    """What a run was begun for; raises RunError where there is none."""
    return request_of(plan_of(folder), folder)


def plan_of(folder: Path) -> dict[str, Any]:
    """The plan of a run; raises RunError where there is none or it cannot be read."""
    if not (folder / PLAN).is_file():
        _check_whole(folder)
        _check_planned(folder)
        raise RunError(f"no run in {folder} to resume (no {PLAN}); leave out --resume to begin one")
    plan = Run(folder).plan
    if not isinstance(plan.get("format"), int):
        raise RunError(f"{folder / PLAN} is damaged: it has no whole number as its format; {READ}")
    if plan["format"] > FORMAT:
        raise RunError(f"{folder / PLAN} was written by a newer diffbench; upgrade it")
    return plan


def share(plan: Mapping[str, Any], folder: Path) -> Shard | None:
    """Which shard a plan is of; None for that of a whole run."""
    found: Shard | None = _read(plan.get("shard"), Shard | None, folder)
    return found


def _read(found: Any, kind: Any, folder: Path) -> Any:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise RunError(f"{folder / PLAN} is damaged: {error}; {READ}") from error


def request_of(plan: Mapping[str, Any], folder: Path) -> Request:
    """What a plan was made for; raises RunError where it does not say."""
    try:
        found = {name: plan[name] for name in (*Request.__struct_fields__, "run")}
    except KeyError as error:
        raise RunError(f"{folder / PLAN} is damaged: it has no {error}; {READ}") from error
    found.pop("run")
    request: Request = _read(found, Request, folder)
    return request


def _resumed(folder: Path, request: Request) -> dict[str, Any]:
    plan = plan_of(folder)
    before = request_of(plan, folder)
    for name in Request.__struct_fields__:
        was, now = getattr(before, name), getattr(request, name)
        if was != now:
            raise RunError(
                f"{folder} was begun with {name} {_shown(was)}, not {_shown(now)}; leave the "
                f"selection out to go on with it, or take another --out"
            )
    return plan


def _shown(value: Any) -> str:
    if value is None:
        return "as the profile has it"
    return repr(value) if not isinstance(value, tuple) else ", ".join(value) or "none"


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """JSON in one step: a reader finds the old file or the new one, never half of it."""
    draft = path.with_name(f"{path.name}.new")
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    with _writing(path.parent):
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


NO_FOLDER = {
    errno.EEXIST: "it is a file, no folder",
    errno.ENOTDIR: "a file stands where a folder has to be",
}


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """The system's refusals as one clear line."""
    try:
        yield
    except OSError as error:
        why = NO_FOLDER.get(error.errno or 0, error.strerror)
        raise RunError(f"cannot write to {folder}: {why}; take another --out") from error


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for answers and references on their way; what a dead run left goes too."""
    path = folder / SCRATCH
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
