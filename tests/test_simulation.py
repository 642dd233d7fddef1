"""The simulation of the largest run, in small: the real plan, shards, store and merge."""

from __future__ import annotations

from pathlib import Path

import pytest

import diffbench
from benchmarks.simulation import ROUNDS, Simulation, simulated
from diffbench.records.shards import shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulation")


@pytest.fixture(scope="module")
def made(folder: Path) -> diffbench.Run:
    """2 000 cells from 20 shards, joined."""
    simulation = Simulation(2000, 20, folder)
    simulation.store()
    simulation.merge()
    return diffbench.load(simulation.parent)


def test_every_planned_cell_is_there_once_with_its_samples(made: diffbench.Run) -> None:
    simulation = Simulation(2000, 20, made.folder)
    plan = simulation.blocks(simulation.request)
    wanted = {(b.name, op, name) for b in plan for op in b.operators for name in simulation.methods}
    key = ["instance", "operator", "method"]
    assert len(wanted) == len(made.records) == made.plan["cells"] == 2000
    assert set(made.records[key].itertuples(index=False, name=None)) == wanted
    assert len(made.samples) == 2000 * ROUNDS * 3
    assert (made.samples.groupby(key).size() == ROUNDS * 3).all()
    parts = shards(made.folder)
    assert len(parts) == 20
    assert sum(len(diffbench.load(part).records) for part in parts) == 2000


def test_times_are_what_was_drawn(made: diffbench.Run) -> None:
    """A call of method i on n inputs takes i n nanoseconds, give or take the noise."""
    order = {name: i for i, name in enumerate(made.records.method.unique(), 1)}
    truth = 1e-9 * made.records.n * made.records.method.map(order)
    assert (made.records.run_s / truth - 1).abs().max() < 0.1
    ratio = made.records.ratio_numpy_primal / made.records.method.map(order)
    assert (ratio - 1).abs().max() < 0.1
    inside = (made.records.run_s_low < truth) & (truth < made.records.run_s_high)
    assert inside.mean() > 0.94


def test_the_figures_count_cells_and_shards(tmp_path: Path) -> None:
    """As the command makes them: each step in a process of its own."""
    found = {figure.step: figure for figure in simulated(2000, 20, tmp_path)}
    counts = {step: (row.amount, row.unit) for step, row in found.items() if row.took.seconds}
    assert counts == {
        "plan": (2000, "cells"),
        "plan, blocks of one cell": (2000, "cells"),
        "store, a transaction a cell": (100, "cells"),
        "store in bulk, a transaction a shard": (2000, "cells"),
        "merge: look at every shard": (20, "shards"),
        "merge: join": (2000, "cells"),
        "merge: intervals": (2000, "cells"),
        "merge: CSV files": (2000, "cells"),
        "merge: all of it": (2000, "cells"),
    }
    assert all(row.peak_mib > 1 for row in found.values())


@pytest.mark.nightly
@pytest.mark.quiet
def test_the_largest_run_fits(tmp_path: Path) -> None:
    """A million cells in a thousand shards."""
    found = {figure.step: figure for figure in simulated(1_000_000, 1000, tmp_path)}
    for step in ("plan", "plan, blocks of one cell"):
        assert found[step].amount == 1_000_000
        assert found[step].took.seconds < 30
        assert found[step].peak_mib < 1024
    stored = found["store in bulk, a transaction a shard"]
    assert stored.amount / stored.took.seconds > 5000
    assert found["merge: all of it"].took.seconds < 300
