"""Croissant metadata of an export: JSON-LD that says which files there are and what their columns mean.

Written by hand after version 1.0 of the format, so that exporting needs no library; the tests read it with one. What a
publisher alone can know (address, creator, day) is said only where the dials say it.

Belongs here: keys of the format. Does not: facts of our own (contents, text).
"""

import json
from collections.abc import Sequence
from typing import Any

from anipop_pipeline.stages.card import kinds, text
from anipop_pipeline.stages.card.contents import Terms, Told, fetched, tiers
from anipop_pipeline.stages.card.parquet import DataFile

CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
OURS = ("citeAs column conformsTo equivalentProperty extract field fileProperty fileObject fileSet format includes "
        "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate "
        "separator source subField transform")  # fmt: skip
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in OURS.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def described(told: Told, terms: Terms, files: Sequence[DataFile]) -> bytes:
    """Return the metadata as the bytes of a file."""
    warning = text.withheld(told, terms, files).lstrip("> ").replace("**", "")
    invented = "All titles are invented." if told.invented else ""
    said = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": f"anime-popularity-{told.site}",
        "description": " ".join(filter(None, [text.summary(told), text.PURPOSE, invented, warning])),
        "conformsTo": CONFORMS,
        "license": text.RIGHTS_INVENTED if told.invented else text.rights(files),
        "inLanguage": "en",
        "keywords": ["anime", "popularity", "regression"],
        "isLiveDataset": False,  # a folder with digests is a state, even of a site that changes
        **_published(terms),
        **_responsible(told),
        "distribution": [_file(file) for file in files],
        "recordSet": [_records(file) for file in files],
    }
    return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


def _published(terms: Terms) -> dict[str, Any]:
    """Return what only the one who publishes knows."""
    creator = {"@type": "sc:Organization", "name": terms.creator} if terms.creator else None
    said = {"url": terms.address, "creator": creator, "datePublished": terms.published}
    return {key: value for key, value in said.items() if value}


def _responsible(told: Told) -> dict[str, Any]:
    """Return the fields of the extension for responsible use, those that we can vouch for."""
    days = fetched(told)
    kind = "Others" if told.invented else "Web Scraping" if told.crawled else "Secondary Data Analysis"
    return {
        "rai:dataCollection": text.provenance(told),
        "rai:dataCollectionType": [kind],
        **({"rai:dataCollectionTimeframe": [day.isoformat() for day in days]} if days else {}),
        "rai:dataCollectionMissingData": "Rows that miss what the cleaning rules ask for are left out and counted in "
        "the funnel of the card; other gaps are null, and nothing is filled in.",
        "rai:dataLimitations": [text.LIMITS],
        "rai:dataBiases": [text.LEAKS],
        "rai:dataUseCases": [text.PURPOSE],
        "rai:personalSensitiveInformation": ["No member of the site is named; votes are counts."],
    }


def _file(file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": f"{file.rows} rows of the table {file.config.name}, part {file.part}.",
        "contentUrl": file.path,
        "contentSize": f"{len(file.content)} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _records(file: DataFile) -> dict[str, Any]:
    """Return the record set of one file; its name tells the part, unless the table is whole."""
    name = file.config.name if len(file.config.parts) == 1 else f"{file.config.name}-{file.part}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"One row for {file.config.row}.",
        "field": [_field(file, name, column) for column in file.schema],
    }


def _field(file: DataFile, records: str, column: str) -> dict[str, Any]:
    """Return one column: its type, what it means, when it is known, where it is read from."""
    kind, meaning = file.schema[column], file.config.meanings.get(column, "")
    tier = tiers(iter([column])).get(column)
    known = f"known from: {tier}" if tier else ""
    source: dict[str, Any] = {"fileObject": {"@id": file.path}, "extract": {"column": column}}
    if kinds.is_picture(kind):
        source["transform"] = {"jsonPath": "bytes"}
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{column}",
        "name": column,
        "description": "; ".join(filter(None, (meaning, known))) or column.replace("_", " "),
        "dataType": kinds.in_croissant(kind),
        **({"repeated": True} if kinds.is_list(kind) else {}),
        "source": source,
    }
