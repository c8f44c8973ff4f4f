"""The issuer's side of the revocation feed."""

import json
from queue import Queue
from typing import Any

from conformance.issuer import FEED, TOKEN, Issuer, Request, body
from conformance.minting import Mint
from testing.clock import eventually
from testing.lists import Lists
from watchword_verifier import Verifier

END = object()


class Stream:
    """The issuer's side of the feed: what is put here goes to the one listener."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._pieces: Queue[Any] = Queue()
        issuer.behaviours[FEED] = self._serve
        issuer.behaviours[TOKEN] = body(
            b'{"access_token":"a.b.c","token_type":"Bearer","expires_in":900,"scope":"revocations:read"}'
        )

    def send(self, text: str) -> None:
        self._pieces.put(text.encode())

    def event(self, name: str, data: object, number: int = 1) -> None:
        self.send(f"id: e.{number}\nevent: {name}\ndata: {json.dumps(data)}\n\n")

    def end(self) -> None:
        self._pieces.put(END)

    def _serve(self, request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        while (piece := self._pieces.get()) is not END:
            request.wfile.write(piece)
            request.wfile.flush()


def live(verifier: Verifier, stream: Stream) -> None:
    stream.event("ready", {}, 0)
    verifier.start()
    eventually(lambda: verifier.health().feed_is_live)


def revoked(mint: Mint, lists: Lists, index: int = 3, sid: str | None = None) -> dict[str, object]:
    status = {"idx": index, "uri": lists.uri}
    return {"sid": sid or mint.claims["sid"], "sub": "x", "status": status, "exp": int(mint.now()) + 960}
