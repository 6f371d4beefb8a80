"""How commands and recipes draw tokens unless they are asked otherwise. No imports: the command line loads this."""

TEMPERATURE = 0.7
TOP_P = 0.95
