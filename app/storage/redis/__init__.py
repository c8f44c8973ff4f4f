"""The index of revocations and the counters of failures, both in Redis."""
