"""What goes to which machine of a cluster, with machines that are made up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_runs import FAKES, use_profile, without_report

import diffbench
from diffbench.errors import RunError
from diffbench.records.record import Sample
from diffbench.running import cluster
from diffbench.running.executor import Executor
from diffbench.running.remote import Delivery, Made, Order, Station, make_block

SAMPLE_KEY = ["instance", "operator", "method", "generation", "round", "kind"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    monkeypatch.setattr(Executor, "due", lambda self, studies: [])


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
