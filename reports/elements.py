"""Elements of SVG and MathML, built from parts and escaped as they are written."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, tostring

__all__ = ["Element", "element", "markup", "subscripts"]

INDEX = re.compile("([vx][\u0307\u0304]?)(-?[0-9]+)")  # v-1, v with a dot or a bar and its index
SUBSCRIPTS = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")


def element(tag: str, *children: Element | str, **attributes: object) -> Element:
    """An element; an attribute ``class_`` is class, ``stroke_width`` is stroke-width."""
    made = Element(tag, {k.rstrip("_").replace("_", "-"): str(v) for k, v in attributes.items()})
    for child in children:
        if isinstance(child, str):
            made.text = child
        else:
            made.append(child)
    return made


def markup(root: Element) -> str:
    """The element as text that stands in HTML; all text in it is escaped."""
    return tostring(root, encoding="unicode")


def subscripts(text: str) -> str:
    """Indices as subscripts and a sign of multiplication; a CSV keeps the text as it came."""
    lowered = INDEX.sub(lambda found: found[1] + found[2].translate(SUBSCRIPTS), text)
    return lowered.replace(" * ", " × ")
