"""A site on loopback that breaks every rule of HTTP, as it is told; written on raw sockets, since a library obeys.

A site has a script: for each path a list of behaviours, one for each request, the last one for ever. A behaviour is a
function that is given the line to the visitor. What is asked, when, and how many bytes left is remembered.

Belongs here: the server, its behaviours, and the way to it. Does not: what a crawler should make of them.
"""

import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from anipop_pipeline.stages.wire import DeadlineAdapter

HOST = "127.0.0.1"
BASE = "https://demo.invalid"
PAGE = b'<html><div id="contentWrapper"><h1>A page of an invented place</h1></div></html>'
ROBOTS = b"User-agent: *\nDisallow: /panel.php\n"
BUFFER = 2**16  # of sockets, so that what was sent is near to what was read
HTML = {"Content-Type": "text/html; charset=UTF-8"}
SERVED_BEFORE_CLOSING = 100


@dataclass
class Asked:
    """One request as the site saw it."""

    path: str
    host: str
    headers: dict[str, str]
    at: float  # when it came
    connection: int
    sent: int = 0  # bytes of the answer that left
    answered_at: float | None = None


@dataclass
class Line:
    """The wire to one visitor, with the request that waits for an answer."""

    wire: socket.socket
    asked: Asked
    closing: threading.Event

    def send(self, data: bytes) -> None:
        """Send in pieces, so that what left is known when the visitor hangs up."""
        for start in range(0, len(data), BUFFER):
            piece = data[start : start + BUFFER]
            self.wire.sendall(piece)
            self.asked.sent += len(piece)

    def trickle(self, data: bytes, seconds: float) -> None:
        """Send byte by byte with so many seconds in between."""
        for byte in data:
            if self.closing.wait(seconds):
                return
            self.send(bytes([byte]))

    def reset(self) -> None:
        """Break the connection off with a RST instead of a FIN."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()


Behaviour = Callable[[Line], bool]
"""Answers one request; says whether the connection can carry another."""


@dataclass
class FaultySite:
    """What the site does by path, and what it saw; `robots.txt` of every host is well unless the script has it."""

    tick: Callable[[], float] = time.monotonic
    script: dict[str, list[Behaviour]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def note(self, path: str, headers: dict[str, str], connection: int) -> tuple[Asked, Behaviour]:
        """Remember a request and return how it is to be answered.

        The script is looked up by host and path ("cdn.invalid/a.jpg"), then by path ("/anime/1").
        """
        asked = Asked(path, headers.get("host", ""), headers, self.tick(), connection)
        whole = asked.host + path
        with self._lock:
            earlier = sum(one.host + one.path == whole for one in self.asked)
            self.asked.append(asked)
        usual = [page(ROBOTS, {"Content-Type": "text/plain"})] if path == "/robots.txt" else [page()]
        planned = self.script.get(whole) or self.script.get(path) or usual
        return asked, planned[min(earlier, len(planned) - 1)]

    def seen(self, path: str) -> list[Asked]:
        """Return the requests of one path, or of one host and path."""
        return [one for one in self.asked if path in (one.path, one.host + one.path)]

    def pages(self) -> list[str]:
        """Return what was asked for besides robots.txt, in order of arrival."""
        return [one.path for one in self.asked if one.path != "/robots.txt"]


class _Server:
    """The listening socket, one thread for it and one for each connection."""

    def __init__(self, site: FaultySite, tls: ssl.SSLContext | None) -> None:
        self._site, self._tls, self._closing = site, tls, threading.Event()
        self._listening = socket.create_server((HOST, 0), backlog=64)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)  # connections inherit it
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        site.port = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            wire, _ = self._listening.accept()
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(wire)
            thread = threading.Thread(target=self._serve, args=(wire, len(self._threads) + 1))
            self._threads.append(thread)
            thread.start()

    def _serve(self, wire: socket.socket, number: int) -> None:
        with suppress(OSError), self._secured(wire) as wire:  # the visitor hung up, or the site is closing
            for _ in range(SERVED_BEFORE_CLOSING):
                head = _head_of(wire)
                if not head or self._closing.is_set():
                    return
                path, headers = _read(head)
                asked, behave = self._site.note(path, headers, number)
                line = Line(wire, asked, self._closing)
                again = behave(line)
                asked.answered_at = self._site.tick()
                if not again:
                    return

    def _secured(self, wire: socket.socket) -> socket.socket:
        if self._tls is None:
            return wire
        secured = self._tls.wrap_socket(wire, server_side=True)
        self._open.append(secured)
        return secured

    def close(self) -> None:
        self._closing.set()
        with suppress(OSError), socket.create_connection((HOST, self._site.port), timeout=1):
            pass  # accept() wakes up and sees that it is over
        self._accepting.join()
        self._listening.close()
        for wire in self._open:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def _head_of(wire: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = wire.recv(BUFFER)
        if not piece:
            return b""
        data += piece
    return data


def _read(head: bytes) -> tuple[str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return lines[0].split(" ")[1], {name.lower(): value.strip() for name, _, value in pairs}


@contextmanager
def serve(site: FaultySite, tls: ssl.SSLContext | None = None) -> Iterator[FaultySite]:
    """Yield the site, served on a free port of loopback, over TLS if wanted; it is gone when the block ends."""
    server = _Server(site, tls)
    try:
        yield site
    finally:
        server.close()


class Loopback(DeadlineAdapter):
    """Carries every address, whatever its scheme and host, to the port of the site, its host named in the header."""

    def __init__(self, port: int, answer_seconds: float) -> None:
        self._port = port
        super().__init__(answer_seconds, pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)]
        super().init_poolmanager(*args, **settings, socket_options=options)

    def get_connection_with_tls_context(self, *_asked: Any, **_settings: Any) -> HTTPConnectionPool:
        pool: HTTPConnectionPool = self.poolmanager.connection_from_host(HOST, self._port, scheme="http")
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        pass

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return request.path_url

    def add_headers(self, request: requests.PreparedRequest, **_settings: Any) -> None:
        request.headers["Host"] = urlsplit(str(request.url)).netloc


@contextmanager
def session_for(site: FaultySite, answer_seconds: float) -> Iterator[requests.Session]:
    """Yield a session that can reach nothing but the site."""
    with requests.Session() as session:
        session.trust_env = False
        session.adapters.clear()
        for scheme in ("https://", "http://"):
            session.mount(scheme, Loopback(site.port, answer_seconds))
        yield session


def head(status: int | str, headers: Mapping[str, str]) -> bytes:
    """Return a head as bytes; names and values may be whatever is wrong."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def page(body: bytes = PAGE, headers: Mapping[str, str] = HTML, *, status: int = 200) -> Behaviour:
    """A whole, well framed answer on a connection that stays."""
    return _sent(head(status, {**headers, "Content-Length": str(len(body))}) + body, stays=True)


def status(code: int, **headers: str) -> Behaviour:
    """A status with headers (underscores become hyphens) and a few words."""
    return page(b"words", {name.replace("_", "-"): value for name, value in headers.items()}, status=code)


def raw(data: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""
    return _sent(data, stays=False)


def framed(headers: Mapping[str, str], body: bytes = PAGE) -> Behaviour:
    """A 200 with exactly these headers, right or wrong, then the body and the end of the connection."""
    return raw(head(200, headers) + body)


def packed(body: bytes, coding: str = "gzip") -> Behaviour:
    """A body that says to have this content coding, whether or not it has."""
    return page(body, {**HTML, "Content-Encoding": coding})


def redirect(location: str | None, code: int = 302) -> Behaviour:
    """A redirect; None is one without Location."""
    return page(b"", {} if location is None else {"Location": location}, status=code)


def _sent(data: bytes, *, stays: bool) -> Behaviour:
    def behave(line: Line) -> bool:
        line.send(data)
        return stays

    return behave


def hang_up(after: bytes = b"") -> Behaviour:
    """A FIN after these bytes."""
    return raw(after)


def reset(after: bytes = b"") -> Behaviour:
    """A RST after these bytes, which had the time to arrive."""

    def behave(line: Line) -> bool:
        line.send(after)
        line.closing.wait(0.02 if after else 0)
        line.reset()
        return False

    return behave


def silence(after: bytes = b"") -> Behaviour:
    """Nothing after these bytes, and no end either."""

    def behave(line: Line) -> bool:
        line.send(after)
        line.wire.recv(1)  # returns when the visitor or the site hangs up
        return False

    return behave


def trickle(data: bytes, *, first: bytes = b"", seconds: float = 0.05) -> Behaviour:
    """The first bytes at once, the others one by one."""

    def behave(line: Line) -> bool:
        line.send(first)
        line.trickle(data, seconds)
        return False

    return behave


def endless(first: bytes, again: bytes) -> Behaviour:
    """The first bytes, then the others for ever."""

    def behave(line: Line) -> bool:
        line.send(first)
        while not line.closing.is_set():
            line.send(again)
        return False

    return behave


def bomb(megabytes: int) -> bytes:
    """Return a gzip file of that many MB of zeros, in members of 1 MB: a thousandth of its size."""
    return gzip.compress(bytes(2**20), 9, mtime=0) * megabytes


def raw_deflated(body: bytes) -> bytes:
    """Return deflate data without the zlib header that it should have."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def huge_png(side: int) -> bytes:
    """Return a PNG of a few bytes that says to have side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return a body in chunks, and its end, right or wrong."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end
