"""Texts and formulas for LaTeX: plain ASCII for every engine, and no command but our own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from diffbench.reports.formats import one_line

__all__ = ["SIGNS", "escaped", "formula"]

SIGNS = {
    # what TeX would read as its own; also what ends a row early: \\[ and \\*
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # where a long name or an address may break
    "|": r"\textbar{}\allowbreak{}",
    "/": r"/\allowbreak{}",
    ",": r",\allowbreak{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "-": "-{}",  # two would be a dash, three a longer one
    # what the report writes beyond ASCII
    "\u00a0": "~",
    "\u202f": r"\,",
    "–": "--",
    "…": r"\dots{}",
    "×": r"\ensuremath{\times}",
    "µ": r"\ensuremath{\mu}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "∞": r"\ensuremath{\infty}",
    "∂": r"\ensuremath{\partial}",
    "∝": r"\ensuremath{\propto}",
    "·": r"\ensuremath{\cdot}",
    "→": r"\ensuremath{\to}",
    "⟂": r"\ensuremath{\perp}",
    "±": r"\ensuremath{\pm}",
    "°": r"\textdegree{}",
    "₋": r"\textsubscript{-}",
    "⁻": r"\textsuperscript{-}",
}
SIGNS |= {chr(0x2080 + k): rf"\textsubscript{{{k}}}" for k in range(10)}
SIGNS |= {
    sign: rf"\textsuperscript{{{k}}}"
    for k, sign in enumerate("\u2070¹²³\u2074\u2075\u2076\u2077\u2078\u2079")
}
ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0307\u0308\u030a\u0327\u030c", "`'^~=.\"rcv", strict=True)
)
CHARACTER = re.compile(f"[A-Za-z](?P<mark>[{''.join(ACCENTS)}])|.", re.DOTALL)
MARKS = {"": "", "\u0307": r"\dot ", "\u0304": r"\bar "}
TOKEN = re.compile(
    "(?P<variable>[vxy])(?P<mark>[\u0307\u0304]?)(?P<index>-?[0-9]+)"
    r"|d(?P<over>[xy])(?P<of>[0-9]*)(?![a-z])"
    r"|(?P<name>[a-z][a-z0-9_]+)(?=\()"
    r"|(?P<plain>[0-9.]+(?:e[-+]?[0-9]+)?|inf|nan|[-+=/(), ])"
    r"|(?P<times>\*)|(?P<other>[A-Za-z]*[^ -~]+|[A-Za-z]+|.)",
    re.DOTALL,
)


def escaped(text: str) -> str:
    """The text as itself, on one line; a character that not every font has is named by its code."""
    return CHARACTER.sub(_written, unicodedata.normalize("NFD", one_line(text)))


def _written(found: re.Match[str]) -> str:
    sign, mark = found[0][0], found["mark"]
    if mark:
        return rf"\{ACCENTS[mark]}{{{sign}}}"
    plain = SIGNS.get(sign) or sign
    return plain if plain.isascii() and plain.isprintable() else rf"{{[}}U+{ord(sign):04X}{{]}}"


def formula(text: str) -> str:
    """An equation of a trace, ``v-1 * cos(v0)``, in mathematics; all else in it as text."""
    return f"${''.join(map(_token, TOKEN.finditer(one_line(text))))}$"


def _token(found: re.Match[str]) -> str:
    kind, text = str(found.lastgroup), found[0]
    if kind == "index":
        return rf"{MARKS[found['mark']]}{found['variable']}_{{{found['index']}}}"
    if kind == "of":
        return rf"\partial {found['over']}{'_' * bool(found['of'])}{{{found['of']}}}"
    return WRITTEN[kind](text)


WRITTEN: dict[str, Callable[[str], str]] = {
    "name": lambda name: rf"\mathop{{\mathrm{{{escaped(name)}}}}}",
    "plain": lambda text: text,
    "times": lambda sign: r" \cdot ",
    "other": lambda text: rf"\mbox{{{escaped(text)}}}",
}
