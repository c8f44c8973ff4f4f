"""The use cases of an operator."""
