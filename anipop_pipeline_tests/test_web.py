"""The pitch page, asked over loopback as a browser asks it."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from bs4 import BeautifulSoup

from anipop_pipeline import web
from anipop_pipeline.errors import SettingError
from anipop_pipeline.predictor import Predictor
from anipop_pipeline.stages.pitch import FIELDS

from .pitch_lake import BRIGHT_STORY, world

PITCH = {"title": "The Orchard", "synopsis": BRIGHT_STORY, "type": "TV", "source": "Manga", "genres": ["Drama"]}


def predictor(*, invented: bool) -> Predictor:
    made = world()
    return Predictor.of(made.corpus, made.clusters, made.folders, site="mal", invented=invented)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    yield from serving(predictor(invented=False))


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    yield from serving(predictor(invented=True))


def serving(answers: Predictor) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = web.server(answers)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(timeout=10)


Ask = Callable[..., requests.Response]


def ask(address: str, **fields: object) -> tuple[requests.Response, BeautifulSoup]:
    answer = requests.post(address, data=fields, timeout=30)
    return answer, BeautifulSoup(answer.text, "lxml")


def value(page: BeautifulSoup, name: str) -> str:
    found = page.find(attrs={"name": name})
    assert found is not None
    return found.get_text().strip() if found.name == "textarea" else str(found.get("value"))


def test_the_empty_page_has_a_labelled_field_for_everything_that_a_pitch_can_say(address: str) -> None:
    answer = requests.get(address, timeout=30)

    page = BeautifulSoup(answer.text, "lxml")
    names = {str(field["name"]) for field in page.find_all(["input", "textarea", "select"])}
    labelled = {str(label["for"]) for label in page.find_all("label", attrs={"for": True})}
    ids = {str(field["id"]) for field in page.find_all(["input", "textarea", "select"]) if field.get("id")}
    without = {"characters", "themes", "demographics"}  # rows; no value in this corpus
    assert answer.status_code == 200
    assert set(FIELDS) - without | {"character_name", "character_description"} == names
    assert ids == labelled
    assert page.find(id="answer") is None


def test_no_page_asks_anything_of_another_host(address: str) -> None:
    answer, page = ask(address, **PITCH)

    assert not re.search(r"https?://|//\w", answer.text)
    assert not page.find_all(["script", "img", "iframe"])
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_pitch_is_answered_below_the_form_that_keeps_it(address: str) -> None:
    answer, page = ask(address, **PITCH, character_name="Mio", character_description="Keeps a secret.")

    card = page.find(id="answer")
    assert answer.status_code == 200
    assert card is not None
    assert card.find("h2").get_text() == "The Orchard"  # type: ignore[union-attr]
    assert "Tier: greenlight. Fields: title, synopsis, characters, type, source and genres." in card.get_text()
    assert "Bright Tale" in card.get_text()
    assert (value(page, "title"), value(page, "synopsis")) == ("The Orchard", BRIGHT_STORY)
    assert (value(page, "character_name"), value(page, "character_description")) == ("Mio", "Keeps a secret.")
    assert page.select_one("#type option[selected]").get_text() == "TV"  # type: ignore[union-attr]
    assert page.select_one("input[value=Drama]").has_attr("checked")  # type: ignore[union-attr]


def test_the_page_says_what_the_library_says(address: str) -> None:
    sent = web.Form({"synopsis": BRIGHT_STORY, "episodes": "12"})
    expected = predictor(invented=False).predict(web.pitches.pitch_of(sent.said()))

    _, page = ask(address, synopsis=BRIGHT_STORY, episodes="12")

    assert page.select_one(".headline dd").get_text() == f"{expected.score.value:.2f}"  # type: ignore[union-attr]
    assert page.select_one(".verdict").get_text() == expected.verdict  # type: ignore[union-attr]
    assert [item.get_text() for item in page.select("#answer .alert li")] == list(expected.warnings)


def test_invented_titles_are_called_so_and_give_no_verdict(demo: str) -> None:
    _, page = ask(demo, synopsis=BRIGHT_STORY)

    card = page.find(id="answer")
    assert card is not None
    assert "DEMO, INVENTED TITLES. No verdict." in card.get_text()
    assert page.select_one(".verdict") is None


def test_what_is_typed_is_text_and_never_markup(address: str) -> None:
    nasty = "\"><script>alert(1)</script><b x='"

    answer, page = ask(
        address,
        title=nasty,
        synopsis=f"{BRIGHT_STORY} </textarea>{nasty}",
        studios=nasty,
        character_name=nasty,
        character_description=f"</textarea>{nasty}",
    )

    assert answer.status_code == 200
    assert not page.find_all("script")
    assert (value(page, "title"), value(page, "studios"), value(page, "character_name")) == (nasty, nasty, nasty)
    assert page.find(id="answer-title").get_text() == nasty  # type: ignore[union-attr]


def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(address: str) -> None:
    answer, page = ask(
        address, title="T", synopsis="Too short.", episodes="12a", year="26", genres=["Drama"], character_name="Mio",
        character_description="",
    )  # fmt: skip

    told = {str(problem["id"]): problem.get_text() for problem in page.select(".problem")}
    assert answer.status_code == 422
    assert told == {
        "problem-synopsis": "Give at least 20 words; these are 2.",
        "problem-episodes": "Give a whole number from 1 to 5000.",
        "problem-year": "Give a whole number from 1900 to 2100.",
        "problem-characters": "Give character 1 a description, which is all that a model reads.",
    }
    assert page.select_one("#episodes")["aria-describedby"] == "problem-episodes"  # type: ignore[index]
    assert page.select_one("#episodes")["aria-invalid"] == "true"  # type: ignore[index]
    assert {str(link["href"]) for link in page.select("#mistakes a")} == {
        "#synopsis", "#episodes", "#year", "#characters",
    }  # fmt: skip
    assert (value(page, "title"), value(page, "episodes"), value(page, "character_name")) == ("T", "12a", "Mio")
    assert all(details.has_attr("open") for details in page.find_all("details"))
    assert page.find(id="answer") is None


def test_a_character_more_is_one_row_more_and_no_answer(address: str) -> None:
    rows = {"character_name": ["A", "B", "C"], "character_description": ["x", "y", "z"]}

    answer, page = ask(address, synopsis="Half a", **rows, action="add")

    names = page.find_all(attrs={"name": "character_name"})
    assert answer.status_code == 200
    assert [name["value"] for name in names] == ["A", "B", "C", ""]
    assert names[-1].has_attr("autofocus")
    assert value(page, "synopsis") == "Half a"
    assert page.find(id="answer") is None


def test_enter_estimates_and_does_not_add_a_row(address: str) -> None:
    page = BeautifulSoup(requests.get(address, timeout=30).text, "lxml")

    assert page.select("form button")[0]["value"] == "estimate"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"synopsis=" + b"a" * (1 << 20), web.FORM, 413),
        (b"a=1&" * 501, web.FORM, 400),
        (b"synopsis=%FF%FE", web.FORM, 400),
        (b"synopsis=\xff", web.FORM, 400),
        (b"character_name=A", web.FORM, 400),
        (b'{"synopsis": "x"}', "application/json", 415),
        (b"", web.FORM, 422),
    ],
)
def test_what_no_browser_sends_is_refused_with_a_page(address: str, body: bytes, kind: str, status: int) -> None:
    answer = requests.post(address, data=body, headers={"Content-Type": kind}, timeout=30)

    assert answer.status_code == status
    assert BeautifulSoup(answer.text, "lxml").find(id="mistakes") is not None


def test_a_page_of_another_name_cannot_ask(address: str) -> None:
    answer = requests.get(address, headers={"Host": "attacker.example"}, timeout=30)

    assert answer.status_code == 400


def test_nothing_of_a_pitch_is_logged(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    ask(address, **PITCH)
    ask(address, synopsis="secret")

    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_port_that_is_taken_is_a_mistake_that_a_person_can_mend() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(SettingError, match="cannot listen on port"):
            web.serve(predictor(invented=False), taken.getsockname()[1])


def test_a_port_that_does_not_exist_is_a_mistake_that_a_person_can_mend() -> None:
    with pytest.raises(SettingError, match="cannot listen on port 99999"):
        web.serve(predictor(invented=False), 99999)
