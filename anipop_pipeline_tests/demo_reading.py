"""What tests of the invented site share: its default world, built once, and how its pages are looked at."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from anipop_pipeline.demo.pages import Site
from anipop_pipeline.demo.world import Anime, Character, World, build


@cache
def default_world() -> World:
    return build()


@cache
def default_site() -> Site:
    return Site(default_world())


def leads(world: World) -> list[Character]:
    ids = {role.character_id for one in world.anime for role in one.roles if role.main}
    return [one for one in world.characters if one.id in ids]


def living(world: World, wanted: Callable[[Anime], object]) -> Anime:
    return next(one for one in world.anime if one.id not in world.dead_anime and wanted(one))


def field(tree: LexborHTMLParser, label: str) -> str | None:
    """Return what stands beside a label of the left column."""
    for mark in tree.css("span.dark_text"):
        if mark.text().strip() in (f"{label}:", f"{label}s:") and mark.parent is not None:
            return " ".join(mark.parent.text().replace(mark.text(), "", 1).split())
    return None


def one_text(tree: LexborHTMLParser, selector: str) -> str:
    found = tree.css_first(selector)
    assert found is not None, selector
    return " ".join(found.text().split())


def page_of(site: Site, path: str) -> LexborHTMLParser:
    page = site.page(path)
    assert page.status == 200
    return LexborHTMLParser(page.body)


def real_page(real: Path, name: str) -> LexborHTMLParser:
    return LexborHTMLParser((real / "pages" / name).read_text(encoding="utf-8"))
