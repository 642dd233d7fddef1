"""A tiny family, and methods that misbehave in every way that a run must survive."""

import ctypes
import os
import re
import resource
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from diffbench.errors import BadSize
from diffbench.method import Kernel, positional
from diffbench.problem import Family, Parameter, Parts
from diffbench.running.platform import data_bytes


def f(x, xp):
    return xp.sum(x * x * x)


FAMILY = Family(
    name="cubes",
    title="Sum of cubes",
    shows="nothing but the harness",
    reference="none",
    latex=r"\sum_i x_i^3",
    parameters={"n": Parameter(2, "inputs", minimum=1)},
    sizes={"quick": "n=2|3", "standard": "n=2|3", "full": "n=2|3"},
    build=lambda params, rng: Parts(
        f=f,
        x=np.linspace(1.0, 2.0, params["n"]),
        prepare_x=np.linspace(1.5, 2.5, params["n"]),
        answers={"gradient": lambda x: 3.0 * x * x},
    ),
)


def right(x):
    return 3.0 * x * x


def raises(x):
    raise ValueError("no such luck")


def hangs(x):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1e6)


def spins(x):
    while True:
        pass


def sleeps(x):
    """In C, with the interpreter lock held: no signal handler runs and no other thread."""
    ctypes.PyDLL(None).sleep(1000000)


def grips(x):
    """Busy in C with the interpreter lock held: exponentially many ways to match."""
    re.match("(a+)+$", "a" * 64 + "b")


def eats(x):
    kept = []
    while True:
        kept.append(np.empty(2**22))  # counted by the cap before it is touched


def aborts(x):
    """Dies without a word where little is left of its memory."""
    kept = []
    while data_bytes() < 0.96 * resource.getrlimit(resource.RLIMIT_DATA)[0]:
        kept.append(np.empty(2**18))
    time.sleep(1.0)
    os.abort()


def exhausted(x):
    raise RuntimeError("RESOURCE_EXHAUSTED: the device has no memory left")


def exits(x):
    os._exit(3)


def segfaults(x):
    ctypes.string_at(0)


def forks(x):
    """Leaves a child behind that would burn a processor for ever."""
    child = os.fork()
    if child == 0:
        spins(x)
    Path(os.environ["DIFFBENCH_TEST_CHILD"]).write_text(str(child))
    spins(x)


def prints(x):
    print("{} this is no message", flush=True)
    os.write(1, b"nor is this\n")
    return right(x)


def leaves(x):
    sys.exit("a plugin has no business here")


def complains(x):
    raise BadSize("a mistake of its own")


def witness(x):
    """The very first call says which process started this one, and waits to be killed with it."""
    try:
        with Path(os.environ["DIFFBENCH_TEST_WITNESS"]).open("x") as file:
            file.write(f"{os.getppid()}\n")
    except FileExistsError:
        return right(x)
    return time.sleep(1e6)


class Late:
    """Right while it is checked and calibrated, broken in its second round of one call."""

    calls = 0

    def __call__(self, x):
        self.calls += 1
        time.sleep(1e-3)
        if self.calls > 4:
            raise RuntimeError("late")
        return right(x)


class Cached:
    """Answers what it found when it was prepared."""

    answer = None

    def __call__(self, x):
        if self.answer is None:
            self.answer = right(x)
        return self.answer


ANSWERS = {
    "right": lambda: right,
    "raises": lambda: raises,
    "hangs": lambda: hangs,
    "spins": lambda: spins,
    "sleeps": lambda: sleeps,
    "grips": lambda: grips,
    "eats": lambda: eats,
    "aborts": lambda: aborts,
    "exhausted": lambda: exhausted,
    "exits": lambda: exits,
    "segfaults": lambda: segfaults,
    "forks": lambda: forks,
    "prints": lambda: prints,
    "leaves": lambda: leaves,
    "complains": lambda: complains,
    "witness": lambda: witness,
    "late": Late,
    "cached": Cached,
    "nan": lambda: lambda x: x * np.nan,
    "shape": lambda: lambda x: right(x)[:, None],
    "float32": lambda: lambda x: right(x).astype(np.float32),
    "texts": lambda: lambda x: "3 x^2",
    "unsendable": lambda: lambda x: threading.Lock(),
    "billionth": lambda: lambda x: right(x) * (1 + 1e-9),
}


COMMON = {
    "title": "a fake",
    "category": "control",
    "claim": "control",
    "cost": "none",
    "reference": "none",
    "native": frozenset({"gradient"}),
    "nests": False,
    "parameters": {},
    "requires": {},
    "version": "1",
    "why_not": lambda self, instance, operator: None,
}


def fake(name, make):
    """A final class of its own, as the registry wants it."""

    def build(self, instance, operator):
        return Kernel(make(), positional, lambda out: out)

    return type(f"Fake{name}", (), {**COMMON, "name": name, "build": build})


globals().update({f"Fake{name}": fake(name, make) for name, make in ANSWERS.items()})
