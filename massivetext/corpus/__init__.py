"""Build a corpus: read, measure, edit, filter, deduplicate and split documents, and write clean Parquet."""
