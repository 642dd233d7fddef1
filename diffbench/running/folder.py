"""The folder of a run: begun before anything is measured, resumed for the same request only."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from diffbench.errors import DiffbenchError, RunError
from diffbench.records.run import ENVIRONMENT, PLAN, Run
from diffbench.records.store import FILE, read
from diffbench.running.plan import Request
from diffbench.running.platform import locked

__all__ = ["new_folder", "opened", "requested", "scratch", "write_facts"]

SCRATCH = ".scratch"
FORMAT = 1  # of plan.json
BEGUN = (PLAN, ENVIRONMENT, FILE, f"{FILE}-wal", f"{FILE}-shm")
NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


def _name() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def new_folder() -> Path:
    """A folder under ``runs/`` that nobody has yet."""
    return Path("runs") / _name()


@contextmanager
def opened(folder: Path, request: Request, resume: bool) -> Iterator[dict[str, Any]]:
    """The plan of a new or resumed run.

    If the body finds the request wrong (DiffbenchError) before anything was measured, what was
    begun here goes again: the right request can have the same folder. No other process can
    open the folder meanwhile.
    """
    fresh = not folder.exists()
    plan = _resumed(folder, request) if resume else _begun(folder, request)
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


def _undo(folder: Path, fresh: bool) -> None:
    for name in BEGUN:
        (folder / name).unlink(missing_ok=True)
    if fresh:
        with suppress(OSError):  # somebody else has put something there
            folder.rmdir()


def _begun(folder: Path, request: Request) -> dict[str, Any]:
    if any((folder / name).exists() for name in (PLAN, FILE)):
        raise RunError(f"{folder} holds a run already; add --resume, or take another --out")
    name = folder.name if NAME.fullmatch(folder.name) else _name()
    plan = {"format": FORMAT, "run": name, **msgspec.to_builtins(request)}
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_facts(folder / PLAN, plan)
    return plan


def requested(folder: Path) -> Request:
    """What a run was begun for; raises RunError where there is none."""
    return _request(_plan(folder), folder)


def _plan(folder: Path) -> dict[str, Any]:
    if not (folder / PLAN).is_file():
        raise RunError(f"no run in {folder} to resume (no {PLAN}); leave out --resume to begin one")
    plan = Run(folder).plan
    if not isinstance(plan.get("format"), int):
        raise RunError(f"{folder / PLAN} is damaged: it has no whole number as its format")
    if plan["format"] > FORMAT:
        raise RunError(f"{folder / PLAN} was written by a newer diffbench; upgrade it")
    return plan


def _request(plan: dict[str, Any], folder: Path) -> Request:
    try:
        found = {name: plan[name] for name in (*Request.__struct_fields__, "run")}
        found.pop("run")
        return msgspec.convert(found, Request)
    except KeyError as error:
        raise RunError(f"{folder / PLAN} is damaged: it has no {error}") from error
    except msgspec.ValidationError as error:
        raise RunError(f"{folder / PLAN} is damaged: {error}") from error


def _resumed(folder: Path, request: Request) -> dict[str, Any]:
    plan = _plan(folder)
    before = _request(plan, folder)
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


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """The system's refusals as one clear line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}; take another --out") from error


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
