"""Editions of the report: which pages each shows, in which order, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from diffbench.page import Page

__all__ = ["ALL", "EDITIONS", "ordered"]

ALL = "all"
# Pages by name. One that stands in no edition (a plugin's) closes each of them.
EDITIONS: Mapping[str, Sequence[str]] = {
    "course": (
        "lecture",
        "overview",
        "traces",
        "swell",
        "step_size",
        "error_prone",
        "programs",
        "conventions",
        "accuracy",
        "conditioning",
        "scaling",
        "crossover",
        "environment",
    ),
    "engineer": (
        "overview",
        "accuracy",
        "cost",
        "crossover",
        "scaling",
        "engines",
        "conditioning",
        "conventions",
        "environment",
    ),
}


def ordered(pages: Iterable[Page], edition: str = ALL) -> list[Page]:
    """The pages of an edition in its order; of all, those by ``order`` and name."""
    found = sorted(pages, key=lambda page: (page.order, page.name))
    if edition == ALL:
        return found
    places = {name: place for place, name in enumerate(EDITIONS[edition])}
    named = {name for names in EDITIONS.values() for name in names}
    shown = [page for page in found if page.name in places or page.name not in named]
    return sorted(shown, key=lambda page: places.get(page.name, len(places)))
