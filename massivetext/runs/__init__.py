"""Runs of recipes: the stages, the run folder, the checks before and after, takedowns."""
