"""How every asset of the story is declared: absence is passed on, refusals stay readable.

An asset always materialises. What stands on something absent is absent for the same reason, unless it says that it can
do without; on an imported site crawl assets are absent and parsed tables are what the import brought.

Belongs here: the decorator of assets. Does not: any asset.
"""

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal, get_args

import dagster as dg

from anipop_pipeline.lake import AbsentTable, Folder, reason_absent
from anipop_pipeline.resources import plainly

Story = Callable[..., dg.MaterializeResult[Any]]
TEAM = "team:anipop"
CORPUS = "corpus_anime"  # without it there is nothing to tell of: even what can do without others is absent then


def asset(
    group: str,
    *,
    name: str | None = None,
    tolerant: bool = False,
    spare: Collection[str] = (),
    on_import: Literal["absent", "keep"] | None = None,
    kinds: tuple[str, ...] = ("polars",),
    **more: Any,
) -> Callable[[Story], dg.AssetsDefinition]:
    """Return the decorator of an asset; a tolerant one is called even when an input is absent, or a spare one is.

    Only without a corpus is a tolerant one absent, too.
    """

    def declare(story: Story) -> dg.AssetsDefinition:
        own_name = name or story.__name__
        makes_folder = Folder in get_args(inspect.signature(story).return_annotation)

        def nothing(reason: str) -> dg.MaterializeResult[Any]:
            return dg.MaterializeResult(value=Folder(absent=reason) if makes_folder else AbsentTable(reason))

        @functools.wraps(story)
        def told(*args: Any, **inputs: Any) -> dg.MaterializeResult[Any]:
            with plainly():
                if on_import and (opened := inputs["lake"].open()).imported() is not None:
                    if on_import == "keep" and opened.has(own_name):
                        return dg.MaterializeResult(value=opened.load_folder(own_name))
                    return nothing(f"{opened.name} is an import without {own_name}")
                spared = set(inputs) - {CORPUS} if tolerant else set(spare)
                needed = {name: value for name, value in inputs.items() if name not in spared}
                reason = _reason([*args, *needed.values()])
                return story(*args, **inputs) if reason is None else nothing(reason)

        declared: dg.AssetsDefinition = dg.asset(
            name=own_name, group_name=group, kinds=set(kinds), owners=[TEAM], **more
        )(told)
        return declared

    return declare


def _reason(values: list[Any]) -> str | None:
    return next((reason for value in values if (reason := reason_absent(value)) is not None), None)
