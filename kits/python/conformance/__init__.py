"""A conformance suite for verifiers: an issuer that misbehaves by order, and forged tokens."""
