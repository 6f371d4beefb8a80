"""Scores of models: their format, the declared metrics and systems, and tables of scores."""
