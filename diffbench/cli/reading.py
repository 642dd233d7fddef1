"""The commands that read finished runs: ``report`` and ``compare``."""

from __future__ import annotations

from pathlib import Path

import click

from diffbench.cli.options import TABLES, Folder

__all__ = ["compare", "report"]


@click.command()
@click.argument("folder", metavar="RUN", type=Folder())
@click.option("--out", type=Folder(), help="The file; RUN/report.html if not given.")
def report(folder: Path, out: Path | None) -> None:
    """Write the report of the run in the folder RUN again."""
    from diffbench import api

    click.echo(api.report(folder, out))


@click.command()
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
