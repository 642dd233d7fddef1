"""Methods under two names, and pairs whose work differs by exactly one part in twenty."""

from diffbench.method import Kernel
from diffbench.methods.autograd import Autograd
from diffbench.methods.finite_difference import FiniteDifference
from diffbench.methods.forward import Forward
from diffbench.methods.manual import Manual
from diffbench.methods.reverse import Reverse
from diffbench.methods.symbolic import Symbolic

TWINS = (Autograd, FiniteDifference, Forward, Manual, Reverse, Symbolic)
REPEATED = (Manual, Reverse)
SLOTS = ("__dict__", "__weakref__")  # every class makes its own


def repeated(base, times):
    """The same answer from so many equal calls."""

    def build(self, instance, operator):
        kernel = base.build(self, instance, operator)

        def call(*args):
            for _ in range(times):
                out = kernel.call(*args)
            return out

        return Kernel(call, kernel.stage, kernel.collect)

    return build


def named(base, end, build):
    """A class of its own, as the registry wants it."""
    own = {key: value for key, value in vars(base).items() if key not in SLOTS}
    name = f"{base.name}_{end}"
    return type(name, (), {**own, "name": name, "__module__": __name__, "build": build})


METHODS = [named(base, "twin", base.build) for base in TWINS]
METHODS += [named(base, times, repeated(base, times)) for base in REPEATED for times in (20, 21)]
globals().update({kind.name: kind for kind in METHODS})
