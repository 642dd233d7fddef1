"""The dashboard: the commits it takes, what it leaves behind, and its pages off the network."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import prepared_results as prepared
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import commits, dashboard, results, site, trend
from benchmarks.commits import Commit, DashboardError
from diffbench.running.platform import locked


@pytest.fixture
def made(tmp_path: Path, root: Path) -> list[Commit]:
    return prepared.repository(tmp_path, json.loads((root / "asv.conf.json").read_text()))


# --- commits ----------------------------------------------------------------------------------


def test_a_commit_is_found_by_any_name(tmp_path: Path, made: list[Commit]) -> None:
    assert commits.find(tmp_path, "HEAD~1") == made[0]
    assert commits.find(tmp_path, "main") == commits.find(tmp_path, made[1].short) == made[1]
    assert made[1].subject == prepared.SUBJECTS[1]
    assert dashboard.default(tmp_path) == ["HEAD~1", "HEAD"]


@pytest.mark.parametrize("name", ["nosuch", "-x", "--all", "HEAD~7", "HEAD:text.txt", "", "a b"])
def test_a_commit_that_does_not_exist_is_one_line(
    tmp_path: Path, made: list[Commit], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert dashboard.main(["--folder", str(tmp_path / ".asv"), "--", name], tmp_path) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: there is no commit {name!r}; try a hash, branch or tag")
    assert said.count("\n") == 1
    assert not (tmp_path / ".asv").exists()


def test_the_first_commit_is_measured_alone(tmp_path: Path, made: list[Commit], capsys) -> None:  # type: ignore[no-untyped-def]  # pytest's
    prepared.git(tmp_path, "checkout", "--quiet", made[0].hash)
    assert dashboard.default(tmp_path) == ["HEAD"]
    assert "it is measured alone" in capsys.readouterr().out


def test_what_no_branch_holds_is_refused(tmp_path: Path, made: list[Commit]) -> None:
    prepared.git(tmp_path, "reset", "--hard", "--quiet", "HEAD~1")
    with pytest.raises(DashboardError, match=f"try git branch NAME {made[1].short}"):
        commits.find(tmp_path, made[1].hash)


def test_commits_come_once_the_oldest_first_and_off_the_line_of_head_aside(
    tmp_path: Path, made: list[Commit]
) -> None:
    prepared.git(tmp_path, "checkout", "--quiet", "-b", "other", made[0].hash)
    side = prepared.commit(tmp_path, "Beside", more="1")
    prepared.git(tmp_path, "checkout", "--quiet", "main")
    found, aside = commits.history(tmp_path, [made[1], side, made[0], made[1]])
    assert found[0] == made[0]
    assert set(found) == {*made, side}
    assert len(found) == 3
    assert aside == [side.hash]


def test_changes_in_no_commit_are_seen(tmp_path: Path, made: list[Commit]) -> None:
    (tmp_path / "new.txt").write_text("untracked")
    assert not commits.unsaved(tmp_path)
    (tmp_path / "text.txt").write_text("changed")
    assert commits.unsaved(tmp_path)


# --- environments -----------------------------------------------------------------------------


@dataclass
class Pip:
    """Stands for pip: notes what it is told to install, and may be interrupted."""

    seen: list[str]
    stops: bool = False

    def __call__(self, python: Path, folder: Path, *what: str) -> None:
        assert python.exists()
        self.seen.append(what[0] if what[0].startswith("-") else (folder / "text.txt").read_text())
        if self.stops:
            raise KeyboardInterrupt


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    stands_for = Pip([])
    monkeypatch.setattr(commits, "_pip", stands_for)
    return stands_for


def worktrees(root: Path) -> int:
    return prepared.git(root, "worktree", "list", "--porcelain").count("worktree ")


def test_each_commit_gets_an_environment_from_its_own_files(
    tmp_path: Path, made: list[Commit], pip: Pip
) -> None:
    pythons = {commits.installed(tmp_path, tmp_path / ".asv", commit) for commit in made}
    assert len(pythons) == 2
    assert pip.seen == [prepared.SUBJECTS[0], "--no-deps", prepared.SUBJECTS[1], "--no-deps"]
    assert commits.installed(tmp_path, tmp_path / ".asv", made[0]) in pythons
    assert len(pip.seen) == 4  # the environment was there
    assert worktrees(tmp_path) == 1


def test_an_interruption_leaves_no_worktree_and_the_next_start_goes_on(
    tmp_path: Path, made: list[Commit], pip: Pip
) -> None:
    pip.stops = True
    with pytest.raises(KeyboardInterrupt):
        commits.installed(tmp_path, tmp_path / ".asv", made[0])
    assert worktrees(tmp_path) == 1
    assert list((tmp_path / ".asv" / "tree").iterdir()) == []
    pip.stops = False
    commits.installed(tmp_path, tmp_path / ".asv", made[0])
    assert pip.seen == [prepared.SUBJECTS[0], prepared.SUBJECTS[0], "--no-deps"]


@pytest.mark.parametrize("folder_stays", [True, False])
def test_what_a_killed_start_left_is_no_hindrance(
    tmp_path: Path, made: list[Commit], pip: Pip, folder_stays: bool
) -> None:
    left = tmp_path / ".asv" / "tree" / made[0].short
    prepared.git(tmp_path, "worktree", "add", "--detach", str(left), made[1].hash)
    if not folder_stays:
        prepared.git(tmp_path, "worktree", "lock", str(left))  # as git does while it makes one
        shutil.rmtree(left)
    commits.installed(tmp_path, tmp_path / ".asv", made[0])
    assert pip.seen[0] == prepared.SUBJECTS[0]
    assert worktrees(tmp_path) == 1


def test_asv_is_pointed_at_each_commit_and_old_environments_go(
    tmp_path: Path, made: list[Commit], pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []

    def asv(self: dashboard.Dashboard, *arguments: str, **_: object) -> int:
        seen.append((arguments[0], json.loads(self.config.read_text())["branches"]))
        return 0

    monkeypatch.setattr(dashboard.Dashboard, "asv", asv)
    monkeypatch.setattr(dashboard.Dashboard, "publish", lambda self, *_: self.asv("publish"))
    monkeypatch.setattr(site, "scripts", lambda folder: folder)
    (tmp_path / ".asv" / "env" / "0123abcd").mkdir(parents=True)
    (tmp_path / ".asv" / "env" / ".DS_Store").touch()
    prepared.dashboard(tmp_path).make(["HEAD", "HEAD~1"])
    runs = [("run", [commit.hash]) for commit in made]
    assert seen == [("machine", ["HEAD"]), *runs, ("publish", ["HEAD"])]
    kept = {path.name for path in (tmp_path / ".asv" / "env").iterdir() if path.is_dir()}
    assert kept == {commit.short for commit in made}


def test_two_at_once_do_not_mix(tmp_path: Path, made: list[Commit]) -> None:
    board = prepared.dashboard(tmp_path)
    board.folder.mkdir()
    with (
        locked(board.folder),
        pytest.raises(DashboardError, match="another dashboard is being made in"),
    ):
        board.make(["HEAD"])


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path, made: list[Commit]) -> None:
    board = prepared.dashboard(tmp_path)
    board.folder.touch()
    with pytest.raises(DashboardError, match=r"--folder .*: File exists; give another$"):
        board.make(["HEAD"])


def test_a_command_that_is_missing_or_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DashboardError, match="fetching: this needs nosuch-command; install it"):
        commits.command(["nosuch-command"], tmp_path, "fetching")
    with pytest.raises(DashboardError, match=r"^looking: .*No such file or directory$"):
        commits.command(["ls", "nosuch"], tmp_path, "looking")


# --- the trend page ---------------------------------------------------------------------------


@pytest.fixture
def trends(tmp_path: Path, made: list[Commit]) -> results.Trends:
    board = prepared.dashboard(tmp_path)
    prepared.write_results(board, made)
    return results.read(board.folder / "results", board.machine, made)


def test_the_numbers_are_those_of_asv_and_none_is_made_up(trends: results.Trends) -> None:
    times = [p for p in trends.points if p.unit == "seconds"]
    assert [(p.value, p.low, p.high) for p in times] == [c for row in prepared.SECONDS for c in row]
    assert [(p.place, p.method) for p in times] == [
        (1, "forward"),
        (1, "reverse"),
        (2, "forward"),
        (2, "reverse"),
    ]
    counted = [(p.place, p.method, p.value) for p in trends.points if p.title == "Calls of f"]
    assert counted == [(1, "forward", 33), (2, "forward", 33), (2, "reverse", 2)]
    assert len(trends.points) == 7


def test_of_two_results_of_a_commit_the_newer_counts(
    trends: results.Trends, tmp_path: Path, made: list[Commit]
) -> None:
    board = prepared.dashboard(tmp_path)
    folder = board.folder / "results"
    (newest,) = (folder / board.machine).glob(f"{made[1].hash[:8]}-*.json")
    older = newest.with_name(f"{made[1].hash[:8]}-existing-_old_place.json")
    older.write_text(newest.read_text(encoding="utf-8").replace("33", "66"), encoding="utf-8")
    os.utime(older, (1, 1))
    assert results.read(folder, board.machine, made).points == trends.points


def test_a_change_over_a_commit_without_a_number_is_nobodys(trends: results.Trends) -> None:
    points = tuple(replace(trends.points[0], place=k, value=v) for k, v in ((1, 1.0), (3, 9.0)))
    told, table = trend._changes(replace(trends, points=points))
    assert told.paragraphs[0].startswith("0 of 0 steps")
    assert table.rows == []


@pytest.mark.parametrize(
    ("unit", "before", "after", "said"),
    [
        ("seconds", (1.0, 0.9, 1.1), (2.0, 1.9, 2.1), "rose"),
        ("seconds", (2.0, 1.9, 2.1), (1.0, 0.9, 1.1), "fell"),
        ("seconds", (1.0, 0.9, 1.6), (2.0, 1.5, 2.1), ""),  # the intervals overlap
        ("seconds", (1.0, 0.99, 1.01), (1.05, 1.04, 1.06), ""),  # within the noise
        ("bytes", (100.0, None, None), (104.0, None, None), ""),
        ("ratio", (1.0, None, None), (1.2, None, None), "rose"),
        ("calls", (33.0, None, None), (34.0, None, None), "rose"),  # counts are exact
        ("digits", (0.0, None, None), (0.0, None, None), ""),
    ],
)
def test_a_step_is_a_change_where_noise_cannot_be_the_reason(
    trends: results.Trends,
    unit: str,
    before: tuple,
    after: tuple,
    said: str,  # type: ignore[type-arg]  # three numbers
) -> None:
    a, b = (
        replace(trends.points[0], unit=unit, value=v, low=low, high=high)
        for v, low, high in (before, after)
    )
    assert trend.step(a, b) == said


def test_the_page_names_the_changes_and_escapes_what_it_is_given(
    trends: results.Trends, tmp_path: Path
) -> None:
    text = trend.trend_page(trends, tmp_path / "trend.html").read_text(encoding="utf-8")
    assert "1 of 3 steps from one commit to the next are changes." in text
    assert "rose, 2 ×" in text
    assert "Slow &lt;script&gt;alert(1)&lt;/script&gt; down" in text
    assert "<script>alert(1)" not in text
    assert "<b>machine" not in text
    assert text.count("<figure ") == 1  # the time; counts stand in the table


# --- the site, in a browser -------------------------------------------------------------------


@dataclass
class Site:
    """A published site, what of it was asked for, and where a server shows it."""

    html: Path
    address: str


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the browser notes what fails."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("no npm here: it fetches what asv's page needs")
    return site.scripts(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, root: Path, packages: Path
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("repository")
    made = prepared.repository(folder, json.loads((root / "asv.conf.json").read_text()))
    board = prepared.dashboard(folder)
    prepared.write_results(board, made)
    board.configure(["HEAD"])
    yield from served(board.publish(made, packages))


def served(html: Path) -> Iterator[Site]:
    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(html, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium that can resolve no name: only the server on this machine answers."""
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield shown
        shown.close()


@dataclass
class Watched:
    page: Page
    troubles: list[str]
    asked: list[str]


def watched(browser: Browser, **options: object) -> Watched:
    """A page that notes each console error, each request that fails and each address."""
    page = browser.new_context(**options).new_page()
    made = Watched(page, [], [])
    page.set_default_timeout(60_000)
    page.on("console", lambda m: made.troubles.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: made.troubles.append(str(error)))
    page.on("requestfailed", lambda request: made.troubles.append(request.url))
    page.on("request", lambda request: made.asked.append(request.url))
    page.on(
        "response",
        lambda r: made.troubles.append(f"{r.status} {r.url}") if r.status >= 400 else None,
    )
    return made


def walk(shown: Watched, address: str) -> None:
    """Open every view of asv's site and the trend page behind its menu."""
    page = shown.page
    page.goto(f"{address}/index.html")
    page.locator("#summarygrid-display .benchmark-plot canvas").first.wait_for()
    page.get_by_role("link", name="Benchmark list").click()
    page.locator("#summarylist-body tbody tr").first.wait_for()
    page.get_by_role("link", name="Regressions").click()
    page.locator("#regressions-body .panel, #regressions-body table").first.wait_for()
    page.get_by_role("link", name="Benchmark grid").click()
    page.get_by_role("link", name="Time of one derivative").first.click()
    page.locator("#main-graph canvas").first.wait_for()
    page.locator("#log-scale").click()
    page.locator("#log-scale.active").wait_for()


def test_the_site_opens_off_the_network(published: Site, browser: Browser) -> None:
    shown = watched(browser, viewport={"width": 1400, "height": 900})
    walk(shown, published.address)
    series = shown.page.evaluate(
        "$('#main-graph').data('plot').getData().map((s) => s.data.length)"
    )
    assert series == [2, 2]
    listed = json.loads((published.html / "index.json").read_text())["benchmarks"]
    assert set(listed) == {prepared.TIME, prepared.COUNT}
    shown.page.get_by_role("link", name="Trends on one page").click()
    shown.page.get_by_role("heading", name="What changed").wait_for()
    assert shown.troubles == []
    assert all(url.startswith((published.address, "data:")) for url in shown.asked)
    assert len({url for url in shown.asked if "/offline/" in url}) == len(site.FILES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_trend_page_stands_alone_and_without_javascript(
    published: Site, browser: Browser, scheme: str
) -> None:
    narrow = {"width": 400, "height": 900}
    shown = watched(browser, viewport=narrow, color_scheme=scheme, java_script_enabled=False)
    shown.page.goto((published.html / "trend.html").as_uri())
    assert shown.page.locator("figure .static svg:visible").count() == 1
    found, before = commits_of(shown.page), published.html.parent.parent
    assert found == [commits.find(before, name).short for name in ("HEAD~1", "HEAD")]
    assert shown.page.locator(".live:visible").count() == 0
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert shown.troubles == []


def commits_of(page: Page) -> list[str]:
    """The last two headings of the table of all numbers."""
    return page.locator("#t-numbers th").all_text_contents()[-2:]


def test_a_page_with_unknown_scripts_is_refused(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"benchmarks": {}}')
    (tmp_path / "index.html").write_text('<script src="https://x.example/new-lib.js"></script>')
    with pytest.raises(DashboardError, match=r"loads new-lib\.js, which"):
        site.mended(tmp_path, packages)


@pytest.mark.nightly
def test_a_fresh_clone_makes_it_from_two_commits(
    root: Path, tmp_path: Path, browser: Browser
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", f"file://{root}", str(clone)], check=True)
    command = [sys.executable, "-m", "benchmarks.dashboard", "HEAD~1", "HEAD"]
    subprocess.run(command, cwd=clone, check=True)
    assert worktrees(clone) == 1
    assert prepared.git(clone, "status", "--porcelain") == ""
    for made in served(clone / ".asv" / "html"):
        shown = watched(browser)
        walk(shown, made.address)
        shown.page.goto(f"{made.address}/trend.html")
        assert shown.page.locator("#t-numbers tbody tr").count() > 50
        assert shown.troubles == []
