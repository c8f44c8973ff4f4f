"""The path below which a proxy passes requests on."""

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Removes ``root_path`` from the path of a request, so that everything after it sees the routed path.

    A path outside of it is served as it is: probes ask the process itself, and the metadata of an issuer with
    a path is outside of that path (RFC 8414 section 3.1).
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._root_path and scope["type"] == "http":
            path = f"{scope['path']}/"
            if path.startswith(f"{self._root_path}/"):
                scope = {**scope, "path": scope["path"].removeprefix(self._root_path) or "/"}
        await self._app(scope, receive, send)
