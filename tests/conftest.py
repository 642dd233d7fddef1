"""Fixtures that all tests share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

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
