"""Read input files: each format has a reader that yields records. `records.py` holds what the readers share."""
