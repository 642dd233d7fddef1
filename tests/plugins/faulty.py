"""Two families whose hand-written gradient is wrong; one of them says so, and why."""

import numpy as np

from diffbench.problem import Family, Parameter, Parts


def f(x, xp):
    return xp.sum(x * x)


def family(name, expected):
    return Family(
        name=name,
        title="Sum of squares",
        shows="what a wrong derivative does to a run",
        reference="none",
        latex=r"\sum_i x_i^2",
        parameters={"n": Parameter(2, "inputs", minimum=1)},
        sizes={"quick": "n=2", "standard": "n=2", "full": "n=2"},
        build=lambda params, rng: Parts(
            f=f,
            x=np.linspace(1.0, 2.0, params["n"]),
            prepare_x=np.linspace(1.5, 2.5, params["n"]),
            answers={"gradient": lambda x: 4.0 * x},
        ),
        expected=expected,
    )


FAULTY = family("faulty", {})
EXCUSED = family("excused", {"gradient": "it is wrong by a factor of two, to show what that does"})
