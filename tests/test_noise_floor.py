"""The noise floor: what fresh processes of the same code differ by, and its verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from small_runs import started, use_profile

from diffbench.care import floor
from diffbench.care.floor import analysed, noise_floor
from diffbench.errors import RunError
from diffbench.running import lanes

Shape = Callable[[int, int, int], float]


def times(shape: Shape, generations: int = 3) -> dict[int, dict[str, dict[tuple[int, int], float]]]:
    """Two sizes, three processes, four rounds each: seconds by (process, generation, round)."""
    keys = [(g, r) for g in range(generations) for r in range(4)]
    return {
        n: {f"twin {p}": {key: 1e-6 * n * shape(p, *key) for key in keys} for p in range(3)}
        for n in (1, 10)
    }


def test_what_processes_differ_by_is_the_floor() -> None:
    made = analysed(times(lambda p, g, r: 1.02**p * (1.01 if r % 2 else 0.99)))
    assert made.pairs == 2 * 3 * 3
    assert made.typical == pytest.approx(0.02)
    assert made.worst == pytest.approx(1.02**2 - 1)
    assert made.rounds == pytest.approx(math.log(1.01 / 0.99) / math.sqrt(3), rel=0.02)
    assert set(made.seen) == {1, 3}


def test_what_every_process_shares_is_no_noise() -> None:
    quiet = analysed(times(lambda p, g, r: 1.5**g))
    assert (quiet.typical, quiet.worst, quiet.rounds) == (0, 0, 0)
    assert quiet.seen[3] == 0
    # The prior alone: 12 pairs and 4 of its own, each side of the ratio with its own layout.
    assert quiet.seen[1] == pytest.approx(math.expm1(2.1199 * 0.03 / 2 * math.sqrt(2)), rel=1e-4)


def test_generations_that_differ_widen_the_interval() -> None:
    wide = analysed(times(lambda p, g, r: 1.1 ** (p * (g % 2))))
    narrow = analysed(times(lambda p, g, r: 1.01 ** (p * (g % 2))))
    assert wide.seen[3] > 5 * narrow.seen[3] > 0


def test_one_generation_alone() -> None:
    assert set(analysed(times(lambda p, g, r: 1.0, generations=1)).seen) == {1}


def test_the_floor_is_measured_by_fresh_identical_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_profile(monkeypatch, rounds=2)
    kept: list[Any] = []
    begun: list[str] = []
    start = lanes.Worker
    monkeypatch.setattr(lanes, "Worker", lambda *given: begun.append("") or start(*given))
    monkeypatch.setattr(floor, "analysed", lambda times: kept.append(times) or analysed(times))
    made = noise_floor("quick", generations=2)
    assert len(begun) == 2 * 4
    assert made.pairs == 2 * 2 * 6
    assert set(made.seen) == {1, 2}
    (sizes,) = kept
    assert set(sizes) == {8, 4096}
    for processes in sizes.values():
        assert [set(found) for found in processes.values()] == [
            {(0, 0), (0, 1), (1, 0), (1, 1)}
        ] * 4
    small, large = (min(min(p.values()) for p in sizes[n].values()) for n in (8, 4096))
    assert 0 < small < large
    assert started("diffbench.running.worker") == []


def test_a_worker_that_cannot_prepare_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    monkeypatch.setattr(floor, "METHOD", "nobody")
    with pytest.raises(RunError, match=r"cannot be measured: .*nobody"):
        noise_floor("quick", generations=1)
    assert started("diffbench.running.worker") == []
