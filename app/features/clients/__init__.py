"""Service clients: other services that prove who they are, get access tokens, and ask about tokens."""
