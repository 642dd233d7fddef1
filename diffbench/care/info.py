"""``diffbench info``: what a run holds, read without touching it, also while it is at work."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from diffbench.care.folders import at_work, last_written, shards, tree_bytes
from diffbench.care.words import columns, counted, size
from diffbench.errors import RunError
from diffbench.records.record import STATUSES
from diffbench.records.run import EXECUTOR, PLAN, Run
from diffbench.records.shards import WHOLE, Shard
from diffbench.records.store import FILE, instead, reading
from diffbench.running.folder import share
from diffbench.running.plan import least_generations

__all__ = ["Info", "info"]

GROUPED = ("method", "status", "verdict", "warnings", "machine", "generation")
GROUPS = "SELECT {0}, COUNT(*) FROM records GROUP BY {0}".format(", ".join(GROUPED))
CLUSTER = " --executor dask --scheduler ADDRESS"
STUDY = "study "  # what the name of a finished study follows in the table meta
OPTIONS = ("problems", "methods", "operators", "profile", "seed", "generations")
ASKED = (*OPTIONS, "budget", "plugins")
BEGUN = "%Y%m%d-%H%M%S"
CLOCK = "%Y-%m-%d %H:%M:%S"
NAMED = 5  # missing shards that are named one by one
Facts = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Info:
    """What is known of a run; what is not is None, "" or empty.

    ``begun`` and ``written`` are local times. ``planned`` counts cells: None until the sizes of
    the instances are known. ``behind`` are answered cells with fewer generations than asked for.
    ``studies`` maps each planned one to how it ended, or to None. ``command`` goes on with a run
    that is neither complete nor at work, or joins its shards once they are. ``missing`` maps each
    shard that is not there to the command that makes it. ``bytes`` are those of the whole folder.
    """

    folder: str
    run: str
    begun: str | None
    written: str
    at_work: bool | None
    complete: bool
    schema: int | None
    request: Facts
    environment: Facts
    machines: tuple[str, ...]
    planned: int | None
    cells: int
    behind: int
    status: dict[str, int]
    verdict: dict[str, int]
    methods: dict[str, dict[str, int]]
    warnings: dict[str, int]
    studies: dict[str, str | None]
    samples: int
    bytes: int
    command: str
    shards: dict[str, Info]
    missing: dict[str, str]

    def text(self) -> str:
        """Lines to read."""
        lines = [f"{name.ljust(9)} {said}" for name, said in _lines(self) if said]
        return "\n".join([*lines, *_table(self)])

    def json(self) -> str:
        """The same for programs."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


def info(folder: str | Path) -> Info:
    """What the run in a folder holds; raises RunError where there is none or it is damaged."""
    place = Path(folder)
    parts = shards(place)
    if not parts and not any((place / name).is_file() for name in (PLAN, FILE)):
        raise RunError(f"no run in {place} (no {PLAN} or {FILE}); {instead(place)}")
    return _read(place, {path.name: _read(path, {}) for path in parts.values()})


def _read(folder: Path, parts: dict[str, Info]) -> Info:
    own = Run(folder).plan
    plan = own or next((part.request for part in parts.values()), {})
    shard = share(own, folder)
    stored = _stored(folder) if (folder / FILE).is_file() else _Stored()
    planned = stored.meta.get("cells", plan.get("cells"))
    behind = stored.behind(least_generations(plan))
    due = (shard or WHOLE).of(plan.get("studies", ()))
    studies = {name: stored.meta.get(f"{STUDY}{name}") for name in due}
    whole = planned == len(stored) and not behind and None not in studies.values()
    missing = {} if len(stored) else _missing(folder, plan, parts)
    joins = bool(parts) and not len(stored) and not missing
    complete = whole or (joins and all(part.complete for part in parts.values()))
    busy = at_work(folder) or any(part.at_work for part in parts.values())
    written = time.localtime(last_written(folder))
    where = CLUSTER if stored.meta.get(EXECUTOR, "local") != "local" else ""
    if joins and complete and not busy:
        command = shlex.join(["diffbench", "merge", str(folder)])
    else:
        command = "" if complete or busy or parts else f"{_resuming(folder, shard)}{where}"
    begun = [_begun(plan.get("run", "")), *(part.begun for part in parts.values())]
    return Info(
        folder=str(folder),
        run=plan.get("run", folder.name),
        begun=next(filter(None, begun), None),
        written=time.strftime(CLOCK, written),
        at_work=busy,
        complete=complete,
        schema=stored.schema,
        request={name: plan[name] for name in ASKED if name in plan},
        environment=Run(folder).environment,
        machines=tuple(stored.count("machine")),
        planned=planned,
        cells=len(stored),
        behind=behind,
        status=stored.count("status"),
        verdict=stored.count("verdict"),
        methods=stored.methods(),
        warnings=stored.warnings(),
        studies=studies,
        samples=stored.samples or sum(part.samples for part in parts.values()),
        bytes=tree_bytes(folder),
        command=command,
        shards=parts,
        missing=missing,
    )


def _missing(folder: Path, plan: Facts, parts: Iterable[str]) -> dict[str, str]:
    """The shards that are not there, each with the command that makes it."""
    counts = {int(name.rpartition("-")[2]) for name in parts}
    wanted = (Shard(k, count) for count in counts for k in range(1, count + 1))
    return {
        shard.name: f"{_resuming(folder / shard.name, shard, '')}{_asking(plan)}"
        for shard in wanted
        if shard.name not in parts
    }


def _resuming(folder: Path, shard: Shard | None, resume: str = " --resume") -> str:
    """The command that goes on with a run or a shard."""
    place = shlex.quote(str(folder.parent if shard else folder))
    part = f" --shard {shard.index}/{shard.count}" if shard else ""
    return f"diffbench run --out {place}{part}{resume}"


def _asking(plan: Facts) -> str:
    """The options of a run that was asked for the same."""
    given = [(f"--{name}", plan.get(name)) for name in OPTIONS]
    given += [("--plugin", path) for path in plan.get("plugins", ())]
    texts = (f" {name} {shlex.quote(str(v))}" for name, v in given if v not in (None, ""))
    return "".join(texts)


def _begun(run: str) -> str | None:
    """A run's name holds the time."""
    try:
        return time.strftime(CLOCK, time.strptime(run[:15], BEGUN))
    except ValueError:
        return None


# --- the database ---------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Stored:
    """Records in groups that are alike, each with its size; the table meta; samples counted."""

    groups: tuple[tuple[Facts, int], ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 0
    schema: int | None = None

    def __len__(self) -> int:
        return sum(count for _, count in self.groups)

    def behind(self, generations: int) -> int:
        """Answered cells with fewer generations."""
        answered = [(f, count) for f, count in self.groups if f["status"] == "ok"]
        return sum(count for f, count in answered if f["generation"] < generations)

    def count(self, name: str) -> dict[str, int]:
        """How many records have each value of a field, the most frequent first."""
        return _counted((facts[name], count) for facts, count in self.groups if facts[name])

    def warnings(self) -> dict[str, int]:
        """How many records carry each warning."""
        texts = ((f["warnings"] or "", count) for f, count in self.groups)
        return _counted((text, count) for said, count in texts for text in said.split("; ") if text)

    def methods(self) -> dict[str, dict[str, int]]:
        """For each method, by name, how many of its cells ended how."""
        names = sorted({facts["method"] for facts, _ in self.groups})
        return {
            name: _counted((f["status"], count) for f, count in self.groups if f["method"] == name)
            for name in names
        }


def _counted(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for name, count in rows:
        found[name] += count
    return dict(sorted(found.items(), key=lambda row: (-row[1], row[0])))


def _stored(folder: Path) -> _Stored:
    with reading(folder) as db:
        groups = [(row[:-1], row[-1]) for row in db.execute(GROUPS)]
        (samples,) = db.execute("SELECT COUNT(*) FROM samples").fetchone()
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        meta = dict(db.execute("SELECT key, value FROM meta"))
    try:
        facts = {key: json.loads(value) for key, value in meta.items()}
    except ValueError as error:
        raise RunError(f"{folder / FILE} is damaged: {error} in its table meta") from error
    named = tuple((dict(zip(GROUPED, values, strict=True)), count) for values, count in groups)
    return _Stored(named, facts, samples, schema)


# --- words ----------------------------------------------------------------------------------------


def _lines(made: Info) -> Iterator[tuple[str, str]]:
    schema = f" (schema {made.schema})" if made.schema is not None else ""
    yield "run", f"{made.run} in {made.folder}{schema}"
    yield "begun", f"{made.begun or 'at an unknown time'}, last written to {made.written}"
    yield "asked", ", ".join(f"{name} {_shown(value)}" for name, value in made.request.items())
    yield "machine", _machine(made)
    yield "software", _software(made.environment)
    yield "cells", _cells(made)
    yield "status", counted(made.status)
    yield "verdict", counted(made.verdict)
    yield "warnings", counted(made.warnings)
    yield "studies", ", ".join(f"{name} {how or 'not yet'}" for name, how in made.studies.items())
    yield "on disk", f"{size(made.bytes)}, {made.samples} samples"
    for name, part in made.shards.items():
        yield name, _cells(part)
    shown = list(made.missing)[:NAMED]
    for name in shown:
        yield name, "missing"
    if len(made.missing) > NAMED:
        yield "missing", f"{len(made.missing)} shards in all"
    if not (made.shards and made.cells):  # joined already
        for part in made.shards.values():
            yield "go on", part.command
    for command in (*(made.missing[name] for name in shown), made.command):
        yield "go on", command


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) or "none"
    return "as the profile plans" if value in ("", None) else str(value)


def _cells(made: Info) -> str:
    of = "an unknown number" if made.planned is None else str(made.planned)
    behind = f", {made.behind} with fewer generations than asked for" if made.behind else ""
    state = "at work" if made.at_work else "complete" if made.complete else "not complete"
    own = "" if made.shards and not made.cells else f"{made.cells} of {of}{behind}; "
    return f"{own}{state}"


def _machine(made: Info) -> str:
    facts = made.environment
    if not facts:
        return ", ".join(made.machines)
    return "; ".join(map(_one_machine, facts.get("machines", {"": facts}).values()))


def _one_machine(facts: Facts) -> str:
    parts = [facts.get("machine"), facts.get("cpu"), facts.get("system"), facts.get("kernel")]
    for name in ("cpus", "affinity", "governor", "memory_gib", "load"):
        if facts.get(name) not in (None, []):
            parts.append(f"{name} {_plain(facts[name])}")
    return ", ".join(str(part) for part in parts if part)


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _software(facts: Facts) -> str:
    packages = {name: facts.get(name) for name in ("diffbench", "python")}
    packages |= facts.get("packages", {}) | {"BLAS": facts.get("blas")}
    return ", ".join(f"{name} {version}" for name, version in packages.items() if version)


def _table(made: Info) -> list[str]:
    """A row a method, a column a status that occurs."""
    if not made.methods:
        return []
    used = [name for name in STATUSES if name in made.status]
    rows = [(name, *(str(row.get(s, "-")) for s in used)) for name, row in made.methods.items()]
    return ["", *columns([("method", *(s.replace("_", " ") for s in used)), *rows])]
