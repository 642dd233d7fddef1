"""Fixtures that all tests share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from diffbench.cli import main
from diffbench.registry import Registry, discover

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def registry() -> Registry:
    """All built-in plugins; none may be refused."""
    found = discover()
    assert found.broken == {}
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's chromium; tests that need it are skipped where it is missing."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium here (make test installs it where it can)")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield shown
        shown.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the made-up run."""
    from browsing import run

    from diffbench.reports import build

    return build.write(run(), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Any]:
    """The report at 1400 pixels, light; whatever goes wrong fails the test at its end."""
    from browsing import open_report

    yield from open_report(browser, report, 1400, "light")


class Outcome:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]  # a function
    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["diffbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, said.out, said.err)

    return call
