"""The far side of a cluster: blocks made to order in a process that dask started.

What travels is data: names, parameters, numbers and files on the way out, finished cells on the way
home, both as msgpack. Of our code only names do: ``make_block``, ``greet`` and ``leave``.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import msgspec

from diffbench.measure.intervals import Spread
from diffbench.measure.spending import Spending
from diffbench.records.environment import environment
from diffbench.records.record import Sample
from diffbench.running.bench import Bench
from diffbench.running.cells import Cell
from diffbench.running.plan import Block, Profile
from diffbench.running.platform import machine_turn, on_cpus

__all__ = ["Delivery", "Made", "Order", "greet", "leave", "make_block", "plugin_texts"]

IDLE_S = 30.0  # a home that has been silent for so long is taken for gone


@final
class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Cells of one block to make in one generation, and all that it takes to make them."""

    token: str  # of one start of one run: its workers stay from order to order
    config: dict[str, Any]  # what every worker is told
    plugins: dict[str, str]  # the text of each plugin file
    data: dict[str, bytes]  # the content of each data file of the block, by its digits
    profile: Profile
    seed: int
    spread: Spread
    block: Block
    generation: int
    cells: tuple[tuple[str, str], ...]  # operator and method
    claims: dict[str, str]  # of the methods


@final
class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that has ended; its record is written at home, where its earlier generations are."""

    operator: str
    method: str
    status: str
    reason: str
    attempt: int
    facts: dict[str, Any]
    samples: list[Sample]


@final
class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What comes home: ended cells, and what worker processes new since the last one are like."""

    cells: list[Made]
    workers: dict[str, dict[str, Any]]
    spent: dict[str, float]  # seconds, by what they went into


@final
@dataclass
class Tray:
    """The books of one order: finished cells, in memory."""

    order: Order
    made: list[Made] = field(default_factory=list)

    @property
    def spread(self) -> Spread:
        """The noise of the run so far, as home knew it."""
        return self.order.spread

    @property
    def seed(self) -> int:
        """The seed of the run's instances."""
        return self.order.seed

    def claim(self, method: str) -> str:
        """What the method of that name claims to be."""
        return self.order.claims[method]

    def finish(self, cell: Cell, status: str, reason: str = "", generation: int = 0) -> None:
        """Take the cell as it ended."""
        cell.status, cell.reason = status, reason
        self.made.append(Made(**{name: getattr(cell, name) for name in Made.__struct_fields__}))


@final
class Station:
    """The bench of one start of one run on this machine, with a folder of its own."""

    def __init__(self, order: Order, folder: Path, left: set[str]) -> None:
        self.token = order.token
        self._generation = order.generation
        self._told: set[str] = set()
        self._scratch = folder / f"diffbench-{order.token}"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._shelf = self._scratch / "data"
        self._shelf.mkdir(exist_ok=True)
        plugins = self._written(order.plugins)
        config = {**order.config, "plugins": plugins, "shelf": str(self._shelf)}
        self._bench = Bench(
            config, order.profile, self._scratch, lambda: order.token in left, lambda: None
        )

    def _written(self, plugins: dict[str, str]) -> list[str]:
        """Each in a folder of its own: its name is the name of its module."""
        paths = []
        for number, (name, text) in enumerate(plugins.items()):
            path = self._scratch / f"plugin-{number}" / Path(name).name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            paths.append(str(path))
        return paths

    def make(self, order: Order) -> Delivery:
        """The cells of the order; each generation has fresh processes."""
        if order.generation != self._generation:
            self._bench.fleet.kill_all()
            self._generation = order.generation
        for digits, content in order.data.items():
            (self._shelf / digits).write_bytes(content)
        cells = [Cell(order.block, *names) for names in order.cells]
        tray = Tray(order)
        began, fleet = time.monotonic(), self._bench.fleet
        fleet.spending = Spending()
        with on_cpus(self._bench.beside):
            self._bench.make(order.block, cells, order.generation, tray)
        hellos = fleet.hellos
        new = hellos.keys() - self._told
        self._told |= new
        return Delivery(
            cells=tray.made,
            workers={name: hellos[name] for name in new},
            spent=fleet.spending.facts(time.monotonic() - began),
        )

    def close(self) -> None:
        """End every worker, and leave no file."""
        self._bench.fleet.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


@final
class Workshop:
    """The one thread of this process that starts measuring workers, and makes one block at a time.

    A worker dies with the thread that started it, and dask's own threads may end at any time; this
    one lives as long as the process.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Order, Path, Future[Delivery]] | None]
        self._orders = queue.SimpleQueue()
        self._left: set[str] = set()
        self._station: Station | None = None
        self._opening = threading.Lock()
        self._open = False

    def make(self, order: Order, folder: Path) -> Delivery:
        """The cells of the order, when its turn has come; scratch files go into the folder."""
        with self._opening:
            if not self._open:
                threading.Thread(target=self._serve, name="diffbench", daemon=True).start()
                self._open = True
        done: Future[Delivery] = Future()
        self._orders.put((order, folder, done))
        return done.result()

    def leave(self, token: str) -> None:
        """Begin nothing new for that start of a run; what waits or works for it ends soon."""
        self._left.add(token)
        self._orders.put(None)

    def _serve(self) -> None:
        while True:
            try:
                asked = self._orders.get(timeout=IDLE_S)
            except queue.Empty:
                asked = None
            if asked is None:
                self._close()
                continue
            order, folder, done = asked
            try:
                done.set_result(self._made(order, folder))
            except BaseException as error:  # whatever it is, home is told
                self._close()
                done.set_exception(error)

    def _made(self, order: Order, folder: Path) -> Delivery:
        with machine_turn():
            if order.token in self._left:
                return Delivery(cells=[], workers={}, spent={})
            if self._station is None or self._station.token != order.token:
                self._close()
                self._station = Station(order, folder, self._left)
            return self._station.make(order)

    def _close(self) -> None:
        if self._station is not None:
            self._station.close()
            self._station = None


WORKSHOP = Workshop()


def make_block(order: bytes) -> bytes:
    """The task that dask runs: an Order in, a Delivery out."""
    from distributed import get_worker

    asked = msgspec.msgpack.decode(order, type=Order)
    return msgspec.msgpack.encode(WORKSHOP.make(asked, Path(get_worker().local_directory)))


def greet() -> dict[str, Any]:
    """What this machine and its software are like."""
    return environment()


def leave(token: str) -> None:
    """That start of a run is over."""
    WORKSHOP.leave(token)


def plugin_texts(paths: Iterable[str]) -> dict[str, str]:
    """The plugin files as they travel."""
    return {path: Path(path).read_text(encoding="utf-8") for path in paths}
