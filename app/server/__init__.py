"""The server: a parent, its workers, and the HTTP protocol, which extends uvicorn's own.

``supervisor`` is the parent and ``worker`` a worker. With uvicorn's own supervisor, every process acts on
every signal, workers outlive a parent that is killed, and a single worker has no parent.

uvicorn's protocol has no option for what a public service needs: limits on the number of connections, on the
time of a head, on a client that does not read, on headers, and problems instead of plain text. So
``BoundedProtocol`` and ``BoundedWebSocket`` override its protocols, which are no public interface. Three
fences keep that safe:

- no other package imports ``uvicorn.protocols`` or ``httptools`` (import-linter and ruff);
- the requirements pin uvicorn to a minor version;
- ``tests/server/test_uvicorn_internals.py`` holds the shape that is extended.
"""
