"""Explain a model's predictions: attention maps, logit lens, token attribution, and a page that shows them."""
