"""The errors of the in-house AD library: what was got, what is accepted, what to type."""

from __future__ import annotations

__all__ = [
    "ADError",
    "NamespaceError",
    "PathChanged",
    "TooDense",
    "TracedArrayError",
    "Undecided",
]


class ADError(ValueError):
    """A function, point or seed that cannot be differentiated as given."""


class NamespaceError(AttributeError, ADError):
    """A name that the namespace ``xp`` does not have; the message lists those it has."""


class TracedArrayError(TypeError, ADError):
    """A use of a traced array by which its derivative would silently be lost."""


class Undecided(ADError):
    """A comparison that balls of this precision cannot decide; more bits will tell."""


class PathChanged(ADError):
    """A plan was made along another path of branches than the program takes at this point."""


class TooDense(ADError):
    """A pattern with more entries than are kept: no sparse derivative is to be had."""
