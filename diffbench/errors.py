"""The exceptions that a user can cause: what was got, what is accepted, what to type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BadData",
    "BadSelection",
    "BadSize",
    "DiffbenchError",
    "PluginError",
    "PreparationMismatch",
    "RunError",
    "UnknownName",
    "Unsupported",
]


class DiffbenchError(Exception):
    """A mistake that one clear line explains; the CLI prints it and exits with status 2."""


class BadData(DiffbenchError):
    """A data file that cannot be used, or is no longer what it was."""


class BadSelection(DiffbenchError):
    """A selection that does not follow the grammar ``name[key=value,...]``."""


class BadSize(DiffbenchError):
    """A size or parameter that the family or method cannot have."""


class PluginError(DiffbenchError):
    """A plugin that the registry refuses, with the module it came from."""


class PreparationMismatch(DiffbenchError):
    """A prepared call that is given other shapes or dtypes than it was prepared for."""


class RunError(DiffbenchError):
    """A run folder that cannot be created, opened, resumed or read."""


class Unsupported(DiffbenchError):
    """A cell that a method cannot do; its message is the sentence that the table prints."""


class UnknownName(DiffbenchError):
    """A name that no plugin has, with the nearest ones that exist."""

    def __init__(self, kind: str, got: str, accepted: Iterable[str], hint: str = "") -> None:
        names = sorted(set(accepted))
        near = difflib.get_close_matches(got, names, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        more = f"; {hint}" if hint else ""
        super().__init__(f"unknown {kind} {got!r}{meant} (there are: {', '.join(names)}){more}")
