"""One file per model family, and the table of them."""
