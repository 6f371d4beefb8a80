"""The pipelines: one class per task."""
