"""Read, measure, edit, decide, deduplicate, split: documents in, clean Parquet out."""
