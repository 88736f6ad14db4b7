"""Claims about imports: archived pages fill the tables that a crawl fills, and a refusal changes nothing."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dataframely.exc import SchemaError
from fastwarc.warc import ArchiveIterator
from polars.testing import assert_frame_equal

from anipop_pipeline import cli
from anipop_pipeline.config import ParseConfig
from anipop_pipeline.engine import map_batches
from anipop_pipeline.importing import import_warc, warc
from anipop_pipeline.importing.warc import FromWarc
from anipop_pipeline.lake import Folder, Lake, open_lake, sites
from anipop_pipeline.stages import archive, parse
from anipop_pipeline.stages.parse.batches import READINGS
from anipop_pipeline.stages.tables import schema_of
from anipop_pipeline.stages.warc_files import WarcFile

from .foreign_warcs import chunked, http, packed, record
from .whole_graph import materialise, opened

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CRAWL = ["anime_index", "anime_pages", "anime", "roles", "character_pages", "characters", "portraits", "posters"]
TABLES = ["anime", "roles", "characters", "portraits", "posters"]
DIALS = ParseConfig(pages_at_once=25)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake into which the demo was crawled and parsed."""
    folder = tmp_path_factory.mktemp("crawled")
    materialise(folder, *CRAWL)
    return folder


@pytest.fixture(scope="module")
def segments(crawled: Path) -> list[Path]:
    return sorted((crawled / "demo" / "raw").glob("*.warc.gz"))


@pytest.fixture(scope="module")
def exchanges(segments: list[Path]) -> list[archive.Exchange]:
    """Return everything that the crawl has archived."""
    found: list[archive.Exchange] = []
    for path in segments:
        with path.open("rb") as segment:
            found += [exchange for exchange, _, _ in archive.scan(segment)]
    return found


@pytest.fixture(scope="module")
def imported(segments: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with the import `again` of all segments."""
    folder = tmp_path_factory.mktemp("imported")
    brought(folder, segments)
    return folder


def brought(root: Path | str, files: Sequence[Path], name: str = "again", *, replace: bool = False) -> FromWarc:
    lake = Lake(open_lake(str(root), "demo").root, name)
    return import_warc(lake, files, map_batches, DIALS, NOW, replace=replace)


def contents(lake: Path) -> dict[str, bytes]:
    paths = (path for path in lake.rglob("*") if path.is_file() and ".staging" not in path.parts)
    return {str(path.relative_to(lake)): path.read_bytes() for path in paths}


# Round trip.


@pytest.mark.parametrize("table", TABLES)
def test_what_was_crawled_gives_the_same_table_when_it_is_imported(crawled: Path, imported: Path, table: str) -> None:
    first, again = opened(crawled).load_folder(table), opened(imported, "again").load_folder(table)

    assert again.table().height > 50
    assert_frame_equal(again.table(), first.table())
    assert_frame_equal(again.table("rejects"), first.table("rejects"))
    assert opened(imported, "again").manifest(table).digest == opened(crawled).manifest(table).digest


def as_others_would(exchanges: Sequence[archive.Exchange]) -> list[bytes]:
    """Return the archived answers as another tool may have kept them: http, other hosts, chunks, no digest, no note."""
    records = []
    for number, one in enumerate(found for found in exchanges if found.outcome in archive.ANSWERED):
        url = one.url.replace("https://demo.", ["http://DEMO.", "http://www.demo.", "https://demo."][number % 3])
        kept = [pair for pair in one.headers if pair[0].lower() != "content-length"]
        coding = [("Transfer-Encoding", "chunked")] if number % 2 else []
        body = chunked(one.body, 4096) if coding else one.body
        status = "200 OK" if one.status == 200 else "404 Not Found"
        records.append(record(url, http(body, *kept, *coding, status=status), date="2020-01-01T00:00:00Z"))
    return records


@pytest.mark.parametrize("packing", ["plain", "members", "one member"])
def test_the_same_pages_in_files_of_other_tools_give_the_same_tables(
    imported: Path, exchanges: list[archive.Exchange], tmp_path: Path, packing: str
) -> None:
    (tmp_path / "foreign.warc").write_bytes(packed(as_others_would(exchanges), packing))

    brought(tmp_path / "lake", [tmp_path / "foreign.warc"])

    for table in TABLES:
        expected = opened(imported, "again").load_table(table)
        assert_frame_equal(opened(tmp_path / "lake", "again").load_table(table), expected)


def test_another_library_reads_every_record_of_a_crawl_and_finds_every_digest_right(segments: list[Path]) -> None:
    kinds: set[str] = set()
    for path in segments:
        with path.open("rb") as mine, path.open("rb") as theirs:
            records = WarcFile(mine, path.name).records()
            for our, found in zip(records, ArchiveIterator(theirs, parse_http=False), strict=True):
                block = our.block()
                assert (our.type, our.url) == (str(found.record_type), found.headers.get("WARC-Target-URI", ""))
                assert dict(our.headers.headers) == dict(found.headers.items())
                assert found.verify_block_digest()
                if found.is_http:
                    found.parse_http()
                    assert found.verify_payload_digest()
                    assert block.endswith(found.reader.read())
                kinds.add(our.type)
    assert "response" in kinds


def test_an_imported_site_goes_on_downstream(crawled: Path, imported: Path, tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path, dirs_exist_ok=True)
    crawl = ["anime_index", "anime_pages", "character_pages"]

    materialise(tmp_path, *crawl, *TABLES, "parse_rejects", "corpus_anime", "corpus_characters", site="again")

    here = opened(tmp_path, "again")
    assert here.manifest("anime_pages").absent == "again is an import without anime_pages"
    assert here.manifest("portraits").digest == opened(crawled).manifest("portraits").digest
    assert here.load_table("corpus_anime").height > 20
    assert here.load_table("corpus_characters").height > 20


def test_an_archive_without_casts_leaves_every_anime_on_its_own(
    exchanges: list[archive.Exchange], tmp_path: Path
) -> None:
    pages = [one for one in exchanges if one.outcome == "ok" and not one.url.endswith("/characters")]
    records = [record(one.url, http(one.payload)) for one in pages]
    (tmp_path / "few.warc.gz").write_bytes(packed(records, "one member"))
    brought(tmp_path / "lake", [tmp_path / "few.warc.gz"])

    materialise(tmp_path / "lake", "corpus_anime", "corpus_characters", "corpus_roles", "clusters", site="again")

    here = opened(tmp_path / "lake", "again")
    assert here.load_table("corpus_anime").height > 20
    assert here.load_table("clusters")["size"].max() == 1
    assert here.manifest("corpus_characters").absent == "again is an import without roles"
    assert here.load_table("characters").height > 20


def test_an_archive_in_which_no_cast_is_of_its_anime_is_one_without_casts(
    exchanges: list[archive.Exchange], tmp_path: Path
) -> None:
    anime = sorted(one.url for one in exchanges if one.outcome == "ok" and one.url.endswith("/characters"))
    other = {url.removesuffix("/characters") for url in anime[:5]}
    pages = [one for one in exchanges if one.outcome == "ok" and (one.url in anime[:5] or one.url not in other)]
    kept = [one for one in pages if one.url in anime[:5] or not one.url.endswith("/characters")]
    records = [record(one.url, http(one.payload)) for one in kept]
    (tmp_path / "odd.warc.gz").write_bytes(packed(records, "one member"))

    done = brought(tmp_path / "lake", [tmp_path / "odd.warc.gz"])

    reason = "again is an import without roles that its other tables know of"
    assert opened(tmp_path / "lake", "again").manifest("roles").absent == reason
    assert "left over: roles in unknown anime: " in done.as_text()


def test_a_lake_in_an_object_store_takes_an_import(segments: list[Path], root: str) -> None:
    brought(root, segments[:2])

    assert sites(open_lake(root, "demo").root) == ["demo", "mal", "again"]
    assert open_lake(root, "again").load_table("anime").height > 50


# The site as it was: 123 real pages of six years, several of one title.


def test_of_real_captures_of_many_years_each_page_is_read_from_its_latest(real: Path, tmp_path: Path) -> None:
    listed = [page for page in json.loads((real / "pages" / "index.json").read_text()) if page["url"]]
    by_file = {page["file"]: (real / "pages" / page["file"]).read_bytes() for page in listed}
    records = [record(page["url"], http(by_file[page["file"]]), date=page["date"]) for page in listed]
    (tmp_path / "real.warc.gz").write_bytes(packed(records, "one member"))

    done = brought(tmp_path / "lake", [tmp_path / "real.warc.gz"])

    anime = [page for page in listed if page["kind"] == "anime"]
    latest = {int(page["id"]): page for page in sorted(anime, key=lambda page: page["date"])}
    table = opened(tmp_path / "lake", "again").load_table("anime")
    lost = done.folders["anime"].table("rejects")["id"].to_list()
    assert done.survey.pages["anime"] == len(latest) == 22
    assert sorted([*table["anime_id"], *lost]) == sorted(latest)
    assert len(lost) <= 1
    for row in table.iter_rows(named=True):
        page = latest[row["anime_id"]]
        assert row["members"] == parse.anime(by_file[page["file"]], page["url"])["members"]


# What an import says of itself.


def test_the_site_says_where_it_comes_from_and_what_it_has(imported: Path, segments: list[Path]) -> None:
    said = opened(imported, "again").imported()

    assert said is not None
    assert (said["kind"], said["site"], said["imported_at"]) == ("warc", "demo.invalid", "2026-05-01T00:00:00+00:00")
    assert said["has"] == {"titles": True, "synopses": True, "descriptions": True, "portraits": True}
    assert said["left_over"] == {}
    assert [(one["name"], one["bytes"]) for one in said["files"]] == [(p.name, p.stat().st_size) for p in segments]
    assert said["pages"]["anime"] == 60
    assert said["records"] == sum(said["pages"].values()) + sum(said["passed_over"].values())
    assert str(segments[0].parent) not in json.dumps(said)


def test_tables_without_pages_are_absent_and_empty(segments: list[Path], tmp_path: Path) -> None:
    done = brought(tmp_path, segments[:2])

    here = opened(tmp_path, "again")
    assert here.manifest("roles").absent == "again is an import without roles"
    assert here.load_table("portraits").columns == schema_of("portraits").column_names()  # type: ignore[union-attr]
    assert set(done.folders) == {reading.table for reading in READINGS.values()}
    imported = here.imported()
    assert imported is not None
    assert imported["has"] == {"titles": True, "synopses": True, "descriptions": False, "portraits": False}


def test_the_summary_counts_pages_rows_and_rejects_and_names_the_next_command(
    segments: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "few.warc.gz").write_bytes(b"".join(path.read_bytes() for path in segments[:-1]))

    text = brought(tmp_path / "lake", [tmp_path / "few.warc.gz"]).as_text()

    assert "again: 1 file, " in text
    assert "60 anime" in text
    assert "wanted pictures not in the files" in text
    assert text.endswith("Next: ANIPOP_SITE=again anipop run")


def test_two_characters_may_share_a_portrait(tmp_path: Path, exchanges: list[archive.Exchange], imported: Path) -> None:
    here, pages = opened(imported, "again"), {one.url: one.payload for one in exchanges}
    pictured = here.load_table("characters").join(here.load_table("portraits"), on="character_id", how="semi")
    one, two = pictured.sort("character_id").head(2).iter_rows(named=True)
    picture, another = (row["portrait_url"].partition("/images")[2].encode() for row in (one, two))
    records = [
        record(here.load_table("anime")["url"][0], http(pages[here.load_table("anime")["url"][0]])),
        record(one["url"], http(pages[one["url"]])),
        record(two["url"], http(pages[two["url"]].replace(another, picture))),
        record(one["portrait_url"], http(pages[one["portrait_url"]])),
    ]
    (tmp_path / "a.warc").write_bytes(packed(records, "one member"))

    brought(tmp_path / "lake", [tmp_path / "a.warc"])

    found = opened(tmp_path / "lake", "again").load_table("portraits")
    assert found["character_id"].to_list() == [one["character_id"], two["character_id"]]
    assert found["url"].to_list() == [one["portrait_url"]] * 2
    assert found["image"].to_list() == [pages[one["portrait_url"]]] * 2


# Replacing, and failing.


def test_a_replaced_import_keeps_nothing_of_the_old_one(imported: Path, segments: list[Path], tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path, dirs_exist_ok=True)

    brought(tmp_path, segments[:2], replace=True)

    here = opened(tmp_path, "again")
    assert here.load_table("anime").height > 50
    assert here.manifest("portraits").absent == "again is an import without portraits"


def failing_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the lake's disk be full when so many tables are written."""
    whole, calls = Lake.save, iter(range(100))

    def save(lake: Lake, *args: object) -> object:
        if next(calls) == number:
            raise OSError(28, "No space left on device")
        return whole(lake, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "save", save)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_a_failure_while_writing_leaves_no_site(
    segments: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing_at(number, monkeypatch)

    with pytest.raises(OSError, match="No space left"):
        brought(tmp_path, segments)

    assert contents(tmp_path) == {}
    assert sites(open_lake(str(tmp_path), "demo").root) == ["demo", "mal"]


@pytest.mark.parametrize("number", [1, 4])
def test_a_failure_while_replacing_leaves_the_site_as_it_was(
    imported: Path, segments: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    shutil.copytree(imported, tmp_path, dirs_exist_ok=True)
    before = {name: opened(tmp_path, "again").load_folder(name) for name in TABLES}
    manifests = {name: opened(tmp_path, "again").manifest(name) for name in TABLES}
    failing_at(number, monkeypatch)

    with pytest.raises(OSError, match="No space left"):
        brought(tmp_path, segments[:2], replace=True)

    here = opened(tmp_path, "again")
    assert {name: here.manifest(name) for name in TABLES} == manifests
    assert all(here.load_table(name).equals(folder.table()) for name, folder in before.items())


def test_pages_of_the_invented_site_stay_invented_when_they_are_imported(imported: Path) -> None:
    assert opened(imported, "again").invented


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from anipop_pipeline.config import ParseConfig
from anipop_pipeline.engine import map_batches
from anipop_pipeline.importing import import_warc
from anipop_pipeline.lake import Lake, open_lake

whole, saved = Lake.save, []

def save(lake, name, *rest):
    if len(saved) == 3:
        os._exit(9)
    saved.append(name)
    return whole(lake, name, *rest)

Lake.save = save
root, *files = sys.argv[1:]
lake = Lake(open_lake(root, "demo").root, "again")
now = datetime(2026, 5, 2, tzinfo=UTC)
import_warc(lake, [Path(file) for file in files], map_batches, ParseConfig(), now, replace=True)
"""


def test_an_import_that_was_killed_while_replacing_another_is_no_site_until_it_is_done_again(
    imported: Path, segments: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(imported, tmp_path, dirs_exist_ok=True)
    few = [str(path) for path in segments[:4]]

    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), *few], check=False)

    assert killed.returncode == 9
    assert "again" not in sites(open_lake(str(tmp_path), "demo").root)
    brought(tmp_path, segments)
    assert opened(tmp_path, "again").load_table("anime").equals(opened(imported, "again").load_table("anime"))


def test_nothing_is_written_when_a_table_breaks_its_schema(
    segments: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(kind: str, rows: pl.DataFrame, *_: object) -> Folder:
        return Folder({"table.parquet": pl.DataFrame({"anime_id": [-1]}), "rejects.parquet": pl.DataFrame()})

    monkeypatch.setattr(warc, "parsed", broken)

    with pytest.raises(SchemaError, match="poster_url"):
        brought(tmp_path, segments)

    assert contents(tmp_path) == {}


# Refusals on the command line.


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Command":
    monkeypatch.setenv("ANIPOP_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("ANIPOP_SITE", raising=False)
    return Command(capsys)


class Command:
    """`anipop import warc`, typed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        code = cli.main(["import", "warc", *map(str, arguments)])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def refused(self, *arguments: object) -> str:
        """Return the one message of a refusal."""
        code, out, err = self(*arguments)
        (message,) = [line for line in err.splitlines() if line.startswith("anipop: ")]
        assert (code, out) == (1, "")
        assert "To mend it: " in message
        return message


def test_an_import_is_typed_and_the_site_is_there(command: Command, segments: list[Path], tmp_path: Path) -> None:
    code, out, err = command(*segments[:2], "--as", "old-crawl")

    assert code == 0
    assert "Next: ANIPOP_SITE=old-crawl anipop run" in out
    assert "reading 000001.warc.gz (2 of 2, " in err
    assert "anime: 60 pages" in err
    assert opened(tmp_path / "lake", "old-crawl").load_table("anime").height > 50


def test_an_import_may_be_made_while_its_site_is_chosen(
    command: Command, segments: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANIPOP_SITE", "old-crawl")

    assert command(*segments[:2], "--as", "old-crawl")[0] == 0


@pytest.mark.parametrize("name", ["demo", "mal", "cache", "spool", "Old", "1st", "a_b", "a" * 33, "", "../x", "x@2020"])
def test_a_name_that_no_import_can_have_is_refused(command: Command, segments: list[Path], name: str) -> None:
    assert f"no import can be called {name!r}" in command.refused(*segments, "--as", name)


def test_an_existing_site_is_refused_without_replace(
    command: Command, imported: Path, segments: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(imported, tmp_path / "lake")
    before = contents(tmp_path / "lake")

    assert "there is already a site again" in command.refused(*segments, "--as", "again")
    assert contents(tmp_path / "lake") == before
    assert command(*segments[:2], "--as", "again", "--replace")[0] == 0


def damaged(segments: list[Path]) -> dict[str, bytes]:
    whole = segments[1].read_bytes()
    plain = b"".join(gzip.decompress(path.read_bytes()) for path in segments[:2])
    return {
        "cut in a member": whole[:-100],
        "cut in a gzip trailer": whole[:-3],
        "cut in one large member": gzip.compress(plain, mtime=0)[:-1000],
        "cut in a plain record": plain[:-1000],
        "changed": whole[:5000] + b"\x00\x00\x00\x00" + whole[5004:],
        "changed in a plain record": plain[:-1000] + bytes([plain[-1000] ^ 1]) + plain[-999:],
        "empty": b"",
        "no WARC": b"<html>",
        "no page": record("https://example.org/", http(b"x")),
        "no anime": segments[4].read_bytes(),
        "unreadable anime": record("https://demo.invalid/anime/1", http(b'<p id="contentWrapper"></html>')),
        "missing anime": record("https://demo.invalid/anime/1", http(b"", status="404 Not Found")),
    }


HARMS = [
    "cut in a member",
    "cut in a gzip trailer",
    "cut in one large member",
    "cut in a plain record",
    "changed",
    "changed in a plain record",
    "empty",
    "no WARC",
    "no page",
    "no anime",
    "unreadable anime",
    "missing anime",
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_file_is_refused_and_the_lake_stays_as_it_is(
    command: Command, imported: Path, segments: list[Path], tmp_path: Path, harm: str
) -> None:
    shutil.copytree(imported, tmp_path / "lake")
    before = contents(tmp_path / "lake")
    (tmp_path / "harmed.warc.gz").write_bytes(damaged(segments)[harm])

    message = command.refused(tmp_path / "harmed.warc.gz", "--as", "again", "--replace")

    assert harm.startswith(("no ", "unreadable", "missing")) or "harmed.warc.gz" in message
    assert contents(tmp_path / "lake") == before


def test_one_damaged_file_among_many_imports_nothing(command: Command, segments: list[Path], tmp_path: Path) -> None:
    (tmp_path / "z.warc.gz").write_bytes(segments[0].read_bytes()[:-5])

    assert "z.warc.gz" in command.refused(*segments, tmp_path / "z.warc.gz", "--as", "again")
    assert contents(tmp_path / "lake") == {}


def test_a_file_that_is_not_there_and_a_folder_are_named(command: Command, tmp_path: Path) -> None:
    assert "there is no such file" in command.refused(tmp_path / "no.warc", "--as", "again")
    assert "a folder was named" in command.refused(tmp_path, "--as", "again")
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_cannot_be_written_is_said_before_anything_is_read(
    command: Command, segments: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "lake").write_text("not a folder")

    assert "the lake cannot be written" in command.refused(*segments, "--as", "again")


def test_dagster_hears_of_each_table_where_it_keeps_a_history(
    command: Command, segments: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))

    assert command(*segments[:2], "--as", "old-crawl")[0] == 0

    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("anime"))
    assert event is not None
    assert event.asset_materialization is not None
    said = event.asset_materialization.metadata
    assert said["site"].value == "old-crawl"
    assert said["dagster/row_count"].value == opened(tmp_path / "lake", "old-crawl").load_table("anime").height


# The index of raw pages.


def test_the_index_is_built_anew_and_each_segment_is_told(
    crawled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(crawled, tmp_path / "lake")
    monkeypatch.setenv("ANIPOP_LAKE", str(tmp_path / "lake"))
    before = opened(tmp_path / "lake").load_table("anime_pages")
    parts = sorted((tmp_path / "lake" / "demo" / "raw" / "index").iterdir())
    contents_before = [path.read_bytes() for path in parts]
    for path in parts:
        path.unlink()

    assert cli.main(["lake", "reindex"]) == 0

    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("000001.warc.gz ")
    assert said[-1].startswith("demo: ")
    assert f" records in {len(parts)} segments, 0 bytes lost" in said[-1]
    assert [path.read_bytes() for path in parts] == contents_before
    assert before.height > 60
