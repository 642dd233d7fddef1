"""Runs whose rounds are made up one by one, so that what a comparison must say of them is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import synthetic

from diffbench.analysis.book import Book
from diffbench.records.record import Record, Sample
from diffbench.records.store import SAMPLE_KEY

Rounds = dict[tuple[int, int], float]  # seconds by (generation, round)


class Made:
    """A run under construction: cells with their rounds; f in numpy takes the same everywhere."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.samples: list[dict[str, Any]] = []

    def cell(
        self,
        method: str,
        size: tuple[str, int],
        seconds: Rounds,
        operator: str = "gradient",
        primal: float = 1e-5,
        **facts: Any,
    ) -> None:
        family, n = size
        where = {"instance": f"{family}[n={n}]", "operator": operator, "method": method}
        given = {"run": "r", "machine": "m", "seed": 0, **where, **facts}
        middle = float(np.median([*seconds.values()])) if seconds else None
        known = {
            "generation": 1, "family": family, "params": "{}", "n": n, "m": 1, "depth": 1,
            "claim": "exact", "status": "ok", "command": "", "origin": "native",
            "verdict": "exact to rounding", "run_s": middle, "empty_call_s": 1e-8,
        }  # fmt: skip
        self.rows.append(Record(**{**known, **given}))
        for (generation, number), time in seconds.items():
            for kind, took in (("run", time), ("numpy_primal", primal)):
                at = {"generation": generation, "round": number, "kind": kind}
                self.samples.append({**given, **at, "loops": 4, "seconds": 4 * took})

    def book(self) -> Book:
        table = pd.DataFrame(self.samples, columns=[*SAMPLE_KEY, *Sample.__struct_fields__])
        run = synthetic.SyntheticRun(synthetic.frame(self.rows, Record), table, pd.DataFrame())
        return Book.of(run)  # type: ignore[arg-type]  # it offers what a Run does


def rounds(*times: float, generation: int = 0) -> Rounds:
    return {(generation, k): time * 1e-4 for k, time in enumerate(times)}


def two(
    *sizes: tuple[str, int], ratio: float = 2.0, generations: int = 5, noise: float = 0.01
) -> Made:
    """Two methods a, b over sizes, a slower by ``ratio``, with a little noise."""
    rng, made = np.random.default_rng(3), Made()
    for size in sizes:
        for method, factor in (("a", ratio), ("b", 1.0)):
            keys = [(g, k) for g in range(generations) for k in range(3)]
            times = 1e-4 * factor * np.exp(rng.normal(0, noise, len(keys)))
            made.cell(method, size, dict(zip(keys, times.tolist(), strict=True)))
    return made
