"""``python -m diffbench.cli``."""

from diffbench.cli import main

main()
