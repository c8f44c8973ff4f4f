"""Middleware: one concern a file, pure ASGI."""
