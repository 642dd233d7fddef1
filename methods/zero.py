"""The negative control: every answer is zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffbench.method import Instance, Kernel, positional
from diffbench.operators import OPERATORS


@final
@dataclass(frozen=True)
class Zero:
    """Answers zeros, whatever is asked: its time is the harness's own, its verdict must be wrong.

    Formula: 0. Cost: no call of f; the array is made in ``build``, and every call returns the
    same read-only one. Reference: the zero backends of Dalle and Hill, "A common interface for
    automatic differentiation", 2025.
    """

    name: ClassVar[str] = "zero"
    title: ClassVar[str] = "Zeros (control)"
    category: ClassVar[str] = "control"
    claim: ClassVar[str] = "control"
    cost: ClassVar[str] = "0 calls of f"
    reference: ClassVar[str] = (
        "Dalle and Hill, A common interface for automatic differentiation, 2025"
    )
    native: ClassVar[frozenset[str]] = frozenset(OPERATORS)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """It can answer anything."""
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """A call that returns one array of zeros of the right shape."""
        zeros = np.zeros(OPERATORS[operator].shape(instance.n, instance.y_shape))
        zeros.flags.writeable = False
        return Kernel(lambda *args: zeros, positional)
