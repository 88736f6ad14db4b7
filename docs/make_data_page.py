"""Writes docs/data.md from the schemas: run it after a change of any table."""

import dataframely as dy

from anipop_pipeline import assets
from anipop_pipeline.resources import HOME
from anipop_pipeline.stages.tables import schema_of
from anipop_pipeline.stages.tables.features import LEDGER

HEAD = """# The tables

Every table is declared once, in `anipop_pipeline/stages/tables/`; this page is written from those declarations by
`python docs/make_data_page.py`. A key is in bold. `?` marks a column that may be null.

Each table lies in `<lake>/<site>/{tables,models,reports}/<asset>/<version>/table.parquet`; `manifest.json` beside the
versions names the one that counts, its digest, what it was made from, and why it is absent if it is.
"""


def rows_of(schema: type[dy.Schema]) -> list[str]:
    """Return the lines of one table."""
    keys = set(schema.primary_key())
    lines = ["| column | type | meaning |", "|---|---|---|"]
    for name, column in schema.columns().items():
        shown = f"**`{name}`**" if name in keys else f"`{name}`"
        kind = f"{type(column).__name__}{'?' if column.nullable else ''}"
        tier = f" ({LEDGER[name]})" if schema.__name__ == "TabularFeatures" and name in LEDGER else ""
        lines.append(f"| {shown} | {kind} | {column.description or ''}{tier} |")
    return lines


def page() -> str:
    """Return the page."""
    lines, group, seen_models = [HEAD], "", False
    for definition in assets.ALL:
        for spec in definition.specs:
            name, schema = spec.key.to_user_string(), schema_of(spec.key.to_user_string())
            if schema is None or (name.startswith("model_") and seen_models):
                continue
            if spec.group_name != group:
                group = spec.group_name or ""
                lines.append(f"## {group.capitalize()}\n")
            title = "`model_<name>`, one for each experiment" if name.startswith("model_") else f"`{name}`"
            seen_models |= name.startswith("model_")
            lines += [f"### {title}\n", f"{schema.__doc__}\n", *rows_of(schema), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    (HOME / "docs" / "data.md").write_text(page())
