"""Recent activity: the security events of an account, shown to its owner."""
