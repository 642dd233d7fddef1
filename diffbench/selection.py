"""The grammar of selections: ``name[key=value,...]``, names separated by commas.

A value is a number, a word, the path of a file, ``a|b|c``, ``a:b`` (every integer) or ``a:b:x2``
(a, 2a, 4a, ... up to b). Several ranges make the Cartesian product; a repeated name adds.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

from diffbench.errors import BadSelection

__all__ = ["Choice", "parse", "split"]

Value = int | float | str
_ITEM = re.compile(r"\s*([A-Za-z_<][^\[\],]*?)\s*(?:\[(.*)\])?\s*", re.DOTALL)
_RANGE = re.compile(r"(-?\d+):(-?\d+)(?::x(\d+))?")
_ROUND = re.compile(r"[\w\s,]*\w\([^\[\]]*=")
_MOST = 100_000  # instances of one name, and values of one range


@dataclass(frozen=True, slots=True)
class Choice:
    """One name of a selection with its parameters: each key has its list of values."""

    name: str
    values: dict[str, tuple[Value, ...]]

    def points(self) -> list[dict[str, Value]]:
        """The Cartesian product of all ranges, in the order in which they were written."""
        keys, count = list(self.values), math.prod(map(len, self.values.values()))
        if count > _MOST:
            raise BadSelection(
                f"selection of {self.name!r}: {count} combinations, at most {_MOST} are made; "
                f"write fewer values, as {keys[0]}=1:1024:x4"
            )
        return [
            dict(zip(keys, point, strict=True))
            for point in itertools.product(*self.values.values())
        ]


def split(text: str, separator: str = ",") -> list[str]:
    """The parts of a text between separators that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            raise BadSelection(f"selection {text!r}: ']' without '['; write name[key=value]")
        if letter == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if depth:
        raise BadSelection(f"selection {text!r}: '[' is never closed; write name[key=value]")
    return [*parts, text[start:]]


def parse(text: str) -> list[Choice]:
    """The names and parameters of a selection; raises BadSelection with what to type."""
    if _ROUND.match(text):
        square = text.translate(str.maketrans("()", "[]"))
        raise BadSelection(f"selection {text!r}: brackets are square ones; write {square!r}")
    choices = []
    for item in split(text):
        match = _ITEM.fullmatch(item)
        if match is None or not match[1]:
            raise BadSelection(
                f"selection {text!r}: cannot read {item!r}; write name or name[key=value,...]"
            )
        choices.append(Choice(match[1], parse_values(match[2], item) if match[2] else {}))
    return choices


def parse_values(body: str, item: str) -> dict[str, tuple[Value, ...]]:
    """``n=2:8:x2,width=4|5`` as a table of values; ``item`` is what errors quote."""
    values: dict[str, tuple[Value, ...]] = {}
    before = ""
    for pair in split(body):
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not (key and equals and text):
            more = before and key and not equals
            several = f" or, for several values, {before}|{key}" if more else ""
            raise BadSelection(
                f"selection {item!r}: cannot read {pair!r}; write key=value{several} (where the "
                f"value is the path of a file, without any of []|,:#)"
            )
        if key in values:
            raise BadSelection(f"selection {item!r}: {key} is given twice; write {key}=a|b")
        before = pair.strip()
        values[key] = tuple(v for part in text.split("|") for v in _expand(part.strip(), item))
    return values


def _expand(text: str, item: str) -> list[Any]:
    match = _RANGE.fullmatch(text)
    if match is None:
        if ":" in text:
            raise BadSelection(
                f"selection {item!r}: cannot read the range {text!r}; write a:b or a:b:x2 (the "
                f"path of a file holds none of []|,:#)"
            )
        return [_value(text, item)]
    first, last, factor = int(match[1]), int(match[2]), match[3]
    if last < first:
        raise BadSelection(f"selection {item!r}: the range {text!r} is empty; write {last}:{first}")
    if factor is None:
        if last - first >= _MOST:
            raise BadSelection(
                f"selection {item!r}: {text!r} has over {_MOST} values; write {text}:x2"
            )
        return list(range(first, last + 1))
    if int(factor) < 2 or first < 1:
        raise BadSelection(f"selection {item!r}: {text!r} never grows; write 1:{last}:x2")
    grown = [first]
    while grown[-1] * int(factor) <= last:
        grown.append(grown[-1] * int(factor))
    return grown


def _value(text: str, item: str) -> Value:
    if not text:
        raise BadSelection(f"selection {item!r}: an empty value; write key=value")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
