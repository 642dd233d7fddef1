"""A run on a dask cluster: real processes, one of them killed; and, with fakes, what goes where."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_runs import FAKES, started, use_profile, without_report

import diffbench
from diffbench.errors import DiffbenchError, RunError
from diffbench.running import crew
from diffbench.running.executor import Executor, Progress
from diffbench.running.platform import machine_turn

KEY = ["instance", "operator", "method"]
SAMPLE_KEY = [*KEY, "generation", "round", "kind"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No studies either: they are as in a local run, and take longer than all the rest."""
    use_profile(monkeypatch)
    without_report(monkeypatch)
    monkeypatch.setattr(Executor, "due", lambda self, studies: [])


# --- real processes -------------------------------------------------------------------------


@contextmanager
def dask(*arguments: str) -> Iterator[psutil.Popen]:
    command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = psutil.Popen(command, **quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(true: Callable[[], Any], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(true())


@contextmanager
def running_cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[psutil.Popen]]]:
    """(the scheduler's address, the dask workers)."""
    place = folder / "scheduler.json"
    with dask("scheduler", "--port", "0", "--scheduler-file", str(place)):
        assert wait_for(lambda: place.exists() and place.read_text().endswith("}"), 60)
        address = json.loads(place.read_text())["address"]
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder / "scratch"))
        with dask("worker", address, *options) as one:
            if workers == 1:
                yield address, [one]
                return
            with dask("worker", address, *options) as two:
                yield address, [one, two]


def measuring(parent: psutil.Process) -> list[psutil.Process]:
    """What it has started of ours."""
    return started("diffbench.running", parent.pid)


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_worker_killed_midway_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "problems": "cubes,lecture[n=2|4]",
        "methods": "witness,segfaults,raises,manual,reverse",
        "operators": "gradient",
        "profile": "quick",
        "plugins": [FAKES],
    }
    place = tmp_path / "witness"
    monkeypatch.setenv("DIFFBENCH_TEST_WITNESS", str(place))
    children: list[psutil.Process] = []
    with running_cluster(tmp_path, workers=2) as (address, workers):

        def kill(seen: Progress) -> None:
            if not children and place.exists() and place.read_text().endswith("\n"):
                (victim,) = [w for w in workers if w.pid == int(place.read_text())]
                children.extend(measuring(victim))
                victim.send_signal(signal.SIGKILL)

        made = diffbench.run(
            **asked, out=tmp_path / "run", executor="dask", scheduler=address, progress=kill
        )
        assert len(children) > 2  # the supervisor, the reference and methods
        assert wait_for(lambda: not any(map(lives, children)), 5)
        (left,) = [w for w in workers if lives(w)]
        assert wait_for(lambda: not measuring(left), 5)
    local = diffbench.run(**asked, out=tmp_path / "local").records.set_index(KEY)
    found = made.records.set_index(KEY)
    assert found.index.is_unique
    assert set(found.index) == set(local.index)
    assert len(found) == 4 * 5
    for field in ("status", "verdict", "claim", "calls_f", "n", "command"):
        assert found[field].equals(local[field].loc[found.index]), field
    assert "SIGSEGV" in found.reason["cubes[n=2]", "gradient", "segfaults"]
    assert set(found.status) == {"ok", "crashed", "failed"}
    assert found.attempt.value_counts().to_dict() == {1: 15, 2: 5}  # one block was lost
    assert not made.samples.duplicated(SAMPLE_KEY).any()
    (machine,) = made.environment["machines"]
    assert set(found.machine) == {machine}
    assert made.environment["machines"][machine]["workers"]["manual"]["cpu_share"] < 1.1


def test_an_interrupted_run_goes_on_with_fresh_processes(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "problems": "lecture[n=2|4|8]",
        "methods": "manual,reverse",
        "operators": "gradient",
        "profile": "quick",
        "generations": 2,
        "out": tmp_path / "run",
        "executor": "dask",
    }

    def stop(seen: Progress) -> None:
        if seen.done >= 2:
            raise KeyboardInterrupt

    with running_cluster(tmp_path, workers=1) as (address, (worker,)):
        with pytest.raises(diffbench.Interrupted):
            diffbench.run(**asked, scheduler=address, progress=stop)
        first = diffbench.load(tmp_path / "run")
        assert 2 <= len(first.records) <= 6
        made = diffbench.run(**asked, scheduler=address, resume=True)
        assert wait_for(lambda: not measuring(worker), 5)
    assert made.records.generation.tolist() == [2] * 6
    assert made.records.status.tolist() == ["ok"] * 6
    assert not made.samples.duplicated(SAMPLE_KEY).any()
    before, after = (run.samples.set_index(SAMPLE_KEY).seconds for run in (first, made))
    assert (after.loc[before.index] == before).all()
    with pytest.raises(RunError, match="begun with --executor dask, not local"):
        diffbench.run(**{**asked, "executor": "local"}, resume=True)


def test_one_process_at_a_time_holds_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "from diffbench.running.platform import machine_turn\n"
        "with machine_turn():\n"
        "    print('mine', flush=True)\n"
        "    input()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    mine = threading.Event()

    def take() -> None:
        with machine_turn():
            mine.set()

    with subprocess.Popen([sys.executable, "-c", script], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        waiting = threading.Thread(target=take)
        waiting.start()
        assert not mine.wait(0.5)
        holder.kill()
    assert mine.wait(20)
    waiting.join()


def test_what_a_wrong_address_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "CONNECT_S", 0.5)

    def said(**options: str) -> str:
        with pytest.raises(DiffbenchError) as error:
            diffbench.run("lecture[n=2]", "manual", "value", "quick", out=tmp_path / "r", **options)
        assert not (tmp_path / "r").exists()
        return str(error.value)

    assert "no scheduler answers within" in said(executor="dask", scheduler="tcp://127.0.0.1:1")
    assert "missing port number" in said(executor="dask", scheduler="nowhere")
    assert "add what it prints: --scheduler" in said(executor="dask")
    assert "is for --executor dask" in said(scheduler="tcp://127.0.0.1:1")
    assert "unknown executor 'dusk'; did you mean 'dask'?" in said(executor="dusk")
    place = tmp_path / "scheduler.json"
    with dask("scheduler", "--port", "0", "--scheduler-file", str(place)):
        assert wait_for(lambda: place.exists() and place.read_text().endswith("}"), 60)
        address = json.loads(place.read_text())["address"]
        assert f"start one: dask worker {address}" in said(executor="dask", scheduler=address)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'diffbench[cluster]'" in said(executor="dask", scheduler=address)
