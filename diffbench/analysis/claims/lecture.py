"""The lecture, claim by claim: one row a claim, each decided on what the run measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from diffbench.analysis.claims import cells, golden, own, surveyed
from diffbench.analysis.claims.cells import counted, growth
from diffbench.analysis.claims.counts import BOUND
from diffbench.analysis.claims.crossings import crossings
from diffbench.analysis.claims.evidence import (
    FAILS,
    HOLDS,
    OPEN,
    Decided,
    Evidence,
    Finding,
    Statement,
)
from diffbench.analysis.claims.own import ULPS, rows

__all__ = ["LECTURE", "lecture"]

Find = Callable[[Evidence], Iterator[Finding]]
TRACES = "no study of this run traces the lecture's function"
OWN = "the study lecture_claims is not in this run"
PROGRAMS = "the study programs is not in this run, or did not ask these methods"
CELLS = "this run holds too few cells to decide it"
FORWARD, CENTRAL = (f"finite_difference[scheme={scheme}]" for scheme in ("forward", "central"))
UMBRELLA = ("12", "14", "22", "24")


def _all(*finds: Find) -> Find:
    return lambda evidence: chain.from_iterable(find(evidence) for find in finds)


def _one_output(records: Any) -> Any:
    return records["m"] == 1


def _linked(evidence: Evidence) -> Iterator[Finding]:
    """The claims that this one rests on: it is open while one of them is."""
    found = {row: evidence.decided[row].verdict for row in UMBRELLA if row in evidence.decided}
    held = [row for row, verdict in found.items() if verdict == HOLDS]
    settled = None if len(found) < len(UMBRELLA) or OPEN in found.values() else True
    holds = False if FAILS in found.values() else settled
    yield Finding.exact(
        f"Claims {', '.join(UMBRELLA)} that hold",
        len(held),
        f"of {len(UMBRELLA)} claims",
        holds,
        wanted=f"{len(UMBRELLA)}",
        source="claims",
        keys=UMBRELLA,
        reason=", ".join(f"{row} {verdict}" for row, verdict in found.items()),
    )


LECTURE: tuple[Statement, ...] = (
    Statement(
        "1",
        "Automatic differentiation does all that backpropagation does and more, cheaply and "
        "accurately.",
        "The claims on passes (12, 22), on scaling (14) and on backpropagation (24) must hold, "
        "both modes must be exact to rounding, and reverse mode must take programs that no layered "
        "network is.",
        _all(_linked, counted("forward is exact", "reverse is exact"), surveyed.no_formula),
        CELLS,
        needs=4,
    ),
    Statement(
        "2",
        "Every computation is a finite list of elementary operations with known derivatives, and "
        "the chain rule does the rest.",
        "Programs with loops, branches and recursion are written down as lists of scalar "
        "operations. Value and gradient are made anew from operands and local partials alone and "
        "compared bit by bit with the program and with reverse mode.",
        _all(
            rows("Values that differ from the program's, largest of six", "replay|value|"),
            rows("Entries that differ from reverse mode's, largest of six", "replay|gradient|"),
            own.replayed,
        ),
        OWN,
        needs=2,
    ),
    Statement(
        "3",
        "There are four ways to differentiate, by hand, numerical, symbolic and automatic, and "
        "each is open to any function.",
        "Every method belongs to one way; a way takes a family where one of its methods answers "
        "with a derivative on one instance.",
        cells.classes,
        CELLS,
        needs=4,
    ),
    Statement(
        "4",
        "Differentiation by hand is error-prone: a wrong formula goes unnoticed. (It is said to "
        "take time as well: a person's time is not measured here.)",
        "Signs, factors, indices and sums are falsified in hand-written derivatives, and the usual "
        "checks are asked whether they see it.",
        surveyed.mistakes,
        "no usual check was asked in this run: the quick profile leaves them out",
    ),
    Statement(
        "5",
        "Numerical differentiation scales poorly with the number of inputs.",
        "Evaluations of f are counted in every gradient and Jacobian; the time over that of f is "
        "fitted against them.",
        _all(
            counted("forward differences", "central differences"),
            growth(FORWARD, "n", "calls_f", 1.0),
            growth(CENTRAL, "n", "calls_f", 1.0),
        ),
        CELLS,
        needs=2,
    ),
    Statement(
        "6",
        "Numerical differentiation suffers from truncation for large steps and from round-off for "
        "small ones.",
        "The error of both schemes at 801 steps on the survey's function, against an exact "
        "rational derivative: slopes of both branches, and the best step beside that of theory.",
        surveyed.steps,
        "the study step_size is not in this run",
        needs=6,
    ),
    Statement(
        "6b",
        "The other side: numerical differentiation done with care loses little.",
        "The complex step on every family that takes complex numbers; central differences of "
        "halved steps extrapolated to h = 0 on the function of claim 6.",
        _all(cells.careful, surveyed.extrapolated),
        CELLS,
        needs=3,
    ),
    Statement(
        "7",
        "Symbolic derivatives swell, derivative programs do not.",
        "The derivative of the logistic map is counted at every depth: operations of the tree, of "
        "the in-house program, and of the tree with its subexpressions shared.",
        _all(
            counted("tree swells", wanted="at least 2"),
            counted("graph does not", wanted="the same each step"),
            cells.shared,
        ),
        CELLS,
        needs=2,
    ),
    Statement(
        "8",
        "Differentiation by hand and by symbols needs a closed form.",
        "Twelve programs, half of which take a path that values decide, are given to both.",
        surveyed.closed_form,
        PROGRAMS,
        needs=2,
    ),
    Statement(
        "9",
        "The two modes are the two brackets of dy/dw2 dw2/dw1 dw1/dx, and give the same number.",
        "Both modes differentiate tanh exp sin x at a thousand points. The order of operations is "
        "read off the derivative programs: forward mode multiplies a slope in as soon as its value "
        "is known, reverse mode only when all values are.",
        _all(
            rows(
                "Distance of the two brackets",
                "chain|apart",
                ULPS,
                f"at most {ULPS:g}: two roundings in each order",
            ),
            own.orders,
        ),
        OWN,
        needs=3,
    ),
    Statement(
        "10",
        "Forward mode at (2, 5) takes the values and tangents of the lecture's table.",
        "Every line of the primal, and of the tangents with both seeds, is compared with the "
        "nearest double to the exact value.",
        golden.forward_trace,
        TRACES,
        needs=3,
    ),
    Statement(
        "11",
        "One forward pass gives the derivatives of all outputs by one input.",
        "Forward passes are counted for m = 1 to 1000 outputs; the time over that of f is fitted "
        "against m.",
        _all(
            own.one_pass,
            growth("forward", "m", "m", 0.0),
        ),
        OWN,
    ),
    Statement(
        "12",
        "A gradient by forward mode takes n passes.",
        "Tangent directions are counted in every gradient; the time over that of f is fitted "
        "against n.",
        _all(counted("forward mode", where=_one_output), growth("forward", "n", "n", 1.0, m=1)),
        CELLS,
    ),
    Statement(
        "13",
        "In machine learning there are far more inputs than outputs.",
        "The sizes of the families that have a gradient are listed.",
        cells.sizes,
        "the families and their sizes were chosen by the authors of this run: they are no sample "
        "of what people train",
    ),
    Statement(
        "14",
        "Forward mode does not scale to many inputs: from some n on reverse mode is faster.",
        "Both modes of each implementation race for the gradient of every family whose n varies; "
        "the n at which they cross has a bootstrap interval. A mode that is ahead at less than a "
        "thousand inputs may be overtaken later: that leaves the claim open.",
        crossings,
        "no family of this run has gradients by both modes at three sizes",
    ),
    Statement(
        "15",
        "The Jacobian of D o C o B o A is the product of the four Jacobians.",
        "Twenty chains of random widths: the explicit product beside the Jacobian by each mode.",
        rows("Norm-wise error, largest", "product|error", 1.0, "at most 1"),
        OWN,
    ),
    Statement(
        "16/17",
        "Forward mode multiplies that product from the right, reverse mode from the left.",
        "The multiplications of both brackets and of both modes are counted in their programs, and "
        "compared with n (pq + qr + rm) and m (rq + qp + pn).",
        own.bracketed,
        OWN,
        needs=8,
    ),
    Statement(
        "17b",
        "Missing on the slides: neither order need be the cheapest.",
        "All five brackets of a chain with a waist are multiplied out and counted.",
        own.optimum,
        OWN,
    ),
    Statement(
        "18/19",
        "A pass of forward mode fills a column of the Jacobian, a pass of reverse mode a row.",
        "What each unit seed yields is looked for among the columns and rows of a Jacobian written "
        "by hand.",
        own.owned,
        OWN,
        needs=2,
    ),
    Statement(
        "20",
        "Seeding with the identity gives the whole Jacobian.",
        "All seeds at once beside one seed after the other, bit by bit. Products of matrices are "
        "shown but do not decide: for a matrix of seeds BLAS adds their terms in another order.",
        _all(
            rows("Entries that differ, scalar operations", "identity|scalar operations|"),
            rows(
                "Entries that differ, products of matrices",
                "identity|products of matrices|",
                wanted="",
                decides=False,
            ),
        ),
        OWN,
    ),
    Statement(
        "21",
        "Reverse mode at (2, 5) takes the adjoints of the lecture's table.",
        "Every line, in the order of execution, is compared with the nearest double to the exact "
        "value, and with the variable it accumulates into.",
        golden.adjoints,
        TRACES,
    ),
    Statement(
        "22",
        "One reverse pass gives all derivatives of one output, at a small multiple of the cost "
        "of f.",
        "Sweeps and operations are counted in every gradient; the time over that of f is fitted "
        "against n.",
        _all(
            counted("reverse mode", where=_one_output),
            counted("cheap gradient", wanted=f"at most {BOUND:g}"),
            cells.ops_growth,
            growth("reverse", "n", "n", 0.0, m=1),
        ),
        CELLS,
        needs=2,
    ),
    Statement(
        "23",
        "Adjoints accumulate: a value that is used twice gets the sum of both contributions.",
        "The lecture's adjoints are computed with the sum, with the last contribution alone and "
        "with the first alone; the judge must condemn both mistakes.",
        own.accumulated,
        OWN,
        needs=3,
    ),
    Statement(
        "24",
        "Backpropagation is a special case of reverse mode.",
        "The recursion as written by hand for three tanh layers beside reverse mode on the same "
        "loss: operations by kind and shape, and every entry bit by bit. The slope of tanh is the "
        "engine's in both; the usual 1 - tanh^2 stands beside.",
        _all(
            rows("Operations that only one of them does", "backprop|operations of one alone"),
            rows("Entries that differ", "backprop|entries that differ"),
            rows(
                "Distance with the slope 1 - tanh^2 z",
                "backprop|with 1 - tanh^2 z",
                wanted="",
                decides=False,
            ),
        ),
        OWN,
        needs=2,
    ),
)


def lecture(evidence: Evidence) -> list[Decided]:
    """Every claim, decided by the evidence and noted in it, in the order of the lecture."""
    # what rests on other claims is decided after them
    for statement in sorted(LECTURE, key=lambda s: s.row == "1"):
        evidence.decided[statement.row] = statement.decide(evidence)
    return [evidence.decided[statement.row] for statement in LECTURE]
