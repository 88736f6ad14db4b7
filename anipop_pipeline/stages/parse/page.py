"""A page opened and checked: whole, readable, about what its address says; and its addresses and pictures.

Belongs here: what holds for every kind of page. Does not: the fields of one kind.
"""

import io
import re
import struct
import warnings
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from PIL import Image, UnidentifiedImageError
from selectolax.lexbor import LexborHTMLParser, LexborNode

from anipop_pipeline.errors import PageChanged

MAX_PIXELS = 40_000_000
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
NO_PICTURE = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError, struct.error)
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)

ADDRESSES = {
    "anime": re.compile(r"/anime/([0-9]{1,9})(?:/[^/]*)?/?"),
    "anime_characters": re.compile(r"/anime/([0-9]{1,9})/[^/]*/characters/?"),
    "character": re.compile(r"/character/([0-9]{1,9})(?:/[^/]*)?/?"),
}
NUMBERED = re.compile(r"/(anime|manga|character)/([0-9]{1,9})(?:/|$)")
PLACEHOLDER = re.compile(r"questionmark|/qm_|/na[._]|spacer|/icon/|apple-touch|no_?image", re.IGNORECASE)
THUMBNAIL_FOLDER = re.compile(r"^/r/[0-9]+x[0-9]+(?=/)")
THUMBNAIL_SUFFIX = re.compile(r"(?<=[0-9])[tvl](?=\.[a-z]+$)")
TAIL = 4096  # a proxy may add a comment after the end of the page


@dataclass(frozen=True)
class Page:
    """A page whose own address agrees with the one that was asked for."""

    tree: LexborHTMLParser
    url: str
    id: int


def changed(field: str, what: str) -> PageChanged:
    """Return the error that says which field is not what the parser knows."""
    fix = "look at the archived page; when the site's layout changed, teach the parser the new one"
    return PageChanged(what, where=field, fix=fix)


def opened(html: bytes, url: str, kind: str) -> Page:
    """Return the page with its canonical address and id, after both were found to be those asked for."""
    tree = tree_of(html)
    path = urlsplit(_stated_address(tree)).path
    stated = ADDRESSES[kind].fullmatch(path)
    if stated is None:
        raise changed("canonical", f"the page calls itself {path[:80]!r}, not a page of kind {kind}")
    asked = numbered(url)
    if asked is None or asked != (kind.partition("_characters")[0], int(stated[1])):
        raise changed("id", f"the page is about {path[:80]!r}, which is not what was asked for: {url[:200]!r}")
    return Page(tree, absolute(path, url), int(stated[1]))


def tree_of(html: bytes) -> LexborHTMLParser:
    """Return the tree of a page that is whole and in UTF-8."""
    if b"</html" not in html[-TAIL:].lower():
        raise changed("page", "the page has no end: it was cut short, or it is no page")
    try:
        html.decode("utf-8")
    except UnicodeDecodeError as error:
        raise changed("encoding", f"the page is not in UTF-8 ({error.reason} at byte {error.start})") from error
    return LexborHTMLParser(html)


def numbered(url: str) -> tuple[str, int] | None:
    """Return what an address is about and its id.

    >>> numbered("https://myanimelist.net/anime/5114/Fullmetal_Alchemist__Brotherhood")
    ('anime', 5114)
    """
    found = NUMBERED.search(_path(url))
    return (found[1], int(found[2])) if found else None


def absolute(href: str, url: str) -> str:
    """Return the canonical address of a page: on the host of the page that names it, https, ASCII, no query.

    >>> absolute("http://myanimelist.net/anime/28977/Gintama°?x=1", "http://myanimelist.net/topanime.php")
    'https://myanimelist.net/anime/28977/Gintama%C2%B0'
    """
    return f"https://{_host(url)}{_quoted(_path(href))}"


def next_address(href: str, url: str) -> str:
    """Return the address of another page of the same list, with its query.

    >>> next_address("?limit=50", "https://demo.invalid/topanime.php?limit=0")
    'https://demo.invalid/topanime.php?limit=50'
    """
    joined = urlsplit(_joined(url, href))
    query = f"?{quote(joined.query, safe='=&%+[]')}" if joined.query else ""
    return f"https://{_host(url)}{_quoted(joined.path)}{query}"


def picture_address(node: LexborNode | None, url: str) -> str | None:
    """Return the address of a picture in full size, or None for a placeholder.

    >>> html = b'<img data-src="http://cdn.x.net/r/42x62/images/characters/4/50197t.jpg?s=ab">'
    >>> picture_address(LexborHTMLParser(html).css_first("img"), "https://x.net/character/1")
    'https://cdn.x.net/images/characters/4/50197.jpg'
    """
    if node is None:
        return None
    href = (node.attributes.get("data-src") or node.attributes.get("src") or "").strip()
    if not href or PLACEHOLDER.search(href):
        return None
    parts = _split(_joined(url, href))
    if parts is None or parts[0] not in ("http", "https") or not parts[1]:
        return None
    path = THUMBNAIL_SUFFIX.sub("", THUMBNAIL_FOLDER.sub("", parts[2]))
    return f"https://{parts[1]}{_quoted(path)}"


def line(node: LexborNode | None, *, deep: bool = True) -> str:
    """Return the text of a node on one line, words of neighbouring tags apart."""
    return "" if node is None else " ".join(node.text(deep=deep, separator=" ").split())


def picture(data: bytes) -> tuple[int, int]:
    """Return width and height of a picture that could be decoded whole.

    >>> picture(b"<html>")
    Traceback (most recent call last):
    anipop_pipeline.errors.PageChanged: the bytes are no picture ... (at image). To mend it: ...
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # about metadata, which we do not read
            return _decoded_size(data)
    except UnidentifiedImageError as error:
        raise changed("image", "the bytes are no picture that we know") from error
    except BOMBS as error:
        raise changed("image", "the picture is too large to be one of the site") from error
    except NO_PICTURE as error:
        raise changed("image", f"the picture cannot be decoded ({type(error).__name__})") from error


def _decoded_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data), formats=PICTURE_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height}")
        image.load()
        return width, height


def _stated_address(tree: LexborHTMLParser) -> str:
    canonical = tree.css_first('link[rel="canonical"]')
    shared = tree.css_first('meta[property="og:url"]')
    stated = canonical.attributes.get("href") if canonical is not None else None
    stated = stated or (shared.attributes.get("content") if shared is not None else None)
    if not stated or _split(stated) is None:
        raise changed("canonical", "the page does not say which page it is: an error page or a login wall")
    return stated


def _split(url: str) -> tuple[str, str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed [ in the host
        return None
    return parts.scheme, parts.netloc, parts.path


def _path(url: str) -> str:
    parts = _split(url)
    return "" if parts is None else parts[2]


def _host(url: str) -> str:
    parts = _split(url)
    if parts is None or not parts[1]:
        raise changed("url", f"the address has no host: {url[:200]!r}")
    return parts[1]


def _joined(url: str, href: str) -> str:
    try:
        return urljoin(url, href)
    except ValueError:
        return ""


def _quoted(path: str) -> str:
    return quote(path, safe="/%:@!$&'()*+,;=~")
