"""The commands that measure nothing: ``list``, ``show`` and ``trace``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from diffbench.cli.options import PROFILES, Whole, existing, plugin_option, table
from diffbench.errors import BadSize, DiffbenchError, blamed

if TYPE_CHECKING:
    from diffbench.problem import Instance
    from diffbench.registry import Registry

__all__ = ["list_", "show", "trace"]

KINDS = ("problems", "methods", "operators", "studies", "pages")
DIGITS = ".15g"
MOST_SIDE = 2048  # of a Hessian that is made for its diagonal


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@plugin_option
def list_(kind: str, plugins: tuple[str, ...]) -> None:
    """List what there is, with the plugins that were refused and why."""
    from diffbench.registry import discover

    needed = (kind,) if kind != "operators" else ("methods",)
    registry = discover(existing(plugins), needed)
    table(ROWS[kind](registry))
    for name, reason in registry.broken.items():
        click.echo(f"refused: {name}: {' '.join(reason.split())}")


def _problem_rows(registry: Registry) -> Iterable[Sequence[str]]:
    for family in registry.families.values():
        yield family.name, family.sizes["standard"], f"{family.title} – {family.shows}"


def _method_rows(registry: Registry) -> Iterable[Sequence[str]]:
    from diffbench.method import variant_name

    for method in registry.methods():
        yield variant_name(method), method.category, f"{method.title}; {method.cost}"


def _operator_rows(registry: Registry) -> Iterable[Sequence[str]]:
    from diffbench.operators import OPERATORS

    for row in OPERATORS.values():
        of = "scalar f" if row.scalar_only else "every f"
        native = [k.name for k in registry.method_types.values() if row.name in k.native]
        yield row.name, f"order {row.order}, {of}", f"native: {', '.join(native)}"


ROWS: dict[str, Callable[[Registry], Iterable[Sequence[str]]]] = {
    "problems": _problem_rows,
    "methods": _method_rows,
    "operators": _operator_rows,
    "studies": lambda r: [(s.name, s.title) for s in r.studies.values()],
    "pages": lambda r: [(p.name, p.title) for p in r.pages.values()],
}


@click.command()
@click.argument("selection")
@click.option("--profile", type=click.Choice(PROFILES), default="quick", help="Sizes left out.")
@click.option("--seed", type=Whole(min=0), default=0)
@plugin_option
def show(selection: str, profile: str, seed: int, plugins: tuple[str, ...]) -> None:
    """Show the instances of SELECTION: formula, sizes, value and norms of the derivative."""
    from diffbench.registry import discover

    registry = discover(existing(plugins), ("problems",)).sound()
    with blamed(selection):
        found = registry.instances(selection, profile, seed)
    for made in found:
        with blamed(f"f of {made.name}"):
            numbers = list(_numbers(made))
        family = registry.family(made.family)
        click.echo(f"{made.name}: {family.title}\n  {family.latex}")
        click.echo(f"  n = {made.n}, m = {made.m}, depth = {made.depth}, seed = {made.seed}")
        for name, number in numbers:
            click.echo(f"  {name} = {number:{DIGITS}}")


def _numbers(made: Instance) -> Iterable[tuple[str, float]]:
    """The value (its norm for several outputs), the first derivative's norms, a sparse Hessian's.

    ``|a|`` is the Euclidean norm (Frobenius for a matrix), ``max|a|`` the largest entry's size.
    """
    import numpy as np

    value = made.value()
    yield (
        ("f(x)" if made.scalar else "|f(x)|"),
        float(value if made.scalar else np.linalg.norm(value)),
    )
    name = "gradient" if made.scalar else "jacobian"
    found = _derivative(made, name)
    yield f"|{name}|", float(np.linalg.norm(found))
    yield f"max|{name}|", float(np.max(np.abs(found)))
    if "hessian" in made.sparse and made.n <= MOST_SIDE:
        yield (
            "|diagonal of the hessian|",
            float(np.linalg.norm(np.diag(_derivative(made, "hessian")))),
        )


def _derivative(made: Instance, name: str) -> Any:
    """By hand, or in-house where the family wrote none."""
    from diffbench import ad

    derive = {"gradient": ad.grad, "jacobian": ad.jacobian, "hessian": ad.hessian}[name]
    written = name in made.answers
    return made.answer(name) if written else derive(made.f)(made.x, *made.constants)


@click.command()
@click.argument("selection", metavar="FAMILY")
@click.option("--at", help="The point, as 2,5; the family's own if not given.")
@click.option("--mode", type=click.Choice(("forward", "reverse")), required=True)
@click.option("--digits", type=click.Choice(("3", "17", "hex")), default="17", show_default=True)
@click.option(
    "--format",
    "layout",
    type=click.Choice(("text", "markdown", "latex", "csv")),
    default="text",
    show_default=True,
)
@plugin_option
def trace(
    selection: str, at: str | None, mode: str, digits: str, layout: str, plugins: tuple[str, ...]
) -> None:
    """Print the evaluation trace of FAMILY with its tangents or adjoints, line by line.

    It may have a size, as 'lecture[n=4]'; a table holds up to 400 operations.
    """
    from diffbench.registry import discover
    from diffbench.traces import render, undefined

    registry = discover(existing(plugins), ("problems",)).sound()
    point = None if at is None else _point(at)
    with blamed(selection):
        made = _placed(registry, selection, point)
        try:
            text = render(made, mode, digits, layout)
        except BadSize as error:
            raise BadSize(f"{error}{_shorter(registry, made.family)}") from error
        note = undefined(made, digits)
    click.echo(text)
    if note:
        click.echo(note, err=True)


def _shorter(registry: Registry, family: str) -> str:
    """The smallest size of the quick profile, where its trace is short enough."""
    from diffbench.traces import rows

    made = registry.instances(family, "quick")[0]
    try:
        rows(made, "reverse")
    except BadSize:
        return ""
    return f", as {made.name!r}"


def _point(text: str) -> list[float]:
    import math

    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)):
        raise click.BadParameter(f"{text!r} is no point; write numbers as 2,5", param_hint="--at")
    return found


def _placed(registry: Registry, selection: str, point: list[float] | None) -> Instance:
    """The one instance of a selection, at another point if one is given."""
    from dataclasses import replace

    import numpy as np

    from diffbench.problem import canonical
    from diffbench.selection import parse

    choices = parse(selection)
    names = [choice.name for choice in choices]
    if len(choices) != 1 or names == ["all"]:
        raise DiffbenchError(f"trace takes one family, got {selection!r}; try lecture")
    family = registry.family(names[0])
    (given, *more) = choices[0].points()
    if more:
        raise DiffbenchError(
            f"trace takes one size, got {selection!r}; give one number a parameter"
        )
    if point is not None and "n" in family.parameters and "n" not in given:
        given = {**given, "n": len(point)}
    made = family.instance(given)
    if point is None:
        return made
    if made.n != len(point):
        raise BadSize(
            f"{canonical(family.name, made.params)} has n = {made.n}, but --at gives "
            f"{len(point)} numbers"
        )
    return replace(made, x=np.array(point))
