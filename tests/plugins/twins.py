"""Every engine under two names, and pairs whose work differs by exactly one part in twenty."""

from diffbench.method import Kernel
from diffbench.methods.autograd import Autograd
from diffbench.methods.compiled_reverse import CompiledReverse
from diffbench.methods.forward import Forward
from diffbench.methods.manual import Manual
from diffbench.methods.reverse import Reverse

SLOTS = ("__dict__", "__weakref__")  # every class makes its own
BASES = (Autograd, CompiledReverse, Forward, Manual, Reverse)


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


def named(base, name, build):
    """A class of its own, as the registry wants it."""
    own = {key: value for key, value in vars(base).items() if key not in SLOTS}
    return type(name, (), {**own, "name": name, "__module__": __name__, "build": build})


for base in BASES:
    for name, build in (
        (f"{base.name}_twin", base.build),
        (f"{base.name}_20", repeated(base, 20)),
        (f"{base.name}_21", repeated(base, 21)),
    ):
        globals()[name] = named(base, name, build)
del base
