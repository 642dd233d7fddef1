"""The doctor: every check on laid-out files, the noise floor by counts, one verdict."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_runs import started

import diffbench
from diffbench.care import checks, doctor
from diffbench.care.checks import BAD, CHECKS, GOOD, NOTE, UNKNOWN, Probe, Subject
from diffbench.care.doctor import Check, Diagnosis
from diffbench.care.floor import Floor
from diffbench.errors import RunError
from diffbench.running import platform
from diffbench.running.machine import Machine, numbers

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0/current_clocksource"
MOUNTS = """22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
28 27 0:40 / /home/my\\040disk rw - nfs4 server:/x rw
29 27 0:41 / /dev/shm rw - tmpfs tmpfs rw
"""
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max data size             2147483648           2147483648           bytes
"""
# A machine with nothing to complain of: two cores, no hypervisor, nobody else.
FIT = {
    f"{CPU}/online": "0-1\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/intel_pstate/no_turbo": "1\n",
    f"{CPU}/cpu0/topology/thread_siblings_list": "0\n",
    f"{CPU}/cpu1/topology/thread_siblings_list": "1\n",
    CLOCK: "tsc\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "1\n",
    "sys/fs/cgroup/mine/cpu.max": "max 100000\n",
    "proc/self/cgroup": "0::/mine/job\n",
    "proc/self/personality": "00000000\n",
    "proc/self/mountinfo": MOUNTS,
    "proc/7/limits": LIMITS,
    "proc/loadavg": "0.08 0.30 0.49 1/86 20146\n",
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu sse2\n",
    "proc/stat": "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 100 0 50 800 10 0 5 35 7 7\n",
    "proc/meminfo": "MemAvailable: 8000000 kB\nSwapTotal: 1000 kB\nSwapFree: 1000 kB\n",
    "proc/sys/kernel/randomize_va_space": "2\n",
}
PROBE = Probe(cpus=(1,), cpu_share=1.0, clock_s=4e-8, empty_call_s=3e-8, limit=2**31)


def machine(root: Path, **files: str | None) -> Machine:
    """The fit machine with other files; None leaves one out. Slashes are written ``__``."""
    changed = {**FIT, **{name.replace("__", "/"): text for name, text in files.items()}}
    for name, text in changed.items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    return Machine(root, (0, 1), 1)


def subject(root: Path, files: dict[str, str | None], **changes: Any) -> Subject:
    on = changes.pop("on", {})
    made = Subject(replace(machine(root, **files), **on), Path("/"), {}, 0.0, PROBE)
    return replace(made, **changes)


# --- the checks -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
def test_a_fit_machine_is_good(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**11))
    found = CHECKS[name](subject(tmp_path, {}))
    assert (found.verdict, found.advice) == (GOOD, "")
    assert found.found


@pytest.mark.parametrize(
    "name",
    sorted(
        set(CHECKS)
        - {"processors", "variables", "clock", "worker", "overhead", "disk", "memory cap"}
    ),
)
def test_what_cannot_be_read_is_said_and_is_no_failure(tmp_path: Path, name: str) -> None:
    nothing = dict.fromkeys(FIT)
    found = CHECKS[name](subject(tmp_path, nothing, stolen=None, on={"cpus": (), "timing": None}))
    assert found.verdict == UNKNOWN
    assert found.found.startswith("cannot tell: ")


# check: files, other changes, verdict, a piece of what was found, a piece of the advice
FAULTS: tuple[tuple[str, dict[str, str | None], dict[str, Any], str, str, str], ...] = (
    ("load", {"proc/loadavg": "1.0 0 0 1/1 1"}, {}, NOTE, "1 in the last minute", "end what else"),
    ("load", {"proc/loadavg": "1.6 0 0 1/1 1"}, {}, BAD, "on 2 processors", "end what else"),
    ("load", {"proc/loadavg": "torn"}, {}, UNKNOWN, "cannot tell", ""),
    ("processors", {}, {"on": {"cpus": (1,)}}, NOTE, "1 of 2 may be used; it times", "taskset"),
    ("processors", {}, {"on": {"cpus": ()}}, UNKNOWN, "cannot tell", ""),
    (
        "quota",
        {"sys/fs/cgroup/mine/cpu.max": "150000 100000"},
        {},
        BAD,
        "1.5 processors'",
        "--cpus",
    ),
    (
        "quota",
        {"sys/fs/cgroup/mine/job/cpu.max": "50000 100000"},
        {},
        BAD,
        "0.5 processors'",
        "--cpus",
    ),
    ("quota", {"sys/fs/cgroup/cpu.max": "250000 100000"}, {}, GOOD, "2.5 processors'", ""),
    (
        "governor",
        {f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave"},
        {},
        NOTE,
        "powersave",
        "cpupower",
    ),
    (
        "boost",
        {f"{CPU}/intel_pstate/no_turbo": "0"},
        {},
        NOTE,
        "on",
        f"echo 1 | sudo tee /{CPU}/intel_pstate/no_turbo",
    ),
    (
        "boost",
        {f"{CPU}/intel_pstate/no_turbo": None, f"{CPU}/cpufreq/boost": "1"},
        {},
        NOTE,
        "on",
        f"echo 0 | sudo tee /{CPU}/cpufreq/boost",
    ),
    (
        "boost",
        {f"{CPU}/intel_pstate/no_turbo": None, f"{CPU}/cpufreq/boost": "0"},
        {},
        GOOD,
        "off",
        "",
    ),
    (
        "shared core",
        {f"{CPU}/cpu{c}/topology/thread_siblings_list": f"{c % 2},{c % 2 + 2}" for c in range(4)},
        {"on": {"cpus": (0, 1, 2, 3), "timing": 3}},
        NOTE,
        "processor 3 shares its core with 1",
        "taskset -c 2,3 diffbench",
    ),
    ("power", {"sys/class/power_supply/AC/online": "0"}, {}, NOTE, "battery", "plug it in"),
    (
        "hypervisor",
        {"proc/cpuinfo": "flags : fpu hypervisor"},
        {},
        NOTE,
        "virtual",
        "--generations 5",
    ),
    ("stolen time", {}, {"stolen": 0.01}, NOTE, "1 % of the time", "another hour"),
    ("stolen time", {}, {"stolen": 0.2}, BAD, "20 % of the time", "another hour"),
    (
        "swap",
        {"proc/meminfo": "SwapTotal: 3000 kB\nSwapFree: 1000 kB"},
        {},
        NOTE,
        "2.05 MB used",
        "swapoff",
    ),
    (
        "memory",
        {"proc/meminfo": "MemAvailable: 1000000 kB"},
        {},
        BAD,
        "1.02 GB free",
        "too little for quick, standard, full",
    ),
    (
        "memory",
        {"proc/meminfo": "MemAvailable: 3000000 kB"},
        {},
        NOTE,
        "3.07 GB free",
        "too little for full",
    ),
    (
        "memory",
        {
            "sys/fs/cgroup/mine/memory.max": "3000000000",
            "sys/fs/cgroup/mine/memory.current": "2000000000",
        },
        {},
        BAD,
        "1 GB free",
        "too little",
    ),
    (
        "random layout",
        {"proc/sys/kernel/randomize_va_space": "0"},
        {},
        BAD,
        "off",
        "randomize_va_space=2",
    ),
    (
        "random layout",
        {"proc/sys/kernel/randomize_va_space": "1"},
        {},
        NOTE,
        "without the heap",
        "=2",
    ),
    ("random layout", {"proc/self/personality": "00040000"}, {}, BAD, "off", "setarch -R"),
    ("variables", {}, {"variables": {"OMP_NUM_THREADS": "8"}}, GOOD, "here OMP_NUM_THREADS=8", ""),
    (
        "variables",
        {},
        {"variables": {"PYTHONMALLOC": "debug"}},
        BAD,
        "PYTHONMALLOC",
        "unset PYTHONMALLOC",
    ),
    ("clock", {CLOCK: "hpet"}, {}, BAD, "read from hpet", "echo tsc"),
    ("worker", {}, {"probe": replace(PROBE, cpu_share=1.9)}, BAD, "more than one thread", "BLAS"),
    ("worker", {}, {"probe": replace(PROBE, cpu_share=0.5)}, NOTE, "at work 50%", "end what else"),
    ("worker", {}, {"probe": replace(PROBE, cpus=(0, 1))}, NOTE, "on processor 0,1", "pinned"),
    ("worker", {}, {"on": {"timing": None}}, UNKNOWN, "cannot be pinned", ""),
    ("worker", {}, {"probe": "no worker: it died"}, BAD, "it died", "must start"),
    ("memory cap", {}, {"probe": replace(PROBE, limit=None)}, UNKNOWN, "cannot tell", ""),
    (
        "overhead",
        {},
        {"probe": replace(PROBE, clock_s=5e-7)},
        NOTE,
        "the clock 500 ns",
        "short calls",
    ),
    (
        "overhead",
        {},
        {"probe": replace(PROBE, empty_call_s=5e-6)},
        BAD,
        "call 5000 ns",
        "short calls",
    ),
    ("overhead", {}, {"probe": "no worker: it died"}, UNKNOWN, "no worker", ""),
    ("file system", {}, {"folder": Path("/home/my disk/runs")}, NOTE, "nfs4: not local", "--out"),
    ("file system", {}, {"folder": Path("/dev/shm/x")}, NOTE, "tmpfs", "gone"),
    ("file system", {}, {"folder": Path("/home/my")}, GOOD, "ext4", ""),
)


@pytest.mark.parametrize(("name", "files", "changes", "verdict", "found", "advice"), FAULTS)
def test_each_fault_has_its_verdict_and_what_to_change(
    tmp_path: Path,
    name: str,
    files: dict[str, str | None],
    changes: dict[str, Any],
    verdict: str,
    found: str,
    advice: str,
) -> None:
    made = CHECKS[name](subject(tmp_path, files, **changes))
    assert made.verdict == verdict
    assert found in made.found
    assert advice in made.advice
    assert bool(made.advice) == (verdict in (NOTE, BAD))


@pytest.mark.parametrize(("free", "verdict"), [(10**7, BAD), (5 * 10**8, NOTE), (2 * 10**9, GOOD)])
def test_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert CHECKS["disk"](subject(tmp_path, {})).verdict == verdict


def test_the_first_version_of_control_groups_has_quotas_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n",
        "sys/fs/cgroup/mine/cpu.max": None,
        "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "50000",
        "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
    }
    assert machine(tmp_path, **files).quota() == 0.5


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", [0]), ("0-2,5", [0, 1, 2, 5]), ("", []), ("a-b", []), ("1,", []), ("3-1", [])],
)
def test_lists_of_processors(text: str, found: list[int]) -> None:
    assert numbers(text) == found


def test_stolen_time_is_a_share_of_what_passed(tmp_path: Path) -> None:
    assert machine(tmp_path).ticks() == (35, 1000)  # what guests had is in user time already
    assert doctor._share((35, 1000), (37, 1100)) == 0.02
    assert doctor._share((35, 1000), (35, 1000)) is None
    assert doctor._share(None, (35, 1000)) is None


# --- the diagnosis --------------------------------------------------------------------------

FLOOR = Floor(typical=0.01, worst=0.05, rounds=0.008, pairs=60, seen={1: 0.06, 5: 0.012})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, GOOD),
        ({"typical": 0.03}, NOTE),
        ({"typical": 0.05}, BAD),
        ({"typical": math.nan}, BAD),
        ({"seen": {1: 0.9, 5: 0.1}}, NOTE),
        ({"seen": {1: 0.9, 5: 0.3}}, BAD),
    ],
)
def test_the_floor_has_a_verdict(changes: dict[str, Any], verdict: str) -> None:
    found = checks.noise(replace(FLOOR, **changes))
    assert found.verdict == verdict
    assert "60 pairs of identical processes" in found.found


@pytest.mark.parametrize(
    ("verdicts", "verdict", "sentence"),
    [
        ((GOOD, UNKNOWN), "fit", "fit to measure"),
        ((GOOD, NOTE), "fit with care", "fit with care to measure (b)"),
        ((NOTE, BAD), "not fit", "not fit to measure (b)"),
    ],
)
def test_one_verdict_names_its_reasons(
    verdicts: tuple[str, ...], verdict: str, sentence: str
) -> None:
    rows = tuple(Check(n, "x", v, "do") for n, v in zip("ab", verdicts, strict=True))
    assert Diagnosis(rows, None).verdict == verdict
    assert Diagnosis(rows, None).sentence == sentence
    seen = "; methods are told apart from 6 % with 1 generation and 1.2 % with 5 generations"
    assert Diagnosis(rows, FLOOR).sentence == sentence + seen


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "WATCH_S", 0.0)


@pytest.mark.usefixtures("quickly")
def test_this_machine_is_examined_with_one_worker(tmp_path: Path) -> None:
    made = diffbench.doctor(tmp_path / "not" / "there", quick=True)
    assert [check.name for check in made.checks] == list(CHECKS)
    assert made.floor is None
    rows = {check.name: check for check in made.checks}
    assert rows["disk"].found.endswith(f"free in {tmp_path}")
    if platform.LINUX:
        assert f"on processor {platform.affinity()[-1]}, " in rows["worker"].found
        assert rows["memory cap"].found == "2.15 GB a worker"
    assert " ns, a look at the clock " in rows["overhead"].found
    assert started("diffbench.running.worker") == []
    text = made.text().splitlines()
    assert text[-1] == made.sentence
    assert [line.split()[0] for line in text[:2]] == ["load", "processors"]


@pytest.mark.usefixtures("quickly")
def test_the_floor_joins_the_checks_and_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "probed", lambda machine: PROBE)
    monkeypatch.setattr(doctor, "noise_floor", lambda effort: FLOOR)
    made = diffbench.doctor("/", machine=machine(tmp_path))
    assert made.checks[-1].name == "noise"
    facts = json.loads(made.json())
    assert facts["floor"]["seen"] == {"1": 0.06, "5": 0.012}
    assert facts["sentence"] == made.sentence
    assert len(facts["checks"]) == len(CHECKS) + 1
    assert set(facts["checks"][0]) == {"name", "found", "verdict", "advice"}


@pytest.mark.usefixtures("quickly")
def test_a_floor_that_cannot_be_measured_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(effort: str) -> Floor:
        raise RunError("the worker died")

    monkeypatch.setattr(doctor, "noise_floor", refuse)
    monkeypatch.setattr(doctor, "probed", lambda machine: "no worker: it died")
    made = diffbench.doctor("/", machine=machine(tmp_path))
    assert made.verdict == "not fit"
    assert (made.checks[-1].found, made.floor) == ("not measured: the worker died", None)


def test_a_worker_that_cannot_start_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    found = doctor.probed(machine(tmp_path))
    assert isinstance(found, str)
    assert found.startswith("no worker: ")
