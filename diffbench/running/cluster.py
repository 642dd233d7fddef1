"""Drives a run on the machines of a dask cluster: one block at a time for each dask worker.

Dask carries orders out and deliveries home; which block goes where is decided here. A block is
given to one worker, and to another only when that one was lost: so a machine that fails at
everything eats no cells, later generations go to the machine that has the first one, and larger
sizes wait until smaller ones have shown that they end.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import msgspec

from diffbench.data import carried
from diffbench.errors import RunError
from diffbench.running.cells import Cell
from diffbench.running.crew import Crew, said
from diffbench.running.executor import Executor
from diffbench.running.plan import MOST_GENERATIONS, Block
from diffbench.running.platform import machine_turn
from diffbench.running.remote import Delivery, Order, leave, make_block, plugin_texts
from diffbench.study import Study

__all__ = ["Cluster"]

POLL_S = 0.02
SPREAD_S = 10.0  # between looks at the spread of all samples so far
PATIENCE_S = 30.0  # without anybody who can be given what is left
GATHER_S = 10.0  # for what is done to come home
GRACE_S = 2.0  # for what is under way, once the run is to end
MOST_LOST = 3  # then the block is taken for the cause


@final
@dataclass(frozen=True, slots=True)
class Flight:
    """A block on its way: what was asked of which machine."""

    block: Block
    generation: int
    cells: list[Cell]
    machine: str
    future: Any

    @property
    def item(self) -> tuple[int, str]:
        """What names it in the plan."""
        return self.generation, self.block.name


@final
class Cluster:
    """Makes the cells that a ledger does not have yet, as ``Executor`` does, on other machines.

    Instances are described and studies are run here, by the executor at ``home``.
    """

    def __init__(self, scheduler: str, home: Executor) -> None:
        self._home, self._ledger = home, home.ledger
        self._profile, self._config = home.profile, home.config
        self._plugins = plugin_texts(home.config["plugins"])
        self._crew = Crew(scheduler)
        self._token = secrets.token_hex(8)
        self._plan: list[Block] = []
        self._waiting: list[tuple[int, Block]] = []
        self._last = self._ledger.context.request.least_generations - 1
        self._worked = False  # whether there was anything to make in that generation
        self._flying: dict[str, Flight] = {}  # by address
        self._landed = 0
        self._lost: Counter[tuple[int, str]] = Counter()
        self._spread_at = 0.0
        self._machines = self._ledger.machines()
        self._spent: dict[str, float] = {}
        self._leaving = False

    @property
    def total_of_run(self) -> int | None:
        """The same as ``total``: there are no shards."""
        return self._home.total_of_run

    @property
    def total(self) -> int:
        """Cells of the whole run."""
        return self._home.total

    def facts(self, lasted: float) -> dict[str, Any]:
        """What environment.json says of the machines, and of their seconds, each machine's own."""
        return {
            **self._home.facts(lasted),
            "machines": self._machines,
            "refused": dict(Counter(self._crew.refused.values())),
            "spent": self._spent,
        }

    def measure(
        self, points: Sequence[tuple[str, Any]], asked: Iterable[str], studies: Mapping[str, Study]
    ) -> bool:
        """Until all is done or the time is up; whether Ctrl-C ended it. No worker outlives this."""
        try:
            self._plan = self._home.plan(points, asked)
            generations = range(self._last + 1)
            self._waiting = [(number, block) for number in generations for block in self._plan]
            self._all(studies)
        except KeyboardInterrupt:
            return True
        finally:
            with suppress(KeyboardInterrupt):  # a second one: wait for nothing
                self._end()
        return False

    def _all(self, studies: Mapping[str, Study]) -> None:
        self._send()
        quiet, studied = time.monotonic(), False
        turn = len({block.family for block in self._plan})
        while (self._waiting or self._more()) and not self._home.over():
            time.sleep(POLL_S)
            if self._crew.recount() | self._collect():
                self._send()
            self._home.tell()
            if self._landed >= turn and not studied:  # as late as in a local run
                self._study(studies)
                studied = True
            if self._flying:
                quiet = time.monotonic()
            elif time.monotonic() - quiet > PATIENCE_S:
                self._give_up()
                break
        self._study(studies)

    def _more(self) -> bool:
        """Whether a budget leaves time for one more generation; the last must have had work."""
        asked = self._ledger.context.request.least_generations
        if not self._home.fills or (self._last >= asked and not self._worked):
            return False
        self._last, self._worked = self._last + 1, False
        self._waiting = [(self._last, block) for block in self._plan]
        self._send()
        return self._last < MOST_GENERATIONS

    def _study(self, studies: Mapping[str, Study]) -> None:
        """What is not stored yet, when nothing is timed on this machine."""
        if self._home.due(studies) and not self._home.over():
            with machine_turn():
                self._home.study(studies)

    def _give_up(self) -> None:
        """What is left may be for machines that are not there; with nobody there it is an error."""
        if not self._crew.machines:
            why = self._crew.why_none()
            raise RunError(f"{why}; what is done is kept: go on with --resume")

    def _end(self) -> None:
        """Tell all workers to begin nothing new, and take what they have done by then."""
        self._leaving = True
        try:
            self._crew.tell(leave, self._token)
            until = time.monotonic() + GRACE_S
            while self._flying and time.monotonic() < until:
                self._collect()
                time.sleep(POLL_S)
        finally:
            self._crew.close()
            self._home.fleet.close()
            self._add(self._home.fleet.spending.seconds)

    # --- out --------------------------------------------------------------------------------------

    def _send(self) -> None:
        """One block to everyone who has none."""
        for address, machine in self._crew.machines.items():
            if address not in self._flying:
                found = self._next(machine)
                if found is not None:
                    self._order(address, machine, *found)

    def _next(self, machine: str) -> tuple[int, Block, list[Cell]] | None:
        """The first block in the plan that has cells for that machine; what is done goes."""
        under_way = {flight.block.name for flight in self._flying.values()}
        index = 0
        while index < len(self._waiting):
            generation, block = self._waiting[index]
            if block.name not in under_way:
                cells = self._ledger.left(block, generation)
                if not cells:
                    del self._waiting[index]
                    continue
                fit = self._fit(cells, generation, machine)
                if fit:
                    return generation, block, fit
            index += 1
        return None

    def _fit(self, cells: list[Cell], generation: int, machine: str) -> list[Cell]:
        """Times of one cell come from one machine; those of one block do, while it is there."""
        if generation:
            return [c for c in cells if self._ledger.records[c.key].machine == machine]
        made_on = self._ledger.made_on(cells[0].block) & set(self._crew.machines.values())
        return cells if not made_on or machine in made_on else []

    def _order(
        self, address: str, machine: str, generation: int, block: Block, cells: list[Cell]
    ) -> None:
        order = Order(
            token=self._token,
            config=self._config,
            plugins=self._plugins,
            data=carried(block.params),
            profile=self._profile,
            seed=self._ledger.seed,
            spread=self._ledger.spread,
            block=block,
            generation=generation,
            cells=tuple((cell.operator, cell.method) for cell in cells),
            claims={cell.method: self._ledger.claim(cell.method) for cell in cells},
        )
        self._worked |= generation == self._last
        future = self._crew.submit(address, make_block, msgspec.msgpack.encode(order))
        self._flying[address] = Flight(block, generation, cells, machine, future)
        self._home.note(f"{block.name} (blocks under way: {len(self._flying)})")

    # --- home -------------------------------------------------------------------------------------

    def _collect(self) -> bool:
        """Take in what has arrived, and what never will; whether there was any."""
        landed = [address for address, flight in self._flying.items() if flight.future.done()]
        gone = [a for a in self._flying if a not in self._crew.machines and a not in landed]
        self._landed += len(landed)
        for address in landed:
            self._land(address, self._flying.pop(address))
        for address in gone:
            self._lose(self._flying.pop(address), f"the dask worker {address} was lost")
        return bool(landed or gone)

    def _land(self, address: str, flight: Flight) -> None:
        from distributed import KilledWorker

        try:
            data = flight.future.result(timeout=GATHER_S)
            delivery = msgspec.msgpack.decode(data, type=Delivery)
        except CancelledError:  # the scheduler is gone: the next count of the crew will say so
            return
        except (KilledWorker, TimeoutError) as error:  # lost, here or between here and there
            self._lose(flight, f"the dask worker {address} was lost: {said(error)}")
        except Exception as error:  # raised there, outside of any cell
            self._crew.refuse(address, said(error))
            self._lose(flight, f"the dask worker {address} failed: {said(error)}")
        else:
            self._take(flight, delivery)

    def _take(self, flight: Flight, delivery: Delivery) -> None:
        cells = {(cell.operator, cell.method): cell for cell in flight.cells}
        for made in delivery.cells:
            cell = cells[made.operator, made.method]
            cell.facts, cell.samples = made.facts, made.samples
            cell.status, cell.reason = made.status, made.reason
            cell.attempt = made.attempt + self._lost[flight.item]
        self._store(flight, [cell for cell in flight.cells if cell.status])
        self._meet(flight.machine, delivery.workers)
        self._add(delivery.spent)
        if not self._leaving and len(delivery.cells) < len(flight.cells):
            self._lose(flight, "cells came back as they had gone")

    def _add(self, spent: Mapping[str, float]) -> None:
        for kind, seconds in spent.items():
            self._spent[kind] = self._spent.get(kind, 0.0) + seconds

    def _meet(self, machine: str, workers: dict[str, dict[str, Any]]) -> None:
        """Keep what a machine and its worker processes are like, as they were first met."""
        facts = self._machines.setdefault(machine, {**self._crew.facts[machine], "workers": {}})
        if workers.keys() - facts["workers"]:
            facts["workers"] = {**workers, **facts["workers"]}
            self._ledger.meet(machine, facts)

    def _store(self, flight: Flight, cells: list[Cell]) -> None:
        for cell in cells:
            cell.machine = flight.machine
        self._ledger.take(cells, flight.generation)
        if time.monotonic() - self._spread_at > SPREAD_S:
            self._ledger.measure_spread()
            self._spread_at = time.monotonic()

    def _lose(self, flight: Flight, reason: str) -> None:
        """The block goes elsewhere, unless that has happened too often."""
        self._lost[flight.item] += 1
        if self._lost[flight.item] < MOST_LOST:
            return
        left = [cell for cell in flight.cells if not cell.status]
        for cell in left:
            cell.status, cell.attempt = "crashed", MOST_LOST
            cell.reason = f"{MOST_LOST} times its block was lost; last: {reason}"
        self._store(flight, left)
