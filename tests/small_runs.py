"""What the tests of runs share: small profiles, and the plugin of fakes."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from diffbench import api
from diffbench.records.record import Record, Sample
from diffbench.records.store import Store
from diffbench.running import plan
from diffbench.running.executor import Executor

PLUGINS = Path(__file__).parent / "plugins"
FAKES = str(PLUGINS / "fakes.py")
BROKEN = str(PLUGINS / "broken.py")


def use_profile(monkeypatch: pytest.MonkeyPatch, studies: bool = False, **changes: Any) -> None:
    """The quick profile with other numbers, shorter samples than any real one.

    Of the studies only the shortest, for all of them take longer than a run of a few cells.
    """
    small = {"sample_s": 1e-4, "rounds": 3, "most_rounds": 3, **changes}
    row = dataclasses.replace(plan.PROFILES["quick"], **small)
    monkeypatch.setitem(plan.PROFILES, "quick", row)
    if not studies:
        due = Executor.due
        few = {"step_size"}
        monkeypatch.setattr(Executor, "due", lambda self, of: sorted(few & {*due(self, of)}))


def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out: drawing it takes longer than a run of a few cells."""
    monkeypatch.setattr(api, "report", lambda folder: Path(folder) / "report.html")


def plain_record(**facts: Any) -> Record:
    """The record of an answered cell, with these facts."""
    known = {
        "run": "r",
        "machine": "m",
        "generation": 1,
        "family": "lecture",
        "instance": "lecture[n=2]",
        "params": "{}",
        "n": 2,
        "m": 1,
        "depth": 1,
        "seed": 0,
        "operator": "gradient",
        "method": "manual",
        "claim": "exact",
        "status": "ok",
        "command": "",
    }
    return Record(**{**known, **facts})


def stored_run(folder: Path, run: str = "r", machine: str = "m", /, **seconds: float) -> Path:
    """A run of one cell a method without measuring: five generations, each call takes so long."""
    folder.mkdir()
    with Store(folder) as store:
        for method, time in seconds.items():
            samples = [
                Sample(generation=g, round=0, kind=kind, loops=1, seconds=seconds)
                for g in range(5)
                for kind, seconds in (("run", time * (1 + g / 100)), ("numpy_primal", 1e-5))
            ]
            record = plain_record(
                run=run,
                machine=machine,
                generation=5,
                method=method,
                run_s=time,
                empty_call_s=1e-8,
            )
            store.save(record, samples)
        store.finish()
    return folder


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something to become true; fail where it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether a process has ended; it may wait for somebody to take note."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def started(what: str, parent: int | None = None) -> list[psutil.Process]:
    """What a process, by default this one, and its children have started of that module."""
    found = psutil.Process(parent).children(recursive=True)
    return [child for child in found if what in _command(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has just ended, as zombies have
        return ""


# The command line in a process of its own, where Ctrl-C counts: a test in the background has it
# ignored, and so would what it starts.
INTERRUPTIBLE = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from diffbench.cli import main; main()",
]


def told(text: str) -> None:
    """Leave a figure where ``make nightly`` shows it."""
    path = os.environ.get("DIFFBENCH_FIGURES")
    if path:
        with Path(path).open("a") as file:
            file.write(f"{text}\n")
