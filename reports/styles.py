"""One look a method, everywhere: colour, dash, symbol, label and letters, from one table.

Colours come in a light and a dark shade and are never the only sign: dash and symbol differ
too. Methods that the table does not know take the spare looks in the order of their names: of all
names of the run, so that each keeps its look from page to page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import final

__all__ = ["SERIES", "STYLES", "Style", "css", "label", "one_run", "ordered", "style_of"]


@final
@dataclass(frozen=True, slots=True)
class Style:
    """How one series looks; ``slot`` names its colour (the CSS variable ``--c-slot``)."""

    name: str
    label: str
    letters: str
    slot: str
    light: str
    dark: str
    dash: tuple[int, ...]
    symbol: str

    @property
    def colour(self) -> str:
        """The CSS variable, which follows the theme."""
        return f"var(--c-{self.slot})"

    @property
    def path(self) -> str:
        """The symbol as an SVG path in a box from -1 to 1."""
        return SYMBOLS[self.symbol]


# Shapes in a box of side 2 around the origin: Vega takes them as they are, the legend too.
SYMBOLS: dict[str, str] = {
    "circle": "M-.9,0A.9,.9 0 1 0 .9,0A.9,.9 0 1 0 -.9,0Z",
    "square": "M-.8,-.8H.8V.8H-.8Z",
    "diamond": "M0,-1.15L1.15,0L0,1.15L-1.15,0Z",
    "cross": "M-.3,-1H.3V-.3H1V.3H.3V1H-.3V.3H-1V-.3H-.3Z",
    "saltire": (
        "M-.95,-.5L-.5,-.95L0,-.45L.5,-.95L.95,-.5L.45,0"
        "L.95,.5L.5,.95L0,.45L-.5,.95L-.95,.5L-.45,0Z"
    ),
    "up": "M0,-1.05L1.05,.8H-1.05Z",
    "down": "M0,1.05L1.05,-.8H-1.05Z",
    "right": "M1.05,0L-.8,1.05V-1.05Z",
    "left": "M-1.05,0L.8,1.05V-1.05Z",
    "bar": "M-1.1,-.4H1.1V.4H-1.1Z",
    "pillar": "M-.4,-1.1H.4V1.1H-.4Z",
    "star": "M0,-1.2L.3,-.4L1.15,-.35L.5,.2L.7,1L0,.55L-.7,1L-.5,.2L-1.15,-.35L-.3,-.4Z",
    "hourglass": "M-1,-1H1L-1,1H1Z",
    "plus": "M-.18,-1.1H.18V-.18H1.1V.18H.18V1.1H-.18V.18H-1.1V-.18H-.18Z",
    "bowtie": "M-1,-1V1L1,-1V1Z",
    "house": "M0,-1.1L1,-.2V1H-1V-.2Z",
    "boat": "M-1,-.3H1L.5,.9H-.5Z",
    "tie": "M-.5,-1.1H.5L.2,0L.5,1.1H-.5L-.2,0Z",
    "kite": "M0,-1.2L.7,-.3L0,1.2L-.7,-.3Z",
    "hexagon": "M-.55,-.95H.55L1.1,0L.55,.95H-.55L-1.1,0Z",
}

SOLID: tuple[int, ...] = ()
LONG, SHORT, DOTS, MIXED = (9, 4), (5, 3), (2, 3), (9, 3, 2, 3)

STYLES: tuple[Style, ...] = (
    # name, label, letters, slot, light, dark, dash, symbol: in the order of every legend
    Style("manual", "manual", "Ma", "manual", "#1b1b1b", "#f4f4f4", SOLID, "diamond"),
    Style("forward", "forward", "Fo", "forward", "#0f84c8", "#6cc7ff", SOLID, "right"),
    Style("reverse", "reverse", "Re", "reverse", "#0b3fa8", "#86a4ff", SOLID, "left"),
    *(
        Style(
            f"reverse_checkpointed[slots={slots}]",
            f"checkpointed ({slots})",
            f"K{slots[0]}",
            f"checkpointed{slots}",
            light,
            dark,
            SHORT,
            symbol,
        )
        for slots, light, dark, symbol in (
            ("4", "#1f6f8b", "#7cc7e0", "bowtie"),
            ("32", "#35607a", "#a9c9dd", "cross"),
            ("256", "#4a5f9e", "#b3c0f2", "pillar"),
        )
    ),
    Style(
        "compiled_forward",
        "compiled forward",
        "Cf",
        "cforward",
        "#3b6fd4",
        "#9cc3ff",
        LONG,
        "house",
    ),
    Style(
        "compiled_reverse", "compiled reverse", "Cr", "creverse", "#1b1f8a", "#b39dff", LONG, "kite"
    ),
    Style("sparse_forward", "sparse forward", "Sf", "sforward", "#00639c", "#7fd4ff", DOTS, "boat"),
    Style("sparse_reverse", "sparse reverse", "Sr", "sreverse", "#5a3fc0", "#c3b1ff", DOTS, "tie"),
    Style("casadi", "casadi", "Ca", "casadi", "#8f1d1d", "#ff8a80", MIXED, "plus"),
    Style("autograd", "autograd", "Au", "autograd", "#00785c", "#33d6a6", LONG, "circle"),
    Style(
        "jax[mode=forward]",
        "jax (forward)",
        "Jf",
        "jaxf",
        "#7c7a00",
        "#d8d24a",
        SHORT,
        "hourglass",
    ),
    Style(
        "jax[mode=reverse]", "jax (reverse)", "Jr", "jaxr", "#5c5a00", "#b7b13c", SOLID, "hexagon"
    ),
    Style(
        "symbolic[cse=no]", "symbolic (tree)", "Sy", "symno", "#7a2fa0", "#cf9bf0", LONG, "square"
    ),
    Style("symbolic[cse=yes]", "symbolic (cse)", "Sc", "symyes", "#7a2fa0", "#cf9bf0", DOTS, "bar"),
    Style("complex_step", "complex step", "Cs", "complex", "#c2387c", "#ff9ccb", MIXED, "star"),
    Style(
        "finite_difference[scheme=central]",
        "differences (central)",
        "Dc",
        "central",
        "#a86a00",
        "#ffb938",
        SHORT,
        "down",
    ),
    Style(
        "finite_difference[scheme=forward]",
        "differences (forward)",
        "Df",
        "fdforward",
        "#cf4a00",
        "#ff8a4c",
        DOTS,
        "up",
    ),
    Style("zero", "zero (control)", "Ze", "zero", "#767676", "#9a9a9a", DOTS, "saltire"),
)
SPARE: tuple[Style, ...] = (
    Style("", "", "", "spare0", "#00727f", "#41cfdf", MIXED, "cross"),
    Style("", "", "", "spare1", "#8a3b22", "#e79a80", LONG, "pillar"),
    Style("", "", "", "spare2", "#4c7a1d", "#9bd35f", SHORT, "star"),
    Style("", "", "", "spare3", "#5d5f8f", "#b4b6ef", DOTS, "cross"),
    Style("", "", "", "spare4", "#a3263b", "#ff8fa0", MIXED, "pillar"),
    Style("", "", "", "spare5", "#4a5a64", "#b6c8d3", LONG, "bar"),
)
KNOWN = {style.name: style for style in STYLES}
_RUN: ContextVar[Callable[[], set[str]]] = ContextVar("names of the run", default=set)

SERIES: tuple[Style, ...] = (
    # the six representations of an expression: no methods, so with looks of their own
    Style("string_length", "characters of the tree", "", "s0", "#7a2fa0", "#cf9bf0", LONG, "bar"),
    Style("tree_ops", "tree operations", "", "s1", "#c2387c", "#ff9ccb", SOLID, "square"),
    Style("cse_ops", "after shared subexpressions", "", "s2", "#a86a00", "#ffb938", SHORT, "down"),
    Style("dag_nodes", "unique nodes", "", "s3", "#00785c", "#33d6a6", LONG, "circle"),
    Style("jaxpr_eqns", "jaxpr equations", "", "s4", "#5c5a00", "#b7b13c", DOTS, "hexagon"),
    Style("graph_ops", "graph operations (reverse)", "", "s5", "#0b3fa8", "#86a4ff", SOLID, "left"),
)


@contextmanager
def one_run(names: Callable[[], set[str]]) -> Iterator[None]:
    """Within it the spare looks are shared out among these methods, whichever are asked for.

    They are looked up where a look is needed that the table has not.
    """
    token = _RUN.set(cache(names))
    try:
        yield
    finally:
        _RUN.reset(token)


def style_of(names: Iterable[str]) -> dict[str, Style]:
    """The look of each method, in the order of every legend; the same for the same set of names."""
    asked = set(names)
    unknown = sorted((asked | _RUN.get()()) - set(KNOWN)) if asked - set(KNOWN) else []
    looks = {style.name: style for style in STYLES if style.name in asked}
    return looks | {name: _spare(i, name) for i, name in enumerate(unknown) if name in asked}


def _spare(i: int, name: str) -> Style:
    """Colours come again after the last, with the dash and symbol of another."""
    turn, place = divmod(i, len(SPARE))
    lines = SPARE[(place + turn) % len(SPARE)]
    return replace(
        SPARE[place],
        name=name,
        label=name,
        letters=f"{i + 1}{name[:1].upper()}",  # those of the table begin with a letter
        dash=lines.dash,
        symbol=lines.symbol,
    )


def ordered(names: Iterable[str]) -> list[str]:
    """Method names in the order of every legend."""
    return list(style_of(names))


def label(name: str) -> str:
    """What a legend and a table call a method."""
    return KNOWN[name].label if name in KNOWN else name


def css() -> Mapping[str, str]:
    """The declarations of all series' colours, ``light`` and ``dark``."""
    every = (*STYLES, *SPARE, *SERIES)
    return {
        shade: "".join(f"--c-{s.slot}:{getattr(s, shade)};" for s in every)
        for shade in ("light", "dark")
    }
