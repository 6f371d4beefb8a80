"""Model folders and GGUF files: reading, writing, digests, names of tensors."""
