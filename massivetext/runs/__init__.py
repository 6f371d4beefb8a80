"""Runs of recipes: stages, the run folder, checks before and after a run, and takedowns."""
