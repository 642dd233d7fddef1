"""Is this machine fit to measure? One check a function, all of them in a table."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

from diffbench.care.floor import Floor
from diffbench.care.words import percent, size
from diffbench.running.machine import Machine
from diffbench.running.plan import PROFILES
from diffbench.running.platform import THREADS

__all__ = ["BAD", "CHECKS", "GOOD", "NOTE", "UNKNOWN", "Finding", "Probe", "Subject", "noise"]

GOOD, NOTE, BAD, UNKNOWN = "good", "note", "bad", "cannot tell"
# Up to the first it is good, up to the second worth a note.
LOAD = (0.25, 0.75)  # of the processors
STOLEN = (0.005, 0.02)  # of the time
NOISE = (0.02, 0.04)  # between identical processes
SEEN = (0.05, 0.2)  # the smallest difference that all generations together see
OVERHEAD_S = (2e-7, 1e-6)
BUSY, THREADED = 0.9, 1.05  # processor time over wall time of one thread at work
RESOLUTION_S = 1e-7
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "pit", "refined-jiffies")
FREE = (10**8, 10**9)  # bytes; a run of the full profile takes a tenth of the second
IN_MEMORY = ("tmpfs", "ramfs")
DISTANT = frozenset(
    "9p afs beegfs ceph cifs fuse.glusterfs fuse.sshfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 "
    "ocfs2 orangefs smb3 smbfs virtiofs".split()
)
# Workers inherit these, and each changes what is measured.
DISTURBING = (
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "MALLOC_CHECK_",
    "MALLOC_PERTURB_",
    "PYTHONDEVMODE",
    "PYTHONMALLOC",
    "PYTHONTRACEMALLOC",
)


class Finding(NamedTuple):
    """What a check found, what it thinks of it, and what to type or change."""

    found: str
    verdict: str
    advice: str = ""


@final
@dataclass(frozen=True, slots=True)
class Probe:
    """One worker as it reported itself; ``limit`` is its cap in bytes where the system tells."""

    cpus: tuple[int, ...]
    cpu_share: float
    clock_s: float
    empty_call_s: float
    limit: int | None


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined; ``stolen`` is the share of the time that a hypervisor took meanwhile.

    ``probe`` is a worker, or the reason why none could be had.
    """

    machine: Machine
    folder: Path
    variables: Mapping[str, str]
    stolen: float | None
    probe: Probe | str


def _unknown(why: str) -> Finding:
    return Finding(f"cannot tell: {why}", UNKNOWN)


def _graded(found: str, value: float, limits: tuple[float, float], advice: str) -> Finding:
    """Small is good; NaN is bad."""
    verdicts = [v for v, limit in zip((GOOD, NOTE), limits, strict=True) if value <= limit]
    verdict = verdicts[0] if verdicts else BAD
    return Finding(found, verdict, "" if verdict == GOOD else advice)


def _either(good: bool, found: str, otherwise: str, advice: str) -> Finding:
    return Finding(found, GOOD) if good else Finding(found, otherwise, advice)


# --- processors -----------------------------------------------------------------------------------


def load(subject: Subject) -> Finding:
    """Whether other programs are at work."""
    machine = subject.machine
    busy, count = machine.load(), machine.online() or len(machine.cpus)
    if busy is None or not count:
        return _unknown("no /proc/loadavg")
    found = f"{busy:g} in the last minute, on {_processors(count)}"
    return _graded(found, busy / count, LOAD, "end what else is at work (top shows it), or wait")


def processors(subject: Subject) -> Finding:
    """Whether one can be kept apart for timing."""
    machine = subject.machine
    if not machine.cpus:
        return _unknown("processes cannot be pinned here")
    alone = len(machine.cpus) == 1
    found = f"{len(machine.cpus)} of {machine.online() or '?'} may be used; " + (
        "it times and does everything else"
        if alone
        else f"processor {machine.timing} times, apart from the others"
    )
    advice = "allow two or more: taskset -c 0,1 diffbench run ..."
    return _either(not alone, found, NOTE, advice)


def quota(subject: Subject) -> Finding:
    """Whether a container is stopped when it has used up its share."""
    worth, count = subject.machine.quota(), len(subject.machine.cpus)
    if worth is None:
        return _unknown("no control group says so")
    if worth == math.inf:
        return Finding("none", GOOD)
    found = f"{worth:g} processors' worth of time; beyond it, everything stops for a while"
    return _either(worth >= count, found, BAD, "raise it, as docker run --cpus does")


def governor(subject: Subject) -> Finding:
    """Whether the frequency stays where it is."""
    name = subject.machine.governor()
    if name is None:
        return _unknown("no frequency control is visible, as in most virtual machines")
    advice = "sudo cpupower frequency-set --governor performance"
    return _either(name == "performance", name, NOTE, advice)


def boost(subject: Subject) -> Finding:
    """Whether the frequency depends on heat and on what the other cores do."""
    state = subject.machine.boost()
    if state is None:
        return _unknown("no such control is visible")
    on, command = state
    return _either(not on, "on" if on else "off", NOTE, command)


def smt(subject: Subject) -> Finding:
    """Whether the timing processor shares its core."""
    machine = subject.machine
    shared = machine.siblings(machine.timing)
    if shared is None:
        return _unknown("no topology is visible")
    others = [cpu for cpu in shared if cpu != machine.timing]
    if not others:
        return Finding(f"processor {machine.timing} has its core to itself", GOOD)
    found = f"processor {machine.timing} shares its core with {_listed(others)}"
    apart = _listed(_one_a_core(machine))
    return Finding(found, NOTE, f"keep those idle: taskset -c {apart} diffbench run ...")


def _one_a_core(machine: Machine) -> list[int]:
    """The last processor of each core: the one that times is the last of all."""
    return sorted({max({*(machine.siblings(c) or [c])} & {*machine.cpus}) for c in machine.cpus})


def battery(subject: Subject) -> Finding:
    """Whether it saves energy."""
    state = subject.machine.on_battery()
    if state is None:
        return _unknown("no supply is visible")
    return _either(not state, "battery" if state else "mains", NOTE, "plug it in")


def hypervisor(subject: Subject) -> Finding:
    """Whether others may share the processors unseen."""
    state = subject.machine.virtual()
    if state is None:
        return _unknown("this processor does not say")
    found = "a virtual machine: unseen neighbours may slow it" if state else "none"
    return _either(not state, found, NOTE, "take a real machine, or --generations 5")


def stolen(subject: Subject) -> Finding:
    """Whether they did just now."""
    if subject.stolen is None:
        return _unknown("no /proc/stat")
    found = f"{percent(subject.stolen)} of the time"
    return _graded(found, subject.stolen, STOLEN, "take another machine, or another hour")


# --- memory ---------------------------------------------------------------------------------------


def swap(subject: Subject) -> Finding:
    """Whether memory lies on a disk."""
    used = subject.machine.swap_used()
    if used is None:
        return _unknown("no /proc/meminfo")
    return _either(
        used == 0, f"{size(used)} used" if used else "none used", NOTE, "sudo swapoff -a"
    )


def memory(subject: Subject) -> Finding:
    """Whether a worker can have what its cap allows."""
    free = subject.machine.available()
    if free is None:
        return _unknown("no /proc/meminfo")
    caps = {name: row.memory for name, row in PROFILES.items()}
    short = [name for name, cap in caps.items() if free < cap]
    found = f"{size(free)} free; a worker may take {size(min(caps.values()))}"
    verdict = BAD if len(short) == len(caps) else NOTE if short else GOOD
    advice = f"end what holds it: too little for {', '.join(short)}" if short else ""
    return Finding(found, verdict, advice)


def randomisation(subject: Subject) -> Finding:
    """Whether every generation gets a layout of its own: intervals rest on it."""
    level = subject.machine.randomised()
    if level is None:
        return _unknown("no /proc/sys/kernel/randomize_va_space")
    found = {0: "off", 1: "without the heap", 2: "on"}.get(level, str(level))
    advice = "sudo sysctl kernel.randomize_va_space=2, and no setarch -R"
    return Finding(found, GOOD) if level == 2 else Finding(found, NOTE if level else BAD, advice)


# --- processes ------------------------------------------------------------------------------------


def variables(subject: Subject) -> Finding:
    """Whether the environment changes what workers are."""
    disturbing = [name for name in DISTURBING if subject.variables.get(name)]
    if disturbing:
        found = f"{', '.join(disturbing)}: workers inherit it"
        return Finding(found, BAD, f"unset {' '.join(disturbing)}")
    here = [f"{name}={subject.variables[name]}" for name in THREADS if name in subject.variables]
    return Finding("1 thread a worker" + (f" (here {', '.join(here)})" if here else ""), GOOD)


def clock(subject: Subject) -> Finding:
    """Whether the clock is fine and quick to read."""
    resolution = time.get_clock_info("perf_counter").resolution
    source = subject.machine.clocksource()
    found = f"steps of {resolution * 1e9:g} ns" + (f", read from {source}" if source else "")
    if source in SLOW_CLOCKS:
        where = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        return Finding(found, BAD, f"echo tsc | sudo tee {where}")
    return _either(resolution <= RESOLUTION_S, found, NOTE, "take another system")


def overhead(subject: Subject) -> Finding:
    """What measuring itself costs."""
    probe = subject.probe
    if isinstance(probe, str):
        return _unknown("no worker")
    costs = (probe.empty_call_s, probe.clock_s)
    found = "an empty call {:.0f} ns, a look at the clock {:.0f} ns".format(
        *(s * 1e9 for s in costs)
    )
    return _graded(found, max(costs), OVERHEAD_S, "short calls will say little here")


def worker(subject: Subject) -> Finding:
    """Whether a worker starts, stays on its processor and has it alone."""
    probe, timing = subject.probe, subject.machine.timing
    if isinstance(probe, str):
        return Finding(probe, BAD, "python -m diffbench.running.worker must start")
    found = f"on processor {_listed(probe.cpus)}, at work {probe.cpu_share:.0%} of the time"
    if probe.cpu_share > THREADED:
        return Finding(f"{found}: more than one thread", BAD, "take another BLAS, or one processor")
    if probe.cpu_share < BUSY:
        return Finding(f"{found}: others had the rest", NOTE, "end what else is at work (top)")
    if timing is None:
        return _unknown("processes cannot be pinned here")
    return _either(probe.cpus == (timing,), found, NOTE, "it cannot be pinned here")


def cap(subject: Subject) -> Finding:
    """Whether a method that eats memory is stopped before the machine is."""
    probe = subject.probe
    if isinstance(probe, str) or probe.limit is None:
        return _unknown("no limit of a worker is visible")
    return Finding(f"{size(probe.limit)} a worker", GOOD)


# --- disks ----------------------------------------------------------------------------------------


def disk(subject: Subject) -> Finding:
    """Whether there is room for runs."""
    free = shutil.disk_usage(subject.folder).free
    found = f"{size(free)} free in {subject.folder}"
    few, enough = FREE
    return _graded(found, -free, (-enough, -few), "diffbench clean lists what can go")


def file_system(subject: Subject) -> Finding:
    """Whether the database can keep its log where runs are."""
    kind = subject.machine.file_system(subject.folder.absolute())
    if kind is None:
        return _unknown("no list of mounts")
    if kind in DISTANT:
        return Finding(f"{kind}: not local", NOTE, "take --out on a local disk")
    advice = "it is gone with the next start: take --out on a disk"
    return _either(kind not in IN_MEMORY, kind, NOTE, advice)


CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "load": load,
    "processors": processors,
    "quota": quota,
    "governor": governor,
    "boost": boost,
    "shared core": smt,
    "power": battery,
    "hypervisor": hypervisor,
    "stolen time": stolen,
    "swap": swap,
    "memory": memory,
    "random layout": randomisation,
    "variables": variables,
    "clock": clock,
    "worker": worker,
    "memory cap": cap,
    "overhead": overhead,
    "disk": disk,
    "file system": file_system,
}


def noise(floor: Floor) -> Finding:
    """Whether identical processes take the same time, and small differences can be seen."""
    found = (
        f"{floor.pairs} pairs of identical processes: apart by {percent(floor.typical)} in the "
        f"median, {percent(floor.worst)} at most; rounds of one by {percent(floor.rounds)}"
    )
    advice = "mend what stands above; --generations 5 tells more"
    values = ((floor.typical, NOISE), (floor.seen[max(floor.seen)], SEEN))
    graded = [_graded(found, value, limits, advice) for value, limits in values]
    return max(graded, key=lambda finding: (GOOD, NOTE, BAD).index(finding.verdict))


def _processors(count: int) -> str:
    return f"{count} processor{'s' * (count != 1)}"


def _listed(numbers: list[int] | tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
