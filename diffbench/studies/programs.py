"""Which programs each method differentiates: loops, branches, recursion, look-ups, solvers.

The lecture: differentiation by hand and by symbols requires a closed form. Each program here is a
few lines over xp, at a point where it takes another path than where methods prepare it. Rows:
``program|name``, the branches that values decide in it as its value, what its derivative by hand
is, and its text; ``right|name|i``, entry i of the proven gradient with its enclosure;
``implicit|name``, how far the derivative of the root lies from that of the program that nears it;
``answer|name|method``, the largest error beside the largest entry, the verdict as its unit, the
sentence why not as its reason.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from diffbench import ad
from diffbench.errors import Unsupported
from diffbench.measure.reference import Reference, certify
from diffbench.measure.subgradients import exactly, verdict
from diffbench.method import Method, gradient_by, variant_name
from diffbench.problem import Instance, Parts, lone
from diffbench.studies.corpus import PROGRAMS, Program
from diffbench.study import Study, StudyRow

__all__ = ["STUDY", "VERDICTS", "frozen", "instance_of", "judged", "proven"]

Array = NDArray[np.float64]
NAME = "programs"
SEPARATOR = " ⟂ "
TYPES = re.compile(r"(?::| ->) (?:Any|int)\b")  # of arguments and answers: noise to a reader
RIGHT, FROZEN, WRONG, REFUSES = VERDICTS = ("right", "frozen branch", "wrong", "refuses")


# --- what is right, and what a frozen path would give ---------------------------------------------


def instance_of(program: Program, proof: bool = False) -> Instance:
    """The program as an instance with its gradient by hand; ``proof``: in words for balls."""
    f = program.proof if proof and program.proof else program.f
    parts = Parts(
        f=f,
        x=np.array(program.x),
        prepare_x=np.array(program.prepare_x),
        answers={"gradient": lambda x: np.array(program.gradient(x))},
    )
    return lone(program.name, parts)


@functools.cache
def proven(program: Program) -> Reference:
    """The gradient at x, enclosed in ball arithmetic."""
    return certify(instance_of(program, proof=True), "gradient")


@functools.cache
def frozen(program: Program) -> Array:
    """The gradient at x of the operations that ran where methods prepare."""
    instance = instance_of(program, proof=True)
    return np.asarray(ad.derivative_graph(instance.f, instance.prepare_x).replay(instance.x))


def run() -> Iterator[StudyRow]:
    """What is asked: each program, its branches, its derivative by hand, the right gradient."""
    for program in PROGRAMS:
        instance, right = instance_of(program, proof=True), proven(program)
        branches = len(ad.trace(instance.f, instance.x).guards)
        text = TYPES.sub("", inspect.getsource(program.f)).rstrip()
        yield StudyRow(
            study=NAME,
            key=f"program|{program.name}",
            value=branches,
            unit="branches that values decide",
            reason=SEPARATOR.join((program.by_hand, text)),
        )
        for i, (middle, radius) in enumerate(zip(right.hi, right.radius, strict=True)):
            yield StudyRow(
                study=NAME,
                key=f"right|{program.name}|{i}",
                value=middle,
                unit=f"{right.claim}, {right.bits} bits",
                low=np.nextafter(middle - radius, -np.inf),
                high=np.nextafter(middle + radius, np.inf),
            )
        if program.implicit:
            away = _away(np.array(program.implicit(instance.x)), right.hi)
            yield StudyRow(
                study=NAME, key=f"implicit|{program.name}", value=away, unit="of the largest entry"
            )


def each(method: Method) -> Iterator[StudyRow]:
    """Whether one method takes each program, and whether its answer is right."""
    for program in PROGRAMS:
        error, said, reason = _answered(method, program)
        key = f"answer|{program.name}|{variant_name(method)}"
        yield StudyRow(study=NAME, key=key, value=error, unit=said, reason=reason)


def _answered(method: Method, program: Program) -> tuple[float | None, str, str]:
    """(error, verdict, sentence why not); whatever is raised instead of an answer is a refusal."""
    instance = instance_of(program)
    try:
        answer = gradient_by(method, instance)
    except Unsupported as error:
        return None, REFUSES, str(error)
    except Exception as error:
        return None, REFUSES, f"{type(error).__name__}: {error}".partition("\n")[0]
    return _away(answer, proven(program).hi), judged(answer, program, method.claim), ""


def judged(answer: Array, program: Program, claim: str) -> str:
    """What an answer by a method of that claim is; one of VERDICTS."""
    if verdict(answer, exactly(*proven(program).hi), claim) == "valid":
        return RIGHT
    return FROZEN if verdict(answer, exactly(*frozen(program)), claim) == "valid" else WRONG


def _away(answer: Array, right: Array) -> float:
    return float(np.max(np.abs(answer - right)) / np.max(np.abs(right)))


STUDY = Study(name=NAME, title="Which programs each method takes", run=run, each=each)
