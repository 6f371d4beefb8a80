"""What needs all documents at once. `order.py` lists who decides; each reads the census and yields verdicts."""
