"""The label of a token that nothing is to be predicted of."""

IGNORED_LABEL = -100
"""As in Hugging Face and PyTorch: losses leave such tokens out."""
