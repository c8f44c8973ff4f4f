"""The server's HTTP protocol, which leans on internals of uvicorn."""
