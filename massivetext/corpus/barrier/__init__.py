"""Steps that need all documents at once. `order.py` lists the judges; each reads the census and yields verdicts."""
