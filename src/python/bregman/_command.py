"""The command `bregman`."""

import signal
import sys

from ._native import run_command


def main():
    """Runs the command line in `sys.argv`, and ends with its exit code."""
    # The engine's own answer to Ctrl-C takes the place of Python's, which would wait for the engine.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_command(["bregman", *sys.argv[1:]]))
