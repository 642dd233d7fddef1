"""The claims of the lecture, decided on what a run holds: nothing is asserted unmeasured."""

from diffbench.analysis.claims.counts import BOUND, LEAST_OPS, Claim, Experiment, claims
from diffbench.analysis.claims.evidence import FAILS, HOLDS, OPEN, Decided, Evidence, Finding
from diffbench.analysis.claims.lecture import LECTURE, lecture
from diffbench.analysis.claims.slips import SLIPS, Measured, Slip

__all__ = [
    "BOUND",
    "FAILS",
    "HOLDS",
    "LEAST_OPS",
    "LECTURE",
    "OPEN",
    "SLIPS",
    "Claim",
    "Decided",
    "Evidence",
    "Experiment",
    "Finding",
    "Measured",
    "Slip",
    "claims",
    "lecture",
]
