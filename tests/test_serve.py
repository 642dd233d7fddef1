"""``diffbench serve``: grows with the run, and gives its files alone, to this machine alone."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from small_runs import INTERRUPTIBLE, plain_record, stored_run, until

from diffbench import api
from diffbench.errors import RunError
from diffbench.records.store import Store, reading, stamp
from diffbench.registry import discover
from diffbench.serving import watch
from diffbench.serving.files import found
from diffbench.serving.server import Server

WAIT = 60_000  # milliseconds; nothing here is timed


def save(store: Store, n: int) -> None:
    store.save(plain_record(instance=f"lecture[n={n}]", n=n, run_s=1e-5 * n, empty_call_s=1e-8))


def short_page(folder: Path | str, version: str) -> str:
    return f"{sorted(api.load(folder).records['instance'])} {version}"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new page as soon as there is one."""
    for name in ("LOOK_S", "LEAST_S", "SHARE"):
        monkeypatch.setattr(watch, name, 0.01)


@pytest.fixture
def quick(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that take no time to make."""
    monkeypatch.setattr(api, "live_page", short_page)


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def ask(server: Server, target: str, host: str | None = None, *more: str, verb: str = "GET") -> str:
    """The whole answer to one request, written by hand: no client tidies it up."""
    port = server.server_port
    lines = [f"{verb} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", *more]
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as wire:
        wire.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        wire.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: wire.recv(65536), b"")).decode()


def status(answer: str) -> int:
    return int(answer.split(" ", 2)[1])


# --- what it gives, and what not ---------------------------------------------------------------

ATTACKS = (
    "/../secret.csv",
    "/x/../../secret.csv",
    "/%2e%2e/secret.csv",
    "/%2e%2e%2fsecret.csv",
    "/..%2fsecret.csv",
    "/%252e%252e/secret.csv",
    "/..%5csecret.csv",
    "/..\\secret.csv",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/etc/passwd",
    "{outside}",
    "/{outside}",
    "file://{outside}",
    "http://127.0.0.1/secret.csv",
    "/link.csv",
    "/linked/secret.csv",
    "/secret.csv%00",
    "/records.csv%00.html",
    "/%00",
    "/records.csv/",
    "/./records.csv",
    "/run.sqlite",
    "/run.sqlite-wal",
    "/.scratch/in.csv",
    "/folder.csv",
    "/%ff.csv",
    "/" + "a" * 5000 + ".csv",
    "*",
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with files to give, and what lies in wait around it."""
    folder = stored_run(tmp_path / "run", manual=1e-6)
    (folder / "records.csv").write_text("a,b\n1,2\n")
    (folder / "svg").mkdir()
    (folder / "svg" / "a figure.svg").write_text("<svg/>")
    for name in (".scratch", "folder.csv"):
        (folder / name).mkdir()
    (folder / ".scratch" / "in.csv").write_text("secret")
    (tmp_path / "secret.csv").write_text("secret")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "linked").symlink_to(tmp_path)
    return folder


@pytest.mark.usefixtures("quick")
def test_it_gives_the_files_of_the_run_and_none_by_any_other_path(run: Path) -> None:
    outside = str(run.parent / "secret.csv")
    with served(run) as server:
        given = ask(server, "/records.csv")
        assert status(given) == 200
        assert given.endswith("\r\n\r\na,b\n1,2\n")
        assert "Content-Disposition: attachment" in given
        assert ask(server, "/svg/a%20figure.svg").endswith("<svg/>")
        answers = {path: ask(server, path.format(outside=outside)) for path in ATTACKS}
    assert {path: status(answer) for path, answer in answers.items()} == dict.fromkeys(ATTACKS, 404)
    assert not any("secret" in answer or "root:" in answer for answer in answers.values())


def test_a_link_within_the_run_is_followed(run: Path) -> None:
    (run / "same.csv").symlink_to("records.csv")
    assert found(run, "/same.csv") == run / "records.csv"
    assert found(run, "/link.csv") is None


@pytest.mark.usefixtures("quick")
def test_only_this_machine_by_its_own_name(run: Path) -> None:
    with served(run) as server:
        assert server.server_address[0] == "127.0.0.1"
        port = server.server_port
        wanted = {
            f"127.0.0.1:{port}": 200,
            f"localhost:{port}": 200,
            f"LOCALHOST:{port}": 200,
            f"evil.example:{port}": 421,
            "evil.example": 421,
            "127.0.0.1": 421,
            f"127.0.0.1:{port + 1}": 421,
            f"127.0.0.1:{port}@evil.example": 421,
            f"127.0.0.1:{port}\r\nHost: evil.example": 421,
        }
        for target in ("/", "/version", "/records.csv"):
            found = {host: status(ask(server, target, host)) for host in wanted}
            assert found == wanted
        assert status(ask(server, "/", None, "Content-Length: 0", verb="POST")) == 501
        head = ask(server, "/", verb="HEAD")
    assert status(head) == 200
    assert head.endswith("\r\n\r\n")
    for line in ("frame-ancestors 'none'", "nosniff", "same-origin", "no-store"):
        assert line in head


# --- as records arrive -------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_a_record_makes_a_new_version_while_the_run_is_at_work(tmp_path: Path) -> None:
    with Store(tmp_path) as store, served(tmp_path) as server:
        save(store, 2)
        until(lambda: "lecture[n=2]" in ask(server, "/"))
        # What was being written while the page was made is in the next, which follows by itself.
        until(lambda: f'ETag: "{stamp(tmp_path)}"' in ask(server, "/version"))
        known = f'If-None-Match: "{stamp(tmp_path)}"'
        assert status(ask(server, "/version", None, known)) == 304
        save(store, 4)
        until(lambda: status(ask(server, "/version", None, known)) == 200)
        assert "['lecture[n=2]', 'lecture[n=4]']" in ask(server, "/")
        store.finish()
    assert len(api.load(tmp_path).records) == 2


@pytest.mark.usefixtures("at_once")
def test_nobody_looking_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(watch, "EYES_S", 0.0)
    monkeypatch.setattr(api, "live_page", lambda folder, version: made.append(version) or "page")
    with Store(tmp_path) as store, watch.Watch(tmp_path) as watching:
        watching._asked = 0.0
        save(store, 2)
        assert not watching._due()
        monkeypatch.setattr(watch, "EYES_S", 10.0)
        assert watching.latest()[1] == "page"
        until(lambda: made == [stamp(tmp_path)])


@pytest.mark.usefixtures("at_once")
def test_what_cannot_be_read_yet_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path, version: str) -> str:
        raise KeyError("<column>")

    (tmp_path / "run.sqlite").touch()
    with served(tmp_path) as server:
        until(lambda: "is empty" in ask(server, "/"))
        with Store(tmp_path) as store:
            until(lambda: "This run holds no records yet." in ask(server, "/"))
            monkeypatch.setattr(api, "live_page", short_page)
            save(store, 2)
            until(lambda: "lecture[n=2]" in ask(server, "/"))
            monkeypatch.setattr(api, "live_page", broken)
            save(store, 4)
            until(lambda: server.watch._stamp == stamp(tmp_path))
            assert "lecture[n=2]" in ask(server, "/")  # the page before stays
    with served(tmp_path) as server:
        assert "KeyError: &#39;&lt;column&gt;&#39;" in ask(server, "/")


def test_a_run_ends_well_beside_somebody_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        save(store, 2)
        with reading(tmp_path) as db:
            db.execute("SELECT * FROM records").fetchone()
            monkeypatch.setattr("diffbench.records.store.READERS_S", 0.1)
            store._db.execute("PRAGMA busy_timeout = 50")
            store.finish()  # the reader stays: so does the log
            assert (tmp_path / "run.sqlite-wal").exists()
        store.finish()
        assert [file.name for file in tmp_path.iterdir()] == ["run.sqlite"]
    assert len(api.load(tmp_path).records) == 1


# --- the command -------------------------------------------------------------------------------


def test_mistakes_are_one_line(tmp_path: Path, cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    none = cli("serve", tmp_path)
    assert (none.code, none.err.count("\n")) == (2, 1)
    assert "no run in" in none.err
    folder = stored_run(tmp_path / "run", manual=1e-6)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        taken = cli("serve", folder, "--port", port)
        assert (taken.code, taken.err.count("\n")) == (2, 1)
        assert f"port {port} is in use; take another" in taken.err
        with pytest.raises(RunError, match="in use"):
            Server(folder, port)


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    folder = stored_run(tmp_path / "run", manual=1e-6)
    command = [*INTERRUPTIBLE, "serve", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as at:
        try:
            assert at.stdout is not None
            shown = at.stdout.readline()
            assert re.search(r"http://127\.0\.0\.1:\d+/ to this machine alone", shown)
            at.send_signal(signal.SIGINT)
            out, err = at.communicate(timeout=60)
        finally:
            at.kill()
    assert (at.returncode, out, err) == (0, "\nended\n", "")


@pytest.fixture
def browsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked to open."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    return opened


def test_run_opens_its_report_at_the_end_and_says_so(
    tmp_path: Path, browsed: list[str], monkeypatch: pytest.MonkeyPatch, cli
) -> None:  # type: ignore[no-untyped-def]  # a fixture
    made = api.load(stored_run(tmp_path / "a run", manual=1e-6))
    monkeypatch.setitem(made.__dict__, "plan", {"generations": 1})
    monkeypatch.setattr(api, "run", lambda **given: made)
    done = cli("run", "--out", made.folder, "--open")
    assert done.code == 0
    assert browsed == [(made.folder / "report.html").as_uri()]
    assert done.out.splitlines()[-1] == f"opened in the browser: {browsed[0]}"
    assert cli("run", "--out", made.folder).code == 0
    for wrong in (("--dry-run",), ("--shard", "1/2")):
        refused = cli("run", "--out", made.folder, "--open", *wrong)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert len(browsed) == 1


def test_without_a_browser_there_is_one_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import webbrowser

    from diffbench.cli.serve import browse

    def none(address: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    for opens in (none, lambda address: False):
        monkeypatch.setattr("webbrowser.open", opens)
        browse("report.html")
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == "no browser could be started; open this in one: report.html\n"


# --- in the browser ----------------------------------------------------------------------------


@contextmanager
def told_of_a_newer_page(page: Page) -> Iterator[None]:
    """Wait until the page knows of a newer one; it stays as it is."""
    version = "document.documentElement.dataset.version"
    mine = page.evaluate(version)
    with page.expect_response(lambda a: a.url.endswith("/version") and a.status == 200):
        yield
    page.wait_for_timeout(300)  # a reload would be under way
    assert page.evaluate(version) == mine


@pytest.mark.usefixtures("at_once")
def test_a_class_sees_the_page_grow_and_keeps_its_state(tmp_path: Path, chromium: str) -> None:
    traces = discover(kinds=("problems", "studies")).studies["traces"]
    (tmp_path / "grow").mkdir()
    with Store(tmp_path / "grow") as store, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(WAIT)
        wrong: list[str] = []
        asked: set[str] = set()
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        live = page.get_by_role("button", name="Live")
        with served(tmp_path / "grow") as server:
            page.goto(f"{server.address}#overview&theme=dark")
            page.get_by_text("This run holds no records yet.").wait_for()
            store.save_study("traces", "done", traces.run())
            save(store, 2)
            page.locator("td", has_text="lecture[n=2]").first.wait_for(state="attached")
            assert page.evaluate("location.hash") == "#overview&theme=dark"
            assert page.locator("#theme").inner_text() == "Theme: dark"
            policy = page.locator("meta[http-equiv]").get_attribute("content") or ""
            assert policy.endswith("connect-src 'self'")
            live.click()
            assert page.get_by_text("stands still").is_visible()
            with told_of_a_newer_page(page):
                save(store, 4)
            page.get_by_role("button", name="Exercise").click()
            answer = page.locator(".lines input").first
            answer.fill("0.5")
            with told_of_a_newer_page(page):  # a reload would take the answer
                live.click()
            assert answer.input_value() == "0.5"
            answer.fill("")
            page.locator("td", has_text="lecture[n=4]").first.wait_for(state="attached")
            assert {url.removeprefix(server.address) for url in asked} == {"", "version"}
            assert wrong == []
        ended = page.locator(".following", has_text="the server has ended")
        ended.wait_for()
        for told in (page.get_by_text("stands still"), ended):
            live.click()
            told.wait_for(timeout=5000)
        browser.close()
