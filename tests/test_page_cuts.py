"""No page fails on any part of a run: what is measured may end anywhere, and be of anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
import synthetic

from diffbench.reports import build
from diffbench.reports.sections import Text
from diffbench.study import StudyRow

METHODS = ("manual", "reverse", "finite_difference[scheme=central]")
LARGEST = 64  # n and m: more sizes take time and show nothing else
KINDS = ("affine_tanh", "chebyshev", "logistic", "speelpenning")  # the others are as lecture
FEW = ("affine_tanh", "lecture", "logistic")
Cuts = Iterator[tuple[str, synthetic.SyntheticRun]]
AFTER = (0, 1, 4, 20)  # rows
PROGRAM = (
    ("program|loop", 1.0, "", "2 x ⟂ def loop(x, xp): ..."),
    ("right|loop|0", 2.0, "", ""),
    ("answer|loop|forward", 0.0, "right", ""),
    ("answer|loop|reverse", None, "refuses", "it has a loop"),
    ("implicit|loop", 1e-9, "of it", ""),
)


@cache
def whole() -> synthetic.SyntheticRun:
    made = synthetic.run()
    sizes = made.records[["n", "m"]].max(axis=1) <= LARGEST
    rows = [StudyRow(study="programs", key=k, value=v, unit=u, reason=r) for k, v, u, r in PROGRAM]
    more = synthetic.frame(rows, StudyRow)
    studies = pd.concat([made.studies, more], ignore_index=True)
    return replace(made, records=made.records[sizes], studies=studies)


def none(frame: str) -> dict[str, pd.DataFrame]:
    return {frame: getattr(whole(), frame).iloc[:0]}


def by_family() -> Cuts:
    for family in KINDS:
        made = replace(synthetic.part(whole(), (family,)), **none("studies"))
        asked = made.records["method"].isin(METHODS)
        yield family, replace(made, records=made.records[asked])


def by_method() -> Cuts:
    made = replace(synthetic.part(whole(), FEW), **none("studies"))
    for method in (*METHODS, "zero"):
        yield method, replace(made, records=made.records[made.records["method"] == method])
    yield "refused", replace(made, records=made.records[made.records["status"] == "unsupported"])


def by_study() -> Cuts:
    made = replace(whole(), **none("records"), **none("samples"))
    for study in sorted({*whole().studies["study"]}):
        rows = made.studies[made.studies["study"] == study]
        yield study, replace(made, studies=rows)
        for k in AFTER:
            if k < len(rows):
                keys = ("status|timeout", "status|crashed|forward")
                ended = [StudyRow(study=study, key=key, reason="not done") for key in keys]
                kept = [rows.iloc[:k], synthetic.frame(ended, StudyRow)]
                yield f"{study} after {k}", replace(made, studies=pd.concat(kept))


@pytest.mark.parametrize(("cuts", "count"), [(by_family, 4), (by_method, 5), (by_study, 34)])
def test_no_page_fails(cuts: Callable[[], Cuts], count: int) -> None:
    found = dict(cuts())
    assert len(found) == count
    failed = [
        (cut, page["name"], text)
        for cut, run in found.items()
        for page in build.laid_out(run)
        for block in page["blocks"]
        if isinstance(block, Text)
        for text in block.paragraphs
        if text.startswith("This page failed")
    ]
    assert failed == []
