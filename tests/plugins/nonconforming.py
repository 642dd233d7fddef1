"""A family and a method that hold all that they must, and others that each fail in one manner."""

import itertools
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np

from diffbench.ad.namespace import NUMPY
from diffbench.method import Kernel
from diffbench.page import Page
from diffbench.problem import Family, Parameter, Parts
from diffbench.reports.sections import Text
from diffbench.study import Study, StudyRow

COUNTER = itertools.count()
WEIGHTS = np.array([1.0, 2.0])


def f(x, xp, c):
    return xp.sum(xp.sin(c * x) * x)


def gradient(x, c):
    return np.sin(c * x) + c * x * np.cos(c * x)


def parts(params, rng):
    n = params["n"]
    return Parts(
        f=f,
        x=rng.uniform(0.5, 1.0, n),
        prepare_x=rng.uniform(1.0, 1.5, n),
        constants=(rng.uniform(1.0, 2.0, n),),
        answers={"gradient": gradient},
    )


def family(name, build=parts, **changes):
    kept = {
        "title": "Modulated waves",
        "shows": "what holds, and what does not",
        "reference": "none",
        "latex": r"\sum_i x_i \sin(c_i x_i)",
        "parameters": {"n": Parameter(2, "inputs", minimum=1)},
        "sizes": {"quick": "n=2", "standard": "n=2", "full": "n=2"},
    }
    return Family(name=name, build=build, **{**kept, **changes})


def other(name, **changes):
    """The good family with parts changed; a function is given them and the generator."""

    def build(params, rng):
        made = parts(params, rng)
        new = {k: v(made, rng) for k, v in changes.items()}
        return replace(made, **new)

    return family(name, build)


def answer(change):
    return lambda made, rng: {"gradient": change}


def scribbling(x, xp, c):
    y = f(x, xp, c)
    if xp is NUMPY and x.flags.writeable:
        x[0] = 0.0
    return y


def single(x, xp, c):
    return xp.sum(xp.sin(c * x) * x).astype("float32") if xp is NUMPY else f(x, xp, c)


def closing(made, rng):
    (c,) = made.constants
    return lambda x, xp, _: f(x, xp, c)


def drifting(made, rng):
    (c,) = made.constants
    return {"gradient": lambda x, _: gradient(x, c)}


GOOD = family("good")
SHAPE = other("wrong_shape", answers=answer(lambda x, c: gradient(x, c)[None, :]))
OFF = other("off_by_a_millionth", answers=answer(lambda x, c: (1 + 1e-6) * gradient(x, c)))
STALE = other("stale", prepare_x=lambda made, rng: made.x)
TWICE = other("twice", x=lambda made, rng: np.ones(2))
SCRIBBLES = other("scribbles", f=lambda made, rng: scribbling)
SINGLE = other("single", f=lambda made, rng: single)
SINGLE_X = other("single_x", x=lambda made, rng: made.x.astype("float32"))
CLOSES = other("closes", f=closing)
GLOBAL = other("global", f=lambda made, rng: lambda x, xp, c: xp.sum(WEIGHTS * c * x))
PARTIAL = other("partial", f=lambda made, rng: partial(lambda x, xp, c, w: f(x, xp, c), w=WEIGHTS))
DRIFTS = other("drifts", answers=drifting)
RANDOM = other("random", x=lambda made, rng: np.array([1.0, 2.0 + next(COUNTER)]))
FIXED = other("fixed", prepare_x=lambda made, rng: np.array([3.0, 4.0]))
BEYOND = other("beyond", f=lambda made, rng: lambda x, xp, c: np.sum(np.sin(c * x) * x))
MISSPELT = other("misspelt", f=lambda made, rng: lambda x, xp, c: xp.sum(xp.sine(c * x)))
NAN = other("nan", answers=answer(lambda x, c: x * np.nan))
LINEAR = other(
    "linear",
    f=lambda made, rng: lambda x, xp, c: xp.sum(c * x),
    answers=lambda made, rng: {"hessian": lambda x, c: np.zeros((x.size, x.size))},
)
RAISES = family("raises", lambda params, rng: 1 / 0)
LOOP = other(
    "loop",
    start=lambda made, rng: lambda x, xp, c: x,
    step=lambda made, rng: lambda state, xp, i, c: xp.sin(c * state) * state,
    finish=lambda made, rng: lambda state, xp, c: 2.0 * xp.sum(state),
)
ZERO = family("zero", zero=frozenset({"gradient"}))
OPERATOR = family("operator", sparse=frozenset({"hessain"}))
SILENT = family("silent", shows=" ", parameters={"n": Parameter(2, "")})
SIZES = family("no_sizes", sizes={"quick": "n=2", "full": "n=2"})
WORD = family("word", parameters={"n": Parameter("two", "number of inputs", minimum=1)})
IMPOSSIBLE = family("impossible", sizes={"quick": "n=2", "standard": "n=0", "full": "n=2"})


class Differences:
    """J v ~ (f(x + hv) - f(x - hv)) / 2h."""

    name = "differences"
    title = "Central differences"
    category = "numerical"
    claim = "approximate"
    cost = "2 calls of f"
    reference = "none"
    native = frozenset({"jvp"})
    nests = False
    parameters: ClassVar = {}
    requires: ClassVar = {}
    version = "1"
    h = 1e-6

    def why_not(self, instance, operator):
        return None

    def build(self, instance, operator):
        def call(x, v, constants):
            up, down = (instance.f(x + s * self.h * v, NUMPY, *constants) for s in (1, -1))
            return (up - down) / (2 * self.h)

        return Kernel(call, lambda x, v, constants: (x, v, constants))


def like(name, **changes):
    """A class of its own, as the registry wants it."""
    kept = {k: v for k, v in vars(Differences).items() if k not in ("__dict__", "__weakref__")}
    return type(name, (), {**kept, "name": name, "__module__": __name__, **changes})


def less(name, *attributes):
    """The good class without these."""
    kind = like(name)
    for attribute in attributes:
        delattr(kind, attribute)
    return kind


def build(change):
    """The good kernel with its call changed: ``change(call, instance)`` gives another."""

    def built(self, instance, operator):
        kernel = Differences.build(self, instance, operator)
        return replace(kernel, call=change(kernel.call, instance))

    return built


def frozen(call, instance):
    kept = instance.constants
    return lambda x, v, constants: call(x, v, kept)


def cached(call, instance):
    answers = []

    def first(x, v, constants):
        answers.append(call(x, v, constants))
        return answers[0]

    return first


def unlucky(x, v, constants):
    raise ArithmeticError("no luck")


def writing(call, instance):
    def written(x, v, constants):
        answer = call(x, v, constants)
        if v.flags.writeable:
            v *= 2.0
        return answer

    return written


METHODS = (
    LYING := like("lying", claim="exact"),
    COARSE := like("coarse", h=1.5),
    NARROW := like("narrow", build=build(lambda call, i: lambda *a: np.float32(call(*a)))),
    FROZEN := like("frozen", build=build(frozen)),
    CACHED := like("cached", build=build(cached)),
    WRITING := like("writing", build=build(writing)),
    CURT := like("curt", why_not=lambda self, instance, operator: "no"),
    UNABLE := like("unable", why_not=lambda self, i, o: "it has never learned to do this"),
    RAISING := like("raising", build=build(lambda call, i: unlucky)),
    NATIVE := like("native", native_for=lambda self, instance: {"jvp", "vjp"}),
    MUTE := like("mute", cost="", __doc__=None),
    NOTHING := like("nothing", parameters={"mode": ()}),
    HIDDEN := like("hidden", native=frozenset({"hvp"})),
    NAMELESS := less("nameless", "name"),
    UNSAID := less("unsaid", "native", "cost"),
    UNASKED := less("unasked", "why_not", "build"),
)


def page(name, render, title="A page", **more):
    return Page(name, title, 50, render, **more)


def told(*runs):
    return [Text(paragraphs=(f"{len(run.records)} records in {run.folder.name}",)) for run in runs]


PAGE = page("told", told)
BOTH = page("both", told, runs=2)
UNTITLED = page("untitled", told, title=" ")
THREE = page("three", told, runs=3)
TEXTS = page("texts", lambda run: [*told(run), "just text"])
NOTHING_MADE = page("nothing_made", lambda run: None)
BREAKS = page("breaks", lambda run: 1 / (len(run.records) - 14))
CANNOT_STAND = page("cannot_stand", lambda run: [Text(paragraphs=3)])
FRAGILE = page("fragile", lambda run: told(run)[: 1 + run.records["n"].iloc[0]])


def study(name, run, title="A study", **more):
    return Study(name, title, run, **more)


def row(name, key="one", value=1.0):
    return StudyRow(study=name, key=key, value=value)


STUDY = study(
    "all_ways",
    lambda: [row("all_ways")],
    each=lambda method: [row("all_ways", f"each|{method.name}")],
    over=lambda families, profile: [row("all_ways", f"{profile}|{f.name}") for f in families],
)
ANONYMOUS = study("anonymous", lambda: [row("anonymous")], title="")
BARREN = study("barren", lambda: [])
PAIRS = study("pairs", lambda: [("one", 1.0)])
ASTRAY = study("astray", lambda: [row("elsewhere")])
WORDY = study("wordy", lambda: [row("wordy", value="much")])
DOUBLE = study("double", lambda: [], each=lambda method: [row("double")])
AGAIN = study("again", lambda: [row("again")], over=lambda families, profile: [row("again")])
