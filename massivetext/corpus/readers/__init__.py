"""One reader for each format: files in, a stream of records out; see `records.py` for what they share."""
