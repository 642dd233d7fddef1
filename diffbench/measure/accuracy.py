"""The verdict on an answer: its error against the proven derivative, and what that makes it.

With b_i = max(rad53_i, 2^-53 |ref_i|), decided in this order: non-finite, wrong shape or dtype is
*wrong*; a reference without claim or with 4 max b > 1e-6 |ref|_inf is *uninformative*; an error of
a tenth of |ref|_inf is *wrong*; err_i <= 4 b_i everywhere is *exact to rounding*; else *degraded*.
A weaker reference, which is not proven, condemns and does not acquit: what it does not find *wrong*
is *uninformative*, with the digits that agree.
Comparisons are written ``not (error <= limit)``, so that NaN fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench.measure.answers import is_sparse, on_pattern
from diffbench.measure.reference import Reference

__all__ = ["Accuracy", "judge"]

Array = NDArray[np.float64]

ROUNDING = 2.0**-53
EXACT = 4.0  # times the bound
INFORMATIVE = 1e-6  # of the largest entry
WRONG = 0.1  # of the largest entry
MOST_DIGITS = -math.log10(ROUNDING)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The record's fields on accuracy; numbers that do not exist are None."""

    nnz: int | None = None
    error_max_rel: float | None = None
    error_norm_rel: float | None = None
    error_over_bound: float | None = None
    rad53_rel: float | None = None
    digits: float | None = None
    verdict: str = ""
    verdict_reason: str = ""
    reference: str = ""
    reference_bits: int | None = None


def judge(answer: Any, reference: Reference, claim: str = "exact") -> Accuracy:
    """The errors and the verdict of an answer; never raises, whatever the answer is.

    Where a method whose ``claim`` is approximate comes out exact, the reason says why.
    """
    facts: dict[str, Any] = {"reference": reference.claim, "reference_bits": reference.bits}
    if reference.claim != "none":
        facts |= _condition(reference)
    malformed = _malformed(answer, reference)
    if malformed:
        return Accuracy(**facts, verdict="wrong", verdict_reason=malformed)
    if reference.claim == "none":
        return Accuracy(**facts, verdict="uninformative", verdict_reason=reference.reason)
    answer, reference = _aligned(answer, reference)
    error = np.abs((answer - reference.hi) - reference.lo) + reference.radius
    error = np.where(
        (answer == reference.hi) & (reference.lo == 0) & (reference.radius == 0), 0.0, error
    )
    bound = _bound(reference)
    facts |= _errors(error, bound, reference)
    verdict, reason = _verdict(error, bound, reference, facts["digits"])
    if reference.claim == "weaker":
        verdict, reason = _unproven(verdict, reason, reference, facts["digits"])
    if claim == "approximate" and verdict == "exact to rounding":
        reason = _luck(error, reference)
    return Accuracy(**facts, verdict=verdict, verdict_reason=reason)


def _unproven(
    verdict: str, reason: str, reference: Reference, digits: float | None
) -> tuple[str, str]:
    """What a reference that is not proven may say: that the answer is wrong, and no more."""
    if verdict == "wrong":
        return verdict, f"{reason}, by extended precision ({reference.reason})"
    agreed = 0.0 if digits is None else digits
    return "uninformative", (
        f"{reference.reason}; the answer agrees with extended precision to {agreed:.1f} digits"
    )


def _luck(error: Array, reference: Reference) -> str:
    """Why an approximation can be exact: f is of low degree, or the bound is wide."""
    if np.all(error <= 2 * ROUNDING * np.abs(reference.hi)):
        return "f has no higher terms here that the formula would leave out"
    relative = _largest(reference.rad53) / _largest(reference.hi)
    return (
        f"rounding alone may reach {relative:.1e} of this derivative, more than the formula's error"
    )


def _bound(reference: Reference) -> Array:
    return np.asarray(np.maximum(reference.rad53, ROUNDING * np.abs(reference.hi)))


def _largest(a: Array) -> float:
    return float(np.max(np.abs(a), initial=0.0))


def _condition(reference: Reference) -> dict[str, Any]:
    scale = _largest(reference.hi)
    worst = _largest(reference.rad53)
    return {
        "nnz": int(np.count_nonzero(np.abs(reference.hi) > reference.radius)),
        "rad53_rel": worst / scale if scale else None,
    }


def _malformed(answer: Any, reference: Reference) -> str:
    if not (isinstance(answer, np.ndarray | np.float64) or is_sparse(answer)):
        return f"the answer is no numpy array but {type(answer).__name__}"
    if answer.shape != reference.shape:
        return f"the answer has shape {answer.shape}, expected {reference.shape}"
    if answer.dtype != np.float64:
        return f"the answer has dtype {answer.dtype}, expected float64"
    entries = answer.data if is_sparse(answer) else answer
    bad = int(np.size(entries) - np.count_nonzero(np.isfinite(entries)))
    return f"{bad} of {np.size(entries)} entries are not finite" if bad else ""


def _aligned(answer: Any, reference: Reference) -> tuple[Any, Reference]:
    """Answer and reference as arrays of one shape: dense, or on the pattern of the reference.

    What a sparse answer holds outside of that pattern stands at the end, beside a proven 0.
    """
    if reference.pattern is None:
        return (answer.toarray() if is_sparse(answer) else answer), reference
    if not is_sparse(answer):
        from scipy import sparse

        answer = sparse.csr_array(answer)
    inside, outside = on_pattern(answer, reference.pattern)
    zeros = np.zeros(outside.size)
    hi, lo, radius, rad53 = (
        np.concatenate([a, zeros])
        for a in (reference.hi, reference.lo, reference.radius, reference.rad53)
    )
    flat = replace(reference, hi=hi, lo=lo, radius=radius, rad53=rad53, pattern=None)
    return np.concatenate([inside, outside]), flat


def _errors(error: Array, bound: Array, reference: Reference) -> dict[str, Any]:
    size = np.abs(reference.hi)
    live = size > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        over = np.where(error == 0, 0.0, error / bound)
        relative = (
            (error[live] / size[live]) if live.ndim else (error / size if live else np.zeros(0))
        )
    norm = float(np.linalg.norm(np.atleast_1d(size).reshape(-1)))
    norm_rel = float(np.linalg.norm(np.atleast_1d(error).reshape(-1))) / norm if norm else None
    return {
        "error_max_rel": float(np.max(relative, initial=0.0)) if np.size(relative) else None,
        "error_norm_rel": norm_rel,
        "error_over_bound": _largest(over),
        "digits": None if norm_rel is None else _digits(norm_rel),
    }


def _digits(relative: float) -> float:
    return MOST_DIGITS if relative <= ROUNDING else max(0.0, -math.log10(relative))


def _verdict(
    error: Array, bound: Array, reference: Reference, digits: float | None
) -> tuple[str, str]:
    scale = _largest(reference.hi)
    if not (EXACT * _largest(bound) <= INFORMATIVE * scale):
        return "uninformative", (
            f"double precision cannot hold this derivative: its 53-bit radius is "
            f"{_largest(reference.rad53):.1e} beside entries of {scale:.1e}"
        )
    if scale and not (_largest(error) < WRONG * scale):
        return "wrong", f"the error reaches {_largest(error) / scale:.1e} of the largest entry"
    if not np.all(error <= EXACT * bound):
        kept = "no digits are defined" if digits is None else f"{digits:.1f} digits"
        over = _worst(error, bound)
        missed = f"the error is {over:.1e} times the bound"
        zero = "an entry that must be exactly 0 is not"  # and has no bound but 0
        return "degraded", f"{kept}; {missed if math.isfinite(over) else zero}"
    return "exact to rounding", ""


def _worst(error: Array, bound: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _largest(np.where(error == 0, 0.0, error / bound))
