"""The lecture's trace tables at (2, 5) as nearest doubles, and whether the run's are the same.

Values: forty digits by mpmath, agreeing with ball arithmetic, rounded once. The adjoints stand in
the order of their execution, each with the variable that it accumulates into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diffbench.analysis.claims.evidence import Evidence, Finding
from diffbench.analysis.claims.lines import Line, lines

__all__ = ["adjoints", "forward_trace"]

COS, SINE, SLOPE = "0x1.22785706b4ad9p-2", "-0x1.eaf81f5e09933p-1", "0x1.b761ea3e52d4ap+0"
PRIMAL = ("0x1.0p+1", "0x1.4p+2", "0x1.62e42fefa39efp-1", "0x1.4p+3", SINE,
          "0x1.562e42fefa39fp+3", "0x1.74ddc4f4dad32p+3")  # fmt: skip
FIRST = ("0x1p+0", "0x0p+0", "0x1p-1", "0x1.4p+2", "0x0p+0", "0x1.6p+2", "0x1.6p+2")
SECOND = ("0x0p+0", "0x1p+0", "0x0p+0", "0x1p+1", COS, "0x1p+1", SLOPE)
ADJOINTS = (
    ("v5", "=", "0x1p+0"),
    ("v4", "=", "0x1p+0"),
    ("v3", "=", "-0x1p+0"),
    ("v1", "=", "0x1p+0"),
    ("v2", "=", "0x1p+0"),
    ("v0", "=", f"-{COS}"),
    ("v-1", "=", "0x1.4p+2"),
    ("v0", "+=", SLOPE),
    ("v-1", "+=", "0x1.6p+2"),
)


def forward_trace(evidence: Evidence) -> Iterator[Finding]:
    """The primal and the tangents of both seeds."""
    for role, golden in (
        ("primal", PRIMAL),
        ("tangent, seed (1, 0)", FIRST),
        ("tangent, seed (0, 1)", SECOND),
    ):
        found = lines(evidence, role)
        if found:
            yield _compared(role, found, golden)


def adjoints(evidence: Evidence) -> Iterator[Finding]:
    """The adjoints, each with its variable, so that the order counts."""
    found = lines(evidence, "adjoint")
    if found:
        order = [(line.name, line.sign) for line in found]
        right = order == [(name, sign) for name, sign, _ in ADJOINTS]
        values = [value for *_, value in ADJOINTS]
        yield _compared("adjoint, in the order of execution", found, values, right)


def _compared(role: str, found: list[Line], golden: Sequence[str], order: bool = True) -> Finding:
    pairs = zip(found, golden, strict=False)
    same = sum(line.value == float.fromhex(value) for line, value in pairs)
    wrong = max(len(found), len(golden)) - same
    last = ", ".join(f"{line.name} {line.sign} {line.value!r}" for line in found[-2:])
    return Finding.exact(
        f"Lines that are not the nearest double: {role}",
        wrong,
        f"of {len(golden)} lines",
        order and wrong == 0,
        wanted="0",
        source=found[0].study,
        keys=tuple(line.key for line in found),
        reason=f"the last are {last}" if order else "the order is another",
    )
