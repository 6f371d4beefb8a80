"""Tokenizers (training and loading), token stores built from a corpus, mixtures of sources, and the training order."""
