"""Findings in the studies of other pages: steps of differences, planted mistakes, programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from diffbench.analysis.claims.evidence import MAKES, Evidence, Finding
from diffbench.analysis.claims.own import OWN
from diffbench.analysis.programs import needs_closed_form
from diffbench.analysis.scaling import TOLERANCE, Fit, verdict

__all__ = ["closed_form", "extrapolated", "mistakes", "no_formula", "steps"]

SLOPES = {
    # row of the study step_size -> the exponent of theory
    "slope_truncation|forward": 1.0,
    "slope_truncation|central": 2.0,
    "slope_roundoff|forward": -1.0,
    "slope_roundoff|central": -1.0,
}
PERCENT = 100.0
SURE = 0.99  # the share that a check must see, with 95 %, to count as one that sees all
FACTOR = 10.0  # between the step that theory gives and the best one measured


def steps(evidence: Evidence) -> Iterator[Finding]:
    """The slopes of both branches of the error, and the best step over the one of theory."""
    known = evidence.study("step_size")
    for key, expected in SLOPES.items():
        if key in known:
            kind, scheme = key.removeprefix("slope_").split("|")
            yield _slope(
                f"Slope of the error against h, {scheme}: {kind}", key, known[key], expected
            )
    for scheme in ("forward", "central"):
        names = f"envelope_argmin|{scheme}", f"theory_step|{scheme}"
        if all(name in known for name in names):
            best, theory = (float(known[name]["value"]) for name in names)
            yield Finding.exact(
                f"Best step over that of theory, {scheme}",
                best / theory,
                "×",
                1 / FACTOR <= best / theory <= FACTOR,
                wanted=f"{1 / FACTOR:g} to {FACTOR:g}",
                source="step_size",
                keys=names,
                reason=f"h = {best:.2g} where theory gives {theory:.2g}",
            )


def _slope(what: str, key: str, row: dict[str, Any], expected: float) -> Finding:
    value, low, high = (
        math.nan if row[name] is None else float(row[name]) for name in ("value", "low", "high")
    )
    return Finding(
        what=what,
        number=value,
        unit="exponent",
        low=low,
        high=high,
        wanted=f"{expected - TOLERANCE:g} to {expected + TOLERANCE:g}",
        holds=MAKES.get(verdict(Fit(value, low, high, 0, 0), expected)),
        source="step_size",
        keys=(key,),
        reason=row["reason"],
    )


def extrapolated(evidence: Evidence) -> Iterator[Finding]:
    """The error of extrapolated differences over the best that central ones can rely on."""
    error, calls = (evidence.value(OWN, f"careful|{name}") for name in ("error", "calls"))
    plain = evidence.value("step_size", "envelope_minimum|central")
    if math.isfinite(error) and plain > 0:
        yield Finding.exact(
            f"Error of central differences extrapolated to h = 0, in {calls:.0f} calls of f",
            error,
            "absolute error",
            error <= plain / FACTOR,
            wanted=f"at most {plain / FACTOR:.2g}",
            source=OWN,
            keys=("careful|error", "careful|calls"),
            reason=f"a tenth of {plain:.2g}, the least that plain central differences can rely on",
        )


# --- mistakes and programs ------------------------------------------------------------------------


def mistakes(evidence: Evidence) -> Iterator[Finding]:
    """The share of planted mistakes that each usual check sees; a proven reference beside them."""
    for key, row in evidence.study("mutants", "rate|all|").items():
        checker = key.rpartition("|")[2]
        ours = checker == "diffbench"
        yield Finding(
            what=f"Planted mistakes that {checker} sees",
            number=PERCENT * float(row["value"]),
            unit="%",
            low=PERCENT * float(row["low"]),
            high=PERCENT * float(row["high"]),
            wanted="" if ours else "less than 100 %: some pass",
            holds=None if ours else _some_pass(row),
            source="mutants",
            keys=(key,),
            reason=f"{row['reason']}; Wilson's interval",
            decides=not ours,
        )


def _some_pass(row: dict[str, Any]) -> bool | None:
    """Whether a check lets mistakes pass; that it sees all of a few leaves it open."""
    if float(row["value"]) < 1.0:
        return True
    return False if float(row["low"]) > SURE else None


def _right(evidence: Evidence, way: str) -> dict[str, set[str]] | None:
    """Programs with a right answer -> the keys that say so; None where nobody was asked."""
    found: dict[str, set[str]] = {}
    asked = False
    for key, row in evidence.study("programs", "answer|").items():
        _, program, method = key.split("|", 2)
        if method.partition("[")[0] == way:
            asked = True
            if row["unit"] == "right":
                found.setdefault(program, set()).add(key)
    return found if asked else None


def _decisions(evidence: Evidence) -> dict[str, int]:
    rows = evidence.study("programs", "program|")
    return {key.partition("|")[2]: int(row["value"]) for key, row in rows.items()}


def closed_form(evidence: Evidence) -> Iterator[Finding]:
    """Whether differentiation by hand and by symbols refuses what has no closed form."""
    decisions = _decisions(evidence)
    for way in ("symbolic", "manual"):
        right = _right(evidence, way)
        needs, reason = needs_closed_form(decisions, right)
        if right is not None and needs is not None:
            took = [name for name in right if decisions.get(name)]
            yield Finding.exact(
                f"Programs without a closed form that it takes all the same: {way}",
                len(took),
                "programs",
                needs,
                wanted="0, and some others",
                source="programs",
                keys=tuple(sorted(key for keys in right.values() for key in keys)),
                reason=reason,
            )


def no_formula(evidence: Evidence) -> Iterator[Finding]:
    """Programs whose path values decide that reverse mode takes: no layered network is one."""
    decisions, right = _decisions(evidence), _right(evidence, "reverse")
    by_values = [name for name, times in decisions.items() if times]
    if right is not None and by_values:
        took = {name: right[name] for name in by_values if name in right}
        yield Finding.exact(
            "Programs with loops, branches or recursion on values that reverse mode takes",
            len(took),
            f"of {len(by_values)} programs",
            bool(took),
            wanted="at least 1",
            source="programs",
            keys=tuple(sorted(key for keys in took.values() for key in keys)),
            reason=", ".join(took),
        )
