"""``diffbench run``: measure, show progress, say what came out."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffbench.cli import planning
from diffbench.cli.config import config_option
from diffbench.cli.options import (
    DURATION,
    EXECUTORS,
    INTERRUPTED,
    PROFILES,
    WRONG,
    Folder,
    plugin_option,
)
from diffbench.cli.serve import browse

if TYPE_CHECKING:
    from diffbench.records.run import Run
    from diffbench.running.forecast import Forecast

__all__ = ["display", "end", "run"]

# What is measured, so that a run is resumed with the same; the other options say how.
ASKED = ("problems", "methods", "operators", "profile", "seed", "generations", "plugins")
NAMED = 5  # faults that are named one by one
MOST_REASONS = 3
FINE = {"ok", "unsupported", "skipped"}  # statuses that want no reason: skipped is for another's


@click.command()
@click.option(
    "--problems",
    metavar="SELECTION",
    help="Families, as 'rosenbrock[n=8:512:x2],mlp'; all if not given.",
)
@click.option(
    "--methods",
    metavar="SELECTION",
    help="Methods, as 'reverse,jax[mode=forward]'; all if not given.",
)
@click.option(
    "--operators",
    metavar="NAMES",
    help="Operators, as 'gradient,hvp', or all; those that the profile plans if not given.",
)
@click.option(
    "--profile", type=click.Choice(PROFILES), help="How much effort; standard if not given."
)
@click.option("--budget", type=DURATION, help="Time for everything, report included, as 90s or 5m.")
@click.option("--seed", type=int, help="Seed of points and tangents; 0 if not given.")
@click.option(
    "--generations",
    type=int,
    help="Fresh sets of processes; 1, in full 5, and more while a budget lasts.",
)
@click.option(
    "--executor",
    type=click.Choice(EXECUTORS),
    default="local",
    help="Who measures: this machine, or the workers of a dask cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", default="", help="Of dask, as tcp://HOST:8786.")
@click.option("--out", type=Folder(), help="Folder of the run; new under runs/.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--mixed", is_flag=True, help="Resume in another environment; marks the run.")
@click.option("--shard", metavar="I/K", help="Only part I of K, for 'diffbench merge'.")
@click.option("--open", "opens", is_flag=True, help="Open the report in the browser at the end.")
@click.option("--dry-run", is_flag=True, help="Print the plan and about how long it takes.")
@plugin_option
@config_option
def run(out: Path | None, resume: bool, dry_run: bool, opens: bool, **given: Any) -> None:
    """Measure methods on problems; the report and the CSV files end up in the run's folder."""
    from diffbench import api
    from diffbench.records.run import REPORT

    _check(out, resume, dry_run, opens, given)
    asked = {name: given.pop(name) for name in ASKED}
    if dry_run:
        planning.show(api.plan(**_selection(asked, None)), given["budget"])
        return
    folder, part = api.place(out, given["shard"])
    command = _again(folder.parent if part else folder, given)
    with display(folder) as shown:
        try:
            selection = _selection(asked, folder if resume else None)
            place = folder.parent if part else folder
            told = _told(shown.say) if _unknown(resume, asked, given) else None
            made = api.run(
                out=place, resume=resume, progress=shown, told=told, **given, **selection
            )
        except KeyboardInterrupt:
            shown.close()
            click.echo(f"\ninterrupted; {folder} keeps what was done; go on with:\n  {command}")
            sys.exit(INTERRUPTED)
    _summary(made, command)
    if opens:
        browse((made.folder / REPORT).resolve().as_uri())
    end(made)


def _unknown(resume: bool, asked: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether nobody said how much it will be: neither sizes, nor a budget, nor a run before.

    How long it takes is estimated for the whole of it on this machine.
    """
    known = resume or "[" in (asked["problems"] or "") or given["budget"] or given["shard"]
    return not known and given["executor"] == "local"


def _told(say: Callable[[str], None]) -> Callable[[Forecast], None]:
    return lambda found: say(f"{planning.size(found)}; Ctrl-C keeps what is done")


def end(made: Run) -> None:
    """Exit with 1 where a derivative of our own is wrong and nothing says why."""
    if faults := made.faults:
        more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        click.echo(f"wrong, and nothing says why: {', '.join(faults[:NAMED])}{more}", err=True)
        sys.exit(WRONG)


def _check(
    out: Path | None, resume: bool, dry_run: bool, opens: bool, given: Mapping[str, Any]
) -> None:
    """Options that make no sense together."""
    if dry_run and (resume or given["shard"]):
        raise click.UsageError("--dry-run shows a whole run; leave out --resume and --shard")
    if opens and (dry_run or given["shard"]):
        raise click.UsageError("--open shows the report of a whole run; there is none here")
    if resume and out is None:
        raise click.UsageError("--resume needs the folder of a run: --out DIR")
    if given["mixed"] and not resume:
        raise click.UsageError("--mixed is for a run that exists: add --resume")
    if given["shard"] and given["executor"] != "local":
        raise click.UsageError("--shard parts a run by hand, --executor dask by itself; take one")
    if given["operators"] == "":  # for the library it is the profile's; here, an unset variable
        raise click.UsageError(
            "--operators is empty; write names, as gradient,hvp, or leave it out"
        )


def _again(place: Path, given: Mapping[str, Any]) -> str:
    """The command that goes on with a run."""
    command = f"diffbench run --out {shlex.quote(str(place))} --resume"
    command += f" --shard {given['shard']}" if given["shard"] else ""
    if given["executor"] != "local":  # which is no part of what is measured
        command += f" --executor {given['executor']} --scheduler {shlex.quote(given['scheduler'])}"
    return command


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
    if (kept := made.plan.get("salvaged")) is not None:
        click.echo(f"the database was torn: {kept} cells were saved, the others made again")
    records = made.records
    for title in ("status", "verdict"):
        counts = Counter(name for name in records[title].fillna("") if name)
        ranked = sorted(counts.items(), key=lambda row: (-row[1], row[0]))  # ties by name
        if ranked:
            click.echo(f"{title}: {', '.join(f'{count} {name}' for name, count in ranked)}")
    for line in _reasons(made):
        click.echo(line)
    if more := sum(row["more"] for row in made.plan.get("left_out", {}).values()):
        click.echo(
            f"left out by the profile {made.plan['profile']}: {more} instances; "
            f"--profile full takes all (sizes: report, Method and environment)"
        )
    if left := _left(made):
        click.echo(f"{left}; go on with:\n  {command}")
    if "shard" in made.plan:
        merge = f"diffbench merge {shlex.quote(str(made.folder.parent))}"
        click.echo(f"{made.folder}; when all shards are done: {merge}")
        return
    for file in ("report.html", "records.csv"):
        click.echo(made.folder / file)


def _reasons(made: Run) -> Iterator[str]:
    """The commonest reason of each bad status; where no cell was answered, of all statuses."""
    totals, commonest = Counter[str](), dict[str, tuple[int, str]]()
    for (status, reason), cells in made.counts("status", "reason").items():
        totals[status] += cells
        commonest.setdefault(status, (cells, reason))
    bad = [name for name, _ in totals.most_common() if name not in FINE or not totals["ok"]]
    for status in bad[:MOST_REASONS]:
        cells, reason = commonest[status]
        yield f"{status}, {cells} of {totals[status]}: {' '.join(reason.split())}"
    if bad:
        yield "what repeats such a cell: the column command of the records"


def _left(made: Run) -> str:
    """What a budget cut off, in words; empty where nothing is left."""
    from diffbench.running.plan import least_generations

    records, generations = made.records, least_generations(made.plan)
    missing = made.plan.get("cells", 0) - len(records)
    if records.empty and not missing and not made.plan.get("cells_of_run"):
        return "not even the sizes of the instances were known in that time"
    behind = int(((records["status"] == "ok") & (records["generation"] < generations)).sum())
    parts = [f"cells left: {missing}"] * (missing > 0)
    parts += [f"cells with fewer than {generations} generations: {behind}"] * (behind > 0)
    return ", ".join(parts)
