"""What comes from outside is text: on every page in Chromium, and in every export."""

from __future__ import annotations

import csv
import http.server
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import latex_syntax
import pandas as pd
import pytest
import synthetic
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, Page
from small_runs import use_profile
from synthetic import EVIL_METHOD, EVIL_REASON

import diffbench
from diffbench import api
from diffbench.records.run import FORMATS
from diffbench.registry import discover
from diffbench.reports import build
from diffbench.reports.latex_text import escaped

WAIT = 60_000
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1")
PLAIN = ("step_size",)  # pages whose words are all their own
EVENTS = ("onerror", "onload", "onclick", "onmouseover", "onfocus")
PLUGIN = f'''
class Evil:
    """Answers nothing."""

    name = {EVIL_METHOD!r}
    title = {EVIL_REASON!r}
    category = "numerical"
    claim = "approximate"
    cost = {EVIL_REASON!r}
    reference = {EVIL_REASON!r}
    native = frozenset({{"gradient"}})
    nests = False
    parameters = {{}}
    requires = {{}}
    version = {EVIL_REASON!r}

    def why_not(self, instance, operator):
        return {EVIL_REASON!r}

    def build(self, instance, operator):
        raise AssertionError("it was asked though it cannot")
'''


def evil_run() -> synthetic.SyntheticRun:
    """Markup wherever a plugin or a file can put words: names, reasons, studies, facts."""
    made = synthetic.part(synthetic.evil_run(synthetic.FEW), ("lecture", "logistic"))
    records, samples, studies = made.records.copy(), made.samples.copy(), made.studies.copy()
    mine = records["family"] == "lecture"
    records.loc[mine, "family"] = EVIL_METHOD
    for frame in (records, samples):
        frame["instance"] = frame["instance"].str.replace("lecture", EVIL_METHOD, regex=False)
    records.loc[mine, "warnings"] = EVIL_REASON
    failed = records.index[records["status"] != "ok"][: len(FORMULAS)]
    records.loc[failed, "reason"] = list(FORMULAS)
    # Reasons of these hold JSON; rows of theirs with markup are among those of the run.
    spoken = ~studies["study"].isin(["traces", "expressions"])
    studies.loc[spoken, "reason"] += EVIL_REASON
    programs = [
        ("program|p", 1.0, "", f"{EVIL_REASON} ⟂ {EVIL_REASON}"),
        ("right|p|0", 1.0, "", ""),
    ]
    programs += [(f"answer|p|{EVIL_METHOD}", None, "refuses", EVIL_REASON)]
    rows = [
        synthetic.StudyRow(study="programs", key=key, value=value, unit=unit, reason=reason)
        for key, value, unit, reason in programs
    ]
    studies = pd.concat([studies, synthetic.frame(rows, synthetic.StudyRow)], ignore_index=True)
    facts = {"cpu": EVIL_REASON, EVIL_METHOD: EVIL_REASON}
    return replace(made, records=records, samples=samples, studies=studies, environment=facts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.stored(evil_run(), tmp_path_factory.mktemp("runs") / "evil")


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    """The folder of all formats, the report itself among them."""
    return api.export(folder, FORMATS, folder.parent / "export")[0].parent


@pytest.fixture
def opened(browser: Browser, exported: Path) -> Iterator[Page]:
    """The report, open; a dialog or an error of the page fails the test."""
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    troubles: list[str] = []
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto((exported / "report.html").as_uri())
    page.wait_for_selector("html[data-ready]")
    yield page
    assert troubles == []
    page.close()


# --- the page -------------------------------------------------------------------------------------


def strangers(page: Page) -> list[str]:
    """Elements that we do not write, scripts more than ours, and handlers."""
    foreign = ["img", "iframe", "object", "embed", *(f"[{event}]" for event in EVENTS)]
    found = [s for s in foreign if page.locator(s).count()]
    return found + ["script"] * (page.locator("script").count() != 3)


def test_markup_is_text_on_every_page(opened: Page) -> None:
    assert strangers(opened) == []
    shown = {
        page.name: opened.locator(f"#{build.identifier(page.name)}").text_content() or ""
        for page in build._built_in()
    }
    assert [name for name, text in shown.items() if "This page failed" in text] == []
    bare = {name for name, text in shown.items() if not {EVIL_METHOD, EVIL_REASON} & marks(text)}
    assert bare == set(PLAIN)
    assert opened.get_by_text(EVIL_METHOD, exact=True).first.is_visible()


def marks(text: str) -> set[str]:
    return {mark for mark in (EVIL_METHOD, EVIL_REASON) if mark in text}


def test_markup_is_text_in_what_the_script_adds(opened: Page) -> None:
    """Column choosers, legends, charts and their hints are made of the same words."""
    opened.set_viewport_size({"width": 1400, "height": 900})
    for button in opened.get_by_role("button", name="Columns").all()[:6]:
        button.click()
    figure = opened.locator('figure[data-name="digits by method"]')
    figure.scroll_into_view_if_needed()
    opened.wait_for_selector('figure[data-name="digits by method"].on .chart svg')
    symbols = figure.locator(".chart svg .mark-symbol path")
    symbols.last.hover(force=True)
    opened.wait_for_selector("#vg-tooltip-element.visible")
    assert opened.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
    figure.locator(".legend li[data-series]").last.get_by_role("button").click()
    assert strangers(opened) == []


# --- the policy -----------------------------------------------------------------------------------

TRIES = """async (there) => {
  const broken = [];
  document.addEventListener("securitypolicyviolation", (e) => broken.push(e.effectiveDirective));
  const put = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
  window.reached = [];
  put("script", {textContent: "window.reached.push('inline')"});
  put("script", {src: there + "script"});
  put("img", {src: there + "img"});
  put("iframe", {src: there + "frame", name: "inside"});
  put("link", {rel: "stylesheet", href: there + "style"});
  put("object", {data: there + "object"});
  put("video", {src: there + "video"});
  put("base", {href: there});
  put("style", {textContent: `@font-face {font-family: f; src: url(${there}font)}
    body {font-family: f; background: url(${there}back)}`});
  put("div", {innerHTML: "<b onclick=\\"window.reached.push('handler')\\">x</b>"});
  document.querySelector("body > div b").click();
  const form = document.createElement("form");
  Object.assign(form, {action: there + "form", target: "inside"});
  document.body.append(form);
  form.submit();
  const failed = [];
  for (const [name, act] of Object.entries({
    fetch: () => fetch(there + "fetch"),
    eval: () => new Promise((done, refused) => setTimeout(() => {  // else the driver may
      try { done(eval("window.reached.push('eval')")); } catch (error) { refused(error); }
    })),
    worker: () => new Promise((done, refused) => {
      const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(1)"])));
      worker.onmessage = done;
      worker.onerror = refused;
    }),
  })) { try { await act(); } catch { failed.push(name); } }
  navigator.sendBeacon(there + "beacon", "x");
  try { new WebSocket(there.replace("http", "ws") + "socket"); } catch { failed.push("socket"); }
  await new Promise((done) => setTimeout(done, 500));
  return {broken: [...new Set(broken)].sort(), reached: window.reached, failed};
}"""


class Silent(http.server.BaseHTTPRequestHandler):
    """Counts who asks."""

    asked: list[str]

    def do_GET(self) -> None:  # as http.server names it
        self.asked.append(self.path)
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


def test_the_policy_lets_nothing_in_or_out(browser: Browser, exported: Path) -> None:
    asked: list[str] = []
    handler = type("Handler", (Silent,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    page = browser.new_page()
    try:
        page.goto((exported / "report.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        told = page.evaluate(TRIES, f"http://127.0.0.1:{server.server_port}/")
        blank = browser.new_page()  # the same without a policy: the tries are real
        (exported / "blank.html").write_text("<body>")
        blank.goto((exported / "blank.html").as_uri())
        free = blank.evaluate(TRIES, f"http://127.0.0.1:{server.server_port}/free/")
    finally:
        page.close()
        server.shutdown()
        thread.join()
        server.server_close()
    assert told["reached"] == []
    assert {"fetch", "eval", "worker"} <= set(told["failed"])
    assert {"script-src-elem", "img-src", "connect-src", "frame-src", "form-action"} <= {
        *told["broken"]
    }
    assert [path for path in asked if not path.startswith("/free/")] == []
    assert len({path for path in asked if path.startswith("/free/")}) > 5
    assert {"inline", "handler", "eval"} <= set(free["reached"])


# --- the exports ----------------------------------------------------------------------------------


def test_the_csv_holds_no_formula_and_is_loaded_as_it_was(exported: Path, folder: Path) -> None:
    there, back = diffbench.load(folder), diffbench.load(exported / "csv")
    numbers = 0
    for name in ("records", "samples", "studies"):
        frame = getattr(there, name)
        pd.testing.assert_frame_equal(frame, getattr(back, name))
        texts = set(frame.columns) - set(frame.select_dtypes("number"))
        with (exported / "csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                assert not any(row[column].startswith((*"=+-@\t\r",)) for column in texts)
                negative = [row[c] for c in set(row) - texts if row[c].startswith("-")]
                numbers += len([float(text) for text in negative])
    assert numbers > 3
    assert set(FORMULAS) <= set(back.records["reason"])


def test_the_parquet_holds_the_texts_as_they_are(exported: Path) -> None:
    back = pd.read_parquet(exported / "parquet" / "records.parquet")
    assert {EVIL_METHOD} == set(back["method"]) - set(synthetic.records()["method"])
    assert {EVIL_REASON, *FORMULAS} <= set(back["reason"])


def test_the_latex_holds_no_foreign_command(exported: Path) -> None:
    files = [exported / "latex" / "report.tex", *(exported / "latex" / "tables").iterdir()]
    texts = [path.read_text(encoding="ascii") for path in files]
    assert [fault for text in texts for fault in latex_syntax.faults(text)] == []
    assert sum(escaped(EVIL_METHOD) in text for text in texts) > 5
    assert any(escaped(EVIL_REASON) in text for text in texts)


def test_the_markdown_holds_no_markup(exported: Path) -> None:
    text = (exported / "markdown" / "report.md").read_text(encoding="utf-8")
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    ours = '<pre><code class="language-python">'  # each trace ends with its program
    assert page.count(ours) == text.count("\n```python\n") > 1
    page = page.replace(ours, "")
    assert not re.search("<(?:script|img|a|code|em)\\b", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&gt;&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_figures_hold_no_foreign_element(exported: Path) -> None:
    files = list((exported / "svg").iterdir())
    said = ""
    for path in files:
        root = ET.parse(path).getroot()
        kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert kinds.isdisjoint({"script", "image", "img", "foreignObject", "a", "use"}), path
        names = {name for element in root.iter() for name in element.attrib}
        assert not [name for name in names if name.startswith("on") or name.endswith("href")]
        said += " ".join(root.itertext())
    assert len(files) > 3
    assert EVIL_METHOD in said
    assert all(re.fullmatch(r"[A-Za-z0-9-]+\.svg", path.name) for path in files)


# --- a plugin of that name ------------------------------------------------------------------------


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "evil.py").write_text(PLUGIN)
    return tmp_path / "evil.py"


def test_the_registry_takes_a_plugin_of_that_name(plugin: Path, cli: Any) -> None:
    (method,) = discover([str(plugin)], ["methods"]).methods(EVIL_METHOD)
    assert method.name == EVIL_METHOD
    assert EVIL_METHOD in cli("list", "methods", "--plugin", plugin).out


@pytest.mark.nightly
def test_a_plugin_of_that_name_is_measured_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Path, cli: Any
) -> None:
    use_profile(monkeypatch)
    arguments = ("--problems", "lecture[n=2]", "--operators", "gradient", "--profile", "quick")
    methods = ("--methods", f"manual,{EVIL_METHOD}", "--plugin", plugin)
    done = cli("run", *arguments, *methods, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    records = diffbench.load(tmp_path / "run").records
    (mine,) = records[records["method"] == EVIL_METHOD].to_dict("records")
    assert (mine["status"], mine["reason"]) == ("unsupported", EVIL_REASON)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
