"""Status lists, by which other services learn that a session has ended (draft-ietf-oauth-status-list)."""
