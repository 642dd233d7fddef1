"""What engines other than ours do not answer exactly on the grid of ``verdict_grid.py``, and why.

Every deviation of ``autograd``, ``jax`` and ``symbolic`` stands here, and nothing else: a row that
no longer deviates is as much an error as a deviation without a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from diffbench.problem import Instance

FIRST = "gradient jacobian jvp vjp"
SECOND = "hvp hessian"
EVERY = f"{FIRST} {SECOND}"


@final
@dataclass(frozen=True, kw_only=True)
class Deviation:
    """Cells of the grid that end with one verdict for one cause.

    ``methods`` are variants or, without brackets, all variants of a name; ``operators`` are
    divided by blanks; ``where`` are the parameters that the instance must have, each one of some
    values; ``seeds`` is empty for all.
    """

    methods: str
    family: str
    operators: str
    verdict: str
    cause: str
    where: tuple[tuple[str, tuple[int | str, ...]], ...] = ()
    seeds: tuple[int, ...] = ()

    def holds(self, method: str, instance: Instance, operator: str) -> bool:
        """Whether the cell is one of these."""
        if instance.family != self.family or operator not in self.operators.split():
            return False
        named = self.methods in (method, method.partition("[")[0])
        seeded = not self.seeds or instance.seed in self.seeds
        return named and seeded and all(instance.params[k] in few for k, few in self.where)


TREE = "it derives trees, in which each shared term is written out: too many nodes to derive"
PRINTED = "without common terms taken out the derivative is a tree too large to print"
DELTA = "the second derivative of its extreme is a Dirac delta, which nothing evaluates"

# family, where, operators: what neither variant of symbolic derives, and why
_UNDERIVED: tuple[tuple[str, dict[str, tuple[int | str, ...]], str, str], ...] = (
    ("attention", {}, EVERY, TREE),
    ("ba", {}, EVERY, TREE),
    ("brusselator", {"depth": (2, 3)}, EVERY, TREE),
    ("det", {"l": (4,)}, SECOND, TREE),
    ("dlstm", {"hidden": (1,)}, SECOND, TREE),
    ("dlstm", {"hidden": (2, 3)}, EVERY, TREE),
    ("fisher", {"depth": (4,)}, SECOND, TREE),
    ("fisher", {"depth": (9,)}, EVERY, TREE),
    ("gmm", {"K": (1,)}, SECOND, DELTA),
    ("gmm", {"K": (2, 3)}, EVERY, TREE),
    ("hand", {}, EVERY, TREE),
    ("helmholtz", {"n": (6,)}, SECOND, TREE),
    ("kmeans", {}, SECOND, DELTA),
    ("logistic", {"depth": (8,)}, SECOND, TREE),
    ("lse", {"form": ("stable",), "n": (2,)}, SECOND, DELTA),
    (
        "lse",
        {"form": ("stable",), "n": (5, 9)},
        EVERY,
        "it compares every two entries of an extreme: five take too long",
    ),
    ("mlp", {"width": (2,)}, SECOND, TREE),
    ("mlp", {"width": (3,)}, EVERY, TREE),
    ("ode", {"depth": (2, 5)}, EVERY, TREE),
)
# the same of symbolic[cse=no] alone
_UNPRINTED: tuple[tuple[str, dict[str, tuple[int | str, ...]], str, str], ...] = (
    ("dlstm", {"hidden": (1,)}, FIRST, PRINTED),
    ("fisher", {"depth": (4,)}, FIRST, PRINTED),
    ("matrix_chain", {"n": (5,)}, EVERY, PRINTED),
    ("ode", {"depth": (1,)}, EVERY, PRINTED),
)

DEVIATIONS: tuple[Deviation, ...] = (
    *(
        Deviation(
            methods=methods,
            family=family,
            where=tuple(where.items()),
            operators=operators,
            verdict="unsupported",
            cause=cause,
        )
        for methods, rows in (("symbolic", _UNDERIVED), ("symbolic[cse=no]", _UNPRINTED))
        for family, where, operators, cause in rows
    ),
    *(
        Deviation(
            methods=methods,
            family=family,
            operators=EVERY,
            verdict="unsupported",
            cause=f"values decide its {what}, and it is traced or written out without them",
        )
        for methods in ("symbolic", "jax")
        for family, what in (("newton_root", "loop"), ("piecewise", "branches"))
    ),
    *(
        Deviation(
            methods=methods,
            family="bratu",
            where=(("n", (n,)),),
            seeds=(seed,),
            operators="jvp",
            verdict="degraded",
            cause="J v from the rounded entries of J, where f takes differences of v: they cancel",
        )
        for methods in ("symbolic", "jax[mode=reverse]")
        for n, seed in ((9, 0), (4, 2))
    ),
    Deviation(
        methods="symbolic",
        family="kmeans",
        where=(("K", (1,)),),
        seeds=(1,),
        operators="gradient jacobian",
        verdict="degraded",
        cause="it expands 2 sum (c - p) to 18 c - 2 sum p, whose sides nearly cancel",
    ),
)
