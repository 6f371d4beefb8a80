"""Characters, words, sentences and lines of English and Chinese text, and the kernels that find and count them."""
