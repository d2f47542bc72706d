"""Manifests of all three kinds, good lines and bad ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.manifest import END_OF_RECORDING_MS, MAX_METADATA_BYTES, MAX_NESTING, Entry, read_manifest
from soundseam.schemas.recording import Rejected
from soundseam.schemas.timespan import TimeSpan
from tests.support.memory_files import MemoryFileSystem

Cell = str | int | float | None | list[str] | dict[str, str]


def write_jsonl(path: Path, rows: list[dict[str, Cell]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: list[dict[str, Cell]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: list[dict[str, Cell]]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    return path


WRITERS: dict[str, Callable[[Path, list[dict[str, Cell]]], Path]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
}


def entries(path: Path) -> list[Entry]:
    found = list(read_manifest(str(path)))
    assert all(isinstance(item, Entry) for item in found), found
    return [item for item in found if isinstance(item, Entry)]


def problems(path: Path) -> list[str]:
    """Details of what was rejected, each under the one reason there is."""
    rejected = [item for item in read_manifest(str(path)) if isinstance(item, Rejected)]
    assert {row.reason for row in rejected} <= {"bad_manifest_line"}
    return [row.detail for row in rejected]


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_says_the_same(tmp_path: Path, kind: str) -> None:
    rows: list[dict[str, Cell]] = [
        {
            "uri": "a/x.wav",
            "id": "one",
            "license": "CC0-1.0",
            "language": "de",
            "start_ms": 10,
            "end_ms": 900,
            "city": "Ulm",
        },
        {
            "uri": "/data/y.wav",
            "id": None,
            "license": None,
            "language": None,
            "start_ms": None,
            "end_ms": None,
            "city": None,
        },
    ]
    first, second = entries(WRITERS[kind](tmp_path / f"m.{kind}", rows))
    assert first == Entry(
        uri=str(tmp_path / "a/x.wav"),
        origin=f"line {2 if kind == 'csv' else 1} of m.{kind}",
        manifest_id="one",
        license="CC0-1.0",
        language="de",
        interval=TimeSpan(10, 900),
        metadata={"city": "Ulm"},
    )
    assert second == Entry(uri="/data/y.wav", origin=f"line {3 if kind == 'csv' else 2} of m.{kind}")


def test_a_relative_uri_counts_from_the_manifests_folder(tmp_path: Path) -> None:
    (entry,) = entries(write_jsonl(tmp_path / "m.jsonl", [{"uri": "../x.wav"}]))
    assert entry.uri == str(tmp_path / "../x.wav")
    MemoryFileSystem.put("mem://bucket/lists/m.jsonl", b'{"uri": "a/x.wav"}\n{"uri": "../x.wav"}\n{"uri": "s3://b/y"}')
    first, bad, third = read_manifest("mem://bucket/lists/m.jsonl")
    assert isinstance(first, Entry)
    assert first.uri == "mem://bucket/lists/a/x.wav"
    assert isinstance(bad, Rejected)
    assert isinstance(third, Entry)
    assert third.uri == "s3://b/y"


def test_a_time_without_the_other_reaches_to_the_edge(tmp_path: Path) -> None:
    rows: list[dict[str, Cell]] = [{"uri": "x", "start_ms": 500}, {"uri": "x", "end_ms": 900}]
    from_500, to_900 = entries(write_jsonl(tmp_path / "m.jsonl", rows))
    assert from_500.interval == TimeSpan(500, END_OF_RECORDING_MS)
    assert to_900.interval == TimeSpan(0, 900)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{bad", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"id": "x"}', "no uri"),
        ('{"uri": ""}', "no uri"),
        ('{"uri": 5}', "no uri"),
        ('{"uri": "a\\u0000b"}', "zero byte"),
        ('{"uri": "a\\ud800b"}', "not UTF-8"),
        ('{"uri": "x", "start_ms": -1}', "start_ms is '-1'"),
        ('{"uri": "x", "start_ms": 1.5}', "start_ms is '1.5'"),
        ('{"uri": "x", "end_ms": "soon"}', "end_ms is 'soon'"),
        ('{"uri": "x", "end_ms": true}', "end_ms is 'True'"),
        ('{"uri": "x", "end_ms": ' + "9" * 400 + "}", "end_ms is '9999"),
        ('{"uri": "x", "end_ms": ' + "9" * 5000 + "}", "not JSON"),
        ('{"uri": "x", "start_ms": -Infinity}', "start_ms is '-inf'"),
        ('{"uri": NaN}', "no uri"),
        ('{"uri": "x",}', "not JSON"),
        ('{"uri": "x", "end_ms": 1e400}', "end_ms is 'inf'"),
        ('{"uri": "x", "start_ms": 5, "end_ms": 5}', "is empty"),
        ('{"uri": "x", "license": ["CC0"]}', "license is not a text"),
        ('{"uri": "x", "note": "a\\ud800b"}', "not UTF-8"),
        ('{"uri": "x", "a\\ud800b": 1}', "not UTF-8"),
        ('{"uri": "x", "deep": {"a\\u0000b": 1}}', "zero byte"),
        ('{"uri": "x", "a": ' + "[" * 900 + "]" * 900 + "}", f"more than {MAX_NESTING} deep"),
        ('{"uri": "x", "a": ' + '{"b":' * 900 + "1" + "}" * 900 + "}", f"more than {MAX_NESTING} deep"),
        ('{"uri": "x", "note": "' + "n" * MAX_METADATA_BYTES + '"}', "bytes of free columns"),
        ('{"uri": "x", "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON"),
    ],
)
def test_a_broken_line_is_rejected_alone_with_its_number(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"uri": "first.wav"}}\n\n{line}\n{{"uri": "last.wav"}}\n', encoding="utf-8")
    first, bad, last = read_manifest(str(path))
    assert isinstance(first, Entry)
    assert isinstance(last, Entry)
    assert isinstance(bad, Rejected)
    assert (bad.stage, bad.reason, bad.source_uri) == ("list", "bad_manifest_line", str(path))
    assert bad.detail.startswith("line 3: ")
    assert problem in bad.detail


def test_bytes_that_are_not_utf8_spoil_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_bytes(b'{"uri": "a"}\n{"uri": "\xff"}\n{"uri": "b"}\n')
    assert [detail.partition(":")[0] for detail in problems(tmp_path / "m.jsonl")] == ["line 2"]
    (tmp_path / "m.csv").write_bytes(b"uri\na\n\xff.wav\nb\n")
    assert problems(tmp_path / "m.csv") == ["line 3: a text that is not UTF-8"]


def test_a_line_of_csv_with_other_cells_than_the_header_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uri,license\na.wav,CC0\nb.wav\nc.wav,CC0,x\n\nd.wav,CC0\n")
    assert problems(tmp_path / "m.csv") == ["line 3: 1 cells under 2 columns", "line 4: 3 cells under 2 columns"]


@pytest.mark.parametrize("text", ['{"uri": 1}\n{"uri": 2}\n', '{"uri": "x", "end_ms": 0}\nnothing\n', "[1]\n" * 9])
def test_a_manifest_of_which_every_line_is_bad_is_a_wrong_set_up(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(SetupError, match=r"no line of .*m\.jsonl can be used: line 1: .*; line 2: ") as caught:
        list(read_manifest(str(tmp_path / "m.jsonl")))
    assert "\n" not in str(caught.value)


def test_nan_is_a_missing_value_and_the_text_nan_a_text(tmp_path: Path) -> None:
    line = '{"uri": "x", "id": NaN, "license": NaN, "language": NaN, "start_ms": NaN, "end_ms": NaN, "note": NaN}\n'
    (tmp_path / "m.jsonl").write_text(line + '{"uri": "x", "id": "nan", "license": "None", "note": "nan"}\n')
    missing, said = entries(tmp_path / "m.jsonl")
    assert missing == Entry(uri=str(tmp_path / "x"), origin="line 1 of m.jsonl")
    assert (said.manifest_id, said.license, said.metadata) == ("nan", "None", {"note": "nan"})
    pq.write_table(pa.table({"uri": ["x"], "id": [float("nan")], "end_ms": [float("nan")]}), tmp_path / "m.parquet")
    assert entries(tmp_path / "m.parquet") == [Entry(uri=str(tmp_path / "x"), origin="line 1 of m.parquet")]


def test_spaces_around_the_cells_of_a_csv_are_no_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('uri, license ,start_ms, note\na.wav , CC0, 5, "one, two "\n')
    (entry,) = entries(tmp_path / "m.csv")
    assert (entry.uri, entry.license, entry.interval) == (
        str(tmp_path / "a.wav"),
        "CC0",
        TimeSpan(5, END_OF_RECORDING_MS),
    )
    assert entry.metadata == {"note": "one, two"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_utf16_is_read_as_what_it_is(tmp_path: Path, encoding: str, name: str) -> None:
    text = "uri,note\r\nx.wav,é日\r\n" if name == "m.csv" else '{"uri": "x.wav", "note": "é日"}\r\n'
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / name).write_bytes((mark + text).encode(encoding))
    (entry,) = entries(tmp_path / name)
    assert (entry.uri, entry.metadata) == (str(tmp_path / "x.wav"), {"note": "é日"})


def test_half_a_character_of_utf16_spoils_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_bytes('{"uri": "a"}\n{"uri": "b"'.encode("utf-16") + b"}")
    first, bad = read_manifest(str(tmp_path / "m.jsonl"))
    assert isinstance(first, Entry)
    assert isinstance(bad, Rejected)


@pytest.mark.parametrize("text", ["uri;license\nx;CC0\n", "uri\tlicense\nx\tCC0\n", "sep=;\nuri;license\nx;CC0\n"])
def test_a_csv_of_semicolons_or_tabs_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    (entry,) = entries(tmp_path / "m.csv")
    assert (entry.uri, entry.license) == (str(tmp_path / "x"), "CC0")
    assert entry.origin == f"line {text.count(chr(10))} of m.csv"


def test_empty_cells_at_the_end_and_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(",uri,license,,\n0,a.wav,CC0,,\n1,b.wav,CC0,,,,\n2,c.wav,CC0\n,,,,\n3,d.wav,,x\n")
    *found, bad = read_manifest(str(tmp_path / "m.csv"))
    assert [entry.uri for entry in found if isinstance(entry, Entry)] == [
        str(tmp_path / f"{name}.wav") for name in "abc"
    ]
    assert {entry.license for entry in found if isinstance(entry, Entry)} == {"CC0"}
    assert {str(entry.metadata) for entry in found if isinstance(entry, Entry)} == {"{}"}
    assert isinstance(bad, Rejected)
    assert bad.detail == "line 6: 4 cells under 3 columns"


@pytest.mark.parametrize(
    ("said", "tag"), [("English", "en"), ("en_US", "en-US"), ("deu", "de"), ("auto", None), ("und", None), ("", None)]
)
def test_a_language_is_read_by_name_and_by_code(tmp_path: Path, said: str, tag: str | None) -> None:
    (entry,) = entries(write_jsonl(tmp_path / "m.jsonl", [{"uri": "x", "language": said}]))
    assert entry.language == tag


def test_a_language_that_nobody_knows_is_unknown_and_reported(tmp_path: Path) -> None:
    entry, row = read_manifest(str(write_jsonl(tmp_path / "m.jsonl", [{"uri": "x", "language": "English/Hindi"}])))
    assert isinstance(entry, Entry)
    assert entry.language is None
    assert isinstance(row, Rejected)
    assert row.reason == "unknown_language"
    assert row.detail.startswith("line 1: language 'english/hindi' is not the name of one known language")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbfuri\r\nx.wav\r\n")
    (tmp_path / "m.jsonl").write_bytes(b'\xef\xbb\xbf{"uri": "x.wav"}\r\n')
    for name in ("m.csv", "m.jsonl"):
        assert [entry.uri for entry in entries(tmp_path / name)] == [str(tmp_path / "x.wav")]


def test_embedded_audio_is_no_metadata(tmp_path: Path) -> None:
    table = pa.table(
        {
            "uri": ["x.wav"],
            "audio": [{"bytes": b"\0" * 100_000, "path": "x"}],
            "raw": [b"\0"],
            "n": [1],
            "tags": [["a"]],
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    assert entries(tmp_path / "m.parquet")[0].metadata == {"n": 1, "tags": ["a"]}


def test_metadata_is_what_json_can_say(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"uri": "x", "a": NaN, "b": {"c": [1, null, Infinity]}, "d": null}\n')
    assert entries(tmp_path / "m.jsonl")[0].metadata == {"b": {"c": [1, None, None]}}


def test_no_secret_of_a_uri_among_the_metadata_is_kept(tmp_path: Path) -> None:
    row: dict[str, Cell] = {
        "uri": "x",
        "id": "https://u:secret@h/x?sig=secret",
        "page": "https://h/x?token=secret",
        "more": {"links": "see s3://b/x?X-Amz-Signature=secret"},
    }
    (entry,) = entries(write_jsonl(tmp_path / "m.jsonl", [row]))
    assert "secret" not in repr((entry.manifest_id, entry.metadata))
    assert entry.metadata["page"] == "https://h/x"


@pytest.mark.parametrize("kind", WRITERS)
def test_a_manifest_without_uris_is_a_wrong_set_up(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / f"m.{kind}", [{"path": "x.wav"}, {"path": "y.wav"}])
    with pytest.raises(SetupError, match="has no column uri: rename the column"):
        list(read_manifest(str(path)))


def test_a_manifest_that_is_none_is_a_wrong_set_up(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"text")
    with pytest.raises(SetupError, match="cannot read the manifest"):
        list(read_manifest(str(tmp_path / "m.parquet")))


@given(st.binary(max_size=300), st.sampled_from(["jsonl", "csv"]))
def test_no_bytes_stop_the_reading(tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str) -> None:
    path = tmp_path_factory.mktemp("any") / f"m.{kind}"
    good = b'{"uri": "good.wav"}\n' if kind == "jsonl" else b"uri\ngood.wav\n"
    path.write_bytes(good + data)
    first = next(read_manifest(str(path)))
    assert isinstance(first, Entry)
    for item in read_manifest(str(path)):
        assert isinstance(item, Entry | Rejected)


@given(
    st.dictionaries(
        st.sampled_from(["id", "license", "note"]),
        st.text(st.characters(exclude_characters="\0=:", exclude_categories=["Cs"]), min_size=1),
    )
)
def test_what_a_csv_says_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, said: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "m.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["uri", *said], ["x.wav", *said.values()]])
    (entry,) = entries(path)
    read = {"id": entry.manifest_id, "license": entry.license, **entry.metadata}
    expected = {name: value.strip() for name, value in said.items() if value.strip()}
    assert {name: value for name, value in read.items() if value is not None} == expected
