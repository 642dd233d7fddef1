"""What makes the page small loses nothing: packed charts, lean pictures, one option in sight."""

from __future__ import annotations

import json
import re
from typing import Any

import synthetic

from diffbench.page import Page
from diffbench.reports import build
from diffbench.reports.charts import Axis, lines
from diffbench.reports.packing import lean, packed
from diffbench.reports.sections import Cell, Choice, Column, Figure, Option, Table
from diffbench.reports.styles import style_of


def whole(part: Any, pool: list[Any]) -> Any:
    """What assets/packing.js makes of it."""
    if isinstance(part, list):
        return [whole(p, pool) for p in part]
    if not isinstance(part, dict):
        return part
    if "$pool" in part:
        return whole(pool[part["$pool"]], pool)
    if "$columns" in part:
        columns = {k: column(whole(v, pool)) for k, v in part["$columns"].items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {key: whole(p, pool) for key, p in part.items()}


def column(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values["$words"][at] for at in values["$at"]]


def figure(name: str, slope: float = 1.0) -> Figure:
    looks = list(style_of(["forward", "reverse"]).values())
    rows = [
        {"s": s.name, "x": x, "y": slope * x, "i": f"f[n={x}]", "v": "exact", "l": None}
        for s in looks
        for x in (1, 2, 4, 8)
    ]
    table = Table(name, name, (Column("x", True),), [[Cell("1", 1.0123456789012345)], ["2"]])
    spec = lines(rows, looks, Axis("n"), Axis("y"))
    return Figure(name, name, f"A line of slope {slope}.", spec, table)


def test_packed_specifications_come_back_whole_and_are_shorter() -> None:
    specs = {name: figure(name, k).spec for name, k in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    made = packed(specs)
    assert {name: whole(spec, made["pool"]) for name, spec in made["specs"].items()} == specs
    assert len(json.dumps(made)) < 0.5 * len(json.dumps(specs))


def test_rows_of_different_fields_and_short_tables_are_left_alone() -> None:
    uneven = [{"x": 1}, {"x": 2}, {"y": 3}, {"x": 4}]
    specs = {"a": {"datasets": {"rows": uneven, "ends": [{"x": 1}], "none": []}}}
    assert packed(specs)["specs"] == specs


def test_texts_that_repeat_are_written_once() -> None:
    rows = [{"s": "forward", "t": f"text {i}"} for i in range(6)]
    columns = packed({"a": {"datasets": {"rows": rows}}})["specs"]["a"]["datasets"]["rows"]
    assert columns["$columns"]["s"] == {"$words": ["forward"], "$at": [0] * 6}
    assert columns["$columns"]["t"] == [row["t"] for row in rows]


def test_a_lean_picture_draws_each_mark_where_it_stood() -> None:
    mark = '<path transform="translate({},{})" d="M0,0L1,1Z" fill="red"/>'
    places = [("1", "2"), ("-3.5", "4"), ("5", "6")]
    once = '<path transform="translate(9,9)" d="M2,2Z"/>'
    svg = f'<svg width="9">{"".join(mark.format(*p) for p in places)}{once}</svg>'
    made = lean(svg, "k")
    assert made.startswith('<svg width="9"><defs><path id="sk-0" d="M0,0L1,1Z" fill="red"/></defs>')
    assert re.findall(r'<use href="#sk-0" x="(.*?)" y="(.*?)"/>', made) == places
    assert once in made
    assert lean(f"<svg>{once}</svg>", "k") == f"<svg>{once}</svg>"


def page() -> str:
    options = tuple(Option((name, "<b>"), (figure(f"{name} one"),)) for name in ("a", "b", "c"))
    series = tuple(style_of(["forward", "reverse"]).values())
    block = Choice("mine", ("Family", "<i>"), options, series)
    return build.html(synthetic.run(), [Page("p", "P", 1, lambda run: [block])])


def test_of_a_choice_one_option_is_drawn_and_all_have_tables_and_data() -> None:
    html = page()
    assert html.count('<div class="static"') == 1
    assert html.count('<details class="option"') == 3
    assert len(re.findall(r'<details class="option"[^>]* open>', html)) == 1
    assert html.count('<ul class="legend">') == 1
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])  # type: ignore[index]  # it is there
    assert list(data["specs"]) == ["a one", "b one", "c one"]
    assert html.count('data-key-1="&lt;b&gt;"') == 3
    assert "<b>" not in html.split('<script type="application/json"')[0]


def test_numbers_behind_cells_have_ten_digits_and_columns_stand_right() -> None:
    html = page()
    assert html.count('<td data-v="1.012345679">1</td>') == 3
    assert html.count('<table class="n1">') == 3
    assert ".n1 td:nth-child(1)," in html
