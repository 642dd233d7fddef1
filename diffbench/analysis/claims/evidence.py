"""What a claim is decided on: findings, each a number of the run with what it would have to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import dicts

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FAILS",
    "HOLDS",
    "MAKES",
    "OPEN",
    "RECORDS",
    "Decided",
    "Evidence",
    "Finding",
    "Statement",
]

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decidable here"
MAKES = {HOLDS: True, FAILS: False}
RECORDS = "records"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number that the run measured.

    ``low`` and ``high`` bound it (95 %); for an exact count they equal it, and they are NaN where
    there is no interval. ``holds`` is None where the number leaves the claim open. A finding that
    does not ``decide`` stands beside those that do. ``source`` is ``records`` or the name of a
    study, ``keys`` name the rows: ``instance · operator · method``, or the study's keys.
    """

    what: str
    number: float
    unit: str
    low: float
    high: float
    wanted: str
    holds: bool | None
    source: str
    keys: tuple[str, ...]
    reason: str = ""
    decides: bool = True

    @classmethod
    def exact(cls, what: str, number: float, unit: str, holds: bool | None, **more: Any) -> Finding:
        """A count or a recomputable number: its interval is a point."""
        known = {"wanted": "", **more}
        return cls(
            what=what, number=number, unit=unit, low=number, high=number, holds=holds, **known
        )


@final
@dataclass(frozen=True)
class Evidence:
    """A run's records and studies, and the claims that are decided already, by row.

    A study whose own job ended early decides nothing: the rows that it left are not all.
    """

    records: pd.DataFrame
    studies: pd.DataFrame
    decided: dict[str, Decided] = field(default_factory=dict)

    @cached_property
    def _studies(self) -> dict[str, dict[str, dict[str, Any]]]:
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for row in dicts(self.studies) if len(self.studies) else []:
            found.setdefault(row["study"], {})[row["key"]] = row
        return {name: rows for name, rows in found.items() if not _cut_off(rows)}

    def study(self, name: str, prefix: str = "") -> dict[str, dict[str, Any]]:
        """The rows of a study by key, those whose key begins with ``prefix``."""
        rows = self._studies.get(name, {})
        return {key: row for key, row in rows.items() if key.startswith(prefix)}

    def value(self, name: str, key: str) -> float:
        """The value of one row of a study, NaN where there is none."""
        row = self._studies.get(name, {}).get(key)
        return math.nan if row is None or row["value"] is None else float(row["value"])


def _cut_off(rows: Iterable[str]) -> bool:
    """Whether the job of the study itself ended early: those of its methods add their names."""
    return any(key.startswith("status|") and key.count("|") == 1 for key in rows)


@final
@dataclass(frozen=True, slots=True)
class Statement:
    """One claim before it is decided: where it stands in the facts, its sentence, what is done.

    ``find`` yields the findings, of which at least ``needs`` must decide; ``missing`` says why a
    run with fewer cannot.
    """

    row: str
    sentence: str
    experiment: str
    find: Callable[[Evidence], Iterable[Finding]]
    missing: str
    needs: int = 1

    def decide(self, evidence: Evidence) -> Decided:
        """It fails where one finding that decides fails, and holds where all do."""
        findings = tuple(self.find(evidence))
        verdicts = [finding.holds for finding in findings if finding.decides]
        if False in verdicts:
            verdict, reason = FAILS, _named(findings, False)
        elif None in verdicts:
            verdict, reason = OPEN, _named(findings, None)
        elif len(verdicts) < self.needs:
            verdict, reason = OPEN, self.missing
        else:
            verdict, reason = HOLDS, ""
        return Decided(self, findings, verdict, reason)


@final
@dataclass(frozen=True, slots=True)
class Decided:
    """A claim with its findings, its verdict, and the reason where it does not hold or is open."""

    statement: Statement
    findings: tuple[Finding, ...]
    verdict: str
    reason: str


def _named(findings: Iterable[Finding], outcome: bool | None) -> str:
    chosen = [f for f in findings if f.decides and f.holds is outcome]
    return "; ".join(f"{f.what}: {f.reason}" if f.reason else f.what for f in chosen)
