"""How numbers are written, and the look of every method."""

from __future__ import annotations

from typing import Any

import pytest

from diffbench.reports.charts import decades
from diffbench.reports.formats import count, exact, fixed, interval, micro, number, plain
from diffbench.reports.styles import SERIES, SPARE, STYLES, label, one_run, ordered, style_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (0, "0"),
        (7.0, "7"),
        (2.3456, "2.35"),
        (-0.012345, "-0.0123"),
        (123.456, "123"),
        (21435, "21\u202f435"),
        (12345.6, "12\u202f346"),
        (1.5e-9, "1.50e-9"),
        (3.2e7, "3.20e7"),
    ],
)
def test_how_a_number_is_written(value: float | None, text: str) -> None:
    assert plain(value) == text


def test_cells_keep_the_whole_number() -> None:
    assert (number(2.3456).text, number(2.3456).value) == ("2.35", 2.3456)
    assert (micro(1.2345e-6).text, micro(1.2345e-6).value) == ("1.23", pytest.approx(1.2345))
    assert (count(1024.0).text, count(1024.0).value) == ("1\u202f024", 1024)
    assert (exact(0.1).text, fixed(-0.00012).text) == ("0.1", "-0.000")
    assert (number(None).value, micro(None).value, count(float("nan")).value) == ("", "", "")
    assert interval(1e-6, 2.5e-6, scale=1e6) == "1 to 2.50"
    assert interval(None, 1.0) == "–"


def test_every_method_has_a_look_of_its_own() -> None:
    assert len({(s.dash, s.symbol, s.light) for s in STYLES}) == len(STYLES)
    assert len({s.letters for s in STYLES}) == len(STYLES)
    assert len({s.symbol for s in STYLES}) == len(STYLES)  # a cloud of points has no dashes
    assert len({s.slot for s in (*STYLES, *SPARE, *SERIES)}) == len((*STYLES, *SPARE, *SERIES))


def test_unknown_methods_take_spare_looks_in_the_order_of_their_names() -> None:
    looks = style_of(["zeta", "reverse", "alpha", "manual"])
    assert list(looks) == ["manual", "reverse", "alpha", "zeta"]
    assert (looks["alpha"].slot, looks["zeta"].slot) == ("spare0", "spare1")
    assert ordered(["zeta", "manual"]) == ["manual", "zeta"]
    assert (label("jax[mode=reverse]"), label("mine")) == ("jax (reverse)", "mine")


def test_a_name_keeps_its_look_within_a_run_whichever_are_asked_for() -> None:
    with one_run(lambda: {"alpha", "manual", "zeta"}):
        alone, both = style_of(["zeta"]), style_of(["alpha", "zeta"])
    assert list(alone) == ["zeta"]
    assert alone["zeta"] == both["zeta"]
    assert alone["zeta"].slot == "spare1"
    assert style_of(["zeta"])["zeta"].slot == "spare0"


def test_more_names_than_spare_looks_differ_in_dash_or_symbol_and_letters() -> None:
    looks = style_of(f"kfac{i:02}" for i in range(3 * len(SPARE))).values()
    assert len({(s.slot, s.dash, s.symbol) for s in looks}) == 3 * len(SPARE)
    assert len({s.letters for s in (*STYLES, *looks)}) == len(STYLES) + 3 * len(SPARE)


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style", [*STYLES, *SPARE, *SERIES], ids=lambda s: s.slot)
def test_colours_stand_out_from_their_panels(style: Any) -> None:
    assert contrast(style.light, "#f5f6f8") >= 3.0
    assert contrast(style.dark, "#1d2027") >= 3.0


def test_ticks_are_powers_of_ten_and_few() -> None:
    assert decades([2.0, 500.0]) == [1.0, 10.0, 100.0, 1000.0]
    assert len(decades([1e-17, 1e-1])) <= 9
