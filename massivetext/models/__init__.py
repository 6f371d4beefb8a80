"""One file per model family; the Auto classes; reading and writing model folders."""
