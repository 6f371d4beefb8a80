"""Train a vocabulary, load one, turn a corpus into a token store; mixtures and the order of training."""
