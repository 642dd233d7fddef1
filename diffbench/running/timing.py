"""From raw samples to the record's times and ratios, with intervals and warnings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from diffbench.measure.intervals import Interval, Spread, calibrated, interval, paired
from diffbench.records.record import Sample

__all__ = [
    "OVERHEAD_CALLS",
    "PRIMAL",
    "TIMED",
    "aa_groups",
    "aa_spread",
    "joined",
    "per_call",
    "times",
]

OVERHEAD_CALLS = 10  # a time of fewer empty calls is mostly the cost of measuring
FEW = 3
WIDE = 1.5
WARNINGS = (
    f"fewer than {FEW} samples",
    f"the interval is wider than a factor {WIDE}",
    f"shorter than {OVERHEAD_CALLS} empty calls",
)
PRIMAL = "numpy_primal"  # identical code in every worker
RATIOS = {"ratio_own_primal": "own_primal", "ratio_numpy_primal": PRIMAL}
QUANTITIES = ("run_s", *RATIOS)
# The fields of a record that its samples decide.
TIMED = (
    *(f"{name}{end}" for name in QUANTITIES for end in ("", "_low", "_high")),
    *("samples", "loops", "generation", "warnings"),
)
Key = tuple[int, int]


def per_call(samples: Iterable[Sample], kind: str) -> dict[Key, float]:
    """Seconds of one call of that kind by (generation, round)."""
    return {(s.generation, s.round): s.seconds / s.loops for s in samples if s.kind == kind}


def _by_generation(values: Mapping[Key, float]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for (generation, _), value in sorted(values.items()):
        found.setdefault(generation, []).append(value)
    return found


def aa_spread(cells: Iterable[tuple[Any, Sequence[Sample]]]) -> Spread:
    """The spread between processes that ran the same f in numpy, pooled over the run.

    ``cells`` pairs what names a group (instance, operator, ...) with the samples of one of its
    cells: every cell of a group has a worker process of its own.
    """
    return calibrated(aa_groups(cells))


def aa_groups(cells: Iterable[tuple[Any, Sequence[Sample]]]) -> Collection[list[list[float]]]:
    """The times of f in numpy by process, together those of one group in one generation."""
    groups: dict[Any, list[list[float]]] = {}
    for group, samples in cells:
        primal = _by_generation(per_call(samples, PRIMAL))
        for generation, row in primal.items():
            groups.setdefault((group, generation), []).append(row)
    return groups.values()


def times(samples: Sequence[Sample], spread: Spread, empty_call_s: float | None) -> dict[str, Any]:
    """The record's fields on time; empty where nothing was sampled."""
    run = per_call(samples, "run")
    found = interval(_by_generation(run), spread)
    if found is None:
        return {}
    facts = {
        **_fields("run_s", found),
        "samples": len(run),
        "loops": next(s.loops for s in samples if s.kind == "run"),
        "empty_call_s": empty_call_s,
        "generation": len(_by_generation(run)),
    }
    for name, kind in RATIOS.items():
        ratio = interval(paired(run, per_call(samples, kind)), spread.of_ratios())
        if ratio is not None:
            facts |= _fields(name, ratio)
    return {**facts, "warnings": "; ".join(_warnings(found, len(run), empty_call_s))}


def _fields(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _warnings(found: Interval, count: int, empty_call_s: float | None) -> list[str]:
    short = empty_call_s is not None and found.value < OVERHEAD_CALLS * empty_call_s
    wide = found.high > WIDE * found.low
    tests = (count < FEW, wide, short)
    return [text for text, true in zip(WARNINGS, tests, strict=True) if true]


def joined(facts: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a record with newly found times; earlier warnings about times give way."""
    said = [text for text in facts.get("warnings", "").split("; ") if text not in ("", *WARNINGS)]
    new = found.get("warnings", "")
    return {**facts, **found, "warnings": "; ".join([*said, new] if new else said)}
