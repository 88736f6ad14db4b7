"""Claims about connections with one deadline for a whole answer, on real sockets."""

import copy
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from anipop_pipeline.stages.wire import (
    MAX_HEAD_BYTES,
    BrokenFraming,
    DeadlineAdapter,
    WholeAnswer,
    connection_class,
    pool_classes,
)

from .faulty_site import (
    BASE,
    HTML,
    PAGE,
    Behaviour,
    FaultySite,
    chunked,
    endless,
    framed,
    head,
    page,
    raw,
    serve,
    session_for,
    silence,
    trickle,
)

DEADLINE = 0.4
LONGEST = 0.9  # a deadline and what a busy machine adds to it
WHOLE = head(200, {**HTML, "Content-Length": str(len(PAGE))})


@pytest.fixture
def site() -> Iterator[FaultySite]:
    with serve(FaultySite()) as site:
        yield site


@pytest.fixture
def session(site: FaultySite) -> Iterator[requests.Session]:
    with session_for(site, DEADLINE) as session:
        yield session


def body_of(session: requests.Session, *, timeout: float = 5) -> bytes:
    with session.get(f"{BASE}/x", stream=True, timeout=timeout) as response:
        return b"".join(iter(lambda: response.raw.read(2**16, decode_content=False), b""))


@pytest.mark.parametrize(
    "behaviour",
    [
        trickle(b"HTTP/1.1 200 Very well, but it takes its time to say so"),
        trickle(b"X-Slow: " + b"a" * 1000, first=b"HTTP/1.1 200 OK\r\n"),
        trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ],
    ids=["status line", "headers", "interim answers"],
)
def test_a_head_that_trickles_in_ends_at_the_deadline(
    site: FaultySite, session: requests.Session, behaviour: Behaviour
) -> None:
    site.script["/x"] = [behaviour]
    before = time.monotonic()

    with pytest.raises(requests.ReadTimeout):
        body_of(session)

    assert DEADLINE * 0.9 < time.monotonic() - before < LONGEST


@pytest.mark.parametrize(
    "behaviour",
    [
        trickle(PAGE, first=WHOLE),
        trickle(chunked(PAGE), first=head(200, {"Transfer-Encoding": "chunked"})),
        trickle(PAGE, first=head(200, {})),
        trickle(b"X: y\r\n" * 99, first=head(200, {"Transfer-Encoding": "chunked"}) + chunked(PAGE, end=b"0\r\n")),
    ],
    ids=["with a length", "chunked", "to the end of the connection", "trailers"],
)
def test_a_body_that_trickles_in_ends_at_the_deadline(
    site: FaultySite, session: requests.Session, behaviour: Behaviour
) -> None:
    site.script["/x"] = [behaviour]
    before = time.monotonic()

    with pytest.raises(ReadTimeoutError):
        body_of(session)

    assert DEADLINE * 0.9 < time.monotonic() - before < LONGEST


def test_the_timeout_of_one_silence_still_holds(site: FaultySite, session: requests.Session) -> None:
    site.script["/x"] = [silence(WHOLE)]
    before = time.monotonic()

    with pytest.raises(ReadTimeoutError):
        body_of(session, timeout=0.1)

    assert time.monotonic() - before < DEADLINE


def test_a_slow_answer_within_its_deadline_is_whole(site: FaultySite, session: requests.Session) -> None:
    site.script["/x"] = [trickle(PAGE, first=WHOLE, seconds=0.001)]

    assert body_of(session) == PAGE


def test_a_connection_is_kept_and_each_answer_has_a_deadline_of_its_own(
    site: FaultySite, session: requests.Session
) -> None:
    before = time.monotonic()
    while time.monotonic() - before < 1.5 * DEADLINE:
        assert body_of(session) == PAGE
        time.sleep(DEADLINE / 10)

    assert {one.connection for one in site.asked} == {1}
    assert len(site.asked) > 5


def test_a_connection_may_rest_longer_than_a_deadline(site: FaultySite, session: requests.Session) -> None:
    first = body_of(session)
    time.sleep(1.2 * DEADLINE)

    assert first == body_of(session) == PAGE
    assert [one.connection for one in site.asked] == [1, 1]


def test_a_connection_that_failed_is_not_used_again(site: FaultySite, session: requests.Session) -> None:
    site.script["/x"] = [silence(WHOLE + PAGE[:9]), page()]
    with pytest.raises(HTTPError):
        body_of(session, timeout=0.1)

    assert body_of(session) == PAGE
    assert [one.connection for one in site.asked] == [1, 2]


@pytest.mark.parametrize(
    "behaviour",
    [
        endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 50_000 + b"\r\n"),
        endless(b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 50_000),
        endless(b"", b"a" * 50_000),
    ],
    ids=["long headers", "many headers", "interim answers", "one header", "status line"],
)
def test_a_head_without_end_is_left_soon(site: FaultySite, session: requests.Session, behaviour: Behaviour) -> None:
    site.script["/x"] = [behaviour]
    before = time.monotonic()

    with pytest.raises(requests.ConnectionError):
        body_of(session)

    assert time.monotonic() - before < DEADLINE
    assert site.asked[0].sent < MAX_HEAD_BYTES + 2**19


def test_a_large_head_within_bounds_and_a_large_body_are_read(site: FaultySite, session: requests.Session) -> None:
    body = PAGE * 5000
    headers = {f"X-{number}": "a" * 5000 for number in range(40)}
    site.script["/x"] = [page(body, headers)]

    assert body_of(session) == body
    assert len(body) > MAX_HEAD_BYTES > 40 * 5000


def test_early_hints_come_before_the_answer(site: FaultySite, session: requests.Session) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    site.script["/x"] = [raw(hints + WHOLE + PAGE)]

    with session.get(f"{BASE}/x", timeout=5) as response:
        assert (response.status_code, response.content) == (200, PAGE)
        assert "Link" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-5"},
        {"Content-Length": "many"},
        {"Content-Length": "+10"},
        {"Content-Length": "10, 20"},
        {"Content-Length": "10", "content-length": "20"},
        {"Transfer-Encoding": "gzip, chunked"},
        {"Transfer-Encoding": "smoke signals"},
        {"a line without a colon\r\nX-A": "b"},
    ],
    ids=str,
)
def test_a_head_that_leaves_the_end_in_doubt_is_refused(
    site: FaultySite, session: requests.Session, headers: dict[str, str] | set[str]
) -> None:
    given = headers if isinstance(headers, dict) else {headers.pop(): "c"}
    site.script["/x"] = [framed(given)]

    with pytest.raises(requests.RequestException):
        body_of(session)


def test_one_length_said_twice_is_one_length(site: FaultySite, session: requests.Session) -> None:
    site.script["/x"] = [framed({"Content-Length": str(len(PAGE)), "content-length": str(len(PAGE))})]

    assert body_of(session) == PAGE


@pytest.mark.parametrize(
    "behaviour",
    [
        framed({"Content-Length": str(len(PAGE) - 9)}),
        framed({"Transfer-Encoding": "chunked"}, chunked(PAGE) + b"and more"),
        raw(head(204, {}) + PAGE),
    ],
    ids=["length too small", "after the last chunk", "after no content"],
)
def test_bytes_after_the_end_are_an_error(site: FaultySite, session: requests.Session, behaviour: Behaviour) -> None:
    site.script["/x"] = [behaviour]

    with pytest.raises(ProtocolError):
        body_of(session)


@pytest.mark.parametrize(
    "behaviour",
    [
        framed({"Content-Length": str(len(PAGE) + 9)}),
        framed({"Transfer-Encoding": "chunked"}, chunked(PAGE, end=b"")),
        framed({"Transfer-Encoding": "chunked"}, chunked(PAGE, end=b"zz\r\n")),
    ],
    ids=["shorter than its length", "no last chunk", "a chunk of unreadable size"],
)
def test_a_torn_body_is_an_error(site: FaultySite, session: requests.Session, behaviour: Behaviour) -> None:
    site.script["/x"] = [behaviour]

    with pytest.raises(ProtocolError):
        body_of(session)


def test_a_body_left_half_read_is_no_error(site: FaultySite, session: requests.Session) -> None:
    with session.get(f"{BASE}/x", stream=True, timeout=5) as response:
        assert response.raw.read(5) == PAGE[:5]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for this machine, signed by itself, and of its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    public, key = tmp_path / "public.pem", tmp_path / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-keyout", str(key), "-out", str(public)]
    subprocess.run(
        [openssl, "req", "-x509", "-nodes", "-days", "1", *curve, *named, *out], check=True, capture_output=True
    )
    return public, key


def test_the_deadline_holds_over_tls_and_the_connection_is_kept(certificate: tuple[Path, Path]) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    site = FaultySite(script={"/slow": [trickle(PAGE, first=WHOLE)]})
    with serve(site, tls), requests.Session() as session:
        session.trust_env = False
        session.mount("https://", DeadlineAdapter(DEADLINE))
        pages = [session.get(f"https://127.0.0.1:{site.port}/x", verify=str(certificate[0])) for _ in range(2)]
        before = time.monotonic()
        with pytest.raises(requests.ConnectionError, match="timed out"):
            session.get(f"https://127.0.0.1:{site.port}/slow", verify=str(certificate[0]))

    assert DEADLINE * 0.9 < time.monotonic() - before < LONGEST
    assert [page.content for page in pages] == [PAGE, PAGE]
    assert [one.connection for one in site.asked] == [1, 1, 1]


def test_an_adapter_can_be_copied_and_keeps_its_deadline() -> None:
    again = copy.copy(DeadlineAdapter(7))

    assert again.poolmanager.pool_classes_by_scheme["https"].ConnectionCls.response_class.keywords == {"seconds": 7}


def test_connections_through_a_proxy_have_the_deadline_too() -> None:
    manager = DeadlineAdapter(7).proxy_manager_for("http://127.0.0.1:9")

    assert {name: pool.ConnectionCls.response_class.func for name, pool in manager.pool_classes_by_scheme.items()} == {
        "http": WholeAnswer,
        "https": WholeAnswer,
    }


def test_a_deadline_is_positive() -> None:
    with pytest.raises(ValueError, match="some time"):
        DeadlineAdapter(0)


def test_the_classes_of_one_deadline_leave_those_of_others_alone() -> None:
    short, long = connection_class(1), connection_class(2)

    assert short.response_class.keywords["seconds"] == 1  # type: ignore[attr-defined]
    assert long.response_class.keywords["seconds"] == 2  # type: ignore[attr-defined]
    assert set(pool_classes(1)) == {"http", "https"}
    assert issubclass(BrokenFraming, Exception)
