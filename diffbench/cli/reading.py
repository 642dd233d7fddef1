"""The commands that read finished runs: ``report`` and ``compare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffbench.cli.options import EDITIONS, FORMATS, HTML, REGRESSION, TABLES, Factor, Folder, Words

if TYPE_CHECKING:
    from diffbench.analysis.compare import Comparison, Ratio

__all__ = ["compare", "report"]


@click.command()
@click.argument("folder", metavar="RUN", type=Folder())
@click.argument("beside", metavar="[RUN_B]", type=Folder(), required=False)
@click.option("--edition", type=click.Choice(EDITIONS), default="all", show_default=True)
@click.option(
    "--format",
    "formats",
    metavar="NAMES",
    type=Words(FORMATS),
    default=HTML,
    show_default=True,
    help=f"Some of {','.join(FORMATS)}; all but html go into RUN/export/.",
)
@click.option(
    "--out",
    type=Folder(),
    help="Of html alone the file, in RUN if not given; of other formats the folder.",
)
def report(
    folder: Path, beside: Path | None, edition: str, formats: tuple[str, ...], out: Path | None
) -> None:
    """Write the report of the run in the folder RUN again, in this format or others.

    RUN RUN_B: the report that compares two runs, RUN_B over RUN.
    """
    from diffbench import api

    if formats == (HTML,):
        made = [api.report(folder, out, beside=beside, edition=edition)]
    else:
        made = api.export(folder, formats, out, beside=beside, edition=edition)
    for path in made:
        click.echo(path)
    for name, reason in api.refused(folder).items():
        click.echo(f"without the plugin {name}: {' '.join(reason.split())}", err=True)


@click.command()
@click.argument("run_a", metavar="RUN_A", type=Folder())
@click.argument("run_b", metavar="[RUN_B]", type=Folder(), required=False)
@click.option("--of", metavar="METHOD", help="One run: the method whose time is above.")
@click.option("--to", metavar="METHOD", help="One run: the method whose time is below.")
@click.option("--methods", metavar="SELECTION", help="Two runs: these only, as 'reverse,jax'.")
@click.option("--operators", metavar="NAMES", default="", help="As 'gradient,hvp'; all but value.")
@click.option("--all", "every", is_flag=True, help="Show every cell, not only those that differ.")
@click.option(
    "--fail-above",
    metavar="FACTOR",
    type=Factor(),
    help="Exit 3 where a cell is slower by more than this, as 1.05 or 5%.",
)
@click.option("--format", "layout", type=click.Choice(TABLES), default="text", show_default=True)
def compare(
    layout: str, every: bool, fail_above: float | None, operators: str, **sides: Any
) -> None:
    """Compare the times of two runs, or of two methods of one.

    RUN_A RUN_B: the times of RUN_B over those of RUN_A, cell by cell, each over f in numpy.
    RUN_A --of METHOD --to METHOD: the times of one method over those of another, paired.
    As CSV with every cell.
    """
    from diffbench.comparison import render

    made = _compared(operators, **sides)
    click.echo(render(made, layout, every))
    if fail_above is not None and (cells := made.regressions(fail_above)):
        _complain(cells, fail_above)
        sys.exit(REGRESSION)


def _compared(
    operators: str,
    run_a: Path,
    run_b: Path | None,
    of: str | None,
    to: str | None,
    methods: str | None,
) -> Comparison:
    """One of the two forms; click's error where the options are of both or of neither."""
    from diffbench import api

    if run_b is None and of is not None and to is not None and methods is None:
        return api.compare(run_a, of, to, operators)
    if run_b is not None and of is None and to is None:
        return api.compare_runs(run_a, run_b, "all" if methods is None else methods, operators)
    given = {"--of": of, "--to": to, "--methods": methods}
    names = ", ".join(name for name, value in given.items() if value is not None)
    runs = "one run" if run_b is None else "two runs"
    raise click.UsageError(
        f"{runs} with {names or 'no method'}; write RUN_A RUN_B [--methods SELECTION], "
        "or RUN_A --of METHOD --to METHOD"
    )


def _complain(cells: list[Ratio], factor: float) -> None:
    from diffbench.comparison import told

    count = f"{len(cells)} cell{'s are' if len(cells) > 1 else ' is'}"
    click.echo(f"regression: {count} slower by more than a factor {factor:g}", err=True)
    for cell in cells:
        click.echo(f"  {told(cell)}", err=True)
