"""`python -m mlefit`."""

from mlefit.cli import main

main()
