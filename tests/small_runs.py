"""What the tests of runs share: small profiles, and the plugin of fakes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from diffbench import api
from diffbench.running import plan

PLUGINS = Path(__file__).parent / "plugins"
FAKES = str(PLUGINS / "fakes.py")
BROKEN = str(PLUGINS / "broken.py")


def use_profile(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """The quick profile with other numbers, shorter samples than any real one."""
    small = {"sample_s": 1e-4, "rounds": 3, "most_rounds": 3, **changes}
    row = dataclasses.replace(plan.PROFILES["quick"], **small)
    monkeypatch.setitem(plan.PROFILES, "quick", row)


def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out: drawing it takes longer than a run of a few cells."""
    monkeypatch.setattr(api, "report", lambda folder: Path(folder) / "report.html")
