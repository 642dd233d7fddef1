"""The flat row that a cell leaves behind: numbers with their units in their names."""

from __future__ import annotations

from typing import Annotated, Literal, final

import msgspec

from diffbench.columns import told

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

    schema: Annotated[int, told("version of the table's columns")] = SCHEMA
    run: Annotated[str, told("identity of the run")]
    machine: Annotated[str, told("identity of the machine that measured")]
    generation: Annotated[int, told("generations (fresh sets of processes) behind the times")]
    attempt: Annotated[int, told("how often the cell was started")] = 1
    family: Annotated[str, told("family of the instance")]
    instance: Annotated[str, told("canonical selection, as rosenbrock[n=8]")]
    params: Annotated[str, told("JSON object of the family's parameters")]
    n: Annotated[int, told("inputs")]
    m: Annotated[int, told("outputs")]
    depth: Annotated[int, told("length of the computation")]
    nnz: Annotated[int | None, told("entries of the reference derivative that are not zero")] = None
    seed: Annotated[int, told("seed of the instance")]
    operator: Annotated[
        str, told("what was asked: value, gradient, jacobian, jvp, vjp, hvp or hessian")
    ]
    method: Annotated[str, told("canonical selection, as jax[mode=reverse]")]
    category: Annotated[str, told("manual, numerical, symbolic, forward AD, ...")] = ""
    library: Annotated[str, told("whose rules differentiate: diffbench, autograd, jax, ...")] = ""
    claim: Annotated[Literal["exact", "approximate", "control"], told("what the method promises")]
    method_version: Annotated[str, told("version of the method's library")] = ""
    status: Annotated[Status, told("whether an answer came")]
    reason: Annotated[str, told("why none came; empty only for ok")] = ""
    command: Annotated[str, told("reproduces this cell")]
    origin: Annotated[
        Literal["native", "derived", ""], told("whether the method has the operator itself")
    ] = ""
    prepare_s: Annotated[float | None, told("time to derive, trace and compile", "s")] = None
    first_call_s: Annotated[float | None, told("time of the first call", "s")] = None
    run_s: Annotated[float | None, told("median time of one call", "s")] = None
    run_s_low: Annotated[float | None, told("lower end of its 95 % interval", "s")] = None
    run_s_high: Annotated[float | None, told("upper end of its 95 % interval", "s")] = None
    samples: Annotated[int | None, told("samples behind run_s")] = None
    loops: Annotated[int | None, told("calls in one sample")] = None
    empty_call_s: Annotated[
        float | None, told("what calling nothing costs in the same loop", "s")
    ] = None
    ratio_own_primal: Annotated[
        float | None, told("run_s over the method's own f, paired", "1")
    ] = None
    ratio_own_primal_low: Annotated[float | None, told("lower end of its 95 % interval", "1")] = (
        None
    )
    ratio_own_primal_high: Annotated[float | None, told("upper end of its 95 % interval", "1")] = (
        None
    )
    ratio_numpy_primal: Annotated[float | None, told("run_s over f in numpy, paired", "1")] = None
    ratio_numpy_primal_low: Annotated[float | None, told("lower end of its 95 % interval", "1")] = (
        None
    )
    ratio_numpy_primal_high: Annotated[
        float | None, told("upper end of its 95 % interval", "1")
    ] = None
    calls_f: Annotated[
        int | None, told("evaluations of f in one call of the prepared operator")
    ] = None
    sweeps: Annotated[int | None, told("reverse sweeps in one call")] = None
    directions: Annotated[int | None, told("tangent directions in one call")] = None
    peak_bytes: Annotated[
        int | None, told("peak resident size above that before the call; empty under 1 MiB", "B")
    ] = None
    tape_bytes: Annotated[
        int | None, told("memory of the tape by the library's own count", "B")
    ] = None
    error_max_rel: Annotated[
        float | None, told("max_i |err_i| / |ref_i| over entries that are not zero", "1")
    ] = None
    error_norm_rel: Annotated[float | None, told("|err|_2 / |ref|_2", "1")] = None
    error_over_bound: Annotated[
        float | None, told("max_i err_i / b_i; at most 4 is exact to rounding", "1")
    ] = None
    rad53_rel: Annotated[
        float | None, told("max rad53 / |ref|_inf: the condition of the derivative", "1")
    ] = None
    digits: Annotated[float | None, told("correct decimal digits, norm-wise", "digits")] = None
    verdict: Annotated[Verdict, told("whether the answer is right")] = ""
    verdict_reason: Annotated[str, told("why, where the verdict alone does not say")] = ""
    expected: Annotated[
        str, told("why the family expects even an exact method to be wrong here")
    ] = ""
    reference: Annotated[
        Literal["certified", "weaker", "none", ""], told("what the answer was judged by")
    ] = ""
    reference_bits: Annotated[
        int | None, told("precision at which the enclosure was tight", "bits")
    ] = None
    tree_ops: Annotated[int | None, told("operations of the expression tree (sympy count_ops)")] = (
        None
    )
    string_length: Annotated[int | None, told("characters of the expression written out")] = None
    dag_nodes: Annotated[int | None, told("unique subexpressions")] = None
    cse_ops: Annotated[int | None, told("operations after common-subexpression elimination")] = None
    graph_ops: Annotated[
        int | None, told("scalar operations of the in-house derivative program")
    ] = None
    jaxpr_eqns: Annotated[int | None, told("equations of the jaxpr")] = None
    primal_ops: Annotated[int | None, told("scalar operations of f")] = None
    dtype: Annotated[str, told("data type of the answer")] = ""
    warnings: Annotated[str, told('separated by "; "')] = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes a record unique: run, instance, seed, operator, method, machine."""
        return tuple(getattr(self, name) for name in KEY)


@final
class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One timed sample: ``loops`` calls of one kind took ``seconds`` in all."""

    generation: Annotated[int, told("which generation, from 0")]
    round: Annotated[int, told("which interleaved round of it, from 0")]
    kind: Annotated[
        Literal["run", "own_primal", "numpy_primal"],
        told("what was called: the method, f in its own arrays, or f in numpy"),
    ]
    loops: Annotated[int, told("calls in the sample")]
    seconds: Annotated[float, told("what they took in all", "s")]
