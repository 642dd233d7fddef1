"""The plan of a run before anything is measured: its blocks in order, and about how long they take.

The instances are built, one at a time, to ask which cells can be answered; nothing is prepared or
called. The seconds are those of a linear model whose numbers were fitted to runs of the quick and
the standard profile on two cores; they are printed as what they are, an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

from diffbench.errors import BadSize, DiffbenchError
from diffbench.method import Method, why_not
from diffbench.problem import Instance, canonical
from diffbench.registry import Registry
from diffbench.running.plan import Block, Profile, Request, blocks, described, profile

__all__ = ["Forecast", "Planned", "forecast"]

# Seconds of the model.
WORKER_S = 0.3  # to start a worker and warm it up
STUDIES_S = 5.0
FINISH_S = 4.0  # exports and report
CELL_S, DOUBLING_S = 0.004, 0.003  # to prepare and check: any cell, and for each doubling of size
KINDS, OVERSHOOT = 3, 1.5  # samples a round; loops are doubled, so a sample passes its target
NONE_S = 0.002  # to hear that a cell is unsupported


@final
@dataclass(frozen=True, slots=True)
class Planned:
    """A block with the cells that will be answered, those that cannot be, and its seconds."""

    block: Block
    answered: int
    unsupported: int
    seconds: float
    ends_s: float  # of the first generation, from the start of the run
    reason: str = ""  # why the first of those cannot be


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """All blocks in order; ``seconds`` is the whole run with its generations and report."""

    blocks: tuple[Planned, ...]
    generations: int
    seconds: float
    finish_s: float = STUDIES_S + FINISH_S  # of it, after the last block

    @property
    def cells(self) -> int:
        """Of the whole run, answered or not."""
        return sum(row.answered + row.unsupported for row in self.blocks)

    @property
    def vain(self) -> str:
        """Where no cell at all can be answered, the reason of the first."""
        answered = sum(row.answered for row in self.blocks)
        return "" if answered else next((row.reason for row in self.blocks if row.reason), "")


def forecast(
    request: Request,
    registry: Registry,
    points: Iterable[tuple[str, dict[str, Any]]],
    methods: Sequence[Method],
    operators: Sequence[str],
) -> Forecast:
    """The plan of a request. Raises what the families raise of sizes that cannot be built."""
    row = profile(request.profile)
    facts, cells = [], {}
    for family, params in points:
        made = _built(registry, family, params, request.seed)
        facts.append(described(made))
        (block,) = blocks(facts[-1:], row, operators)
        cells[block.name] = _reasons(made, methods, block.operators)
    order = [(block, cells[block.name]) for block in blocks(facts, row, operators)]
    return _timed(order, len(methods), row, request)


def _built(registry: Registry, family: str, params: dict[str, Any], seed: int) -> Instance:
    try:
        return registry.family(family).instance(params, seed)
    except DiffbenchError:
        raise
    except Exception as error:  # a family may be a plugin's; a run says as much of it
        said = f"{canonical(family, params)}: {type(error).__name__}: {error}"
        raise BadSize(f"cannot build {said}; choose smaller sizes") from error


def _reasons(
    instance: Instance, methods: Iterable[Method], operators: Sequence[str]
) -> list[str | None]:
    """Of each cell why it cannot be answered, or None."""
    return [why_not(method, instance, name) for method in methods for name in operators]


def _timed(
    found: Iterable[tuple[Block, list[str | None]]], methods: int, row: Profile, request: Request
) -> Forecast:
    planned = []
    ends = begins = methods * WORKER_S
    for block, cells in found:
        reasons = [reason for reason in cells if reason is not None]
        answered, unsupported = len(cells) - len(reasons), len(reasons)
        seconds = answered * _cell(block, row) + unsupported * NONE_S
        ends += seconds
        first = next(iter(reasons), "")
        planned.append(Planned(block, answered, unsupported, seconds, ends, first))
    more = (request.least_generations - 1) * (begins + sum(p.seconds for p in planned))
    whole = ends + more + STUDIES_S + FINISH_S
    return Forecast(tuple(planned), request.least_generations, whole)


def _cell(block: Block, row: Profile) -> float:
    rounds = row.rounds * KINDS * OVERSHOOT * row.sample_s
    return CELL_S + DOUBLING_S * math.log2(1 + block.size) + rounds
