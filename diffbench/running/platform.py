"""All that is Linux: processors, memory caps, signals of death, process groups, ``/proc``.

Elsewhere every function does nothing or answers None, and a run works without caps and pinning.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "LINUX",
    "NEAR_CAP",
    "THREADS",
    "affinity",
    "cap_memory",
    "data_bytes",
    "die_with_parent",
    "ended",
    "kill_group",
    "local",
    "locked",
    "machine_turn",
    "memory_bytes",
    "move",
    "on_cpus",
    "processors",
    "worker_environment",
]

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
POLL_S = 0.005

# Set before any import of a worker: threads are decided when a library is loaded.
THREADS = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NPROC",
    )
}
FIXED = {
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
    "PYTHONHASHSEED": "0",  # the size of a symbolic expression may depend on the order of a set
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
# Set by dask for its workers: large arrays then are fetched from the system anew at every call.
DROPPED = frozenset({"MALLOC_TRIM_THRESHOLD_"})


MOUNTS = Path("/proc/self/mountinfo")
REMOTE = re.compile(r"nfs\d?|cifs|smb.*|fuse\..*|9p|lustre|gpfs|ceph|beegfs.*|afs")


def local(folder: Path) -> bool:
    """Whether a folder's file system is this machine's own; True where the system does not tell."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return True
    place = folder.resolve()
    mounts = [_mount(line) for line in lines]
    holding = [(len(at.parts), kind) for at, kind in mounts if place.is_relative_to(at)]
    _, kind = max(reversed(holding), key=lambda row: row[0], default=(0, ""))  # the last on top
    return not REMOTE.fullmatch(kind)


def _mount(line: str) -> tuple[Path, str]:
    """(where it is mounted, type) of a line of mountinfo, which writes a blank as ``\\040``."""
    before, _, after = line.partition(" - ")
    at = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), before.split()[4])
    return Path(at), after.split()[0]


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a folder for this process until it leaves or dies; False where another one holds it."""
    if not LINUX:
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _flocked(handle)
    finally:
        os.close(handle)


def _flocked(handle: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextmanager
def machine_turn() -> Iterator[None]:
    """Wait until no other process of this user holds the machine, then hold it inside.

    It is free again as soon as the process that holds it leaves or dies.
    """
    if not LINUX:
        yield
        return
    import fcntl

    path = Path(tempfile.gettempdir()) / f"diffbench-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def worker_environment() -> dict[str, str]:
    """This process's environment variables with those that every worker needs."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return {**kept, **THREADS, **FIXED}


# --- processors -----------------------------------------------------------------------------------


def affinity() -> list[int]:
    """The processors that this process may use; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if LINUX else []


def processors() -> tuple[list[int], list[int]]:
    """(those for working in parallel, the one for timing): the last one, kept apart if it can be.

    Both are empty where processes cannot be pinned.
    """
    cpus = affinity()
    return cpus, cpus[-1:]


def move(pid: int, cpus: Iterable[int]) -> None:
    """Let every thread of a process run on these processors only; a process that ended is left."""
    if not LINUX:
        return
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cpus)


@contextmanager
def on_cpus(cpus: Iterable[int]) -> Iterator[None]:
    """The calling thread on these processors inside, on its own again after."""
    before, wanted = affinity(), list(cpus)
    if before and wanted:
        os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        if before and wanted:
            os.sched_setaffinity(0, before)


# --- memory ---------------------------------------------------------------------------------------


def memory_bytes() -> int | None:
    """The memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def cap_memory(limit: int) -> None:
    """No more than ``limit`` bytes of private writable memory for this process; no core files."""
    if not LINUX:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


NEAR_CAP = 0.95  # of the cap: what fails there fails for want of memory


def data_bytes(process: int | str = "self") -> int | None:
    """The private writable memory of a process, this one by default: what the cap counts."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmData:")]
    return int(sizes[0]) * 1024 if sizes else None


# --- life and death -------------------------------------------------------------------------------


def die_with_parent(parent: int) -> bool:
    """Ask to be killed when the parent dies; False where it is dead already."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def ended(process: subprocess.Popen[bytes], within: float) -> bool:
    """Whether a process ends by itself within that many seconds.

    It stays a zombie, so that its id, and that of its group, cannot pass to another process.
    """
    if not LINUX:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within)
        return process.returncode is not None
    wanted = os.WEXITED | os.WNOHANG | os.WNOWAIT
    until = time.monotonic() + within
    while os.waitid(os.P_PID, process.pid, wanted) is None:
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it started; until it is waited for, its id stays its own.

    The group is killed even where its leader has ended: what that started may still live.
    """
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()
