"""Findings in the studies: traces taken apart, brackets, seeds, steps, mistakes, programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from diffbench.analysis.claims.evidence import Evidence, Finding
from diffbench.analysis.programs import needs_closed_form
from diffbench.analysis.scaling import TOLERANCE, Fit, verdict

__all__ = [
    "accumulated",
    "bracketed",
    "closed_form",
    "extrapolated",
    "mistakes",
    "no_formula",
    "optimum",
    "orders",
    "owned",
    "replayed",
    "rows",
    "steps",
]

OWN = "lecture_claims"
Find = Callable[[Evidence], Iterator[Finding]]
MAKES = {"holds": True, "does not hold": False}
SLOPES = {
    # row of the study step_size -> the exponent of theory
    "slope_truncation|forward": 1.0,
    "slope_truncation|central": 2.0,
    "slope_roundoff|forward": -1.0,
    "slope_roundoff|central": -1.0,
}
ULPS = 4.0  # two roundings in each order: at most 4 u apart
FACTOR = 10.0  # between the step that theory gives and the best one measured


def rows(
    what: str, prefix: str, limit: float = 0.0, wanted: str = "0", decides: bool = True
) -> Find:
    """The largest value among the rows of a prefix, which must not exceed ``limit``."""

    def find(evidence: Evidence) -> Iterator[Finding]:
        found = evidence.study(OWN, prefix)
        if found:
            values = [float(row["value"]) for row in found.values()]
            said = [str(row["reason"]) for row in found.values() if row["reason"]]
            yield Finding.exact(
                what,
                max(values),
                next(iter(found.values()))["unit"],
                max(values) <= limit if decides else None,
                wanted=wanted,
                source=OWN,
                keys=tuple(found),
                reason=said[0] if len(said) == 1 else "",
                decides=decides,
            )

    return find


# --- traces ---------------------------------------------------------------------------------------


def replayed(evidence: Evidence) -> Iterator[Finding]:
    """The lines of the lecture's function: how many operations, how many partials."""
    for kind in ("operations", "edges"):
        key = f"replay|{kind}|straight line"
        for row in evidence.study(OWN, key).values():
            yield _shown(f"Of the lecture's function: {row['unit']}", key, row)


def _shown(what: str, key: str, row: dict[str, Any]) -> Finding:
    return Finding.exact(
        what,
        float(row["value"]),
        row["unit"],
        None,
        source=OWN,
        keys=(key,),
        reason=row["reason"],
        decides=False,
    )


ACCUMULATED = {
    # way -> the gradient that it gives at (2, 5), and whether that is right
    "overwrite": ((0.5, 2.0), False),
    "keep the first": ((5.0, -0.28366218546322625), False),
    "add": ((5.5, 1.7163378145367738), True),
}


def accumulated(evidence: Evidence) -> Iterator[Finding]:
    """What each way to accumulate gives, and whether the judge flags it."""
    for way, (entries, right) in ACCUMULATED.items():
        found = evidence.study(OWN, f"accumulate|{way}|")
        if found:
            given = tuple(float(row["value"]) for row in found.values())
            said = {row["unit"] for row in found.values()}
            judged = said == {"exact to rounding" if right else "wrong"}
            same = sum(a == b for a, b in zip(given, entries, strict=False))
            yield Finding.exact(
                f"Entries as foreseen: {way}",
                same,
                f"of {len(entries)} entries",
                given == entries and judged,
                wanted=f"{entries}, {'exact' if right else 'wrong'}",
                source=OWN,
                keys=tuple(found),
                reason=f"{given}, judged {', '.join(sorted(said))}",
            )


# --- brackets -------------------------------------------------------------------------------------


def orders(evidence: Evidence) -> Iterator[Finding]:
    """The operations of both brackets of the scalar chain, in their order."""
    for key, row in evidence.study(OWN, "chain|order|").items():
        yield _shown(f"Operations in {key.rpartition('|')[2]} order", key, row)


def bracketed(evidence: Evidence) -> Iterator[Finding]:
    """Counted multiplications of each bracket, and of each mode, against the formula."""
    for key, row in evidence.study(OWN, "multiplications|").items():
        _, chain, bracket = key.split("|")
        formulas = _formulas(evidence, chain, bracket)
        if formulas:
            expected = math.fsum(float(f["value"]) for f in formulas.values())
            number = float(row["value"])
            yield Finding.exact(
                f"{bracket}, widths {row['reason']}",
                number,
                row["unit"],
                number == expected,
                wanted=f"{expected:.0f}",
                source=OWN,
                keys=(key, *formulas),
                reason=" + ".join(str(f["reason"]) for f in formulas.values()),
            )


def _formulas(evidence: Evidence, chain: str, bracket: str) -> dict[str, dict[str, Any]]:
    """What a bracket, or the mode that does it, has to multiply."""
    parts = {
        "D(C(BA))": ("D(C(BA))",),
        "((DC)B)A": ("((DC)B)A",),
        "forward mode": ("D(C(BA))",),
        "reverse mode": ("((DC)B)A", "seed"),
    }.get(bracket, ())
    known = evidence.study(OWN, f"formula|{chain}|")
    return {key: known[key] for part in parts if (key := f"formula|{chain}|{part}") in known}


def optimum(evidence: Evidence) -> Iterator[Finding]:
    """The cheapest of all five brackets of the chain with a waist, beside both modes'."""
    found = evidence.study(OWN, "multiplications|waist|")
    brackets = {key: float(row["value"]) for key, row in found.items() if not key.endswith(" mode")}
    both = [brackets.get(f"multiplications|waist|{b}") for b in ("D(C(BA))", "((DC)B)A")]
    if len(brackets) == 5 and None not in both:
        best = min(brackets, key=lambda key: brackets[key])
        least = min(value for value in both if value is not None)
        yield Finding.exact(
            f"Fewest multiplications of the five brackets: {best.rpartition('|')[2]}",
            brackets[best],
            "multiplications",
            brackets[best] < least,
            wanted=f"less than {least:.0f}",
            source=OWN,
            keys=tuple(brackets),
            reason=f"widths {found[best]['reason']}; forward order takes {both[0]:.0f}, "
            f"reverse order {both[1]:.0f}",
        )


# --- seeds ----------------------------------------------------------------------------------------


def owned(evidence: Evidence) -> Iterator[Finding]:
    """Passes that fill exactly their own line of the Jacobian, of as many as were taken."""
    for mode, line in (("forward", "column"), ("reverse", "row")):
        found = evidence.study(OWN, f"owner|{mode}|")
        taken = evidence.study(OWN, f"passes|{mode}")
        if found and taken:
            own = sum(float(row["value"]) for row in found.values())
            passes = evidence.value(OWN, f"passes|{mode}")
            yield Finding.exact(
                f"Passes of {mode} mode that fill exactly their own {line}",
                own,
                f"of {passes:.0f} passes",
                own == passes == len(found),
                wanted=f"{len(found)}, one a {line}",
                source=OWN,
                keys=(*taken, *found),
                reason="; ".join(str(row["reason"]) for row in found.values()),
            )


# --- differences ----------------------------------------------------------------------------------


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
            number=float(row["value"]),
            unit="share",
            low=float(row["low"]),
            high=float(row["high"]),
            wanted="" if ours else "less than 1: some pass",
            holds=None if ours else float(row["value"]) < 1.0,
            source="mutants",
            keys=(key,),
            reason=f"{row['reason']}; Wilson's interval",
            decides=not ours,
        )


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
