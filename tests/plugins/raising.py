"""Families whose functions raise, each in one manner."""

import numpy as np

from diffbench.problem import Family, Parameter, Parts


def family(name, f):
    def build(params, rng):
        ones = np.ones(params["n"])
        return Parts(f=f, x=ones, prepare_x=2.0 * ones, answers={"gradient": np.cos})

    return Family(
        name=name,
        title="What raises",
        shows="an error that is told in a line",
        reference="none",
        latex="f",
        parameters={"n": Parameter(2, "inputs", minimum=1)},
        sizes={"quick": "n=2", "standard": "n=2", "full": "n=2"},
        build=build,
    )


RAISES = family("raises", lambda x, xp: 1 / 0)
MISSPELT = family("misspelt", lambda x, xp: xp.sum(xp.sine(x)))
BEYOND = family("beyond", lambda x, xp: np.sum(np.sin(x)))
