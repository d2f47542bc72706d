"""Recordings with all their committed rows, and the keys that these rows bear."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import attrgetter

from pipeline.sft.material import Material, RecordingMaterial
from pipeline.storage.commits import Corpus, stages_in
from pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from schemas.annotation import ANNOTATION_OF, Annotation
from schemas.arrow import arrow_schema
from schemas.caption import Caption
from schemas.event import Branch
from schemas.record import content_key
from schemas.recording import Recording
from schemas.segment import Segment
from schemas.tables import Table, annotation_table

ANNOTATIONS = "annotations/"
_SEGMENT_COLUMNS = tuple(arrow_schema(Segment).names)


def source_stages(output: str) -> tuple[str, ...]:
    """The stages whose rows samples are made of, in order of name."""
    return tuple(
        stage
        for stage in stages_in(output)
        if stage in {SEGMENTS_STAGE, CAPTIONS_STAGE} or stage.startswith(ANNOTATIONS)
    )


def upstream_keys(corpus: Corpus) -> dict[str, str]:
    """recording_id → key of all its rows: it changes with any of them. Only of recordings that have segments."""
    bears: dict[str, list[list[str]]] = {}
    for stage in sorted(corpus.commits):
        owners = corpus.owners(stage, {})
        keys = {id(commit): commit.content_keys for commit in corpus.commits[stage]}
        for recording_id, commit in owners.items():
            bears.setdefault(recording_id, []).append([stage, keys[id(commit)][recording_id]])
    return {
        recording_id: content_key(pairs)
        for recording_id, pairs in bears.items()
        if any(stage == SEGMENTS_STAGE for stage, _ in pairs)
    }


def read_recordings(output: str, shard: int, recording_ids: Collection[str]) -> list[RecordingMaterial]:
    """Everything committed of some recordings of one shard but their audio, in order of id."""
    corpus = Corpus.load(output, source_stages(output), shard)
    wanted = dict.fromkeys(recording_ids, "")
    recordings = {
        str(row["recording_id"]): Recording.model_validate(row)
        for row in corpus.rows(SEGMENTS_STAGE, Table.RECORDINGS, wanted)
    }
    annotations = _annotations(corpus, wanted)
    captions, filtered = (_captions(corpus, table, wanted) for table in (Table.CAPTIONS, Table.FILTERED))
    segments: dict[str, list[Segment]] = {recording_id: [] for recording_id in sorted(recording_ids)}
    for row in corpus.rows(SEGMENTS_STAGE, Table.SEGMENTS, wanted, _SEGMENT_COLUMNS):
        segments[str(row["recording_id"])].append(Segment.model_validate(row))
    return [
        RecordingMaterial(
            recording_id,
            recordings.get(recording_id),
            tuple(
                Material(
                    segment,
                    annotations.get(segment.segment_id, ()),
                    captions.get(segment.segment_id),
                    filtered.get(segment.segment_id),
                )
                for segment in sorted(members, key=attrgetter("segment_id"))
            ),
        )
        for recording_id, members in segments.items()
    ]


def _captions(corpus: Corpus, table: Table, wanted: Mapping[str, str]) -> dict[str, Caption]:
    """segment_id → its caption in `table`."""
    rows = corpus.rows(CAPTIONS_STAGE, table, wanted)
    return {str(row["segment_id"]): Caption.model_validate(row) for row in rows}


def _annotations(corpus: Corpus, wanted: Mapping[str, str]) -> dict[str, tuple[Annotation, ...]]:
    found: dict[str, tuple[Annotation, ...]] = {}
    for stage in sorted(corpus.commits):
        if stage.startswith(ANNOTATIONS):
            branch = Branch(stage.split("/")[1])
            for row in corpus.rows(stage, annotation_table(branch), wanted):
                annotation = ANNOTATION_OF[branch].model_validate(row)
                found[annotation.segment_id] = (*found.get(annotation.segment_id, ()), annotation)
    return found
