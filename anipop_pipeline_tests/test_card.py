"""The export says what a corpus is, can be read by others, and passes on nothing that belongs to others unasked."""

import hashlib
import json
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

from anipop_pipeline import assets
from anipop_pipeline.config import CardConfig
from anipop_pipeline.stages import card
from anipop_pipeline.stages.card import Terms, Told
from anipop_pipeline.stages.card.text import LEAKS
from anipop_pipeline.stages.tables import schema_of

from .whole_graph import materialise, opened

SECRET = "Nobody but the owner of this sentence may pass it on."
ALL = Terms(texts=True, pictures=True)
PUBLISHED = Terms(address="https://example.org/set", creator="A house", published="2026-01-31")
MUST_NOT = "must not be passed on"
# The reader of Croissant calls what rdflib and pandas are about to drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]


def table(name: str, *rows: dict[str, Any]) -> pl.DataFrame:
    """Return a table of the lake; a row says what matters, lists are empty and the rest is null."""
    schema = schema_of(name)
    assert schema is not None
    kinds = schema.create_empty().schema
    empty = {column: [] if isinstance(kind, pl.List) else None for column, kind in kinds.items()}
    return schema.validate(pl.DataFrame([{**empty, **row} for row in rows], schema=kinds))


def anime(number: int, score: float) -> dict[str, Any]:
    words = {"synopsis": SECRET, "synopsis_credit": "none", "words": 11, "main_characters": 1, "description_words": 0}
    return {"anime_id": number, "url": f"u{number}", "title": f"T{number}", "score": score, "year": 2001, **words}


def features(number: int, **more: Any) -> dict[str, Any]:
    grown = {"synopsis_credit": "none", "words": 11, "main_characters": 1, "description_words": 0}
    return {"anime_id": number, "sequel": False, "relatives": 0, "award_winning": False, **grown, **more}


def placed(split: str, repeat: int, number: int, part: str) -> dict[str, Any]:
    return {"split": split, "repeat": repeat, "fold": 0, "anime_id": number, "part": part, "seen": False}


def answered(number: int, day: int, outcome: str = "ok") -> dict[str, Any]:
    where = {"file": "0.warc.gz", "offset": 0, "length": 1, "status": 200, "requests": 1}
    when = datetime(2026, 3, day, tzinfo=UTC)
    return {"url": f"u{number}", "fetched_at": when, "kind": "anime", "id": number, "outcome": outcome, **where}


def picture(suffix: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (3, 2), (200, 10, 10)).save(file, suffix)
    return file.getvalue()


def statistic(name: str, bucket: str, value: float) -> dict[str, Any]:
    return {"statistic": name, "part": "all", "bucket": bucket, "measure": "rows", "value": value}


def tables() -> dict[str, pl.DataFrame]:
    """Return a corpus of four titles: 1 and 2 share a character and train, 3 is tested, 4 is in the lockbox."""
    roles = [(1, 7, 0), (2, 7, 0), (3, 8, 0), (4, 9, 0)]
    described = {"description": SECRET, "words": 11}
    size = {"url": "p", "width": 3, "height": 2}
    return {
        "anime_pages": table("anime_pages", answered(1, 2), answered(1, 5), answered(2, 3), answered(3, 9),
                             answered(4, 20), answered(2, 21, "failed")),
        "corpus_anime": table("corpus_anime", anime(3, 8.0), anime(1, 5.0), anime(2, 6.5), anime(4, 9.0)),
        "corpus_characters": table("corpus_characters", *(
            {"character_id": number, "name": f"N{number}", **described} for number in (8, 7, 9))),
        "corpus_roles": table("corpus_roles", *(
            {"anime_id": title, "character_id": number, "position": place} for title, number, place in roles)),
        "corpus_statistics": table("corpus_statistics", statistic("funnel_anime", "parsed", 1234.0),
                                   statistic("funnel_anime", "kept", 4.0), statistic("funnel_characters", "kept", 99)),
        "clusters": table("clusters", *(
            {"anime_id": number, "cluster_id": first, "size": size} for number, first, size in
            [(1, 1, 2), (2, 1, 2), (3, 3, 1), (4, 4, 1)])),
        "splits": table("splits", placed("published", 0, 2, "train"), placed("published", 0, 1, "train"),
                        placed("published", 0, 3, "test"), placed("published", 1, 1, "test")),
        "tabular_features": table("tabular_features", features(1, genres=["Drama", "Sports"], episodes=12.0),
                                  features(2), features(3), features(4)),
        "portraits": table("portraits", {"character_id": 7, "image": picture("PNG"), **size}),
        "posters": table("posters", {"anime_id": 1, "image": picture("JPEG"), **size}),
    }  # fmt: skip


def told(*without: str, invented: bool = False) -> Told:
    there = {name: rows for name, rows in tables().items() if name not in without}
    return Told("demo" if invented else "mal", invented, True, there, dict.fromkeys(without, "nobody has any"))


def export(*without: str, terms: Terms = Terms(), invented: bool = False) -> dict[str, bytes]:  # noqa: B008 - frozen
    return card.build(told(*without, invented=invented), terms)


def text(files: dict[str, bytes]) -> str:
    return files["README.md"].decode()


def front(files: dict[str, bytes]) -> dict[str, Any]:
    _, matter, _ = text(files).split("---\n", 2)
    read = yaml.safe_load(matter)
    assert isinstance(read, dict)
    return read


def rows(files: dict[str, bytes], path: str) -> pl.DataFrame:
    return pl.read_parquet(BytesIO(files[path]))


def saved(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "croissant.json"


def reader(files: dict[str, bytes], folder: Path) -> Any:
    """Return what mlcroissant makes of an export."""
    import mlcroissant

    return mlcroissant.Dataset(jsonld=saved(files, folder))


# What leaves, and what does not


def test_titles_are_cut_into_the_parts_of_the_split_to_quote_and_the_lockbox_stays() -> None:
    files = export()

    columns = ["anime_id", "title", "score", "cluster_id"]
    assert rows(files, "data/train-00000-of-00001.parquet").select(columns).rows() == [
        (1, "T1", 5.0, 1), (2, "T2", 6.5, 1),
    ]  # fmt: skip
    assert rows(files, "data/test-00000-of-00001.parquet").select(columns).rows() == [(3, "T3", 8.0, 3)]
    assert "Kept for the end by a lockbox, and in no file: 1." in text(files)
    for name, content in files.items():
        if name.endswith(".parquet"):
            read = pl.read_parquet(BytesIO(content))
            assert 4 not in read.to_dict().get("anime_id", pl.Series()).to_list(), name
            assert 9 not in read.to_dict().get("character_id", pl.Series()).to_list(), name


def test_every_table_has_the_place_that_datasets_look_in() -> None:
    files = export()

    assert {*files} == {
        "README.md", "croissant.json",
        "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet",
        "features/train-00000-of-00001.parquet", "features/test-00000-of-00001.parquet",
        "characters/whole-00000-of-00001.parquet", "roles/whole-00000-of-00001.parquet",
        "clusters/whole-00000-of-00001.parquet", "splits/whole-00000-of-00001.parquet",
    }  # fmt: skip
    assert rows(files, "splits/whole-00000-of-00001.parquet").select("repeat", "anime_id", "part").rows() == [
        (0, 1, "train"), (0, 2, "train"), (0, 3, "test"), (1, 1, "test"),
    ]  # fmt: skip


def test_no_text_and_no_picture_of_others_leaves_unasked() -> None:
    files = export()

    assert MUST_NOT not in text(files)
    for name, content in files.items():
        assert SECRET.encode() not in content, name
        if name.endswith(".parquet"):
            read = pl.read_parquet(BytesIO(content))
            assert SECRET not in read.write_json()
            assert pl.Binary not in {kind.base_type() for kind in read.schema.values()}
            assert not {"synopsis", "description", "poster", "portrait"} & {*read.columns}


@pytest.mark.parametrize(
    ("terms", "what"),
    [(Terms(texts=True), "texts"), (Terms(pictures=True), "pictures"), (ALL, "texts and pictures")],
)
def test_texts_and_pictures_leave_when_asked_for_and_the_head_forbids_to_pass_them_on(terms: Terms, what: str) -> None:
    files = export(terms=terms)

    titles = rows(files, "data/train-00000-of-00001.parquet")
    assert ("synopsis" in titles.columns) == terms.texts
    assert ("poster" in titles.columns) == terms.pictures
    head = text(files).partition("## ")[0]
    assert f"**This folder {MUST_NOT}.** It holds {what} that belong" in head
    assert MUST_NOT in json.loads(files["croissant.json"])["description"]


def test_a_dial_that_finds_nothing_forbids_nothing() -> None:
    files = export("portraits", "posters", terms=Terms(pictures=True))

    assert MUST_NOT not in text(files)


def test_the_dials_are_off_until_someone_turns_them() -> None:
    assert Terms(**CardConfig().model_dump()) == Terms(texts=False, pictures=False)
    with pytest.raises(ValidationError, match="published"):
        CardConfig(published="last week")
    with pytest.raises(ValidationError, match="address"):
        CardConfig(address="somewhere")


def test_the_same_corpus_gives_the_same_bytes() -> None:
    assert export(terms=ALL) == export(terms=ALL)


# What the library `datasets` reads


def test_the_front_matter_names_the_files_of_each_table() -> None:
    read = front(export())

    configs = {config["config_name"]: config for config in read["configs"]}
    assert [*configs] == ["default", "features", "characters", "roles", "clusters", "splits"]
    assert configs["default"] == {
        "config_name": "default",
        "default": True,
        "data_files": [
            {"split": "train", "path": "data/train-00000-of-00001.parquet"},
            {"split": "test", "path": "data/test-00000-of-00001.parquet"},
        ],
    }
    assert (read["license"], read["size_categories"]) == ("other", ["n<1K"])


def test_the_front_matter_says_columns_rows_and_bytes_as_they_are() -> None:
    files = export(terms=ALL)

    for info in front(files)["dataset_info"]:
        folder = "data" if info["config_name"] == "default" else info["config_name"]
        paths = {part["name"]: f"{folder}/{part['name']}-00000-of-00001.parquet" for part in info["splits"]}
        assert info["download_size"] == sum(len(files[path]) for path in paths.values())
        for part in info["splits"]:
            arrow = pq.read_table(BytesIO(files[paths[part["name"]]]))
            assert part["num_examples"] == arrow.num_rows
            assert [column["name"] for column in info["features"]] == arrow.column_names
    told_of = {info["config_name"]: {c["name"]: c for c in info["features"]} for info in front(files)["dataset_info"]}
    assert told_of["default"]["poster"] == {"name": "poster", "dtype": "image"}
    assert told_of["features"]["genres"] == {"name": "genres", "list": "string"}
    assert told_of["splits"]["part"] == {"name": "part", "dtype": "string"}


def test_the_schema_of_a_file_says_what_datasets_needs_to_show_a_picture() -> None:
    files = export(terms=ALL)

    schema = pq.read_schema(BytesIO(files["data/train-00000-of-00001.parquet"]))
    said = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert schema.field("poster").type == pa.struct({"bytes": pa.binary(), "path": pa.string()})
    assert said["poster"] == {"_type": "Image"}
    assert said["score"] == {"dtype": "float64", "_type": "Value"}
    lists = pq.read_schema(BytesIO(files["features/train-00000-of-00001.parquet"]))
    assert lists.field("genres").type == pa.list_(pa.string())
    assert json.loads(lists.metadata[b"huggingface"])["info"]["features"]["genres"] == {
        "feature": {"dtype": "string", "_type": "Value"},
        "_type": "Sequence",
    }


def test_pictures_come_back_as_they_were_served_and_are_named_by_what_they_are() -> None:
    files = export(terms=ALL)

    posters = rows(files, "data/train-00000-of-00001.parquet")["poster"].to_list()
    portraits = rows(files, "characters/whole-00000-of-00001.parquet").select("character_id", "portrait").rows()
    assert posters == [{"bytes": picture("JPEG"), "path": "1.jpg"}, None]
    assert portraits == [(7, {"bytes": picture("PNG"), "path": "7.png"}), (8, None)]


# What Croissant's readers read


@pytest.mark.parametrize("terms", [Terms(), ALL, PUBLISHED], ids=["facts", "all", "published"])
def test_the_metadata_are_valid_and_every_table_can_be_read_by_them(terms: Terms, tmp_path: Path) -> None:
    files = export(terms=terms)

    dataset = reader(files, tmp_path)
    assert dataset.metadata.ctx.issues.errors == set()
    names = [records.name for records in dataset.metadata.record_sets]
    assert names == ["default-train", "default-test", "features-train", "features-test",
                     "characters", "roles", "clusters", "splits"]  # fmt: skip
    read = {name: list(dataset.records(name)) for name in names}
    assert [row["default-train/score"] for row in read["default-train"]] == [5.0, 6.5]
    assert [row["default-train/title"] for row in read["default-train"]] == [b"T1", b"T2"]
    assert [row["roles/character_id"] for row in read["roles"]] == [7, 7, 8]
    assert read["features-train"][0]["features-train/genres"] == [b"Drama", b"Sports"]
    assert [row["features-train/episodes"] for row in read["features-train"]] == [12.0, None]
    if terms.pictures:
        posters = [row["default-train/poster"] for row in read["default-train"]]
        assert (posters[0].size, posters[1]) == ((3, 2), None)


def test_the_metadata_know_the_digest_and_the_size_of_every_file() -> None:
    files = export()

    said = json.loads(files["croissant.json"])
    assert {file["contentUrl"] for file in said["distribution"]} == {n for n in files if n.endswith(".parquet")}
    for file in said["distribution"]:
        content = files[file["contentUrl"]]
        assert (file["sha256"], file["contentSize"]) == (hashlib.sha256(content).hexdigest(), f"{len(content)} B")
    assert said["isLiveDataset"] is False


def test_what_a_publisher_alone_knows_is_said_only_where_it_was_told() -> None:
    silent, said = (json.loads(export(terms=terms)["croissant.json"]) for terms in (Terms(), PUBLISHED))

    assert not {"url", "creator", "datePublished", "citeAs"} & {*silent}
    assert (said["url"], said["datePublished"]) == ("https://example.org/set", "2026-01-31")
    assert said["creator"] == {"@type": "sc:Organization", "name": "A house"}


def test_the_metadata_say_when_a_feature_exists_and_how_rows_were_collected() -> None:
    said = json.loads(export()["croissant.json"])

    fields = {field["@id"]: field for records in said["recordSet"] for field in records["field"]}
    assert fields["features-test/members"]["description"].endswith("known from: release")
    assert said["rai:dataCollectionType"] == ["Web Scraping"]
    assert said["rai:dataCollectionTimeframe"] == ["2026-03-03", "2026-03-09"]


# What a person reads


@pytest.mark.parametrize("invented", [True, False])
def test_a_card_says_demo_where_titles_are_invented_and_only_there(invented: bool) -> None:
    said = text(export(invented=invented))

    assert ("DEMO" in said) == invented
    assert ("nobody else owns them" in said) == invented


def test_an_invented_folder_with_texts_says_that_a_real_one_must_stay() -> None:
    said = text(export(invented=True, terms=ALL))

    assert f"**This folder {MUST_NOT}" not in said
    assert "Here they are invented" in said


def test_a_card_counts_titles_clusters_scores_and_the_funnel() -> None:
    said = text(export())

    assert "4 anime in 3 clusters" in said
    assert "Scores from 5.00 to 9.00, mean 7.12." in said
    assert "| pages read | 1,234 |\n| kept | 4 |" in said
    assert "99" not in said


def test_a_card_says_when_the_site_last_answered_for_these_titles() -> None:
    # title 1 on the 2nd and the 5th, 2 on the 3rd (its failure tells nothing), 3 on the 9th; 4 is in the lockbox
    assert "between 2026-03-03 and 2026-03-09 (UTC)" in text(export())
    assert "When its pages were fetched is not known" in text(export("anime_pages"))


def test_a_card_says_of_an_import_that_others_read_the_site() -> None:
    brought = Told("brought", invented=False, crawled=False, tables=tables())

    said = text(card.build(brought, Terms()))

    assert "Imported from files that others made." in said
    assert "robots" not in said


def test_every_label_that_a_title_has_leaves_and_is_named() -> None:
    further = {"audience": 0.25, "further_scores": [{"source": "elsewhere", "score": 71.0}]}
    marked = {**tables(), "corpus_anime": table("corpus_anime", {**anime(1, 5.0), **further}, anime(2, 6.5))}

    files = card.build(Told("mal", False, True, marked), Terms())

    titles = rows(files, "data/train-00000-of-00001.parquet")
    assert titles.select("score", "audience", "score_elsewhere").rows() == [(5.0, 0.25, 71.0), (6.5, None, None)]
    assert "weighted" not in titles.columns  # no page of statistics was read
    assert "- `score_elsewhere`: elsewhere, on its own scale" in text(files)


def test_every_column_says_what_it_means() -> None:
    files = export(terms=ALL)

    for records in json.loads(files["croissant.json"])["recordSet"]:
        for field in records["field"]:
            assert field["description"] != field["name"].replace("_", " "), field["@id"]
            assert not field["description"].startswith("known from"), field["@id"]


def test_a_card_states_labels_limits_leaks_and_whose_the_texts_are() -> None:
    said = text(export())

    assert "W = v / (v + m) * S + m / (v + m) * C" in said
    assert card.LIMITS in said
    assert "no licence to them is given here" in said
    assert (
        "Ids, titles, names of characters, addresses of pages, labels, groups of related titles, splits and features "
        "are facts"
    ) in said
    assert LEAKS in said
    assert "| `studios` | list of string | who animates it | announcement |" in said


# What is not there


def test_an_import_without_characters_and_features_gives_what_there_is() -> None:
    files = export("corpus_characters", "tabular_features", "portraits", "posters", "anime_pages", terms=ALL)

    assert {config["config_name"] for config in front(files)["configs"]} == {"default", "roles", "clusters", "splits"}
    assert "| `portraits` | nobody has any |" in text(files)


def test_a_corpus_without_splits_is_all_train_and_says_so() -> None:
    files = export("splits")

    assert rows(files, "data/train-00000-of-00001.parquet")["anime_id"].to_list() == [1, 2, 3, 4]
    assert "data/test-00000-of-00001.parquet" not in files
    assert "nothing has been split" in text(files)


def test_an_empty_corpus_is_a_card_that_says_so(tmp_path: Path) -> None:
    files = card.build(Told("mal", False, True, {}, {"corpus_anime": "no pages"}), ALL)

    assert {*files} == {"README.md", "croissant.json"}
    assert "0 anime in 0 clusters" in text(files)
    assert "nan" not in text(files)
    assert "configs" not in front(files)
    assert reader(files, tmp_path).metadata.record_sets == []


def test_a_first_airing_is_a_year_and_no_day_leaves() -> None:
    assert date not in {type(value) for value in rows(export(), "data/train-00000-of-00001.parquet").row(0)}


# The whole way, from pages to a folder


def test_the_asset_is_a_folder_that_others_can_read_and_pictures_wait_for_their_dial(tmp_path: Path) -> None:
    before = dg.AssetSelection.assets("dataset_card").upstream().resolve(assets.ALL)
    materialise(tmp_path, *sorted(key.to_user_string() for key in before))
    lake = opened(tmp_path)
    plain = lake.manifest("dataset_card")

    materialise(tmp_path, "dataset_card", dials={"dataset_card": {"texts": True, "pictures": True}})
    full = Path(str(lake.path_of("dataset_card", "croissant.json"))).parent
    materialise(tmp_path, "dataset_card")

    assert lake.manifest("dataset_card").files == plain.files
    titles = pl.read_parquet(full / "data" / "*.parquet")
    assert titles.height == lake.load_table("corpus_anime").height
    dataset = reader({"croissant.json": (full / "croissant.json").read_bytes()}, full)
    portraits = [row["characters/portrait"] for row in dataset.records("characters")]
    assert len(portraits) == lake.load_table("corpus_characters").height
    assert all(portrait.width > 0 for portrait in portraits)
    assert "DEMO" in (full / "README.md").read_text()


def test_the_card_of_an_import_names_its_files_and_their_digests() -> None:
    sources = [{"name": "anime.csv", "sha256": "ab12", "bytes": 7}]
    brought = Told("brought", invented=False, crawled=False, tables=tables(), sources=sources)

    said = card.build(brought, Terms())["README.md"].decode()

    assert "Imported from files that others made: `anime.csv` (sha256 `ab12`)." in said
