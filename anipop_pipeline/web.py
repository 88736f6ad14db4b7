"""The pitch page: a form, and the answer below it. Nothing typed is stored, logged or sent anywhere.

Belongs here: one page and how a browser's form becomes the fields of a pitch. Does not: what a pitch may say
(stages/pitch), how it is answered (predictor.py).
"""

import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qs

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from anipop_pipeline.errors import AnipopError, SettingError
from anipop_pipeline.predictor import Predictor
from anipop_pipeline.stages import pitch as pitches
from anipop_pipeline.stages.pitch import Answer
from anipop_pipeline.stages.pitch.answer import INVENTED, UNTITLED, audience_in_words, worth_in_words
from anipop_pipeline.stages.pitch.doubt import SCALES
from anipop_pipeline.stages.pitch.form import QUARTERS
from anipop_pipeline.stages.report import wording

LOOPBACK = "127.0.0.1"
PORT = 8765
MOST_BYTES = 1 << 20
MOST_READ = 16 << 20
MOST_FIELDS = 500
FORM = "application/x-www-form-urlencoded"
SINGLE = ("title", "synopsis", "type", "source", "studios", "quarter", "rating")
WHOLE = ("episodes", "relatives", "year")
NUMBERS = ("duration_minutes", "relatives_score")
CHOSEN = ("genres", "themes", "demographics")
FEWEST_ROWS = 2
LABELS = {
    "title": "Working title",
    "synopsis": "Synopsis",
    "characters": "Main characters",
    "type": "Type",
    "source": "Source",
    "genres": "Genres",
    "themes": "Themes",
    "demographics": "Demographics",
    "episodes": "Episodes",
    "duration_minutes": "Minutes of one episode",
    "relatives": "Earlier titles of the series",
    "relatives_score": "Their mean score",
    "studios": "Studios",
    "quarter": "Season",
    "year": "Year",
    "rating": "Age rating",
}
# Names of other sites that resolve to this machine are refused: no page elsewhere may ask in a visitor's name.
HOSTS = (LOOPBACK, "localhost")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Form:
    """What a browser sent, as typed."""

    typed: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    characters: tuple[tuple[str, str], ...] = ()
    wants_row: bool = False

    @classmethod
    def of(cls, body: bytes) -> "Form":
        """Return the form in a request's body; ValueError for what no browser sends.

        >>> Form.of(b"title=A+B&genres=Drama&genres=Mystery&character_name=Mio&character_description=").chosen["genres"]
        ('Drama', 'Mystery')
        """
        sent = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        names, descriptions = sent.get("character_name", []), sent.get("character_description", [])
        return cls(
            {name: sent[name][0] for name in (*SINGLE, *WHOLE, *NUMBERS) if name in sent},
            {name: tuple(sent[name]) for name in CHOSEN if name in sent},
            tuple(zip(names, descriptions, strict=True)),
            sent.get("action") == ["add"],
        )

    def said(self) -> dict[str, object]:
        """Return the fields of a pitch; what is no number stays a text, which the pitch refuses by name."""
        said: dict[str, object] = {name: text for name, text in self.typed.items() if text.strip()}
        said |= {name: _number(text, whole=name in WHOLE) for name, text in said.items() if name in (*WHOLE, *NUMBERS)}
        if "studios" in said:
            said["studios"] = self.typed["studios"].split(",")
        rows = [row for row in self.characters if any(text.strip() for text in row)]
        said["characters"] = [{"name": name, "description": description} for name, description in rows]
        return {**said, **{name: list(values) for name, values in self.chosen.items()}}

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The characters' rows to show: what was typed, and blank ones to type in."""
        blank = max(FEWEST_ROWS - len(self.characters), int(self.wants_row))
        return (*self.characters, *[("", "")] * blank)


def app(predictor: Predictor) -> Starlette:
    """Return the page as an ASGI application."""

    async def empty(request: Request) -> HTMLResponse:  # noqa: ARG001 - a route is handed the request
        return page(predictor, Form())

    async def asked(request: Request) -> HTMLResponse:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            return page(predictor, Form(), {"form": "Send the form of this page."}, status=415)
        body = await _body(request)
        if body is None:
            return page(predictor, Form(), {"form": "That is too much text for one pitch."}, status=413)
        try:
            sent = Form.of(body)
        except ValueError:
            return page(predictor, Form(), {"form": "That is no form that this page has sent."}, status=400)
        return await answered(predictor, sent)

    return Starlette(
        routes=[Route("/", empty, methods=["GET"]), Route("/", asked, methods=["POST"])],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
    )


async def answered(predictor: Predictor, sent: Form) -> HTMLResponse:
    """Return the page that answers a form."""
    if sent.wants_row:
        return page(predictor, sent)
    said = sent.said()
    wrong = {name: mistake.fix for name, mistake in pitches.mistakes(said).items()}
    if wrong:
        return page(predictor, sent, wrong, status=422)
    try:
        answer = await run_in_threadpool(predictor.predict, pitches.pitch_of(said))
    except AnipopError as refused:
        return page(predictor, sent, {"form": refused.render()}, status=503)
    return page(predictor, sent, answer=answer)


def page(
    predictor: Predictor,
    form: Form,
    wrong: Mapping[str, str] | None = None,
    *,
    answer: Answer | None = None,
    status: int = 200,
) -> HTMLResponse:
    """Return the page with what was typed, what is wrong with it, and the answer."""
    html = _template().render(predictor=predictor, form=form, wrong=wrong or {}, answer=answer)
    return HTMLResponse(html.lstrip(), status_code=status, headers=HEADERS)


def serve(predictor: Predictor, port: int = PORT, ready: Callable[[str], object] = print) -> None:
    """Show the page to this machine alone until interrupted; `ready` is told its address, port 0 takes a free one."""
    with _listening(port) as listening:
        ready(f"http://{LOOPBACK}:{listening.getsockname()[1]}/")
        with suppress(KeyboardInterrupt):
            server(predictor).run(sockets=[listening])


def server(predictor: Predictor) -> uvicorn.Server:
    """Return the server, which keeps no log of what it is asked."""
    return uvicorn.Server(
        uvicorn.Config(app(predictor), log_level="warning", access_log=False, server_header=False, lifespan="off")
    )


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
    except (OSError, OverflowError) as refused:
        listening.close()
        raise SettingError(
            f"the pitch page cannot listen on port {port}: {refused}",
            where="--port",
            fix="choose another port; 0 takes any free one",
        ) from None
    return listening


async def _body(request: Request) -> bytes | None:
    """Return a request's body, None when it is too long.

    What is too long is read on for a while without being kept: a browser shows an answer only once it has sent all.
    """
    kept, length = bytearray(), 0
    async for part in request.stream():
        length += len(part)
        if length <= MOST_BYTES:
            kept += part
        elif length > MOST_READ:
            return None
    return bytes(kept) if length <= MOST_BYTES else None


def _number(text: object, *, whole: bool) -> object:
    """Return the number that a text says, otherwise the text.

    >>> _number(" 12 ", whole=True), _number("7,4", whole=False), _number("1e9", whole=False)
    (12, 7.4, '1e9')
    """
    said = str(text).strip()
    if re.fullmatch(r"-?[0-9]{1,12}", said):
        return int(said)
    return float(said.replace(",", ".")) if not whole and re.fullmatch(r"-?[0-9]{1,12}[.,][0-9]{1,12}", said) else said


def _place(value: float, label: str) -> str:
    """Return where a value lies on its label's scale, as CSS says it.

    >>> _place(5.5, "score")
    '50.00%'
    """
    low, high = SCALES[label]
    return f"{100 * (value - low) / (high - low):.2f}%"


@cache
def _template() -> jinja2.Template:
    """Return the page's template; all text is escaped by the engine."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("anipop_pipeline", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (wording.percent, wording.number, wording.plain, wording.listed, audience_in_words, worth_in_words)
    environment.filters.update({word.__name__: word for word in words}, place=_place)
    environment.globals.update(untitled=UNTITLED, invented=INVENTED, quarters=QUARTERS, labels=LABELS)
    return environment.get_template("pitch.html.jinja")
