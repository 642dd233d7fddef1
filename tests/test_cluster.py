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
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from small_runs import FAKES, started, use_profile, without_report

import diffbench
from diffbench.errors import DiffbenchError, RunError
from diffbench.records.record import Sample
from diffbench.running import cluster, crew
from diffbench.running.executor import Executor, Progress
from diffbench.running.platform import machine_turn
from diffbench.running.remote import Delivery, Made, Order, Station, make_block

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


# --- what goes where ------------------------------------------------------------------------


class FakeCrew:
    """Workers that answer at once, without measuring; ``fate`` may make one of them fail."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.machines = {"one": "a", "two": "a", "three": "b"}
        self.facts: dict[str, dict[str, Any]] = {"a": {"cpu": "A"}, "b": {"cpu": "B"}}
        self.refused: dict[str, str] = {}
        self.orders: list[tuple[str, Order]] = []

    def recount(self) -> bool:
        return False

    def submit(self, address: str, task: Any, data: bytes) -> Future[bytes]:
        assert task is make_block
        order = msgspec.msgpack.decode(data, type=Order)
        self.orders.append((address, order))
        done: Future[bytes] = Future()
        try:
            done.set_result(msgspec.msgpack.encode(self.fate(address, order)))
        except Exception as error:
            done.set_exception(error)
        return done

    def fate(self, address: str, order: Order) -> Delivery:
        return delivered(order)

    def refuse(self, address: str, reason: str) -> None:
        self.refused[address] = reason
        del self.machines[address]

    def why_none(self) -> str:
        return "nobody"

    def tell(self, task: Any, token: str) -> None:
        return

    def close(self) -> None:
        return


def delivered(order: Order, status: str = "ok") -> Delivery:
    kinds = ("run", "numpy_primal") if status == "ok" else ()
    samples = [
        Sample(generation=order.generation, round=i, kind=kind, loops=1, seconds=1e-3)
        for i in range(3)
        for kind in kinds
    ]
    made = [
        Made(
            operator=operator,
            method=method,
            status=status,
            reason="" if status == "ok" else "as told",
            attempt=1,
            facts={"empty_call_s": 1e-8},
            samples=samples,
        )
        for operator, method in order.cells
    ]
    return Delivery(cells=made, workers={order.cells[0][1]: {"cpus": [0]}}, spent={"wall": 1.0})


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A run with fake workers: (run, crew); a second call goes on with it."""
    monkeypatch.setattr(cluster, "PATIENCE_S", 0.2)

    def make(
        fate: Any = None, machines: Any = None, **changes: Any
    ) -> tuple[diffbench.Run, FakeCrew]:
        crews: list[FakeCrew] = []

        def engaged(address: str) -> FakeCrew:
            crews.append(FakeCrew(address))
            crews[0].fate = fate or crews[0].fate  # type: ignore[method-assign]  # its purpose
            crews[0].machines = machines or crews[0].machines
            return crews[0]

        monkeypatch.setattr(cluster, "Crew", engaged)
        asked: dict[str, Any] = {
            "problems": "lecture[n=2|4|8|16]",
            "methods": "manual,reverse",
            "operators": "gradient",
            "profile": "quick",
        }
        folder = tmp_path / "run"
        made = diffbench.run(
            **{**asked, **changes},
            out=folder,
            resume=folder.exists(),
            executor="dask",
            scheduler="tcp://fake:1",
        )
        return made, crews[0]

    return make


def test_records_name_the_machine_and_generations_stay_on_it(faked: Any) -> None:
    run, crew = faked(generations=3)
    assert len(run.records) == 8
    assert run.records.generation.tolist() == [3] * 8
    assert set(run.records.machine) == {"a", "b"}
    assert len(crew.orders) == 3 * 4
    where: dict[str, set[str]] = {}
    for address, order in crew.orders:
        where.setdefault(order.block.name, set()).add(crew.machines[address])
    machines = {name: {rows.item()} for name, rows in _machines(run).items()}
    assert where == machines
    assert run.environment["machines"]["b"]["cpu"] == "B"
    assert run.environment["machines"]["a"]["workers"] == {"manual": {"cpus": [0]}}


def _machines(run: diffbench.Run) -> dict[str, Any]:
    return {str(name): rows.machine.unique() for name, rows in run.records.groupby("instance")}


def test_a_block_that_is_lost_three_times_has_crashed(faked: Any) -> None:
    def fate(address: str, order: Order) -> Delivery:
        if order.block.n == 4:
            raise TimeoutError("gone")
        return delivered(order)

    run, crew = faked(fate)
    sent = [address for address, order in crew.orders if order.block.n == 4]
    assert len(sent) == 3
    rows = run.records[run.records.n == 4]
    assert rows.status.tolist() == ["crashed"] * 2
    assert rows.attempt.tolist() == [3, 3]
    assert rows.reason.str.startswith("3 times its block was lost; last: ").all()
    assert set(run.records.status[run.records.n != 4]) == {"ok"}


def test_a_machine_that_fails_at_everything_gets_nothing_more(faked: Any) -> None:
    def fate(address: str, order: Order) -> Delivery:
        if address == "one":
            raise OSError("no space left")
        return delivered(order)

    run, crew = faked(fate)
    assert [address for address, _ in crew.orders].count("one") == 1
    assert run.records.status.tolist() == ["ok"] * 8
    assert sorted(run.records.attempt) == [1] * 6 + [2] * 2
    assert run.environment["refused"] == {"OSError: no space left": 1}


def test_larger_sizes_are_skipped_once_a_smaller_one_is_home(faked: Any) -> None:
    run, crew = faked(lambda address, order: delivered(order, "timeout"))
    assert [order.block.n for _, order in crew.orders] == [2, 4, 8]  # one a worker, then none
    assert run.records.sort_values("n").status.tolist() == ["timeout"] * 6 + ["skipped"] * 2


def test_without_its_machine_a_later_generation_is_left(faked: Any) -> None:
    def fate(address: str, order: Order) -> Delivery:
        if address == "three" and order.generation:
            raise OSError("no space left")
        return delivered(order)

    run, _ = faked(fate, generations=2)
    made = dict(zip(run.records.machine, run.records.generation, strict=True))
    assert made == {"a": 2, "b": 1}
    whole, _ = faked(generations=2)
    assert whole.records.generation.tolist() == [2] * 8
    assert not whole.samples.duplicated(SAMPLE_KEY).any()


def test_what_a_budget_leaves_goes_into_wide_intervals(faked: Any) -> None:
    run, crew = faked(budget=600.0)
    assert [order.generation for _, order in crew.orders] == [0] * 4 + [1] * 4
    assert run.records.generation.tolist() == [2] * 8  # equal times: no interval is wide then


def test_what_is_left_of_a_block_goes_to_its_machine(faked: Any) -> None:
    def fate(address: str, order: Order) -> Delivery:
        if order.block.n > 2:
            raise KeyboardInterrupt
        whole = delivered(order)
        return msgspec.structs.replace(whole, cells=whole.cells[:1])

    with pytest.raises(diffbench.Interrupted):
        faked(fate)
    run, crew = faked(machines={"three": "b", "one": "a"})
    assert [address for address, order in crew.orders if order.block.n == 2] == ["one"]
    assert set(run.records.machine[run.records.n == 2]) == {"a"}
    assert run.records.status.tolist() == ["ok"] * 8


def test_with_nobody_left_the_run_says_how_to_go_on(faked: Any) -> None:
    def fate(address: str, order: Order) -> Delivery:
        raise OSError("no space left")

    with pytest.raises(RunError, match="nobody; what is done is kept: go on with --resume"):
        faked(fate)
    run, _ = faked()
    assert run.records.status.tolist() == ["ok"] * 8


def test_an_order_travels_as_data(faked: Any, tmp_path: Path) -> None:
    _, crew = faked(plugins=[FAKES], methods="right", problems="cubes")
    order = crew.orders[0][1]
    assert order.plugins == {FAKES: Path(FAKES).read_text()}
    assert order.cells == (("gradient", "right"),)
    assert order.claims == {"right": "control"}
    assert order.profile.sample_s == 1e-4
    elsewhere = msgspec.structs.replace(order, plugins={"/nowhere/fakes.py": order.plugins[FAKES]})
    station = Station(elsewhere, tmp_path / "elsewhere", set())
    try:
        (made,) = station.make(elsewhere).cells
        assert (made.status, made.facts["verdict"]) == ("ok", "exact to rounding")
    finally:
        station.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_data_files_travel_with_the_order(faked: Any, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("0,0\n1,0\n0,1\n1,2\n")
    _, crew = faked(problems=f"kmeans[file={points},K=2]", methods="manual")
    order = crew.orders[0][1]
    assert list(order.data.values()) == [points.read_bytes()]
    points.unlink()
    station = Station(order, tmp_path / "elsewhere", set())
    try:
        (made,) = station.make(order).cells
        assert (made.status, made.facts["verdict"]) == ("ok", "exact to rounding")
    finally:
        station.close()
