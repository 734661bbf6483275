"""`python -m bregman` is the command `bregman`."""

from ._command import main

main()
