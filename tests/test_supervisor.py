"""The supervisor: what outlives the run dies with it, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from small_runs import FAKES, gone, started, until

from diffbench.running.platform import LINUX
from diffbench.running.supervisor import Supervisor, guard

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
GUARD = "diffbench.running.supervisor"

pytestmark = pytest.mark.skipif(not LINUX, reason="only Linux tells which processes live")


@pytest.fixture
def group() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts processes that sleep, each in a group of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(SLEEP, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


Start = Callable[[], subprocess.Popen[bytes]]


def test_the_end_of_the_pipe_kills_what_was_not_forgotten(group: Start) -> None:
    watched, forgotten, torn = group(), group(), group()
    messages = [f"+{watched.pid}\n", f"+{forgotten.pid}\n", f"-{forgotten.pid}\n", f"+{torn.pid}"]
    guard([text.encode() for text in messages])
    assert watched.wait(10) == -signal.SIGKILL
    assert forgotten.poll() is None
    assert torn.poll() is None  # half an id may be somebody else's


def test_closing_kills_what_is_watched(group: Start) -> None:
    supervisor, watched, forgotten = Supervisor(), group(), group()
    supervisor.watch(watched.pid)
    supervisor.watch(forgotten.pid)
    supervisor.forget(forgotten.pid)
    supervisor.close()
    assert watched.wait(10) == -signal.SIGKILL
    assert forgotten.poll() is None


def test_it_has_a_session_of_its_own_and_ignores_polite_signals(group: Start) -> None:
    supervisor, watched = Supervisor(), group()
    supervisor.watch(watched.pid)
    until(lambda: len(started(GUARD)) == 1)  # it has become what it is
    (process,) = started(GUARD)
    assert os.getsid(process.pid) == process.pid
    until(lambda: _ignores(process.pid, signal.SIGTERM))
    process.terminate()
    supervisor.forget(watched.pid)
    supervisor.close()
    assert watched.poll() is None


def _ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_one_that_was_killed_is_replaced_and_knows_the_groups(group: Start) -> None:
    supervisor, first, second = Supervisor(), group(), group()
    supervisor.watch(first.pid)
    until(lambda: len(started(GUARD)) == 1)  # it has become what it is
    (process,) = started(GUARD)
    process.kill()
    until(lambda: gone(process.pid))
    supervisor.watch(second.pid)
    supervisor.close()
    assert first.wait(10) == second.wait(10) == -signal.SIGKILL


def test_what_a_method_started_dies_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """The worker dies by its signal of death; its child, in the same group, by the supervisor."""
    child = tmp_path / "child"
    asked: dict[str, object] = {"problems": "cubes", "methods": "forks"}
    asked |= {
        "operators": "gradient",
        "profile": "quick",
        "out": str(tmp_path / "run"),
        "plugins": [FAKES],
    }
    script = f"import diffbench; diffbench.run(**{asked!r})"
    environment = {**os.environ, "DIFFBENCH_TEST_CHILD": str(child)}
    run = subprocess.Popen([sys.executable, "-c", script], env=environment)
    until(lambda: child.exists() and child.read_text() != "", 60)
    pids = [p.pid for p in psutil.Process(run.pid).children(recursive=True)]
    assert int(child.read_text()) in pids
    run.kill()
    run.wait()
    until(lambda: all(map(gone, pids)))
