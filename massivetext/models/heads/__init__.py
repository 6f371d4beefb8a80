"""Heads on top of a body, one implementation each for all families."""
