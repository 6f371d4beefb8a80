"""`python -m massivetext` is the command line."""

from massivetext.cli import main

main()
