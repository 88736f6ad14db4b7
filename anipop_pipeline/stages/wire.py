"""Connections on which an answer comes whole, soon and well framed, or not at all.

A timeout of requests bounds each silence, not the answer: a byte now and then holds a thread for ever. Here an answer
has one deadline from its first expected byte to its last, and its head (status line, headers, interim answers) has a
bound in bytes, since http.client alone lets it grow to 6 MB, and past that with one "100 Continue" after another. What
http.client guesses about broken framing is an error here: a length that is no number, two lengths that differ, an
unknown transfer coding, headers that cannot be read, bytes after the end. What goes wrong comes out of requests as
requests.RequestException, and out of the body that is read from `raw` as urllib3's HTTPError.

Belongs here: sockets, deadlines, the framing of one answer. Does not: what an answer means, whether to ask again, how
large a body may be.
"""

import io
import socket
import time
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import Any

from requests.adapters import DEFAULT_POOLSIZE, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.poolmanager import PoolManager

MAX_HEAD_BYTES = 2**18  # real heads have some 2 KB
BUFFER_BYTES = io.DEFAULT_BUFFER_SIZE
EARLY = (102, 103)  # Processing, Early Hints: like 100, which http.client knows, they come before the answer
POOLS: dict[str, type[HTTPConnectionPool]] = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}


class BrokenFraming(HTTPException):
    """Where the answer starts, ends or has its headers cannot be told for certain."""


class _Wire(io.RawIOBase):
    """The socket's bytes until the deadline; each read waits no longer than what is left of it."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._raw, self._sock = raw, sock
        self._silence = sock.gettimeout()
        self._until = time.monotonic() + seconds  # real seconds, as the socket's own timeout
        self.room: int | None = MAX_HEAD_BYTES + BUFFER_BYTES  # reading ahead may take a buffer of the body
        self.ended = False

    def readable(self) -> bool:
        """Return whether bytes can be read: they can."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Return how many bytes were put into the buffer; 0 at the end."""
        if self.ended:
            return 0
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not whole at its deadline")
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        size: int | None = self._raw.readinto(buffer)
        self._count(size or 0)
        return size

    def _count(self, size: int) -> None:
        if self.room is not None:
            self.room -= size
            if self.room < 0:
                raise BrokenFraming(f"the head has more than {MAX_HEAD_BYTES} bytes")

    def close(self) -> None:
        """Let go of the socket, as the file that socket.makefile made would."""
        self._raw.close()
        super().close()


class _ReadAhead(io.BufferedReader):
    """A buffer that remembers, once closed, whether something in it was never read."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__(wire, BUFFER_BYTES)
        self._wire, self.left_over = wire, False

    def close(self) -> None:
        """Close the wire, after a look at what is in the buffer; nothing is read from the wire for that."""
        if not self.closed:
            self._wire.ended = True
            self.left_over = bool(self.peek(1))
        super().close()


class WholeAnswer(HTTPResponse):
    """An answer that is whole within so many seconds, or an error."""

    def __init__(self, sock: socket.socket, *args: Any, seconds: float, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        self._wire = _Wire(self.fp.detach(), sock, seconds)
        self._ahead = self.fp = _ReadAhead(self._wire)

    def begin(self) -> None:
        """Read the head, and refuse one that does not say for certain where the body ends."""
        super().begin()
        while self.status in EARLY:
            self.headers = None  # type: ignore[assignment]  # so begin() reads the next head
            super().begin()
        self._wire.room = None
        if isinstance(rest := self.msg.get_payload(), str) and rest:
            raise BrokenFraming("a line among the headers is none")
        codings = {value.strip().lower() for value in self.msg.get_all("transfer-encoding", [])}
        if codings - {"chunked", "identity"}:
            raise BrokenFraming(f"unknown transfer coding: {', '.join(sorted(codings))}")
        stated = {part.strip() for value in self.msg.get_all("content-length", []) for part in value.split(",")}
        if len(stated) > 1 or not all(size.isascii() and size.isdigit() for size in stated):
            raise BrokenFraming(f"the length is uncertain: {', '.join(sorted(stated))}")

    def read(self, amt: int | None = None) -> bytes:
        """Return up to so many bytes of the body, or all of it; bytes after its end are an error."""
        piece = super().read(amt)
        if self._ahead.left_over:
            raise BrokenFraming("the answer goes on after its end")
        return piece


class DeadlineAdapter(HTTPAdapter):
    """An adapter of requests that gives a whole answer, from status line to last byte, at most so many seconds.

    The time to connect is bounded by the timeout of the request, as ever.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "answer_seconds"]  # noqa: RUF012 -- requests declares it as a list

    def __init__(self, answer_seconds: float, *, pool_maxsize: int = DEFAULT_POOLSIZE, **settings: Any) -> None:
        if not answer_seconds > 0:
            raise ValueError(f"an answer needs some time: {answer_seconds}")
        self.answer_seconds = answer_seconds  # the parent's __init__ makes the pools, which need it
        super().__init__(pool_maxsize=pool_maxsize, **settings)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **settings)
        self._bind(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **settings: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **settings)
        self._bind(manager)
        return manager

    def _bind(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = pool_classes(self.answer_seconds)


def pool_classes(seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools, by scheme, whose connections give an answer that many seconds.

    >>> pool_classes(30)["https"].ConnectionCls.__name__
    'HTTPSConnectionInTime'
    """
    return {
        scheme: type(f"{pool.__name__}InTime", (pool,), {"ConnectionCls": connection_class(seconds, pool)})
        for scheme, pool in POOLS.items()
    }


def connection_class(seconds: float, pool: type[HTTPConnectionPool] = HTTPConnectionPool) -> type[HTTPConnection]:
    """Return the pool's kind of connection, on which an answer has that many seconds."""
    plain: Any = pool.ConnectionCls
    answer = staticmethod(partial(WholeAnswer, seconds=seconds))  # static: a partial may become a method one day
    return type(f"{plain.__name__}InTime", (plain,), {"response_class": answer})
