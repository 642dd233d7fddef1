"""What a run will do: its request, its profile, and the order of its cells.

A *block* is one instance with the operators asked of it; it is the unit that is prepared,
certified and sampled together. Blocks stand by size, small sizes of every family first, so that
a run that is stopped early is already a fair picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import msgspec

from diffbench.errors import BadSelection, BadSize
from diffbench.operators import OPERATORS, Operator

if TYPE_CHECKING:
    from diffbench.problem import Instance

__all__ = [
    "MOST_GENERATIONS",
    "PROFILES",
    "Block",
    "Profile",
    "Request",
    "blocks",
    "command",
    "described",
    "least_generations",
    "profile",
]

MOST_GENERATIONS = 1000
MOST_SEED = 2**63 - 1  # what the database's whole numbers hold


@final
@dataclass(frozen=True, slots=True)
class Profile:
    """How much effort goes into a cell.

    ``slow_s`` is the seconds that the rounds of one slow cell may take. Operators that are not
    asked for by name are planned up to so many ``entries`` of their answer, or at any size where
    the family calls it sparse; and of a scalar f, those in ``same`` are not, for they are its
    gradient laid flat, or times a seed.
    """

    name: str
    sample_s: float
    rounds: int  # at least
    most_rounds: int
    width: float  # rounds are added until half the interval is this narrow
    slow_s: float
    generations: int
    limit_s: float  # for one command to a worker: preparing and checking, a round, ...
    memory: int  # bytes
    entries: Mapping[str, int]
    same: frozenset[str]


PROFILES = {
    row.name: row
    for row in (
        Profile(
            name="quick",
            sample_s=5e-4,
            rounds=3,
            most_rounds=4,
            width=0.05,
            slow_s=0.1,
            generations=1,
            limit_s=10.0,
            memory=2**31,
            entries={"jacobian": 2**10, "hessian": 2**4},
            same=frozenset({"jacobian", "jvp", "vjp"}),
        ),
        Profile(
            name="standard",
            sample_s=1e-3,
            rounds=4,
            most_rounds=5,
            width=0.03,
            slow_s=0.3,
            generations=1,
            limit_s=20.0,
            memory=2**31,
            entries={"jacobian": 2**16, "hessian": 2**10},
            same=frozenset({"jacobian", "vjp"}),
        ),
        Profile(
            name="full",
            sample_s=2e-3,
            rounds=4,
            most_rounds=8,
            width=0.02,
            slow_s=4.0,
            generations=5,
            limit_s=120.0,
            memory=2**32,
            entries={"jacobian": 2**22, "hessian": 2**20},
            same=frozenset({"jacobian"}),
        ),
    )
}


def profile(name: str) -> Profile:
    """The profile of that name; raises BadSelection."""
    if name not in PROFILES:
        raise BadSelection(f"unknown profile {name!r}; there are: {', '.join(PROFILES)}")
    return PROFILES[name]


@final
class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; two runs with equal requests have the same cells."""

    problems: str = "all"
    methods: str = "all"
    operators: str = ""  # empty: those that the profile plans
    profile: str = "standard"
    seed: int = 0
    generations: int | None = None  # the profile's, and more while a budget lasts
    plugins: tuple[str, ...] = ()

    def checked(self) -> Request:
        """Itself; raises where a number makes no sense."""
        if not 1 <= self.least_generations <= MOST_GENERATIONS:
            raise BadSize(
                f"generations must be at least 1 and at most {MOST_GENERATIONS}, "
                f"got {self.generations}"
            )
        if not 0 <= self.seed <= MOST_SEED:
            raise BadSize(f"the seed must not be negative and at most {MOST_SEED}, got {self.seed}")
        return self

    @property
    def least_generations(self) -> int:
        """How many a cell must have for the run to be complete."""
        return least_generations(msgspec.structs.asdict(self))


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One instance by name and size, with the operators asked of it."""

    family: str
    params: Mapping[str, Any]
    name: str
    n: int
    m: int
    depth: int
    scalar: bool
    operators: tuple[str, ...]
    sparse: tuple[str, ...] = ()  # operators whose answer the family calls sparse
    expected: Mapping[str, str] = field(default_factory=dict)  # operators that go wrong, and why

    @property
    def size(self) -> int:
        """What orders blocks, and instances of one family."""
        return self.n * self.m * self.depth


def described(instance: Instance) -> dict[str, Any]:
    """What a plan must know of an instance: the fields of its block but for the operators."""
    names = ("family", "params", "name", "n", "m", "depth", "scalar", "expected")
    return {**{name: getattr(instance, name) for name in names}, "sparse": sorted(instance.sparse)}


def planned(
    row: Profile,
    asked: Iterable[str],
    n: int,
    m: int,
    scalar: bool,
    sparse: Iterable[str] = (),
) -> tuple[str, ...]:
    """The operators of one instance: those asked for by name, else what the profile plans."""
    named = tuple(asked)
    unlimited = frozenset(sparse)
    return named or tuple(
        name for name, op in OPERATORS.items() if _plans(row, op, n, m, scalar, name in unlimited)
    )


def _plans(row: Profile, op: Operator, n: int, m: int, scalar: bool, sparse: bool) -> bool:
    entries = math.prod(op.shape(n, () if scalar else (m,)))
    fits = sparse or entries <= row.entries.get(op.name, math.inf)
    return fits and (op.name not in row.same if scalar else not op.scalar_only)


def blocks(
    described: Iterable[Mapping[str, Any]], row: Profile, asked: Iterable[str]
) -> list[Block]:
    """The blocks of described instances, small ones of every family first.

    Sizes of different families are no common measure, so the families take turns: the smallest
    of each, then the next of each.
    """
    asked = tuple(asked)
    made = [_block(facts, row, asked) for facts in described]
    turn: dict[str, int] = {}
    order = []
    for block in sorted(made, key=lambda b: b.size):
        place = turn.setdefault(block.family, 0)
        turn[block.family] += 1
        order.append((block.size, place, block))
    return [block for _, _, block in sorted(order, key=lambda o: (o[1], o[0], o[2].family))]


def _block(facts: Mapping[str, Any], row: Profile, asked: tuple[str, ...]) -> Block:
    size = {name: facts[name] for name in ("n", "m", "scalar")}
    operators = planned(row, asked, **size, sparse=facts.get("sparse", ()))
    return Block(**facts, operators=operators)


def least_generations(plan: Mapping[str, Any]) -> int:
    """How many generations make the run complete that was begun with that plan.json."""
    asked: int | None = plan.get("generations", 1)
    return profile(plan.get("profile", "standard")).generations if asked is None else asked


def command(request: Request, instance: str, method: str, operator: str) -> str:
    """The command line that reproduces one cell."""
    plugins = "".join(f" --plugin {_quoted(path)}" for path in request.plugins)
    seed = f" --seed {request.seed}" if request.seed else ""
    return (
        f"diffbench run --problems {_quoted(instance)} --methods {_quoted(method)} "
        f"--operators {operator} --profile {request.profile}{seed}{plugins}"
    )


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def facts(request: Request) -> dict[str, Any]:
    """The request as a table for plan.json."""
    return dict(json.loads(msgspec.json.encode(request)))
