"""Use cases, one class each, without a web framework or SQL."""
