"""From an evaluation trace to machine code.

``program`` simplifies a trace, ``layout`` decides what stands in memory, ``nests`` writes loops
in LLVM's language, ``blas`` and ``vector`` know what libraries and we ourselves compute,
``entry`` makes the callable that Python sees.
"""
