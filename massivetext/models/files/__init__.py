"""Model folders and GGUF files: reading, writing, digests and tensor names."""
