"""The commands that look after machines and runs: ``doctor``, ``info`` and ``clean``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from diffbench.cli.options import AGE, Folder, Whole

__all__ = ["clean", "doctor", "info"]

LAYOUTS = ("text", "json")
layout_option = click.option(
    "--format", "layout", type=click.Choice(LAYOUTS), default="text", show_default=True
)


@click.command()
@click.option("--quick", is_flag=True, help="Leave the noise floor out, which takes ten seconds.")
@layout_option
def doctor(quick: bool, layout: str) -> None:
    """Tell whether this machine is fit to measure, and what to change.

    Ends with exit code 0 whatever it finds.
    """
    from diffbench.care.doctor import doctor as examine

    if not quick and sys.stderr.isatty():
        click.echo("measuring the noise floor: some ten seconds", err=True)
    made = examine(quick=quick)
    click.echo(made.json() if layout == "json" else made.text())


@click.command()
@click.argument("folder", metavar="RUN", type=Folder())
@layout_option
def info(folder: Path, layout: str) -> None:
    """Tell what the run in the folder RUN holds, and how to go on with it."""
    from diffbench.care.info import info as read

    made = read(folder)
    click.echo(made.json() if layout == "json" else made.text())


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=Folder())
@click.option("--unfinished", is_flag=True, help="Whole runs that are not complete.")
@click.option("--older-than", type=AGE, help="Whole runs not written to for so long, as 30d.")
@click.option("--keep", type=Whole(min=0), help="All whole runs but the newest so many.")
@click.option("--yes", is_flag=True, help="Remove it; else it is only listed.")
def clean(
    runs: tuple[Path, ...],
    unfinished: bool,
    older_than: float | None,
    keep: int | None,
    yes: bool,
) -> None:
    """List, or with --yes remove, what dead runs left in the folders RUN, or in those of runs/.

    With --unfinished, --older-than or --keep whole runs go; several of them must all agree. Runs
    at work stay, and so does every file that diffbench did not write.
    """
    from diffbench.care.clean import clean as tidy

    made = tidy(runs, unfinished=unfinished, older_than=older_than, keep=keep, yes=yes)
    click.echo(made.text())
    if made.removals and not yes:
        click.echo(f"to remove it:\n  {shlex.join(['diffbench', *sys.argv[1:], '--yes'])}")
