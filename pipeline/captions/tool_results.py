"""Whatever any tool says of a segment, in one form: what the merge works from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from annotators.grammar.engine import Rows
from pipeline.captions.results.general import general_results
from pipeline.captions.results.music import music_results
from pipeline.captions.results.segment import segment_results
from pipeline.captions.results.source import Source
from pipeline.captions.results.speech import speech_results
from schemas.annotation import Annotation, GeneralAnnotation, MusicAnnotation
from schemas.segment import Segment
from schemas.tool_result import ResultKind, ToolResult


def tool_results(segment: Segment, annotations: Sequence[Annotation]) -> tuple[ToolResult, ...]:
    """The segment's own profile, events and language, then every field of every row, in the rows' order.

    Pure: the same rows give the same results, so that what points to one can be held against it again.
    """
    return results_of(Rows(segment, annotations))


def results_of(rows: Rows) -> tuple[ToolResult, ...]:
    """The same of rows that are there already."""
    return (
        *segment_results(Source(rows), rows.segment),
        *(result for row in rows.annotations for result in _row_results(Source(rows, row), row)),
    )


def _row_results(source: Source, row: Annotation) -> Iterator[ToolResult]:
    if isinstance(row, GeneralAnnotation):
        yield from general_results(source, row)
    elif isinstance(row, MusicAnnotation):
        yield from music_results(source, row)
    else:
        yield from speech_results(source, row)
    for index, claim in enumerate(row.caption_claims):
        paths = (f"caption_claims.{index}.text", f"caption_claims.{index}.rule")
        yield source.result(ResultKind.STATEMENT, claim.text, *paths, confidence=claim.probability)
    for index, near in enumerate(row.clap_similarity or ()):
        paths = (f"clap_similarity.{index}.backend", f"clap_similarity.{index}.similarity")
        yield source.result(ResultKind.SIMILARITY, f"the caption of {near.backend} lies near the sound", *paths)
    if row.caption and not row.caption_claims:
        yield source.result(ResultKind.STATEMENT, row.caption, "caption")
