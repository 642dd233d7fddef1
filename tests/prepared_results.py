"""A repository of two commits with asv's results of one benchmark of each kind, made up here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commits import Commit, find
from benchmarks.dashboard import Dashboard

MACHINE = "<b>machine</b>"
SUBJECTS = ("Start", "Slow <script>alert(1)</script> down")
METHODS = ("forward", "reverse")
# Over the two commits: (seconds, low, high) of each method, and the calls of f.
SECONDS = (
    ((2e-6, 1.9e-6, 2.1e-6), (1e-6, 0.9e-6, 1.1e-6)),
    ((4e-6, 3.9e-6, 4.1e-6), (1.05e-6, 1e-6, 1.2e-6)),
)
CALLS = ((33, None), (33, 2))
FACTS = {"arch": "any", "cpu": "a processor", "machine": MACHINE}
COLUMNS = [
    "result",
    "params",
    "version",
    "started_at",
    "duration",
    "stats_ci_99_a",
    "stats_ci_99_b",
]
TIME, COUNT = "derivatives.Cells.time_derivative", "derivatives.Records.track_calls_f"
PARAMS = [["'lecture[n=16]'"], [repr(name) for name in METHODS]]


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(root: Path, subject: str, **files: str) -> Commit:
    for name, text in files.items():
        (root / f"{name}.txt").write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", subject)
    return find(root, "HEAD")


def repository(root: Path, settings: Mapping[str, Any]) -> list[Commit]:
    """Two commits in ``root``, with the configuration of asv."""
    git(root, "init", "--quiet", "--initial-branch", "main")
    (root / ".gitignore").write_text(".asv/\n")
    (root / "asv.conf.json").write_text(json.dumps(dict(settings)))
    return [commit(root, subject, text=subject) for subject in SUBJECTS]


def dashboard(root: Path) -> Dashboard:
    return Dashboard(root, root / ".asv", machine=MACHINE.translate({ord("/"): "_"}))


def write_results(board: Dashboard, commits: Sequence[Commit]) -> None:
    """What asv would have left: its list of benchmarks, the machine, and a file a commit."""
    results = board.folder / "results"
    machine = results / board.machine
    machine.mkdir(parents=True)
    _write(
        results / "benchmarks.json",
        {TIME: _listed(TIME, "time", "seconds"), COUNT: _listed(COUNT, "track", "calls")},
    )
    _write(machine / "machine.json", FACTS | {"machine": board.machine}, version=1)
    for place, made in enumerate(commits):
        _write(machine / f"{made.hash[:8]}-existing-x.json", _saved(place, made, board.machine))


def _listed(name: str, kind: str, unit: str) -> dict[str, Any]:
    title = {"time": "Time of one derivative", "track": "Calls of f"}[kind]
    return {
        "code": "",
        "name": name,
        "pretty_name": title,
        "param_names": ["instance", "method"],
        "params": PARAMS,
        "timeout": 60.0,
        "type": kind,
        "unit": unit,
        "version": "1",
    }


def _saved(place: int, made: Commit, machine: str) -> dict[str, Any]:
    seconds, low, high = (list(column) for column in zip(*SECONDS[place], strict=True))
    return {
        "commit_hash": made.hash,
        "env_name": "existing-x",
        "date": 1_700_000_000_000 + place,
        "params": FACTS | {"machine": machine, "python": "3.11"},
        "python": "3.11",
        "requirements": {},
        "env_vars": {},
        "result_columns": COLUMNS,
        "durations": {},
        "results": {
            TIME: [seconds, PARAMS, "1", 1, 1.0, low, high],
            COUNT: [list(CALLS[place]), PARAMS, "1", 1, 1.0],
            "gone.track_gone": [[1.0], [["'x'"]], "1"],
        },
    }


def _write(path: Path, data: Mapping[str, Any], version: int = 2) -> None:
    path.write_text(json.dumps({**data, "version": version}))
