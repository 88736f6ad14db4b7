"""What an answer means: content, nothing there, unchanged, try again, or stay away.

Belongs here: status, headers and body to an outcome. Does not: sending, waiting, following redirects.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests as http

from anipop_pipeline.errors import CorruptFile, TooLarge
from anipop_pipeline.stages.archive import TRANSFER_HEADERS, decoded, header
from anipop_pipeline.stages.fetch.manners import Request

CHUNK = 2**16
OK, NOT_MODIFIED, TOO_MANY, TRY_AGAIN = 200, 304, 429, (408, 425)
NO_ENTRY = (401, 403, 405, 451)  # 405 is how the site's firewall asks for a human
GONE = (404, 410)
TAIL = 4096  # a proxy may add a comment after the end of a page
PICTURES = ("portrait", "poster")
PICTURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF....WEBP", re.DOTALL)

SITE_FRAME = b'id="contentWrapper"'  # every page of the site has it, also pages that load a captcha for their forms
INVALID_ID = re.compile(rb'class="badresult"[^>]*>\s*Invalid ID provided')
TITLE_404 = re.compile(rb"<title>\s*404 Not Found")
HUMANS_ONLY = re.compile(
    rb"(?i)captcha|human verification|verify (?:that )?you are (?:a )?human|are you a robot|awswaf|gokuprops"
    rb"|challenge-platform|cf-chl|_incapsula_|datadome|enable javascript and cookies|unusual traffic|access denied"
)
CHALLENGE_TITLE = re.compile(rb"(?i)<title>\s*(?:human verification|just a moment|attention required|access denied)")
LOGIN_TITLE = re.compile(rb"(?i)<title>\s*(?:log ?in|sign ?in)\b")
CHALLENGE_HEADERS = ("x-amzn-waf-action", "cf-mitigated")
HEAD = 2**15  # a title stands before it
WALL_BYTES = 2**18  # a page that keeps robots out is small


@dataclass(frozen=True)
class Verdict:
    """What one attempt came to; `again` is worth another one, and `then` is the outcome when there is none."""

    outcome: str
    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    wait_seconds: float | None = None
    then: str = "failed"
    came_from: str = ""  # the address that redirects led to


def judged(request: Request, response: http.Response, limit: int, now: Callable[[], datetime]) -> Verdict:
    """Return what an answer that is no redirect comes to; its body is read only where it may be content."""
    status = response.status_code
    said = f"the site answered {status}"
    wait = retry_after(response.headers.get("retry-after", ""), now())
    if status in NO_ENTRY or any(name in response.headers for name in CHALLENGE_HEADERS):
        return Verdict("blocked", status, said)
    if status == TOO_MANY:
        return Verdict("again", status, said, wait_seconds=wait, then="blocked")
    if status >= 500 or status in TRY_AGAIN:
        walled = "blocked" if _is_wall(response) else "again"
        return Verdict(walled, status, said, wait_seconds=wait)
    if status == NOT_MODIFIED and request.known is not None and request.known.conditions():
        return Verdict("unchanged", status, headers=_headers(response))
    if status != OK and status not in GONE:
        return Verdict("refused", status, said)
    return _judged_by_body(request, response, limit)


def _judged_by_body(request: Request, response: http.Response, limit: int) -> Verdict:
    status, headers = response.status_code, _headers(response)
    try:
        body = _read(response, limit)
        payload = decoded(body, header(headers, "content-encoding"), limit=limit)
    except TooLarge as error:
        return Verdict("refused", status, error.what)
    except CorruptFile as error:
        return Verdict("again", status, error.what)
    outcome, reason = (_recognised_gone if status in GONE else recognised)(request.kind, payload)
    return Verdict(outcome, status, reason, headers, body if outcome in ("ok", "missing") else b"")


def _is_wall(response: http.Response) -> bool:
    """Return whether an error is a page that keeps robots out; no more of it is read than such a page has."""
    try:
        body = _read(response, WALL_BYTES)
        return _asks_for_a_human(decoded(body, response.headers.get("content-encoding", ""), limit=WALL_BYTES))
    except CorruptFile:
        return False


def _headers(response: http.Response) -> tuple[tuple[str, str], ...]:
    pairs = ((key, value) for key, value in response.raw.headers.items())
    return tuple(pair for pair in pairs if pair[0].lower() not in TRANSFER_HEADERS)


def _read(response: http.Response, limit: int) -> bytes:
    """Return the body as it was sent; one that says or turns out to be larger than the limit is not read on."""
    stated = response.headers.get("content-length", "")
    pieces, size = [], int(stated) if stated.isdecimal() and len(stated) < 20 else 0
    if size <= limit:
        size = 0
        while size <= limit and (piece := response.raw.read(CHUNK, decode_content=False)):
            pieces.append(piece)
            size += len(piece)
    if size > limit:
        raise TooLarge(f"the body has more than {limit} bytes")
    return b"".join(pieces)


def recognised(kind: str, payload: bytes) -> tuple[str, str]:
    """Return the outcome that a page with status 200 states, and the reason.

    >>> recognised("character", b'<p id="contentWrapper"><b class="badresult">Invalid ID provided.</b></p></html>')
    ('missing', '')
    >>> recognised("anime", b"<title>Human Verification</title>")
    ('blocked', 'the site asks for a human')
    >>> recognised("anime", b"<h1>Welcome to the hotel's network</h1></html>")
    ('again', 'the answer is no page of the site')
    >>> recognised("poster", b"{}")
    ('again', 'the answer is no picture')
    """
    if kind == "robots" or (kind in PICTURES and PICTURE.match(payload)):
        return "ok", ""
    if _asks_for_a_human(payload):
        return "blocked", "the site asks for a human"
    if not payload:
        return "again", "the body is empty"
    return ("again", "the answer is no picture") if kind in PICTURES else _recognised_page(payload)


def _recognised_page(payload: bytes) -> tuple[str, str]:
    if b'class="error404"' in payload or INVALID_ID.search(payload) or TITLE_404.search(payload[:HEAD]):
        return "missing", ""
    if b'class="error50' in payload:
        return "again", "the site says that it is out of service"
    if LOGIN_TITLE.search(payload[:HEAD]):
        return "blocked", "the site asks for a login"
    if SITE_FRAME not in payload:
        return "again", "the answer is no page of the site"
    if b"</html" not in payload[-TAIL:].lower():
        return "again", "the page ends before it is whole"
    return "ok", ""


def _recognised_gone(kind: str, payload: bytes) -> tuple[str, str]:
    """Return the outcome of a 404 or 410; where the site has pages, only its own page counts as its word."""
    if _asks_for_a_human(payload):
        return "blocked", "the site asks for a human"
    is_its_own = kind in (*PICTURES, "robots") or SITE_FRAME in payload or b'class="error404"' in payload
    return ("missing", "") if is_its_own else ("again", "not found, but not by a page of the site")


def _asks_for_a_human(payload: bytes) -> bool:
    """Return whether a body keeps robots out; pages of the site may speak of captchas, but not in their title."""
    if CHALLENGE_TITLE.search(payload[:HEAD]):
        return True
    return SITE_FRAME not in payload and HUMANS_ONLY.search(payload[:WALL_BYTES]) is not None


def retry_after(value: str, now: datetime) -> float | None:
    """Return how many seconds a Retry-After header asks for, or None where it says nothing.

    >>> retry_after("120", datetime(2026, 5, 1, tzinfo=UTC))
    120.0
    >>> retry_after("Fri, 01 May 2026 00:00:30 GMT", datetime(2026, 5, 1, tzinfo=UTC))
    30.0
    """
    if re.fullmatch(r"[0-9]+", value.strip()):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - now).total_seconds())
