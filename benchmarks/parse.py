"""Pages a second of our parser beside BeautifulSoup and two bare trees, on the same pages, and out of an archive.

    python benchmarks/parse.py FOLDER [ROUNDS]

FOLDER holds anime pages as `<id>.html` or `anime__<id>__<date>.html`. Pages that our parser refuses are left out.
The fastest of the rounds counts, since anything slower is the machine's doing. The last row reads every page COPIES
times out of one WARC segment on all cores, from the archive's bytes to a checked table, start of processes included.
"""

import gzip
import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from bs4 import BeautifulSoup
from lxml import html as lxml_html
from selectolax.lexbor import LexborHTMLParser

from anipop_pipeline.engine import map_batches
from anipop_pipeline.errors import PageChanged
from anipop_pipeline.stages import archive
from anipop_pipeline.stages.parse import PageParser, anime, collect

COPIES = 30
BATCH_ROWS = 64
AT = datetime(2021, 12, 1, tzinfo=UTC)
COLUMNS = pa.schema([("url", pa.string()), ("id", pa.int64()), ("body", pa.binary())])
Pages = list[tuple[bytes, str]]
PEERS: dict[str, Callable[[bytes, str], object]] = {
    "ours, page to record": anime,
    "BeautifulSoup(html.parser), tree alone": lambda body, _: BeautifulSoup(body, "html.parser"),
    "BeautifulSoup(lxml), tree alone": lambda body, _: BeautifulSoup(body, "lxml"),
    "lxml, tree alone": lambda body, _: lxml_html.fromstring(body),
    "selectolax, tree alone": lambda body, _: LexborHTMLParser(body),
}


def pages_of(folder: Path) -> Pages:
    found: Pages = []
    for path in sorted(folder.glob("*.html")):
        number = re.fullmatch(r"(?:anime__)?([0-9]+)(?:__.*)?", path.stem)
        if number:
            found.append((path.read_bytes(), f"https://myanimelist.net/anime/{number[1]}"))
    return [page for page in found if is_read(*page)]


def is_read(body: bytes, url: str) -> bool:
    try:
        anime(body, url)
    except PageChanged:
        return False
    return True


def seconds(work: Callable[[bytes, str], object], pages: Pages, rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        for body, url in pages:
            work(body, url)
        spent.append(time.perf_counter() - start)
    return min(spent)


def segment_of(pages: Pages) -> io.BytesIO:
    """Return an archive that holds every page COPIES times, compressed as a site sends it."""
    stream = io.BytesIO()
    for copy in range(COPIES):
        for body, url in pages:
            number, headers = int(url.rsplit("/", 1)[1]), (("Content-Encoding", "gzip"),)
            sent = gzip.compress(body, mtime=copy)
            archive.append(stream, archive.Exchange(url, "anime", number, AT, 200, "ok", headers, sent))
    return stream


def batches_of(stream: io.BytesIO) -> Iterator[pa.Table]:
    stream.seek(0)
    waiting: list[dict[str, object]] = []
    for exchange, _, _ in archive.scan(stream):
        waiting.append({"url": exchange.url, "id": exchange.id, "body": exchange.payload})
        if len(waiting) == BATCH_ROWS:
            yield pa.Table.from_pylist(waiting, schema=COLUMNS)
            waiting = []
    yield pa.Table.from_pylist(waiting, schema=COLUMNS)


def archive_rate(pages: Pages, cores: int) -> float:
    """Return how many archived pages a second become rows of a table and its rejects."""
    stream = segment_of(pages)
    start = time.perf_counter()
    parsed = map_batches(batches_of(stream), PageParser, {"kind": "anime"}, batch_rows=BATCH_ROWS, actors=cores)
    kept, rejects = collect("anime", parsed)
    spent = time.perf_counter() - start
    assert kept.height + rejects.height >= len(pages) * COPIES
    return len(pages) * COPIES / spent


def main() -> None:
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    pages = pages_of(folder)
    if not pages:
        sys.exit(f"no anime page in {folder}")
    rates = {name: len(pages) / seconds(work, pages, rounds) for name, work in PEERS.items()}
    ours = next(iter(rates.values()))
    size = sum(len(body) for body, _ in pages) / len(pages) / 1000
    print(f"{len(pages)} pages of {size:.0f} kB on average, best of {rounds} rounds, one core\n")
    print(f"{'':42}{'pages/s':>9}{'ours is':>10}")
    for name, rate in rates.items():
        print(f"{name:42}{rate:9.0f}{ours / rate:9.2f}x")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rate = archive_rate(pages, cores)
    print(
        f"\n{f'ours, archive to table, {cores} cores':42}{rate:9.0f}{ours / rate:9.2f}x   {len(pages) * COPIES} pages"
    )


if __name__ == "__main__":
    main()
