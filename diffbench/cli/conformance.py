"""``diffbench test``: whether the plugins of a file hold what every family and method must."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from diffbench.cli.options import WRONG, Folder, existing

if TYPE_CHECKING:
    from diffbench.conformance import Finding

__all__ = ["test"]


@click.command()
@click.argument("file", metavar="FILE.py", type=Folder())
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the instances looked at.")
def test(file: Path, seed: int) -> None:
    """Test the families and methods in FILE.py as those that are built in are tested.

    One line a check; ends with exit code 1 where one fails, and with 2 where the file is no plugin.
    """
    from diffbench.conformance import on_trial
    from diffbench.registry import discover

    existing((str(file),))
    wrong, total, shown = 0, 0, ""
    for finding in on_trial(str(file), discover(), seed):
        title = f"{finding.kind} {finding.plugin}"
        if title != shown:
            click.echo(title)
            shown = title
        click.echo(_line(finding))
        wrong, total = wrong + bool(finding.wrong), total + 1
    click.echo(f"{total - wrong} of {total} checks passed")
    sys.exit(WRONG if wrong else 0)


def _line(finding: Finding) -> str:
    said = finding.wrong or finding.holds
    return f"  {'FAIL' if finding.wrong else 'pass'}  {finding.check:<13} {said}"
