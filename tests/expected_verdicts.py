"""What other engines than our own do not answer exactly on the grid of ``verdict_grid.py``, and why.

Every deviation of ``autograd``, ``jax`` and ``symbolic`` stands here, and nothing else: a row that
no longer deviates is as much an error as a deviation without a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from diffbench.problem import Instance

EVERY = "value gradient jacobian jvp vjp hvp hessian"


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
    where: tuple[tuple[str, tuple[int, ...]], ...] = ()
    seeds: tuple[int, ...] = ()

    def holds(self, method: str, instance: Instance, operator: str) -> bool:
        """Whether the cell is one of these."""
        named = self.methods in (method, method.partition("[")[0])
        seeded = not self.seeds or instance.seed in self.seeds
        sized = all(instance.params[key] in values for key, values in self.where)
        known = operator in self.operators.split()
        return named and seeded and sized and known and instance.family == self.family


DEVIATIONS: tuple[Deviation, ...] = ()
