"""``diffbench run``: measure, show progress, say what came out."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffbench.cli.options import INTERRUPTED, PROFILES, Duration, Folder, plugin_option

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["display", "run"]


@click.command()
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
@click.option("--mixed", is_flag=True, help="Resume in another environment; marks the run.")
@click.option("--shard", metavar="I/K", help="Only part I of K, for 'diffbench merge'.")
@plugin_option
def run(out: Path | None, resume: bool, budget: float | None, **given: Any) -> None:
    """Measure methods on problems; the report and the CSV files end up in the run's folder."""
    from diffbench import api

    if resume and out is None:
        raise click.UsageError("--resume needs the folder of a run: --out DIR")
    if given["mixed"] and not resume:
        raise click.UsageError("--mixed is for a run that exists: add --resume")
    if given["operators"] == "":  # for the library it is the profile's; here, an unset variable
        raise click.UsageError(
            "--operators is empty; write names, as gradient,hvp, or leave it out"
        )
    folder, part = api.place(out, given["shard"])
    base = folder.parent if part else folder
    selection = _selection(given, folder if resume else None)
    command = f"diffbench run --out {shlex.quote(str(base))} --resume"
    command += f" --shard {part.index}/{part.count}" if part else ""
    with display(folder) as shown:
        try:
            made = api.run(out=base, resume=resume, budget=budget, progress=shown, **selection)
        except KeyboardInterrupt:
            shown.close()
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


def display(folder: Path) -> Any:
    """What shows progress: a line of the terminal, or a few plain ones."""
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
    if "shard" in made.plan:
        click.echo(f"{made.folder}; when all shards are done: diffbench merge {made.folder.parent}")
        return
    for file in ("report.html", "records.csv"):
        click.echo(made.folder / file)


def _left(made: Run) -> str:
    """What a budget cut off, in words; empty where nothing is left."""
    records, generations = made.records, made.plan.get("generations", 1)
    missing = made.plan.get("cells", 0) - len(records)
    if records.empty and not missing and not made.plan.get("cells_of_run"):
        return "not even the sizes of the instances were known in that time"
    behind = int(((records["status"] == "ok") & (records["generation"] < generations)).sum())
    parts = [f"cells left: {missing}"] * (missing > 0)
    parts += [f"cells with fewer than {generations} generations: {behind}"] * (behind > 0)
    return ", ".join(parts)
