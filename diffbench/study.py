"""A study: an experiment that is no cell; one file in ``diffbench/studies/`` with one ``STUDY``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import msgspec

from diffbench.columns import told

__all__ = ["Study", "StudyRow"]


@final
class StudyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One flat row of a study; ``low`` and ``high`` bound the value where that means something."""

    study: Annotated[str, told("name of the study")]
    key: Annotated[str, told("what of it, unique within the study")]
    value: Annotated[float | None, told("the number that was found", "as in unit")] = None
    unit: Annotated[str, told("unit of the value, or what kind of outcome it is")] = ""
    low: Annotated[float | None, told("lower bound of the value", "as in unit")] = None
    high: Annotated[float | None, told("upper bound of the value", "as in unit")] = None
    reason: Annotated[str, told("what the number alone does not say")] = ""


@final
@dataclass(frozen=True, slots=True)
class Study:
    """An experiment: ``run()`` yields its rows; it is isolated, stored and resumed like cells.

    A study that compares methods has ``each(method)`` as well: it yields the rows of one method
    (a :class:`diffbench.method.Method`) and is asked of every method of the run but the controls,
    in that method's own worker. Their keys must differ from method to method.

    A study of the families has ``over(families, profile)`` as well: after ``run()`` it yields its
    rows on every :class:`diffbench.problem.Family` of the run, plugins' too, with the effort that
    the profile of that name allows.
    """

    name: str
    title: str
    run: Callable[[], Iterable[StudyRow]]
    each: Callable[[Any], Iterable[StudyRow]] | None = None
    over: Callable[[Sequence[Any], str], Iterable[StudyRow]] | None = None
