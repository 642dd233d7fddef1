"""What a column of the store means and its unit, said once: beside the field itself."""

from __future__ import annotations

import typing

import msgspec

__all__ = ["meanings", "told"]


def told(meaning: str, unit: str = "") -> msgspec.Meta:
    """The note of a field, ``Annotated[float, told("time of one call", "s")]``."""
    return msgspec.Meta(description=meaning, extra={"unit": unit})


def meanings(kind: type[msgspec.Struct]) -> dict[str, tuple[str, str]]:
    """By field of a struct its (meaning, unit); raises KeyError where one has no note."""
    hints = typing.get_type_hints(kind, include_extras=True)
    notes = {
        name: {type(note): note for note in getattr(hint, "__metadata__", ())}[msgspec.Meta]
        for name, hint in hints.items()
    }
    return {name: (str(note.description), note.extra["unit"]) for name, note in notes.items()}
