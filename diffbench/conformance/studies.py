"""What every study must hold; it is run here, with two methods and on the tiny problems."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, final

from diffbench.conformance import Check
from diffbench.conformance.common import first, undeclared
from diffbench.conformance.tiny import TINY
from diffbench.method import Method
from diffbench.registry import Registry
from diffbench.study import Study, StudyRow

__all__ = ["CHECKS", "Trial"]

METHODS = 2  # that a study is asked of


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """A study with the registry that has the methods."""

    study: Study
    registry: Registry

    @functools.cached_property
    def rows(self) -> list[Any]:
        """All that it yields: of itself, of two methods that need nothing, of the tiny problems."""
        study = self.study
        found = list(study.run())
        for method in self._methods() if study.each else ():
            found += study.each(method) if study.each else ()
        return [*found, *(study.over(TINY, "quick") if study.over else ())]

    def _methods(self) -> list[Method]:
        able = (m for m in self.registry.methods() if not m.requires and m.claim != "control")
        return [method for method, _ in zip(able, range(METHODS), strict=False)]


def _declared(trial: Trial) -> str | None:
    return undeclared(trial.study, ["title"])


def _rows(trial: Trial) -> str | None:
    return first(_no_row(trial.study, row) for row in trial.rows) or (
        None if trial.rows else "it yields no row"
    )


def _no_row(study: Study, row: Any) -> str | None:
    if not isinstance(row, StudyRow):
        return f"it yields {type(row).__name__}; a row is a StudyRow of diffbench.study"
    if row.study != study.name:
        return f"the row {row.key!r} is of the study {row.study!r}, not {study.name!r}"
    number = row.value is None or isinstance(row.value, int | float)
    return None if number else f"the value of {row.key!r} is {row.value!r}, no number"


def _keys(trial: Trial) -> str | None:
    twice = next(_twice(row.key for row in trial.rows), None)
    return None if twice is None else f"two rows have the key {twice!r}; the later would replace it"


def _twice(keys: Iterable[str]) -> Iterator[str]:
    return (key for key, count in Counter(keys).items() if count > 1)


CHECKS: tuple[Check, ...] = (
    Check("declared", "its title is stated", _declared),
    Check("rows", "it yields rows of its own name, with numbers", _rows, needed=True),
    Check("keys", "no key is twice, whatever methods and families are asked", _keys),
)
