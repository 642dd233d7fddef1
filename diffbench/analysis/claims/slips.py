"""Slips of the slides and of the survey, each beside what this run measured of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from diffbench.analysis.cells import answered
from diffbench.analysis.claims.cells import keys
from diffbench.analysis.claims.evidence import RECORDS, Evidence
from diffbench.analysis.claims.lines import Line, lines

__all__ = ["SLIPS", "Measured", "Slip"]

CENTRAL = "finite_difference[scheme=central]"


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """What the run measured of a slip, in words with numbers, and the rows it comes from."""

    text: str
    source: str
    keys: tuple[str, ...]


def _nothing(evidence: Evidence) -> None:
    return None


@final
@dataclass(frozen=True, slots=True)
class Slip:
    """The claim it touches, what stands there, what is right, and the number that shows it."""

    row: str
    slip: str
    right: str
    measured: Callable[[Evidence], Measured | None] = _nothing


# --- traces ---------------------------------------------------------------------------------------


def _last_row(evidence: Evidence) -> Measured | None:
    x1, v1, total = (
        [line for line in lines(evidence, role) if line.name == name]
        for role, name in (("primal", "v-1"), ("adjoint", "v1"), ("adjoint", "v-1"))
    )
    if not x1 or not v1 or len(total) != 2:
        return None
    a, g, (first, last) = x1[0].value, v1[0].value, (line.value for line in total)
    text = f"{first:g} + {g:g} / {a:g} = {last:g}; times gives {first + g * a:g}"
    return _from(text, [*x1, *v1, *total])


def _from(text: str, found: list[Line]) -> Measured:
    return Measured(text, found[0].study, tuple(line.key for line in found))


def _values(role: str, *names: str) -> Callable[[Evidence], Measured | None]:
    """Every line of these variables in a trace table."""

    def find(evidence: Evidence) -> Measured | None:
        found = [line for line in lines(evidence, role) if line.name in names]
        said = ", ".join(
            f"{'' if line.sign == '=' else 'then '}{line.name} = {line.value:.6g}" for line in found
        )
        return _from(f"{role}: {said}", found) if found else None

    return find


# --- other claims ---------------------------------------------------------------------------------


def _reasons(row: str, decides: bool) -> Callable[[Evidence], Measured | None]:
    """What the findings of a claim say that decide it, or that stand beside it."""

    def find(evidence: Evidence) -> Measured | None:
        known = evidence.decided[row].findings if row in evidence.decided else ()
        found = [f for f in known if f.decides == decides]
        if not found:
            return None
        said = "; ".join(f"{f.what.rpartition(': ')[2]}: {f.reason}" for f in found)
        return Measured(said, found[0].source, tuple(key for f in found for key in f.keys))

    return find


def _evaluations(evidence: Evidence) -> Measured | None:
    rows = answered(evidence.records)
    rows = rows[(rows["method"] == CENTRAL) & (rows["operator"] == "jacobian") & (rows["m"] > 1)]
    rows = rows[rows["calls_f"].notna()]
    if rows.empty:
        return None
    largest = rows.loc[[(rows["m"] * rows["n"]).idxmax()]]
    n, m, calls = (int(largest[name].iloc[0]) for name in ("n", "m", "calls_f"))
    text = f"{calls} evaluations at n = {n}, m = {m}; 2 m n would be {2 * m * n}"
    return Measured(text, RECORDS, keys(largest))


SLIPS: tuple[Slip, ...] = (
    Slip(
        "21",
        "The last adjoint adds v1's adjoint times v-1 and still shows 5.5.",
        "It is divided by v-1: the derivative of ln. (The deck may have been misread here: look "
        "at the original.)",
        _last_row,
    ),
    Slip(
        "21",
        "One frame derives v4 by itself, dv4/dv4, another takes the cosine of theta.",
        "dv4/dv1, and cos v0. (These too may be misread.)",
        _values("adjoint", "v1", "v3"),
    ),
    Slip(
        "23",
        "One name, the adjoint of v0, stands for two values, and an equation has it on both sides.",
        "Write += or number the two.",
        _values("adjoint", "v0"),
    ),
    Slip(
        "10",
        "Values have three digits, and 10.693 + 0.959 hides that v3 is negative.",
        "v5 = v4 - v3 with v3 below zero; the three digits are rounded correctly.",
        _values("primal", "v3", "v4", "v5"),
    ),
    Slip(
        "10",
        "The forward table has the seed (1, 0) only.",
        "A second pass with the seed (0, 1) gives the other derivative.",
        _values("tangent, seed (0, 1)", "v5"),
    ),
    Slip(
        "22",
        "Gradients are written with a small delta.",
        "Partial derivatives are written with a curled d.",
    ),
    Slip(
        "18/19",
        "Parentheses in both formulas of reverse accumulation do not balance, and m is the number "
        "of outputs on one slide and a width of the chain on another.",
        "Four widths need four letters: n, p, q, r and m outputs.",
    ),
    Slip(
        "8",
        "That symbols need a closed form is too strong.",
        "A loop of fixed length unrolls into one; only what values decide has none.",
        _reasons("8", decides=True),
    ),
    Slip(
        "7",
        "That symbolic derivatives swell is said of expressions as such.",
        "It is true of the tree; with its subexpressions shared it does not swell.",
        _reasons("7", decides=False),
    ),
    Slip(
        "5",
        "The survey: a Jacobian by central differences takes 2 m n evaluations.",
        "2 n evaluations of the function with m outputs; 2 m n only if each output is computed "
        "apart.",
        _evaluations,
    ),
    Slip(
        "22",
        "The survey's Helmholtz energy is printed as the sum of log(x_i / (1 - b x)).",
        "Each logarithm has the factor x_i; so the family here computes it.",
    ),
)
