"""A request head that does not end is cut off, before it takes the server's memory."""

import socket

import pytest

from app.http.protocol import LONGEST_HEAD
from tests.servers import Service


def send_without_end(connection: socket.socket) -> None:
    """Send a head of 64 times the cap, and then wait for whatever comes: an end, or the time-out."""
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
    for _ in range(64 * LONGEST_HEAD // 8192):
        connection.sendall(b"X-Y: abc\r\n" * 820)
    if connection.recv(1) == b"":
        raise ConnectionResetError


def test_a_head_that_never_ends_is_cut(service: Service) -> None:
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection,
        pytest.raises(ConnectionError),
    ):
        send_without_end(connection)
