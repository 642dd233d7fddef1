"""diffbench: every way to differentiate a function, with proven errors, measured side by side."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffbench import ad
    from diffbench.api import Interrupted, compare, compare_runs, export, load, plan, report, run
    from diffbench.care.clean import clean
    from diffbench.care.doctor import doctor
    from diffbench.care.info import info
    from diffbench.errors import DiffbenchError
    from diffbench.merging import merge
    from diffbench.method import Kernel
    from diffbench.problem import Family, Parameter, Parts
    from diffbench.records.run import Run
    from diffbench.study import Study, StudyRow

__version__ = "0.1.0"
__all__ = [
    "DiffbenchError",
    "Family",
    "Interrupted",
    "Kernel",
    "Parameter",
    "Parts",
    "Run",
    "Study",
    "StudyRow",
    "ad",
    "clean",
    "compare",
    "compare_runs",
    "doctor",
    "export",
    "info",
    "load",
    "merge",
    "plan",
    "report",
    "run",
]

# Names load their modules when first used: numpy and pandas alone take longer than --help may.
HOMES = {
    "DiffbenchError": "errors",
    "Family": "problem",
    "Interrupted": "api",
    "Kernel": "method",
    "Parameter": "problem",
    "Parts": "problem",
    "Run": "records.run",
    "Study": "study",
    "StudyRow": "study",
    "clean": "care.clean",
    "compare": "api",
    "compare_runs": "api",
    "doctor": "care.doctor",
    "export": "api",
    "info": "care.info",
    "load": "api",
    "merge": "merging",
    "plan": "api",
    "report": "api",
    "run": "api",
}


def __getattr__(name: str) -> Any:
    if name == "ad":
        return importlib.import_module("diffbench.ad")
    if name not in HOMES:
        raise AttributeError(f"module 'diffbench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"diffbench.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
