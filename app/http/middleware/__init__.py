"""What surrounds every request: one concern a file, pure ASGI."""
