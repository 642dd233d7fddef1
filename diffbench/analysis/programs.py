"""Whether a way to differentiate needs a closed form, decided on the study ``programs``."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["needs_closed_form"]


def needs_closed_form(
    decisions: Mapping[str, int], right: Collection[str] | None
) -> tuple[bool | None, str]:
    """Whether it does, and the counts that say so.

    ``decisions`` has the decisions that values take in each program, ``right`` the programs whose
    gradient is right (None: nobody was asked). It needs one where no program whose path values
    decide is right, and some other is; who has none right, as without its package, decides nothing.
    """
    by_values = {name for name, times in decisions.items() if times}
    others = decisions.keys() - by_values
    if not right or not by_values or not others:
        return None, "this run holds too few answers to decide it"
    took = len(by_values & set(right)), len(others & set(right))
    program = "; what it gives there is itself a program" if took[0] else ""
    return took[0] == 0 < took[1], (
        f"right in {took[0]} of {len(by_values)} programs whose path values decide, "
        f"in {took[1]} of {len(others)} others{program}"
    )
