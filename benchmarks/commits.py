"""The commits that a dashboard measures: found by name, checked out for a moment, installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import final

from diffbench.errors import DiffbenchError

__all__ = [
    "Commit",
    "DashboardError",
    "command",
    "find",
    "forget",
    "history",
    "installed",
    "unsaved",
]

READY = "ready"  # in an environment that is complete
HASH = 8  # characters of a short hash, as in the names of asv's files


class DashboardError(DiffbenchError):
    """A dashboard that cannot be made: what was asked for, or what this machine lacks."""


@final
@dataclass(frozen=True, slots=True)
class Commit:
    """A commit by its hash, with the first line of its message."""

    hash: str
    subject: str

    @property
    def short(self) -> str:
        """The hash as it is shown."""
        return self.hash[:HASH]


def command(arguments: Sequence[str], folder: Path, what: str) -> str:
    """The output of a command; DashboardError with its last line where it fails."""
    try:
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DashboardError(f"{what}: this needs {arguments[0]}; install it") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise DashboardError(f"{what}: {said[-1] if said else f'status {done.returncode}'}")
    return done.stdout.strip()


def _git(root: Path, *arguments: str) -> str:
    return command(["git", *arguments], root, f"git {arguments[0]}")


def find(root: Path, name: str) -> Commit:
    """The commit of a hash, branch, tag or expression such as ``HEAD~1``."""
    _git(root, "rev-parse", "--git-dir")  # where this is no checkout git says it better
    try:
        found = _git(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    except DashboardError as error:
        deeper = " (this clone is shallow: git fetch --unshallow)" if _shallow(root) else ""
        raise DashboardError(
            f"there is no commit {name!r}{deeper}; try a hash, branch or tag of git log --all"
        ) from error
    if found not in _git(root, "rev-list", "--all").split():
        raise DashboardError(
            f"commit {found[:HASH]} is on no branch, and asv does not see it; "
            f"try git branch NAME {found[:HASH]}"
        )
    return Commit(found, _git(root, "show", "--no-patch", "--format=%s", found))


def _shallow(root: Path) -> bool:
    return _git(root, "rev-parse", "--is-shallow-repository") == "true"


def history(root: Path, commits: Sequence[Commit]) -> tuple[list[Commit], list[str]]:
    """Each commit once, the oldest first; and those that are not on the line of HEAD.

    asv follows first parents only, so that what was merged needs a branch of its own.
    """
    by_hash = {commit.hash: commit for commit in commits}
    order = _git(root, "rev-list", "--topo-order", "--reverse", *by_hash).split()
    line = set(_git(root, "rev-list", "--first-parent", "HEAD").split())
    found = [by_hash[name] for name in order if name in by_hash]
    return found, [commit.hash for commit in found if commit.hash not in line]


def unsaved(root: Path) -> bool:
    """Whether tracked files differ from the commit that is checked out."""
    return bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def installed(root: Path, folder: Path, commit: Commit) -> Path:
    """The interpreter of the commit's own environment, which is made where it is not complete."""
    environment = folder / "env" / commit.short
    python = environment / "bin" / "python"
    if not (environment / READY).exists():
        shutil.rmtree(environment, ignore_errors=True)
        command([sys.executable, "-m", "venv", "--without-pip", str(environment)], root, "venv")
        with _tree(root, folder / "tree" / commit.short, commit) as tree:
            _pip(python, tree, str(tree), *_pinned(tree))
        # What runs the benchmarks is that of the asv that reads them, whatever the commit pinned.
        _pip(python, root, "--no-deps", f"asv_runner=={version('asv_runner')}")
        (environment / READY).touch()
    return python


def forget(folder: Path, kept: Sequence[Commit]) -> None:
    """Remove the environments of all other commits: each takes a gigabyte."""
    names = {commit.short for commit in kept}
    for path in (folder / "env").iterdir():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path)


def _pinned(tree: Path) -> list[str]:
    constraints = tree / "constraints.txt"
    return ["--constraint", str(constraints)] if constraints.exists() else []


def _pip(python: Path, folder: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    command([*pip, "install", "--quiet", *what], folder, "pip install")


@contextmanager
def _tree(root: Path, path: Path, commit: Commit) -> Iterator[Path]:
    """The files of a commit, as a worktree of git that is gone afterwards."""
    _removed(root, path)  # what one that was killed left behind
    try:
        # By force, twice: git may remember a worktree without its folder, and lock it.
        force = ("--force", "--force")
        _git(root, "worktree", "add", "--quiet", *force, "--detach", str(path), commit.hash)
        yield path
    finally:
        _removed(root, path)


def _removed(root: Path, path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
        _git(root, "worktree", "prune")
