"""What a machine is like to a clock: Linux's own files, below a root that tests can lay out.

Every reader answers None where its file is missing or says something else: another system, a
container, a virtual machine without such a control.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from diffbench.running.platform import affinity, processors

__all__ = ["Machine", "numbers"]

CPU = "sys/devices/system/cpu"
# A control of the clock's own changes, and what it holds while they are allowed.
BOOSTS = {f"{CPU}/intel_pstate/no_turbo": "0", f"{CPU}/cpufreq/boost": "1"}
STOLEN = 7  # the column of /proc/stat with the ticks that a hypervisor gave to others
KINDS = 8  # the columns after these are counted in them already
NO_RANDOMISING = 0x0040000  # of a process's personality, as setarch -R sets it
ESCAPED = re.compile(r"\\([0-7]{3})")  # a blank in a path of mountinfo


@final
@dataclass(frozen=True, slots=True)
class Machine:
    """The files below ``root``; the processors that may be used, and which of them times."""

    root: Path
    cpus: tuple[int, ...]
    timing: int | None

    @classmethod
    def here(cls) -> Machine:
        """This machine, as this process may use it."""
        _, timing = processors()
        return cls(Path("/"), tuple(affinity()), timing[0] if timing else None)

    def text(self, path: str) -> str | None:
        """What a file says, without the blanks around it."""
        try:
            return (self.root / path).read_text().strip()
        except (OSError, ValueError):
            return None

    def number(self, path: str, base: int = 10) -> int | None:
        """The whole number that a file holds."""
        try:
            return int(self.text(path) or "", base)
        except ValueError:
            return None

    # --- processors -------------------------------------------------------------------------------

    def online(self) -> int | None:
        """How many processors there are."""
        return len(numbers(self.text(f"{CPU}/online") or "")) or None

    def load(self) -> float | None:
        """Processes that ran or waited in the last minute."""
        try:
            return float((self.text("proc/loadavg") or "").split()[0])
        except (ValueError, IndexError):
            return None

    def quota(self) -> float | None:
        """The processors' worth of time that the groups of this process may use; inf for all."""
        found = [q for group in self._groups("cpu") if (q := self._quota(group)) is not None]
        return min(found, default=None)

    def _quota(self, group: str) -> float | None:
        allowed, _, period = (self.text(f"{group}/cpu.max") or "").partition(" ")
        if not allowed:  # the first version of control groups has a file each
            allowed = self.text(f"{group}/cpu.cfs_quota_us") or ""
            period = self.text(f"{group}/cpu.cfs_period_us") or ""
        if allowed in ("max", "-1"):
            return math.inf
        return int(allowed) / int(period) if allowed.isdigit() and int(period or 0) else None

    def _groups(self, controller: str) -> list[str]:
        """The folders of the control groups of this process, and of those above them."""
        found = []
        for line in (self.text("proc/self/cgroup") or "").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            mounted = f"sys/fs/cgroup/{controller}" if controllers else "sys/fs/cgroup"
            inside = Path(path.lstrip("/"))
            found += [f"{mounted}/{above}" for above in (inside, *inside.parents)]
        return found

    def governor(self) -> str | None:
        """What chooses the frequency of the processor that times."""
        return self.text(f"{CPU}/cpu{self.timing}/cpufreq/scaling_governor")

    def boost(self) -> tuple[bool, str] | None:
        """Whether processors may run above their nominal frequency; the command that stops it."""
        for path, on in BOOSTS.items():
            said = self.text(path)
            if said in ("0", "1"):
                return said == on, f"echo {1 - int(on)} | sudo tee /{path}"
        return None

    def siblings(self, cpu: int | None) -> list[int] | None:
        """The processors that share a core with this one, itself among them."""
        return numbers(self.text(f"{CPU}/cpu{cpu}/topology/thread_siblings_list") or "") or None

    def ticks(self) -> tuple[int, int] | None:
        """(taken away by a hypervisor, all) since the start, of the processor that times."""
        for line in (self.text("proc/stat") or "").splitlines():
            name, *counts = line.split()
            if name == f"cpu{self.timing}" and len(counts) > STOLEN:
                kinds = [int(count) for count in counts[:KINDS]]
                return kinds[STOLEN], sum(kinds)
        return None

    def virtual(self) -> bool | None:
        """Whether a hypervisor is below; only some architectures tell."""
        for line in (self.text("proc/cpuinfo") or "").splitlines():
            if line.startswith("flags"):
                return "hypervisor" in line.split()
        return None

    def clocksource(self) -> str | None:
        """What the kernel reads the time from."""
        return self.text("sys/devices/system/clocksource/clocksource0/current_clocksource")

    def on_battery(self) -> bool | None:
        """Whether no mains supply is connected; None where none is known."""
        supplies = sorted((self.root / "sys/class/power_supply").glob("*/online"))
        mains = [f for f in supplies if self.text(f"{f.parent}/type") == "Mains"]
        return all(self.text(str(f)) == "0" for f in mains) if mains else None

    # --- memory -----------------------------------------------------------------------------------

    def _meminfo(self, name: str) -> int | None:
        for line in (self.text("proc/meminfo") or "").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return None

    def swap_used(self) -> int | None:
        """Bytes of memory that lie on a disk."""
        total, free = self._meminfo("SwapTotal"), self._meminfo("SwapFree")
        return None if total is None or free is None else total - free

    def available(self) -> int | None:
        """Bytes that programs can still have, also by the control groups of this process."""
        free = self._meminfo("MemAvailable")
        rooms = [room for group in self._groups("memory") if (room := self._room(group))]
        return None if free is None else min([free, *rooms])

    def _room(self, group: str) -> int | None:
        most, used = self.number(f"{group}/memory.max"), self.number(f"{group}/memory.current")
        return None if most is None or used is None else max(0, most - used)

    def data_limit(self, pid: int) -> int | None:
        """Bytes of private writable memory that a process may have."""
        for line in (self.text(f"proc/{pid}/limits") or "").splitlines():
            if line.startswith("Max data size") and line.split()[3].isdigit():
                return int(line.split()[3])
        return None

    def randomised(self) -> int | None:
        """How much of a new process is laid out at random: 0 nothing, 1, 2 all."""
        of_this = self.number("proc/self/personality", 16) or 0
        return 0 if of_this & NO_RANDOMISING else self.number("proc/sys/kernel/randomize_va_space")

    # --- disks ------------------------------------------------------------------------------------

    def file_system(self, folder: Path) -> str | None:
        """The kind of file system that a folder is on: that of the innermost mount."""
        best: tuple[int, str] | None = None
        for line in (self.text("proc/self/mountinfo") or "").splitlines():
            left, _, right = line.partition(" - ")
            place = Path(ESCAPED.sub(lambda m: chr(int(m[1], 8)), left.split()[4]))
            depth = len(place.parts)
            if folder.is_relative_to(place) and (best is None or depth >= best[0]):
                best = depth, right.split()[0]
        return best[1] if best else None


def numbers(text: str) -> list[int]:
    """The list that the kernel writes as ``0-2,5``; empty where it is none."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        return []
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
