"""How far to go before the next checkpoint: the binomial schedule and its exact cost.

To reverse a chain of l steps, its states are needed from the last to the first. With c of them
held at a time (the first is one), each state being reached by at most r advances from a held
one, chains of up to beta(c, r) = C(c + r, r) steps can be reversed; the least number of advances
is t(l, c) = r l - beta(c + 1, r - 1), with r the least that reaches. Source: A. Griewank and
A. Walther, Algorithm 799: revolve, ACM Trans. Math. Software 26, 2000, section 2.
"""

from __future__ import annotations

from math import comb

__all__ = ["advances", "reach", "repeats", "split"]


def reach(slots: int, repeats: int) -> int:
    """beta(c, r): the longest chain that c held states reverse with r advances a step."""
    return comb(slots + repeats, slots) if repeats >= 0 else 0


def repeats(steps: int, slots: int) -> int:
    """The least r that reaches: how often the most repeated step is advanced through."""
    if slots == 1:
        return max(0, steps - 1)
    r = 0
    while reach(slots, r) < steps:
        r += 1
    return r


def advances(steps: int, slots: int) -> int:
    """t(l, c): the fewest advances by which l steps are reversed, beside l that are taped."""
    r = repeats(steps, slots)
    return r * steps - reach(slots + 1, r - 1)


def split(steps: int, slots: int) -> int:
    """How many of l >= 2 steps to advance before holding the next state; slots >= 2.

    Optimal is every m that leaves both parts within their reach: m between beta(c, r - 2) and
    beta(c, r - 1), and l - m between beta(c - 1, r - 1) and beta(c - 1, r). This is the largest.
    """
    r = repeats(steps, slots)
    return min(reach(slots, r - 1), steps - reach(slots - 1, r - 1))
