"""Scores: what one is, how each metric and system is declared, how they are put into tables."""
