"""What the commands share: types of arguments, exit codes, the option of plugins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from diffbench.errors import DiffbenchError

__all__ = [
    "AGE",
    "DURATION",
    "EDITIONS",
    "EXECUTORS",
    "FORMATS",
    "HTML",
    "INTERRUPTED",
    "PROFILES",
    "REGRESSION",
    "TABLES",
    "USAGE",
    "WRONG",
    "Factor",
    "Folder",
    "Whole",
    "Words",
    "existing",
    "plugin_option",
    "table",
]

WRONG, USAGE, REGRESSION, INTERRUPTED = 1, 2, 3, 130
PROFILES = ("quick", "standard", "full")
EXECUTORS = ("local", "dask")
TABLES = ("text", "markdown", "csv")
EDITIONS = ("all", "course", "engineer")
HTML = "html"
FORMATS = (HTML, "csv", "parquet", "latex", "markdown", "svg")
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    help="A Python file with methods, families, pages or studies; may be repeated.",
)


class Lasting(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number with one of these units, in seconds; the unit ``""`` is none at all."""

    def __init__(self, name: str, units: Mapping[str, float], examples: str) -> None:
        self.name, self.units, self.examples = name, units, examples

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The seconds; click's own error with what is accepted."""
        text = str(value).strip().lower()
        unit = text[-1:] if text[-1:] in self.units else ""
        try:
            seconds = float(text.removesuffix(unit)) * self.units.get(unit, 0.0)
        except ValueError:
            seconds = 0.0
        if not 0.0 < seconds < float("inf"):
            self.fail(f"{value!r} is no {self.name}; write {self.examples}", param, ctx)
        return seconds


DURATION = Lasting("time", {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}, "90, 90s, 5m or 1h")
AGE = Lasting("age", {"h": 3600.0, "d": 86400.0, "w": 604800.0}, "12h, 30d or 4w")


class Whole(click.IntRange):
    """A whole number, and called so in errors."""

    name = "whole number"


class Factor(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A factor of at least 1, or the percentage above it: ``1.05``, ``5%``."""

    name = "factor"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The factor; click's own error with what is accepted."""
        text = str(value).strip()
        try:
            factor = 1.0 + float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            factor = 0.0
        if not 1.0 <= factor < float("inf"):
            self.fail(f"{value!r} is no factor from 1 on; write 1.05 or 5%", param, ctx)
        return factor


class Folder(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A path; an empty one, as an unset variable of the shell gives it, is a mistake."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """The path; click's own error with what is accepted."""
        if not str(value).strip():
            self.fail("the name is empty; write a path, as runs/mine", param, ctx)
        return Path(value)


class Words(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Some of these words, with commas between them."""

    name = "words"

    def __init__(self, accepted: Sequence[str]) -> None:
        self.accepted = accepted

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """The words, each once; click's own error for one that is not accepted."""
        found = tuple(dict.fromkeys(word.strip() for word in str(value).split(",")))
        for word in found:
            if word not in self.accepted:
                self.fail(f"{word!r} is none of {', '.join(self.accepted)}", param, ctx)
        return found


def existing(plugins: tuple[str, ...]) -> tuple[str, ...]:
    """The plugin files; raises DiffbenchError where one is not there."""
    for path in plugins:
        if not os.path.isfile(path):
            raise DiffbenchError(f"no plugin file {path}; give the path of a Python file")
    return plugins


def table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts in columns."""
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
