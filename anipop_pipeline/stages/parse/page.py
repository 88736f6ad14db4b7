"""A page opened and checked: whole, readable, about what its address says; and its addresses and pictures.

Belongs here: what holds for every kind of page. Does not: the fields of one kind.
"""

import io
import re
import struct
import warnings
from collections.abc import Iterator
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
    "anime_stats": re.compile(r"/anime/([0-9]{1,9})/[^/]*/stats/?"),
    "character": re.compile(r"/character/([0-9]{1,9})(?:/[^/]*)?/?"),
}
STATED = (('link[rel="canonical"]', "href"), ('meta[property="og:url"]', "content"), ("a.horiznav_active", "href"))
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
    path = stated_path(tree)
    stated = ADDRESSES[kind].fullmatch(path)
    if stated is None:
        raise changed("canonical", f"the page calls itself {path[:80]!r}, not a page of kind {kind}")
    asked = numbered(url)
    if asked is None or asked != (kind.partition("_")[0], int(stated[1])):
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


def stated_path(tree: LexborHTMLParser) -> str:
    """Return the path of the address that the page gives itself; pages before 2015 say it in their open tab alone."""
    for selector, name in STATED:
        node = tree.css_first(selector)
        stated = node.attributes.get(name) if node is not None else None
        if stated and path_of(stated):
            return path_of(stated)
    raise changed("canonical", "the page does not say which page it is: an error page or a login wall")


def numbered(url: str) -> tuple[str, int] | None:
    """Return what an address is about and its id.

    >>> numbered("https://myanimelist.net/anime/5114/Fullmetal_Alchemist__Brotherhood")
    ('anime', 5114)
    """
    found = NUMBERED.search(path_of(url))
    return (found[1], int(found[2])) if found else None


def absolute(href: str, url: str) -> str:
    """Return the canonical address of a page: on the host of the page that names it, https, ASCII, no query.

    >>> absolute("http://myanimelist.net/anime/28977/Gintama°?x=1", "http://myanimelist.net/topanime.php")
    'https://myanimelist.net/anime/28977/Gintama%C2%B0'
    """
    return f"https://{_host(url)}{_quoted(path_of(href))}"


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


def until_heading(heading: LexborNode) -> Iterator[LexborNode]:
    """Yield what follows a heading among its siblings, up to the next heading."""
    node = heading.next
    while node is not None and not _is_heading(node):
        yield node
        node = node.next


def html_until_heading(heading: LexborNode) -> str:
    """Return the HTML of what follows a heading among its siblings, up to the next heading."""
    return "".join(node.html or "" for node in until_heading(heading))


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


def _is_heading(node: LexborNode) -> bool:
    if node.is_text_node or node.is_comment_node:
        return False
    return node.tag == "h2" or "normal_header" in (node.attributes.get("class") or "") or bool(node.css_first("h2"))


def _decoded_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data), formats=PICTURE_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height}")
        image.load()
        return width, height


def _split(url: str) -> tuple[str, str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed [ in the host
        return None
    return parts.scheme, parts.netloc, parts.path


def path_of(url: str) -> str:
    """Return the path of an address, or an empty string where it is none."""
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
