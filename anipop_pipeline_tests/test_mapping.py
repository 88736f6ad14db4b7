"""Claims about mappings: foreign columns and values become ours, and what cannot be is refused where it stands."""

import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from anipop_pipeline.errors import CorruptFile, PageChanged, SettingError
from anipop_pipeline.stages.mapping import READERS, Sheet, joined, own_tables, planned, tables
from anipop_pipeline.stages.mapping.plan import TABLES

ANIME = {"file": "a.csv", "columns": {"anime_id": "id", "score": "Score"}}


def files(**named: dict[str, list[Any]]) -> Callable[[str], Sheet | None]:
    sheets = {f"{name}.csv": Sheet(f"{name}.csv", columns) for name, columns in named.items()}
    return sheets.get


def made(said: dict[str, Any], **named: dict[str, list[Any]]) -> dict[str, pl.DataFrame]:
    return joined(tables(planned(said, "my.toml"), files(**named), "here.invalid"))


def refusal(said: dict[str, Any], **named: dict[str, list[Any]]) -> str:
    with pytest.raises(CorruptFile) as caught:
        made(said, **named)
    return f"{caught.value.where}: {caught.value.what}"


# Readers.


@pytest.mark.parametrize(
    ("reader", "value", "says"),
    [
        ("whole", "1,481,991", 1481991),
        ("whole", 26, 26),
        ("whole", "716327.0", 716327),
        ("whole", "#28", 28),
        ("positive", "0", None),
        ("id", "https://myanimelist.net/anime/1/Cowboy_Bebop", 1),
        ("id", "1", 1),
        ("number", "1,000.5", 1000.5),
        ("score", "8.77", 8.77),
        ("number", "1,234,567", 1234567.0),
        ("number", "1e-05", 0.00001),
        ("number", 0, 0.0),
        ("score", 0, None),
        ("minutes", "24 min. per ep.", 24.0),
        ("minutes", "1 hr 55 min", 115.0),
        ("minutes", "24", 24.0),
        ("minutes", "23.5", 23.5),
        ("minutes", 23.5, 23.5),
        ("minutes", "Unknown", None),
        ("first_day", "Oct 3, 2021 to Dec 19, 2021", date(2021, 10, 3)),
        ("last_day", "Oct 3, 2021 to Dec 19, 2021", date(2021, 12, 19)),
        ("last_day", "Oct 3, 2021 to ?", None),
        ("day", "2022-07-05T00:00:00+00:00", date(2022, 7, 5)),
        ("day", "2022-07-05", date(2022, 7, 5)),
        ("day", date(2022, 7, 5), date(2022, 7, 5)),
        ("season", "spring 1998.0", "Spring 1998"),
        ("season", "?", None),
        ("pipes", "Action|Sci-Fi", ["Action", "Sci-Fi"]),
        ("commas", "Action, Sci-Fi", ["Action", "Sci-Fi"]),
        ("literal", "['Action', 'Sci-Fi']", ["Action", "Sci-Fi"]),
        ("literal", '["Action", "Sci-Fi"]', ["Action", "Sci-Fi"]),
        ("literal", "[{'mal_id': 1, 'name': 'Action'}]", ["Action"]),
        ("list", ["Action"], ["Action"]),
        ("ids", "[299, 300, 299]", [299, 300]),
        ("ids", "[]", []),
        ("story", "A girl finds a cat. [Written by MAL Rewrite]", "A girl finds a cat."),
        ("credit", "A girl finds a cat. [Written by MAL Rewrite]", "rewrite"),
        ("story", "No synopsis information has been added to this title.", None),
        ("credit", "No synopsis information has been added to this title.", None),
        ("as_written", "A girl. [Written by MAL Rewrite]", "A girl. [Written by MAL Rewrite]"),
        ("as_written", "No synopsis information has been added to this title.", None),
        ("as_written", "No biography written.", None),
        ("facts", "Age: 27\n\nA tall man: that is Spike.", "Age: 27"),
        ("biography", "Age: 27\n\nA tall man: that is Spike.", "A tall man: that is Spike."),
        ("biography", "No biography written.", None),
        ("role", "Main", "main"),
        ("relation", "side_story", "Side story"),
    ],
)
def test_a_value_is_read_as_the_parser_reads_it(reader: str, value: object, says: object) -> None:
    assert READERS[reader].read(value) == says


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("whole", "12.5"),
        ("whole", True),
        ("whole", "1e5"),
        ("whole", "9" * 30),
        ("whole", "-" * 3),
        ("whole", "1,23"),
        ("whole", "1,2345"),
        ("whole", "1234,567"),
        ("whole", "1_0"),
        ("whole", "１２"),
        ("number", "71,5"),
        ("number", "1,23"),
        ("number", "1_0"),
        ("number", "٧"),
        ("number", "1,000,00.5"),
        ("number", "nan"),
        ("number", True),
        ("number", b"7"),
        ("score", "8,77"),
        ("minutes", "23,5"),
        ("number", "inf"),
        ("number", "eleven"),
        ("minutes", "a while"),
        ("first_day", "Foo 3, 2021"),
        ("day", "2021-02-30"),
        ("season", "monsoon 2020"),
        ("commas", 5),
        ("literal", "Action"),
        ("literal", "[1, 2]"),
        ("literal", "__import__('os')"),
        ("literal", "[" * 500),
        ("ids", "[0]"),
        ("ids", "['x']"),
        ("ids", "299"),
        ("role", "extra"),
        ("relations", "[{'relation': 'Sequel'}]"),
        ("image", b"GIF"),
        ("image", "text"),
        ("text", b"bytes"),
    ],
)
def test_a_value_in_an_unknown_form_is_refused(reader: str, value: object) -> None:
    with pytest.raises(PageChanged):
        READERS[reader].read(value)


# Rows.


def test_what_a_file_does_not_say_is_null_an_empty_list_or_follows_from_the_id() -> None:
    (row,) = made({"anime": ANIME}, a={"id": ["7"], "Score": ["N/A"]})["anime"].iter_rows(named=True)

    assert (row["anime_id"], row["score"], row["genres"], row["relations"]) == (7, None, [], [])
    assert (row["url"], row["title"], row["members"]) == ("https://here.invalid/anime/7", None, None)


def test_numbers_that_other_tools_made_decimal_are_whole_again() -> None:
    anime = made({"anime": ANIME}, a={"id": [7.0, 8.0], "Score": [float("nan"), 7.5]})["anime"]

    assert anime.select("anime_id", "score").rows() == [(7, None), (8, 7.5)]


def test_several_files_that_agree_make_one_row_and_each_fills_what_the_other_leaves_open() -> None:
    first = {**ANIME, "repeated": "agree"}
    second = {"file": "b.csv", "columns": {"anime_id": "id", "synopsis": "text"}}
    there = {"a": {"id": ["7", "8"], "Score": ["7.5", ""]}, "b": {"id": ["8", "7"], "text": ["Eight.", "Seven."]}}

    anime = made({"anime": [first, second]}, **there)["anime"]

    assert anime.select("anime_id", "score", "synopsis").rows() == [(7, 7.5, "Seven."), (8, None, "Eight.")]


def test_links_become_relations_of_their_anime() -> None:
    links = {"file": "b.csv", "columns": {"anime_id": "x", "relation": "how", "kind": {"value": "anime"}}}
    links["columns"]["related_id"] = "y"  # type: ignore[index]
    there = {"x": ["7", "7", "9"], "how": ["Sequel", "Side Story", "Sequel"], "y": ["8", "3", "1"]}

    anime = made({"anime": ANIME, "relations": links}, a={"id": ["7", "8"], "Score": ["7", "8"]}, b=there)["anime"]

    assert anime["relations"].to_list() == [
        [
            {"relation": "Sequel", "kind": "anime", "related_id": 8},
            {"relation": "Side story", "kind": "anime", "related_id": 3},
        ],
        [],
    ]


def test_a_list_of_characters_makes_a_role_of_each() -> None:
    cast = {"anime_id": "id", "character_id": {"from": "cast", "read": "ids"}, "role": {"value": "main"}}
    said = {"anime": ANIME, "roles": {"file": "a.csv", "columns": cast}}

    roles = made(said, a={"id": ["7", "8"], "Score": ["7", "8"], "cast": ["[2, 1]", "[]"]})["roles"]

    assert roles.sort("position").select("anime_id", "character_id", "position").rows() == [(7, 2, 0), (7, 1, 1)]


def test_scores_of_other_sites_are_kept_apart_and_the_empty_ones_left_out() -> None:
    said = {"anime": {**ANIME, "scores": {"anilist": "al", "kitsu": {"from": "kt", "missing": [-1]}}}}

    scores = made(said, a={"id": ["7", "8"], "Score": ["7", "8"], "al": ["71", ""], "kt": [-1, 65.5]})

    assert scores["further_scores"].rows() == [(7, "anilist", 71.0), (8, "kitsu", 65.5)]


def test_zero_is_a_score_on_a_scale_that_is_not_ours() -> None:
    said = {"anime": {**ANIME, "scores": {"balance": "b"}}}

    scores = made(said, a={"id": ["7", "8"], "Score": ["7", "0"], "b": ["0", "-1.5"]})

    assert scores["further_scores"].rows() == [(7, "balance", 0.0), (8, "balance", -1.5)]
    assert scores["anime"]["score"].to_list() == [7.0, None]


def test_a_source_that_is_not_in_lower_case_is_refused_by_its_column() -> None:
    with pytest.raises(SettingError) as caught:
        own_tables(["anime.csv"], {"anime.csv": ["anime_id", "score_AniList"]})

    assert caught.value.where == "anime.csv, score_AniList"
    assert "lower case" in caught.value.what
    assert caught.value.fix == "call the column score_anilist"


def test_a_title_may_be_called_what_says_nothing_elsewhere() -> None:
    said = {"anime": {"file": "a.csv", "columns": {"anime_id": "id", "title": "t", "type": "k"}}}

    anime = made(said, a={"id": ["7"], "t": ["Unknown"], "k": ["Unknown"]})["anime"]

    assert anime.select("title", "type").rows() == [("Unknown", None)]


@pytest.mark.parametrize(
    ("ids", "scores", "says"),
    [
        (["7", "x"], ["7", "8"], "a.csv, row 2, id: 'x' is not a whole number"),
        (["7", ""], ["7", "8"], "a.csv, row 2, id: the row says nothing here"),
        (["7", "-8"], ["7", "8"], "a.csv, row 2, id: '-8' breaks the rule 'min' of anime_id"),
        (["7", "7"], ["7", "7"], "a.csv, row 2, id: 7 stands in row 1 already"),
        (["7", "8"], ["7", "12"], "a.csv, row 2, Score: '12.0' breaks the rule 'max' of score"),
        (["7", "8"], ["7", "good"], "a.csv, row 2, Score: 'good' is not a number"),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_field(ids: list[str], scores: list[str], says: str) -> None:
    assert refusal({"anime": ANIME}, a={"id": ids, "Score": scores}).startswith(says)


def test_rows_that_may_agree_and_do_not_are_refused() -> None:
    said = {"anime": {**ANIME, "repeated": "agree"}}

    assert refusal(said, a={"id": ["7", "8", "7"], "Score": ["7", "8", "6"]}) == (
        "a.csv, row 3, Score: the row is about the same as row 1, and says something else"
    )


def test_a_column_may_be_needed_where_others_are_optional() -> None:
    columns = {"anime_id": "id", "score": {"from": "Score", "needed": True}, "members": "m"}
    said = {"anime": {"file": "a.csv", "columns": columns, "optional_columns": True}}

    assert refusal(said, a={"id": ["7"]}).startswith("a.csv, Score: there is no such column")


def test_a_file_and_a_column_that_are_not_there_are_named() -> None:
    assert refusal({"anime": ANIME}) == "a.csv: there is no such file, which anime are read from"
    assert refusal({"anime": ANIME}, a={"id": ["7"], "Rating": ["7"]}) == (
        "a.csv, Score: there is no such column; there are: id, Rating"
    )


def test_a_column_that_is_optional_is_null_but_never_an_id() -> None:
    said = {"anime": {**ANIME, "optional_columns": True}}

    assert made(said, a={"id": ["7"]})["anime"]["score"].to_list() == [None]
    assert refusal(said, a={"Score": ["7"]}).startswith("a.csv, id: there is no such column")


# Mappings.


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "nothing of the table anime"),
        ({"anmie": ANIME}, "did you mean anime"),
        ({"anime": {**ANIME, "fil": "x"}}, "did you mean file"),
        ({"anime": {"columns": {"anime_id": "id"}}}, "no file is named"),
        ({"anime": {"file": "a.csv", "columns": {"score": "s"}}}, "no column is named for anime_id"),
        ({"anime": {"file": "a.csv", "columns": {"anime_id": "id", "scor": "s"}}}, "did you mean score"),
        ({"anime": {"file": "a.csv", "columns": {"anime_id": {"from": "id", "read": "hex"}}}}, "no reader 'hex'"),
        ({"anime": {"file": "a.csv", "columns": {"anime_id": {"from": "id", "read": "day"}}}}, "gives Date"),
        ({"anime": {"file": "a.csv", "columns": {"anime_id": {"from": "id", "value": 1}}}}, "exactly one"),
        ({"anime": {"file": "a.csv", "columns": {"anime_id": {}}}}, "exactly one"),
        ({"anime": {"file": "a.csv", "columns": {"anime_id": 5}}}, "in quotes"),
        ({"anime": {**ANIME, "repeated": "first"}}, "choose one of refuse, agree"),
        ({"anime": {**ANIME, "optional": "yes"}}, "no true or false"),
        ({"anime": {**ANIME, "columns": 3}}, "columns is no table"),
        ({"anime": {**ANIME, "missing": "x"}}, "no list of values"),
        ({"anime": {**ANIME, "scores": {"AniList": "al"}}}, "lower case: a letter, then letters, digits and _ (at my"),
        ({"anime": 3}, "of file and columns"),
        ({"anime": ANIME, "host": 3}, "host is no text"),
        ({"anime": ANIME, "roles": {**ANIME, "columns": {"anime_id": "a"}, "scores": {}}}, "character_id, role"),
    ],
)
def test_a_mapping_that_says_something_impossible_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        planned(said, "my.toml")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_ours_has_a_reader_that_gives_its_type(table: str) -> None:
    columns = {name: name for name in TABLES[table].columns()}
    said = {"anime": ANIME} | {table: {"file": "x.csv", "columns": columns}}

    assert table in [part.table for part in planned(said, "my.toml").tables]


def test_the_example_in_the_documentation_is_a_mapping() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "imports.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)

    plan = planned(tomllib.loads(example), "the example")

    assert [table.table for table in plan.tables] == ["anime", "further_scores", "roles", "relations"]
    assert all(f"`{name}`" in page.read_text(encoding="utf-8") for name in READERS)
