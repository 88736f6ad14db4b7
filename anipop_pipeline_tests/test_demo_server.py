import gzip
import io
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from anipop_pipeline.demo import server
from anipop_pipeline.demo.chrome import BASE, CDN
from anipop_pipeline.demo.world import World, build, later
from anipop_pipeline.errors import PortInUse

from .demo_reading import default_world, living


@pytest.fixture(scope="module")
def world() -> World:
    return default_world()


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[server.Server]:
    with server.serve(world) as running:
        yield running


@pytest.fixture
def session(served: server.Server) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        server.connect(opened, served.port)
        yield opened


# Served


def test_every_listed_anime_is_served_except_those_that_are_dead(world: World, session: requests.Session) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda one: session.get(BASE + one.path, timeout=10), world.anime))

    for one, answer in zip(world.anime, answers, strict=True):
        assert answer.status_code == (404 if one.id in world.dead_anime else 200)
        assert answer.url == BASE + one.path


def test_dead_links_lead_nowhere(world: World, session: requests.Session) -> None:
    anime, character, picture = min(world.dead_anime), min(world.dead_characters), min(world.dead_pictures)

    assert session.get(BASE + world.anime_by_id[anime].path, timeout=10).status_code == 404
    assert session.get(BASE + world.anime_by_id[anime].path + "/characters", timeout=10).status_code == 404
    assert session.get(CDN + picture, timeout=10).status_code == 404
    answer = session.get(BASE + world.character_by_id[character].path, timeout=10)
    assert (answer.status_code, "Invalid ID provided." in answer.text) == (200, True)


def test_pictures_are_served_from_the_other_host(world: World, session: requests.Session) -> None:
    poster = next(path for path in world.posters if path not in world.dead_pictures)

    answer = session.get(CDN + poster, timeout=10)

    assert answer.url == CDN + poster
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (112, 158)


def test_no_port_is_visible_in_answers_requests_redirects_or_bodies(
    world: World, served: server.Server, session: requests.Session
) -> None:
    one = living(world, lambda one: one.score)

    answer = session.get(f"{BASE}/anime.php?id={one.id}", timeout=10)

    assert [step.status_code for step in answer.history] == [301]
    assert answer.url == BASE + one.path
    for step in (*answer.history, answer):
        seen = f"{step.url} {step.request.url} {step.headers} {step.request.headers} {step.text}"
        assert "127.0.0.1" not in seen
        assert f":{served.port}" not in seen
    assert answer.request.headers["Host"] == "demo.invalid"


def test_a_proxy_in_the_environment_is_not_asked(session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert session.get(f"{BASE}/robots.txt", timeout=10).status_code == 200


def test_robots_allows_pages_and_forbids_the_panel(session: requests.Session) -> None:
    rules = session.get(f"{BASE}/robots.txt", timeout=10).text

    assert "Disallow: /panel.php" in rules
    assert "Crawl-delay" not in rules


def test_one_connection_carries_many_requests(world: World, served: server.Server) -> None:
    before = served.requests_served
    with socket.create_connection(("127.0.0.1", served.port)) as line, line.makefile("rb") as reply:
        for _ in range(3):
            line.sendall(b"HEAD /robots.txt HTTP/1.1\r\nHost: demo.invalid\r\n\r\n")
            status = reply.readline()
            headers = dict(part.strip().split(b": ", 1) for part in iter(reply.readline, b"\r\n"))
            assert status == b"HTTP/1.1 200 OK\r\n"
            assert int(headers[b"Content-Length"]) > 50
            assert headers[b"Date"] == b"Mon, 30 Jun 2025 00:00:00 GMT"

    assert served.requests_served == before + 3


def test_a_page_is_compressed_for_those_who_accept_it(world: World, session: requests.Session) -> None:
    path = BASE + living(world, lambda one: one.score).path

    with session.get(path, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10) as packed:
        raw = packed.raw.read(decode_content=False)
    plain = session.get(path, headers={"Accept-Encoding": "identity"}, timeout=10)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content
    assert "Content-Encoding" not in plain.headers


def test_only_reading_is_allowed(session: requests.Session) -> None:
    answer = session.post(f"{BASE}/panel.php", data={"do": "add"}, timeout=10)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_nothing_is_left_running_when_the_block_ends() -> None:
    before = set(threading.enumerate())  # others may end meanwhile; only new ones count

    with server.serve(build(size=10)) as running, requests.Session() as opened:
        server.connect(opened, running.port)
        opened.get(f"{BASE}/", timeout=10)
        assert len(set(threading.enumerate()) - before) == 2

    assert not set(threading.enumerate()) - before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port))


def test_an_error_names_the_canonical_address_and_no_port() -> None:
    with server.serve(build(size=10)) as running:
        gone = running.port
    with requests.Session() as opened:
        server.connect(opened, gone)
        with pytest.raises(requests.ConnectionError) as problem:
            opened.get(f"{BASE}/robots.txt", timeout=10)

    assert str(problem.value) == f"no answer from {BASE}/robots.txt"


def test_a_taken_port_is_an_error_that_says_what_to_do(world: World, served: server.Server) -> None:
    with pytest.raises(PortInUse) as problem, server.serve(world, port=served.port):
        pass

    for told_word in (str(served.port), "ANIPOP_DEMO_PORT", "unset"):
        assert told_word in str(problem.value)


# Only what has changed


def addresses(world: World) -> dict[str, str]:
    one = living(world, lambda one: one.score and one.poster_path)
    return {
        "page": BASE + one.path,
        "stats": f"{BASE}{one.path}/stats",
        "list": f"{BASE}/topanime.php",
        "season": f"{BASE}/anime/season/2025/spring",
        "robots": f"{BASE}/robots.txt",
        "picture": f"{CDN}{one.poster_path}",
    }


@pytest.mark.parametrize("what", ["page", "stats", "list", "season", "robots", "picture"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_known_already_is_not_sent_again(
    world: World, session: requests.Session, what: str, method: str
) -> None:
    url = addresses(world)[what]
    tag = session.get(url, timeout=10).headers["ETag"]

    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = session.request(method, url, headers={"If-None-Match": asked}, timeout=10)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert not {"Content-Length", "Content-Encoding", "Content-Type"} & set(answer.headers)


def test_another_tag_brings_the_whole_page(world: World, session: requests.Session) -> None:
    url = addresses(world)["page"]
    whole = session.get(url, timeout=10)

    for asked in ('"other"', 'W/"other", "another"', "", '"'):
        answer = session.get(url, headers={"If-None-Match": asked}, timeout=10)
        assert (answer.status_code, answer.content) == (200, whole.content)


def test_two_codings_of_a_page_have_two_tags(world: World, session: requests.Session) -> None:
    url = addresses(world)["page"]
    codings = {"gzip": {"Accept-Encoding": "gzip"}, "plain": {"Accept-Encoding": "identity"}}

    tags = {name: session.get(url, headers=asked, timeout=10).headers["ETag"] for name, asked in codings.items()}

    assert tags["gzip"] != tags["plain"]
    assert not any(tag.startswith("W/") for tag in tags.values())
    for name, asked in codings.items():
        for known, expected in ((name, 304), ("plain" if name == "gzip" else "gzip", 200)):
            answer = session.get(url, headers={**asked, "If-None-Match": tags[known]}, timeout=10)
            assert answer.status_code == expected


def test_a_connection_goes_on_after_an_answer_without_body(world: World, served: server.Server) -> None:
    lines = b"GET /robots.txt HTTP/1.1\r\nHost: demo.invalid\r\nIf-None-Match: *\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as line, line.makefile("rb") as reply:
        for _ in range(2):
            line.sendall(lines)
            assert reply.readline() == b"HTTP/1.1 304 Not Modified\r\n"
            headers = dict(part.strip().split(b": ", 1) for part in iter(reply.readline, b"\r\n"))
            assert headers[b"ETag"].startswith(b'"')
            assert headers[b"Vary"] == b"Accept-Encoding"
        line.sendall(lines.replace(b"If-None-Match: *\r\n", b""))
        assert reply.readline() == b"HTTP/1.1 200 OK\r\n"


def test_what_is_missing_or_elsewhere_has_no_tag_and_is_never_known(world: World, session: requests.Session) -> None:
    dead = BASE + world.anime_by_id[min(world.dead_anime)].path
    moved = f"{BASE}/anime.php?id={living(world, lambda one: one.score).id}"

    for url, status in ((dead, 404), (moved, 301)):
        answer = session.get(url, headers={"If-None-Match": "*"}, allow_redirects=False, timeout=10)
        assert answer.status_code == status
        assert "ETag" not in answer.headers


def test_the_same_content_has_the_same_tag_in_another_server(world: World, session: requests.Session) -> None:
    found = {name: session.get(url, timeout=10).headers["ETag"] for name, url in addresses(world).items()}

    with server.serve(build()) as again, requests.Session() as opened:
        server.connect(opened, again.port)
        others = {name: opened.get(url, timeout=10).headers["ETag"] for name, url in addresses(world).items()}

    assert found == others
    assert len(set(found.values())) == len(found)


def test_a_later_world_is_served_on_its_own_day_and_says_what_has_changed(
    world: World, session: requests.Session
) -> None:
    urls = addresses(world)
    tags = {name: session.get(url, timeout=10).headers["ETag"] for name, url in urls.items()}

    with server.serve(later(world, 45)) as moved, requests.Session() as opened:
        server.connect(opened, moved.port)
        answers = {
            name: opened.get(url, headers={"If-None-Match": tags[name]}, timeout=10) for name, url in urls.items()
        }

    assert {name for name, answer in answers.items() if answer.status_code == 304} == {"robots", "picture"}
    assert {answer.headers["Date"] for answer in answers.values()} == {"Thu, 14 Aug 2025 00:00:00 GMT"}
