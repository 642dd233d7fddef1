"""Shards: a run in k parts for batch schedulers, each in a folder that nobody else writes.

Shard i of k makes the items i, i + k, i + 2 k, ... of what the whole run would make, so that small
and large ones are spread evenly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar, final

import msgspec

from diffbench.errors import BadSelection

__all__ = ["WHOLE", "Shard", "shards"]

MOST = 100_000
TEXT = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
NAME = re.compile(r"shard-([0-9]{1,6})-of-([0-9]{1,6})")
Item = TypeVar("Item")


@final
class Shard(msgspec.Struct, frozen=True):
    """The part ``index`` of ``count``; both begin at 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that ``3/16`` names; raises BadSelection with what is accepted."""
        found = TEXT.fullmatch(text)
        index, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= index <= count <= MOST:
            raise BadSelection(
                f"--shard {text!r} is no shard; write I/K with 1 <= I <= K <= {MOST}, as 3/16"
            )
        return cls(index, count)

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"shard-{self.index}-of-{self.count}"

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Its share."""
        return items[self.index - 1 :: self.count]


WHOLE = Shard(1, 1)


def shards(folder: Path) -> list[Path]:
    """The folders of the shards in a folder, in the order of their numbers; empty without any."""
    if not folder.is_dir():
        return []
    return sorted(_named(folder.iterdir()), key=_number)


def _named(paths: Iterable[Path]) -> Iterable[Path]:
    return (path for path in paths if NAME.fullmatch(path.name) and path.is_dir())


def _number(path: Path) -> list[int]:
    return [int(part) for part in path.name.split("-")[1::2]]
