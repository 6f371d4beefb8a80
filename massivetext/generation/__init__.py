"""Text generation: the decoding engine."""
