"""Optimisers, schedules, the loop, checkpoints, Trainer."""
