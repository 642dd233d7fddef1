"""The command line: the only place that prints and exits.

Every mistake of a user is one line, ``diffbench: ...``, and exit status 2; Ctrl-C is 130. What a
command needs is imported when it runs: ``--help`` and a mistyped name must not wait for numpy.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffbench import __version__
from diffbench.errors import DiffbenchError

if TYPE_CHECKING:
    from diffbench.problem import Instance
    from diffbench.records.run import Run
    from diffbench.registry import Registry

__all__ = ["main"]

USAGE, INTERRUPTED = 2, 130
PROFILES = ("quick", "standard", "full")
KINDS = ("problems", "methods", "operators", "studies", "pages")
TABLES = ("text", "markdown", "csv")
DIGITS = ".15g"
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    help="A Python file with methods, families, pages or studies; may be repeated.",
)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Seconds, or a number with s, m or h: ``90``, ``5m``."""

    name = "time"
    units: Mapping[str, float] = {"s": 1.0, "m": 60.0, "h": 3600.0}

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The seconds; click's own error with what is accepted."""
        text = str(value).strip().lower()
        unit = self.units.get(text[-1:], 0.0)
        try:
            seconds = float(text[:-1] if unit else text) * (unit or 1.0)
        except ValueError:
            seconds = -1.0
        if not 0.0 < seconds < float("inf"):
            self.fail(f"{value!r} is no time; write 90, 90s, 5m or 1h", param, ctx)
        return seconds


class Folder(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A path; an empty one, as an unset variable of the shell gives it, is a mistake."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """The path; click's own error with what is accepted."""
        if not str(value).strip():
            self.fail("the name is empty; write a path, as runs/mine", param, ctx)
        return Path(value)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="diffbench", message="%(prog)s %(version)s")
@click.pass_context
def diffbench(context: click.Context) -> None:
    """Every way to differentiate a function, with proven errors, measured side by side."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


# --- run and report -------------------------------------------------------------------------------


@diffbench.command()
@click.option("--problems", metavar="SELECTION", help="Families, as 'rosenbrock[n=8:512:x2],mlp'.")
@click.option("--methods", metavar="SELECTION", help="Methods, as 'reverse,jax[mode=forward]'.")
@click.option("--operators", metavar="NAMES", help="Operators, as 'gradient,hvp', or all.")
@click.option(
    "--profile", type=click.Choice(PROFILES), help="How much effort; standard if not given."
)
@click.option("--budget", type=Duration(), help="Begin nothing new after this time, as 90s or 5m.")
@click.option("--seed", type=int, help="Seed of points and tangents; 0 if not given.")
@click.option("--generations", type=int, help="Fresh sets of processes; 1, in full 5.")
@click.option("--out", type=Folder(), help="Folder of the run; new under runs/.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@plugin_option
def run(out: Path | None, resume: bool, budget: float | None, **given: Any) -> None:
    """Measure methods on problems; the report and the CSV files end up in the run's folder."""
    from diffbench import api
    from diffbench.running.folder import new_folder

    if resume and out is None:
        raise click.UsageError("--resume needs the folder of a run: --out DIR")
    if given["operators"] == "":  # for the library it is the profile's; here, an unset variable
        raise click.UsageError(
            "--operators is empty; write names, as gradient,hvp, or leave it out"
        )
    folder = out or new_folder()
    selection = _selection(given, folder if resume else None)
    command = f"diffbench run --out {shlex.quote(str(folder))} --resume"
    with _display(folder) as display:
        try:
            made = api.run(out=folder, resume=resume, budget=budget, progress=display, **selection)
        except KeyboardInterrupt:
            display.close()
            click.echo(f"\ninterrupted; {folder} keeps what was done; go on with:\n  {command}")
            sys.exit(INTERRUPTED)
    _summary(made, command)


def _selection(given: dict[str, Any], resumed: Path | None) -> dict[str, Any]:
    """The options given; what is left out of a resumed run is as it was."""
    chosen = {name: value for name, value in given.items() if value is not None}
    if resumed is None:
        return chosen
    import msgspec

    from diffbench.api import requested

    if not chosen["plugins"]:
        del chosen["plugins"]
    return {**msgspec.structs.asdict(requested(resumed)), **chosen}


def _display(folder: Path) -> Any:
    from diffbench.progress import Live, Plain

    if sys.stderr.isatty():
        return Live()
    return Plain(str(folder), lambda line: click.echo(line, err=True))


def _summary(made: Run, command: str) -> None:
    """Statuses and verdicts, what is left, and where the results are."""
    for name, reason in made.plan.get("broken", {}).items():
        click.echo(f"refused plugin {name}: {reason}", err=True)
    records = made.records
    for title in ("status", "verdict"):
        counts = Counter(name for name in records[title].fillna("") if name)
        ranked = sorted(counts.items(), key=lambda row: (-row[1], row[0]))  # ties by name
        if ranked:
            click.echo(f"{title}: {', '.join(f'{count} {name}' for name, count in ranked)}")
    if left := _left(made):
        click.echo(f"{left}; go on with:\n  {command}")
    for file in ("report.html", "records.csv"):
        click.echo(made.folder / file)


def _left(made: Run) -> str:
    """What a budget cut off, in words; empty where nothing is left."""
    records, generations = made.records, made.plan.get("generations", 1)
    missing = made.plan.get("cells", 0) - len(records)
    if records.empty and not missing:
        return "not even the sizes of the instances were known in that time"
    behind = int(((records["status"] == "ok") & (records["generation"] < generations)).sum())
    parts = [f"cells left: {missing}"] * (missing > 0)
    parts += [f"cells with fewer than {generations} generations: {behind}"] * (behind > 0)
    return ", ".join(parts)


@diffbench.command()
@click.argument("folder", metavar="RUN", type=Folder())
@click.option("--out", type=Folder(), help="The file; RUN/report.html if not given.")
def report(folder: Path, out: Path | None) -> None:
    """Write the report of the run in the folder RUN again."""
    from diffbench import api

    click.echo(api.report(folder, out))


@diffbench.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--of", required=True, metavar="METHOD", help="The method whose time is above.")
@click.option("--to", required=True, metavar="METHOD", help="The method whose time is below.")
@click.option("--operators", metavar="NAMES", default="", help="As 'gradient,hvp'; all but value.")
@click.option("--format", "layout", type=click.Choice(TABLES), default="text", show_default=True)
def compare(folder: Path, of: str, to: str, operators: str, layout: str) -> None:
    """Compare the times of two methods of the run in the folder RUN; as CSV with every cell."""
    from diffbench import api
    from diffbench.comparison import render

    click.echo(render(api.compare(folder, of, to, operators), layout))


# --- list, show, trace ----------------------------------------------------------------------------


@diffbench.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@plugin_option
def list_(kind: str, plugins: tuple[str, ...]) -> None:
    """List what there is, with the plugins that were refused and why."""
    from diffbench.registry import discover

    needed = (kind,) if kind != "operators" else ("methods",)
    registry = discover(_existing(plugins), needed)
    _table(ROWS[kind](registry))
    for name, reason in registry.broken.items():
        click.echo(f"refused: {name}: {' '.join(reason.split())}")


def _problem_rows(registry: Registry) -> Iterable[Sequence[str]]:
    for family in registry.families.values():
        yield family.name, family.sizes["standard"], f"{family.title} – {family.shows}"


def _method_rows(registry: Registry) -> Iterable[Sequence[str]]:
    from diffbench.method import variant_name

    for method in registry.methods():
        yield variant_name(method), method.category, f"{method.title}; {method.cost}"


def _operator_rows(registry: Registry) -> Iterable[Sequence[str]]:
    from diffbench.operators import OPERATORS

    for row in OPERATORS.values():
        of = "scalar f" if row.scalar_only else "every f"
        native = [k.name for k in registry.method_types.values() if row.name in k.native]
        yield row.name, f"order {row.order}, {of}", f"native: {', '.join(native)}"


ROWS: dict[str, Callable[[Registry], Iterable[Sequence[str]]]] = {
    "problems": _problem_rows,
    "methods": _method_rows,
    "operators": _operator_rows,
    "studies": lambda r: [(s.name, s.title) for s in r.studies.values()],
    "pages": lambda r: [(p.name, p.title) for p in r.pages.values()],
}


def _table(rows: Iterable[Sequence[str]]) -> None:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@diffbench.command()
@click.argument("selection")
@click.option("--profile", type=click.Choice(PROFILES), default="quick", help="Sizes left out.")
@click.option("--seed", type=click.IntRange(min=0), default=0)
@plugin_option
def show(selection: str, profile: str, seed: int, plugins: tuple[str, ...]) -> None:
    """Show the instances of SELECTION: formula, sizes, value and norm of the derivative."""
    from diffbench.registry import discover

    registry = discover(_existing(plugins), ("problems",))
    for made in registry.instances(selection, profile, seed):
        family = registry.family(made.family)
        click.echo(f"{made.name}: {family.title}\n  {family.latex}")
        click.echo(f"  n = {made.n}, m = {made.m}, depth = {made.depth}, seed = {made.seed}")
        for name, number in _numbers(made):
            click.echo(f"  {name} = {number:{DIGITS}}")


def _numbers(made: Instance) -> Iterable[tuple[str, float]]:
    """The value (its norm for several outputs) and the norm of the first derivative."""
    import numpy as np

    from diffbench import ad

    name = "gradient" if made.scalar else "jacobian"
    derive = ad.grad if made.scalar else ad.jacobian
    written = name in made.answers
    found = made.answer(name) if written else derive(made.f)(made.x, *made.constants)
    value = made.value()
    yield (
        ("f(x)" if made.scalar else "|f(x)|"),
        float(value if made.scalar else np.linalg.norm(value)),
    )
    yield f"|{name}|", float(np.linalg.norm(found))


@diffbench.command()
@click.argument("selection", metavar="FAMILY")
@click.option("--at", help="The point, as 2,5; the family's own if not given.")
@click.option("--mode", type=click.Choice(("forward", "reverse")), required=True)
@click.option("--digits", type=click.Choice(("3", "17", "hex")), default="17", show_default=True)
@click.option(
    "--format",
    "layout",
    type=click.Choice(("text", "markdown", "latex", "csv")),
    default="text",
    show_default=True,
)
@plugin_option
def trace(
    selection: str, at: str | None, mode: str, digits: str, layout: str, plugins: tuple[str, ...]
) -> None:
    """Print the evaluation trace of FAMILY with its tangents or adjoints, line by line."""
    from diffbench.registry import discover
    from diffbench.traces import render

    registry = discover(_existing(plugins), ("problems",))
    made = _placed(registry, selection, None if at is None else _point(at))
    click.echo(render(made, mode, digits, layout))


def _point(text: str) -> list[float]:
    import math

    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)):
        raise click.BadParameter(f"{text!r} is no point; write numbers as 2,5", param_hint="--at")
    return found


def _placed(registry: Registry, selection: str, point: list[float] | None) -> Instance:
    """The one instance of a selection, at another point if one is given."""
    from dataclasses import replace

    import numpy as np

    from diffbench.errors import BadSize
    from diffbench.problem import canonical
    from diffbench.selection import parse

    choices = parse(selection)
    names = [choice.name for choice in choices]
    if len(choices) != 1 or names == ["all"]:
        raise DiffbenchError(f"trace takes one family, got {selection!r}; try lecture")
    family = registry.family(names[0])
    (given, *more) = choices[0].points()
    if more:
        raise DiffbenchError(
            f"trace takes one size, got {selection!r}; give one number a parameter"
        )
    if point is not None and "n" in family.parameters and "n" not in given:
        given = {**given, "n": len(point)}
    made = family.instance(given)
    if point is None:
        return made
    if made.n != len(point):
        raise BadSize(
            f"{canonical(family.name, made.params)} has n = {made.n}, but --at gives "
            f"{len(point)} numbers"
        )
    return replace(made, x=np.array(point))


# --- errors ---------------------------------------------------------------------------------------


def _existing(plugins: tuple[str, ...]) -> tuple[str, ...]:
    for path in plugins:
        if not os.path.isfile(path):
            raise DiffbenchError(f"no plugin file {path}; give the path of a Python file")
    return plugins


def _one_line(message: str) -> str:
    return f"diffbench: {' '.join(message.split())}"


def main() -> None:
    """The entry point of the command line."""
    try:
        code = diffbench.main(prog_name="diffbench", standalone_mode=False)
    except click.ClickException as error:
        click.echo(_one_line(error.format_message()), err=True)
        sys.exit(USAGE)
    except DiffbenchError as error:
        click.echo(_one_line(str(error)), err=True)
        sys.exit(USAGE)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone, as in `diffbench trace ... | head`; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
