"""``diffbench serve``: the report of a run on this machine's own address, as records arrive."""
