"""Training: optimisers, schedules, the training loop, checkpoints and `Trainer`."""
