"""The demo site on loopback: a small HTTP/1.1 server, and the way to it that keeps canonical addresses.

Belongs here: sockets, headers, compression, conditional requests, the requests adapter. Does not: what a page says
(pages), or any rule about how fast or whether to crawl.
"""

import errno
import gzip
import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

from anipop_pipeline.demo import pictures
from anipop_pipeline.demo.chrome import BASE, CDN
from anipop_pipeline.demo.pages import HTML, Site
from anipop_pipeline.demo.records import World
from anipop_pipeline.errors import PortInUse

HOST = "127.0.0.1"
POOL = 16
QUESTION_MARK = bytes.fromhex("47494638396101000100800000c8c8c8ffffff2c00000000010001000002024401003b")
"""A grey GIF of one pixel: what the site shows where a picture is missing."""
ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True)
class Answer:
    """What goes over the wire: status, headers without length, the body, plain and compressed, and the body's mark."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    zipped: bytes | None
    mark: str = ""

    def tag(self, *, zipped: bool) -> str | None:
        """Return the strong entity tag of what would be sent; what is not there, or lies elsewhere, has none.

        Two codings of one page are not the same bytes, so a strong tag must tell them apart.
        """
        if self.status != HTTPStatus.OK:
            return None
        return f'"{self.mark}-gzip"' if zipped else f'"{self.mark}"'


def is_known(tag: str, asked: str | None) -> bool:
    """Return whether an If-None-Match header names the tag; as the standard has it, weak tags are as good here.

    >>> is_known('"a"', '"b", W/"a"'), is_known('"a"', "*"), is_known('"a"', '"b"'), is_known('"a"', None)
    (True, True, False, False)
    """
    if asked is None:
        return False
    return asked.strip() == "*" or tag in ENTITY_TAG.findall(asked)


class Answers:
    """Every answer of one world, made on first request and kept for a while."""

    def __init__(self, world: World, picture_size: tuple[int, int]) -> None:
        self._world, self._size, self._site = world, picture_size, Site(world)
        self.date = format_datetime(world.today, usegmt=True)
        self.to = lru_cache(maxsize=4096)(self._marked)

    def _marked(self, target: str) -> Answer:
        answer = self._make(target)
        return replace(answer, mark=hashlib.sha256(answer.body).hexdigest()[:32])

    def _make(self, target: str) -> Answer:
        path = urlsplit(target).path
        if path.startswith("/images/"):
            return self._picture(path)
        page = self._site.page(target)
        body = page.body.encode()
        headers = {"Content-Type": page.content_type, "Vary": "Accept-Encoding"}
        if page.location:
            headers["Location"] = page.location
        return Answer(page.status, headers, body, gzip.compress(body, 4, mtime=0) if len(body) > 500 else None)

    def _picture(self, path: str) -> Answer:
        if path == "/images/questionmark_23.gif":
            return Answer(200, {"Content-Type": "image/gif"}, QUESTION_MARK, None)
        drawn = None if path in self._world.dead_pictures else self._draw(path)
        if drawn is None:
            return Answer(404, {"Content-Type": HTML}, b"No such picture in this invented place.", None)
        return Answer(200, {"Content-Type": "image/jpeg"}, drawn, None)

    def _draw(self, path: str) -> bytes | None:
        seed = self._world.seed
        if character := self._world.portraits.get(path):
            return pictures.portrait(f"{seed} {character.id}", character.craft, self._size)
        if anime := self._world.posters.get(path):
            return pictures.poster(f"{seed} {anime.id}", anime.poster_craft, anime.genres, self._size)
        return None


class _Handler(BaseHTTPRequestHandler):
    """One connection: answers GET and HEAD until the other side has had enough."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "InventedAnimeList/1.0", "(demo)"
    wbufsize = -1  # headers and body leave in one packet
    disable_nagle_algorithm = True
    server: "_LoopbackServer"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        self.server.count()
        answer = self.server.answers.to(self.path)
        zipped = answer.zipped if "gzip" in self.headers.get("Accept-Encoding", "") else None
        tag = answer.tag(zipped=zipped is not None)
        if tag and is_known(tag, self._asked_for()):
            self._start(HTTPStatus.NOT_MODIFIED, {"ETag": tag, "Vary": "Accept-Encoding"})
            return
        payload = answer.body if zipped is None else zipped
        coded = {} if zipped is None else {"Content-Encoding": "gzip"}
        marked = {"ETag": tag} if tag else {}
        self._start(answer.status, {**answer.headers, **marked, **coded, "Content-Length": str(len(payload))})
        if body:
            self.wfile.write(payload)

    def _asked_for(self) -> str | None:
        """Return all entity tags that the other side says it has, however many lines it needed."""
        lines = self.headers.get_all("If-None-Match")
        return None if lines is None else ", ".join(lines)

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self) -> None:
        """Answer a method that a site to be read has no use for, and hang up, since its body was not read."""
        self.server.count()
        self.close_connection = True
        closing = {"Allow": "GET, HEAD", "Content-Length": "0", "Connection": "close"}
        self._start(HTTPStatus.METHOD_NOT_ALLOWED, closing)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815 - http.server looks for these names

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the parent's signature
        """Return the world's own time, at which its clock stands still."""
        return self.server.answers.date

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the parent's
        """Say nothing: the crawler keeps its own record."""


class _LoopbackServer(ThreadingHTTPServer):
    """The listening socket, its connections and a count of requests."""

    daemon_threads = False  # closing waits for every connection's thread
    request_queue_size = 128

    def __init__(self, port: int, answers: Answers) -> None:
        self.answers = answers
        self.requests_served = 0
        self._counting = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    def count(self) -> None:
        with self._counting:
            self.requests_served += 1

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._counting:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._counting:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about a client that hung up; anything else is a fault of ours and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End every open connection, so that no thread waits for a request that will not come."""
        with self._counting:
            still_open = list(self._open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was faster
                continue


class Server:
    """A demo site that is being served."""

    def __init__(self, listening: _LoopbackServer) -> None:
        self._listening = listening
        self.port: int = listening.server_address[1]
        self.url = f"http://{HOST}:{self.port}"

    @property
    def requests_served(self) -> int:
        """Return how many requests have been answered so far."""
        return self._listening.requests_served


@contextmanager
def serve(world: World, port: int = 0, picture_size: tuple[int, int] = pictures.SIZE) -> Iterator[Server]:
    """Yield the world's site, served on that port of loopback, or on a free one; it is gone when the block ends."""
    listening = _listen(port, Answers(world, picture_size))
    loop = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, name="demo site")
    loop.start()
    try:
        yield Server(listening)
    finally:
        listening.shutdown()
        loop.join()
        listening.hang_up()
        listening.server_close()


def _listen(port: int, answers: Answers) -> _LoopbackServer:
    try:
        return _LoopbackServer(port, answers)
    except OSError as problem:
        if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortInUse(
            f"the demo site cannot listen on port {port} of {HOST}",
            where="ANIPOP_DEMO_PORT",
            fix="choose another port in ANIPOP_DEMO_PORT, or unset it and any free port is taken",
        ) from problem


class LoopbackAdapter(HTTPAdapter):
    """Carries requests for the demo's canonical addresses to its port; what a caller sees stays canonical."""

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__(pool_connections=1, pool_maxsize=POOL, pool_block=False)

    def get_connection_with_tls_context(self, *_asked: Any, **_settings: Any) -> HTTPConnectionPool:
        """Return the connections to loopback, whatever address was asked for and whatever proxy is set."""
        pool: HTTPConnectionPool = self.poolmanager.connection_from_host(HOST, self._port, scheme="http")
        return pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Check nothing: plain HTTP to this machine has no certificate."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002 - as above
        """Return path and query alone, also where a proxy is set."""
        return request.path_url

    def add_headers(self, request: requests.PreparedRequest, **_settings: Any) -> None:
        """Name the canonical host, as a request to the real one would."""
        request.headers["Host"] = urlsplit(str(request.url)).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the answer; an error names the canonical address and no port."""
        try:
            return super().send(request, *args, **kwargs)
        except requests.ConnectionError as broken:
            raise type(broken)(f"no answer from {request.url}", request=request) from broken


def connect(session: requests.Session, port: int) -> None:
    """Mount the demo's canonical addresses on the session, so that they lead to that port of loopback."""
    adapter = LoopbackAdapter(port)
    for address in (BASE, CDN):
        session.mount(f"{address}/", adapter)
