"""How the doctor and clean write sizes, shares and ages."""

from __future__ import annotations

import pytest

from diffbench.care.words import days, percent, size


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (2**31, "2.15 GB"), (10**17, "1e+05 TB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.0123, "1.2 %"), (0.0996, "10 %"), (1.5, "150 %")]
)
def test_shares(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 minutes"),
        (119, "1 minute"),
        (7200, "2 hours"),
        (172799, "47 hours"),
        (172800, "2 days"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert days(seconds) == text
