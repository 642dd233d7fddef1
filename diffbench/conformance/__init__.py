"""What every family, method, page and study must hold, built in or not: tables of named checks.

A check looks at one plugin and finds nothing, or a sentence that says what is wrong. The tests of
the built-ins and ``diffbench test FILE.py`` walk the same tables.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from diffbench.errors import DiffbenchError, PluginError, place, worded
from diffbench.page import Page
from diffbench.problem import Family
from diffbench.registry import Registry, offered
from diffbench.study import Study

__all__ = ["Check", "Finding", "examined", "kind_of", "on_trial"]


@final
@dataclass(frozen=True, slots=True)
class Check:
    """A name, what must hold, and ``find(trial)``: None, or the sentence what does not.

    What a check ``needed`` by the others finds ends the trial.
    """

    name: str
    holds: str
    find: Callable[[Any], str | None]
    needed: bool = False


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """What one check said of one plugin; an empty ``wrong`` is a pass if it was ``tried``."""

    kind: str  # family, method, page or study
    plugin: str
    check: str
    holds: str
    wrong: str = ""
    tried: bool = True  # no check is once one that the others need has failed


def examined(check: Check, trial: Any) -> str:
    """What the check finds, in one line; whatever a plugin raises is found as well."""
    try:
        with warnings.catch_warnings(action="ignore"):
            found = check.find(trial)
    except DiffbenchError as error:
        found = str(error)
    except (Exception, SystemExit) as error:
        found = f"{worded(error)}{place(error)}"
    return " ".join((found or "").split())


def on_trial(path: str, registry: Registry, seed: int = 0) -> Iterator[Finding]:
    """Every finding on every plugin of a file; ``registry`` holds all others and takes it in.

    Raises PluginError where the file cannot be imported or offers nothing.
    """
    plugins = offered(path)
    if not plugins:
        raise PluginError(f"{path} defines no method, family, page or study")
    for plugin in plugins:
        yield from _findings(plugin, path, registry, seed)


def _findings(plugin: Any, path: str, registry: Registry, seed: int) -> Iterator[Finding]:
    kind, name = kind_of(plugin), str(getattr(plugin, "name", "") or plugin.__name__)
    door = Check("registered", "the registry takes it in", lambda p: registry.register(p, path))
    refused = examined(door, plugin).removeprefix(f"{path}: ")
    yield Finding(kind, name, door.name, door.holds, refused)
    checks, trial = _trial(plugin, registry, seed)
    tried = not refused
    for check in checks:
        wrong = examined(check, trial) if tried else ""
        yield Finding(kind, name, check.name, check.holds, wrong, tried)
        tried = tried and not (wrong and check.needed)


def kind_of(plugin: Any) -> str:
    """family, method, page or study."""
    return "method" if isinstance(plugin, type) else type(plugin).__name__.lower()


def _trial(plugin: Any, registry: Registry, seed: int) -> tuple[Sequence[Check], Any]:
    from diffbench.conformance import families, methods, pages, studies

    if isinstance(plugin, Family):
        return families.CHECKS, families.Trial(plugin, seed)
    if isinstance(plugin, Page):
        return pages.CHECKS, pages.Trial(plugin)
    if isinstance(plugin, Study):
        return studies.CHECKS, studies.Trial(plugin, registry)
    return methods.CHECKS, methods.Trial(plugin, seed)
