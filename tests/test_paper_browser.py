"""The report on paper: every page, no control, nothing cut."""

from __future__ import annotations

import io
import re

import pypdf
import pytest
from browsing import (
    Opened,
    figure,
    legend_of,
    until,
)

from diffbench.reports import build

A4 = (595, 842)  # points


def test_it_prints_every_page_and_no_control(opened: Opened) -> None:
    page = opened.page
    sheets = pypdf.PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
    texts = [" ".join(sheet.extract_text().split()) for sheet in sheets]
    tops = [re.sub(r"^\d+ / \d+ ", "", text) for text in texts]  # without the number of the sheet
    starts = [
        next((i for i, top in enumerate(tops) if top.startswith(heading)), -1)
        for heading in titles()
    ]
    assert -1 not in starts
    assert starts == sorted(set(starts))  # each on a sheet of its own
    whole = " ".join(texts)
    for word in (
        "CSV of these rows",
        "Zoom in",
        "Theme:",
        "Columns",
        "Show all",
        "The table behind",
    ):
        assert word not in whole
    for caption in page.locator("figcaption").all_inner_texts()[:5]:
        assert "".join(caption.split()) in "".join(whole.split())
    sizes = {tuple(round(float(v)) for v in sheet.mediabox[2:]) for sheet in sheets}
    assert sizes == {A4, A4[::-1]}  # wide tables lie on their side


def titles() -> list[str]:
    return [page.title for page in sorted(build._built_in(), key=lambda p: p.order)][1:]


@pytest.mark.parametrize(("kind", "millimetres"), [(".table:not(.wide)", 186), (".wide", 273)])
def test_no_table_is_cut_on_paper(opened: Opened, kind: str, millimetres: int) -> None:
    page = opened.page
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": round(millimetres * 96 / 25.4), "height": 1000})
    assert page.locator(f"{kind}:visible").count() > 0
    cut = page.locator(f"{kind}:visible .scroll").evaluate_all(
        "(boxes) => boxes.filter((b) => b.scrollWidth > b.clientWidth + 1)"
        ".map((b) => [b.parentNode.id, b.scrollWidth, b.clientWidth])"
    )
    assert cut == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("figure .static:visible").count() == page.locator("figure:visible").count()
    assert page.locator(".live:visible").count() == 0


def test_what_was_unfolded_and_changed_is_printed_so(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    other = page.locator('figure[data-name="accuracy against cost"]')
    swell = page.locator('figure[data-name="swell logistic"]')
    page.locator('.choice[data-name="engines"] select').first.select_option(index=1)
    chosen = page.locator('.choice[data-name="engines"] .option:visible figure').first
    assert chosen.locator(".static, .chart svg").count() == 0  # neither a picture nor in view
    page.locator(f"{selector} summary", has_text="The table behind").click()
    page.evaluate("window.print = () => { window.printed = true; }")
    legend_of(page, selector).locator('li[data-series="autograd"] button').click()
    page.get_by_role("button", name="Print").click()
    until(page, "window.printed")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(f"{selector} .behind table").is_visible()
    assert not other.locator(".behind table").is_visible()
    for changed in (page.locator(selector), other):  # the other too has that method
        assert changed.locator(".chart svg").is_visible()
        assert not changed.locator(".static").is_visible()
        assert not changed.locator('li[data-series="autograd"]').is_visible()
    assert swell.locator(".static").is_visible()
    assert not swell.locator(".chart").is_visible()
    assert chosen.locator(".chart svg").is_visible()  # though nobody has scrolled there
