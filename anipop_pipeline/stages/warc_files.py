"""Records of WARC files that anyone made: where each lies, what its headers say, and its block.

A file may be plain, have one gzip member for each record, or one member for many records: a record's place is where its
member starts and how far into the unpacked member it lies. Nothing but one record is ever held. Lengths, checksums of
gzip and stated digests are checked for every record, also for those that nobody wants.

Belongs here: framing, gzip, digests, WARC 0.17 to 1.1. Does not: which records are pages (captures.py), the records
that we write ourselves (archive.py).
"""

import base64
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException

from anipop_pipeline.errors import CorruptFile, SettingError

VERSIONS = ["WARC/1.1", "WARC/1.0", "WARC/0.18", "WARC/0.17"]
CHUNK = 2**14  # records are small and each is sought anew: reading far ahead would be reading twice
MAX_HEAD_BYTES = 2**20
BLANK = (b"\r\n", b"\n")
ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512"})
RESTORE = "get the whole file again; nothing was imported"
OTHERS = {
    b"PK\x03\x04": ("a ZIP file, such as a WACZ", "unpack it and import the WARC files inside, archive/*.warc.gz"),
    b"\x28\xb5\x2f\xfd": ("packed with Zstandard", "unpack it first: zstd -d FILE"),
    b"BZh": ("packed with bzip2", "unpack it first: bunzip2 FILE"),
    b"\xfd7zXZ": ("packed with xz", "unpack it first: unxz FILE"),
}


@dataclass(frozen=True)
class Place:
    """Where a record lies: its gzip member's start in the file, and its own start in what the member unpacks to."""

    member: int
    within: int

    def __str__(self) -> str:
        return f"offset {self.member}" + (f" + {self.within} unpacked" if self.within else "")


@dataclass
class Record:
    """One record, whose block can be read once, before the next record is asked for."""

    place: Place
    headers: StatusAndHeaders
    where: str
    _tape: "_Tape" = field(repr=False)
    _left: int = 0
    _digest: "Digest | None" = None

    @property
    def type(self) -> str:
        """Return what kind of record this is, such as response."""
        return self.header("WARC-Type").lower()

    @property
    def url(self) -> str:
        """Return the address that the record is about; some tools put it into angle brackets."""
        return self.header("WARC-Target-URI").strip("<> ")

    def header(self, name: str) -> str:
        """Return a header of the record, or an empty string."""
        return str(self.headers.get_header(name, "") or "").strip()

    @property
    def size(self) -> int:
        """Return how many bytes of the block were not read yet."""
        return self._left

    def block(self) -> bytes:
        """Return the rest of the block, whose length and digest were found to be as stated."""
        return b"".join(self._pieces())

    def pass_over(self) -> None:
        """Read what is left of the block, so that its length and digest are checked, and keep nothing."""
        for _ in self._pieces():
            pass

    def _pieces(self) -> Iterator[bytes]:
        while self._left:
            piece = self._tape.read(min(CHUNK, self._left))
            if not piece:
                raise _corrupt(f"the file ends {self._left} bytes before the record does", self.where)
            self._left -= len(piece)
            if self._digest is not None:
                self._digest.update(piece)
            yield piece
        if self._digest is not None and not self._digest.agrees():
            raise _corrupt("the block is not the one that was archived (digest differs)", self.where)


class Digest:
    """A stated digest, and what it is compared with."""

    def __init__(self, stated: str) -> None:
        name, _, self._stated = stated.strip().partition(":")
        self._hash = hashlib.new(name.lower().replace("-", ""), usedforsecurity=False)

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        self._hash.update(data)

    def agrees(self) -> bool:
        """Return whether the bytes are those that were meant; tools write digests in base 16 or in base 32."""
        said, found = self._stated.strip().upper().rstrip("="), self._hash.digest()
        return said in (found.hex().upper(), base64.b32encode(found).decode().rstrip("="))


def digest_of(stated: str) -> Digest | None:
    """Return the digest that a header states, None where it states none or one of an algorithm that we do not know.

    >>> digest_of("sha-1:2JMJ7L5RDQX3NHFWW5XKQYJ5PRYN7SRW") is None, digest_of("crc32:00000000") is None
    (False, True)
    """
    name, colon, _ = stated.partition(":")
    return Digest(stated) if colon and name.strip().lower().replace("-", "") in ALGORITHMS else None


def agrees(stated: str, *candidates: bytes) -> bool:
    """Return whether a stated digest is that of one of the candidates; one that cannot be checked is believed.

    >>> agrees("sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", b"another", b"hello")
    True
    """
    return digest_of(stated) is None or any(_digest_is(stated, data) for data in candidates)


def _digest_is(stated: str, data: bytes) -> bool:
    digest = Digest(stated)
    digest.update(data)
    return digest.agrees()


class WarcFile:
    """One WARC file, read from its start or at the place of a record."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name
        start = stream.read(8)
        if not start:
            raise CorruptFile("the file is empty", where=name, fix=RESTORE)
        self._packed = start.startswith(b"\x1f\x8b")
        self._tape = self._unrolled(Place(0, 0))
        _check_kind(self._tape.peek(), name)

    def records(self) -> Iterator[Record]:
        """Yield every record in the order of the file."""
        self._tape = self._unrolled(Place(0, 0))
        while True:
            while (record := self._next()) is not None:
                yield record
                record.pass_over()
            if not self._packed or self._is_end(self._tape.end):
                return
            self._tape = self._unrolled(Place(self._tape.end, 0))

    def at(self, place: Place) -> Record:
        """Return the record at a place; places in the order of the file are cheap, also inside one large member."""
        tape = self._tape
        if not self._packed or tape.member != place.member or tape.within > place.within:
            self._tape = tape = self._unrolled(place)
        while tape.within < place.within and tape.read(min(CHUNK, place.within - tape.within)):
            pass
        record = self._next()
        if record is None or record.place != place:
            raise _corrupt("no record lies there any more", f"{self._name}, {place}")
        return record

    def _unrolled(self, place: Place) -> "_Tape":
        if not self._packed:
            self._stream.seek(place.within)
            return _Tape(self._stream, 0, place.within)
        return _Tape(_Unpacked(self._stream, place.member, self._name), place.member, 0)

    def _is_end(self, offset: int) -> bool:
        self._stream.seek(offset)
        return not self._stream.read(1)

    def _next(self) -> Record | None:
        """Return the record that starts here, None at the end of the file or of its gzip member."""
        within, line = self._tape.within, self._tape.readline()
        while line in BLANK:
            within, line = self._tape.within, self._tape.readline()
        if not line:
            return None
        place = Place(self._tape.member, within) if self._packed else Place(0, within)
        where = f"{self._name}, {place if self._packed else f'offset {within}'}"
        headers = _headers(self._head(line, where), where)
        digest = digest_of(str(headers.get_header("WARC-Block-Digest", "") or ""))
        return Record(place, headers, where, self._tape, _length(headers, where), digest)

    def _head(self, line: bytes, where: str) -> bytes:
        """Return the lines of a record's headers, the blank line after them included."""
        lines, size = [line], len(line)
        while lines[-1] not in BLANK:
            lines.append(self._tape.readline())
            size += len(lines[-1])
            if not lines[-1].endswith(b"\n"):
                raise _corrupt("the file ends within the headers of a record", where)
            if size > MAX_HEAD_BYTES:
                raise _corrupt(f"the headers of a record have more than {MAX_HEAD_BYTES} bytes", where)
        return b"".join(lines)


class _Tape:
    """Bytes that are read one after another, and where they stand."""

    def __init__(self, source: "BinaryIO | _Unpacked", member: int, within: int) -> None:
        self.member, self.within = member, within
        self._source = source
        self._stream: Any = io.BufferedReader(source, CHUNK) if isinstance(source, _Unpacked) else source

    @property
    def end(self) -> int:
        """Return where the gzip member ends in the file, once all of it was read."""
        assert isinstance(self._source, _Unpacked)
        return self._source.end

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self.within += len(data)
        return data

    def readline(self) -> bytes:
        data: bytes = self._stream.readline(MAX_HEAD_BYTES)
        self.within += len(data)
        return data

    def peek(self) -> bytes:
        data: bytes = self._stream.peek(16)[:16] if hasattr(self._stream, "peek") else self._stream.read(16)
        return data


class _Unpacked(io.RawIOBase):
    """What one gzip member unpacks to, a little at a time."""

    def __init__(self, stream: BinaryIO, start: int, name: str) -> None:
        super().__init__()
        self._stream, self._where = stream, f"{name}, offset {start}"
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._waiting, self._taken = b"", start
        stream.seek(start)

    @property
    def end(self) -> int:
        return self._taken - len(self._unpacker.unused_data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacker.eof:
            piece = self._piece(len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
        return 0

    def _piece(self, room: int) -> bytes:
        data = self._waiting or self._stream.read(CHUNK)
        self._taken += 0 if self._waiting else len(data)
        try:
            piece = self._unpacker.decompress(data, room)
        except zlib.error as error:
            raise _corrupt(f"the bytes are no gzip ({error})", self._where) from error
        self._waiting = self._unpacker.unconsumed_tail
        if not (data or piece or self._unpacker.eof):
            raise _corrupt("the file ends within a gzip member", self._where)
        return piece


def _check_kind(start: bytes, name: str) -> None:
    """Refuse what is no WARC file, and say what it is where that is known."""
    if start.lstrip(b"\r\n").startswith(b"WARC/"):
        return
    if start.startswith(b"filedesc:"):
        fix = "convert it first: warcio recompress FILE.arc.gz FILE.warc.gz"
        raise SettingError("the file is an ARC file, the format before WARC", where=name, fix=fix)
    what, fix = next(
        (said for magic, said in OTHERS.items() if start.startswith(magic)), ("no WARC file", "name WARC files")
    )
    raise SettingError(f"the file is {what}", where=name, fix=fix)


def _headers(head: bytes, where: str) -> StatusAndHeaders:
    try:
        return StatusAndHeadersParser(VERSIONS).parse(io.BytesIO(head))
    except StatusAndHeadersParserException as error:
        raise _corrupt("the bytes are no record of WARC 0.17 to 1.1", where) from error


def _length(headers: StatusAndHeaders, where: str) -> int:
    stated = str(headers.get_header("Content-Length", "") or "").strip()
    if not (stated.isascii() and stated.isdecimal() and len(stated) < 19):
        raise _corrupt("the record does not say how long it is", where)
    return int(stated)


def _corrupt(what: str, where: str) -> CorruptFile:
    return CorruptFile(what, where=where, fix=RESTORE)
