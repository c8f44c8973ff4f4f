"""The HTTP protocol of the server, which extends uvicorn's own.

uvicorn has no option for what a public service needs: a time limit for a head and for a client that does not
read, a limit on headers, and problems instead of its plain-text 400. So ``BoundedProtocol`` overrides its
httptools protocol, which is no public interface. Three fences keep that safe:

- no other package imports ``uvicorn.protocols`` or ``httptools`` (import-linter and ruff);
- the requirements pin uvicorn to a minor version;
- ``tests/server/test_uvicorn_internals.py`` holds the shape that is extended.
"""
