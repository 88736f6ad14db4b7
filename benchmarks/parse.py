"""Pages a second of our parser beside BeautifulSoup and two bare trees, on the same pages in one process.

    python benchmarks/parse.py FOLDER [ROUNDS]

FOLDER holds anime pages as `<id>.html` or `anime__<id>__<date>.html`. Pages that our parser refuses are left out.
The fastest of the rounds counts, since anything slower is the machine's doing.
"""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup
from lxml import html as lxml_html
from selectolax.lexbor import LexborHTMLParser

from anipop_pipeline.errors import PageChanged
from anipop_pipeline.stages.parse import anime

Pages = list[tuple[bytes, str]]
PEERS: dict[str, Callable[[bytes, str], object]] = {
    "ours, page to record": anime,
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


def main() -> None:
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    pages = pages_of(folder)
    if not pages:
        sys.exit(f"no anime page in {folder}")
    rates = {name: len(pages) / seconds(work, pages, rounds) for name, work in PEERS.items()}
    ours = next(iter(rates.values()))
    size = sum(len(body) for body, _ in pages) / len(pages) / 1000
    print(f"{len(pages)} pages of {size:.0f} kB on average, best of {rounds} rounds, one core\n")
    print(f"{'':34}{'pages/s':>9}{'ours is':>10}")
    for name, rate in rates.items():
        print(f"{name:34}{rate:9.0f}{ours / rate:9.2f}x")


if __name__ == "__main__":
    main()
