"""Findings in the study ``lecture_claims``: traces, brackets, seeds, backpropagation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from diffbench.analysis.claims.evidence import Evidence, Finding

__all__ = [
    "OWN",
    "ULPS",
    "accumulated",
    "bracketed",
    "one_pass",
    "optimum",
    "orders",
    "owned",
    "replayed",
    "rows",
]

OWN = "lecture_claims"
Find = Callable[[Evidence], Iterator[Finding]]
ULPS = 4.0  # two roundings in each order: at most 4 u apart


def rows(
    what: str, prefix: str, limit: float = 0.0, wanted: str = "0", decides: bool = True
) -> Find:
    """The largest value among the rows of a prefix, which must not exceed ``limit``."""

    def find(evidence: Evidence) -> Iterator[Finding]:
        found = evidence.study(OWN, prefix)
        if found:
            values = [_number(row) for row in found.values()]
            said = [str(row["reason"]) for row in found.values() if row["reason"]]
            yield Finding.exact(
                what,
                math.nan if any(map(math.isnan, values)) else max(values),
                next(iter(found.values()))["unit"],
                all(value <= limit for value in values) if decides else None,
                wanted=wanted,
                source=OWN,
                keys=tuple(found),
                reason=said[0] if len(said) == 1 else "",
                decides=decides,
            )

    return find


def _number(row: dict[str, Any]) -> float:
    return math.nan if row["value"] is None else float(row["value"])


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


BEFORE = {"forward": 2, "reverse": 0}  # products of slopes before the chain's last value, tanh


def orders(evidence: Evidence) -> Iterator[Finding]:
    """How many products of slopes each bracket of the scalar chain forms before the last value."""
    for mode, wanted in BEFORE.items():
        key = f"chain|order|{mode}"
        for row in evidence.study(OWN, key).values():
            before, last, _ = str(row["reason"]).partition("tanh")
            done = before.count("multiply")
            yield Finding.exact(
                f"Products of slopes before the last value, {mode} mode",
                done,
                f"of {str(row['reason']).count('multiply')} products",
                bool(last) and done == wanted,
                wanted=f"{wanted}",
                source=OWN,
                keys=(key,),
                reason=f"{row['value']:.0f} operations: {row['reason']}",
            )


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
                wanted=_whole(expected),
                source=OWN,
                keys=(key, *formulas),
                reason=" + ".join(str(f["reason"]) for f in formulas.values()),
            )


def _whole(count: float) -> str:
    return f"{count:,.0f}".replace(",", "\u202f")


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
    modes = [f"multiplications|waist|{order}" for order in ("D(C(BA))", "((DC)B)A")]
    if len(brackets) == 5 and brackets.keys() >= set(modes):
        forward, reverse = (brackets[key] for key in modes)
        best = min(brackets, key=lambda key: brackets[key])
        least = min(forward, reverse)
        yield Finding.exact(
            f"Fewest multiplications of the five brackets: {best.rpartition('|')[2]}",
            brackets[best],
            "multiplications",
            brackets[best] < least,
            wanted=f"less than {_whole(least)}",
            source=OWN,
            keys=tuple(brackets),
            reason=f"widths {found[best]['reason']}; forward order takes {_whole(forward)}, "
            f"reverse order {_whole(reverse)}",
        )


# --- seeds ----------------------------------------------------------------------------------------


def one_pass(evidence: Evidence) -> Iterator[Finding]:
    """Passes of forward mode for one input: neither more nor, by a wrong answer, none."""
    fewest, most = (evidence.study(OWN, f"outputs|{name}") for name in ("fewest", "most"))
    for row, least in zip(most.values(), fewest.values(), strict=True):
        yield Finding.exact(
            "Forward passes for one input, most of all m",
            float(row["value"]),
            row["unit"],
            least["value"] == row["value"] == 1.0,
            wanted="1, with every derivative right",
            source=OWN,
            keys=(*fewest, *most),
            reason=f"{row['reason']}; at least {least['value']:.0f}",
        )


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
