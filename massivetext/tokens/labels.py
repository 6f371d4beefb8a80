"""The label of positions without a prediction target."""

IGNORED_LABEL = -100
"""The same value as in Hugging Face and PyTorch; losses ignore such positions."""
