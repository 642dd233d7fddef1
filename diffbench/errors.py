"""The exceptions that a user can cause: what was got, what is accepted, what to type."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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
    "blamed",
    "place",
    "worded",
]

BELOW = ("diffbench.ad", "numpy", "pandas")  # a mistake is in the line that called these


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


def worded(error: BaseException) -> str:
    """The kind of whatever a plugin raised and what it says, in one line."""
    from diffbench.ad.namespace import explained  # numpy: not for a mistyped name

    better = explained(error)
    return " ".join(f"{type(better).__name__}: {better}".split())


def place(error: BaseException) -> str:
    """`` (wave.py:12)``: the last line of the program that a person would look at."""
    frames = list(traceback.walk_tb(error.__traceback__))
    outside = [row for row in frames if not _is_below(row[0].f_globals.get("__name__", ""))]
    if not frames:
        return ""
    frame, line = (outside or frames)[-1]
    return f" ({frame.f_code.co_filename.rpartition('/')[2]}:{line})"


def _is_below(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in BELOW)


@contextmanager
def blamed(plugin: str) -> Iterator[None]:
    """Whatever a plugin raises inside becomes a PluginError: one line with its place."""
    try:
        yield
    except DiffbenchError:
        raise
    except MemoryError as error:
        raise BadSize(f"{plugin} needs too much memory: {error}; choose smaller sizes") from error
    except Exception as error:
        raise PluginError(
            f"{plugin} raises {worded(error)}{place(error)}; mend that line"
        ) from error
