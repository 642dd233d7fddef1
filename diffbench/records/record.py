"""The flat row that a cell leaves behind: numbers with their units in their names."""

from __future__ import annotations

from typing import Literal, final

import msgspec

__all__ = ["KEY", "SCHEMA", "STATUSES", "VERDICTS", "Record", "Sample"]

SCHEMA = 3
KEY = ("run", "instance", "seed", "operator", "method", "machine")

Status = Literal["ok", "unsupported", "timeout", "out_of_memory", "crashed", "failed", "skipped"]
Verdict = Literal["exact to rounding", "degraded", "wrong", "uninformative", ""]
STATUSES: tuple[str, ...] = Status.__args__  # type: ignore[attr-defined]  # typing has no public way
VERDICTS: tuple[str, ...] = Verdict.__args__  # type: ignore[attr-defined]  # typing has no public way


@final
class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One cell. Status says whether an answer came; whether it is right is the verdict's alone.

    A number that was not measured is None (an empty field of the CSV), never zero or NaN.
    """

    schema: int = SCHEMA
    run: str  # identity of the run
    machine: str  # identity of the machine that measured
    generation: int  # how many generations (fresh sets of processes) stand behind the times
    attempt: int = 1  # how often the cell was started
    family: str
    instance: str  # canonical selection, rosenbrock[n=8]
    params: str  # JSON object of the family's parameters
    n: int
    m: int
    depth: int
    nnz: int | None = None  # entries of the reference derivative that are not zero
    seed: int
    operator: str
    method: str  # canonical selection, jax[mode=reverse]
    category: str = ""  # manual, numerical, symbolic, forward AD, ...
    library: str = ""  # whose rules differentiate: diffbench, autograd, jax, ...
    claim: Literal["exact", "approximate", "control"]
    method_version: str = ""
    status: Status
    reason: str = ""  # empty only for ok
    command: str  # reproduces this cell
    origin: Literal["native", "derived", ""] = ""
    prepare_s: float | None = None  # derive, trace, compile
    first_call_s: float | None = None
    run_s: float | None = None  # median time of one call, seconds
    run_s_low: float | None = None  # 95 % interval
    run_s_high: float | None = None
    samples: int | None = None  # how many samples stand behind run_s
    loops: int | None = None  # calls in one sample
    empty_call_s: float | None = None  # what calling nothing costs in the same loop
    ratio_own_primal: float | None = None  # run_s / the method's own f, paired
    ratio_own_primal_low: float | None = None
    ratio_own_primal_high: float | None = None
    ratio_numpy_primal: float | None = None  # run_s / f in numpy, paired
    ratio_numpy_primal_low: float | None = None
    ratio_numpy_primal_high: float | None = None
    calls_f: int | None = None  # evaluations of f in one call of the prepared operator
    sweeps: int | None = None  # reverse sweeps in one call
    directions: int | None = None  # tangent directions in one call
    peak_bytes: int | None = None  # peak resident size above that before the call; None under 1 MiB
    tape_bytes: int | None = None  # the library's own count
    error_max_rel: float | None = None  # max_i |err_i| / |ref_i| over entries that are not zero
    error_norm_rel: float | None = None  # |err|_2 / |ref|_2
    error_over_bound: float | None = None  # max_i err_i / b_i; at most 4 is exact to rounding
    rad53_rel: float | None = None  # max rad53 / |ref|_inf: the condition of the derivative
    digits: float | None = None  # correct decimal digits, norm-wise
    verdict: Verdict = ""
    verdict_reason: str = ""
    expected: str = ""  # why the family expects even an exact method to be wrong here
    reference: Literal["certified", "weaker", "none", ""] = ""
    reference_bits: int | None = None  # precision at which the enclosure was tight
    tree_ops: int | None = None  # operations of the expression tree (sympy count_ops)
    string_length: int | None = None
    dag_nodes: int | None = None  # unique subexpressions
    cse_ops: int | None = None  # operations after common-subexpression elimination
    graph_ops: int | None = None  # scalar operations of the in-house derivative program
    jaxpr_eqns: int | None = None
    primal_ops: int | None = None  # scalar operations of f
    dtype: str = ""
    warnings: str = ""  # separated by "; "

    @property
    def key(self) -> tuple[object, ...]:
        """What makes a record unique: run, instance, seed, operator, method, machine."""
        return tuple(getattr(self, name) for name in KEY)


@final
class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One timed sample: ``loops`` calls of one kind took ``seconds`` in all."""

    generation: int
    round: int
    kind: Literal["run", "own_primal", "numpy_primal"]
    loops: int
    seconds: float
