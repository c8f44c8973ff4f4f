"""The revocation feed: service clients are told of revocations as they happen."""
