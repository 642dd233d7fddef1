"""The errors of the in-house AD library: what was got, what is accepted, what to type."""

from __future__ import annotations

import re

__all__ = [
    "NUMPY_GIVEN",
    "ADError",
    "NamespaceError",
    "PathChanged",
    "TooDense",
    "TracedArrayError",
    "Undecided",
    "numpy_given",
]

NUMPY_GIVEN = (
    "numpy was given a traced array; write xp.sin(x), not np.sin(x), and xp.stack or "
    "xp.asarray, not np.array, so that every method can differentiate the function"
)
# what numpy says of it where it asks for no array
_UFUNC = re.compile(r"operand 'Traced' does not support ufuncs|ufunc .* of type Scalar")


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


def numpy_given(error: BaseException | None) -> TracedArrayError | None:
    """What to say, from the same line, in place of numpy's own words on a traced operand."""
    if isinstance(error, TypeError) and _UFUNC.search(str(error)):
        return TracedArrayError(NUMPY_GIVEN).with_traceback(error.__traceback__)
    return None
