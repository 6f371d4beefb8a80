"""Runs the command line: `python -m massivetext`."""

from massivetext.cli import main

main()
