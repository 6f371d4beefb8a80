"""What stands on a body: the heads, each written once."""
