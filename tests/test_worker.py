"""A worker process: what it is like, what it answers, how it dies."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from small_runs import FAKES

from diffbench.running import platform
from diffbench.running.process import Worker
from diffbench.running.supervisor import Supervisor

MEMORY = 2**31
CUBES = {"family": "cubes", "params": {"n": 2}, "name": "cubes[n=2]", "seed": 0}


def reply(worker: Worker, seconds: float = 60.0) -> dict[str, Any]:
    """The next line that ends a task (or the hello)."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([worker], [], [], 0.1)[0]:
            for line in worker.lines():
                if {"hello", "result", "error"} & set(line):
                    return line
    raise AssertionError("no reply")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    cpus = platform.processors()[1]
    config = {"plugins": [FAKES], "memory": MEMORY, "cpus": cpus}
    supervisor = Supervisor()
    made = Worker(config, tmp_path / "worker.log", supervisor)
    yield made
    made.kill()
    supervisor.close()


def ask(worker: Worker, do: str, **message: Any) -> Any:
    worker.send({"do": do, **message})
    found = reply(worker)
    assert all(end >= start for _, start, end in found.pop("spans"))
    return found


def prepare(worker: Worker, method: str, answer: str = "") -> Any:
    names = {"instance": CUBES, "operator": "gradient", "method": method}
    return ask(worker, "prepare", **names, answer=answer, target=1e-4)


def test_it_starts_pinned_capped_and_single_threaded(worker: Worker) -> None:
    hello = reply(worker)["hello"]
    assert hello["cpus"] == platform.processors()[1]
    assert hello["cpu_share"] < 1.1
    assert 0 < hello["empty_call_s"] < 0.01
    process = psutil.Process(worker.pid)
    assert os.getpgid(worker.pid) == os.getsid(worker.pid) == worker.pid
    environment = process.environ()
    assert {environment[name] for name in platform.THREADS} == {"1"}
    assert environment["JAX_ENABLE_X64"] == "1"
    if platform.LINUX:
        assert process.rlimit(psutil.RLIMIT_DATA) == (MEMORY, MEMORY)


def test_a_cell_is_prepared_checked_sampled_and_counted(worker: Worker, tmp_path: Path) -> None:
    reply(worker)
    path = tmp_path / "answer.npy"
    facts = prepare(worker, "right", str(path))["result"]
    assert facts["origin"] == "native"
    assert facts["calls_f"] == 0
    assert facts["dtype"] == "float64"
    np.testing.assert_array_equal(np.load(path), [3.0, 12.0])
    names = {"operator": "gradient", "method": "right"}
    sampled = ask(worker, "round", instance=CUBES["name"], **names)["result"]
    assert list(sampled) == ["numpy_primal", "run"]  # it has no value of its own
    assert all(loops >= 1 and seconds > 0 for loops, seconds in sampled.values())
    assert ask(worker, "sizes", instance=CUBES, **names)["result"] == {"primal_ops": 5}


def test_a_reference_is_certified_and_judges(worker: Worker, tmp_path: Path) -> None:
    reply(worker)
    answer, proof = str(tmp_path / "answer.npy"), str(tmp_path / "reference.npz")
    assert ask(worker, "certify", instance=CUBES, operator="gradient", path=proof) == {
        "result": "certified"
    }
    for factor, verdict in ((1.0, "exact to rounding"), (1 + 1e-9, "degraded"), (0.0, "wrong")):
        np.save(answer, np.array([3.0, 12.0]) * factor)
        judged = ask(worker, "judge", answer=answer, path=proof, claim="exact")["result"]
        assert judged["verdict"] == verdict
    nowhere = str(tmp_path / "none")
    missing = ask(worker, "judge", answer=answer, path=nowhere, claim="exact")["result"]
    assert missing["verdict"] == "uninformative"


def test_printing_does_no_harm(worker: Worker) -> None:
    reply(worker)
    assert "result" in prepare(worker, "prints")
    assert "nor is this" in worker.log.read_text()


def test_sizes_are_described_and_mistakes_named(worker: Worker) -> None:
    reply(worker)
    points = [("cubes", {"n": 3}), ("affine_tanh", {"n": 2, "m": 4})]
    found = ask(worker, "describe", points=points, seed=0)["result"]
    assert [(row["name"], row["n"], row["m"], row["scalar"]) for row in found] == [
        ("cubes[n=3]", 3, 1, True),
        ("affine_tanh[m=4,n=2]", 2, 4, False),
    ]
    wrong = ask(worker, "describe", points=[("cubes", {"n": 0})], seed=0)["error"]
    assert wrong["status"] == "usage"
    assert "n >= 1" in wrong["reason"]


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("raises", "failed", "ValueError: no such luck (fakes.py:"),
        ("exhausted", "out_of_memory", "RESOURCE_EXHAUSTED"),
        ("eats", "out_of_memory", "the cap is 2048 MiB"),
        ("leaves", "failed", "SystemExit"),
        ("complains", "usage", "a mistake of its own"),
        ("symbolic[cse=no]", "", ""),
    ],
)
def test_what_a_method_raises_becomes_a_status(
    worker: Worker, method: str, status: str, reason: str
) -> None:
    reply(worker)
    answer = prepare(worker, method)
    assert answer.get("error", {}).get("status", "") == status
    assert reason in answer.get("error", {}).get("reason", "")


@pytest.mark.parametrize(("method", "cause"), [("exits", "exit code 3"), ("segfaults", "SIGSEGV")])
def test_the_autopsy_tells_how_it_died(worker: Worker, method: str, cause: str) -> None:
    reply(worker)
    with pytest.raises(EOFError):
        prepare(worker, method)
    death = worker.autopsy("checking")
    assert death.status == "crashed"
    assert death.reason.startswith("checking: ")
    assert cause in death.reason


def test_killing_ends_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "child"
    monkeypatch.setenv("DIFFBENCH_TEST_CHILD", str(file))
    config = {"plugins": [FAKES], "memory": MEMORY, "cpus": []}
    supervisor = Supervisor()
    worker = Worker(config, tmp_path / "worker.log", supervisor)
    names = {"instance": CUBES, "operator": "gradient", "method": "forks"}
    worker.send({"do": "prepare", **names, "answer": "", "target": 1e-4})
    until = time.monotonic() + 30
    while not (file.exists() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    child = psutil.Process(int(file.read_text()))
    assert worker.kill() == -9
    assert worker.kill() == -9
    supervisor.close()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert (len(gone), alive) == (1, []) or child.status() == psutil.STATUS_ZOMBIE


def test_it_ends_when_the_channel_is_closed(worker: Worker) -> None:
    reply(worker)
    worker._in.close()
    assert worker._process.wait(10) == 0


@pytest.mark.skipif(not platform.LINUX, reason="only Linux kills orphans")
def test_it_does_not_serve_a_parent_that_is_not_its_own(tmp_path: Path) -> None:
    worker, supervisor = Worker.__new__(Worker), Supervisor()
    config = {"plugins": [], "memory": MEMORY, "cpus": []}
    pretended = os.getpid
    try:
        os.getpid = lambda: 1  # type: ignore[assignment]  # as if another process had started it
        worker.__init__(config, tmp_path / "worker.log", supervisor)  # type: ignore[misc]  # as above
    finally:
        os.getpid = pretended
    assert worker._process.wait(10) == 0
    worker.kill()
    supervisor.close()
