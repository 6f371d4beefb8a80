"""What a character, word, sentence and line is, in English and Chinese, and the kernels that apply it."""
