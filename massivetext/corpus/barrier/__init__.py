"""What needs all documents at once: duplicates, repeated lines, contamination; the census of all rows and the index."""
