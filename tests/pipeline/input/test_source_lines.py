"""What the lines of a manifest say of a file: joined if they agree, apart if not, and each conflict reported."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.input.join import join_entries
from soundseam.pipeline.input.manifest import END_OF_RECORDING_MS, Entry
from soundseam.pipeline.input.sources import list_sources
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.input.builders import manifest, names, put, reasons


def test_a_broken_line_of_a_manifest_spoils_no_other(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    path = tmp_path / "m.jsonl"
    path.write_text('{"uri": "a.wav"}\n{"uri":\n')
    listing = list_sources([str(path)])
    assert names(listing) == ["a.wav"]
    assert reasons(listing) == {"m.jsonl": "bad_manifest_line"}


def test_what_a_manifest_says_travels_with_the_source(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    row: dict[str, str | int] = {"uri": "a.wav", "id": "A", "license": "CC0-1.0", "language": "de", "z": 1, "b": "é"}
    (source,) = list_sources([manifest(tmp_path, row)]).sources
    assert (source.manifest_id, source.license, source.language) == ("A", "CC0-1.0", "de")
    assert source.metadata == '{"b": "é", "z": 1}'
    assert source.intervals == ()


def test_several_rows_of_one_file_are_one_source_with_their_intervals_united(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [
        {"uri": "a.wav", "start_ms": 5000, "end_ms": 7000},
        {"uri": "./a.wav", "start_ms": 0, "end_ms": 1000, "license": "CC0-1.0"},
        {"uri": "a.wav", "start_ms": 800, "end_ms": 2000},
    ]
    listing = list_sources([manifest(tmp_path, *rows)])
    (source,) = listing.sources
    assert source.intervals == (TimeSpan(0, 2000), TimeSpan(5000, 7000))
    assert source.license == "CC0-1.0"
    assert not listing.rejected


def test_a_row_without_an_interval_asks_for_the_whole_recording(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [{"uri": "a.wav", "start_ms": 0, "end_ms": 1000}, {"uri": "a.wav"}]
    assert list_sources([manifest(tmp_path, *rows)]).sources[0].intervals == ()


def test_lines_that_say_different_things_stay_apart(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [
        {"uri": "a.wav", "start_ms": 1000, "end_ms": 2000, "id": "u1", "speaker": "B", "show": "news"},
        {
            "uri": "a.wav",
            "start_ms": 0,
            "end_ms": 1000,
            "id": "u0",
            "speaker": "A",
            "show": "news",
            "license": "CC0-1.0",
        },
        {"uri": "a.wav", "start_ms": 2000, "end_ms": 3000, "speaker": "C", "show": "news", "language": "German"},
    ]
    listing = list_sources([manifest(tmp_path, *rows)])
    (source,) = listing.sources
    assert source.intervals == (TimeSpan(0, 1000), TimeSpan(1000, 2000), TimeSpan(2000, 3000))
    assert [line.manifest_id for line in source.lines] == ["u0", "u1", None]
    assert [json.loads(line.metadata or "")["speaker"] for line in source.lines] == ["A", "B", "C"]
    assert {(line.license, line.language) for line in source.lines} == {("CC0-1.0", "de")}
    assert (source.manifest_id, source.license, source.metadata) == (None, "CC0-1.0", '{"show": "news"}')
    assert not listing.rejected


def test_lines_that_touch_are_not_joined_though_they_say_the_same(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [{"uri": "a.wav", "start_ms": at, "end_ms": at + 500} for at in (0, 500, 1000)]
    (source,) = list_sources([manifest(tmp_path, *rows)]).sources
    assert source.intervals == (TimeSpan(0, 500), TimeSpan(500, 1000), TimeSpan(1000, 1500))
    assert source.lines == ()


def test_of_lines_that_overlap_the_earlier_keeps_the_time_that_they_share(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [
        {"uri": "a.wav", "start_ms": 0, "end_ms": 1000, "speaker": "A"},
        {"uri": "a.wav", "start_ms": 400, "end_ms": 600, "speaker": "B"},
        {"uri": "a.wav", "start_ms": 800, "end_ms": 2000, "speaker": "C"},
    ]
    listing = list_sources([manifest(tmp_path, *rows)])
    assert listing.sources[0].intervals == (TimeSpan(0, 1000), TimeSpan(1000, 2000))
    (row,) = listing.rejected
    assert row.reason == "conflicting_entries"
    assert "line 2 of m.jsonl shares 200 ms with line 1 of m.jsonl, which keeps them" in row.detail
    assert "line 3 of m.jsonl shares 200 ms" in row.detail


def test_a_file_that_is_asked_for_as_a_whole_too_keeps_the_time_between_its_lines(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [
        {"uri": "a.wav", "license": "CC0-1.0", "show": "news"},
        {"uri": "a.wav", "start_ms": 500, "end_ms": 1000, "speaker": "A"},
    ]
    (source,) = list_sources([manifest(tmp_path, *rows)]).sources
    assert [(tuple(line.span), line.is_rest, line.metadata, line.license) for line in source.lines] == [
        ((0, 500), True, '{"show": "news"}', "CC0-1.0"),
        ((500, 1000), False, '{"show": "news", "speaker": "A"}', "CC0-1.0"),
        ((1000, END_OF_RECORDING_MS), True, '{"show": "news"}', "CC0-1.0"),
    ]


def test_the_same_bytes_under_two_names_are_one_source_and_a_conflict_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", b"same")
    put(tmp_path / "b.wav", b"same")
    rows: list[dict[str, str | int]] = [
        {"uri": "b.wav", "start_ms": 5000, "end_ms": 6000, "license": "CC-BY-4.0", "language": "de"},
        {"uri": "a.wav", "start_ms": 0, "end_ms": 1000, "license": "CC0-1.0", "language": "en"},
    ]
    listing = list_sources([manifest(tmp_path, *rows)])
    (source,) = listing.sources
    assert source.source_uri == f"{tmp_path}/a.wav"
    assert source.intervals == (TimeSpan(0, 1000), TimeSpan(5000, 6000))
    assert [line.license for line in source.lines] == ["CC0-1.0", "CC-BY-4.0"]
    details = {row.reason: row.detail for row in listing.rejected}
    assert details["duplicate"] == f"the same bytes as {tmp_path}/a.wav"
    assert "license of line 1 of m.jsonl differs from line 2 of m.jsonl" in details["conflicting_entries"]
    assert "language of line 1 of m.jsonl differs" in details["conflicting_entries"]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10), st.sampled_from("ABC"), st.booleans()), max_size=8))
def test_no_part_of_a_file_bears_what_another_line_says(lines: list[tuple[int, int, str, bool]]) -> None:
    asked = [
        Entry(
            "a.wav", f"line {n}", interval=None if whole else TimeSpan(at, at + length), metadata={"speaker": speaker}
        )
        for n, (at, length, speaker, whole) in enumerate(lines, 1)
    ]
    joined = join_entries(asked)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(joined.intervals))
    for line in joined.lines:
        speaker = json.loads(line.metadata or "{}").get("speaker")
        others = [entry for entry in asked if entry.interval is None or not entry.interval.overlap_ms(line.span)]
        saying = [entry for entry in asked if entry not in others] or [entry for entry in asked if not entry.interval]
        assert speaker in {entry.metadata["speaker"] for entry in saying}


def test_rows_that_contradict_each_other_are_reported_and_the_first_holds(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [
        {"uri": "a.wav", "license": "CC0-1.0", "city": "Ulm"},
        {"uri": "a.wav", "license": "CC-BY-4.0", "city": "Ulm"},
    ]
    listing = list_sources([manifest(tmp_path, *rows)])
    assert listing.sources[0].license == "CC0-1.0"
    (row,) = listing.rejected
    assert (row.reason, row.recording_id) == ("conflicting_entries", listing.sources[0].recording_id)
    assert row.detail == "license of line 2 of m.jsonl differs from line 1 of m.jsonl: the first was taken"
