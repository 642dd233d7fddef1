"""The tone of every word that more than one page judges by; the word stands beside it, always."""

from __future__ import annotations

from diffbench.analysis.claims import FAILS, HOLDS, OPEN

__all__ = ["CLAIMS", "OUTCOMES", "VERDICTS"]

CLAIMS = {HOLDS: "good", FAILS: "bad", OPEN: "mute"}
OUTCOMES = {"faster": "good", "tie": "mute", "slower": "bad"}
VERDICTS = {
    "exact to rounding": "good",
    "degraded": "warn",
    "wrong": "bad",
    "uninformative": "mute",
}
