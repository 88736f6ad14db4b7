"""Pages of the site among the records of any WARC files: found in a first pass, read in a second.

The first pass keeps one small entry for each page, that of its best capture: content before an answer that there is no
such page, then the latest. What the site says instead of a page (an error, a wall that asks for a human, half a page)
is no content. Every record is accounted for: it is a page's best capture, or it is counted with the reason why not.

Belongs here: which address is which page, which capture counts, bodies by the batch. Does not: framing and digests
(warc_files.py), opening files, what a page means.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa

from anipop_pipeline.errors import CorruptFile, SettingError
from anipop_pipeline.stages.archive import MAX_RECORD_BYTES
from anipop_pipeline.stages.bodies import Answer, answer_of, body_of
from anipop_pipeline.stages.fetch import recognised
from anipop_pipeline.stages.parse.page import ADDRESSES, THUMBNAIL_FOLDER, THUMBNAIL_SUFFIX, absolute
from anipop_pipeline.stages.warc_files import RESTORE, Place, Record, WarcFile, agrees

PATHS = {kind: ADDRESSES[kind] for kind in ("anime", "anime_characters", "anime_stats", "character")}
PICTURE = re.compile(
    r"(?:/r/[0-9]{1,5}x[0-9]{1,5})?/images/(anime|characters)/.+\.(?:jpe?g|png|webp|gif)", re.IGNORECASE
)
PICTURE_KINDS = {"anime": "poster", "characters": "portrait"}
SITES = {name: name for name in ("myanimelist.net", "demo.invalid")}
PAGE_HOSTS = SITES | {f"www.{name}": name for name in SITES}
PICTURE_HOSTS = re.compile(r"(?:[a-z0-9.-]+\.)?(myanimelist\.net|demo\.invalid)|(myanimelist)\.cdn-dena\.com")
FULL_SIZE = 10**9  # larger than any thumbnail, which has as many pixels as its address says
OK, GONE = 200, (404, 410)
READ = ("response", "resource")
KEPT, BEATEN, CUT = "kept", "captures of a page that has a better one", "unreadable: cut short"
PAGES = pa.schema([("url", pa.string()), ("id", pa.int64()), ("body", pa.large_binary())])
CAPTURES = pl.Schema(
    {
        "kind": pl.String(),
        "key": pl.String(),
        "id": pl.Int64(),
        "url": pl.String(),
        "site": pl.String(),
        "pixels": pl.Int64(),
        "fetched_at": pl.Datetime("us", "UTC"),
        "outcome": pl.String(),
        "file": pl.String(),
        "member": pl.Int64(),
        "within": pl.Int64(),
    }
)
Page = tuple[str, str, str]
OpenFile = Callable[[str], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Address:
    """What an address is about: `key` is the same for every way to write it, and for every size of a picture."""

    kind: str
    key: str
    id: int | None
    url: str
    site: str
    pixels: int = 0


@dataclass(frozen=True)
class Survey:
    """What lies in the files: the best capture of each page, and why every other record is none."""

    captures: pl.DataFrame
    records: int
    passed: dict[str, int]

    def of(self, kind: str) -> pl.DataFrame:
        """Return the captures of one kind of page."""
        return self.captures.filter(pl.col("kind") == kind)

    @property
    def pages(self) -> dict[str, int]:
        """Return how many pages of each kind there are, pages that the site did not have included."""
        return dict(self.captures.group_by("kind").len().sort("kind").rows())


def address_of(url: str) -> Address | None:
    """Return what an address of the site is about, None for any other.

    >>> address_of("HTTP://WWW.MyAnimeList.net:80/anime/5114/FMA/?suggestion").url
    'https://myanimelist.net/anime/5114/FMA'
    >>> address_of("https://cdn.myanimelist.net/r/42x62/images/characters/4/50197.jpg?s=ab").pixels
    2604
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https"):
        return None
    return _page(host, parts.path) or _picture(host, parts.path)


def picture_key(url: str) -> str:
    """Return what all addresses of one picture share, whatever its host and its size.

    >>> picture_key("http://cdn.myanimelist.net/r/42x62/images/characters/4/50197t.jpg?s=ab")
    '/images/characters/4/50197.jpg'
    """
    path = absolute(urlsplit(url).path, "https://any.invalid/").removeprefix("https://any.invalid")
    return THUMBNAIL_SUFFIX.sub("", THUMBNAIL_FOLDER.sub("", path))


def survey(files: Iterable[tuple[str, BinaryIO]], progress: Callable[[str, int], None] = lambda _f, _n: None) -> Survey:
    """Return what lies in named WARC files, each read once; `progress` hears how many records of a file are read."""
    best: dict[Page, dict[str, Any]] = {}
    passed: Counter[str] = Counter()
    records = 0
    for name, stream in files:
        number = 0
        for number, record in enumerate(WarcFile(stream, name).records(), start=1):
            found = _capture(record, name)
            passed[found if isinstance(found, str) else _keep(found, best)] += 1
            progress(name, number)
        records += number
    captures = pl.DataFrame(list(best.values()), schema=CAPTURES, orient="row").sort("kind", "id", "key")
    del passed[KEPT]
    return Survey(_of_one_site(captures), records, dict(sorted(passed.items())))


def pages(open_file: OpenFile, rows: pl.DataFrame, at_once: int) -> Iterator[pa.Table]:
    """Yield the pages of captures as Arrow tables (url, id, body), a bounded number at a time."""
    ordered = rows.sort("file", "member", "within", "id")
    for (file,), of_file in ordered.group_by("file", maintain_order=True):
        with open_file(str(file)) as stream:
            reader = _Bodies(WarcFile(stream, str(file)))
            for start in range(0, of_file.height, at_once):
                yield reader.table(of_file.slice(start, at_once))


class _Bodies:
    """Bodies of captures in one file; a picture that several share is read once."""

    def __init__(self, file: WarcFile) -> None:
        self._file = file
        self._last: tuple[Place, bytes] | None = None

    def table(self, rows: pl.DataFrame) -> pa.Table:
        """Return the pages of these captures."""
        bodies = [self._body(*row) for row in rows.select("url", "member", "within").iter_rows()]
        columns = [rows["url"].to_list(), rows["id"].to_list(), bodies]
        return pa.table(dict(zip(PAGES.names, columns, strict=True)), schema=PAGES)

    def _body(self, url: str, member: int, within: int) -> bytes:
        place = Place(member, within)
        if self._last is None or self._last[0] != place:
            self._last = (place, self._read(url, place))
        return self._last[1]

    def _read(self, url: str, place: Place) -> bytes:
        record = self._file.at(place)
        about = address_of(record.url)
        body = body_of(_answer(record)) if about is not None and about.url == url else None
        if not isinstance(body, bytes):
            raise CorruptFile("the file was changed while it was read", where=record.where, fix="import it again")
        return body


def _page(host: str, path: str) -> Address | None:
    site = PAGE_HOSTS.get(host)
    for kind, pattern in PATHS.items() if site else ():
        if site and (found := pattern.fullmatch(path)) and int(found[1]) > 0:
            url = absolute(path.rstrip("/"), f"https://{site}/")
            return Address(kind, str(int(found[1])), int(found[1]), url, site)
    return None


def _picture(host: str, path: str) -> Address | None:
    found, served = PICTURE.fullmatch(path), PICTURE_HOSTS.fullmatch(host)
    if found is None or served is None:
        return None
    url = absolute(path, f"https://{host}/")
    kind, site = PICTURE_KINDS[found[1].lower()], served[1] or f"{served[2]}.net"
    return Address(kind, picture_key(url), None, url, site, _pixels(path))


def _pixels(path: str) -> int:
    """Return how large a picture is, as far as its address says; a large one is no better than the usual one."""
    if folder := re.match(r"/r/([0-9]{1,5})x([0-9]{1,5})/", path):
        return int(folder[1]) * int(folder[2])
    suffix = THUMBNAIL_SUFFIX.search(path)
    return FULL_SIZE if suffix is None else FULL_SIZE - 1 if suffix[0] == "l" else 1


def _capture(record: Record, file: str) -> dict[str, Any] | str:
    """Return the entry of a capture, or why the record is none."""
    if record.type not in READ:
        return f"{record.type or 'untyped'} records"
    about = address_of(record.url)
    if about is None:
        return "other addresses"
    answer = _answer(record)
    outcome = answer if isinstance(answer, str) else _outcome(about.kind, answer)
    if outcome not in ("ok", "missing"):
        return outcome
    place = {"file": file, **asdict(record.place)}
    return asdict(about) | {"fetched_at": _fetched_at(record), "outcome": outcome, **place}


def _answer(record: Record) -> Answer | str:
    """Return the answer that a record holds, or why it holds none."""
    if record.header("WARC-Segment-Number"):
        return "records in several segments"
    if record.size > MAX_RECORD_BYTES:
        return "unreadable: larger than any page"
    block = record.block()
    answer = Answer(OK, body=block, sent=block) if record.type == "resource" else answer_of(block)
    if answer is None:
        return "unreadable: no HTTP answer"
    if record.header("WARC-Truncated"):
        return CUT
    stated = record.header("WARC-Payload-Digest")
    if not (agrees(stated, answer.sent, answer.body) or agrees(stated, *_unpacked(answer))):
        what = "the payload is not the one that was archived (digest differs)"
        raise CorruptFile(what, where=record.where, fix=RESTORE)
    return CUT if answer.cut else answer


def _unpacked(answer: Answer) -> list[bytes]:
    """Return the body without its content coding: some tools state the digest of that."""
    body = body_of(answer)
    return [body] if isinstance(body, bytes) else []


def _outcome(kind: str, answer: Answer) -> str:
    """Return ok, missing, or what the site answered instead of a page."""
    if answer.status != OK and answer.status not in GONE:
        return f"status {answer.status}"
    body = body_of(answer)
    if isinstance(body, str):
        return body
    outcome, reason = recognised(kind, body)
    if answer.status in GONE:
        return f"no content: {reason}" if outcome == "blocked" else "missing"
    return outcome if outcome in ("ok", "missing") else f"no content: {reason}"


def _fetched_at(record: Record) -> datetime:
    """Return when a record was made; WARC 1.1 lets a date stop at any of its parts."""
    stated = record.header("WARC-Date")
    whole = stated + "0001-01-01"[len(stated) :] if re.fullmatch(r"[0-9]{4}(-[0-9]{2})?", stated) else stated
    try:
        at = datetime.fromisoformat(whole)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CorruptFile(f"{stated[:40]!r} is no date", where=record.where, fix=RESTORE) from error


def _keep(found: dict[str, Any], best: dict[Page, dict[str, Any]]) -> str:
    """Put a capture in the place of a worse one, and return what became of the record that lost."""
    page = (found["site"], found["kind"], found["key"])
    if page in best and _worth(found) < _worth(best[page]):
        return BEATEN
    lost = page in best
    best[page] = found
    return BEATEN if lost else KEPT


def _worth(capture: dict[str, Any]) -> tuple[bool, int, datetime]:
    return capture["outcome"] == "ok", capture["pixels"], capture["fetched_at"]


def _of_one_site(captures: pl.DataFrame) -> pl.DataFrame:
    """Return the captures, which are pages of one site: ids of two sites mean different titles."""
    sites = captures["site"].unique().sort().to_list()
    if not sites:
        known = " and ".join(SITES)
        raise SettingError("the files hold no page that is known", fix=f"name files with pages of {known}")
    if len(sites) > 1:
        raise SettingError(f"the files hold pages of {' and '.join(sites)}", fix="import each site by itself")
    return captures
