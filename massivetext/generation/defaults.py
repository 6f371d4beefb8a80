"""Default sampling settings of commands and recipes. No imports: the command line loads this module."""

TEMPERATURE = 0.7
TOP_P = 0.95
