"""Mistakes planted in hand-written derivatives, and which checkers see them.

Every hand-written answer of the two smallest quick instances of every family is given every
mistake of :data:`diffbench.measure.mutants.MUTANTS`. The judge of this project is asked of all,
the checkers of other libraries of the gradient or Jacobian where a mutant counts.

Rows: ``mutant|name`` says what it is; ``pair|instance|operator|mutant|checker`` has the relative
size s as its value, the least that counts as its lower bound, and the outcome as its unit (of
``every`` checker where the mutant does not count);
``right|instance|operator|checker`` is the answer in which nothing was planted. Shares with their
Wilson intervals: ``rate|all|checker``, ``rate|mutant|checker``, ``family|family|checker``,
``decade|k|checker`` for 10^k <= s < 10^(k+1) (k = 0: 1 <= s, as long as it is finite), and
``alarms|checker``. ``absent|checker``, ``sample|checker`` and ``left|family`` say what was not
asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

from diffbench.measure.accuracy import judge
from diffbench.measure.intervals import wilson
from diffbench.measure.mutants import MUTANTS, Mutation, Target, mutation
from diffbench.measure.peers import PEERS, Peer
from diffbench.measure.reference import certify
from diffbench.operators import OPERATORS
from diffbench.problem import Family, Instance
from diffbench.selection import Choice, parse_values
from diffbench.study import Study, StudyRow

__all__ = ["OURS", "STUDY"]

NAME = "mutants"
OURS, EVERY = "diffbench", "every"
SIZES = 2  # instances a family
MOST_ENTRIES = 4_096  # of an answer
PASSES = ("exact to rounding", "uninformative")  # of the verdicts: no mistake was seen
UNASKED = "asked in the profiles standard and full"
CONDEMNED = "the hand-written answer itself is not right: no mistake was planted in it"
SAMPLED = "asked of the smallest instance of each family; --profile full asks it of all"


@final
@dataclass(slots=True)
class Tally:
    """Kills among the mutants that count, and alarms among the right answers, by checker."""

    killed: Counter[tuple[str, str]] = field(default_factory=Counter)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, key: tuple[str, str], hit: bool) -> None:
        """One more was asked."""
        self.counted[key] += 1
        self.killed[key] += hit

    def rows(self) -> Iterator[StudyRow]:
        """The share of each key with its interval."""
        for key, asked in self.counted.items():
            low, high = wilson(self.killed[key], asked)
            share = self.killed[key] / asked
            said = f"{self.killed[key]} of {asked}"
            yield _row("|".join(key), said, value=share, low=low, high=high)


def _row(key: str, reason: str = "", **facts: float | str | None) -> StudyRow:
    return StudyRow(study=NAME, key=key, reason=reason, **facts)  # type: ignore[arg-type]  # its own fields


def run() -> Iterator[StudyRow]:
    """What is planted."""
    for number, mutant in enumerate(MUTANTS.values()):
        yield _row(f"mutant|{mutant.name}", mutant.says, value=number)


def over(families: Sequence[Family], profile: str) -> Iterator[StudyRow]:
    """Every mistake in every answer of these families; then the shares."""
    tally = Tally()
    peers = [] if profile == "quick" else [p for p in PEERS.values() if not p.missing()]
    for peer in PEERS.values():
        if peer not in peers:
            yield _row(f"absent|{peer.name}", peer.missing() or UNASKED)
        elif profile != "full":
            yield _row(f"sample|{peer.name}", SAMPLED)
    for family in families:
        try:
            yield from _family(family, peers, profile == "full", tally)
        except Exception as error:  # a plugin's own: the other families go on
            yield _row(f"left|{family.name}", f"{type(error).__name__}: {error}")
    yield from tally.rows()


def _family(family: Family, peers: list[Peer], every: bool, tally: Tally) -> Iterator[StudyRow]:
    instances = _smallest(family)
    if not any(instance.answers for instance in instances):
        yield _row(f"left|{family.name}", "this family has no hand-written derivative")
    for number, instance in enumerate(instances):
        other = family.instance(instance.params, instance.seed + 1)
        for operator in instance.answers:
            why = _why_not(instance, operator)
            if why:
                yield _row(f"left|{instance.name} {operator}", why)
                continue
            proven = certify(instance, operator)
            target = Target(instance, other, operator, instance.answer(operator), proven)
            yield from _answer(target, peers if every or number == 0 else [], tally)


def _smallest(family: Family) -> list[Instance]:
    body = family.sizes["quick"]
    points = Choice(family.name, parse_values(body, f"{family.name}[{body}]")).points()
    made = [family.instance(point) for point in points]
    return sorted(made, key=lambda i: i.n * i.m * i.depth)[:SIZES]


def _why_not(instance: Instance, operator: str) -> str:
    """Why mistakes in this answer would say nothing of a checker, if so."""
    entries = math.prod(OPERATORS[operator].shape(instance.n, instance.y_shape))
    if entries > MOST_ENTRIES:
        return f"the answer has {entries} entries; the study takes up to {MOST_ENTRIES}"
    return instance.expected.get(operator, "")


def _answer(target: Target, peers: list[Peer], tally: Tally) -> Iterator[StudyRow]:
    """The answer as it is, then every mistake in it, before every checker.

    Nothing is planted in an answer that our judge condemns: its mutants may be nearer the truth.
    """
    row = OPERATORS[target.operator]
    asked = peers if row.order == 1 and not row.seed else []
    right = True
    for checker, objects, said in _verdicts(target, target.answer, asked):
        tally.note(("alarms", checker), objects)
        right = right and not (objects and checker == OURS)
        key = f"right|{target.instance.name}|{target.operator}|{checker}"
        yield _row(key, said, unit="objected" if objects else "alive")
    if not right:
        yield _row(f"left|{target.instance.name} {target.operator}", CONDEMNED)
        return
    for mutant in MUTANTS.values():
        made = mutation(mutant, target)
        key = f"pair|{target.instance.name}|{target.operator}|{mutant.name}"
        if made.status != "counts":
            yield _sized(f"{key}|{EVERY}", made, made.status, made.reason)
            continue
        for checker, killed, said in _verdicts(target, made.answer, asked):
            for share in _shares(target, mutant.name, made.size):
                tally.note((share, checker), killed)
            yield _sized(f"{key}|{checker}", made, "killed" if killed else "survived", said)


def _shares(target: Target, mutant: str, size: float) -> Iterator[str]:
    """The shares that a mutant of that size enters."""
    yield from ("rate|all", f"rate|{mutant}", f"family|{target.instance.family}")
    if math.isfinite(size):
        yield f"decade|{min(0, math.floor(math.log10(size)))}"


def _sized(key: str, made: Mutation, outcome: str, said: str) -> StudyRow:
    return _row(key, said, value=made.size, low=made.least, unit=outcome)


def _verdicts(
    target: Target, answer: object, asked: Iterable[Peer]
) -> Iterator[tuple[str, bool, str]]:
    """(checker, whether it objects, what it says) of our judge and of each peer."""
    judged = judge(answer, target.reference)
    said = f"{judged.verdict}: {judged.verdict_reason}".removesuffix(": ")
    yield OURS, judged.verdict not in PASSES, said
    for peer in asked:
        objection = peer.objects(target.instance, answer)  # type: ignore[arg-type]  # an array, maybe of another type
        yield peer.name, objection is not None, objection or ""


STUDY = Study(name=NAME, title="Mistakes planted in hand-written derivatives", run=run, over=over)
