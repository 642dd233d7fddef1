"""The derivative that was written by hand beside the function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffbench.ad.namespace import NUMPY
from diffbench.method import Function, Instance, Kernel, positional
from diffbench.operators import OPERATORS


def _in_numpy(f: Function) -> Callable[..., Any]:
    return lambda x, *constants: f(x, NUMPY, *constants)


@final
@dataclass(frozen=True)
class Manual:
    """Returns the family's own answers, derived on paper and written in numpy.

    Formula: the family's. Cost: the family's; no call of f. Reference: the family's file. What
    a family did not write is derived from what it wrote, as for every other method.
    """

    name: ClassVar[str] = "manual"
    title: ClassVar[str] = "By hand"
    category: ClassVar[str] = "manual"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "0 calls of f"
    reference: ClassVar[str] = "the derivatives in the family's own file"
    native: ClassVar[frozenset[str]] = frozenset(OPERATORS)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def native_for(self, instance: Instance) -> frozenset[str]:
        """The operators that this family wrote."""
        return frozenset({"value", *instance.answers})

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """None for what the family wrote."""
        if operator == "value" or operator in instance.answers:
            return None
        wrote = ", ".join(sorted(instance.answers)) or "none"
        return f"manual: {instance.family} has no hand-written {operator} (it has {wrote})"

    def build(self, instance: Instance, operator: str) -> Kernel:
        """The family's function itself."""
        if operator == "value":
            return Kernel(_in_numpy(instance.f), positional)
        return Kernel(instance.answers[operator], positional)
