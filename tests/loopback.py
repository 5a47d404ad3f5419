"""A server on loopback that answers as the surveys' archives do, and fails when a test tells it to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked: path without the query, query fields, form or multipart body."""

    path: str
    query: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the server sends.

    `delay` seconds pass before; `cut` bytes of the body are sent and then the connection is dropped, while the header
    promises them all; `reset` sends nothing but a TCP reset.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    reset: bool = False


Handler = Callable[[Request], Answer]
# A fault makes an answer of the good one: ``lambda good: Answer(status=503)``.
Fault = Callable[[Answer], Answer]


def status(code: int, **headers: str) -> Fault:
    return lambda good: Answer(b"the service is unavailable", code, "text/plain", headers)


def html_page(good: Answer) -> Answer:
    return Answer(b"<html><head><title>Error</title></head><body>Maintenance</body></html>", 200, "text/html")


def throttled(good: Answer) -> Answer:
    return Answer(b"Maximum 60 queries allowed per minute. Rejected query: please try again.\n", 200, "text/plain")


def stalled(seconds: float) -> Fault:
    return lambda good: replace(good, delay=seconds)


def connection_reset(good: Answer) -> Answer:
    return Answer(reset=True)


def cut_short(n_bytes: int) -> Fault:
    """The connection drops after so many bytes of a body whose whole length was promised."""
    return lambda good: replace(good, cut=n_bytes)


def truncated(n_bytes: int) -> Fault:
    """A shorter body, whose length is given as if it were whole: nothing but the content tells."""
    return lambda good: replace(good, body=good.body[:n_bytes])


def body(content: bytes, content_type: str = "text/plain") -> Fault:
    return lambda good: Answer(content, 200, content_type)


class Loopback:
    """Routes by the longest matching prefix of the path; `faults[prefix]` are used up one by one, then all is well.

    Attributes
    ----------
    url : str
        ``http://127.0.0.1:port``.
    requests : list of Request
        All that were received, the failed ones too.
    """

    def __init__(self) -> None:
        self.routes: dict[str, Handler] = {}
        self.faults: dict[str, deque[Fault | None]] = {}
        self.requests: list[Request] = []
        self.times: list[float] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, prefix: str, *faults: Fault | None) -> None:
        """The next answers under `prefix` suffer these faults, one each; None lets one pass."""
        with self._lock:
            self.faults.setdefault(prefix, deque()).extend(faults)

    def count(self, prefix: str) -> int:
        """How many requests were received under a prefix."""
        return sum(request.path.startswith(prefix) for request in self.requests)

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            self.times.append(time.monotonic())
            prefixes = [prefix for prefix in self.routes if request.path.startswith(prefix)]
            waiting = [prefix for prefix in self.faults if request.path.startswith(prefix) and self.faults[prefix]]
            fault = self.faults[max(waiting, key=len)].popleft() if waiting else None
        if not prefixes:
            return Answer(b"not found", 404, "text/plain")
        good = self.routes[max(prefixes, key=len)](request)
        return good if fault is None else fault(good)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handle(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _serve(self, content: bytes) -> None:
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
                found = loopback.answer(Request(parts.path, query, content, dict(self.headers.items())))
                if found.delay:
                    time.sleep(found.delay)
                if found.reset:
                    # Closing with the lingering time at zero sends RST.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                try:
                    self.send_response(found.status)
                    self.send_header("Content-Type", found.content_type)
                    self.send_header("Content-Length", str(len(found.body)))
                    for name, value in found.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(found.body if found.cut is None else found.body[: found.cut])
                except OSError:  # the client gave up
                    pass
                if found.cut is not None:
                    self.close_connection = True

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handle


@contextmanager
def serving() -> Iterator[Loopback]:
    """A server that runs while the block does."""
    loopback = Loopback()
    thread = threading.Thread(target=loopback._server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        loopback._server.shutdown()
        loopback._server.server_close()
        thread.join()
