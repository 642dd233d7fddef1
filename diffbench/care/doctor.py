"""``diffbench doctor``: what of this machine disturbs a measurement, and what a run can see."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from diffbench.care.checks import BAD, CHECKS, NOTE, UNKNOWN, Probe, Subject, noise
from diffbench.care.floor import Floor, noise_floor
from diffbench.care.words import columns, percent
from diffbench.errors import RunError
from diffbench.running.lanes import Fleet, Job, Lanes, Reply
from diffbench.running.machine import Machine
from diffbench.running.plan import profile

__all__ = ["Check", "Diagnosis", "doctor"]

EFFORT = "standard"  # the profile whose workers and rounds are tried
RUNS = Path("runs")
WATCH_S = 1.0  # the kernel counts stolen time in hundredths of a second


@final
@dataclass(frozen=True, slots=True)
class Check:
    """One row: ``verdict`` is good, note, bad or cannot tell; ``advice`` what to type or change."""

    name: str
    found: str
    verdict: str
    advice: str


@final
@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks, and the noise floor where it was measured."""

    checks: tuple[Check, ...]
    floor: Floor | None

    @property
    def verdict(self) -> str:
        """*fit*, *fit with care* or *not fit*: what the worst of the checks says."""
        given = {check.verdict for check in self.checks}
        return "not fit" if BAD in given else "fit with care" if NOTE in given else "fit"

    @property
    def sentence(self) -> str:
        """The same in one line, with its reasons and what a run can see."""
        named = [c.name for c in self.checks if c.verdict in (BAD, NOTE)]
        bad = [c.name for c in self.checks if c.verdict == BAD]
        because = f" ({', '.join(bad or named)})" if named else ""
        return f"{self.verdict} to measure{because}{self._seen()}"

    def _seen(self) -> str:
        if self.floor is None:
            return ""
        parts = [
            f"{percent(width)} with {count} generation{'s' * (count != 1)}"
            for count, width in sorted(self.floor.seen.items())
        ]
        return f"; methods are told apart from {' and '.join(parts)}"

    def text(self) -> str:
        """A table, what to change, one verdict."""
        rows = [(c.name, "-" if c.verdict == UNKNOWN else c.verdict, c.found) for c in self.checks]
        advice = [(f"{c.name}:", c.advice) for c in self.checks if c.advice]
        change = ["", "to change", *columns(advice, "  ")] if advice else []
        return "\n".join([*columns(rows), *change, "", self.sentence])

    def json(self) -> str:
        """The same for programs: shares are fractions."""
        facts = {"verdict": self.verdict, "sentence": self.sentence, **asdict(self)}
        return json.dumps(facts, indent=2, ensure_ascii=False)


def doctor(
    folder: str | Path = RUNS, *, quick: bool = False, machine: Machine | None = None
) -> Diagnosis:
    """Examine this machine for runs in ``folder``; ``quick`` leaves the noise floor out.

    Starts worker processes; takes a second, and some ten with the noise floor.
    """
    subject = _subject(Path(folder), machine or Machine.here())
    found = [Check(name, *check(subject)) for name, check in CHECKS.items()]
    if quick:
        return Diagnosis(tuple(found), None)
    try:
        floor = noise_floor(EFFORT)
    except (RunError, OSError) as error:
        return Diagnosis((*found, Check("noise", f"not measured: {error}", BAD, "")), None)
    return Diagnosis((*found, Check("noise", *noise(floor))), floor)


def _subject(folder: Path, machine: Machine) -> Subject:
    before = machine.ticks()
    probe = probed(machine)
    time.sleep(WATCH_S)
    stolen = _share(before, machine.ticks())
    there = next(f for f in (folder.absolute(), *folder.absolute().parents) if f.is_dir())
    return Subject(machine, there, os.environ, stolen, probe)


def _share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    """The stolen part of the time between two readings; None where none has passed."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def probed(machine: Machine) -> Probe | str:
    """One worker started, asked and ended; a sentence where that fails."""
    row = profile(EFFORT)
    timing = [] if machine.timing is None else [machine.timing]
    try:
        with tempfile.TemporaryDirectory() as folder:
            fleet = Fleet({"plugins": (), "memory": row.memory, "cpus": timing}, Path(folder))
            return _asked(fleet, Lanes(fleet, timing, 1), row.limit_s, machine)
    except OSError as error:
        return f"no worker: {error}"


def _asked(fleet: Fleet, lanes: Lanes, limit: float, machine: Machine) -> Probe | str:
    replies: list[Reply] = []
    try:
        lanes.run([Job("probe", {"do": "drop"}, limit, replies.append)])
        if "error" in replies[0]:
            return f"no worker: {replies[0]['error']['reason']}"
        hello, (worker, _) = fleet.hellos["probe"], fleet.get("probe", machine.timing)
        facts = {name: hello[name] for name in ("cpu_share", "clock_s", "empty_call_s")}
        return Probe(tuple(hello["cpus"]), **facts, limit=machine.data_limit(worker.pid))
    finally:
        fleet.close()
