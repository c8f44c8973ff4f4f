"""The operator's commands, and what ``serve`` runs."""
