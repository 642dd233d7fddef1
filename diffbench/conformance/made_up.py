"""Made-up runs, for pages to be tried on: every status, two sizes, one study, no measurement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from diffbench.records.record import Record, Sample
from diffbench.records.run import ENVIRONMENT, PLAN, Run
from diffbench.records.store import Store
from diffbench.study import StudyRow

__all__ = ["empty", "small"]

SIZES = (2, 8)
ROUNDS = 3
PRIMAL_S = 1e-6
# method: category, claim, seconds a call at n = 1 and what it grows with, relative error, verdict
METHODS = {
    "manual": ("manual", "exact", 2e-6, 0, 1e-16, "exact to rounding"),
    "finite_difference[scheme=forward]": ("numerical", "approximate", 2e-6, 1, 3e-8, "degraded"),
    "reverse": ("reverse AD", "exact", 4e-5, 0, 1e-16, "exact to rounding"),
    "zero": ("control", "control", 4e-7, 0, 1.0, "wrong"),
}


def empty(folder: Path, run: str = "made-up") -> Run:
    """A run that was ended before its first cell."""
    folder.mkdir()
    with Store(folder) as store:
        store.finish()
    facts = {"format": 1, "run": run, "problems": "rosenbrock", "profile": "quick"}
    (folder / PLAN).write_text(json.dumps(facts), encoding="utf-8")
    (folder / ENVIRONMENT).write_text("{}", encoding="utf-8")
    return Run(folder)


def small(folder: Path, run: str = "made-up") -> Run:
    """A run of a few cells."""
    made = empty(folder, run)
    with Store(folder) as store:
        for record in _records(run):
            store.save(record, list(_samples(record)))
        store.save_study("made-up", "ok", [StudyRow(study="made-up", key="one", value=1.0)])
        store.finish()
    return made


def _records(run: str) -> Iterator[Record]:
    for n in SIZES:
        for method in METHODS:
            yield _answered(run, n, method)
    facts = _facts(run, SIZES[0], "reverse") | {"operator": "hessian"}
    for status in ("unsupported", "timeout", "out_of_memory", "crashed", "failed", "skipped"):
        named = {**facts, "method": f"a method that is {status}", "status": status}
        yield Record(**named, reason=f"made up to be {status}")


def _facts(run: str, n: int, method: str) -> dict[str, Any]:
    category, claim, *_ = METHODS[method]
    return {
        "run": run,
        "machine": "made-up",
        "generation": 1,
        "family": "rosenbrock",
        "instance": f"rosenbrock[n={n}]",
        "params": json.dumps({"n": n}),
        "n": n,
        "m": 1,
        "depth": 1,
        "seed": 0,
        "operator": "gradient",
        "method": method,
        "category": category,
        "claim": claim,
        "command": f"diffbench run --problems 'rosenbrock[n={n}]' --methods '{method}'",
    }


def _answered(run: str, n: int, method: str) -> Record:
    *_, seconds, growth, error, verdict = METHODS[method]
    call = seconds * n**growth
    ratio = call / PRIMAL_S
    facts = {
        **_facts(run, n, method),
        "status": "ok",
        "origin": "native",
        "prepare_s": 1e-4,
        "first_call_s": 2 * call,
        "run_s": call,
        "run_s_low": 0.95 * call,
        "run_s_high": 1.05 * call,
        "samples": ROUNDS,
        "loops": 1,
        "empty_call_s": 6e-8,
        **{f"ratio_{of}_primal": ratio for of in ("own", "numpy")},
        **{f"ratio_{of}_primal_low": 0.95 * ratio for of in ("own", "numpy")},
        **{f"ratio_{of}_primal_high": 1.05 * ratio for of in ("own", "numpy")},
        "error_max_rel": error,
        "error_norm_rel": error,
        "rad53_rel": 1e-16,
        "digits": 0.0 if error == 1.0 else 8.0 if error > 1e-9 else 16.0,
        "verdict": verdict,
        "reference": "certified",
        "reference_bits": 128,
        "dtype": "float64",
    }
    return Record(**facts)


def _samples(record: Record) -> Iterator[Sample]:
    if record.run_s is not None:
        timed: dict[Literal["run", "numpy_primal"], float] = {
            "run": record.run_s,
            "numpy_primal": PRIMAL_S,
        }
        for number in range(ROUNDS):
            for kind, seconds in timed.items():
                yield Sample(generation=0, round=number, kind=kind, loops=1, seconds=seconds)
