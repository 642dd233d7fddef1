"""``diffbench merge``: join the shards of a run, say what came out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from diffbench.cli.options import Folder
from diffbench.cli.run import display, end

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["merge"]


@click.command()
@click.argument("folders", metavar="DIR...", type=Folder(), nargs=-1, required=True)
@click.option("--out", type=Folder(), help="Folder of the joined run; DIR if that holds shards.")
@click.option("--partial", is_flag=True, help="Though shards or cells are missing.")
@click.option("--mixed", is_flag=True, help="Though the environments differ; marks the run.")
@click.option("--report/--no-report", default=True, help="Whether to write the report.")
def merge(
    folders: tuple[Path, ...], out: Path | None, partial: bool, mixed: bool, report: bool
) -> None:
    """Join the shards in the folder DIR, or several runs of one request, into one run."""
    from diffbench import merging

    with display(out or folders[0]) as shown:
        made = merging.merge(
            folders, out, partial=partial, mixed=mixed, report=report, progress=shown
        )
    for line in _summary(made):
        click.echo(line)
    for file in ("report.html", "records.csv")[not report :]:
        click.echo(made.folder / file)
    end(made)


def _summary(made: Run) -> Iterator[str]:
    """Statuses and what is left, counted in the database: the run may be too large to load."""
    statuses = made.counts("status")
    yield f"status: {', '.join(f'{cells} {status}' for (status,), cells in statuses.items())}"
    if missing := made.plan.get("cells", 0) - sum(statuses.values()):
        yield f"cells left: {missing}; go on with:"
        yield f"  diffbench run --out {shlex.quote(str(made.folder))} --resume"
