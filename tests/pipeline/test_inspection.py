from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from soundseam.pipeline.inspection import CorpusCounts, count_corpus, inspect_corpus, inspection_of, sample_captions
from soundseam.pipeline.storage.commits import Commit, commit_listing, new_commit, prepare_output, stages_in
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.event import Branch, EventClass, ProfileEntry
from soundseam.schemas.recording import ChannelRelation, Downmix, Quality, Recording, Rejected
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table
from tests.support.builders import a_caption, a_segment, recording_id_of, with_audio

SEGMENTS = (
    a_segment(
        "a", 0, 2000, branches=(Branch.SPEECH,), profile=(ProfileEntry(event_class="speech", share=1, strength=1),)
    ),
    a_segment("a", 2000, 8000, branches=(Branch.MUSIC, Branch.SPEECH)),
    a_segment("b", 0, 4000),
)


@pytest.fixture
def output(tmp_path: Path) -> str:
    prepare_output(str(tmp_path))
    return str(tmp_path)


def a_recording(name: str, segment_count: int) -> Recording:
    return Recording(
        recording_id=recording_id_of(name),
        source_uri=f"{name}.wav",
        manifest_id=None,
        size_bytes=1,
        duration_ms=10_000,
        container="WAV",
        codec="PCM_16",
        sample_rate_hz=16_000,
        channels=1,
        license=None,
        language=None,
        metadata=None,
        quality=Quality(
            level_dbfs=None,
            peak_dbfs=None,
            clipping_share=0.0,
            bandwidth_hz=None,
            channel_relation=ChannelRelation.MONO,
            downmix=Downmix.NONE,
        ),
        detectors=(),
        segment_count=segment_count,
        segment_ms=0,
        config_key="k",
    )


def rejected(name: str, stage: str, reason: str) -> Rejected:
    return Rejected(
        recording_id=recording_id_of(name), source_uri=f"{name}.wav", stage=stage, reason=reason, detail="seen"
    )


def commit(output: str, stage: str, names: str, rows: list[tuple[Table, BaseModel]], key: str = "k") -> None:
    covers = tuple((recording_id_of(name), key) for name in names)
    with new_commit(output, Commit(stage=stage, shard=0, covers=covers, files=())) as writer:
        for table, row in rows:
            writer.append(table, row)


def commit_segments(output: str, segments: tuple[Segment, ...] = SEGMENTS) -> None:
    rows: list[tuple[Table, BaseModel]] = [(Table.SEGMENTS, with_audio(segment)) for segment in segments]
    rows += [(Table.RECORDINGS, a_recording("a", 2)), (Table.RECORDINGS, a_recording("b", 1))]
    commit(output, "segments", "abc", [*rows, (Table.REJECTED, rejected("c", "decode", "truncated"))])


def test_an_empty_corpus_has_nothing(output: str) -> None:
    inspection = inspect_corpus(output)
    assert (inspection.recordings, inspection.segments, inspection.captions, inspection.reject_rate) == (0, 0, 0, 0.0)


def test_a_corpus_may_stop_at_any_stage(output: str) -> None:
    commit_segments(output)
    inspection = inspect_corpus(output)
    assert (inspection.recordings, inspection.audio_ms) == (2, 20_000)
    assert (inspection.segments, inspection.segments_ms) == (3, 12_000)
    assert (inspection.median_ms, inspection.p95_ms) == (4000, 6000)
    assert inspection.branches == (("speech", 2), ("general", 1), ("music", 1))
    assert inspection.captions == 0


def test_a_class_share_is_of_the_segments_time(output: str) -> None:
    commit_segments(output)
    assert dict(inspect_corpus(output).classes)[EventClass.SPEECH] == round(2000 / 12_000, 3)


def test_rejects_are_counted_by_stage_and_reason(output: str) -> None:
    commit_segments(output)
    commit_listing(output, ["inputs"], [rejected("d", "list", "empty_file"), rejected("a", "list", "duplicate")])
    counted = {(entry.stage, entry.reason): entry.rows for entry in inspect_corpus(output).rejected}
    assert counted == {("decode", "truncated"): 1, ("list", "empty_file"): 1, ("list", "duplicate"): 1}


def test_a_duplicate_does_not_count_as_lost(output: str) -> None:
    commit_segments(output)
    commit_listing(output, ["inputs"], [rejected("d", "list", "empty_file"), rejected("a", "list", "duplicate")])
    commit(output, "captions", "ab", [(Table.CAPTIONS, a_caption(segment)) for segment in SEGMENTS])
    assert inspect_corpus(output).reject_rate == 0.5


def test_segments_without_a_caption_count_as_lost(output: str) -> None:
    commit_segments(output)
    commit(output, "captions", "ab", [(Table.CAPTIONS, a_caption(SEGMENTS[0]))])
    assert inspect_corpus(output).reject_rate == 2 / 3


def test_rows_that_a_newer_commit_replaced_do_not_count(output: str) -> None:
    commit_segments(output)
    commit(output, "captions", "ab", [(Table.CAPTIONS, a_caption(segment, "Old.")) for segment in SEGMENTS])
    for name in "ab":
        rows = [segment for segment in SEGMENTS if segment.recording_id == recording_id_of(name)]
        commit(output, "captions", name, [(Table.CAPTIONS, a_caption(row, "New.")) for row in rows], key="other")
    assert inspect_corpus(output).captions == 3


def test_files_without_a_marker_do_not_count(output: str) -> None:
    commit_segments(output)
    for marker in (Path(output) / "_run" / "commits" / "segments").rglob("*.json"):
        marker.unlink()
    assert inspect_corpus(output).segments == 0


def test_the_same_seed_shows_the_same_captions_and_another_others(output: str) -> None:
    segments = tuple(a_segment("a", start, start + 1000) for start in range(0, 100_000, 1000))
    commit(output, "captions", "a", [(Table.CAPTIONS, a_caption(segment)) for segment in segments])
    first, again, other = (sample_captions(output, 10, seed) for seed in (1, 1, 2))
    assert first == again
    assert len({sample.segment_id for sample in first}) == 10
    assert first != other


def test_the_counts_of_shards_add_up_to_those_of_the_corpus(output: str) -> None:
    for shard, name in enumerate("abc"):
        covers = ((recording_id_of(name), "k"),)
        with new_commit(output, Commit(stage="segments", shard=shard, covers=covers, files=())) as writer:
            for segment in (segment for segment in SEGMENTS if segment.recording_id == recording_id_of(name)):
                writer.append(Table.SEGMENTS, with_audio(segment))
            writer.append(Table.RECORDINGS, a_recording(name, 1 if name < "c" else 0))
    commit_listing(output, ["inputs"], [rejected("d", "list", "empty_file")])
    corpus = Corpus.load_present(output, stages_in(output))
    apart = [count_corpus(corpus.of_shard(shard)) for shard in range(3)]
    whole = sum([*apart, count_corpus(corpus.of_stages(["list"]))], CorpusCounts())
    assert inspection_of(whole) == inspect_corpus(output)
    assert inspect_corpus(output).inputs_without_segments == 2
    assert count_corpus(corpus.of_shard(1), {recording_id_of("b")}).listed_with_segments == 0
