"""Why a model says what it says: attention maps, logit lens, token attribution, and a page that shows them."""
