"""Makes a page small: parts of charts that repeat are written once, rows column by column."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, final

__all__ = ["lean", "packed"]

LEAST = 40  # characters of JSON: shorter parts are written where they stand
FEW = 4  # rows: fewer are written as they are
MARK = re.compile(r'<path transform="translate\((-?[\d.]+),(-?[\d.]+)\)" (d="[^>]*)/>')


def packed(specs: dict[str, Any]) -> dict[str, Any]:
    """``specs`` with the ``pool`` of their repeated parts; ``assets/packing.js`` undoes it.

    A part of the pool is ``{"$pool": its place}``; the rows of a dataset are ``{"$columns":
    {field: values}}``, and a column of texts ``{"$words": [...], "$at": [...]}``.
    """
    made = {name: _with_columns(spec) for name, spec in specs.items()}
    seen: Counter[str] = Counter()
    _count(made, seen)
    pool = _Pool(seen)
    return {"specs": pool.packed(made), "pool": pool.parts}


def _with_columns(spec: dict[str, Any]) -> dict[str, Any]:
    datasets = spec.get("datasets", {})
    return {**spec, "datasets": {name: _columns(rows) for name, rows in datasets.items()}}


def _columns(rows: list[dict[str, Any]]) -> Any:
    if len(rows) < FEW or any(row.keys() != rows[0].keys() for row in rows):
        return rows
    return {"$columns": {key: _column([row[key] for row in rows]) for key in rows[0]}}


def _column(values: list[Any]) -> Any:
    words = list(dict.fromkeys(v for v in values if isinstance(v, str)))
    if len(words) > len(values) // 2 or not all(isinstance(v, str) for v in values):
        return values
    place = {word: i for i, word in enumerate(words)}
    return {"$words": words, "$at": [place[v] for v in values]}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _count(value: Any, seen: Counter[str]) -> None:
    if isinstance(value, dict | list):
        text = _text(value)
        seen[text] += 1
        if len(text) >= LEAST and seen[text] == 1:  # what is inside a repeated part counts once
            for part in _parts(value):
                _count(part, seen)


@final
class _Pool:
    """The parts that were seen more than once, each in the order of its first use."""

    def __init__(self, seen: Counter[str]) -> None:
        self.parts: list[Any] = []
        self._seen = seen
        self._places: dict[str, int] = {}

    def packed(self, value: Any) -> Any:
        if not isinstance(value, dict | list):
            return value
        text = _text(value)
        if len(text) < LEAST or self._seen[text] < 2:
            return self._within(value)
        if text not in self._places:
            part = self._within(value)
            self._places[text] = len(self.parts)
            self.parts.append(part)
        return {"$pool": self._places[text]}

    def _within(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.packed(part) for key, part in value.items()}
        return [self.packed(part) for part in value]


def lean(svg: str, name: str) -> str:
    """A picture with each repeated symbol defined once, under ids that begin with ``name``."""
    looks = Counter(look for _, _, look in MARK.findall(svg))
    ids = {look: f"s{name}-{i}" for i, look in enumerate(v for v in looks if looks[v] > 2)}
    if not ids:
        return svg

    def use(mark: re.Match[str]) -> str:
        x, y, look = mark.groups()
        return f'<use href="#{ids[look]}" x="{x}" y="{y}"/>' if look in ids else mark[0]

    defined = "".join(f'<path id="{place}" {look}/>' for look, place in ids.items())
    start, end = re.match("<svg[^>]*>", svg), MARK.sub(use, svg)
    head = start[0] if start else ""
    return f"{head}<defs>{defined}</defs>{end[len(head) :]}"
