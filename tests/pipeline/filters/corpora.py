"""Corpora of captions as runs commit them, without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.dataset as ds

from soundseam.pipeline.filters.config import FilterConfig
from soundseam.pipeline.filters.launch import FilterRequest, FilterSummary, run_filter
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import EventClass
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, table_schema
from tests.support.builders import a_reject, a_segment, an_event, recording_id_of, with_audio

SECOND_MS = 1_000


def a_told_segment(recording: str, number: int) -> Segment:
    """The n-th segment of a recording: 10 s, an animal sound all through."""
    start = 10 * SECOND_MS * number
    return a_segment(
        recording, start, start + 10 * SECOND_MS, (an_event(EventClass.ANIMAL, start, start + 10 * SECOND_MS),)
    )


def a_told_caption(segment: Segment, text: str, language: str = "en", verified: bool | None = None) -> Caption:
    """A caption of one claim, which rests on the segment's event."""
    event = segment.events[0]
    evidence = tuple(
        Evidence(
            table="segments", segment_id=segment.segment_id, backend=None, field=f"events.0.{name}", value=str(value)
        )
        for name, value in (("onset_ms", event.onset_ms), ("offset_ms", event.offset_ms))
    )
    return Caption(
        segment_id=segment.segment_id,
        recording_id=segment.recording_id,
        caption=text,
        composer="test",
        language=language,
        branches=segment.branches,
        claims=(Claim(text=text, rule="test", evidence=evidence),),
        verified=verified,
        config_key="k",
    )


def commit_corpus(output: Path, texts: Mapping[str, Sequence[str]], key: str = "k") -> None:
    """Commits recordings (name → the captions of its segments, in order), each shard by itself, as a run does."""
    shards = prepare_output(str(output))
    for shard in range(shards):
        names = sorted(
            (name for name in texts if shard_of(recording_id_of(name), shards) == shard), key=recording_id_of
        )
        covers = tuple((recording_id_of(name), key) for name in names)
        if not names:
            continue
        segments = {name: [a_told_segment(name, number) for number in range(len(texts[name]))] for name in names}
        with new_commit(str(output), Commit(stage=SEGMENTS_STAGE, shard=shard, covers=covers, files=())) as writer:
            for name in names:
                for segment in segments[name]:
                    writer.append(Table.SEGMENTS, with_audio(segment))
        with new_commit(str(output), Commit(stage=CAPTIONS_STAGE, shard=shard, covers=covers, files=())) as writer:
            for name in names:
                for segment, text in zip(segments[name], texts[name], strict=True):
                    writer.append(Table.CAPTIONS, a_told_caption(segment, text))
                writer.append(Table.REJECTED, a_reject(name, CAPTIONS_STAGE))


def filter_corpus(output: Path, config: FilterConfig, dry_run: bool = False) -> tuple[FilterSummary, bool]:
    return run_filter(FilterRequest(output=str(output), config=config, dry_run=dry_run), lambda done, of: None)


def texts_in(output: Path, table: Table) -> dict[str, str]:
    """segment_id → caption, as any reader of the folder sees it."""
    rows = (
        ds.dataset(output / table, schema=table_schema(table)).to_table(columns=["segment_id", "caption"]).to_pylist()
    )
    assert len({row["segment_id"] for row in rows}) == len(rows)
    return {row["segment_id"]: row["caption"] for row in rows}


def marked_texts(output: Path) -> dict[Table, dict[str, str]]:
    """The same as the markers have it, whatever else lies in the folders."""
    corpus = Corpus.load_present(str(output), [CAPTIONS_STAGE])
    wanted = {name: "" for commit in corpus.commits[CAPTIONS_STAGE] for name in commit.recording_ids}
    return {
        table: {
            str(row["segment_id"]): str(row["caption"]) for row in corpus.rows(table, ["segment_id", "caption"], wanted)
        }
        for table in (Table.CAPTIONS, Table.FILTERED)
    }


def reasons_in(output: Path) -> dict[str, list[str]]:
    """segment_id → why filters rejected it."""
    table = ds.dataset(output / "rejected", schema=table_schema(Table.REJECTED)).to_table()
    found: dict[str, list[str]] = {}
    for row in table.to_pylist():
        if row["stage"] == "filter":
            found.setdefault(row["segment_id"], []).append(row["reason"])
    return found


def contents_of(output: Path) -> dict[str, bytes]:
    """Every file of a corpus but the filters' own summary."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.name != "filter.json"
    }
