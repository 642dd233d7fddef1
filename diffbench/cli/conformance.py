"""``diffbench test``: whether the plugins of a file hold what those that are built in must."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from diffbench.cli.options import WRONG, Folder, Whole, existing

if TYPE_CHECKING:
    from diffbench.conformance import Finding

__all__ = ["test"]

PASS, FAIL, LEFT = "pass", "FAIL", "left"


@click.command()
@click.argument("file", metavar="FILE.py", type=Folder())
@click.option("--seed", type=Whole(min=0), default=0, help="Of the instances looked at.")
def test(file: Path, seed: int) -> None:
    """Test the families, methods, pages and studies in FILE.py as those built in are tested.

    Methods are tried on tiny problems, pages on made-up runs; a study is run.
    One line a check; ends with exit code 1 where one fails, and with 2 where the file is no plugin.
    """
    from diffbench.conformance import on_trial
    from diffbench.registry import discover

    existing((str(file),))
    counts, shown = Counter[str](), ""
    for finding in on_trial(str(file), discover(), seed):
        title = f"{finding.kind} {finding.plugin}"
        if title != shown:
            click.echo(title)
            shown = title
        ended = _ended(finding)
        counts[ended] += 1
        if finding.tried:
            click.echo(f"  {ended}  {finding.check:<13} {finding.wrong or finding.holds}")
    more = f", {counts[LEFT]} not tried" if counts[LEFT] else ""
    click.echo(f"{counts[PASS]} of {counts[PASS] + counts[FAIL]} checks passed{more}")
    sys.exit(WRONG if counts[FAIL] else 0)


def _ended(finding: Finding) -> str:
    if not finding.tried:
        return LEFT
    return FAIL if finding.wrong else PASS
