"""Features: a folder each, with a file for each layer; the core imports none of them."""
