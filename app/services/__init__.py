"""Use cases, one class each: no framework, no SQL."""
