"""The page of the traces in Chromium: steps, notations, exercise, answer key, address."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import synthetic
from browsing import Opened, open_report
from playwright.sync_api import Browser, Locator, Page

from diffbench.registry import discover
from diffbench.reports import build, swell, traces
from diffbench.study import StudyRow
from diffbench.traces import DIGITS

FULL, SLIDES, HEX = "full", "slides", "hex"
KEYS = {FULL: "17", SLIDES: "3", HEX: "hex"}


@cache
def rows() -> list[StudyRow]:
    """The lecture's trace, and that of another family."""
    registry = discover(kinds=("problems", "studies"))
    study = registry.studies["traces"]
    assert study.over is not None
    others = study.over([registry.families["rosenbrock"], registry.families["mlp"]], "quick")
    return [*study.run(), *others, *registry.studies["expressions"].run()]


def lines(name: str) -> list[StudyRow]:
    return [row for row in rows() if row.key.startswith(f"line|{name}|")]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = synthetic.SyntheticRun(
        records=synthetic.run().records.iloc[:0],
        samples=synthetic.run().samples.iloc[:0],
        studies=synthetic.frame(rows(), StudyRow),
    )
    folder = tmp_path_factory.mktemp("traces")
    return build.write(run, folder / "report.html", [traces.PAGE, swell.PAGE])


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report at 1400 pixels; whatever goes wrong fails the test at its end."""
    for made in open_report(browser, report, 1400, "light"):
        yield made.page


def again(browser: Browser, report: Path, page: Page) -> Iterator[Opened]:
    """The same address in a new window."""
    return open_report(browser, report, 1400, "light", page.evaluate("location.hash"))


def box(page: Page, name: str = "lecture[n=2]") -> Locator:
    return page.locator(f'.steps[data-name="{name}"]')


def number(row: StudyRow) -> float:
    assert row.value is not None
    return row.value


def choice(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name, exact=True)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


def values(page: Page, name: str = "lecture[n=2]") -> list[str]:
    """The values as they are shown, line by line."""
    return box(page, name).locator("tbody tr[data-n] td.n b").all_text_contents()


def lit(page: Page) -> tuple[str, str, list[str], str]:
    """(row, node, edges, line of the program) that are lit."""
    here = box(page)
    row = here.locator("tr[aria-current=step]").all_inner_texts()
    node = here.locator(".node.lit .eq").all_text_contents()
    edges = here.locator("path.edge.lit").evaluate_all("(all) => all.map((e) => e.dataset.e)")
    code = here.locator("code .lit").all_text_contents()
    return "".join(row), "".join(node), [str(e) for e in edges], "".join(code).strip()


def unseen(page: Page, selector: str) -> int:
    """How many of these the step hides."""
    found = (
        box(page)
        .locator(selector)
        .evaluate_all(
            "(all) => all.filter((e) => getComputedStyle(e).visibility === 'hidden').length"
        )
    )
    return int(found)


# --- as it opens ------------------------------------------------------------------------------


def test_it_opens_with_the_lecture_s_trace_and_all_its_digits(page: Page) -> None:
    assert box(page).is_visible()
    assert not box(page, "rosenbrock[n=2]").is_visible()
    assert values(page) == [repr(row.value) for row in lines("lecture[n=2]")]
    assert lit(page) == ("", "", [], "")
    assert page.get_by_text("mlp: no quick size has at most 3 inputs").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_400_pixels_the_page_does_not_scroll_sideways(
    browser: Browser, report: Path, scheme: str
) -> None:
    for made in open_report(browser, report, 400, scheme):
        press(made.page, "Exercise")
        assert made.page.evaluate("document.documentElement.scrollWidth") <= 400


def test_without_javascript_all_traces_stand(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    for name in ("lecture[n=2]", "rosenbrock[n=2]"):
        assert box(page, name).locator("svg .node").first.is_visible()
        assert values(page, name) == [repr(row.value) for row in lines(name)]
        assert box(page, name).locator("pre").is_visible()
    assert page.locator(".live:visible").count() == 0
    assert page.locator(".expression svg:visible").count() == 6
    assert page.locator("math:visible").count() > 9
    context.close()


# --- stepping ---------------------------------------------------------------------------------


def test_buttons_step_forward_and_back_and_light_row_node_edges_and_code(page: Page) -> None:
    for _ in range(5):
        press(page, "Forward ▶")
    row, node, edges, code = lit(page)
    assert row.split() == ["v₃", "=", "sin(v₀)", "sin(5.0)", "-0.9589242746631385"]
    assert (node, edges, code) == ("v₃ = sin(v₀)", ["4.0"], "v3 = sin(v0)")
    assert "Step 5 of 30, Primal: v₃ = sin(v₀)" in box(page).inner_text()
    press(page, "◀ Back")
    assert lit(page)[1:] == ("v₂ = v₋₁ × v₀", ["3.0", "3.1"], "v2 = vm1 * v0")
    press(page, "Show all")
    assert lit(page) == ("", "", [], "")
    press(page, "Forward ▶")
    page.keyboard.press("Shift+Tab")
    for _ in range(2):  # at the start it does nothing, and keeps the focus
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.textContent") == "◀ Back"
        assert lit(page)[0] == ""


def test_what_is_not_computed_yet_is_not_shown(page: Page) -> None:
    everything = unseen(page, "tbody tr[data-n] b, svg .val, svg .part")
    assert everything == 0
    for _ in range(3):
        press(page, "Forward ▶")
    assert unseen(page, "tbody tr[data-n] td.n b") == 27
    assert unseen(page, "svg .val") == 4
    assert unseen(page, "svg .part") == 7  # only the one into v1 is known
    assert "".join(box(page).locator("svg .adj").all_text_contents()) == ""


def test_the_graph_shows_the_tangent_or_adjoint_of_the_table_at_work(page: Page) -> None:
    press(page, "Tangent, seed (0, 1)")
    for _ in range(6):
        press(page, "Forward ▶")
    second = box(page).locator("svg .adj")
    assert second.all_text_contents()[-1] == "v̇₅ = 1.716"
    press(page, "Adjoint")
    assert [text for text in second.all_text_contents() if text] == ["v̄₅ = 1"]
    for _ in range(5):
        press(page, "Forward ▶")
    assert second.all_text_contents()[1] == "v̄₀ = -0.284"
    assert lit(page)[2:] == (["4.0"], "v0_bar = v3_bar * cos(v0)")
    for _ in range(2):
        press(page, "Forward ▶")
    assert second.all_text_contents()[1] == "v̄₀ = 1.716"
    assert lit(page)[2:] == (["3.1"], "v0_bar += v2_bar * vm1")


def test_arrow_keys_step_once_it_is_begun_and_stop_at_both_ends(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    assert lit(page)[0] == ""  # the reader is elsewhere: nothing moves
    press(page, "Forward ▶")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert lit(page)[1] == "v₁ = log(v₋₁)"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    assert lit(page)[1] == "v₀ = x₂"
    page.evaluate("scrollTo(0, 0)")  # to where no trace is
    page.keyboard.press("ArrowRight")
    assert (page.evaluate("scrollY"), lit(page)[1]) == (0, "v₀ = x₂")
    box(page).scroll_into_view_if_needed()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert lit(page)[0].split()[:2] == ["v̄₋₁", "+="]
    assert box(page).get_by_role("button", name="Forward ▶").is_disabled()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    assert lit(page)[0] == ""
    assert box(page).get_by_role("button", name="◀ Back").is_disabled()


def test_arrow_keys_in_a_field_move_its_cursor_alone(page: Page) -> None:
    press(page, "Forward ▶")
    press(page, "Exercise")
    field = box(page).get_by_label("Primal: v₁ =")
    field.fill("12")
    field.press("ArrowLeft")
    assert lit(page)[1] == "v₋₁ = x₁"


# --- choices ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lecture[n=2]", "rosenbrock[n=2]"])
def test_every_notation_is_that_of_the_trace_tables(page: Page, name: str) -> None:
    choice(page, "Trace").select_option(name)
    for notation, digits in ((SLIDES, "3"), (HEX, "hex"), (FULL, "17")):
        choice(page, "Numbers").select_option(notation)
        assert values(page, name) == [DIGITS[digits](number(row)) for row in lines(name)]
        shown = box(page, name).locator("tbody tr[data-n] td:nth-child(3)").all_text_contents()
        assert shown == [_written(row, digits) for row in lines(name)]


def _written(row: StudyRow, digits: str) -> str:
    """The equation in numbers, by the parts in the store."""
    parts = json.loads(row.reason)[3]
    show = DIGITS[digits]
    alone = len(parts) == 1
    text = "".join(
        p if isinstance(p, str) else f"({show(p)})" if repr(p)[0] == "-" and not alone else show(p)
        for p in parts
    )
    return text.replace(" * ", " × ")


def test_another_trace_takes_the_place_of_the_first_and_starts_anew(page: Page) -> None:
    press(page, "Forward ▶")
    choice(page, "Trace").select_option("rosenbrock[n=2]")
    assert not box(page).is_visible()
    assert box(page, "rosenbrock[n=2]").is_visible()
    assert box(page, "rosenbrock[n=2]").locator("tr[aria-current]").count() == 0


# --- exercise ---------------------------------------------------------------------------------


def test_the_exercise_blanks_what_is_to_be_found_and_nothing_else(page: Page) -> None:
    press(page, "Exercise")
    assert box(page).locator("td.n input").count() == 30 - 2 - 4 - 1  # inputs, seeds, dy/dy
    assert unseen(page, "svg .val, svg .adj, svg .part") == 7 + 7 + 8
    given = box(page).locator("tr.given td.n b")
    assert given.all_text_contents() == ["2.0", "5.0", "1.0", "0.0", "0.0", "1.0", "1.0"]
    assert unseen(page, "tr.given b") == 0
    blank = box(page).locator("tr:not(.given)[data-n]")
    assert "0.6931471805599453" not in "".join(blank.all_inner_texts())
    press(page, "Exercise")
    assert box(page).locator("td.n input").count() == 0
    assert values(page) == [repr(row.value) for row in lines("lecture[n=2]")]


@pytest.mark.parametrize(
    ("notation", "label", "right", "wrong"),
    [
        (SLIDES, "Primal: v₁ =", ["0.693", "0.6931", "0,693"], ["0.692", "0.69", "", "ln 2"]),
        (SLIDES, "Primal: v₃ =", ["-0.959", "\N{MINUS SIGN}0.959"], ["0.959", "-0.96"]),
        (SLIDES, "Tangent, seed (1, 0): v̇₅ =", ["5.5", "5.500"], ["5.501", "7"]),
        (FULL, "Primal: v₁ =", ["0.6931471805599453", "6.931471805599453e-1"], ["0.693147"]),
        (HEX, "Primal: v₁ =", ["0x1.62e42fefa39efp-1"], ["0x1.62e42fefa39eep-1", "0.693"]),
        (HEX, "Primal: v₂ =", ["0x1.4p+3", "0x1.4000000000000p+3", "10"], ["0x1.4p+2"]),
    ],
)
def test_answers_are_judged_by_the_digits_that_are_shown(
    page: Page, notation: str, label: str, right: list[str], wrong: list[str]
) -> None:
    choice(page, "Numbers").select_option(notation)
    press(page, "Exercise")
    field = box(page).get_by_label(label, exact=True)
    mark = field.locator("xpath=following-sibling::span")
    for answers, verdict in ((right, "right"), (wrong, "wrong")):
        for answer in answers:
            field.fill(answer)
            assert mark.text_content() == ""  # not before it is asked
            press(page, "Check")
            expected = verdict if answer else ""
            assert mark.text_content() == expected, (answer, verdict)
            assert field.get_attribute("aria-invalid") == ("true" if expected == "wrong" else None)


def test_every_right_answer_is_right_in_every_notation(page: Page) -> None:
    """The answers of the store, as they are shown; a few too small to have three decimals."""
    choice(page, "Trace").select_option("rosenbrock[n=2]")
    press(page, "Exercise")
    asked = [row for row in lines("rosenbrock[n=2]") if _asked(row)]
    for notation, digits in KEYS.items():
        choice(page, "Numbers").select_option(notation)
        fields = box(page, "rosenbrock[n=2]").locator("td.n input")
        assert fields.count() == len(asked)
        answers = [DIGITS[digits](number(row)) for row in asked]
        fields.evaluate_all(
            "(all, texts) => all.forEach((e, i) => { e.value = texts[i]; })", answers
        )
        press(page, "Check")
        score = box(page, "rosenbrock[n=2]").locator(".score").inner_text()
        assert score == f"{len(asked)} right, 0 wrong, 0 still blank"


def _asked(row: StudyRow) -> bool:
    return not json.loads(row.reason)[2].startswith(("x", "dx", "dy"))


def test_the_score_counts_and_the_enter_key_checks(page: Page) -> None:
    choice(page, "Numbers").select_option(SLIDES)
    press(page, "Exercise")
    box(page).get_by_label("Primal: v₂ =").fill("10")
    box(page).get_by_label("Primal: v₄ =").fill("3")
    box(page).get_by_label("Primal: v₄ =").press("Enter")
    assert box(page).locator(".score").inner_text() == "1 right, 1 wrong, 21 still blank"
    assert page.locator("#announce").text_content() == "1 right, 1 wrong, 21 still blank"


def test_the_answer_key_is_the_store_s(page: Page, tmp_path: Path) -> None:
    choice(page, "Numbers").select_option(SLIDES)
    press(page, "Exercise")
    with page.expect_download() as waiting:
        press(page, "Answer key (CSV)")
    assert waiting.value.suggested_filename == "answers-lecture-n-2-.csv"
    waiting.value.save_as(tmp_path / "key.csv")
    with (tmp_path / "key.csv").open(encoding="utf-8", newline="") as stream:
        head, *found = csv.reader(stream)
    assert head == ["table", "variable", "equation", "with numbers", "value"]
    assert len(found) == len(lines("lecture[n=2]"))
    for cells, row in zip(found, lines("lecture[n=2]"), strict=True):
        name, sign, equation, *_ = json.loads(row.reason)
        guard = "'" * equation.startswith("-")  # a spreadsheet would compute it
        assert cells[:3] == [
            row.unit[:1].upper() + row.unit[1:],
            f"{name} {sign}",
            guard + equation,
        ]
        assert cells[3].removeprefix("'") == _written(row, "17").replace("×", "*")
        assert float(cells[4]) == row.value


# --- the address ------------------------------------------------------------------------------


def test_the_address_restores_trace_step_notation_and_exercise(
    page: Page, browser: Browser, report: Path
) -> None:
    choice(page, "Trace").select_option("rosenbrock[n=2]")
    choice(page, "Numbers").select_option(HEX)
    press(page, "Exercise")
    press(page, "Adjoint")
    press(page, "Forward ▶")
    for made in again(browser, report, page):
        here = box(made.page, "rosenbrock[n=2]")
        assert here.is_visible()
        assert choice(made.page, "Trace").input_value() == "rosenbrock[n=2]"
        assert choice(made.page, "Numbers").input_value() == HEX
        pressed = made.page.get_by_role("button", name="Exercise").get_attribute("aria-pressed")
        assert pressed == "true"
        assert here.locator("td.n input").count() > 20
        assert here.locator("tr[aria-current] th").inner_text().split()[:2] == ["v̄₅", "="]


def test_an_address_with_nonsense_opens_as_new(browser: Browser, report: Path) -> None:
    for made in open_report(
        browser, report, 1400, "light", "#traces&step=999&digits=x&trace=y&exercise=z"
    ):
        assert box(made.page).is_visible()
        assert lit(made.page)[0] == ""
        assert values(made.page)[2] == "0.6931471805599453"


def test_it_prints_as_tables(page: Page) -> None:
    press(page, "Forward ▶")
    press(page, "Show all")
    page.emulate_media(media="print")
    assert page.locator(".live:visible").count() == 0
    assert box(page).locator("svg .node:visible").count() == 7
    assert values(page) == [repr(row.value) for row in lines("lecture[n=2]")]
